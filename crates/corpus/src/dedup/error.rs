//! What can be wrong with a deduplication, with a way out.

use std::path::{Path, PathBuf};

use regimen_base::{Hint, fs, units};

/// What the functions of this folder give back.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a deduplication could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// An option that makes no sense.
    #[error("{option} = {value} is out of range: {allowed}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Bands and rows that would find next to everything alike, or nothing.
    #[error(
        "{bands} bands of {rows} rows find every second pair of texts that share {:.1} % of their shingles: that is no near copy",
        100.0 * .half
    )]
    Likeness {
        /// Bands.
        bands: usize,
        /// Hash functions of a band.
        rows: usize,
        /// The similarity at which every second pair is found.
        half: f64,
    },
    /// A document came after a later one.
    #[error("document {ordinal} was pushed after document {after}")]
    Order {
        /// The document.
        ordinal: u32,
        /// The later one.
        after: u32,
    },
    /// More of something than its number can count.
    #[error("too many {what}: at most {most}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many fit.
        most: u64,
    },
    /// The work would take more memory than it may.
    #[error("{what} needs {} of memory; {} are allowed", units::bytes(*.needed), units::bytes(*.allowed))]
    Memory {
        /// What needs it.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// A Bloom filter holds more keys than it was sized for.
    #[error(
        "the Bloom filter was sized for {expected} keys and about {keys} different ones came: its false positive rate is \
         {rate:.2e} instead of {configured:.2e}"
    )]
    OverFull {
        /// About how many different keys came.
        keys: u64,
        /// A number that takes them all.
        enough: u64,
        /// Keys it was sized for.
        expected: u64,
        /// The rate by now.
        rate: f64,
        /// The rate asked for.
        configured: f64,
    },
    /// A saved Bloom filter holds something else.
    #[error("`{}` holds {found}, not {wanted}", .path.display())]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// What its keys are.
        found: String,
        /// What was to be looked up.
        wanted: String,
    },
    /// A saved file is not what it should be.
    #[error("`{}` is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.into(), what: what.into() }
    }

    pub(crate) fn option(
        option: &'static str,
        value: impl std::fmt::Display,
        allowed: &'static str,
    ) -> Error {
        Error::Option { option, value: value.to_string(), allowed }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::File(error) => return error.hint(),
            Error::Option { option, .. } => format!("give `{option}` a value in its range"),
            Error::Likeness { half, .. } if *half < 0.5 => {
                "take more rows for texts that are more alike, or fewer bands: 14 bands of 8 rows find every second pair at 68 %"
                    .into()
            }
            Error::Likeness { .. } => "take fewer rows, more bands, or compare by the whole text".into(),
            Error::Order { .. } => {
                "documents must come in document order: the first copy is defined by it".into()
            }
            Error::TooMany { .. } => "deduplicate in several parts".into(),
            Error::Memory { .. } => "allow more memory, or deduplicate in several parts".into(),
            Error::OverFull { enough, .. } => format!(
                "size the filter for {enough} keys (--bloom {enough}; in a recipe `expected = {enough}`), or compare \
                 exactly: leave out --bloom; in a recipe `dedup = \"exact\"`"
            ),
            Error::OtherKeys { .. } => "compare as the filter was made, or name another file".into(),
            Error::Damaged { .. } => "name another file, or make this one again".into(),
        })
    }
}
