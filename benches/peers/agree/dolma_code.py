"""Dolma's taggers for code on files of code, and its licences of pages."""

import re

from common import attributes, documents, dolma_tag, short, tag, tell
from dolma_tags import compare

TAGGERS = ["code_redpajama_taggers_v1", "code_starcoder_taggers_v2", "code_copyright_comments_v1"]
FAMILY = re.compile("cc_by(_nc)?(_nd)?(_sa)?|cc_publicdomain.*?(zero|certification|mark)")
PUBLIC = {"public_domain": "cc_publicdomain"}


def licences(args):
    """What cc_re_fast and cc_re say of `metadata.html`: the spans of the first, the families that the second names."""
    theirs = dolma_tag(args, args.pages, ["cc_re_fast", "cc_re"], "dolma-licence")
    mine = {one: short(found) for one, found in tag(args, args.pages, ["licence"], "ours-licence").items()}
    count, named, spans, families = 0, 0, [], []
    for row in documents(args.pages):
        one, found = row["id"], short(theirs[row["id"]])
        count += 1
        # Ours finds links in the text too; those of the page have the span of the whole text.
        whole = [0, len(row["text"])]
        ours = {name.removeprefix("licence__"): [span for span in all if span[:2] == whole] for name, all in mine[one].items()}
        ours = {name: all for name, all in ours.items() if all}
        named += bool(ours)
        ours = {PUBLIC.get(name, name): all for name, all in ours.items()}
        fast = {name.removeprefix("cc_re_fast__"): all for name, all in found.items() if name.startswith("cc_re_fast__")}
        if fast != ours:
            spans.append(one)
        # cc_re writes version and language too (`cc_by_sa_3_0_en`), and reads attributes of tags alone.
        families_of = {FAMILY.match(name.removeprefix("cc_re__"))[0] for name in found if name.startswith("cc_re__cc_")}
        if missing := {name for name in families_of if not name.startswith("cc_publicdomain_")} - ours.keys():
            families.append(one)
        elif families_of != ours.keys():
            public = any(name.startswith("cc_publicdomain_") for name in families_of)
            families.append((one, "zero and mark of publicdomain/" if public else "links that cc_re does not take"))
    tell("dolma 1.2.1", "cc_re_fast", count, spans, named=named)
    tell("dolma 1.2.1", "cc_re families", count, families, named=named)


# What keeps a file: the thresholds of RedPajama and StarCoder.
KEEPS = {
    "code_redpajama_taggers_v1": {
        "max_line_length_doc": lambda x: x <= 1000, "avg_line_length_doc": lambda x: x <= 100,
        "alnum_prop_doc": lambda x: x >= 0.25, "alpha_token_prop_doc": lambda x: x >= 1.5,
    },
    "code_starcoder_taggers_v2": {
        "has_xml_template_doc": lambda x: x == 0, "code_to_comment_ratio_doc": lambda x: 0.01 <= x <= 0.8,
        "code_to_text_ratio_html_doc": lambda x: x >= 0.2,
    },
}


def decisions(args):
    theirs, mine = (attributes(f"{args.code}/attributes/{name}") for name in ("dolma-code", "ours-code"))
    for tagger, rules in KEEPS.items():
        unequal, kept = [], 0
        for one in mine:
            fates = [all(keeps(short(found[one])[f"{tagger}__{name}"][0][2]) for name, keeps in rules.items())
                     for found in (theirs, mine)]
            kept += fates[1]
            if fates[0] != fates[1]:
                unequal.append(one)
        tell("dolma 1.2.1", f"{tagger}, kept", len(mine), unequal, kept=kept)


def main(args):
    compare(args, args.code, TAGGERS, "code")
    decisions(args)
    licences(args)
