"""Dolma's taggers for code on files of code, and its licences of pages."""

from common import documents, dolma_tag, short, tag, tell
from dolma_tags import compare

TAGGERS = ["code_redpajama_taggers_v1", "code_starcoder_taggers_v2", "code_copyright_comments_v1"]
FAMILIES = ["by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"]


def licences(args):
    """What cc_re_fast and cc_re say of `metadata.html`: the families of licences found, and for the first the spans too."""
    theirs = dolma_tag(args, args.pages, ["cc_re_fast", "cc_re"], "dolma-licence")
    mine = {one: short(found) for one, found in tag(args, args.pages, ["licence"], "ours-licence").items()}
    count, spans, families = 0, [], []
    for row in documents(args.pages):
        one = row["id"]
        count += 1
        whole = [0, len(row["text"])]
        ours = {name.split("__")[1]: [span for span in found if span[:2] == whole] for name, found in mine[one].items()}
        found = short(theirs[one])
        fast = {f"cc_{family}": found.get(f"cc_re_fast__cc_{family}", []) for family in FAMILIES}
        if any(fast[name] != ours.get(name.replace("-", "_"), []) for name in fast):
            spans.append(one)
        # cc_re writes `cc_by-sa_3.0_en` and looks at links in tags alone.
        named = {name.split("__cc_")[1].split("_")[0] for name in found if name.startswith("cc_re__") and found[name]}
        have = {name.removeprefix("cc_").replace("_", "-") for name, found in ours.items() if found}
        public = have & {"cc0", "public-domain"}
        theirs_public = {name for name in named if name.startswith("publicdomain")}
        if (named - theirs_public, bool(theirs_public)) != (have - public, bool(public)):
            families.append(one)
    tell("dolma 1.2.1", "cc_re_fast", count, spans)
    tell("dolma 1.2.1", "cc_re families", count, families)


def main(args):
    compare(args, args.code, TAGGERS, "code")
    licences(args)
