"""Runs in datatrove's environment: which documents its NGramsDecontFilter takes out. TO FOLDER ITEMS

Its indexer wants the package lighteval, so the index is written here as it writes it: hashes of the n-grams of the items.
"""

import json
import os
import shutil
import sys

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
from datatrove.utils.text import ngrams, simplify_text

from common import documents

to, folder, items = sys.argv[1:]
config = NGramsDecontConfig()
index = to + ".index"
shutil.rmtree(index, ignore_errors=True)
os.makedirs(index)
decontaminate = NGramsDecontFilter(index, config)


def hashes(text):
    words = decontaminate.tokenizer.word_tokenize(simplify_text(text, config.norm_config))
    return [decontaminate.hash_func(" ".join(gram)) for gram in ngrams(words, config.n_grams)]


with open(items) as lines:
    found = {one for line in lines for one in hashes(json.loads(line)["text"])}
np.array(list(found), dtype=config.hash_config.np_descr).tofile(f"{index}/items.index.hashes")
with open(to, "w") as file:
    for row in documents(folder):
        one = Document(text=row["text"], id=row["id"])
        taken = decontaminate.filter(one) is not True
        print(json.dumps({"id": row["id"], "taken": taken, "ngram": one.metadata.get("contaminated_ngram")}), file=file)
shutil.rmtree(index)
