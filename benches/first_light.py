"""Measures the main job; `first_light.sh` calls it. Only Python's own library is needed."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "recipes/first-light.toml"
LIMITS = {"seconds": 300, "cpu_seconds": 600, "peak_mib": 4096}
BETTER_BY = 0.15
FIRST_SEED = 17


def measure(options, seed):
    """One run in a project folder of its own."""
    with tempfile.TemporaryDirectory(prefix="regimen-first-light-") as folder:
        folder = Path(folder)
        (folder / "recipes").mkdir()
        shutil.copy(ROOT / RECIPE, folder / RECIPE)
        shutil.copytree(ROOT / "data", folder / "data")
        (folder / "regimen.toml").touch()
        command = [options.regimen, "run", RECIPE, "--json", "--quiet", "--threads", str(options.threads)]
        for value in [f"seed={seed}", *options.set]:
            command += ["--set", value]
        with tempfile.TemporaryFile() as out:
            began = time.monotonic()
            process = subprocess.Popen(command, cwd=folder, stdout=out)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            if status != 0:
                sys.exit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
            out.seek(0)
            stages = {stage["stage"]: stage for stage in json.load(out)["stages"]}
    cached = [name for name, stage in stages.items() if stage["cached"]]
    if cached:
        sys.exit(f"not from nothing: {cached} were there already")
    found, trained = stages["evaluation"]["summary"], stages["base"]["summary"]
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "bits_per_byte": found["bpb"],
        "baseline_bits_per_byte": found["baseline"]["bpb"],
        "better_by": found["better_by"],
        "tflop": trained["flops"] / 1e12,
        "data_loading_share": trained["data_loading_share"],
        "stage_seconds": {name: round(stage["seconds"], 3) for name, stage in stages.items()},
    }


def main():
    parser = argparse.ArgumentParser(description="Measures recipes/first-light.toml.")
    parser.add_argument("--regimen", required=True, help="the program")
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--set", action="append", default=[], help="override a field of the recipe")
    options = parser.parse_args()
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        rows.append(measure(options, seed))
        print(json.dumps({"name": "first-light", "seed": seed, "threads": options.threads} | rows[-1]), flush=True)
    mean = {name: statistics.mean(row[name] for row in rows) for name in rows[0] if name != "stage_seconds"}
    missed = [name for name, limit in LIMITS.items() if max(row[name] for row in rows) > limit]
    if mean["better_by"] < BETTER_BY:
        missed.append("better_by")
    line = {"name": "first-light/mean", "runs": len(rows), "threads": options.threads} | mean
    print(json.dumps(line | {"limits": LIMITS | {"better_by": BETTER_BY}, "missed": missed}), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
