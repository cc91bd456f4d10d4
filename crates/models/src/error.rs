//! What can go wrong in this room.

use std::path::PathBuf;

use regimen_base::Hint;

/// An error of a configuration, a forward pass or a model file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration that describes no model.
    #[error("model: {field} = {value}: {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A batch that does not fit the model.
    #[error("model: {0}")]
    Batch(String),
    /// More tokens than the key/value cache holds.
    #[error("cache: {cached} tokens and {new} more do not fit into {capacity}")]
    CacheFull {
        /// Tokens in the cache.
        cached: usize,
        /// Tokens to add.
        new: usize,
        /// Tokens the cache holds.
        capacity: usize,
    },
    /// A model that the target format cannot express.
    #[error(
        "this model is neither a {family} nor another known architecture: {field} = {value}, {family} needs {needed}"
    )]
    NoArchitecture {
        /// The closest architecture.
        family: &'static str,
        /// The field that stands in the way.
        field: &'static str,
        /// Its value.
        value: String,
        /// What the architecture needs there.
        needed: String,
    },
    /// A model file or its description that cannot be used.
    #[error("`{}`: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file operation.
    #[error(transparent)]
    Io(#[from] regimen_base::fs::Error),
    /// An operation on tensors.
    #[error(transparent)]
    Tensor(#[from] regimen_tensor::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Config { field, .. } => {
                Some(format!("change {field} in the model's section of the recipe"))
            }
            Error::Batch(_) => {
                Some("give ids, starts, targets and weights one entry for each token of the batch".into())
            }
            Error::CacheFull { .. } => Some("shorten the prompt, or ask for fewer new tokens".into()),
            Error::NoArchitecture { field, .. } => {
                Some(format!("train with another {field}, or keep the model in this program's own format"))
            }
            Error::File { .. } => {
                Some("check that the file belongs to this model and was copied completely".into())
            }
            Error::Io(error) => error.hint(),
            Error::Tensor(error) => error.hint(),
        }
    }
}

/// The result of a function of this room.
pub type Result<T> = std::result::Result<T, Error>;
