"""Dolma documents from folders of unpacked packages: corpus_documents.py FILES OUT. A folder of FILES is a source.

Pages of HTML become text, plain texts stay, dictionaries are cut in pieces of some 6 kB. The order is that of the ids, which are
hashes, dealt out to 16 files.
"""

import gzip
import hashlib
import html.parser
import json
import multiprocessing
import os
import re
import sys

PARTS, PIECE = 16, 6000
TEXT = {"", ".txt", ".rst", ".md", ".pod", ".texi", ".dict"}
PAGES = {".html", ".htm", ".xhtml"}
# What shows nothing, and what begins a new line.
HIDDEN = {"script", "style", "head", "nav", "svg", "template"}
BLOCKS = set("p div br li ul ol dl dt dd h1 h2 h3 h4 h5 h6 tr td th table pre section article blockquote hr header footer".split())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.out, self.hidden = [], 0

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in HIDDEN
        if tag in BLOCKS:
            self.out.append("\n")

    def handle_endtag(self, tag):
        self.hidden -= tag in HIDDEN and self.hidden > 0
        if tag in BLOCKS:
            self.out.append("\n")

    def handle_data(self, data):
        if not self.hidden:
            self.out.append(data)


def shown(text):
    page = Page()
    page.feed(text)
    page.close()
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(page.out).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def pieces(text):
    """A long text of a dictionary, cut at blank lines."""
    piece, size = [], 0
    for block in text.split("\n\n"):
        piece.append(block)
        size += len(block)
        if size > PIECE:
            yield "\n\n".join(piece)
            piece, size = [], 0
    yield "\n\n".join(piece)


def texts(path, source):
    """The texts of a file: none if it holds no text."""
    name = os.path.basename(path).lower()
    packed = name.endswith((".gz", ".dz"))
    ending = os.path.splitext(name[:-3] if packed else name)[1]
    if name.startswith(("changelog", "copyright")) or ending not in TEXT | PAGES:
        return
    with (gzip.open if packed else open)(path, "rb") as file:
        raw = file.read()
    if b"\0" in raw[:4096]:
        return
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = shown(text) if ending in PAGES else text
    cut = len(text) > 4 * PIECE and (source.startswith("dict-") or source == "fortunes")
    yield from (piece for piece in (pieces(text) if cut else [text]) if len(piece) >= 100)


def read(task):
    folder, source = task
    found = []
    for path, _, names in os.walk(os.path.join(folder, source)):
        for name in names:
            full = os.path.join(path, name)
            if os.path.islink(full):
                continue
            rest = os.path.relpath(full, os.path.join(folder, source))
            try:
                for at, text in enumerate(texts(full, source)):
                    one = hashlib.sha1(f"{source}/{rest}#{at}".encode()).hexdigest()[:20]
                    found.append(json.dumps({"id": one, "text": text, "source": source, "created": "2023-01-01T00:00:00.000Z",
                                             "metadata": {"path": rest, "part": at, "url": f"package://{source}/{rest}"}}, ensure_ascii=False))
            except (OSError, EOFError, AssertionError) as error:
                print(f"{full}: {error}", file=sys.stderr)
    return found


if __name__ == "__main__":
    folder, out = sys.argv[1:]
    with multiprocessing.Pool(2) as pool:
        rows = sorted(row for found in pool.imap_unordered(read, [(folder, source) for source in sorted(os.listdir(folder))]) for row in found)
    os.makedirs(out, exist_ok=True)
    for part in range(PARTS):
        with gzip.open(f"{out}/part-{part:02}.jsonl.gz", "wt", compresslevel=6) as to:
            to.writelines(row + "\n" for row in rows[part::PARTS])
    print(f"{len(rows)} documents", file=sys.stderr)
