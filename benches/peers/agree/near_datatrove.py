"""Runs in datatrove's environment: its MinHash with FineWeb's parameters. TO FOLDER SEED WORDS

A line for each document: the number of its cluster, or null. WORDS: `theirs` (spaCy's of the simplified text) or `ours`.
"""

import json
import os
import shutil
import struct
import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.hashing import HashConfig

import numpy as np

from common import documents
from shingles import shingles, words


class Ours(MinhashDedupSignature):
    def get_shingles(self, text):
        return np.fromiter(map(self._hash_func, shingles(words(text))), dtype=np.uint64).reshape((-1, 1))


if __name__ == "__main__":
    to, folder, seed, kind = sys.argv[1:]
    work = to + ".work"
    shutil.rmtree(work, ignore_errors=True)
    config = MinhashConfig(hash_config=HashConfig(hash_fc="xxhash", precision=64), num_buckets=14, hashes_per_bucket=8,
                           n_grams=5, seed=int(seed))
    signature = {"theirs": MinhashDedupSignature, "ours": Ours}[kind]
    stages = [
        [JsonlReader(f"{folder}/documents"), signature(output_folder=f"{work}/sig", config=config)],
        [MinhashDedupBuckets(input_folder=f"{work}/sig", output_folder=f"{work}/buckets", config=config)],
        [MinhashDedupCluster(input_folder=f"{work}/buckets", output_folder=f"{work}/remove", config=config, save_cluster_id=True)],
    ]
    for at, stage in enumerate(stages):
        tasks = config.num_buckets if at == 1 else 1
        LocalPipelineExecutor(pipeline=stage, tasks=tasks, workers=1, logging_dir=f"{work}/logs{at}").run()
    path = f"{work}/remove/000000.clusters"
    clusters = dict(struct.iter_unpack("<II", open(path, "rb").read())) if os.path.exists(path) else {}
    with open(to, "w") as file:
        for at, row in enumerate(documents(folder)):
            print(json.dumps({"id": row["id"], "cluster": clusters.get(at)}), file=file)
    shutil.rmtree(work)
