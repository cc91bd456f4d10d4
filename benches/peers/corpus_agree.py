#!/usr/bin/env python3
"""Compare what Regimen's taggers find with what Dolma and datatrove find, document by document.

    corpus_agree.py --regimen BIN --documents DIR --work DIR [--dolma VENV --bad-words FILE] [--datatrove VENV]

DIR holds `*.jsonl.gz` in Dolma's layout. VENV is a virtual environment with the peer (dolma 1.2.1, datatrove 0.10.1 with
spacy). FILE is Dolma's own list of words (python/dolma/data/naughty_words_en.txt of its repository).

Prints one JSON line an attribute (Dolma: spans equal, scores within 1e-5) or a rule (datatrove: decision at its own
thresholds): documents, how many are equal, and the ids of some that are not.
"""

import argparse
import glob
import gzip
import json
import os
import subprocess
import sys

DOLMA = ["gopher_v1", "c4_v2", "pii_regex_with_counts_fast_v2"]

# Rules of datatrove at its default thresholds: what keeps a document, by our attributes.
RULES = {
    "gopher_short_doc": lambda v: v("gopher_datatrove", "words") >= 50,
    "gopher_long_doc": lambda v: v("gopher_datatrove", "words") <= 100000,
    "gopher_below_avg_threshold": lambda v: v("gopher_datatrove", "mean_word_length") >= 3,
    "gopher_above_avg_threshold": lambda v: v("gopher_datatrove", "mean_word_length") <= 10,
    "gopher_too_many_hashes": lambda v: v("gopher_datatrove", "hash_ratio") <= 0.1,
    "gopher_too_many_ellipsis": lambda v: v("gopher_datatrove", "ellipsis_ratio") <= 0.1,
    "gopher_too_many_bullets": lambda v: v("gopher_datatrove", "bullet_lines") <= 0.9,
    "gopher_too_many_end_ellipsis": lambda v: v("gopher_datatrove", "ellipsis_lines") <= 0.3,
    "gopher_below_alpha_threshold": lambda v: v("gopher_datatrove", "alphabetic_words") >= 0.8,
    "gopher_enough_stop_words": lambda v: v("gopher_datatrove", "stop_words") >= 2,
    "dup_para_frac": lambda v: v("gopher_datatrove", "duplicate_paragraphs") <= 0.3,
    "dup_para_char_frac": lambda v: v("gopher_datatrove", "duplicate_paragraph_characters") <= 0.2,
    "dup_line_frac": lambda v: v("gopher_datatrove", "duplicate_lines") <= 0.3,
    "dup_line_char_frac": lambda v: v("gopher_datatrove", "duplicate_line_characters") <= 0.2,
    "top_2_gram": lambda v: v("gopher_datatrove", "top_2gram") <= 0.2,
    "top_3_gram": lambda v: v("gopher_datatrove", "top_3gram") <= 0.18,
    "top_4_gram": lambda v: v("gopher_datatrove", "top_4gram") <= 0.16,
    **{
        f"duplicated_{n}_n_grams": (lambda n, most: lambda v: v("gopher_datatrove", f"duplicate_{n}grams") <= most)(n, most)
        for n, most in [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)]
    },
    "line_punct_ratio": lambda v: v("fineweb", "line_punct_ratio") >= 0.12,
    "short_line_ratio": lambda v: v("fineweb", "short_line_ratio") <= 0.67,
    "char_dup_ratio": lambda v: v("fineweb", "char_dup_ratio") <= 0.01,
    "list_ratio": lambda v: v("fineweb", "list_ratio") <= 0.3,
    "c4": lambda v: not v("c4", "lorem_ipsum") and not v("c4", "curly_brace") and v("c4", "sentences") >= 5,
}
# Numbers that are compared as they are.
NUMBERS = {"words": ("gopher_datatrove", "words"), "sentences": ("c4", "sentences")}
SETS = {
    "gopher@datatrove": [rule for rule in RULES if rule.startswith(("gopher_", "dup", "top_"))],
    "fineweb": ["line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio"],
}


def rows(pattern):
    for path in sorted(glob.glob(pattern)):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                yield json.loads(line)


def ours(args, taggers, name, extra=()):
    to = os.path.join(args.work, name)
    subprocess.run(
        [args.regimen, "corpus", "tag", f"{args.documents}/*.jsonl.gz", "--taggers", ",".join(taggers),
         "--experiment", "regimen", "--to", to, "--quiet", *extra],
        check=True,
    )
    return {row["id"]: row["attributes"] for row in rows(f"{to}/*.jsonl.gz")}


def tell(peer, name, documents, unequal):
    equal = documents - len(unequal)
    print(json.dumps({
        "peer": peer, "name": name, "documents": documents, "equal": equal,
        "share": round(equal / max(documents, 1), 6), "unequal": unequal[:5],
    }), flush=True)


def short(attributes):
    """Attributes without the experiment's name, spans in order."""
    return {name.split("__", 1)[1]: sorted(spans) for name, spans in attributes.items()}


def same(one, other):
    return len(one) == len(other) and all(
        a[:2] == b[:2] and abs(a[2] - b[2]) <= 1.001e-5 for a, b in zip(one, other)
    )


def dolma(args):
    link = os.path.join(args.work, "dolma", "documents")
    os.makedirs(link, exist_ok=True)
    for path in glob.glob(f"{args.documents}/*.jsonl.gz"):
        target = os.path.join(link, os.path.basename(path))
        if not os.path.exists(target):
            os.symlink(os.path.abspath(path), target)
    to = os.path.join(args.work, "dolma", "attributes", "peer")
    if not os.path.isdir(to):
        subprocess.run(
            [f"{args.dolma}/bin/dolma", "tag", "--documents", f"{link}/*.gz", "--experiment", "peer",
             "--taggers", *DOLMA, "--processes", "1"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    extra = ["--param", f"c4_v2.bad_words={args.bad_words}"] if args.bad_words else []
    found = ours(args, DOLMA, "ours-dolma", extra)
    documents, unequal = 0, {}
    for row in rows(f"{to}/*.jsonl.gz"):
        documents += 1
        theirs, mine = short(row["attributes"]), short(found[row["id"]])
        for name in theirs.keys() | mine.keys():
            unequal.setdefault(name, [])
            if not same(theirs.get(name, []), mine.get(name, [])):
                unequal[name].append(row["id"])
    for name in sorted(unequal):
        tell("dolma", name, documents, unequal[name])


def child(documents):
    """Runs in datatrove's environment: one JSON line a document with the decision of each rule."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter,
        c4_filters, fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter,
    )
    from datatrove.utils.text import split_into_sentences, split_into_words

    last, sentences = [None, None], [0]

    def words_of(text, language):
        if last[0] != text:
            last[:] = [text, split_into_words(text, language)]
        return last[1]

    def sentences_of(text, language):
        found = split_into_sentences(text, language)
        sentences[0] += len(found)
        return found

    for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = words_of
    c4_filters.split_into_sentences = sentences_of
    none = dict.fromkeys((
        "min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
        "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words",
    ))

    def quality(**one):
        return GopherQualityFilter(**{**none, **one})

    def repetition(**one):
        off = {"dup_line_frac": None, "dup_para_frac": None, "dup_line_char_frac": None, "dup_para_char_frac": None,
               "top_n_grams": (), "dup_n_grams": ()}
        return GopherRepetitionFilter(**{**off, **one})

    def fineweb(**one):
        off = {"line_punct_thr": 0, "short_line_thr": 1e9, "char_duplicates_ratio": 1e9, "new_line_ratio": 1e9}
        return FineWebQualityFilter(**{**off, **one})

    symbols = quality(max_symbol_word_ratio=0.1)
    filters = {
        "gopher_short_doc": quality(min_doc_words=50),
        "gopher_long_doc": quality(max_doc_words=100000),
        "gopher_below_avg_threshold": quality(min_avg_word_length=3),
        "gopher_above_avg_threshold": quality(max_avg_word_length=10),
        "gopher_too_many_hashes": symbols,
        "gopher_too_many_ellipsis": symbols,
        "gopher_too_many_bullets": quality(max_bullet_lines_ratio=0.9),
        "gopher_too_many_end_ellipsis": quality(max_ellipsis_lines_ratio=0.3),
        "gopher_below_alpha_threshold": quality(max_non_alpha_words_ratio=0.8),
        "gopher_enough_stop_words": quality(min_stop_words=2),
        "dup_para_frac": repetition(dup_para_frac=0.3),
        "dup_para_char_frac": repetition(dup_para_char_frac=0.2),
        "dup_line_frac": repetition(dup_line_frac=0.3),
        "dup_line_char_frac": repetition(dup_line_char_frac=0.2),
        **{f"top_{n}_gram": repetition(top_n_grams=((n, most),)) for n, most in [(2, 0.2), (3, 0.18), (4, 0.16)]},
        **{f"duplicated_{n}_n_grams": repetition(dup_n_grams=((n, most),))
           for n, most in [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)]},
        "line_punct_ratio": fineweb(line_punct_thr=0.12),
        "short_line_ratio": fineweb(short_line_thr=0.67),
        "char_dup_ratio": fineweb(char_duplicates_ratio=0.01),
        "list_ratio": fineweb(new_line_ratio=0.3),
    }
    c4 = C4QualityFilter()
    for row in rows(f"{documents}/*.jsonl.gz"):
        out = {"id": row["id"], "words": len([w for w in words_of(row["text"], "en") if any(
            c not in gopher_quality_filter.PUNCTUATION_SET for c in w)])}
        for name, rule in filters.items():
            try:
                found = rule.filter(Document(text=row["text"], id=row["id"]))
            except ZeroDivisionError:
                found = None
            if rule is symbols and found is not None:
                found = found is True or found[1] != name
            out[name] = found if found is None else found is True
        sentences[0] = 0
        found = c4.filter(Document(text=row["text"], id=row["id"]))
        out["c4"] = found is True
        # Where the document is dropped for what a line holds, counting ends there.
        out["sentences"] = sentences[0] if found is True or found[1] == "too_few_sentences" else None
        print(json.dumps(out))


def datatrove(args):
    cache = os.path.join(args.work, "datatrove.jsonl")
    if not os.path.exists(cache):
        with open(cache + ".part", "w") as to:
            subprocess.run([f"{args.datatrove}/bin/python", os.path.abspath(__file__), "--child", args.documents],
                           check=True, stdout=to, stderr=subprocess.DEVNULL)
        os.rename(cache + ".part", cache)
    found = ours(args, ["gopher@datatrove", "c4", "fineweb"], "ours-datatrove")
    documents = 0
    unequal = {name: [] for name in [*RULES, *NUMBERS, *SETS]}
    with open(cache) as lines:
        for line in lines:
            theirs = json.loads(line)
            documents += 1
            mine = short(found[theirs["id"]])

            def value(tagger, attribute):
                return sum(span[2] for span in mine.get(f"{tagger}__{attribute}", []))

            equal = {rule: theirs[rule] in (None, keeps(value)) for rule, keeps in RULES.items()}
            for name, (tagger, attribute) in NUMBERS.items():
                equal[name] = theirs[name] in (None, value(tagger, attribute))
            for name, rules in SETS.items():
                kept = all(RULES[rule](value) for rule in rules)
                equal[name] = any(theirs[rule] is None for rule in rules) or kept == all(theirs[rule] for rule in rules)
            for name, fine in equal.items():
                if not fine:
                    unequal[name].append(theirs["id"])
    for name, ids in unequal.items():
        tell("datatrove", name, documents, ids)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--child":
        return child(sys.argv[2])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("regimen", "documents", "work"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("dolma", "bad-words", "datatrove"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    if args.dolma:
        dolma(args)
    if args.datatrove:
        datatrove(args)


if __name__ == "__main__":
    main()
