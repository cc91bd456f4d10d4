#!/bin/sh
# Runs recipes/first-light.toml from nothing with 3 seeds, each in a fresh project folder, and prints one JSON line a
# seed and one with the means: seconds, CPU seconds, peak memory, bits per byte of the model and of the n-gram baseline.
#
#     benches/first_light.sh [--seeds N] [--threads N] [--set STAGE.FIELD=VALUE]...
#
# Limits: at most 300 s and 600 CPU-seconds on 2 cores, peak memory under 4 GB, and on average at least 15 % fewer bits
# per byte than the baseline; exit status 1 if one is missed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release --quiet --bin regimen
exec python3 benches/first_light.py --regimen "${CARGO_TARGET_DIR:-$root/target}/release/regimen" "$@"
