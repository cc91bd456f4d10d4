"""The texts that datatrove's C4 filter and its PIIFormatter leave, against our tagger and `corpus mix`."""

from common import child, documents, run, tag, tell

LINES = ["long_word", "no_terminal_punctuation", "too_few_words", "javascript", "policy", "citation"]


def mixed(args, name, *how):
    to = f"{args.work}/{name}"
    run(args.regimen, "corpus", "mix", args.sample, "--attributes", name, "--to", to, "--quiet", *how)
    return {row["id"]: row["text"] for row in documents(to)}


def lines(text):
    """As datatrove writes lines: without white space around them, with a line feed between."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def main(args):
    theirs = child(args, "datatrove", "datatrove_texts_child.py", args.sample)
    tag(args, args.sample, ["c4"], "ours-c4")
    drop = "c4.lorem_ipsum or c4.curly_brace or c4.sentences < 5"
    mine = mixed(args, "ours-c4", "--drop", drop, *(part for name in LINES for part in ("--edit", f"c4.{name}")))
    unequal = [peer["id"] for peer in theirs
               if (None if peer["c4"] is None else lines(peer["c4"])) != (lines(mine[peer["id"]]) if peer["id"] in mine else None)]
    tell("datatrove 0.10.1", "c4 texts", len(theirs), unequal, kept=len(mine))
    tag(args, args.sample, ["pii@datatrove"], "ours-pii")
    mine = mixed(args, "ours-pii", "--edit", "pii_datatrove.email=|||MAIL|||", "--edit", "pii_datatrove.ip=|||IP|||")
    tell("datatrove 0.10.1", "pii texts", len(theirs), [peer["id"] for peer in theirs if peer["pii"] != mine.get(peer["id"], "")],
         changed=sum("|||MAIL|||" in text or "|||IP|||" in text for text in mine.values()))
