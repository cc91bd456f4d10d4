//! What can go wrong with object stores.

use regimen_base::{Hint, fs};

/// The room's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("`{url}` names no kind of object store that is known")]
    Scheme { url: String },
    #[error("`{url}` is in an object store, and this program was built without them")]
    NoCloud { url: String },
    #[error("there is no object `{url}`")]
    Missing { url: String },
    #[error("the object `{url}` ends before byte {end}")]
    Short { url: String, end: u64 },
    #[error("the object `{url}` changed while it was read")]
    Changed { url: String },
    #[error("may not read or write `{url}`: {reason}")]
    Denied { url: String, reason: String },
    #[error("`{url}`: {reason}")]
    Store { url: String, reason: String },
    #[error("no object fits `{pattern}`")]
    NoObjects { pattern: String },
    #[error("`{pattern}` is not a pattern for objects: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error(transparent)]
    Fs(#[from] fs::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Scheme { .. } => {
                "write s3://bucket/path, gs://bucket/path, az://container/path, https://host/path, or a folder".into()
            }
            Error::NoCloud { .. } => {
                "build with `cargo build --release --features cloud`, or copy the files into a folder first".into()
            }
            Error::Missing { .. } | Error::NoObjects { .. } => {
                "correct the path; names of objects know capital letters from small ones".into()
            }
            Error::Short { .. } => "write the object again: it was cut".into(),
            Error::Changed { .. } => "run the same command again once nobody writes it any more".into(),
            Error::Denied { .. } => {
                "set the credentials in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                 AWS_SKIP_SIGNATURE=true for public buckets"
                    .into()
            }
            Error::Store { .. } => {
                "if the store is busy or down, run the same command again later: it goes on where it was".into()
            }
            Error::Pattern { .. } => "in a pattern `*` stands for any name, `**` for any folders".into(),
            Error::Fs(error) => return error.hint(),
        })
    }
}
