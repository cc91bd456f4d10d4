#!/bin/sh
# Curation side by side with the peers: dolma, datatrove, rensa, Hugging Face's tokenizers, on the same files.
#
#     benches/peers/corpus.sh --corpus DIR [--work DIR] [--quick] [--runs N] [--sentences FILE] [--datamap BIN] [ROW...]
#
# DIR holds Dolma documents (*.jsonl.gz; corpus_fetch.sh makes such), of which the first file is split in four for the slow peers.
# Rows beside a peer: read gopher c4 pii document-dedup paragraph-dedup ngram-dedup decontaminate minhash tokenize chain scaling
# startup. Rows of examples and of what is right: taggers dedup language verbatim token-ids bloom-rate near-planted. All by default;
# read, document-dedup, paragraph-dedup and decontaminate want the program zstd, language wants a FILE of sentences
# (crates/corpus/tests/peers_models/debian_sentences.py makes test-pages.tsv and others), chain takes the program datamap-rs as BIN.
# One JSON line a row on stdout: megabytes of text a second of ours and of the peer, their ratio, peak memory of the whole process
# tree, CPU seconds. Installs the peers into environments of their own at the first call (a few minutes). Whether ours decides as
# the peers do: corpus_agree.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venvs=${REGIMEN_CORPUS_VENVS:-$here/.venvs}
"$here/corpus_venvs.sh" "$venvs"
if [ -z "${REGIMEN_BINARIES:-}" ]; then
    (
        cd "$root"
        cargo build --release --quiet
        cargo build --release --quiet -p regimen-tokens --example encode
        cargo build --release --quiet -p regimen-corpus --example taggers --example dedup --example classify --example verbatim
    )
fi
# REGIMEN_BINARIES: a folder like target/release with programs that are built already.
binaries=${REGIMEN_BINARIES:-$target/release}
exec python3 "$here/corpus.py" --ours "$binaries/regimen" --examples "$binaries/examples" --venvs "$venvs" "$@"
