"""Opens exported models with transformers, and saves models for us to import; `tests/peers/main.rs` calls it.

`hf_folder.py check JOB.json`: every model of the job must load without a complaint and give the logits, tokens and
greedy text that the job names. `hf_folder.py make JOB.json`: saves small random models and what they compute.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

LIMIT = 1e-4
faults = []


def check(condition, text):
    if not condition:
        faults.append(text)


def encode(tokenizer, text):
    """Text is data: a special token spelled out in it is encoded as any other text."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids])).logits[0]


@torch.no_grad()
def greedy(model, tokenizer, prompt, tokens):
    """A text begins with the end token, as documents do in training."""
    ids = torch.tensor([[tokenizer.eos_token_id, *encode(tokenizer, prompt)]])
    mask = torch.ones_like(ids)
    pad = tokenizer.eos_token_id
    out = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens, pad_token_id=pad)
    return out[0, ids.shape[1] :].tolist()


def check_model(job):
    name, folder = job["name"], job["folder"]
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model.eval()
    for kind, found in report.items():
        check(not found, f"{name}: {kind}: {found}")
    config = AutoConfig.from_pretrained(folder)
    check(model.dtype == torch.float32, f"{name}: loads as {model.dtype}")
    check(config.vocab_size == job["vocab"], f"{name}: vocab_size {config.vocab_size}")
    check(config.max_position_embeddings == job["context"], f"{name}: context {config.max_position_embeddings}")
    check(config.tie_word_embeddings == job["tied"], f"{name}: tie_word_embeddings {config.tie_word_embeddings}")
    check(config.eos_token_id == job["end_id"], f"{name}: config.eos_token_id {config.eos_token_id}")
    generation = GenerationConfig.from_pretrained(folder)
    check(generation.eos_token_id == job["end_id"], f"{name}: generation eos_token_id {generation.eos_token_id}")

    with safe_open(Path(folder) / "model.safetensors", "pt") as file:
        metadata = file.metadata() or {}
    check(metadata.get("format") == "pt", f"{name}: metadata format {metadata.get('format')}")
    check(metadata.get("regimen_key") == job["key"], f"{name}: metadata regimen_key {metadata.get('regimen_key')}")

    worst, spread = 0.0, 0.0
    for ids, expected in zip(job["sequences"], job["logits"], strict=True):
        found, expected = logits_of(model, ids), torch.tensor(expected)
        check(found.shape == expected.shape, f"{name}: logits {found.shape}, ours {expected.shape}")
        worst = max(worst, (found - expected).abs().max().item())
        spread = max(spread, expected.std().item())
    check(worst <= LIMIT, f"{name}: logits differ by {worst}")
    check(spread > 0.5, f"{name}: logits hardly vary ({spread}); the comparison says nothing")

    for tokenizer in (AutoTokenizer.from_pretrained(folder), PreTrainedTokenizerFast.from_pretrained(folder)):
        kind = type(tokenizer).__name__
        check(tokenizer.eos_token_id == job["end_id"], f"{name}: {kind} eos_token_id {tokenizer.eos_token_id}")
        check(len(tokenizer) == job["vocab"], f"{name}: {kind} has {len(tokenizer)} ids")
        for text, ids in zip(job["texts"], job["ids"], strict=True):
            found = encode(tokenizer, text)
            check(found == ids, f"{name}: {kind} {text!r}: {found}, ours {ids}")
            # By default a text begins with the end token, as documents do in training.
            begun = [job["end_id"], *ids]
            check("<|" in text or tokenizer(text)["input_ids"] == begun, f"{name}: {kind} {text!r} begins otherwise")
            decoded = tokenizer.decode(ids)
            check(decoded == text, f"{name}: {kind} {text!r} decodes as {decoded!r}")
    for case in job["greedy"]:
        found = greedy(model, tokenizer, case["prompt"], len(case["ids"]))
        check(found == case["ids"], f"{name}: greedy after {case['prompt']!r}: {found}, ours {case['ids']}")
        ids = [job["end_id"], *encode(tokenizer, case["prompt"]), *found]
        scores = torch.log_softmax(logits_of(model, ids[:-1]).double(), dim=-1)[-len(found) :]
        scores = scores[range(len(found)), found]
        away = (scores - torch.tensor(case["logprobs"])).abs().max().item()
        check(away <= LIMIT, f"{name}: log-probabilities after {case['prompt']!r} differ by {away}")
    print(f"{name} in transformers: {len(job['sequences'])} sequences, logits within {worst:.1e} (spread {spread:.1f})")


def foreign_tokenizers(out, texts):
    """Two kinds that this program does not make: byte-level BPE as in Llama 3, and a Unigram as in T5 or XLNet."""
    files = [str(path) for path in sorted(Path(texts).glob("*.txt"))]
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train(files, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False))
    bpe.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    begin = bpe.token_to_id("<|begin_of_text|>")
    bpe.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
    )

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.NFKC()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    unigram.train(
        files,
        trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    made = []
    for name, tokenizer, first, last in [
        ("bpe", bpe, "<|begin_of_text|>", "<|end_of_text|>"),
        ("unigram", unigram, "<s>", "</s>"),
    ]:
        folder = out / f"tokenizers/{name}"
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=first, eos_token=last).save_pretrained(folder)
        made.append(folder)
    return made


def make(job):
    """Random models as `save_pretrained` writes them, with tokenizers of ours and others."""
    torch.manual_seed(3)
    out = Path(job["out"])
    bpe, char, byte = job["tokenizers"]
    other_bpe, unigram = foreign_tokenizers(out, job["corpus"])
    llama = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4}
    llama |= {"max_position_embeddings": 48, "initializer_range": 0.3}
    gpt2 = {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 48, "initializer_range": 0.2}
    cases = [
        ("llama", bpe, LlamaForCausalLM, LlamaConfig, llama | {"num_key_value_heads": 2}, None),
        (
            "llama-tied",
            char,
            LlamaForCausalLM,
            LlamaConfig,
            llama | {"tie_word_embeddings": True, "head_dim": 10, "rope_theta": 500.0, "rms_norm_eps": 1e-5},
            None,
        ),
        (
            "llama-biases-bf16",
            byte,
            LlamaForCausalLM,
            LlamaConfig,
            llama | {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1},
            torch.bfloat16,
        ),
        ("gpt2", byte, GPT2LMHeadModel, GPT2Config, gpt2, None),
        ("gpt2-f16", bpe, GPT2LMHeadModel, GPT2Config, gpt2 | {"n_inner": 100}, torch.float16),
        ("gpt2-untied", char, GPT2LMHeadModel, GPT2Config, gpt2 | {"tie_word_embeddings": False}, None),
        ("llama-3-tokens", other_bpe, LlamaForCausalLM, LlamaConfig, dict(llama), None),
        ("llama-unigram", unigram, LlamaForCausalLM, LlamaConfig, dict(llama), None),
    ]
    made = []
    for name, source, architecture, settings, fields, kind in cases:
        tokenizer = AutoTokenizer.from_pretrained(source)
        end = tokenizer.eos_token_id
        if settings is LlamaConfig and "rope_theta" in fields:
            fields["rope_parameters"] = {"rope_type": "default", "rope_theta": fields.pop("rope_theta")}
        config = settings(vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end, **fields)
        model = architecture(config)
        with torch.no_grad():
            # Biases and norms start at 0 and 1, where a mistake in them would not show.
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        if kind is not None:
            model = model.to(kind)
        folder = out / name
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        # Read again, because a cast rounds the rotary frequencies as well, which are not stored.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        text = [end, *encode(tokenizer, "The committee met in 1957, and it")][:48]
        sequences = [text, torch.randint(0, len(tokenizer), (48,)).tolist(), [end], [5, 5, 5, 9]]
        ids = [encode(tokenizer, text) for text in job["texts"]]
        written = [{"prompt": p, "ids": greedy(model, tokenizer, p, job["tokens"])} for p in job["prompts"]]
        made.append({"name": name, "folder": str(folder), "sequences": sequences, "ids": ids, "greedy": written})
        made[-1]["logits"] = [logits_of(model, ids).tolist() for ids in sequences]
    (out / "made.json").write_text(json.dumps(made))


def main():
    what, path = sys.argv[1:]
    job = json.loads(Path(path).read_text())
    torch.set_num_threads(2)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if what == "make":
        make(job)
    else:
        for model in job["models"]:
            check_model(model)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
