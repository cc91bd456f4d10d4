"""MinHash with rensa: 112 functions in 14 bands over 5-grams of words, from gzipped JSON lines to flags."""

import glob
import gzip
import json
import re
import sys

from rensa import RMinHash, RMinHashLSH

WORD = re.compile(r"\w+")
texts = [json.loads(line)["text"] for f in sorted(glob.glob(sys.argv[1] + "/*.gz")) for line in gzip.open(f, "rt")]
sketches = []
for i in range(0, len(texts), 1000):
    sets = []
    for text in texts[i : i + 1000]:
        words = WORD.findall(text.lower())
        sets.append([" ".join(words[j : j + 5]) for j in range(max(1, len(words) - 4))])
    sketches += RMinHash.from_token_sets(sets, num_perm=112, seed=42)
index = RMinHashLSH(threshold=0.75, num_perm=112, num_bands=14)
index.insert_many(sketches)
print(sum(index.query_duplicate_flags(sketches)), "flagged of", len(texts))
