"""Sentences of translators, by language, from Debian packages: for making and measuring language identification.

    apt-get download PACKAGES; dpkg -x each to FOLDER        (the packages: data/README.md, Weights)
    debian_sentences.py FOLDER OUT                           (from the root of the repository; needs `zstd`)

Sentences have at least 50 characters and come from programs' message catalogues, manual pages, Firefox's and Thunderbird's language
packs, and the help of LibreOffice and GNOME. Those of a quarter of the files, by the hash of their names, are for testing:
OUT/test-pages.tsv, test-catalogues.tsv, test-packs.tsv and test-helps.tsv, up to 1,000 a language; OUT/train.tsv has up to 60,000 of
the others. To these come 20,000 English lines of three quarters of the texts in `data/`, with their code, tables and names:
translators' sentences alone make a classifier that takes a sixth of such lines for other languages. Those of the other quarter are
OUT/test-documents.tsv. Lines are language, tab, sentence, as the example `classify` reads them:

    sed 's/\\t/ /; s/^/__label__/' OUT/train.tsv > OUT/train.txt
    regimen corpus classifier --lines OUT/train.txt --validation 0 --to MODEL --dim 16 --minn 2 --maxn 5 --bucket 65536 \\
        --min-count 1000000 --epochs 12 --lr 0.4
    classify quantise MODEL SMALL.ftz
    classify SMALL.ftz OUT/test-pages.tsv 0

What is left out, in training and in tests alike, and without asking any model:

- Catalogues of a variant (`sr@latin`), and Bosnian, whose sentences are mostly Croatian ones, too. Countries are one language
  (`pt_BR` is `pt`), and so are `no` and `nb`. Low German, whose catalogues are partly German; Serbo-Croatian and Klingon.
- What is the same in every language is cut out: formats, options, paths, addresses, identifiers, markup, words in capitals.
- Less than 70 % letters; words of 30 letters and more (alphabets); lists, with two signs `;` or `|`.
- Sentences of which half of the words begin with a capital: names and titles.
- Letters of another script: more than half of them, 10 % where the script is Latin. Japanese has kana, Chinese none.
- What was not translated: more than half of the letters are of words that the English original has, too. The original is the
  message itself, the message of the same name, or the page of the same name; where there is no such page, the words of ten
  English pages.
- Sentences that two languages have, by their letters alone. English ones stay English.
- From the tests: what also stands, by its letters, in a file for training; languages with fewer than 100 sentences.
"""

import collections
import functools
import gettext
import gzip
import html
import json
import random
import re
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

LEAST, MOST = 50, 400
# Sentences of a language for training; those of a language with at most half of FEW are repeated, four times at most.
FEWEST, FEW, MANY = 550, 5000, 60000
# English lines of documents for training and for tests.
DOCUMENTS = 20000

# Letters of languages that are not written in Latin ones: ranges of characters.
CYRILLIC, HAN, KANA = "\u0400-\u052f", "\u3400-\u9fff", "\u3040-\u30ff"
ARABIC, DEVANAGARI = "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff", "\u0900-\u097f"
LETTERS = {
    **dict.fromkeys("ab ba be bg ce cv kk kv ky mhr mk mn myv os ru sah sr tg tt udm uk".split(), CYRILLIC),
    **dict.fromkeys("ar ckb fa ks ps sd skr ug ur".split(), ARABIC),
    **dict.fromkeys("bho brx doi hi kok mai mr ne sa".split(), DEVANAGARI),
    **dict.fromkeys("as bn mni".split(), "\u0980-\u09ff"), **dict.fromkeys("he yi".split(), "\u0590-\u05ff"),
    **dict.fromkeys("am ti".split(), "\u1200-\u139f"), **dict.fromkeys("bo dz".split(), "\u0f00-\u0fff"),
    "zh": HAN, "ja": KANA + HAN, "ko": "\uac00-\ud7af", "el": "\u0370-\u03ff\u1f00-\u1fff", "hy": "\u0530-\u058f",
    "ka": "\u10a0-\u10ff", "th": "\u0e00-\u0e7f", "lo": "\u0e80-\u0eff", "km": "\u1780-\u17ff", "my": "\u1000-\u109f",
    "pa": "\u0a00-\u0a7f", "gu": "\u0a80-\u0aff", "or": "\u0b00-\u0b7f", "ta": "\u0b80-\u0bff", "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff", "ml": "\u0d00-\u0d7f", "si": "\u0d80-\u0dff", "sat": "\u1c50-\u1c7f", "iu": "\u1400-\u167f",
}
LATIN = "a-zA-Z\u00aa\u00ba\u00c0-\u02af\u1e00-\u1eff"
OWN = {language: re.compile(f"[{letters}]") for language, letters in {**LETTERS, "": LATIN, "kana": KANA}.items()}
SAME = {"no": "nb", "iw": "he", "in": "id", "fil": "tl", "kmr": "ku"}
LEFT_OUT = {"bs", "sh", "nds", "tlh"}

JUNK = re.compile(
    r"%[-#0 +'I]*[\d*$.]*(?:hh|h|ll|l|z|j|t|L)?[a-zA-Z%]|%<[^>]*>|<[^>]*>|\\[nt]|&\w+;|\$\{[^}]*\}|%\([^)]*\)[a-z]"
    r"|\w+://\S+|\S+@\S+|[\w.-]+\(\d?\w?\)|[A-Za-z0-9_-]+(?:[:=.]+[A-Za-z0-9_-]+)+"
)
WORDS = re.compile(r"(?<!\w)(?:--?[\w-]+=?|[\w.]*[/_][\w./_-]*|[A-Z_]{2,}\b)")
WORD = re.compile(r"[^\W\d_]+")
LONG = re.compile(r"[^\W\d_\u0e00-\u109f\u1780-\u17ff\u3000-\u9fff\uac00-\ud7af]{30}")
LIST = re.compile(r"[;|；].*[;|；]|;\S")


def clean(text):
    """Without what is the same in every language: options, formats, names in capitals, paths, addresses, identifiers, markup."""
    return re.sub(r"\s+", " ", WORDS.sub(" ", JUNK.sub(" ", text)).replace("&", ""))


@functools.cache
def is_letter(c):
    return c.isalpha() or unicodedata.category(c)[0] == "M"


def sentences(text):
    if len(text) < LEAST:
        return
    for sentence in re.split(r"(?<=[.!?。！？।])\s*", clean(text)):
        sentence = sentence.strip()
        if LEAST <= len(sentence) <= MOST and sum(map(is_letter, sentence)) * 10 >= len(sentence) * 7:
            yield sentence


def words(text):
    return WORD.findall(text.casefold())


def translations(text, original):
    """The sentences of a text that were translated: at most half of the letters are of words of the original."""
    for sentence in sentences(text):
        found = words(sentence)
        if sum(len(word) for word in found if word in original) * 2 <= sum(map(len, found)):
            yield sentence


def catalogues(root):
    for path in sorted(root.glob("usr/**/LC_MESSAGES/*.mo")):
        language = path.parent.parent.name
        if "@" in language:
            continue
        try:
            with path.open("rb") as file:
                messages = gettext.GNUTranslations(file)._catalog
        except (UnicodeDecodeError, OSError, ValueError, IndexError, LookupError):
            continue
        for source, text in messages.items():
            source = source[0] if isinstance(source, tuple) else source
            source = source.rsplit("\x04", 1)[-1]
            if not source or not text or text == source or max(len(source), len(text)) < LEAST:
                continue
            original = () if language.startswith("en") else set(words(source))
            for sentence in translations(text, original):
                yield language, path.stem, sentence
            # The English originals of one language's catalogues are enough.
            if language == "de":
                for sentence in sentences(source):
                    yield "en", path.stem, sentence


ACCENTS = dict(zip("'`^:~,ov", "\u0301\u0300\u0302\u0308\u0303\u0327\u030a\u030c"))
SIGNS = dict(zip("ss /o /O /l /L ae AE oe OE -D Sd Tp TP .i lq rq oq cq aq dq".split(), "ßøØłŁæÆœŒÐðþÞı\"\"'''\""))


def sign(match):
    """A letter that is written as an escape in a manual page."""
    name = match[1] or match[2]
    if name in SIGNS:
        return SIGNS[name]
    if len(name) == 2 and name[0] in ACCENTS and name[1].isalpha():
        return unicodedata.normalize("NFC", name[1] + ACCENTS[name[0]])
    if re.fullmatch(r"u[0-9A-F]{4,5}(?:_[0-9A-F]{4,5})*", name):
        return unicodedata.normalize("NFC", "".join(chr(int(part, 16)) for part in name[1:].split("_")))
    return " "


def page(path):
    """The running text of a manual page, by paragraphs."""
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
                yield " ".join(paragraph)
                paragraph = []
                continue
            line = line.split(" ", 1)[1] if " " in line else ""
        if not skip:
            line = re.sub(r"\\f(?:\[[^]]*\]|\(..|.)|\\[&%/,^|)]|\\s[-+]?\d", "", line)
            line = re.sub(r"\\\((..)|\\\[([^]]*)\]", sign, line.replace("\\-", "-").replace("\\~", " "))
            paragraph.append(re.sub(r"\\.", " ", line))


def pages(root):
    folder = root / "usr/share/man"
    english, common = {}, collections.Counter()
    for path in sorted(folder.glob("man*/*.gz")):
        paragraphs = list(page(path))
        found = set(words(" ".join(paragraphs)))
        english.setdefault(path.name.split(".")[0], set()).update(found)
        common.update(found)
        for paragraph in paragraphs:
            for sentence in sentences(paragraph):
                yield "en", path.name, sentence
    common = {word for word, count in common.items() if count >= 10}
    for path in sorted(folder.glob("*/man*/*.gz")):
        language = path.relative_to(folder).parts[0]
        original = english.get(path.name.split(".")[0], common)
        for paragraph in page(path):
            for sentence in translations(paragraph, original):
                yield language, path.name, sentence


def strings(pack):
    """File, name and text of the strings of a language pack: Fluent and properties. Forms for numbers stand alone."""
    for name in sorted(pack.namelist()):
        if not name.endswith((".ftl", ".properties")):
            continue
        key, piece = "", ""
        for line in [*pack.read(name).decode("utf-8", "replace").splitlines(), "#"]:
            start = re.match(r"([\w.-]+) *=", line)
            part = re.match(r"\s+(?:\.([\w-]+) *=|\*?\[[^]]*\])", line)
            if start or part or not line.startswith((" ", "\t")):
                text = re.sub(r"\{[^{}]*\}|\{|\}|\$\w+ *(?:\([^)]*\))? *->|\\u[0-9a-fA-F]{4}", " ", piece)
                yield name.rsplit("/", 1)[-1], key, text
                piece = ""
            if start:
                key, piece = start[1], line[start.end():]
            elif part:
                piece = "" if part[1] == "style" else line[part.end():]
            elif line.startswith((" ", "\t")):
                piece += " " + line


def packs(root):
    english = collections.defaultdict(set)
    paths = root.glob("usr/lib/**/langpack-*.xpi")
    for path in sorted(paths, key=lambda path: ("langpack-en-" not in path.name, path)):
        language = re.match(r"langpack-(\w+)", path.name)[1]
        try:
            pack = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            continue
        if "valencia" in path.name:
            continue
        for name, key, text in strings(pack):
            if language == "en":
                english[name, key].update(words(text))
            for sentence in translations(text, () if language == "en" else english[name, key]):
                yield language, name, sentence


def paragraphs(path):
    """The paragraphs of a page of LibreOffice's or GNOME's help."""
    text = path.read_text("utf-8", "replace")
    text = re.sub(r"(?s)<(code|cmd|input|screen|credit|info|title)\b.*?</\1>|<!--.*?-->|<mal:credit.*?</mal:credit>", " ", text)
    return [html.unescape(re.sub(r"<[^>]*>", " ", piece)) for piece in re.findall(r"(?s)<p\b[^>]*>(.*?)</p>", text)]


def helps(root):
    for folder, pattern, english in [("libreoffice/help", "*/text/**/*.html", "en-US"), ("help", "*/*/*.page", "C")]:
        folder = root / "usr/share" / folder
        paths = [(path.relative_to(folder).parts, path) for path in folder.glob(pattern)]
        originals = {}
        for parts, path in sorted(paths, key=lambda row: (row[0][0] != english, row)):
            language, of = parts[0], "/".join(parts[1:])
            # A quarter of LibreOffice's many pages is enough.
            if "@" in language or "valencia" in language or english != "C" and zlib.crc32(path.stem.encode()) % 16 > 3:
                continue
            texts = paragraphs(path)
            if language == english:
                originals[of], language = set(words(" ".join(texts))), "en"
            for text in texts:
                for sentence in translations(text, () if language.startswith("en") else originals.get(of, ())):
                    yield language, path.name, sentence


def is_written(language, sentence):
    """Whether the letters are mostly those of the language, and whether it is no list of names or titles."""
    letters, own = sum(map(is_letter, sentence)), len(OWN[language if language in LETTERS else ""].findall(sentence))
    if own * 2 < letters if language in LETTERS else own * 10 < letters * 9:
        return False
    kana = len(OWN["kana"].findall(sentence))
    if language == "ja" and kana * 10 < letters or language == "zh" and kana:
        return False
    found = WORD.findall(sentence)
    capitals = sum(word[0].isupper() for word in found)
    return capitals * 2 <= len(found) and not LONG.search(sentence) and not LIST.search(sentence)


def letters_of(sentence):
    return "".join(filter(str.isalpha, sentence.casefold()))


def rows(found):
    """Language, file and sentence, each once."""
    out = set()
    for language, file, sentence in found:
        language = re.split("[_.-]", language)[0]
        language = SAME.get(language, language)
        if language not in LEFT_OUT and is_written(language, sentence):
            out.add((language, file, sentence))
    return sorted(out)


def split(kinds):
    """By kind and language, sentences by their letters: those for training and those for tests."""
    of = collections.defaultdict(set)
    for found in kinds.values():
        for language, _, sentence in found:
            of[letters_of(sentence)].add(language)
    train, tests = [{kind: collections.defaultdict(dict) for kind in kinds} for _ in range(2)]
    for kind, found in kinds.items():
        for language, file, sentence in found:
            letters = letters_of(sentence)
            if len(of[letters]) > 1 and language != "en" or "en" in of[letters] and language != "en":
                continue
            for_test = zlib.crc32(file.split(".")[0].encode()) % 4 == 0
            (tests if for_test else train)[kind][language].setdefault(letters, sentence)
    for kind, by_language in tests.items():
        for language, found in by_language.items():
            known = set().union(*(by[language] for by in train.values() if language in by))
            by_language[language] = [sentence for letters, sentence in sorted(found.items()) if letters not in known]
    return train, tests


def training(train):
    """The lines for training: as much of each kind as there is, and few sentences again."""
    lines = []
    for language in sorted(set().union(*train.values())):
        kinds, seen = [], set()
        for by_language in train.values():
            found = [s for letters, s in sorted(by_language.get(language, {}).items()) if not (letters in seen or seen.add(letters))]
            random.shuffle(found)
            kinds.append(found)
        taken = []
        while len(taken) < MANY and any(kinds):
            taken += [found.pop() for found in kinds if found]
        if len(taken) >= FEWEST:
            times = max(1, min(FEW // len(taken), 4))
            lines += [(language, sentence) for sentence in taken[:MANY] * times]
    return lines


def documents(data):
    """English lines of documents, up to MOST characters: those for training and those for tests."""
    train, tests = {}, {}
    for path in sorted(data.glob("*/*.zst")):
        for line in subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout.splitlines():
            document = json.loads(line)
            # Parts of one text stay together.
            of = re.sub(r"/\d+$", "", document["id"])
            to = tests if zlib.crc32(of.encode()) % 4 == 0 else train
            for paragraph in document["text"].split("\n"):
                paragraph = " ".join(paragraph.split())[:MOST]
                if len(paragraph) >= LEAST:
                    to[paragraph] = "en"
    lists = [list(train), [paragraph for paragraph in tests if paragraph not in train]]
    for found in lists:
        random.shuffle(found)
    return [[("en", paragraph) for paragraph in found[:DOCUMENTS]] for found in lists]


def write(path, lines):
    random.shuffle(lines)
    path.write_text("".join(f"{language}\t{sentence}\n" for language, sentence in lines))


def main(root, out):
    random.seed(1)
    out.mkdir(parents=True, exist_ok=True)
    found = {"pages": pages, "catalogues": catalogues, "packs": packs, "helps": helps}
    train, tests = split({kind: rows(of(root)) for kind, of in found.items()})
    lines = training(train)
    more, texts = documents(Path("data"))
    write(out / "test-documents.tsv", texts)
    lines += more
    write(out / "train.tsv", lines)
    known = {language for language, _ in lines}
    for kind, by_language in tests.items():
        lines = []
        for language, found in sorted(by_language.items()):
            random.shuffle(found)
            if len(found) >= 100 and language in known:
                lines += [(language, sentence) for sentence in found[:1000]]
        write(out / f"test-{kind}.tsv", lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
