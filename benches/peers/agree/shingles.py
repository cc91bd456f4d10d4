"""The words of our near copies, as crates/corpus/src/dedup/shingle.rs has them, and shares of shingles in common."""

import re
from collections import Counter, defaultdict

# Scripts without spaces, a letter of which is a word: Han, kana, Thai, Lao, Myanmar, Khmer.
ALONE = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
WORD = re.compile(rf"[{ALONE}]|[^\W_{ALONE}]+")


def words(text):
    return WORD.findall(re.sub("[0-9]+", "0", text.lower()))


def shingles(words):
    return [" ".join(words[at : at + 5]) for at in range(len(words) - 4)] or [" ".join(words)] * bool(words)


def partners(sets, wanted, least):
    """For each wanted id the resemblance with each other document, from `least` on."""
    where = defaultdict(list)
    for one, found in sets.items():
        for shingle in found:
            where[shingle].append(one)
    all = {}
    for one in wanted:
        shared = Counter(other for shingle in sets[one] for other in where[shingle] if other != one)
        found = {other: n / (len(sets[one]) + len(sets[other]) - n) for other, n in shared.items()}
        all[one] = {other: s for other, s in found.items() if s >= least}
    return all
