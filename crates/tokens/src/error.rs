//! What can go wrong with tokenizers and token shards.

use std::path::{Path, PathBuf};

use regimen_base::hint::Interrupted;
use regimen_base::{Failure, Hint, fs};

/// An error of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The corpus could not be read.
    #[error(transparent)]
    Corpus(#[from] regimen_corpus::Error),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A file of a tokens artifact is not what its index says.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the values.
        what: String,
    },
    /// A file of another layout than this program writes.
    #[error("`{}` has layout {found}, this program reads layout {known}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: u64,
        /// The layout that is known.
        known: u64,
    },
    /// A tokenizer.json that cannot be used.
    #[error("`{}` is not a tokenizer that can be used here: {what}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A tokenizer.json without a token that ends documents.
    #[error("`{}` has no end token: {what}", path.display())]
    EndToken {
        /// The file.
        path: PathBuf,
        /// Where it was looked for.
        what: String,
    },
    /// The vocabulary asked for is larger than the text allows.
    #[error(
        "a vocabulary of {asked} is larger than the text allows: it has pairs to merge for {possible} tokens"
    )]
    VocabTooLarge {
        /// `vocab` of the recipe.
        asked: usize,
        /// The largest that works.
        possible: usize,
    },
    /// The training split has no text to train a tokenizer on.
    #[error("there is no text to train a tokenizer on{}", of_sources(sources))]
    NoText {
        /// `sources` of the recipe.
        sources: Vec<String>,
    },
    /// `sources` names one that the corpus does not have.
    #[error("`sources` names `{name}`, which the corpus does not have")]
    UnknownSource {
        /// The name.
        name: String,
        /// What to do.
        hint: String,
    },
    /// The tokens of a text do not spell it, so they would have no address in it.
    #[error("the tokens that `{}` makes of document {ordinal} do not spell its text", path.display())]
    Lossy {
        /// The tokenizer.
        path: PathBuf,
        /// The document.
        ordinal: u32,
    },
    /// A folder for an export has something in it.
    #[error("`{}` is not empty: `{}` is there", folder.display(), file.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// The first thing in it.
        file: PathBuf,
    },
    /// More tokens than the fragment table can count.
    #[error("more than {} tokens in one split", crate::fragment::MAX_SLOTS)]
    TooManyTokens,
    /// More copies of a document than the fragment table can count.
    #[error("more than {} copies of one document", crate::fragment::MAX_COPIES)]
    TooManyCopies,
}

fn of_sources(sources: &[String]) -> String {
    match sources {
        [] => String::new(),
        some => format!(" in the sources {}", some.join(", ")),
    }
}

impl Error {
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.into(), what: what.into() }
    }

    /// As a stage hands it to the runner, which knows [`Interrupted`] by its type.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Error::Interrupted(interrupted) => interrupted.into(),
            Error::Corpus(error) => error.into_failure(),
            other => other.into(),
        }
    }

    pub(crate) fn tokenizer(path: &Path, what: &(impl ToString + ?Sized)) -> Error {
        Error::Tokenizer { path: path.into(), what: what.to_string() }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::File(error) => error.hint(),
            Error::Corpus(error) => error.hint(),
            Error::Interrupted(error) => error.hint(),
            Error::Damaged { .. } => Some(
                "run `regimen ledger verify` to see what else is damaged, delete the artifact's folder and run \
                 the recipe again"
                    .into(),
            ),
            Error::Layout { .. } => {
                Some("use the program version that wrote it, or delete the artifact's folder and run again".into())
            }
            Error::Tokenizer { .. } => Some("a Hugging Face tokenizer.json is needed here".into()),
            Error::EndToken { .. } => {
                Some("name the token that ends a document as `eos_token` in tokenizer_config.json beside it".into())
            }
            Error::VocabTooLarge { possible, .. } => {
                Some(format!("set `vocab` to {possible} or less, or give the corpus more text"))
            }
            Error::NoText { sources } if sources.is_empty() => {
                Some("lower `validation` in the corpus stage or give it more documents".into())
            }
            Error::NoText { .. } => Some("leave `sources` out to train on all of them".into()),
            Error::UnknownSource { hint, .. } => Some(hint.clone()),
            Error::Lossy { .. } => Some(
                "use a byte-level, character or byte tokenizer that neither normalizes nor puts a space before the \
                 text, or bring the documents into the form that it makes of them: Unicode NFC by normalise = \"nfc\" in the \
                 sources of the corpus"
                    .into(),
            ),
            Error::NotEmpty { .. } => {
                Some("name another folder, or remove what is there: nothing is overwritten or mixed".into())
            }
            Error::TooManyTokens => Some("split the corpus over several stages".into()),
            Error::TooManyCopies => Some("lower `mix.max_copies` of the corpus stage".into()),
        }
    }
}

/// What the functions here give back.
pub type Result<T> = std::result::Result<T, Error>;
