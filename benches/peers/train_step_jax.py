"""JAX's side of `train_step.sh`: `train_step_jax.py SPEC THREADS`; the language model and the vision transformer.

The same protocol as `train_step_torch.py`. A step is one compiled function: loss, gradient and AdamW together, with
parameters and state donated to it.
"""

import json
import math
import os
import sys
import time
from functools import partial

SPEC, THREADS = json.loads(sys.argv[1]), int(sys.argv[2])
# XLA makes as many threads as it may use processors.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy

from peak import peak_mib


class Initial:
    """Draws parameters."""

    def __init__(self):
        self.random = numpy.random.default_rng(0)

    def matrix(self, rows, cols):
        return jnp.asarray(self.random.normal(0, 0.02, (rows, cols)), dtype=jnp.float32)

    def linear(self, n_in, n_out):
        return {"w": self.matrix(n_in, n_out), "b": jnp.zeros(n_out)}

    def norm(self, width):
        return {"g": jnp.ones(width), "b": jnp.zeros(width)}

    def block(self, width, ff):
        return {
            "attention_norm": self.norm(width), "qkv": self.linear(width, 3 * width), "out": self.linear(width, width),
            "mlp_norm": self.norm(width), "up": self.linear(width, ff), "down": self.linear(ff, width),
        }


def linear(x, p):
    return x @ p["w"] + p["b"]


def norm(x, p):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + SPEC["model"]["norm_eps"]) * p["g"] + p["b"]


def block(x, p, heads, causal):
    batch, rows, width = x.shape
    qkv = linear(norm(x, p["attention_norm"]), p["qkv"]).reshape(batch, rows, 3, heads, width // heads)
    y = jax.nn.dot_product_attention(*(qkv[:, :, i] for i in range(3)), is_causal=causal)
    x = x + linear(y.reshape(batch, rows, width), p["out"])
    # The language model has the tanh form of GELU, the vision transformer the exact one.
    return x + linear(jax.nn.gelu(linear(norm(x, p["mlp_norm"]), p["up"]), approximate=causal), p["down"])


def cross_entropy(logits, targets):
    log_p = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_p, targets[..., None], axis=-1).mean()


def decoder(c, batch):
    """Parameters, data and loss of a GPT-2."""
    wanted = {"norm": "layer", "positions": "learned", "mlp": "gelu", "bias": True, "tied": False}
    assert all(c[name] == value for name, value in wanted.items()), "only a GPT-2 without tied weights is written here"
    draw, width = Initial(), c["width"]
    parameters = {
        "embed": draw.matrix(c["vocab"], width), "positions": draw.matrix(c["context"], width),
        "blocks": [draw.block(width, c["ff"]) for _ in range(c["layers"])], "norm": draw.norm(width),
        "head": draw.matrix(width, c["vocab"]),
    }
    rows = numpy.arange(batch * c["context"]).reshape(batch, -1)
    data = [jnp.asarray(rows * factor % c["vocab"]) for factor in (7919, 104729)]

    def loss(p, ids, targets):
        x = p["embed"][ids] + p["positions"]
        for part in p["blocks"]:
            x = block(x, part, c["heads"], True)
        return cross_entropy(norm(x, p["norm"]) @ p["head"], targets)

    return parameters, data, loss


def vit(c, batch):
    """Parameters, data and loss of a vision transformer."""
    draw, width, patch, grid = Initial(), c["width"], c["patch"], c["image"] // c["patch"]
    length = c["channels"] * patch**2
    parameters = {
        "embed": draw.linear(length, width), "positions": draw.matrix(grid**2, width),
        "blocks": [draw.block(width, c["ff"]) for _ in range(c["layers"])], "norm": draw.norm(width),
        "head": draw.matrix(width, c["classes"]),
    }
    shape = (batch, c["channels"], c["image"], c["image"])
    images = numpy.arange(math.prod(shape)) * 7919 % 1009 / 504.5 - 1
    data = [jnp.asarray(images.reshape(shape), dtype=jnp.float32), jnp.asarray(numpy.arange(batch) * 31 % c["classes"])]

    def loss(p, images, labels):
        parts = images.reshape(batch, c["channels"], grid, patch, grid, patch).transpose(0, 2, 4, 1, 3, 5)
        x = linear(parts.reshape(batch, grid**2, length), p["embed"]) + p["positions"]
        for part in p["blocks"]:
            x = block(x, part, c["heads"], False)
        return cross_entropy(norm(x, p["norm"]).mean(1) @ p["head"], labels)

    return parameters, data, loss


def adamw(p, g, m, v, count, rule):
    """One step on one array; norms and biases are spared from decay."""
    m = rule["beta1"] * m + (1 - rule["beta1"]) * g
    v = rule["beta2"] * v + (1 - rule["beta2"]) * g * g
    decay = rule["weight_decay"] if p.ndim >= 2 else 0.0
    root = jnp.sqrt(v / (1 - rule["beta2"] ** count)) + rule["eps"]
    return p - rule["lr"] * (m / (1 - rule["beta1"] ** count) / root + decay * p), m, v


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    imported = peak_mib()
    parameters, data, loss = {"decoder": decoder, "vit": vit}[SPEC["kind"]](SPEC["model"], SPEC["batch"])

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, state, *data):
        value, gradient = jax.value_and_grad(loss)(parameters, *data)
        count = state["count"] + 1
        leaves, tree = jax.tree.flatten(parameters)
        rest = [jax.tree.leaves(part) for part in (gradient, state["m"], state["v"])]
        new = [adamw(*part, count, SPEC["adamw"]) for part in zip(leaves, *rest)]
        parameters, m, v = (jax.tree.unflatten(tree, part) for part in zip(*new))
        return parameters, {"m": m, "v": v, "count": count}, value

    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    state = {"m": zeros(), "v": zeros(), "count": jnp.float32(0)}
    count = sum(p.size for p in jax.tree.leaves(parameters))
    answers.write(json.dumps({"name": f"JAX {jax.__version__}", "parameters": count, "imported_mib": imported}) + "\n")
    for line in sys.stdin:
        steps, begin = int(line.split()[1]), time.perf_counter()
        for _ in range(steps):
            parameters, state, value = step(parameters, state, *data)
        value = float(value)
        seconds = time.perf_counter() - begin
        answers.write(json.dumps({"seconds": seconds, "loss": value, "mib": peak_mib()}) + "\n")


if __name__ == "__main__":
    main()
