#!/usr/bin/env bash
# Build the wheel and test it in a local Ray with two workers, and run what the docs say of tables and schedulers:
#
#     python/test.sh
#
# Installs into python/.venv (or $REGIMEN_VENV) from PyPI, and says so and stops well when that cannot be reached. The
# program that Ray's results are held against is $REGIMEN_BIN, or is built here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
venv=${REGIMEN_VENV:-$here/.venv}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
if ! "$venv/bin/python" -c 'import duckdb, kubernetes_validate, maturin, pandas, polars, pyarrow, ray.data, yaml' 2>/dev/null; then
    if ! "${pip[@]}" download --no-deps --dest "$venv/reach" pip >/dev/null 2>&1; then
        echo "SKIPPED: PyPI cannot be reached, so there is no Ray to test the wheel in" >&2
        exit 0
    fi
    "${pip[@]}" install -r "$here/tests/requirements.txt"
fi

if [ -z "${REGIMEN_BIN:-}" ]; then
    (cd "$root" && cargo build --release --locked --quiet)
    REGIMEN_BIN=${CARGO_TARGET_DIR:-$root/target}/release/regimen
fi
rm -rf "$venv/wheels"
(cd "$here" && "$venv/bin/maturin" build --release --locked --quiet --interpreter "$venv/bin/python" --out "$venv/wheels")
"${pip[@]}" install --force-reinstall --no-deps "$venv"/wheels/regimen-*.whl

REGIMEN_BIN=$REGIMEN_BIN "$venv/bin/python" "$here/tests/test_batches.py"
REGIMEN_BIN=$REGIMEN_BIN "$venv/bin/python" "$here/tests/test_ray.py"
REGIMEN_BIN=$REGIMEN_BIN "$venv/bin/python" "$here/tests/test_docs.py"
