//! What can go wrong when a model is judged.

use std::path::PathBuf;

use regimen_base::{Hint, fs};

/// An error of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// A file whose content makes no sense.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A field of the config that the inputs contradict.
    #[error("`{field}` {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong, with the values.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// Inputs that do not belong together.
    #[error("the inputs do not belong together: {problem}")]
    Inputs {
        /// Which, and why.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A document whose score is not a number.
    #[error("document `{document}` scores {nats} nats")]
    NotFinite {
        /// Its source and id.
        document: String,
        /// What came out.
        nats: f64,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::File(error) => error.hint(),
            Error::Damaged { .. } => Some(
                "run `regimen ledger verify` to see what else is damaged, delete the artifact's folder and run the \
                 recipe again"
                    .into(),
            ),
            Error::Config { hint, .. } => Some(hint.clone()),
            Error::Inputs { hint, .. } => Some((*hint).into()),
            Error::NotFinite { .. } => {
                Some("the training diverged or the weights are damaged; look at the loss with `regimen report`".into())
            }
        }
    }
}

/// What the functions here give back.
pub type Result<T> = std::result::Result<T, Error>;
