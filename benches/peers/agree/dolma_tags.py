"""Dolma's gopher_v1, c4_v2 and pii_regex_with_counts_fast_v2: spans equal, scores within 1e-5.

c4_v2 counts offsets of lines in the text in lower case, which is longer than the text behind a letter like U+0130: they are
counted back.
"""

import glob

from common import documents, dolma_tag, same, short, tag, tell

TAGGERS = ["gopher_v1", "c4_v2", "pii_regex_with_counts_fast_v2"]


def raised(text, spans):
    """Spans of the text in lower case, as spans of the text."""
    at = [0]
    for number, letter in enumerate(text, 1):
        at += [number] * len(letter.lower())
    return [[at[start], at[end], score] for start, end, score in spans]


def compare(args, folder, taggers, kind, extra=()):
    theirs = dolma_tag(args, folder, taggers, f"dolma-{kind}")
    mine = tag(args, folder, taggers, f"ours-{kind}", extra)
    count, unequal = 0, {}
    for row in documents(folder):
        one, text = row["id"], row["text"]
        count += 1
        left, right = short(theirs[one]), short(mine[one])
        if len(text.lower()) != len(text):
            left |= {name: raised(text, spans) for name, spans in left.items() if name.startswith("c4_v2__lines_with_")}
        for name in left.keys() | right.keys():
            unequal.setdefault(name, [])
            if not same(left.get(name, []), right.get(name, [])):
                unequal[name].append(one)
    for name in sorted(unequal):
        tell("dolma 1.2.1", name, count, unequal[name])


def main(args):
    words = glob.glob(f"{args.venvs}/dolma/lib/python3*/site-packages/dolma/data/naughty_words_en.txt")
    compare(args, args.sample, TAGGERS, "tags", ["--param", f"c4_v2.bad_words={words[0]}"])
