//! Files of rows, cut by the length of their texts and packed in pieces on all threads.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::{Hash256, fs};

use super::Exported;
use super::parts::Limits;
use crate::claim::Claim;
use crate::corpus::Corpus;
use crate::dolma::mix::Pack;
use crate::error::{Error, Result};
use crate::output::{Output, is_whole, pack, tidy};
use crate::read::stream::Packing;

/// Bytes of text that are packed as one member of gzip or frame of zstd.
const PIECE: u64 = 1 << 20;
/// What is packed as one at most.
const PIECES: Limits = Limits { text: PIECE, words: 4 * PIECE, rows: 1 << 15 };
/// Pieces per thread that are in memory at once.
const WINDOW: usize = 4;

/// The kept documents cut into shards of about `bytes` bytes of text each: a shard ends behind the document with which
/// it reaches them.
pub(super) fn shards(corpus: &Corpus, bytes: u64) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    let (mut shard, mut sum) = (Vec::new(), 0);
    for ordinal in corpus.kept() {
        shard.push(ordinal);
        sum += u64::from(corpus.row(ordinal).bytes);
        if sum >= bytes {
            all.push(std::mem::take(&mut shard));
            sum = 0;
        }
    }
    if !shard.is_empty() {
        all.push(shard);
    }
    all
}

/// Name of a shard.
pub(super) fn name(number: usize, pack: Pack) -> String {
    format!("{number:05}{}", pack.ending())
}

/// Those of `files`, relative to `dir`, that an export put there: its claim names them, or they are as their notes say. Others of
/// these names are somebody else's. What killed processes left beside them goes.
pub(super) fn placed(dir: &Path, files: impl IntoIterator<Item = String>) -> Result<Vec<PathBuf>> {
    let claimed = Claim::placed(dir);
    let files: Vec<String> = files.into_iter().collect();
    // They lie in one folder.
    tidy(&files.first().map(|file| dir.join(file)).into_iter().collect::<Vec<_>>());
    let mut all = Vec::new();
    for file in files {
        let path = dir.join(&file);
        if claimed.binary_search(&file).is_ok() || is_whole(&path)? {
            all.push(path);
        }
    }
    Ok(all)
}

/// Rows in the folder itself that are in none of `outputs` would be taken for part of what is written there.
///
/// # Errors
/// [`Error::NotEmpty`] with the first file of them.
pub(super) fn no_other_rows(dir: &Path, outputs: &[PathBuf]) -> Result<()> {
    let rows = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        [".jsonl", ".jsonl.gz", ".jsonl.zst"].iter().any(|end| name.ends_with(end))
    };
    let there = if dir.is_dir() { fs::list(dir)? } else { Vec::new() };
    match there.into_iter().find(|path| rows(path) && !outputs.contains(path)) {
        None => Ok(()),
        Some(file) => {
            Err(Error::NotEmpty { folder: dir.display().to_string(), file: file.display().to_string() })
        }
    }
}

/// Write one file, packed as its name says: a row for every document, by `row`, which appends it and gives back how many spans it left out.
pub(super) fn write(
    corpus: &Corpus,
    dir: &Path,
    file: &str,
    identity: &str,
    documents: &[u32],
    row: &(dyn Fn(u32, &mut Vec<u8>) -> Result<u64> + Sync),
    out: &mut Exported,
) -> Result<()> {
    let path = dir.join(file);
    let packing = Packing::of_name(file).0;
    let Some(mut output) = Output::begin(&path, Hash256::of(identity.as_bytes()))? else {
        out.skipped.push(file.into());
        return Ok(());
    };
    for window in PIECES.parts(corpus, documents).chunks(WINDOW * rayon::current_num_threads().max(1)) {
        let packed: Vec<(Vec<u8>, u64, u64)> = window
            .par_iter()
            .map(|some| {
                let mut rows = Vec::with_capacity(PIECE as usize + (PIECE as usize) / 4);
                let mut left_out = 0;
                for &ordinal in *some {
                    left_out += row(ordinal, &mut rows)?;
                }
                let rows = pack(packing, rows).map_err(|error| fs::Error::new("pack", &path, error))?;
                Ok((rows, some.len() as u64, left_out))
            })
            .collect::<Result<_>>()?;
        for (piece, rows, left_out) in packed {
            output.put(&piece, rows)?;
            out.spans_left_out += left_out;
        }
    }
    output.finish()?;
    out.files.push(file.into());
    Ok(())
}

/// Append a text as JSON.
pub(super) fn json(text: &str, out: &mut Vec<u8>) {
    // Writing to memory cannot fail, and a text has no shape that JSON lacks.
    let _ = serde_json::to_writer(out, text);
}

/// Append `,"name":` and a text.
pub(super) fn field(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json(text, out);
}
