"""The row chain of corpus.sh: the whole curation by ours, beside two sums of peers' times for a megabyte, as no peer does all of it.

- the all-Python chain: dolma tag, dedupe and tokens, and datatrove's MinHash
- the best exact mix: for each part the fastest peer whose result is exact: tags by datamap-rs (`--datamap BIN`, which does Gopher's
  rules alone; dolma without it), paragraphs by dolma, near copies by rensa, tokens by Hugging Face's tokenizers (encoding alone)
"""

import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Gopher's rules as datamap-rs has them.
DATAMAP = {"name": "gopher", "text_field": "text", "pipeline": [
    {"name": "page_len_filter", "kwargs": {"length_type": "word", "lower_bound": 50, "upper_bound": 100000, "ignore_punctuation": True}},
    {"name": "word_len_filter", "kwargs": {"lower_bound": 3, "upper_bound": 10}},
    {"name": "symbol_ratio_filter", "kwargs": {"max_symbol_to_word_ratio": 0.1}},
    {"name": "bullet_filter", "kwargs": {"max_bullet_ratio": 0.9}},
    {"name": "ellipsis_line_ratio_filter", "kwargs": {"max_ratio": 0.3}},
    {"name": "alphabetic_word_ratio_filter", "kwargs": {"max_ratio": 0.2}},
    {"name": "stop_word_filter", "kwargs": {"count_unique": False, "min_stop_word": 2}},
    {"name": "massive_web_repetition_filter"},
]}


def peers(bench, run):
    """Seconds for a megabyte of each part of the peers."""
    half, sub1, full = bench.megabytes(bench.half), bench.megabytes(bench.sub1), bench.megabytes(bench.full)
    bench.clean("sub1/attributes", "full/attributes", "full/bloom.bin", "o_tok", "o_dt", "o_datamap")
    wall = lambda *command: run(list(command), cwd=bench.work)["wall"]
    part = {}
    part["dolma tag"] = wall(bench.dolma, "tag", "--documents", "sub1/documents/*.gz", "--experiment", "x", "--taggers", "c4_v2",
                             "gopher_v1", "pii_regex_with_counts_fast_v2", "--processes", "2") / sub1
    part["dolma dedupe"] = wall(*bench.dolma_dedup({"paragraphs": {"attribute_name": "dup_para"}}, 2)) / full
    part["dolma tokens"] = wall(bench.dolma, "tokens", "--documents", "sub1/documents/*.gz", "--destination", "o_tok",
                                "--tokenizer.name_or_path", bench.tokenizer(), "--tokenizer.eos_token_id", "0",
                                "--tokenizer.pad_token_id", "1", "--dtype", "uint16", "--processes", "2",
                                "--max_size", "100000000") / sub1
    part["datatrove MinHash"] = wall(bench.datatrove, os.path.join(HERE, "corpus_datatrove.py"), "minhash", "2", bench.half,
                                     os.path.join(bench.work, "o_dt")) / half
    part["rensa"] = wall(bench.python, os.path.join(HERE, "corpus_rensa.py"), bench.sub1) / sub1
    encoded = run([bench.datatrove, os.path.join(HERE, "corpus_hf.py"), "encode", bench.tokenizer(), bench.sub1, "2"], cwd=bench.work)
    part["tokenizers"] = 1 / json.loads(encoded["out"].strip().splitlines()[-1])["mb_s"]
    if bench.args.datamap:
        with open(os.path.join(bench.work, "datamap.yaml"), "w") as to:
            json.dump(DATAMAP, to)
        part["datamap-rs"] = wall(os.path.abspath(bench.args.datamap), "--threads", "2", "map", "--input-dir", bench.sub1,
                                  "--output-dir", "o_datamap", "--config", "datamap.yaml") / sub1
    return part


def chain(bench, run):
    size = bench.megabytes(bench.full)
    mine = []
    for _ in range(1 if bench.args.quick else bench.args.runs):
        ours, _ = bench.chain_project(2)
        mine.append(run(ours, cwd=bench.work))
    own = statistics.median(size / r["wall"] for r in mine)
    part = peers(bench, run)
    tags = min((name for name in ("dolma tag", "datamap-rs") if name in part), key=part.get)
    sums = {"chain": (["dolma tag", "dolma dedupe", "dolma tokens", "datatrove MinHash"], 50),
            "chain-mix": ([tags, "dolma dedupe", "rensa", "tokenizers"], 10)}
    for name, (names, least) in sums.items():
        per_mb = sum(part[one] for one in names)
        line = {"name": name, "unit": "MB/s", "ours": own, "peer": 1 / per_mb, "peer_name": " + ".join(names),
                "ratio": own * per_mb, "ratio_goal": least, "goal": 15, "threads": 2, "runs": len(mine),
                "ours_mib": max(r["mib"] for r in mine), "ours_cpu_mb_s": size / statistics.median(r["cpu"] for r in mine),
                "peer_seconds_per_mb": {one: part[one] for one in names}}
        print(json.dumps(line), flush=True)
        print(f"{name}: {own:.1f} MB/s (goal 15, stretch 25), {line['ratio']:.1f} times {line['peer_name']} (goal {least})",
              file=sys.stderr)
