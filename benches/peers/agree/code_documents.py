"""Dolma documents from files of source code, and from web pages: code_documents.py CODE PAGES FOLDER...

Writes CODE/documents/code.jsonl.gz (at most 400 files of an ending, with `ext` and for some `max_stars_count` in their
metadata) and PAGES/documents/pages.jsonl.gz (the text without tags, the page itself as `html` of the metadata; links to licences are put into every second page).
"""

import gzip
import hashlib
import json
import os
import re
import sys
from collections import defaultdict

ENDINGS = {"py", "js", "java", "html", "htm", "xml", "c", "h", "cpp", "cc", "rs", "ts", "css", "sh", "gradle", "m", "f90", "pyx", "xsjslib"}
MOST, LONGEST = 400, 200_000
# As licence choosers, wikis and hand-written pages have them.
LINKS = [
    '<a rel="license" href="http://creativecommons.org/licenses/{}/4.0/"><img alt="CC" src="x.png"></a>',
    '<a href="https://creativecommons.org/licenses/{}/3.0/de/">licence</a>',
    "<a href='https://creativecommons.org/licenses/{}/2.5/legalcode'>licence</a>",
    '<meta name="dc.rights" content="https://creativecommons.org/licenses/{}/4.0/deed.en">',
    '<a href="https://creativecommons.org/licenses/{}">licence</a>',
    "<p>See https://creativecommons.org/licenses/{}/4.0/ for it.</p>",
    '<a href="https://creativecommons.org/publicdomain/zero/1.0/">none</a>',
    '<a href="http://creativecommons.org/publicdomain/mark/1.0/">none</a>',
    '<a href="http://creativecommons.org/licenses/publicdomain/">none</a>',
    '<a href="https://www.creativecommons.org/licenses/{}/4.0/">licence</a>',
]
KINDS = ["by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"]


def files(folders):
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                full = os.path.join(path, name)
                ending = name.rpartition(".")[2].lower()
                if ending in ENDINGS and not os.path.islink(full) and 0 < os.path.getsize(full) <= LONGEST:
                    rest = os.path.relpath(full, folder)
                    yield hashlib.sha1(rest.encode()).hexdigest()[:20], ending, full


def write(folder, name, rows):
    os.makedirs(f"{folder}/documents", exist_ok=True)
    with gzip.open(f"{folder}/documents/{name}.jsonl.gz", "wt") as to:
        to.writelines(json.dumps(row) + "\n" for row in rows)


code, pages, *folders = sys.argv[1:]
taken, rows, sites = defaultdict(int), {}, {}
for one, ending, path in sorted(files(folders)):
    if taken[ending] >= MOST or one in rows:
        continue
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        continue
    taken[ending] += 1
    metadata = {"ext": ending}
    if int(one[0], 16) < 8:
        metadata["max_stars_count"] = int(one[:2], 16) if one[1] < "e" else None
    rows[one] = {"id": one, "source": "code", "text": text, "metadata": metadata}
    if ending in ("html", "htm"):
        shown = re.sub(r"<[^>]*>", "", text)
        for link in range(int(one[0], 16) % 2 * (1 + int(one[1], 16) % 3)):
            at = int(one[2 + link : 6 + link], 16)
            text = text.replace("</body>", LINKS[at % len(LINKS)].format(KINDS[at // 16 % len(KINDS)]) + "\n</body>", 1)
        sites[one] = {"id": one, "source": "pages", "text": shown, "metadata": {"html": text}}
write(code, "code", rows.values())
write(pages, "pages", sites.values())
print(dict(taken), file=sys.stderr)
