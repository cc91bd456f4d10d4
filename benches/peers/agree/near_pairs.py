"""Runs in datatrove's environment: the resemblance of documents with others, by its words and by ours. TO FOLDER IDS"""

import json
import sys

from datatrove.utils.text import ngrams, simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer

from common import documents
from shingles import partners, shingles, words

to, folder, ids = sys.argv[1:]
tokenizer = load_word_tokenizer("en")
with open(ids) as lines:
    wanted = json.load(lines)
texts = {row["id"]: row["text"] for row in documents(folder)}
sets = {
    "theirs": {one: set(ngrams(tokenizer.word_tokenize(simplify_text(text)), 5)) for one, text in texts.items()},
    "ours": {one: set(shingles(words(text))) for one, text in texts.items()},
}
found = {name: partners(one, wanted, 0.25) for name, one in sets.items()}
with open(to, "w") as file:
    for one in wanted:
        print(json.dumps({"id": one, **{name: all[one] for name, all in found.items()}}), file=file)
