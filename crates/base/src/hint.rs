//! Errors that say what to do next.

use std::error::Error;
use std::fmt;

/// An error that may know a way out. Every library's error enum implements it; the command line prints the hint
/// on a line of its own.
pub trait Hint: Error {
    /// What the reader can do about it, as one sentence in the imperative, without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any room's error, boxed with its hint: what a stage returns to the runner, which knows no room.
pub struct Failure(Box<dyn Hint + Send + Sync + 'static>);

impl Failure {
    /// The hint of the error, or of the first cause that has one.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// The causes below the message, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = self.0.source();
        while let Some(cause) = next {
            found.push(cause.to_string());
            next = cause.source();
        }
        found
    }

    /// The error itself, if it is of type `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        let error: &(dyn Error + 'static) = &*self.0;
        error.downcast_ref::<E>()
    }
}

impl<E: Hint + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(Box::new(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        for cause in self.causes() {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

/// The work was stopped by the user (Ctrl-C); nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Hint for Interrupted {
    fn hint(&self) -> Option<String> {
        Some("run the same command again to continue where it stopped".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);
    impl Hint for Outer {
        fn hint(&self) -> Option<String> {
            Some("try again".into())
        }
    }

    #[test]
    fn a_failure_keeps_hint_causes_and_type() {
        let failure: Failure = Outer(std::io::Error::other("inner")).into();
        assert_eq!(failure.to_string(), "outer");
        assert_eq!(failure.hint().as_deref(), Some("try again"));
        assert_eq!(failure.causes(), ["inner"]);
        assert!(failure.downcast_ref::<Outer>().is_some());
        assert!(failure.downcast_ref::<Interrupted>().is_none());
    }
}
