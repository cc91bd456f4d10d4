"""What all comparisons share: reading rows, running a program, telling what came out."""

import glob
import gzip
import json
import os
import subprocess
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))


def rows(pattern):
    for path in sorted(glob.glob(pattern)):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                yield json.loads(line)


def documents(folder):
    """The rows of a folder `documents`."""
    return rows(f"{folder}/documents/*.jsonl.gz")


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def child(args, venv, script, *arguments):
    """Runs a script of this folder in a peer's environment, once; the JSON lines that it writes to the file it is given."""
    to = os.path.join(args.work, "peers", "-".join([script.removesuffix(".py"), *map(os.path.basename, arguments)]) + ".jsonl")
    if not os.path.exists(to):
        os.makedirs(os.path.dirname(to), exist_ok=True)
        run(os.path.join(args.venvs, venv, "bin/python"), os.path.join(HERE, script), to + ".part", *arguments)
        os.rename(to + ".part", to)
    with open(to) as lines:
        return [json.loads(line) for line in lines]


def attributes(folder):
    return {row["id"]: row["attributes"] for row in rows(f"{folder}/*.jsonl.gz")}


def tag(args, folder, taggers, name, extra=()):
    """Our attributes of the documents of a folder, by id."""
    run(args.regimen, "corpus", "tag", folder, "--taggers", ",".join(taggers), "--experiment", name, "--quiet", *extra)
    return attributes(f"{folder}/attributes/{name}")


def dolma_tag(args, folder, taggers, name):
    """Dolma's, which are made once."""
    to = f"{folder}/attributes/{name}"
    if not glob.glob(f"{to}/*.jsonl.gz"):
        run(f"{args.venvs}/dolma/bin/dolma", "tag", "--documents", f"{folder}/documents/*.gz", "--experiment", name,
            "--taggers", *taggers, "--processes", "1")
    return attributes(to)


def dedup(args, folder, name, *how):
    """Our spans of what came before, by id."""
    run(args.regimen, "corpus", "dedup", folder, "--name", name, "--quiet", *how)
    return {one: found[name.replace("-", "_")] for one, found in attributes(f"{folder}/attributes/{name}").items()}


def short(found):
    """Attributes without the experiment's name, spans in order."""
    return {name.split("__", 1)[1]: sorted(spans) for name, spans in found.items()}


def same(one, other):
    return len(one) == len(other) and all(a[:2] == b[:2] and abs(a[2] - b[2]) <= 1.001e-5 for a, b in zip(one, other))


def tell(peer, name, count, unequal, **more):
    """A line for a comparison. `unequal` are ids, or pairs of an id and the class of its difference."""
    pairs = [one if isinstance(one, tuple) else (one, None) for one in unequal]
    line = {"peer": peer, "name": name, "documents": count, "equal": count - len(pairs),
            "share": round((count - len(pairs)) / max(count, 1), 6), "unequal": [one for one, _ in pairs[:5]]}
    if classes := Counter(kind for _, kind in pairs if kind):
        line["classes"] = dict(classes)
    print(json.dumps({**line, **more}), flush=True)
