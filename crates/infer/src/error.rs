//! What can go wrong when a model writes.

use regimen_base::Hint;

/// An error of sampling or generation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A sampling value that cannot be worked with.
    #[error("sampling field `{field}` is {value}, but must be {expected}")]
    Field {
        /// The field of [`crate::Sampling`].
        field: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A model and a tokenizer that do not belong together.
    #[error("the model has {model} token ids and the tokenizer {tokenizer}")]
    Vocabulary {
        /// Ids of the model.
        model: usize,
        /// Ids of the tokenizer.
        tokenizer: usize,
    },
    /// The model gave infinite or NaN logits.
    #[error("the model's logits after {tokens} tokens hold a number that is not finite")]
    NotFinite {
        /// Tokens read before.
        tokens: usize,
    },
    /// The model refused what it was given.
    #[error(transparent)]
    Model(#[from] regimen_models::Error),
    /// The tokenizer could not encode the prompt.
    #[error(transparent)]
    Tokens(Box<regimen_tokens::Error>),
}

impl From<regimen_tokens::Error> for Error {
    fn from(error: regimen_tokens::Error) -> Error {
        Error::Tokens(Box::new(error))
    }
}

/// What the functions here give back.
pub type Result<T> = std::result::Result<T, Error>;

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Model(error) => return error.hint(),
            Error::Tokens(error) => return error.hint(),
            Error::Vocabulary { .. } => "use the tokenizer.json that lies beside the model's weights".into(),
            Error::Field { field, expected, .. } => format!("set `{field}` to {expected}"),
            Error::NotFinite { .. } => {
                "the weights are damaged or the training diverged; use an earlier checkpoint".into()
            }
        })
    }
}
