//! A finished corpus, or documents in Dolma's layout, in formats that other programs read. The same data and the same options give the same bytes,
//! whatever the number of threads; the card of a folder says when its files were changed last as well.

mod card;
mod croissant;
mod describe;
mod dolma;
mod facts;
mod folder;
mod jsonl;
mod parquet;
mod parts;
mod personal;
mod records;
mod sha256;
mod shards;
mod spdx;
mod staged;
pub(crate) mod table;
mod texts;

use std::path::Path;

use regimen_objects::is_url;

use crate::corpus::Corpus;
use crate::dolma::folder::real;
use crate::error::{Error, Result};

pub use card::{card, folder_card};
pub use dolma::dolma;
pub use facts::{About, Given};
pub use folder::{
    FolderExported, FolderOptions, FolderRows, RowOptions, folder, folder_key, folder_rows, last_changed,
};
pub use jsonl::jsonl;
pub use parquet::parquet;
pub use texts::texts;

pub use crate::claim::Claim;
pub use crate::held::Held;

/// Hold a folder for one export, until what is given back is dropped. Steps that write documents below it hold it, too.
///
/// # Errors
/// [`crate::Error::InUse`] if another process writes into it.
pub fn hold(dir: &Path) -> Result<Held> {
    crate::held::hold_by(&dir.join("files"), crate::held::EXPORT)
}

/// Check that the documents of a folder that is held for an export of `claim` are not the finished output of another step.
///
/// # Errors
/// [`crate::Error::OtherOutput`].
pub fn check_documents(dir: &Path, claim: &Claim) -> Result<()> {
    claim.alone(&dir.join(crate::dolma::DOCUMENTS), "")
}

/// Check that an export of `corpus` in `formats` into `dir` takes the place of none of its source files, whose paths start at
/// `project`.
///
/// # Errors
/// [`crate::Error::OverInput`] with the first that lies where such an export has its files.
pub fn check_sources(corpus: &Corpus, project: &Path, formats: &[&str], dir: &Path) -> Result<()> {
    let dir = real(dir);
    for file in corpus.names().files.iter().filter(|file| !is_url(&file.path)) {
        // A source that is gone is in nobody's way.
        let Ok(full) = project.join(&file.path).canonicalize() else { continue };
        let place = full.strip_prefix(&dir).ok().and_then(Path::to_str).and_then(describe::What::of);
        if place.is_some_and(|what| formats.contains(&what.format())) {
            return Err(Error::OverInput { output: file.path.clone() });
        }
    }
    Ok(())
}

/// What an export came to.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Exported {
    /// Files written, relative to the folder.
    pub files: Vec<String>,
    /// Files that were there already, made from the same corpus with the same options.
    pub skipped: Vec<String>,
    /// Documents in them.
    pub documents: u64,
    /// Spans that were left out because edits took away all that they marked.
    pub spans_left_out: u64,
}
