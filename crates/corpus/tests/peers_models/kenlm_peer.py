"""KenLM as a peer: writes ARPA files, has build_binary pack them in every way, and says how KenLM scores sentences.

    kenlm_peer.py FOLDER     FOLDER/train.json, FOLDER/sentences.json -> models and FOLDER/NAME.json
"""

import collections
import gzip
import json
import math
import subprocess
import sys
import zlib
from pathlib import Path

import kenlm

folder = Path(sys.argv[1])
build = Path(sys.executable).parent / "build_binary"
train = json.loads((folder / "train.json").read_text())
sentences = json.loads((folder / "sentences.json").read_text())


def counts(order):
    """n-grams of each order; from the third on, only those seen twice."""
    found = [collections.Counter() for _ in range(order)]
    for sentence in train:
        words = ["<s>", *sentence.split(), "</s>"]
        for n in range(order):
            for start in range(len(words) - n):
                found[n][tuple(words[start : start + n + 1])] += 1
    for n in range(2, order):
        found[n] = collections.Counter({gram: c for gram, c in found[n].items() if c > 1})
    return found


def arpa(name, order, drop=None, unknown=True):
    """Absolute discounting; the numbers need not add up to 1 for a comparison. `drop` prunes as SRILM may."""
    found = counts(order)
    kept = [[gram for gram in grams if not (drop and drop(gram, n + 1))] for n, grams in enumerate(found)]
    for n in range(order - 2, -1, -1):
        missing = {gram[:-1] for gram in kept[n + 1]} - set(kept[n])
        kept[n].extend(sorted(missing))
    contexts = [set(gram[:-1] for gram in grams) for grams in kept]
    total = sum(found[0].values())
    lines = ["\\data\\"]
    extra = 1 if unknown else 0
    lines += [f"ngram {n + 1}={len(grams) + (extra if n == 0 else 0)}" for n, grams in enumerate(kept)]
    for n, grams in enumerate(kept):
        lines += ["", f"\\{n + 1}-grams:"]
        if n == 0 and unknown:
            lines.append("-4.75\t<unk>\t0")
        for gram in grams:
            of = total if n == 0 else found[n - 1][gram[:-1]] + 0.5
            log = -99 if gram == ("<s>",) else math.log10(max(found[n][gram] - 0.4, 0.1) / of)
            line = f"{log:.6g}\t{' '.join(gram)}"
            if n + 1 < order and gram in contexts[n + 1]:
                line += f"\t{-0.1 - 0.7 / (1 + found[n][gram]):.6g}"
            elif n + 1 < order and len(gram[-1]) % 2:
                line += "\t0"
            lines.append(line)
    lines += ["", "\\end\\", ""]
    (folder / name).write_text("\n".join(lines))


def score(name, path=None):
    model = kenlm.Model(str(folder / (path or name)))
    rows = []
    for sentence in sentences:
        full = list(model.full_scores(sentence))
        rows.append(
            {
                "score": model.score(sentence),
                "inner": model.score(sentence, bos=False, eos=False),
                "perplexity": model.perplexity(sentence),
                "words": [row[0] for row in full],
                "lengths": [row[1] for row in full],
                "unknown": [row[2] for row in full],
            }
        )
    (folder / f"{name}.json").write_text(json.dumps(rows))


arpa("four.arpa", 4)
score("four.arpa")
(folder / "four.arpa.gz").write_bytes(gzip.compress((folder / "four.arpa").read_bytes(), 1))
score("four.arpa.gz", "four.arpa")
arpa("two.arpa", 2)
score("two.arpa")
arpa("nounk.arpa", 3, unknown=False)
score("nounk.arpa")
# Lower orders of some longer n-grams are missing.
arpa("pruned.arpa", 4, drop=lambda gram, n: n in (2, 3) and zlib.crc32(" ".join(gram).encode()) % 3 == 0)
score("pruned.arpa")

for source in ("four", "two", "nounk", "pruned"):
    arpa_name = f"{source}.arpa"
    kinds = {
        "probing": ["probing"],
        "large": ["-p", "2.3", "probing"],
        "trie": ["trie"],
        "array": ["-a", "22", "trie"],
        "array2": ["-a", "2", "trie"],
        "quant": ["-q", "8", "-b", "7", "trie"],
        "both": ["-q", "5", "-b", "6", "-a", "64", "trie"],
    }
    for kind, options in kinds.items():
        *flags, tail = options
        command = [str(build), *flags, tail, str(folder / arpa_name), str(folder / f"{source}-{kind}.bin")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        score(f"{source}-{kind}.bin")
