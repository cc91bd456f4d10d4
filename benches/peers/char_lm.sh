#!/bin/sh
# Trains recipes/science/char-lm.toml with Regimen and with PyTorch, from the same initial weights on the same batches,
# and compares the losses (limits: the first 50 within 1e-4 nats, validation within 1 %, mean of 3 seeds) and the speed.
#
#     benches/peers/char_lm.sh [--quick] [--seeds N] [--pairs N] [--threads N]
#
# One JSON line a row on stdout; exit status 1 if a limit is missed. `--quick`: one seed, 300 steps. Installs PyTorch
# at the first call (tests/peers/setup.sh).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
"$root/tests/peers/setup.sh"
cd "$root"
cargo build --release --quiet --bin regimen
cargo build --release --quiet -p regimen-train --example export_batches
target=${CARGO_TARGET_DIR:-$root/target}/release
exec "${REGIMEN_PEERS_VENV:-$root/tests/peers/.venv}/bin/python" "$here/char_lm.py" \
    --regimen "$target/regimen" --export "$target/examples/export_batches" "$@"
