#!/bin/sh
# Installs the peers (PyTorch, transformers) that tests/peers/ and benches/peers/ compare with, into a virtual
# environment: tests/peers/.venv, or the folder in REGIMEN_PEERS_VENV. Needs Python 3.10 or later with venv and, since
# PyTorch's wheel for Linux carries the CUDA libraries, 6 GB of disk and a download of 2.7 GB. Does nothing when all
# is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${REGIMEN_PEERS_VENV:-$here/.venv}
if cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    exit 0
fi
echo "installing the peers into $venv" >&2
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
"$venv/bin/python" -c 'import torch, transformers; print(f"torch {torch.__version__}, transformers {transformers.__version__}")' >&2
cp "$here/requirements.txt" "$venv/installed.txt"
