"""Runs in datatrove's environment: one JSON line a document with the decision of each rule. TO FOLDER"""

import json
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter,
    c4_filters, fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter,
)
from datatrove.utils.text import split_into_sentences, split_into_words

from common import documents

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
with open(sys.argv[1], "w") as to:
    for row in documents(sys.argv[2]):
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
        print(json.dumps(out), file=to)
