"""Comparisons of corpus_agree.sh: what Regimen decides beside what the peers decide, document by document."""

import argparse
import importlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "agree"))

COMPARISONS = ["dolma_tags", "dolma_code", "dolma_dedup", "datatrove_rules", "datatrove_texts", "near", "decontaminate"]


def main():
    parser = argparse.ArgumentParser()
    for name in ("regimen", "venvs", "work"):
        parser.add_argument(f"--{name}", required=True, type=os.path.abspath)
    parser.add_argument("comparisons", nargs="*", metavar="COMPARISON")
    args = parser.parse_args()
    if unknown := [name for name in args.comparisons if name not in COMPARISONS]:
        sys.exit(f"corpus_agree.py: unknown {', '.join(unknown)}; there are {', '.join(COMPARISONS)}")
    for name in ("sample", "copies", "code", "pages"):
        setattr(args, name, os.path.join(args.work, name))
    for name in args.comparisons or COMPARISONS:
        importlib.import_module(name).main(args)


if __name__ == "__main__":
    main()
