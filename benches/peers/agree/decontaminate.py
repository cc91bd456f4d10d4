"""n-grams of 12 words shared with planted items, beside datatrove's NGramsDecontFilter.

Items are 12 to 40 words of every tenth document of the sample, of half of them with other case and punctuation. The
normalisation of numbers, accents and words differs on purpose: where a decision differs, our rule in a few lines of Python
says whether it is for that.
"""

import json
import os
import random
import re

from common import attributes, child, documents, run, tell

N = 12


def normal(text):
    """The words of crates/corpus/src/tag/decontaminate.rs: of runs without white space the letters and numbers."""
    return [word for run in text.split() if (word := re.sub(r"[\W_]", "", run.lower()))]


def grams(text):
    words = normal(text)
    return {tuple(words[at : at + N]) for at in range(len(words) - N + 1)}


def plant(args, path):
    chance = random.Random(3)
    with open(path, "w") as to:
        for at, row in enumerate(documents(args.sample)):
            words = row["text"].split()
            size = chance.randint(N, 40)
            if at % 10 or len(words) <= size:
                continue
            begin = chance.randrange(len(words) - size)
            item = words[begin : begin + size]
            if at % 20:
                item = [word.upper() + chance.choice(["", "", ",", "!"]) for word in item]
            if len(normal(" ".join(item))) >= N:
                print(json.dumps({"id": at, "text": " ".join(item)}), file=to)


def main(args):
    items = os.path.join(args.work, "items.jsonl")
    plant(args, items)
    theirs = child(args, "datatrove", "decontaminate_child.py", args.sample, items)
    run(args.regimen, "corpus", "decontaminate", args.sample, "--against", items, "-n", N, "--experiment", "ours-items",
        "--report", f"{args.work}/hits.jsonl", "--quiet")
    found = {one: any(name.endswith("__hits") and spans for name, spans in row.items())
             for one, row in attributes(f"{args.sample}/attributes/ours-items").items()}
    with open(items) as lines:
        wanted = set().union(*(grams(json.loads(line)["text"]) for line in lines))
    texts = {row["id"]: row["text"] for row in documents(args.sample)}
    unequal = []
    for row in theirs:
        one = row["id"]
        if row["taken"] != found[one]:
            expected = bool(grams(texts[one]) & wanted)
            unequal.append((one, "other words" if expected == found[one] else None))
    tell("datatrove 0.10.1", "decontaminate, 12-grams", len(theirs), unequal,
         hit=[sum(found.values()), sum(row["taken"] for row in theirs)])
    rule = [one for one, text in texts.items() if bool(grams(text) & wanted) != found[one]]
    tell("our rule in Python", "decontaminate, 12-grams", len(texts), rule)
