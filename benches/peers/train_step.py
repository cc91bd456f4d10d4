"""Times training steps of Regimen beside its peers; `train_step.sh` calls it.

Every side of a row is a process of its own that builds the model, waits, and makes as many steps as it is told. Steps
alternate between ours and a peer, so that both see the same disturbances; a ratio is the median over neighbouring
pairs. While one side works, the others sleep.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADAMW = {"lr": 3e-4, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}
# Pause between two sides, in which the threads of the first stop spinning.
PAUSE = 0.02


def gpt2(vocab, context, layers, width, heads, ff, tied=False):
    """A decoder with layer norm, biases, learned positions and tanh-GELU, as `DecoderConfig` writes it."""
    return {
        "vocab": vocab, "context": context, "layers": layers, "width": width, "heads": heads, "kv_heads": heads,
        "head_dim": width // heads, "ff": ff, "norm": "layer", "positions": "learned", "rope_base": 10000.0,
        "mlp": "gelu", "tied": tied, "norm_eps": 1e-5, "bias": True, "init_std": 0.02,
    }


SMOLLM2 = {
    "vocab": 49152, "context": 256, "layers": 30, "width": 576, "heads": 9, "kv_heads": 3, "head_dim": 64, "ff": 1536,
    "norm": "rms", "positions": "rope", "rope_base": 10000.0, "mlp": "swiglu", "tied": True, "norm_eps": 1e-5,
    "bias": False, "init_std": 0.02,
}
VIT = {
    "image": 48, "channels": 3, "patch": 4, "layers": 6, "width": 192, "heads": 3, "ff": 768, "classes": 100,
    "norm_eps": 1e-6,
}


def decoder(model, batch):
    return {"kind": "decoder", "model": model, "batch": batch, "adamw": ADAMW}


BOTH = ("eager", "compile")
EAGER = ("eager",)
# Work, unit and how many of it a step does, steps of one turn, pairs (and with --quick), peers (and with --quick: the
# compilation of the large models takes minutes), goals: at least so many times the speed of the better peer, at most
# that share of its memory.
ROWS = {
    "lm-8k": dict(
        spec=decoder(gpt2(8192, 256, 6, 384, 6, 1536), 8), unit="tokens/s", count=2048, group=1, pairs=(15, 5),
        peers=(BOTH, BOTH), goal=1.25, memory=1 / 2,
    ),
    "lm-49k": dict(
        spec=decoder(gpt2(49152, 256, 6, 384, 6, 1536), 8), unit="tokens/s", count=2048, group=1, pairs=(9, 2),
        peers=(BOTH, EAGER), goal=1.4, memory=1 / 3,
    ),
    "smollm2-135m": dict(
        spec=decoder(SMOLLM2, 4), unit="tokens/s", count=1024, group=1, pairs=(9, 2), peers=(BOTH, EAGER), goal=1.25,
        memory=None,
    ),
    "vit": dict(
        spec={"kind": "vit", "model": VIT, "batch": 64, "adamw": ADAMW}, unit="images/s", count=64, group=1,
        pairs=(15, 4), peers=(BOTH, BOTH), goal=1.3, memory=None,
    ),
    "tiny": dict(
        spec=decoder(gpt2(65, 64, 4, 128, 4, 512), 12), unit="tokens/s", count=768, group=20, pairs=(15, 5),
        peers=(BOTH, BOTH), goal=3.0, memory=None,
    ),
    "attention": dict(
        spec={"kind": "attention", "batch": 8, "heads": 6, "time": 1024, "head_dim": 64}, unit="tokens/s", count=8192,
        group=2, pairs=(21, 7), peers=(EAGER, EAGER), goal=1.5, memory=None,
    ),
    # A step reads parameter, gradient and two moments and writes all but the gradient: 28 bytes a parameter.
    "adamw": dict(
        spec={"kind": "adamw", "parameters": 100_000_000, "adamw": ADAMW}, unit="GB/s", count=2.8, group=1,
        pairs=(21, 7), peers=(EAGER, EAGER), goal=None, memory=None,
    ),
    "ceiling": dict(pairs=(15, 5), goal=0.8),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Worker:
    """A process that makes steps of one row."""

    def __init__(self, command, threads):
        variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
        environment = os.environ | {name: str(threads) for name in variables}
        self.command = [str(part) for part in command]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.hello = self.answer()
        self.name = self.hello["name"]
        self.first = self.last = None

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.command)} ended with {self.process.wait()}")
        return json.loads(line)

    def go(self, steps):
        """Make some steps; the seconds they took."""
        time.sleep(PAUSE)
        self.process.stdin.write(f"go {steps}\n")
        self.process.stdin.flush()
        self.last = self.answer()
        self.first = self.first or self.last
        return self.last["seconds"]

    @property
    def mib(self):
        """Peak memory so far."""
        return self.last["mib"]

    def check(self):
        """A row without a falling loss measured nothing that trains."""
        first, last = self.first["loss"], self.last["loss"]
        if first is not None:
            say(f"  {self.name}: loss {first:.4f} -> {last:.4f}, {self.hello['parameters'] / 1e6:.2f} M parameters")
            if not last < first:
                sys.exit(f"{self.name}: the loss does not fall")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def pairs_of(ours, peers, group, count, budget):
    """Seconds of `count` neighbouring pairs with each peer; fewer, but two, when the budget runs out."""
    end, pairs = time.monotonic() + budget, {name: [] for name in peers}
    for turn in range(count):
        for name, peer in peers.items():
            # Whoever goes first changes, so that a machine that slows down favours neither.
            if turn % 2 == 0:
                mine = ours.go(group)
                theirs = peer.go(group)
            else:
                theirs = peer.go(group)
                mine = ours.go(group)
            pairs[name].append((mine, theirs))
        if turn >= 1 and time.monotonic() > end:
            break
    return pairs


def peer_command(way, spec, options):
    spec = json.dumps(spec)
    if way == "jax":
        return [sys.executable, HERE / "train_step_jax.py", spec, options.threads]
    if way == "candle":
        return [options.candle_program, spec, options.threads]
    return [sys.executable, HERE / "train_step_torch.py", spec, options.threads, way]


def ours_of(spec, options):
    return Worker([options.ours, json.dumps(spec), options.threads], options.threads)


def measure(name, options):
    """One row: a line for the better of PyTorch's two ways, and one for every further peer."""
    row = ROWS[name]
    torch_ways = row["peers"][options.quick]
    ways = list(torch_ways)
    ways += ["jax"] if options.jax and name in ("lm-8k", "vit") else []
    ways += ["candle"] if options.candle and name == "lm-8k" else []
    say(f"{name}:")
    spec, group = row["spec"], row["group"]
    ours = ours_of(spec, options)
    peers = {way: Worker(peer_command(way, spec, options), options.threads) for way in ways}
    for worker in (ours, *peers.values()):
        begin = time.monotonic()
        for _ in range(2 if options.quick else 3):
            worker.go(group)
        say(f"  {worker.name}: warm after {time.monotonic() - begin:.1f} s")
    pairs = pairs_of(ours, peers, group, options.pairs or row["pairs"][options.quick], options.budget)

    rate = lambda seconds: row["count"] * group / seconds
    found = {}
    for way, times in pairs.items():
        found[way] = {
            "name": peers[way].name, "rate": rate(statistics.median(theirs for _, theirs in times)),
            "ratio": statistics.median(theirs / mine for mine, theirs in times), "mib": peers[way].mib,
            "imported_mib": peers[way].hello["imported_mib"], "each": [theirs / mine for mine, theirs in times],
        }
    mine = {
        "rate": rate(statistics.median(mine for times in pairs.values() for mine, _ in times)), "mib": ours.mib,
    }
    for worker in (ours, *peers.values()):
        worker.check()
        worker.close()

    torch = {way: found[way] for way in torch_ways}
    better = min(torch.values(), key=lambda peer: peer["ratio"])
    line = {
        "name": name, "unit": row["unit"], "ours": mine["rate"], "peer": better["rate"], "peer_name": better["name"],
        "ratio": better["ratio"], "ours_mib": mine["mib"],
        # The more frugal of the two, whichever is faster.
        "peer_mib": min(peer["mib"] for peer in torch.values()),
        "threads": options.threads, "runs": len(next(iter(pairs.values()))), "peers": found,
    }
    if name == "adamw":
        line["copy"] = copy_rate(options)
        say(f"  {line['ours']:.1f} GB/s, a copy {line['copy']:.1f} GB/s: {line['ours'] / line['copy']:.2f} (goal 0.9)")
    say(
        f"  {line['ratio']:.2f} times {line['peer_name']} ({goal_of(row['goal'])}), memory "
        f"{line['ours_mib'] / line['peer_mib']:.2f} of PyTorch's ({goal_of(row['memory'])})"
    )
    print(json.dumps(line), flush=True)
    for way in ways:
        if way not in torch_ways:
            peer = found[way]
            more = {"peer": peer["rate"], "peer_name": peer["name"], "ratio": peer["ratio"], "peer_mib": peer["mib"]}
            print(json.dumps({key: more.get(key, line[key]) for key in line if key != "peers"}), flush=True)


def goal_of(goal):
    return "no goal" if goal is None else f"goal {goal:.2f}"


def copy_rate(options):
    """GB/s of copying 100 M floats, read and written."""
    worker = ours_of({"kind": "copy", "floats": ROWS["adamw"]["spec"]["parameters"]}, options)
    seconds = [worker.go(1) for _ in range(10)][1:]
    worker.close()
    return 8e-9 * ROWS["adamw"]["spec"]["parameters"] / statistics.median(seconds)


def ceiling(options):
    """The rate of our matrix product over the linear layers of lm-8k, and the share of it that the step reaches."""
    say("ceiling:")
    row = ROWS["lm-8k"]
    model, tokens = row["spec"]["model"], row["count"]
    width, inner, layers = model["width"], model["ff"], model["layers"]
    # Rows x out x in, and how many layers have that shape.
    shapes = [
        (tokens, 3 * width, width, layers), (tokens, width, width, layers), (tokens, inner, width, layers),
        (tokens, width, inner, layers), (tokens, model["vocab"], width, 1),
    ]
    products = ours_of({"kind": "products", "shapes": shapes}, options)
    step = ours_of(row["spec"], options)
    for worker in (products, step):
        for _ in range(2):
            worker.go(1)
    passes, steps = [], []
    for _ in range(options.pairs or ROWS["ceiling"]["pairs"][options.quick]):
        products.go(1)
        passes.append(products.last["products"])
        steps.append(step.go(1))
    products.close()
    step.close()
    # What a pass would take at the best and the median speed of each product, repeated as often as a step needs it.
    best, median = (sum(f(product) for product in zip(*passes)) for f in (min, statistics.median))
    linear = 6 * tokens * sum(n_out * n_in * times for _, n_out, n_in, times in shapes)
    # Attention is counted without the causal mask, as is the custom (PaLM, appendix B).
    attention = 12 * tokens * layers * model["context"] * model["heads"] * model["head_dim"]
    seconds = statistics.median(steps)
    rate = (linear + attention) / seconds * 1e-9
    line = {
        "name": "ceiling", "unit": "GFLOP/s", "ours": rate, "peer": linear / median * 1e-9,
        "peer_name": "our matrix product, median", "ratio": rate / (linear / median * 1e-9),
        "ours_mib": step.mib, "peer_mib": products.mib, "threads": options.threads, "runs": len(steps),
        "best": linear / best * 1e-9, "ratio_to_best": rate / (linear / best * 1e-9),
        "ratio_linear_alone": linear / seconds / (linear / median),
    }
    say(
        f"  products {line['peer']:.0f} GFLOP/s (best {line['best']:.0f}), the step {rate:.0f}: {line['ratio']:.2f} of "
        f"the median, {line['ratio_to_best']:.2f} of the best ({goal_of(ROWS['ceiling']['goal'])})"
    )
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Times training steps here and in PyTorch, and compares.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default all)")
    parser.add_argument("--ours", required=True, help="the example train_step of crates/train")
    parser.add_argument("--candle-program", help="the program of benches/peers/candle")
    parser.add_argument("--pairs", type=int, help="pairs of each row and peer (default 9 to 21, by row)")
    parser.add_argument("--threads", type=int, default=2, help="threads on all sides (default 2)")
    parser.add_argument("--quick", action="store_true", help="2 to 7 pairs, within 5 minutes")
    parser.add_argument("--jax", action="store_true", help="JAX as well, for lm-8k and vit")
    parser.add_argument("--candle", action="store_true", help="Candle as well, for lm-8k")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]}: there are {', '.join(ROWS)}")
    # Seconds that the pairs of one row may take.
    options.budget = 12 if options.quick else float("inf")
    for name in options.rows or ROWS:
        ceiling(options) if name == "ceiling" else measure(name, options)


if __name__ == "__main__":
    main()
