#!/bin/sh
# What Regimen decides beside what dolma, datatrove and rensa decide on the same documents.
#
#     benches/peers/corpus_agree.sh --corpus DIR --work DIR [--documents N] [--seed N] [--code DIR] [COMPARISON...]
#
# DIR of --corpus holds Dolma documents (*.jsonl.gz; corpus_fetch.sh makes such), of which N (2500) are taken. DIR of --code holds
# source code and web pages in any folders; without it packages of npm and Debian are fetched into the work folder. Comparisons:
# dolma_tags dolma_code dolma_dedup datatrove_rules datatrove_texts near decontaminate (all by default). One JSON line each on
# stdout: documents, how many are decided alike, ids of some that are not, and classes of what explains them. What a peer says is
# kept in the work folder: take another for another sample. Peers are installed at the first call, as corpus.sh does; REGIMEN
# names a program that is built already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venvs=${REGIMEN_CORPUS_VENVS:-$here/.venvs}
corpus= work= documents=2500 seed=1 code=
while [ $# -gt 0 ]; do
    case $1 in
    --corpus) corpus=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --documents) documents=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    --code) code=$(cd "$2" && pwd); shift 2 ;;
    -*) echo "corpus_agree.sh: unknown option $1" >&2; exit 2 ;;
    *) break ;;
    esac
done
[ -n "$corpus" ] && [ -n "$work" ] || { echo "usage: corpus_agree.sh --corpus DIR --work DIR [COMPARISON...]" >&2; exit 2; }
"$here/corpus_venvs.sh" "$venvs"
if [ -z "${REGIMEN:-}" ]; then
    (cd "$root" && cargo build --release --quiet)
    REGIMEN=${CARGO_TARGET_DIR:-$root/target}/release/regimen
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -e "$work/made" ]; then
    mkdir -p "$work/sample/documents"
    "$REGIMEN" corpus sample "$corpus" --documents "$documents" --seed "$seed" --to "$work/sample/documents/sample.jsonl.gz" --quiet
    python3 "$here/agree/copies.py" "$work/sample" "$work/copies"
    if [ -z "$code" ]; then
        code=$work/files
        mkdir -p "$code/npm" "$code/debian"
        cd "$code"
        npm pack --silent cordova-android@12.0.1 lodash@4.17.21 express@4.21.2 jquery-ui@1.14.1 react-native@0.63.5 > /dev/null
        for file in *.tgz; do mkdir -p "npm/$file" && tar -xzf "$file" -C "npm/$file"; done
        apt-get download -qq debian-handbook debian-reference-en
        for file in *.deb; do dpkg -x "$file" "debian/$file"; done
        rm -f ./*.tgz ./*.deb
        # And files of Python and C that the peers brought.
        ln -sfn "$venvs/datatrove/lib" python
    fi
    python3 "$here/agree/code_documents.py" "$work/code" "$work/pages" "$code" "$code/python/"
    touch "$work/made"
fi
exec python3 "$here/corpus_agree.py" --regimen "$REGIMEN" --venvs "$venvs" --work "$work" "$@"
