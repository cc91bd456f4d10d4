"""Dolma's three ways of deduplication, one process, a Bloom filter too large to err.

Dolma counts offsets of paragraphs in characters but compares them with the number of bytes to know the last line feed, and
spans of documents are in bytes: its spans are read as numbers of paragraphs, walking the text as it walks.
"""

import gzip
import json
import os
import shutil

from common import attributes, dedup, documents, run, tell

NGRAMS = {"ngram_length": 8, "stride": 3, "overlap_threshold": 0.5, "skip_short_paragraphs": True}


def dolma(args, folder, name, what):
    state = os.path.join(args.work, f"dolma-{name}")
    shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(f"{folder}/attributes/dolma-{name}", ignore_errors=True)
    os.makedirs(state)
    config = {
        "documents": [f"{folder}/documents/*.gz"], "processes": 1,
        "dedupe": {"name": f"dolma-{name}", "skip_empty": True, **what},
        "bloom_filter": {"file": f"{state}/bloom.bin", "read_only": False, "estimated_doc_count": 10_000_000,
                         "desired_false_positive_rate": 1e-8},
        "work_dir": {"input": f"{state}/in", "output": f"{state}/out"},
    }
    with open(f"{state}/config.yaml", "w") as to:
        json.dump(config, to)
    run(f"{args.venvs}/dolma/bin/dolma", "-c", f"{state}/config.yaml", "dedupe")
    return {one: found.get("dup", []) for one, found in attributes(f"{folder}/attributes/dolma-{name}").items()}


def begins(text, dolmas):
    """The paragraph that begins at an offset, by our count or by Dolma's."""
    found, at, size = {}, 0, len(text.encode())
    for number, paragraph in enumerate(text.split("\n")):
        # Of several that begin at one place all but the last are empty, and empty ones are not compared.
        found[at] = number
        at += len(paragraph)
        at += not dolmas or at < size - 1
    return found


def numbers(text, spans, dolmas):
    at = begins(text, dolmas)
    return {at[start]: score for start, _, score in spans}


def paragraphs(args, folder, name, texts):
    theirs = dolma(args, folder, "paragraph", {"paragraphs": {"attribute_name": "dup"}})
    mine = dedup(args, folder, "ours-paragraph", "--by", "paragraph", "--bloom", 10_000_000, "--rate", 1e-8)
    unequal, marked, otherwise, raw, bare = [], 0, 0, set(), set()
    for one, text in texts.items():
        left, right = numbers(text, theirs[one], True), numbers(text, mine[one], False)
        marked += len(right)
        other = False
        for number, paragraph in enumerate(text.split("\n")):
            if not paragraph.strip():
                continue
            if (number in left) != (number in right):
                otherwise += 1
                # Paragraphs that differ in the white space around them alone are equal for us (docs/corpus.md).
                other |= number in left or paragraph in raw or paragraph.strip() not in bare
            raw.add(paragraph)
            bare.add(paragraph.strip())
        if left.keys() != right.keys():
            unequal.append((one, None if other else "white space around paragraphs"))
    tell("dolma 1.2.1", f"paragraphs, {name}", len(texts), unequal, marked=marked, marked_otherwise=otherwise)


def stripped(args):
    """The copies without white space around their lines."""
    folder = f"{args.work}/stripped"
    os.makedirs(f"{folder}/documents", exist_ok=True)
    with gzip.open(f"{folder}/documents/copies.jsonl.gz", "wt") as to:
        for row in documents(args.copies):
            text = "\n".join(line.strip() for line in row["text"].split("\n"))
            print(json.dumps({**row, "text": text}), file=to)
    return folder


def whole(args, texts):
    theirs = dolma(args, args.copies, "document", {"documents": {"attribute_name": "dup", "key": "$.text"}})
    mine = dedup(args, args.copies, "ours-document", "--by", "document")
    unequal = []
    for one, text in texts.items():
        left = [[start, len(text) if end == len(text.encode()) else end, score] for start, end, score in theirs[one]]
        if left != mine[one]:
            unequal.append(one)
    tell("dolma 1.2.1", "documents", len(texts), unequal, marked=sum(bool(spans) for spans in mine.values()))


def ngrams(args, texts):
    theirs = dolma(args, args.copies, "ngrams", {"paragraphs": {"attribute_name": "dup", "by_ngram": NGRAMS}})
    mine = dedup(args, args.copies, "ours-ngrams", "--by", "ngram", "--words", 8, "--stride", 3, "--overlap", 0.5,
                 "--skip-short", "--bloom", 10_000_000, "--rate", 1e-8)
    unequal, marked = [], 0
    for one, text in texts.items():
        left, right = numbers(text, theirs[one], True), numbers(text, mine[one], False)
        marked += len(right)
        if left.keys() != right.keys() or any(abs(left[n] - right[n]) > 1e-6 for n in left):
            unequal.append(one)
    tell("dolma 1.2.1", "by_ngram", len(texts), unequal, marked=marked)


def main(args):
    texts = {row["id"]: row["text"] for row in documents(args.copies)}
    paragraphs(args, args.copies, "as they are", texts)
    folder = stripped(args)
    paragraphs(args, folder, "lines without white space around them", {row["id"]: row["text"] for row in documents(folder)})
    whole(args, texts)
    ngrams(args, texts)
