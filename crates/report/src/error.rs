//! What can go wrong while a report is written.

use regimen_base::{Hint, fs};

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the run could not be read, or the page not be written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The ledger could not tell where the run stands.
    #[error(transparent)]
    Ledger(#[from] regimen_ledger::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::File(error) => error.hint(),
            Error::Ledger(error) => error.hint(),
        }
    }
}
