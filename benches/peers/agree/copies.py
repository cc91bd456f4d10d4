"""A sample with planted copies: every eighth document once more as it is, every fourth with 1 to 30 % of its words replaced."""

import gzip
import json
import os
import random
import sys

from common import documents

sample, to = sys.argv[1:]
chance = random.Random(7)
rows = list(documents(sample))
words = " ".join(row["text"] for row in rows[:200]).split()
for at, row in enumerate(list(rows)):
    if at % 8 == 0:
        rows.append({**row, "id": row["id"] + "-copy"})
    if at % 4 == 1:
        rate = chance.uniform(0.01, 0.3)
        text = "\n".join(" ".join(chance.choice(words) if chance.random() < rate else word for word in line.split(" "))
                         for line in row["text"].split("\n"))
        rows.append({**row, "id": row["id"] + "-near", "text": text})
chance.shuffle(rows)
os.makedirs(f"{to}/documents", exist_ok=True)
with gzip.open(f"{to}/documents/copies.jsonl.gz", "wt") as file:
    file.writelines(json.dumps(row) + "\n" for row in rows)
