#!/bin/sh
# Checks of report pages in a real browser:
#
#     tests/browser/report.sh [FOLDER]
#
# Needs node, Chromium, and npm packages that are fetched into FOLDER (default: a temporary one, kept for the next time).
# What is missing is said aloud, and nothing is checked then.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${1:-${TMPDIR:-/tmp}/regimen-browser}
for program in node npm cargo; do
    command -v "$program" >/dev/null || { echo "SKIPPED: no $program" >&2; exit 0; }
done
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$chromium" ] || { echo "SKIPPED: no Chromium; set CHROMIUM to its path" >&2; exit 0; }
mkdir -p "$folder/pages"
cp "$here/package.json" "$folder/"
[ -d "$folder/node_modules/axe-core" ] || npm --prefix "$folder" install --no-audit --no-fund >&2 \
    || { echo "SKIPPED: the npm packages cannot be fetched" >&2; exit 0; }
page() {
    out=$1
    shift
    cargo run --quiet --manifest-path "$root/Cargo.toml" -p regimen-report --example synthetic -- "$folder/pages/$out" "$@"
}
page one.html 3000
page two.html 3000 against
page open.html 3000 unfinished
page long.html 100000
NODE_PATH="$folder/node_modules" CHROMIUM="$chromium" node "$here/report.js" "$folder/pages"
