//! What can go wrong while a corpus is looked into.

use std::path::PathBuf;

use regimen_base::{Hint, fs};

/// What the functions of this part give back.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a corpus could not be searched, counted or exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The corpus is damaged, or its sources cannot be read.
    #[error(transparent)]
    Corpus(#[from] crate::Error),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The config of the artifact is not that of a corpus.
    #[error("the config of the corpus cannot be read: {0}")]
    Config(String),
    /// A pattern that matches everywhere.
    #[error("the pattern `{pattern}` matches the empty text, so it matches everywhere")]
    MatchesNothing {
        /// The pattern.
        pattern: String,
    },
    /// A pattern that is no regular expression.
    #[error("`{pattern}` is no regular expression: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// In the words of the parser.
        reason: String,
    },
    /// A setting out of range.
    #[error("`{name}` is {value}; it must be {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The work is wanted no more.
    #[error("stopped")]
    Stopped,
    /// An expression asks for what a finished corpus does not hold.
    #[error("`{expression}` asks for `metadata.{key}`, which the corpus does not hold")]
    NoMetadata {
        /// The expression.
        expression: String,
        /// The key.
        key: String,
        /// The keys that it holds.
        kept: Vec<String>,
    },
    /// A card has nothing to describe.
    #[error("`{}` holds no exported file that a card could describe", .path.display())]
    NothingToDescribe {
        /// The folder.
        path: PathBuf,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Corpus(error) => return error.hint(),
            Error::File(error) => return error.hint(),
            Error::Config(_) => "build the corpus again with this version of the program".into(),
            Error::MatchesNothing { .. } => "ask for at least one character, such as `a+` for `a*`".into(),
            Error::Pattern { .. } => {
                "look-around and back-references are not known; leave out --regex to search for the exact text".into()
            }
            Error::Stopped => return None,
            Error::Setting { .. } => "correct it".into(),
            Error::NoMetadata { key, kept, .. } => {
                let kept = match kept.is_empty() {
                    true => "it holds no keys of the metadata".into(),
                    false => format!("of the metadata it holds {}", kept.join(", ")),
                };
                format!(
                    "{kept}; the stage keeps the keys that its field `metadata` names: add \"{key}\" there and run it again"
                )
            }
            Error::NothingToDescribe { .. } => "export the data first, or both at once: --format parquet,card".into(),
        })
    }
}
