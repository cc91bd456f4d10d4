"""Runs in rensa's environment: clusters as near_datatrove.py writes them, by 14 bands of 8 functions. TO FOLDER SEED"""

import json
import sys

from rensa import RMinHash, RMinHashLSH

from common import documents
from shingles import shingles, words

to, folder, seed = sys.argv[1:]
rows = list(documents(folder))
sketches = RMinHash.from_token_sets([shingles(words(row["text"])) for row in rows], num_perm=112, seed=int(seed))
index = RMinHashLSH(threshold=0.75, num_perm=112, num_bands=14)
parent = list(range(len(rows)))


def root(one):
    while parent[one] != one:
        parent[one] = one = parent[parent[one]]
    return one


for at, sketch in enumerate(sketches):
    if words(rows[at]["text"]):
        index.insert(at, sketch)
for at, sketch in enumerate(sketches):
    for other in index.query(sketch) if words(rows[at]["text"]) else []:
        parent[max(root(at), root(other))] = min(root(at), root(other))
with open(to, "w") as file:
    for at, row in enumerate(rows):
        print(json.dumps({"id": row["id"], "cluster": root(at)}), file=file)
