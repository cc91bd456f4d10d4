"""Runs in datatrove's environment: the greatest resemblance of documents with others, by its words and by ours. TO FOLDER IDS"""

import json
import sys

from datatrove.utils.text import ngrams, simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer

from common import documents
from shingles import nearest, shingles, words

to, folder, ids = sys.argv[1:]
tokenizer = load_word_tokenizer("en")
with open(ids) as lines:
    wanted = json.load(lines)
texts = {row["id"]: row["text"] for row in documents(folder)}
theirs = nearest({one: set(ngrams(tokenizer.word_tokenize(simplify_text(text)), 5)) for one, text in texts.items()}, wanted)
ours = nearest({one: set(shingles(words(text))) for one, text in texts.items()}, wanted)
with open(to, "w") as file:
    for one in wanted:
        print(json.dumps({"id": one, "theirs": theirs[one], "ours": ours[one]}), file=file)
