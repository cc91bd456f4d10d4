//! What lies in a folder of exports: files with their hashes, for the cards.

use std::path::Path;

use regimen_base::fs;

use super::sha256::of_file;
use crate::inspect::error::{Error, Result};

/// An exported file.
pub(super) struct Described {
    /// Relative to the folder, with `/`.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    /// Media type, as Croissant names it.
    pub media: &'static str,
    pub what: What,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The table of documents.
    Documents,
    /// The table of spans.
    Attributes,
    /// A table of texts.
    Texts,
    /// Flat rows with texts.
    Rows,
    /// Rows with texts in Dolma's layout.
    DolmaRows,
    /// Rows of attributes.
    AttributeRows,
}

impl What {
    /// What the file of this name is, if it is one of an export.
    pub fn of(path: &str) -> Option<What> {
        let rows = [".jsonl", ".jsonl.gz", ".jsonl.zst"].iter().any(|end| path.ends_with(end));
        match path {
            super::parquet::DOCUMENTS => Some(What::Documents),
            super::parquet::ATTRIBUTES => Some(What::Attributes),
            _ if path.starts_with("texts/") && path.ends_with(".parquet") => Some(What::Texts),
            _ if !rows => None,
            _ if path.starts_with("attributes/") => Some(What::AttributeRows),
            _ if path.starts_with("documents/") => Some(What::DolmaRows),
            _ if !path.contains('/') => Some(What::Rows),
            _ => None,
        }
    }

    /// The format that has such files.
    pub fn format(self) -> &'static str {
        match self {
            What::DolmaRows | What::AttributeRows => "dolma",
            What::Rows => "jsonl",
            What::Documents | What::Attributes => "parquet",
            What::Texts => "texts",
        }
    }

    /// Whether it is a Parquet file.
    pub fn is_table(self) -> bool {
        matches!(self, What::Documents | What::Attributes | What::Texts)
    }
}

/// The exported files in `dir`, by path.
pub(super) fn describe(dir: &Path) -> Result<Vec<Described>> {
    let mut all = Vec::new();
    for path in fs::files_below(dir)? {
        let relative = path.to_string_lossy().into_owned();
        let Some(what) = What::of(&relative) else { continue };
        let (sha256, bytes) = of_file(&dir.join(&path))?;
        let media = match relative.rsplit_once('.').map(|(_, ending)| ending) {
            Some("parquet") => "application/x-parquet",
            Some("gz") => "application/gzip",
            Some("zst") => "application/zstd",
            _ => "application/jsonlines",
        };
        all.push(Described { path: relative, bytes, sha256, media, what });
    }
    if all.is_empty() {
        return Err(Error::NothingToDescribe { path: dir.into() });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}
