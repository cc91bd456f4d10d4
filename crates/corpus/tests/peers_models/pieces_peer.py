"""SentencePiece as a peer: trains unigram models in several ways, and says how it cuts lines. Python's own functions, by which
CCNet and datatrove normalise texts, say what is left of the lines.

    pieces_peer.py FOLDER     FOLDER/train.txt, FOLDER/lines.json -> FOLDER/NAME.model, FOLDER/NAME.json, FOLDER/normal.txt
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

import sentencepiece

folder = Path(sys.argv[1])
lines = json.loads((folder / "lines.json").read_text())
ways = {
    "nmt_nfkc": {},
    "nfkc": {"normalization_rule_name": "nfkc", "character_coverage": 0.98},
    "folded": {"normalization_rule_name": "nmt_nfkc_cf", "vocab_size": 1500},
    "identity": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "bytes": {"byte_fallback": True, "character_coverage": 0.99},
    "defined": {"user_defined_symbols": ["[MASK]", "the", "\u2581of\u2581", "ab"], "add_dummy_prefix": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "phrases": {"split_by_whitespace": False, "split_by_unicode_script": False, "split_by_number": False},
    "spaces": {"remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True},
    "bpe": {"model_type": "bpe"},
}
for name, way in ways.items():
    options = {"vocab_size": 3000, "num_threads": 2, "minloglevel": 2, "hard_vocab_limit": False, **way}
    if options.get("model_type") == "bpe":
        options.pop("hard_vocab_limit")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "train.txt"), model_prefix=str(folder / name), **options
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.model"))
    answers = [model.encode_as_pieces(line) for line in lines]
    (folder / f"{name}.json").write_text(json.dumps(answers))

marks = dict(zip("，。、„”“«»」「《》´∶：？！（）；–．～’━〈〉【】％►", ",.,\"\"\"\"\"\"\"\"\"'::?!();-.~'-<>[]%-"))
marks.update({"．": ". ", "—": " - ", "…": "..."})


def normal(text, datatrove):
    text = text.lower() if datatrove else text.strip().lower()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = re.sub(r"\d+", "0", text).strip() if datatrove else re.sub(r"\d", "0", text)
    text = "".join(marks.get(c, c) for c in text)
    return "".join(c for c in text if unicodedata.category(c) != "Cc")


# Letters that came later than the tables of either side are left out.
old = [all(unicodedata.ucd_3_2_0.category(c) != "Cn" for c in line) for line in lines]
rows = [[normal(line, False), normal(line, True)] if known else None for line, known in zip(lines, old)]
(folder / "normal.txt").write_text(json.dumps(rows))
