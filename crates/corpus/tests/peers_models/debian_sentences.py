"""Sentences of translators, by language, from Debian packages: for measuring language identification.

    apt-get download manpages-de manpages-fr ... coreutils gcc-12-locales ... firefox-esr-l10n-de ...; dpkg -x each to FOLDER
    debian_sentences.py FOLDER OUT

Sentences have at least 50 characters and come from programs' message catalogues, manual pages and Firefox's language packs. A
string that several languages have is none of a translator: it was left as it is. A quarter of the files, by the hash of their
names, is for testing: OUT/test-catalogues.tsv, OUT/test-pages.tsv and OUT/test-packs.tsv, up to 1,000 sentences a language;
OUT/train.tsv has up to 8,000 of the others for each language with at least 400. Bosnian is left out: its sentences are mostly
Croatian ones, too. Lines are language, tab, sentence, as the example `classify` reads them:

    classify train OUT/train.tsv MODEL dim=16 minn=2 maxn=4 bucket=32768 min_count=100 epochs=12 lr=0.4
    classify quantise MODEL SMALL.ftz
    classify MODEL OUT/test-pages.tsv 0
"""

import collections
import gettext
import gzip
import random
import re
import sys
import zipfile
import zlib
from pathlib import Path

root, out = Path(sys.argv[1]), Path(sys.argv[2])
LEAST, MOST = 50, 400
# Languages that are not written in Latin letters: sentences that are mostly Latin were not translated.
OTHER_LETTERS = set("ar be bg el fa he hy ja ka kk ko ky mk mn ru sr ta tg th ug uk yi zh".split())


def clean(text):
    """Without what is the same in every language: options, formats, names in capitals, paths, markup."""
    text = re.sub(r"%[-#0 +'I]*[\d*$.]*(?:hh|h|ll|l|z|j|t|L)?[a-zA-Z%]|%<[^>]*>|<[^>]*>|\\[nt]", " ", text)
    text = re.sub(r"(?<!\w)(?:--?[\w-]+=?|[\w.]*[/_][\w./_-]*|[A-Z_]{2,}\b)", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def sentences(text):
    for sentence in re.split(r"(?<=[.!?。！？])\s*", text):
        sentence = clean(sentence)
        letters = sum(c.isalpha() for c in sentence)
        if LEAST <= len(sentence) <= MOST and letters * 10 >= len(sentence) * 7:
            yield sentence


def catalogues():
    for path in sorted(root.glob("usr/share/locale/*/LC_MESSAGES/*.mo")):
        language = path.parent.parent.name
        try:
            with path.open("rb") as file:
                messages = gettext.GNUTranslations(file)._catalog
        except (UnicodeDecodeError, OSError, ValueError, IndexError):
            continue
        english = set()
        for source, text in messages.items():
            source = source[0] if isinstance(source, tuple) else source
            if not source or not text or text == source:
                continue
            english.update(sentences(source))
            for sentence in sentences(text):
                yield language, path.stem, sentence
        for sentence in sorted(english):
            yield "en", path.stem, sentence


def page(path):
    """The running text of a manual page."""
    try:
        text = gzip.open(path).read().decode()
    except (UnicodeDecodeError, OSError, EOFError):
        return
    paragraph, skip = [], False
    for line in [*text.splitlines(), ".PP"]:
        if re.match(r"[.'](?:nf|EX|TS)", line):
            skip = True
        elif re.match(r"[.'](?:fi|EE|TE)", line):
            skip = False
        if line.startswith((".", "'")):
            if not re.match(r"[.'](?:B|I|BR|IR|RB|RI|BI|IB)\b", line):
                yield from sentences(" ".join(paragraph))
                paragraph = []
                continue
            line = line.split(" ", 1)[1] if " " in line else ""
        if not skip:
            line = re.sub(r"\\f(?:\[[^]]*\]|\(..|.)|\\[&%/,^|)]|\\s[-+]?\d", "", line)
            line = re.sub(r"\\\((?:lq|rq|oq|cq|aq|dq)", '"', line.replace("\\-", "-").replace("\\~", " "))
            paragraph.append(re.sub(r"\\\[(?:u?[0-9A-F]{4}|\w+)\]|\\\(..|\\.", " ", line))


def pages():
    for path in sorted(root.glob("usr/share/man/**/*.gz")):
        folder = path.relative_to(root / "usr/share/man").parts[0]
        language = "en" if folder.startswith("man") else folder
        for sentence in page(path):
            yield language, path.name.removesuffix(".gz"), sentence


def packs():
    """The strings of Firefox's language packs: Fluent and properties."""
    for path in sorted(root.glob("usr/lib/firefox-esr/**/langpack-*.xpi")):
        language = re.match(r"langpack-(\w+)", path.name)[1]
        try:
            pack = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            continue
        for name in sorted(pack.namelist()):
            if not name.endswith((".ftl", ".properties")):
                continue
            text = re.sub(r"\n\s+", " ", pack.read(name).decode("utf-8", "replace"))
            for line in text.splitlines():
                if line.startswith("#") or "=" not in line:
                    continue
                value = re.sub(r"\{[^{}]*\}|\[\w+\]|\*\[|\.[\w-]+ =|\\u[0-9a-fA-F]{4}|[{}]|-> ", " ", line.split("=", 1)[1])
                for sentence in sentences(value):
                    yield language, name.rsplit("/", 1)[-1], sentence


# Words of English that hardly stand in another language: sentences with them were not translated, either.
ENGLISH = set("the this with which and that from".split())


def translated(language, sentence):
    if language == "en":
        return True
    if ENGLISH & set(sentence.lower().split()):
        return False
    if language not in OTHER_LETTERS:
        return True
    letters = [c for c in sentence if c.isalpha()]
    return sum(c < "\u0250" for c in letters) * 2 < len(letters)


def own(rows):
    """Language, file and sentence, each sentence once, of those that a translator wrote."""
    rows = [(re.split("[_@.]", language)[0], file, sentence) for language, file, sentence in rows if "@" not in language]
    of = collections.defaultdict(set)
    for language, _, sentence in rows:
        of[sentence].add(language)
    # English sentences are in English pages, and wherever they were not translated.
    return sorted({row for row in rows if (of[row[2]] == {row[0]} or row[0] == "en") and translated(row[0], row[2])})


def write(name, of, least, most):
    rows = []
    for language in sorted(of):
        sentences = sorted(set(of[language]))
        random.shuffle(sentences)
        if len(sentences) >= least:
            rows += [(language, sentence) for sentence in sentences[:most]]
    random.shuffle(rows)
    (out / name).write_text("".join(f"{language}\t{sentence}\n" for language, sentence in rows))


random.seed(1)
out.mkdir(parents=True, exist_ok=True)
train, tests = collections.defaultdict(list), {}
for kind, rows in {"pages": pages(), "catalogues": catalogues(), "packs": packs()}.items():
    tests[kind] = collections.defaultdict(list)
    for language, file, sentence in own(rows):
        for_test = zlib.crc32(file.split(".")[0].encode()) % 4 == 0
        (tests[kind] if for_test else train)[language].append(sentence)
train = {language: sentences for language, sentences in train.items() if len(sentences) >= 400 and language != "bs"}
write("train.tsv", train, 400, 8000)
for kind, of in tests.items():
    write(f"test-{kind}.tsv", {language: of[language] for language in of if language in train}, 100, 1000)
