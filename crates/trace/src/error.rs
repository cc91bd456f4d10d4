//! What can go wrong in tracing.

use regimen_base::{Hint, fs};

/// An error of the trace room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// An artifact could not be opened.
    #[error(transparent)]
    Ledger(#[from] regimen_ledger::Error),
    /// A corpus could not be read.
    #[error(transparent)]
    Corpus(#[from] regimen_corpus::Error),
    /// The rules of a corpus could not be told.
    #[error(transparent)]
    Inspect(#[from] regimen_corpus::inspect::Error),
    /// Token shards could not be read.
    #[error(transparent)]
    Tokens(#[from] regimen_tokens::Error),
    /// The artifact has no documents behind it.
    #[error("`{kind}` {key} was not made from documents that can be traced")]
    Untraceable {
        /// Its kind.
        kind: String,
        /// Its key, shortened.
        key: String,
    },
    /// What the artifact was made from is not in the store any more.
    #[error("the {what} that it was made from are gone: `{}` does not exist", path.display())]
    Gone {
        /// `tokens` or `corpus`.
        what: &'static str,
        /// Where they were.
        path: std::path::PathBuf,
    },
    /// A step that the run does not have.
    #[error("step {step} is not one of the {steps} steps of this run")]
    NoStep {
        /// The step asked for.
        step: u64,
        /// Steps of the run.
        steps: u64,
    },
    /// Token shards that speak of bytes which a document does not have.
    #[error("the token shards and the corpus contradict each other about document `{id}`")]
    Contradiction {
        /// Its id.
        id: String,
    },
    /// A text too short to look for.
    #[error("the text has {found} bytes, shorter than the shortest match of {least}")]
    TooShort {
        /// Its bytes.
        found: usize,
        /// Least bytes of a match.
        least: usize,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::File(e) => e.hint(),
            Error::Ledger(e) => e.hint(),
            Error::Corpus(e) => e.hint(),
            Error::Inspect(e) => e.hint(),
            Error::Tokens(e) => e.hint(),
            Error::Untraceable { .. } => Some("name a model, tokens or a corpus that a recipe made".into()),
            Error::Gone { .. } => Some("run the recipe again to remake them".into()),
            Error::NoStep { steps, .. } => Some(format!("steps count from 1 to {steps}")),
            Error::Contradiction { .. } => Some(
                "one of them is damaged: `regimen ledger verify` says which; remove its folder and run the recipe again".into(),
            ),
            Error::TooShort { .. } => Some("give a longer text, or a smaller `--min`".into()),
        }
    }
}

/// What the functions of this room give back.
pub type Result<T> = std::result::Result<T, Error>;
