"""Rows of corpus.sh: ours and a peer on the same documents, in alternating runs."""

import argparse
import glob
import gzip
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import corpus_chain
import corpus_examples

HERE = os.path.dirname(os.path.abspath(__file__))


def tree_rss(pid):
    """Bytes of memory of a process and of all its descendants."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        try:
            with open(f"/proc/{one}/statm") as f:
                total += int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as f:
                    todo += [int(child) for child in f.read().split()]
        except (OSError, IndexError, ValueError):
            pass
    return total


def run(command, cwd=None, env=None):
    """Wall and CPU seconds, peak memory of the process tree, and stdout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=cwd, env={**os.environ, **(env or {})})
        peak, ended = [0], threading.Event()

        def watch():
            while not ended.wait(0.02):
                peak[0] = max(peak[0], tree_rss(child.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = child.wait()
        wall = time.perf_counter() - start
        ended.set()
        watcher.join()
        log.seek(0)
        out = log.read().decode(errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code != 0:
        sys.exit(f"corpus.py: {' '.join(map(str, command))} ended with {code}:\n{out[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "mib": peak[0] / 2**20, "out": out}


def text_bytes(files):
    return sum(len(json.loads(line)["text"].encode()) for f in files for line in gzip.open(f, "rt"))


class Bench:
    def __init__(self, args):
        self.args = args
        self.work = os.path.abspath(args.work or tempfile.mkdtemp(prefix="regimen-corpus-"))
        self.dolma = os.path.abspath(os.path.join(args.venvs, "dolma/bin/dolma"))
        self.python = os.path.abspath(os.path.join(args.venvs, "dolma/bin/python"))
        self.datatrove = os.path.abspath(os.path.join(args.venvs, "datatrove/bin/python"))
        self.ours = os.path.abspath(args.ours)
        documents = sorted(glob.glob(os.path.join(args.corpus, "*.jsonl.gz")))
        if not documents:
            sys.exit(f"corpus.py: no *.jsonl.gz in {args.corpus}")
        self.full = self.folder("full", documents)
        self.sub1 = os.path.join(self.work, "sub1/documents")
        if not os.path.exists(self.sub1):
            os.makedirs(self.sub1)
            parts = [gzip.open(f"{self.sub1}/s{i}.jsonl.gz", "wt", compresslevel=6) for i in range(4)]
            for i, line in enumerate(gzip.open(documents[0], "rt")):
                parts[i % 4].write(line)
            [part.close() for part in parts]
        self.half = self.folder("half", sorted(glob.glob(self.sub1 + "/*.gz"))[:2])
        self.sizes = {}

    def folder(self, name, files):
        path = os.path.join(self.work, name, "documents")
        if not os.path.exists(path):
            os.makedirs(path)
            for file in files:
                os.symlink(os.path.abspath(file), os.path.join(path, os.path.basename(file)))
        return path

    def megabytes(self, folder):
        if folder not in self.sizes:
            self.sizes[folder] = text_bytes(sorted(glob.glob(folder + "/*.gz"))) / 1e6
        return self.sizes[folder]

    def packed(self):
        """The same documents packed by zstd."""
        path = os.path.join(self.work, "packed/documents")
        if not os.path.exists(path):
            making = path + ".new"
            shutil.rmtree(making, ignore_errors=True)
            os.makedirs(making)
            for file in sorted(glob.glob(self.full + "/*.gz")):
                name = os.path.basename(file).removesuffix(".gz")
                with gzip.open(file) as text:
                    subprocess.run(["zstd", "-q", "-3", "-o", f"{making}/{name}.zst"], input=text.read(), check=True)
            os.rename(making, path)
        return path

    def clean(self, *paths):
        for path in paths:
            path = os.path.join(self.work, path)
            shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)

    def row(self, name, folder, ours, peer, peer_name, clean, goal, threads=1, ours_folder=None, net=0.0):
        """`net` seconds are taken off the peer's time: its start-up."""
        runs = 1 if self.args.quick else self.args.runs
        mine, theirs = [], []
        for _ in range(runs):
            self.clean(*clean)
            mine.append(run(ours, cwd=self.work))
            if peer:
                self.clean(*clean)
                theirs.append(run(peer, cwd=self.work))
        size = self.megabytes(ours_folder or folder)
        speed = lambda all, size, net: [size / max(r["wall"] - net, 1e-9) for r in all]
        own = speed(mine, size, 0)
        line = {"name": name, "unit": "MB/s", "ours": statistics.median(own), "goal": goal, "threads": threads, "runs": runs,
                "ours_mib": max(r["mib"] for r in mine), "ours_cpu_mb_s": size / statistics.median(r["cpu"] for r in mine)}
        if theirs:
            peers = speed(theirs, self.megabytes(folder), net)
            line |= {"peer": statistics.median(peers), "peer_name": peer_name,
                     "ratio": statistics.median(a / b for a, b in zip(own, peers)),
                     "peer_mib": max(r["mib"] for r in theirs)}
        print(json.dumps(line), flush=True)
        ratio = f", {line['ratio']:.1f} times {peer_name}" if theirs else ""
        print(f"{name}: {line['ours']:.1f} MB/s{f' (goal {goal})' if goal else ''}{ratio}, {line['ours_mib']:.0f} MiB", file=sys.stderr)
        return mine

    def tag(self, tagger, folder, threads):
        return [self.ours, "corpus", "tag", folder, "--taggers", tagger, "--experiment", "x", "--threads", str(threads), "--quiet"]

    def tagger(self, name, tagger, goal):
        peer = [self.dolma, "tag", "--documents", "half/documents/*.gz", "--experiment", "x", "--taggers", tagger, "--processes", "1"]
        clean = ["half/attributes", "full/attributes"]
        self.row(name, self.half, self.tag(tagger, self.full, 1), peer, "dolma 1.2.1", clean, goal, ours_folder=self.full)

    def read(self):
        """Reading and parsing alone: a sample of next to nothing."""
        for name, folder, goal in (("read", self.full, 140), ("read-zst", self.packed(), 220)):
            ours = [self.ours, "corpus", "sample", folder, "--fraction", "0.00001", "--to", "sample.jsonl", "--threads", "1", "--quiet"]
            self.row(name, folder, ours, None, None, ["sample.jsonl"], goal, ours_folder=self.full)

    def gopher(self):
        self.tagger("gopher", "gopher_v1", 60)

    def c4(self):
        self.tagger("c4", "c4_v2", 200)

    def pii(self):
        self.tagger("pii", "pii_regex_with_counts_fast_v2", 200)

    def dedup(self, by, folder, threads):
        how = {"paragraph": ["--bloom", "20000000", "--rate", "1e-6"], "document": []}[by]
        return [self.ours, "corpus", "dedup", folder, "--by", by, *how, "--name", by, "--threads", str(threads), "--quiet"]

    def dolma_dedup(self, what, threads, folder="full", keys=20_000_000):
        config = {"documents": [f"{folder}/documents/*.gz"], "dedupe": {"name": "dup", "skip_empty": True, **what},
                  "bloom_filter": {"file": "full/bloom.bin", "read_only": False, "estimated_doc_count": keys,
                                   "desired_false_positive_rate": 1e-6},
                  "processes": threads}
        with open(os.path.join(self.work, f"dedup{threads}.yaml"), "w") as f:
            json.dump(config, f)
        return [self.dolma, "-c", f"dedup{threads}.yaml", "dedupe"]

    def document_dedup(self):
        clean = ["full/attributes", "packed/attributes", "full/bloom.bin"]
        peer = self.dolma_dedup({"documents": {"attribute_name": "dup", "key": "$.text"}}, 1)
        self.row("document-dedup", self.full, self.dedup("document", self.full, 1), peer, "dolma 1.2.1", clean, 140)
        ours = self.dedup("document", self.packed(), 1)
        self.row("document-dedup-zst", self.full, ours, None, None, clean, 220)

    def paragraph_dedup(self):
        clean = ["full/attributes", "packed/attributes", "full/bloom.bin"]
        for threads in (1, 2):
            peer = self.dolma_dedup({"paragraphs": {"attribute_name": "dup_para"}}, threads)
            ours = self.dedup("paragraph", self.full, threads)
            self.row(f"paragraph-dedup-{threads}", self.full, ours, peer, "dolma 1.2.1", clean, [90, 170][threads - 1], threads)
            ours = self.dedup("paragraph", self.packed(), threads)
            self.row(f"paragraph-dedup-zst-{threads}", self.full, ours, None, None, clean, [120, 230][threads - 1], threads)

    def ngram_dedup(self):
        """Paragraphs half of whose n-grams came before."""
        clean = ["full/attributes", "half/attributes", "full/bloom.bin"]
        ngrams = {"ngram_length": 8, "stride": 3, "overlap_threshold": 0.5, "skip_short_paragraphs": True}
        peer = self.dolma_dedup({"paragraphs": {"attribute_name": "dup", "by_ngram": ngrams}}, 1, "half", 40_000_000)
        for threads in (1, 2):
            ours = [self.ours, "corpus", "dedup", self.full, "--by", "ngram", "--words", "8", "--stride", "3", "--overlap", "0.5",
                    "--skip-short", "--bloom", "40000000", "--rate", "1e-6", "--name", "dup", "--threads", str(threads), "--quiet"]
            peer = peer if threads == 1 else None
            self.row(f"ngram-dedup-{threads}", self.half, ours, peer, "dolma 1.2.1", clean, None, threads, ours_folder=self.full)

    def decontaminate(self):
        """Against some 14,000 sentences of Moby Dick and of speeches, with the time of reading taken off too."""
        items = os.path.join(self.work, "items.jsonl")
        if not os.path.exists(items):
            data = os.path.join(HERE, "../../data")
            texts = [json.loads(line)["text"] for name in ("moby-dick/chapters", "sotu/recent", "sotu/1930-1959")
                     for line in subprocess.run(["zstd", "-dc", f"{data}/{name}.jsonl.zst"], check=True, capture_output=True, text=True).stdout.splitlines()]
            sentences = [sentence for text in texts for sentence in re.split(r"(?<=[.?!])\s+", text) if len(sentence) > 100]
            with open(items, "w") as f:
                f.writelines(json.dumps({"id": i, "question": sentence}) + "\n" for i, sentence in enumerate(sentences))
        ours = [self.ours, "corpus", "decontaminate", self.full, "--against", items, "--field", "question", "--to", "hits",
                "--report", "hits.jsonl", "--threads", "1", "--quiet"]
        read = [self.ours, "corpus", "sample", self.full, "--fraction", "0.00001", "--to", "sample.jsonl", "--threads", "1", "--quiet"]
        alone = []
        for _ in range(1 if self.args.quick else self.args.runs):
            self.clean("sample.jsonl")
            alone.append(run(read, cwd=self.work)["cpu"])
        whole = self.row("decontaminate", self.full, ours, None, None, ["hits", "hits.jsonl"], 0)
        speed = self.megabytes(self.full) / (statistics.median(r["cpu"] for r in whole) - statistics.median(alone))
        print(json.dumps({"name": "decontaminate-alone", "unit": "MB/s", "ours": speed, "goal": 150, "threads": 1}), flush=True)
        print(f"decontaminate without reading: {speed:.1f} MB/s (goal 150)", file=sys.stderr)

    def minhash(self):
        ours = [self.ours, "corpus", "dedup", self.full, "--by", "near", "--preset", "fineweb", "--name", "near", "--threads", "1", "--quiet"]
        peer = [self.python, os.path.join(HERE, "corpus_rensa.py"), self.sub1]
        self.row("minhash", self.sub1, ours, peer, "rensa 0.5.0", ["full/attributes"], 80, ours_folder=self.full)
        peer = [self.datatrove, os.path.join(HERE, "corpus_datatrove.py"), "minhash", "1", self.half, os.path.join(self.work, "o_dt")]
        self.row("minhash-datatrove", self.half, ours, peer, "datatrove 0.10.1", ["full/attributes", "o_dt"], 80, ours_folder=self.full)

    def tokenizer(self):
        path = os.path.join(self.work, "bpe50k.json")
        if not os.path.exists(path):
            # By the older version: newer ones write files that dolma cannot read.
            run([self.python, os.path.join(HERE, "corpus_hf.py"), "train", path, self.sub1])
        return path

    def tokenize(self):
        path = self.tokenizer()
        for threads in (1, 2):
            # Both print the speed of encoding alone: reading is not what is compared.
            ours = run([os.path.join(self.args.examples, "encode"), path, os.path.join(self.full, "part-00.jsonl.gz") if os.path.exists(os.path.join(self.full, "part-00.jsonl.gz")) else self.sub1, "--threads", str(threads), "--json"], cwd=self.work)
            peer = run([self.datatrove, os.path.join(HERE, "corpus_hf.py"), "encode", path, self.sub1, str(threads)], cwd=self.work)
            own, theirs = json.loads(ours["out"].strip().splitlines()[-1]), json.loads(peer["out"].strip().splitlines()[-1])
            line = {"name": f"tokenize-{threads}", "unit": "MB/s", "ours": own["mb_s"], "peer": theirs["mb_s"], "peer_name": theirs["name"],
                    "ratio": own["mb_s"] / theirs["mb_s"], "goal": [35, 65][threads - 1], "threads": threads, "runs": 1,
                    "ours_mib": ours["mib"], "peer_mib": peer["mib"], "tokens": [own["tokens"], theirs["tokens"]]}
            print(json.dumps(line), flush=True)
            print(f"{line['name']}: {line['ours']:.1f} MB/s (goal {line['goal']}), {line['ratio']:.1f} times {line['peer_name']}", file=sys.stderr)

    def chain_project(self, threads):
        """A project whose recipe runs the whole chain on the full corpus."""
        project = os.path.join(self.work, f"chain{threads}")
        self.clean(project)
        os.makedirs(project)
        os.symlink(self.full, os.path.join(project, "documents"))
        shutil.copy(self.tokenizer(), os.path.join(project, "bpe50k.json"))
        with open(os.path.join(project, "chain.toml"), "w") as f:
            f.write('''name = "chain"
[corpus]
kind = "corpus"
sources = [{ name = "bench", path = "documents/*.jsonl.gz", format = "dolma" }]
filter = { quality = "none" }
tag = [{ tagger = "gopher_v1" }, { tagger = "c4_v2" }, { tagger = "pii_regex_with_counts_fast_v2" }]
near = { preset = "fineweb" }
paragraphs = { dedup = "exact" }
invalid_licence = "noassertion"
[tokenizer]
kind = "tokenizer"
type = "file"
file = "bpe50k.json"
corpus = "corpus"
[tokens]
kind = "tokens"
corpus = "corpus"
tokenizer = "tokenizer"
''')
        return [self.ours, "run", os.path.join(project, "chain.toml"), "--project", project, "--no-report", "--quiet", "--threads", str(threads)], os.path.relpath(project, self.work)

    def chain(self):
        corpus_chain.chain(self, run)

    def scaling(self):
        """Two threads against one, and, as what the machine allows, two chains of one thread at the same time against one."""
        other = Bench(argparse.Namespace(**{**vars(self.args), "work": os.path.join(self.work, "beside")}))
        shutil.copy(self.tokenizer(), other.work)
        rounds = []
        for _ in range(self.args.runs):
            walls = []
            for threads in (1, 2):
                ours, project = self.chain_project(threads)
                walls.append(run(ours, cwd=self.work)["wall"])
                self.clean(project)
            both = [(bench, *bench.chain_project(1)) for bench in (self, other)]
            start = time.perf_counter()
            children = [subprocess.Popen(command, cwd=bench.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        for bench, command, _ in both]
            if any([child.wait() for child in children]):
                sys.exit("corpus.py: a chain beside another one failed")
            side = time.perf_counter() - start
            for bench, _, project in both:
                bench.clean(project)
            rounds.append((walls[0] / walls[1], 2 * walls[0] / side))
        ours, allowed = (statistics.median(values) for values in zip(*rounds))
        line = {"name": "scaling", "unit": "times faster with 2 threads than with 1", "ours": ours, "goal": 1.9,
                "two chains side by side": allowed, "runs": len(rounds)}
        print(json.dumps(line), flush=True)
        print(f"scaling: {ours:.2f} times (goal 1.9); two chains side by side: {allowed:.2f}", file=sys.stderr)

    def startup(self):
        times = sorted(run([self.ours, "corpus", "taggers"])["wall"] for _ in range(11))
        line = {"name": "startup", "unit": "ms", "ours": 1000 * times[5], "goal": 20, "runs": 11}
        print(json.dumps(line), flush=True)
        print(f"startup: {line['ours']:.1f} ms (goal below 20)", file=sys.stderr)


ROWS = ["read", "gopher", "c4", "pii", "document-dedup", "paragraph-dedup", "ngram-dedup", "decontaminate", "minhash", "tokenize", "chain", "scaling", "startup",
        *corpus_examples.ROWS]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--venvs", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--work")
    parser.add_argument("--sentences")
    parser.add_argument("--datamap")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("rows", nargs="*")
    args = parser.parse_args()
    if unknown := [row for row in args.rows if row not in ROWS]:
        sys.exit(f"corpus.py: unknown rows {', '.join(unknown)}; there are {', '.join(ROWS)}")
    bench = Bench(args)
    for row in args.rows or ROWS:
        if row in corpus_examples.ROWS:
            corpus_examples.ROWS[row](bench)
        else:
            getattr(bench, row.replace("-", "_"))()


if __name__ == "__main__":
    main()
