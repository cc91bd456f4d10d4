"""The character model in PyTorch, trained on the weights and batches that `export_batches` wrote.

`char_lm_torch.py FOLDER RESULT.json`: losses and seconds of every step, and the validation loss.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class Model(torch.nn.Module):
    """GPT-2 with the parameter names of a Regimen arena."""

    def __init__(self, shape, weights):
        super().__init__()
        self.shape = shape
        wanted = {"norm": "layer", "positions": "learned", "mlp": "gelu", "bias": True, "tied": True}
        wrong = {name: shape[name] for name, value in wanted.items() if shape[name] != value}
        assert not wrong and shape["kv_heads"] == shape["heads"], f"not a GPT-2: {wrong}"
        self.weights = torch.nn.ParameterDict({name.replace(".", "/"): value for name, value in weights.items()})

    def __getitem__(self, name):
        return self.weights[name.replace(".", "/")]

    def linear(self, x, name):
        return F.linear(x, self[name], self[f"{name}.bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (self.shape["width"],), self[name], self[f"{name}.bias"], self.shape["norm_eps"])

    def forward(self, ids, places, mask):
        """Logits `[batch, time, vocab]`; without a mask every row is one document."""
        batch, time_ = ids.shape
        heads, width = self.shape["heads"], self.shape["width"]
        x = F.embedding(ids, self["embed"]) + F.embedding(places, self["positions"])
        for i in range(self.shape["layers"]):
            qkv = self.linear(self.norm(x, f"layers.{i}.attn_norm"), f"layers.{i}.attn.qkv")
            q, k, v = (part.view(batch, time_, heads, -1).transpose(1, 2) for part in qkv.split(width, dim=2))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
            x = x + self.linear(y.transpose(1, 2).reshape(batch, time_, width), f"layers.{i}.attn.out")
            y = F.gelu(self.linear(self.norm(x, f"layers.{i}.mlp_norm"), f"layers.{i}.mlp.up"), approximate="tanh")
            x = x + self.linear(y, f"layers.{i}.mlp.down")
        return F.linear(self.norm(x, "norm"), self["embed"])


def places_and_mask(starts):
    """Positions from the start of each document, and who may look at whom; no mask where each row is one document."""
    row = torch.arange(starts.shape[1])
    if not starts.any():
        return row.expand_as(starts), None
    allowed = (row[None, None, :] >= starts[:, :, None]) & (row[None, None, :] <= row[None, :, None])
    return row - starts, allowed[:, None]


def rate(config, step):
    """Linear warm-up, then half a cosine."""
    peak, plan = config["optimizer"]["lr"], config["schedule"]
    assert plan["shape"] == "cosine"
    if step < plan["warmup"]:
        return peak * (step + 1) / plan["warmup"]
    done = (step - plan["warmup"]) / (config["steps"] - plan["warmup"])
    return peak * (plan["min_ratio"] + (1 - plan["min_ratio"]) * (0.5 + 0.5 * math.cos(math.pi * done)))


def optimizer_of(model, run):
    """AdamW that spares norms and biases from decay."""
    values = run["config"]["optimizer"]
    named = [(name.replace("/", "."), value) for name, value in model.weights.items()]
    decayed = [value for name, value in named if value.dim() >= 2]
    assert sorted(run["decay"]) == sorted(name for name, value in named if value.dim() >= 2)
    groups = [
        {"params": decayed, "weight_decay": values["weight_decay"]},
        {"params": [value for _, value in named if value.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(values["beta1"], values["beta2"]), eps=values["eps"], fused=True)


def train(model, run, arrays, steps):
    """Loss, tokens and seconds of each step."""
    config, optimizer, told = run["config"], optimizer_of(model, run), []
    assert config["z_loss"] == 0 and config["guard"]["spike"] == 0
    for step in range(steps):
        began = time.perf_counter()
        ids, targets, starts, weights = (torch.from_numpy(array[step]) for array in arrays)
        places, mask = places_and_mask(starts)
        logits = model(ids, places, mask)
        nll = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        count = weights.sum()
        loss = (nll * weights.flatten()).sum() / count
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config["clip"])
        for group in optimizer.param_groups:
            group["lr"] = rate(config, step)
        optimizer.step()
        told.append((loss.item(), count.item(), time.perf_counter() - began))
    return told


@torch.no_grad()
def validate(model, run, folder):
    """Nats a symbol. Each document from an empty context in windows that move on by half the context; every symbol is
    scored once, where it has most before it."""
    context = run["model"]["context"]
    stride = context // 2
    tokens = numpy.fromfile(folder / "validation.u32", "<u4").astype(numpy.int64)
    nats, at, windows = 0.0, 0, {}
    for document in run["validation"]:
        targets = tokens[at : at + document["tokens"]]
        at += document["tokens"]
        inputs = numpy.concatenate([[run["end_id"]], targets[:-1]])
        scored = 0
        while scored < len(targets):
            end = min(scored + (stride if scored else context), len(targets))
            begin = max(0, end - context)
            windows.setdefault(end - begin, []).append((inputs[begin:end], targets[begin:end], scored - begin))
            scored = end
    for length, rows in windows.items():
        for first in range(0, len(rows), 64):
            part = rows[first : first + 64]
            ids = torch.from_numpy(numpy.stack([row[0] for row in part]))
            targets = torch.from_numpy(numpy.stack([row[1] for row in part]))
            logits = model(ids, torch.arange(length).expand_as(ids), None)
            nll = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(ids).double()
            nats += sum(nll[i, row[2] :].sum().item() for i, row in enumerate(part))
    assert at == len(tokens)
    return nats / len(tokens)


def main():
    parser = argparse.ArgumentParser(description="Trains the exported run in PyTorch.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="stop after these many")
    parser.add_argument("--no-validation", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)

    run = json.loads((options.folder / "run.json").read_text())
    config = run["config"]
    shape = (config["steps"], config["batch"], run["model"]["context"])
    read = lambda name, kind: numpy.fromfile(options.folder / name, kind).reshape(shape)
    arrays = [read(name, "<u4").astype(numpy.int64) for name in ("inputs.u32", "targets.u32", "starts.u32")]
    arrays.append(read("weights.f32", "<f4"))
    model = Model(run["model"], load_file(options.folder / "weights.safetensors"))
    steps = train(model, run, arrays, min(config["steps"], options.steps or config["steps"]))
    found = {"torch": torch.__version__, "steps": steps}
    if not options.no_validation:
        found["validation"] = validate(model, run, options.folder)
    options.result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
