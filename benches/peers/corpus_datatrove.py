"""datatrove's four stages of MinHash: corpus_datatrove.py minhash WORKERS DOCUMENTS OUT."""

import shutil
import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

if __name__ == "__main__":
    workers, documents, out = int(sys.argv[2]), sys.argv[3], sys.argv[4]
    shutil.rmtree(out, ignore_errors=True)
    config = MinhashConfig(
        hash_config=HashConfig(hash_fc="xxhash", precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5
    )

    def stage(name, steps, tasks):
        LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=workers, logging_dir=f"{out}/logs_{name}").run()

    stage("signatures", [JsonlReader(documents), MinhashDedupSignature(output_folder=f"{out}/sig", config=config)], 2)
    buckets = MinhashDedupBuckets(input_folder=f"{out}/sig", output_folder=f"{out}/buckets", config=config, lines_to_buffer=-1)
    stage("buckets", [buckets], 14)
    stage("clusters", [MinhashDedupCluster(input_folder=f"{out}/buckets", output_folder=f"{out}/remove", config=config)], 1)
    stage("filter", [JsonlReader(documents), MinhashDedupFilter(input_folder=f"{out}/remove"), JsonlWriter(f"{out}/final")], 2)
