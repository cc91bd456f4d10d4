"""Runs in datatrove's environment: which documents its NGramsDecontFilter takes out. TO FOLDER ITEMS

A line for each document and then for each item, with its words as datatrove has them (what is no letter or digit in hex).
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


def words(text):
    return decontaminate.tokenizer.word_tokenize(simplify_text(text, config.norm_config))


def hashes(text):
    return [decontaminate.hash_func(" ".join(gram)) for gram in ngrams(words(text), config.n_grams)]


def plain(text):
    return " ".join(word if word.isalnum() else "x" + word.encode().hex() for word in words(text))


with open(items) as lines:
    texts = [json.loads(line)["text"] for line in lines]
found = {one for text in texts for one in hashes(text)}
np.array(list(found), dtype=config.hash_config.np_descr).tofile(f"{index}/items.index.hashes")
with open(to, "w") as file:
    for row in documents(folder):
        taken = decontaminate.filter(Document(text=row["text"], id=row["id"])) is not True
        print(json.dumps({"id": row["id"], "taken": taken, "words": plain(row["text"])}), file=file)
    for text in texts:
        print(json.dumps({"item": plain(text)}), file=file)
shutil.rmtree(index)
