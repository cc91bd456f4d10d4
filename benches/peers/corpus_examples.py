"""Rows of corpus.sh that run an example of the crates, or measure how right deduplication is on planted copies."""

import glob
import gzip
import json
import os
import random
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "agree"))

from shingles import shingles, words  # noqa: E402


def tell(name, **fields):
    print(json.dumps({"name": name, **fields}), flush=True)
    print(f"{name}: {', '.join(f'{key} {value:.6g}' if isinstance(value, float) else f'{key} {value}' for key, value in fields.items())}", file=sys.stderr)


def example(bench, name, *arguments, env=None):
    program = os.path.join(bench.args.examples, name)
    return subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True,
                          env={**os.environ, **(env or {})}).stdout


def texts(folder):
    for path in sorted(glob.glob(f"{folder}/*.gz")):
        for line in gzip.open(path, "rt"):
            yield json.loads(line)["text"]


def write(bench, name, texts):
    folder = os.path.join(bench.work, name)
    bench.clean(name)
    os.makedirs(f"{folder}/documents")
    with gzip.open(f"{folder}/documents/a.jsonl.gz", "wt", compresslevel=1) as to:
        to.writelines(json.dumps({"id": str(i), "source": "s", "text": text}) + "\n" for i, text in enumerate(texts))
    return folder


def marked(bench, folder, name, *how):
    """The spans of each document of a folder, in order."""
    bench.clean(f"{os.path.relpath(folder, bench.work)}/attributes/{name}")
    subprocess.run([bench.ours, "corpus", "dedup", folder, "--name", name, "--quiet", *map(str, how)], check=True)
    return [json.loads(line)["attributes"][name] for line in gzip.open(f"{folder}/attributes/{name}/a.jsonl.gz", "rt")]


def taggers(bench):
    """Each set of taggers alone, documents in memory, one thread; the view that all share is in each."""
    for line in example(bench, "taggers", *sorted(glob.glob(bench.sub1 + "/*.gz"))).splitlines()[1:]:
        if found := re.match(r"(.*?)\s+([\d.]+)\s+([\d.]+)\s+\w+$", line):
            tell(f"tagger {found[1]}", unit="MB/s", ours=float(found[2]), ours_cpu_mb_s=float(found[3]), threads=1)


def dedup(bench):
    """Each algorithm alone, with one thread and two."""
    files = sorted(glob.glob(bench.sub1 + "/*.gz"))
    for threads in (1, 2):
        for line in example(bench, "dedup", *files, env={"THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}).splitlines():
            if found := re.match(r"(.*?)\s+([\d.]+) s\s+([\d.]+) (\w+)/s", line):
                tell(f"dedup {found[1]}", unit=f"{found[4]}/s", ours=float(found[3]), threads=threads)


def language(bench):
    """Sentences that crates/corpus/tests/peers_models/debian_sentences.py made (`--sentences`): LABEL, tab, sentence."""
    if not bench.args.sentences:
        return print("language: no --sentences FILE, passed over", file=sys.stderr)
    out = example(bench, "classify", "language", bench.args.sentences, 0)
    found = re.search(r"(\d+) texts, .* ([\d.]+) us a text of (\d+) bytes", out)
    shares = [(int(n), float(share)) for n, share in re.findall(r"^\S+\t(\d+)\t([\d.]+) %", out, re.M)]
    right = sum(n * share for n, share in shares) / max(sum(n for n, _ in shares), 1)
    tell("language", texts=int(found[1]), us_a_text=float(found[2]), right_percent=right, goal=99, languages=len(shares),
         languages_at_goal=sum(share >= 99 for _, share in shares))


def verbatim(bench):
    """The index of attribution of the chain's corpus, beside libsais alone, and how fast spans are found."""
    command, project = bench.chain_project(2)
    subprocess.run([*command, "--until", "corpus"], check=True, cwd=bench.work, capture_output=True)
    project = os.path.join(bench.work, project)
    corpus, = glob.glob(f"{project}/.regimen/artifacts/corpus/*")
    print(example(bench, "verbatim", project, corpus), file=sys.stderr)


def token_ids(bench):
    """Every document encoded by ours and by the `tokenizers` crate: `--check` ends with an error at the first other id."""
    out = example(bench, "encode", bench.tokenizer(), *sorted(glob.glob(bench.full + "/*.gz")), "--check")
    found = re.search(r"(\d+) documents, (\d+) bytes, (\d+) tokens: all ids", out)
    spelled = re.search(r"(\d+) documents are spelled", out)
    tell("token-ids", documents=int(found[1]), tokens=int(found[3]), equal=1.0, spelled=int(spelled[1]))


def bloom_rate(bench):
    """Paragraphs that never came before and that the filter marks all the same, made for as many as there are different ones."""
    folder = write(bench, "bloom", texts(bench.half))
    paragraphs = sum(bool(p.strip()) for text in texts(bench.half) for p in text.split("\n"))
    exact = sum(map(len, marked(bench, folder, "exact", "--by", "paragraph")))
    fresh = paragraphs - exact
    for rate in (1e-2, 1e-3, 1e-4):
        found = sum(map(len, marked(bench, folder, "bloom", "--by", "paragraph", "--bloom", fresh, "--rate", rate)))
        tell("bloom-rate", wanted=rate, measured=(found - exact) / fresh, fresh=fresh)


def near_planted(bench):
    """Pairs of a text of random words and a copy with a share of its words replaced: how many are found, beside what the curve
    1 - (1 - s^8)^14 expects of their resemblances, and how much of all that is marked resembles another document by half."""
    chance, pairs = random.Random(5), 2000
    vocabulary = sorted({word for text in texts(bench.half) for word in words(text) if word.isalpha()})
    right = all_marked = 0
    for rate in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3):
        both, expected, alike = [], [], []
        for _ in range(pairs):
            one = chance.choices(vocabulary, k=200)
            other = [chance.choice(vocabulary) if chance.random() < rate else word for word in one]
            both += [" ".join(one), " ".join(other)]
            a, b = set(shingles(one)), set(shingles(other))
            alike.append(len(a & b) / len(a | b))
            expected.append(1 - (1 - alike[-1] ** 8) ** 14)
        found = marked(bench, write(bench, "planted", both), "near", "--by", "near", "--preset", "fineweb")
        hits = [bool(spans) for spans in found[1::2]]
        all_marked += sum(map(bool, found))
        right += sum(hit and s >= 0.5 for hit, s in zip(hits, alike))
        tell("near-planted", edits=rate, resemblance=statistics.mean(alike), recall=sum(hits) / pairs,
             expected=statistics.mean(expected), pairs=pairs)
    tell("near-planted-precision", ours=right / max(all_marked, 1), goal=0.95, marked=all_marked)


ROWS = {"taggers": taggers, "dedup": dedup, "language": language, "verbatim": verbatim, "token-ids": token_ids,
        "bloom-rate": bloom_rate, "near-planted": near_planted}
