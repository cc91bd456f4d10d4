//! Errors as Python exceptions: the message, and the hint on a line of its own and as the attribute `hint`.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use regimen_base::{Failure, Hint};

create_exception!(
    regimen,
    Error,
    PyException,
    "What is wrong. The attribute `hint` says what to do, or is None."
);

/// An exception with message and hint.
pub fn raise(message: impl Into<String>, hint: impl Into<Option<String>>) -> PyErr {
    let (message, hint) = (message.into(), hint.into());
    let text = match &hint {
        Some(hint) => format!("{message}\nhint: {hint}"),
        None => message,
    };
    let error = Error::new_err(text);
    match Python::attach(|py| error.value(py).setattr("hint", hint)) {
        Ok(()) => error,
        Err(other) => other,
    }
}

/// The message of an error with what it does not say of its causes.
fn whole(message: String, causes: impl IntoIterator<Item = String>) -> String {
    let mut out = message;
    for cause in causes {
        if !out.contains(&cause) {
            out = format!("{out}: {cause}");
        }
    }
    out
}

/// Any room's error.
pub fn told<E: Hint>(error: E) -> PyErr {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    raise(whole(error.to_string(), causes), error.hint())
}

/// What a stage reports.
pub fn failed(failure: &Failure) -> PyErr {
    raise(whole(failure.to_string(), failure.causes()), failure.hint())
}

/// What the Arrow library says.
pub fn arrow(error: impl std::fmt::Display) -> PyErr {
    raise(
        format!("the Arrow data cannot be read: {error}"),
        "give a pyarrow Table or RecordBatch, or anything that has `__arrow_c_stream__`".to_string(),
    )
}
