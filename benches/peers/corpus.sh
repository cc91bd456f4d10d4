#!/bin/sh
# Curation side by side with the peers: dolma, datatrove, rensa, Hugging Face's tokenizers, on the same files.
#
#     benches/peers/corpus.sh --corpus DIR [--work DIR] [--quick] [--runs N] [ROW...]
#
# DIR holds Dolma documents (*.jsonl.gz), of which the first file is split in four for the slow peers. Rows: read
# gopher c4 pii document-dedup paragraph-dedup ngram-dedup decontaminate minhash tokenize chain scaling startup (all by default; read,
# dedup and decontaminate want the program zstd). One JSON line a row on stdout: megabytes of text
# a second of ours and of the peer, their ratio, peak memory of the whole process tree, CPU seconds. Installs the peers into
# environments of their own at the first call (a few minutes).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venvs=${REGIMEN_CORPUS_VENVS:-$here/.venvs}
"$here/corpus_venvs.sh" "$venvs"
cd "$root"
cargo build --release --quiet
cargo build --release --quiet -p regimen-tokens --example encode
exec python3 "$here/corpus.py" --ours "$target/release/regimen" --encode "$target/release/examples/encode" \
    --venvs "$venvs" "$@"
