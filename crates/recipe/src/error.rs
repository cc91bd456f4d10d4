//! What can go wrong with a recipe, and where.

use std::fmt;

use regimen_base::{Failure, Hint, fs};

use crate::source::{At, Place, Source};

/// An error in a recipe or a `--set`, with its place.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Fault {
    /// What is wrong, with names and values.
    pub message: String,
    /// Where, if it is anywhere.
    pub place: Option<Place>,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(place) => write!(f, "\n{place}"),
            None => Ok(()),
        }
    }
}

/// An error of reading, planning or running a recipe; what a stage itself reports is a [`Failure`] of its own.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipe is wrong.
    #[error("{0}")]
    Recipe(Box<Fault>),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] fs::Error),
    /// An object store failed.
    #[error(transparent)]
    Objects(#[from] regimen_objects::Error),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] regimen_ledger::Error),
    /// `--until` names no stage.
    #[error("the recipe has no stage `{stage}`")]
    NoStage {
        /// What the user wrote.
        stage: String,
        /// What to do.
        hint: String,
    },
    /// A name that no stage can have.
    #[error("`{name}` cannot be the name of a stage")]
    Name {
        /// The name.
        name: String,
    },
    /// An input file changed while the stage read it.
    #[error("the input file `{path}` changed while stage `{stage}` was running")]
    Moved {
        /// The file.
        path: String,
        /// The stage.
        stage: String,
    },
    /// A path or pattern means no files.
    #[error("{message}")]
    NoFiles {
        /// What is wrong, with the pattern.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A stage could not say what it will cost.
    #[error("cannot plan stage `{stage}`: {failure}")]
    Forecast {
        /// The stage.
        stage: String,
        /// What it said.
        failure: Box<Failure>,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Recipe(fault) => Some(fault.hint.clone().unwrap_or_else(|| {
                "correct it there; `regimen stages` lists what a recipe is made of".into()
            })),
            Error::Fs(e) => e.hint(),
            Error::Objects(error) => error.hint(),
            Error::Ledger(e) => e.hint(),
            Error::NoStage { hint, .. } => Some(hint.clone()),
            Error::Name { .. } => {
                Some("use letters, digits, `-` and `_`, with a letter or digit first".into())
            }
            Error::NoFiles { hint, .. } => hint.clone(),
            Error::Moved { .. } => Some("run the same command again while nothing writes to it".into()),
            Error::Forecast { failure, .. } => failure.hint(),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Recipe(Box::new(fault))
    }
}

/// What the functions of this crate give back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault whose place is not drawn yet.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) at: Option<At>,
    pub(crate) hint: Option<String>,
}

impl Wrong {
    pub(crate) fn new(at: Option<&At>, message: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), at: at.cloned(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Wrong {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn or_at(mut self, at: Option<&At>) -> Wrong {
        self.at = self.at.or_else(|| at.cloned());
        self
    }

    pub(crate) fn draw(self, sources: &[Source]) -> Fault {
        let place = self.at.and_then(|at| Place::new(sources, &at));
        Fault { message: self.message, place, hint: self.hint }
    }
}
