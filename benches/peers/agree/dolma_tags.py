"""Dolma's gopher_v1, c4_v2 and pii_regex_with_counts_fast_v2: spans equal, scores within 1e-5."""

import glob

from common import documents, dolma_tag, same, short, tag, tell

TAGGERS = ["gopher_v1", "c4_v2", "pii_regex_with_counts_fast_v2"]


def compare(args, folder, taggers, kind, extra=()):
    theirs = dolma_tag(args, folder, taggers, f"dolma-{kind}")
    mine = tag(args, folder, taggers, f"ours-{kind}", extra)
    ids, unequal = [row["id"] for row in documents(folder)], {}
    for one in ids:
        left, right = short(theirs[one]), short(mine[one])
        for name in left.keys() | right.keys():
            unequal.setdefault(name, [])
            if not same(left.get(name, []), right.get(name, [])):
                unequal[name].append(one)
    for name in sorted(unequal):
        tell("dolma 1.2.1", name, len(ids), unequal[name])


def main(args):
    words = glob.glob(f"{args.venvs}/dolma/lib/python3*/site-packages/dolma/data/naughty_words_en.txt")
    compare(args, args.sample, TAGGERS, "tags", ["--param", f"c4_v2.bad_words={words[0]}"])
