//! The texts that stayed as Parquet: `texts/SHARD.parquet` with one row a document.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::fs;

use super::Exported;
use super::parquet::{metadata_column, metadata_of};
use super::parts::Limits;
use super::shards::shards;
use super::staged::Staged;
use super::table::{Column, Declared, Kind, Table, declared};
use crate::claim::Claim;
use crate::corpus::Corpus;
use crate::error::{Error, Result};

/// The folder of the files.
pub(super) const FOLDER: &str = "texts";
/// Bytes of text with which a row group ends, and rows of one.
pub(super) const GROUP_BYTES: u64 = 16 << 20;
pub(super) const GROUP_ROWS: usize = 1 << 16;
const GROUPS: Limits = Limits { text: GROUP_BYTES, words: 2 * GROUP_BYTES, rows: GROUP_ROWS };

/// The columns of a table of texts.
pub(super) fn columns(corpus: &Corpus) -> Vec<Declared> {
    use Kind::{Day, Long, Text};
    let mut all = vec![
        declared("id", Text, false, "The source's own id, or path and line"),
        declared("text", Text, false, "The text as kept"),
        declared("source", Text, false, "Name of the source"),
        declared("licence", Text, false, "SPDX expression"),
        declared("author_kind", Text, false, "human, machine, mixed or unknown"),
        declared("split", Text, false, "train or validation"),
        declared("created", Day, true, "Day of creation"),
        declared("key", Text, false, "blake3-128 of source name, a zero byte, and the id"),
        declared("copies", Long, false, "How often the mix takes it"),
    ];
    all.extend(metadata_column(corpus));
    all
}

/// Name of a file.
pub(super) fn name(number: usize) -> String {
    format!("{FOLDER}/{number:05}.parquet")
}

/// The tables of texts of an earlier export into `dir`, relative to it. Others would be taken for part of what is written there.
///
/// # Errors
/// [`Error::NotEmpty`] with the first of them.
pub(super) fn earlier(dir: &Path) -> Result<Vec<String>> {
    let folder = dir.join(FOLDER);
    let mut earlier = Claim::placed(dir);
    earlier.retain(|file| Path::new(file).starts_with(FOLDER));
    let there = if folder.is_dir() { fs::list(&folder)? } else { Vec::new() };
    let other = |path: &PathBuf| {
        let name = format!("{FOLDER}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        name.ends_with(".parquet") && earlier.binary_search(&name).is_err()
    };
    match there.into_iter().find(other) {
        None => Ok(earlier),
        Some(file) => {
            Err(Error::NotEmpty { folder: folder.display().to_string(), file: file.display().to_string() })
        }
    }
}

/// Write the kept documents with their texts into `dir/texts`, `shard` bytes of text in a file.
///
/// # Errors
/// [`Error::Table`], [`Error::NotEmpty`], and [`Error::Damaged`] for a damaged corpus.
pub fn texts(corpus: &Corpus, dir: &Path, shard: u64) -> Result<Exported> {
    let shards = shards(corpus, shard.max(1));
    let earlier = earlier(dir)?;
    let staged = Staged::named(dir, FOLDER)?;
    let files: Vec<String> = shards
        .par_iter()
        .enumerate()
        .map(|(number, documents)| {
            let file = name(number);
            let mut table = Table::create(&staged.base().join(&file), &columns(corpus))?;
            for group in GROUPS.parts(corpus, documents) {
                table.group(rows(corpus, group)?)?;
            }
            table.finish().map(|()| file)
        })
        .collect::<Result<_>>()?;
    staged.replace(&earlier, &files)?;
    let documents = shards.iter().map(|shard| shard.len() as u64).sum();
    Ok(Exported { files, documents, ..Exported::default() })
}

fn rows(corpus: &Corpus, some: &[u32]) -> Result<Vec<Column>> {
    let text = |of: &dyn Fn(u32) -> String| Column::Text(some.iter().map(|&o| Some(of(o))).collect());
    let row = |ordinal: u32| corpus.row(ordinal);
    let texts = some
        .iter()
        .map(|&ordinal| Ok(Some(corpus.text(ordinal)?.unwrap_or_default().to_string())))
        .collect::<Result<_>>()?;
    let mut all = vec![
        text(&|o| corpus.id(o).into()),
        Column::Text(texts),
        text(&|o| corpus.source_name(row(o).source).into()),
        text(&|o| corpus.licence_name(row(o).licence).into()),
        text(&|o| row(o).author.name().into()),
        text(&|o| row(o).split.name().into()),
        Column::Day(some.iter().map(|&o| row(o).created).collect()),
        text(&|o| row(o).key.to_string()),
        Column::Long(some.iter().map(|&o| Some(row(o).copies.into())).collect()),
    ];
    all.extend(metadata_of(corpus, some)?);
    Ok(all)
}
