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
#[derive(Clone, Copy, PartialEq)]
pub(super) enum What {
    /// The table of documents.
    Documents,
    /// The table of spans.
    Attributes,
    /// Rows with texts in Dolma's layout, or flat ones.
    Rows,
    /// Rows of attributes.
    AttributeRows,
}

/// The exported files in `dir`, by path.
pub(super) fn describe(dir: &Path) -> Result<Vec<Described>> {
    let mut all = Vec::new();
    for path in fs::files_below(dir)? {
        let relative = path.to_string_lossy().into_owned();
        let what = match relative.as_str() {
            super::parquet::DOCUMENTS => What::Documents,
            super::parquet::ATTRIBUTES => What::Attributes,
            name if !name.ends_with(".jsonl.gz") => continue,
            name if name.starts_with("attributes/") => What::AttributeRows,
            name if name.starts_with("documents/") || !name.contains('/') => What::Rows,
            _ => continue,
        };
        let (sha256, bytes) = of_file(&dir.join(&path))?;
        let media = match what {
            What::Documents | What::Attributes => "application/x-parquet",
            What::Rows | What::AttributeRows => "application/gzip",
        };
        all.push(Described { path: relative, bytes, sha256, media, what });
    }
    if all.is_empty() {
        return Err(Error::NothingToDescribe { path: dir.into() });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}
