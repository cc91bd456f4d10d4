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
mod personal;
mod records;
mod sha256;
mod shards;
mod spdx;
mod staged;
pub(crate) mod table;
mod texts;

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
pub fn hold(dir: &std::path::Path) -> crate::Result<Held> {
    crate::held::hold_by(&dir.join("files"), crate::held::EXPORT)
}

/// Check that the documents of a folder that is held for an export of `claim` are not the finished output of another step.
///
/// # Errors
/// [`crate::Error::OtherOutput`].
pub fn check_documents(dir: &std::path::Path, claim: &Claim) -> crate::Result<()> {
    claim.alone(&dir.join(crate::dolma::DOCUMENTS), "")
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
