#!/bin/sh
# Makes a store with 1,000 runs (100 steps each) and times `regimen runs` on it: the first call, which reads every log, and
# the median of 20 later ones, plain and with a filter. Prints one JSON line each, in milliseconds of the whole process.
#
#     benches/runs.sh [RUNS]
#
# Limit: 50 ms for a later call; exit status 1 if it is missed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release --quiet --bin regimen
cargo build --release --quiet -p regimen-ledger --example many_runs
bin=${CARGO_TARGET_DIR:-$root/target}/release
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$bin/examples/many_runs" "$dir" "${1:-1000}"
exec python3 benches/runs.py "$bin/regimen" "$dir"
