#!/bin/sh
# Installs fastText, KenLM and SentencePiece, which tests/peers_models/ compares with, into a virtual environment: .venv beside this file,
# or the folder in REGIMEN_MODELS_VENV; KenLM's build_binary goes to its bin. Needs Python 3.10 or 3.11 with venv, g++ (KenLM
# comes as source), a minute or two, and 200 MB of disk. Does nothing when all is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${REGIMEN_MODELS_VENV:-$here/.venv}
if cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    exit 0
fi
echo "installing fastText, KenLM and SentencePiece into $venv" >&2
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@" >&2; }
pip install -r "$here/requirements.txt"
"$venv/bin/python" -c 'import fasttext, kenlm, sentencepiece' >&2

rm -rf "$venv/kenlm"
mkdir -p "$venv/kenlm"
pip download --no-deps --no-binary kenlm -d "$venv/kenlm" "$(grep '^kenlm' "$here/requirements.txt")"
cd "$venv/kenlm"
tar xzf kenlm-*.tar.gz --strip-components=1
sources=$(ls util/*.cc util/double-conversion/*.cc lm/*.cc | grep -v -e main.cc -e test.cc)
# shellcheck disable=SC2086
g++ -O2 -w -DNDEBUG -DKENLM_MAX_ORDER=6 -DHAVE_CLOCKGETTIME -std=c++11 -I. -o "$venv/bin/build_binary" \
    $sources lm/build_binary_main.cc -lrt -lpthread
cp "$here/requirements.txt" "$venv/installed.txt"
