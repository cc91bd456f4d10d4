"""fastText as a peer: trains models of every kind, or opens one, and says what it predicts.

    fasttext_peer.py train FOLDER     FOLDER/few.txt, FOLDER/many.txt -> models and FOLDER/NAME.json
    fasttext_peer.py predict FOLDER MODEL
"""

import json
import sys
from pathlib import Path

import fasttext

fasttext.FastText.eprint = lambda *_: None
folder = Path(sys.argv[2])
few, many = str(folder / "few.txt"), str(folder / "many.txt")
texts = json.loads((folder / "texts.json").read_text())


def predict(name, model):
    rows = []
    for text in texts:
        labels, chances = model.predict(text, k=5)
        rows.append([list(labels), [float(x) for x in chances]])
    (folder / f"{name}.json").write_text(json.dumps(rows))


def train(name, lines, quantised=None, **options):
    model = fasttext.train_supervised(lines, thread=1, verbose=0, seed=7, epoch=10, lr=1.0, **options)
    model.save_model(str(folder / f"{name}.bin"))
    predict(f"{name}.bin", model)
    for kind, how in (quantised or {}).items():
        model = fasttext.load_model(str(folder / f"{name}.bin"))
        model.quantize(input=lines, verbose=0, thread=1, **how)
        model.save_model(str(folder / f"{name}-{kind}.ftz"))
        predict(f"{name}-{kind}.ftz", fasttext.load_model(str(folder / f"{name}-{kind}.ftz")))


def train_all():
    train("words", few, dim=10)
    train(
        "bigrams",
        few,
        {
            "plain": {"qnorm": False, "dsub": 2},
            "norm": {"qnorm": True, "dsub": 3},
            "cut": {"qnorm": True, "cutoff": 900, "retrain": True, "dsub": 2},
            "words": {"qnorm": False, "cutoff": 300, "dsub": 2},
        },
        dim=16,
        wordNgrams=2,
        bucket=5000,
    )
    train("trigrams", few, dim=9, wordNgrams=3, bucket=777, minn=1, maxn=3)
    train(
        "characters",
        few,
        {"cut": {"qnorm": True, "cutoff": 1500, "retrain": True, "dsub": 5}},
        dim=16,
        minn=2,
        maxn=4,
        bucket=20000,
        loss="hs",
    )
    for loss in ("softmax", "hs", "ns", "ova"):
        train(
            f"many-{loss}",
            many,
            {"out": {"qnorm": True, "qout": True, "dsub": 2, "cutoff": 2000, "retrain": False}},
            dim=12,
            minn=0,
            maxn=0 if loss == "ova" else 3,
            bucket=3000,
            wordNgrams=2,
            loss=loss,
        )


if sys.argv[1] == "train":
    train_all()
else:
    predict(sys.argv[3], fasttext.load_model(str(folder / sys.argv[3])))
