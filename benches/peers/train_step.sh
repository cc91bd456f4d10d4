#!/bin/sh
# Training steps side by side with PyTorch (eager and compiled), in alternating pairs on the same machine in the same
# minutes; also attention and AdamW alone, and the share of our own matrix product's speed that a step reaches.
#
#     benches/peers/train_step.sh [--quick] [--pairs N] [--threads N] [--jax] [--candle] [ROW...]
#
# Rows: lm-8k lm-49k smollm2-135m vit tiny attention adamw ceiling (all by default). One JSON line a row on stdout; the
# losses and the goals on stderr. `--quick` ends within 5 minutes and compiles no large model. `--jax` and `--candle`
# add those peers to lm-8k (JAX to vit as well). Installs the peers at the first call (tests/peers/setup.sh);
# torch.compile needs g++.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command -v g++ >/dev/null || { echo "train_step.sh: torch.compile needs g++: install it first" >&2; exit 1; }
"$root/tests/peers/setup.sh"
venv=${REGIMEN_PEERS_VENV:-$root/tests/peers/.venv}
target=${CARGO_TARGET_DIR:-$root/target}
candle=
for argument in "$@"; do
    case $argument in
    --jax) "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-jax.txt" >&2 ;;
    --candle)
        cargo build --release --quiet --locked --manifest-path "$here/candle/Cargo.toml" \
            --target-dir "$target/peers-candle"
        candle=$target/peers-candle/release/train-step-candle
        ;;
    esac
done
cd "$root"
cargo build --release --quiet -p regimen-train --example train_step
exec "$venv/bin/python" "$here/train_step.py" --ours "$target/release/examples/train_step" \
    ${candle:+--candle-program "$candle"} "$@"
