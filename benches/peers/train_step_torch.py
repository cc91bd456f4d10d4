"""PyTorch's side of `train_step.sh`: `train_step_torch.py SPEC THREADS eager|compile`.

SPEC is the row as JSON (see `train_step.py`). After one line that says it is ready, every line `go N` on stdin makes N
steps and is answered with seconds, loss and peak memory.
"""

import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from peak import peak_mib


class Attention(nn.Module):
    """Query/key/value projection, attention, output projection."""

    def __init__(self, c, causal):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim, self.causal = c["heads"], c["kv_heads"], c["head_dim"], causal
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.sizes = [queries, keys, keys]
        self.qkv = nn.Linear(c["width"], sum(self.sizes), bias=c["bias"])
        self.out = nn.Linear(queries, c["width"], bias=c["bias"])

    def forward(self, x, rope):
        batch, rows, _ = x.shape
        q, k, v = (
            part.view(batch, rows, -1, self.head_dim).transpose(1, 2) for part in self.qkv(x).split(self.sizes, 2)
        )
        if rope is not None:
            q, k = turned(q, *rope), turned(k, *rope)
        # Sharing keys inside the kernel was measured a little faster than repeating them.
        shared = self.kv_heads < self.heads
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=shared)
        return self.out(y.transpose(1, 2).reshape(batch, rows, -1))


def turned(x, cos, sin):
    """Rotary positions, half-split."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class Mlp(nn.Module):
    """SwiGLU, or GELU in the exact or the tanh form."""

    def __init__(self, c, approximate):
        super().__init__()
        self.gated, self.approximate = c["mlp"] == "swiglu", approximate
        self.up = nn.Linear(c["width"], (2 if self.gated else 1) * c["ff"], bias=c["bias"])
        self.down = nn.Linear(c["ff"], c["width"], bias=c["bias"])

    def forward(self, x):
        y = self.up(x)
        if self.gated:
            gate, up = y.chunk(2, dim=-1)
            return self.down(F.silu(gate) * up)
        return self.down(F.gelu(y, approximate=self.approximate))


class Block(nn.Module):
    def __init__(self, c, causal, approximate):
        super().__init__()
        self.attention_norm, self.attention = norm(c), Attention(c, causal)
        self.mlp_norm, self.mlp = norm(c), Mlp(c, approximate)

    def forward(self, x, rope):
        x = x + self.attention(self.attention_norm(x), rope)
        return x + self.mlp(self.mlp_norm(x))


def norm(c):
    kind = nn.LayerNorm if c["norm"] == "layer" else nn.RMSNorm
    return kind(c["width"], eps=c["norm_eps"])


class Decoder(nn.Module):
    """The decoder of `regimen-models`, as a PyTorch user would write it."""

    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab"], c["width"])
        self.blocks = nn.ModuleList(Block(c, True, "tanh") for _ in range(c["layers"]))
        self.norm = norm(c)
        self.head = nn.Linear(c["width"], c["vocab"], bias=False)
        if c["tied"]:
            self.head.weight = self.embed.weight
        self.positions = nn.Embedding(c["context"], c["width"]) if c["positions"] == "learned" else None
        if self.positions is None:
            half = c["head_dim"] // 2
            angles = torch.arange(c["context"])[:, None] * c["rope_base"] ** (-torch.arange(half) / half)
            self.register_buffer("cos", angles.cos().repeat(1, 2))
            self.register_buffer("sin", angles.sin().repeat(1, 2))

    def forward(self, ids, targets):
        rows = ids.shape[1]
        x, rope = self.embed(ids), None
        if self.positions is None:
            rope = self.cos[:rows], self.sin[:rows]
        else:
            x = x + self.positions.weight[:rows]
        for block in self.blocks:
            x = block(x, rope)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


class Vit(nn.Module):
    """The vision transformer of `regimen-models`."""

    def __init__(self, c):
        super().__init__()
        self.patch, self.grid = c["patch"], c["image"] // c["patch"]
        block = c | {"kv_heads": c["heads"], "head_dim": c["width"] // c["heads"]}
        block |= {"norm": "layer", "mlp": "gelu", "bias": True}
        self.embed = nn.Linear(c["channels"] * self.patch**2, c["width"])
        self.positions = nn.Parameter(torch.zeros(self.grid**2, c["width"]))
        self.blocks = nn.ModuleList(Block(block, False, "none") for _ in range(c["layers"]))
        self.norm = norm(block)
        self.head = nn.Linear(c["width"], c["classes"], bias=False)

    def forward(self, images, labels):
        batch, channels = images.shape[:2]
        parts = images.view(batch, channels, self.grid, self.patch, self.grid, self.patch)
        x = self.embed(parts.permute(0, 2, 4, 1, 3, 5).reshape(batch, self.grid**2, -1)) + self.positions
        for block in self.blocks:
            x = block(x, None)
        return F.cross_entropy(self.head(self.norm(x).mean(1)), labels)


class Training:
    """A model, a fixed batch, and fused AdamW that spares norms and biases from decay."""

    def __init__(self, model, batch, spec, compiled):
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self.batch, rule = batch, spec["adamw"]
        parameters = list(model.parameters())
        self.parameters = sum(p.numel() for p in parameters)
        groups = [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": rule["weight_decay"]},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        betas = (rule["beta1"], rule["beta2"])
        self.optimizer = torch.optim.AdamW(groups, lr=rule["lr"], betas=betas, eps=rule["eps"], fused=True)
        self.model = torch.compile(model) if compiled else model

    def step(self):
        loss = self.model(*self.batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def decoder(spec, compiled):
    c, rows = spec["model"], spec["batch"] * spec["model"]["context"]
    tokens = [torch.arange(rows).mul(factor).remainder(c["vocab"]).view(spec["batch"], -1) for factor in (7919, 104729)]
    return Training(Decoder(c), tokens, spec, compiled)


def vit(spec, compiled):
    c, batch = spec["model"], spec["batch"]
    shape = (batch, c["channels"], c["image"], c["image"])
    images = torch.arange(math.prod(shape)).mul(7919).remainder(1009).div(504.5).sub(1.0).view(shape)
    labels = torch.arange(batch).mul(31).remainder(c["classes"])
    return Training(Vit(c), (images, labels), spec, compiled)


class AttentionAlone:
    """Causal attention, forward and backward, on queries, keys and values as the kernel likes them best."""

    parameters = 0

    def __init__(self, spec):
        shape = (spec["batch"], spec["heads"], spec["time"], spec["head_dim"])
        self.inputs = [torch.randn(shape).requires_grad_() for _ in range(3)]
        self.gradient = torch.randn(shape)

    def step(self):
        for x in self.inputs:
            x.grad = None
        F.scaled_dot_product_attention(*self.inputs, is_causal=True).backward(self.gradient)


class AdamWAlone:
    """Fused AdamW on one parameter."""

    def __init__(self, spec):
        self.parameters, rule = spec["parameters"], spec["adamw"]
        parameter = nn.Parameter(torch.randn(self.parameters))
        parameter.grad = torch.randn(self.parameters)
        self.optimizer = torch.optim.AdamW(
            [parameter], lr=rule["lr"], betas=(rule["beta1"], rule["beta2"]), eps=rule["eps"],
            weight_decay=rule["weight_decay"], fused=True,
        )

    def step(self):
        self.optimizer.step()


def main():
    spec, threads, way = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    imported = peak_mib()
    kinds = {
        "decoder": lambda: decoder(spec, way == "compile"),
        "vit": lambda: vit(spec, way == "compile"),
        "attention": lambda: AttentionAlone(spec),
        "adamw": lambda: AdamWAlone(spec),
    }
    work = kinds[spec["kind"]]()
    name = f"PyTorch {torch.__version__.split('+')[0]} {way}"
    answers.write(json.dumps({"name": name, "parameters": work.parameters, "imported_mib": imported}) + "\n")
    for line in sys.stdin:
        steps, begin = int(line.split()[1]), time.perf_counter()
        for _ in range(steps):
            loss = work.step()
        seconds = time.perf_counter() - begin
        answers.write(json.dumps({"seconds": seconds, "loss": loss, "mib": peak_mib()}) + "\n")


if __name__ == "__main__":
    main()
