"""Hugging Face's tokenizers: corpus_hf.py train OUT DOCUMENTS, or encode TOKENIZER DOCUMENTS THREADS (one JSON line)."""

import glob
import gzip
import json
import os
import sys
import time

task, path, folder = sys.argv[1:4]
if task == "encode":
    os.environ["RAYON_NUM_THREADS"] = sys.argv[4]
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if sys.argv[4] != "1" else "false"

from tokenizers import Tokenizer, __version__, decoders, models, pre_tokenizers, trainers  # noqa: E402


def texts():
    for file in sorted(glob.glob(folder + "/*.gz")):
        for line in gzip.open(file, "rt"):
            yield json.loads(line)["text"]


if task == "train":
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=50257,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text[:20000] for text in texts()), trainer)
    tokenizer.save(path)
else:
    tokenizer = Tokenizer.from_file(path)
    all_texts = list(texts())
    size = sum(len(text.encode()) for text in all_texts)
    start, tokens = time.perf_counter(), 0
    for i in range(0, len(all_texts), 1000):
        tokens += sum(len(e.ids) for e in tokenizer.encode_batch_fast(all_texts[i : i + 1000]))
    seconds = time.perf_counter() - start
    print(json.dumps({"name": f"tokenizers {__version__}", "mb_s": size / 1e6 / seconds, "tokens": tokens}))
