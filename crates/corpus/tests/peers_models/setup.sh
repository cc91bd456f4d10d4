#!/bin/sh
# Installs fastText and KenLM, which tests/peers_models/ compares with, into a virtual environment: .venv beside this file,
# or the folder in REGIMEN_MODELS_VENV. Needs Python 3.10 or 3.11 with venv, a C++ compiler (KenLM comes as source) and
# 200 MB of disk. Does nothing when all is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${REGIMEN_MODELS_VENV:-$here/.venv}
if cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    exit 0
fi
echo "installing fastText and KenLM into $venv" >&2
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
"$venv/bin/python" -c 'import fasttext, kenlm' >&2
cp "$here/requirements.txt" "$venv/installed.txt"
