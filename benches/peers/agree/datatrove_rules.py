"""Decisions of each rule of datatrove's Gopher, C4 and FineWeb filters at its own thresholds."""

from common import child, short, tag, tell

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


def main(args):
    found = tag(args, args.sample, ["gopher@datatrove", "c4", "fineweb"], "ours-rules")
    theirs = child(args, "datatrove", "datatrove_rules_child.py", args.sample)
    unequal = {name: [] for name in [*RULES, *NUMBERS, *SETS]}
    for peer in theirs:
        mine = short(found[peer["id"]])

        def value(tagger, attribute):
            return sum(span[2] for span in mine.get(f"{tagger}__{attribute}", []))

        equal = {rule: peer[rule] in (None, keeps(value)) for rule, keeps in RULES.items()}
        for name, (tagger, attribute) in NUMBERS.items():
            equal[name] = peer[name] in (None, value(tagger, attribute))
        for name, rules in SETS.items():
            kept = all(RULES[rule](value) for rule in rules)
            equal[name] = any(peer[rule] is None for rule in rules) or kept == all(peer[rule] for rule in rules)
        for name, fine in equal.items():
            if not fine:
                unequal[name].append(peer["id"])
    for name, ids in unequal.items():
        tell("datatrove 0.10.1", name, len(theirs), ids)
