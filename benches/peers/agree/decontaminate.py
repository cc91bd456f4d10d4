"""n-grams of 12 words shared with planted items, beside datatrove's NGramsDecontFilter.

Items are 12 to 40 words of every tenth document of the sample, of half of them with other case and punctuation. The
normalisation of numbers, accents and words differs on purpose: where a decision differs, our rule in a few lines of Python
says whether it is for that. The last line gives both the same words: those of datatrove.
"""

import gzip
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


def hits(args, folder, items, name):
    """The documents of a folder that share an n-gram with an item."""
    run(args.regimen, "corpus", "decontaminate", folder, "--against", items, "-n", N, "--experiment", name,
        "--report", f"{args.work}/{name}.jsonl", "--quiet")
    return {one for one, row in attributes(f"{folder}/attributes/{name}").items()
            if any(attribute.endswith("__hits") and spans for attribute, spans in row.items())}


def main(args):
    items = os.path.join(args.work, "items.jsonl")
    plant(args, items)
    lines = child(args, "datatrove", "decontaminate_child.py", args.sample, items)
    theirs = {row["id"]: row["taken"] for row in lines if "id" in row}
    mine = hits(args, args.sample, items, "ours-items")
    with open(items) as rows:
        wanted = set().union(*(grams(json.loads(row)["text"]) for row in rows))
    expected = {row["id"] for row in documents(args.sample) if grams(row["text"]) & wanted}
    unequal = [(one, "other words" if (one in mine) == (one in expected) else None)
               for one, taken in theirs.items() if taken != (one in mine)]
    tell("datatrove 0.10.1", "decontaminate, 12-grams", len(theirs), unequal, hit=[len(mine), sum(theirs.values())])
    tell("our rule in Python", "decontaminate, 12-grams", len(theirs), sorted(mine ^ expected), hit=len(mine))

    folder = f"{args.work}/words"
    os.makedirs(f"{folder}/documents", exist_ok=True)
    with gzip.open(f"{folder}/documents/words.jsonl.gz", "wt") as to:
        to.writelines(json.dumps({"id": row["id"], "source": "s", "text": row["words"]}) + "\n" for row in lines if "id" in row)
    with open(f"{args.work}/items-words.jsonl", "w") as to:
        to.writelines(json.dumps({"id": at, "text": row["item"]}) + "\n"
                      for at, row in enumerate(row for row in lines if "item" in row) if len(row["item"].split()) >= N)
    mine = hits(args, folder, f"{args.work}/items-words.jsonl", "ours-words")
    tell("datatrove 0.10.1", "decontaminate, 12-grams, its words given to both", len(theirs),
         [one for one, taken in theirs.items() if taken != (one in mine)], hit=[len(mine), sum(theirs.values())])
