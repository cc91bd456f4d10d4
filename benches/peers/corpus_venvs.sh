#!/bin/sh
# Install the peers of corpus.sh and corpus_agree.sh in environments of their own: corpus_venvs.sh DIR (a few minutes, once).
set -eu
venvs=$1
[ -e "$venvs/done-2" ] && exit 0
mkdir -p "$venvs"
[ -x "$venvs/uv/bin/uv" ] || { python3 -m venv "$venvs/uv" && "$venvs/uv/bin/pip" install -q uv; }
uv=$venvs/uv/bin/uv
# uv resolves these pins in seconds; pip's resolver takes many minutes.
[ -d "$venvs/dolma" ] || $uv venv -q "$venvs/dolma"
$uv pip install -q --python "$venvs/dolma/bin/python" 'dolma[code]==1.2.1' rensa==0.5.0
[ -d "$venvs/datatrove" ] || $uv venv -q "$venvs/datatrove"
$uv pip install -q --python "$venvs/datatrove/bin/python" 'datatrove[processing,io]==0.10.1' spacy
touch "$venvs/done-2"
