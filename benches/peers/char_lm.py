"""Compares the training of recipes/science/char-lm.toml with PyTorch; `char_lm.sh` calls it.

Every training, ours and PyTorch's, is a process of its own; speeds are measured in alternating pairs, because machines
drift. `char_lm_torch.py` is the peer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECIPE = "recipes/science/char-lm.toml"
FIRST = 50
FIRST_LIMIT = 1e-4
VALIDATION_LIMIT = 0.01
# Steps that no speed counts: caches and branch predictors are cold.
WARM_UP = 20


def say(text):
    print(text, file=sys.stderr, flush=True)


def measured(command, **options):
    """Run a command; its peak memory in MiB."""
    process = subprocess.Popen(command, **options)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return usage.ru_maxrss / 1024


class Ours:
    """A project folder with the recipe and its data, and the program that runs it."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        (folder / "recipes/science").mkdir(parents=True)
        shutil.copy(ROOT / RECIPE, folder / RECIPE)
        shutil.copytree(ROOT / "data/sotu", folder / "data/sotu")
        (folder / "regimen.toml").touch()

    def train(self, seed, steps, until):
        """Run the recipe up to a stage; peak memory and the key of the model."""
        command = [self.options.regimen, "run", RECIPE, "--json", "--quiet", "--no-report", "--until", until]
        command += ["--threads", str(self.options.threads), "--set", f"seed={seed}"]
        command += ["--set", f"model.steps={steps}"] if steps else []
        with tempfile.TemporaryFile() as out:
            mib = measured(command, cwd=self.folder, stdout=out)
            out.seek(0)
            self.stages = {stage["stage"]: stage for stage in json.load(out)["stages"]}
        return mib, self.stages["model"]["key"]

    def metrics(self):
        """Loss, tokens and seconds of every step of the newest model."""
        steps, tokens = [], 0
        log = self.folder / ".regimen/runs" / self.stages["model"]["run"] / "events.jsonl"
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["k"] == "metrics" and "loss" in event["values"]:
                values = event["values"]
                new, tokens = values["tokens"] - tokens, values["tokens"]
                steps.append((values["loss"], new, new / values["tokens_per_second"]))
        return steps

    def validation(self):
        """Nats a symbol over all validation documents: their characters and one end each."""
        key = self.stages["evaluation"]["key"]
        scores = self.folder / f".regimen/artifacts/evaluate/{key}/scores.jsonl"
        rows = [json.loads(line) for line in scores.read_text().splitlines()]
        return sum(row["nats"] for row in rows) / sum(row["tokens"] for row in rows)

    def export(self, key):
        """Initial weights and batches of a model, for PyTorch."""
        out = self.folder / f"exported/{key}"
        subprocess.run([self.options.export, self.folder, key, out], check=True, stdout=subprocess.DEVNULL)
        return out


def peer(folder, options, *more):
    """Train in PyTorch; peak memory and what it found."""
    result = folder / "result.json"
    command = [sys.executable, HERE / "char_lm_torch.py", folder, result, "--threads", str(options.threads), *more]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads)}
    mib = measured(command, env=environment)
    return mib, json.loads(result.read_text())


def speed(steps):
    """Tokens a second, without the first steps."""
    return sum(tokens for _, tokens, _ in steps[WARM_UP:]) / sum(seconds for _, _, seconds in steps[WARM_UP:])


def row(name, unit, ours, theirs, ratio, options, peer_name, **more):
    line = {"name": f"char_lm/{name}", "unit": unit, "ours": ours, "peer": theirs, "peer_name": peer_name}
    line |= {"ratio": ratio, "threads": options.threads} | more
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Trains the character model here and in PyTorch, and compares.")
    parser.add_argument("--regimen", required=True, help="our program")
    parser.add_argument("--export", required=True, help="the example export_batches of crates/train")
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs for the speed (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides (default 2)")
    parser.add_argument("--quick", action="store_true", help="one seed, 300 steps, 3 pairs")
    options = parser.parse_args()
    steps = None
    if options.quick:
        options.seeds, options.pairs, steps = 1, 3, 300

    with tempfile.TemporaryDirectory(prefix="regimen-char-lm-") as folder:
        ours = Ours(Path(folder), options)
        differences, firsts, validations, batches = [], [], [], None
        for seed in range(1337, 1337 + options.seeds):
            _, key = ours.train(seed, steps, "evaluation")
            mine, mine_validation = [loss for loss, _, _ in ours.metrics()], ours.validation()
            batches = ours.export(key)
            _, found = peer(batches, options)
            theirs = [loss for loss, _, _ in found["steps"]]
            away = [abs(a - b) for a, b in zip(mine, theirs, strict=True)]
            say(
                f"seed {seed}: first loss {mine[0]:.7f} and {theirs[0]:.7f}, greatest difference in the first {FIRST} "
                f"{max(away[:FIRST]):.2e}, in all {len(away)} steps {max(away):.2e}; validation "
                f"{mine_validation:.5f} and {found['validation']:.5f}"
            )
            differences.append(max(away[:FIRST]))
            firsts.append((statistics.mean(mine[:FIRST]), statistics.mean(theirs[:FIRST])))
            validations.append((mine_validation, found["validation"]))
            version = f"PyTorch {found['torch']}"

        speeds, memory = [], []
        # Seeds that no comparison took, so that each of our runs is a new one.
        for pair in range(options.pairs):
            mib, _ = ours.train(9000 + pair, 300, "model")
            mine = speed(ours.metrics())
            peer_mib, found = peer(batches, options, "--steps", "300", "--no-validation")
            speeds.append((mine, speed(found["steps"])))
            memory.append((mib, peer_mib))
            say(f"pair {pair + 1}: {speeds[-1][0]:.0f} and {speeds[-1][1]:.0f} tokens/s")

    column = lambda pairs, i: [pair[i] for pair in pairs]
    mean = lambda pairs, i: statistics.mean(column(pairs, i))
    worst = max(differences)
    first_ok = worst <= FIRST_LIMIT
    row(
        f"first-{FIRST}-losses", "nats", mean(firsts, 0), mean(firsts, 1), mean(firsts, 1) / mean(firsts, 0), options,
        version, runs=options.seeds, greatest_difference=worst, limit=FIRST_LIMIT, within=first_ok,
    )
    away = abs(mean(validations, 0) / mean(validations, 1) - 1)
    validation_ok = away <= VALIDATION_LIMIT
    row(
        "validation-loss", "nats/character", mean(validations, 0), mean(validations, 1),
        statistics.median(b / a for a, b in validations), options, version, runs=options.seeds,
        each_ours=column(validations, 0), each_peer=column(validations, 1), difference=away, limit=VALIDATION_LIMIT,
        within=validation_ok,
    )
    if speeds:
        row(
            "train-speed", "tokens/s", statistics.median(column(speeds, 0)), statistics.median(column(speeds, 1)),
            statistics.median(a / b for a, b in speeds), options, version, runs=options.pairs,
            ours_mib=statistics.median(column(memory, 0)), peer_mib=statistics.median(column(memory, 1)),
        )
    return 0 if first_ok and validation_ok else 1


if __name__ == "__main__":
    sys.exit(main())
