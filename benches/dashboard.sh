#!/bin/sh
# Measures the dashboard in a pseudo-terminal, and prints JSON lines: processor time of a training with and without
# `--tui` (and the share of the dashboard's two threads in it, which does not drift with the machine), the time from exec
# to the first whole frame of `watch`, and the same on a log of a million lines.
#
#     benches/dashboard.sh [--steps N] [--runs N] [--lines N] [--set STAGE.FIELD=VALUE]...
#
# Limits: the first frame within 100 ms, under 1 % of the training's processor time; exit status 1 if one is missed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release --quiet --bin regimen
exec python3 benches/dashboard.py --regimen "${CARGO_TARGET_DIR:-$root/target}/release/regimen" "$@"
