//! What can go wrong in this room.

use regimen_base::{Hint, units};

/// An error of an operation, a layout or a device name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Shapes that do not fit together.
    #[error("{op}: {problem}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shapes and what is wrong with them.
        problem: String,
    },
    /// An index (token, row, target) past the end of what it indexes.
    #[error("{op}: {what} {index} is not below {bound}")]
    Index {
        /// The operation.
        op: &'static str,
        /// What the index counts.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        bound: usize,
    },
    /// An operation read a value that was freed or taken over by another operation.
    #[error("{op}: the value of an input {shape:?} has already been freed")]
    Freed {
        /// The operation.
        op: &'static str,
        /// Shape of the input.
        shape: Vec<usize>,
    },
    /// `backward` from a variable with more than one element.
    #[error("backward: the loss has shape {shape:?}, not one element")]
    NotScalar {
        /// Shape of the variable.
        shape: Vec<usize>,
    },
    /// `backward` on a tape that recorded nothing.
    #[error("backward: this tape was made without gradients")]
    NoGradients,
    /// Two segments or aliases with one name.
    #[error("layout: segment {name:?} exists already")]
    DuplicateSegment {
        /// The name.
        name: String,
    },
    /// A segment name nobody knows.
    #[error("layout: no segment {name:?}")]
    UnknownSegment {
        /// The name.
        name: String,
    },
    /// Two arenas that should share a layout and do not.
    #[error("layout: parameters have {left} floats, gradients {right}")]
    LayoutMismatch {
        /// Floats of the first arena.
        left: usize,
        /// Floats of the second.
        right: usize,
    },
    /// The system has no memory for an arena or a buffer.
    #[error("no memory for {} more of {what}, which hold {} already", units::memory(*bytes as u64), units::memory(*held as u64))]
    Memory {
        /// What it was for.
        what: &'static str,
        /// Bytes that were asked for.
        bytes: usize,
        /// Bytes of the same kind that are held.
        held: usize,
    },
    /// A device name that cannot be served.
    #[error("device {name:?} is not available: this program computes on \"cpu\"")]
    Device {
        /// The name as given.
        name: String,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Shape { .. } => {
                "compare the shapes of the model's configuration with those of the batch".into()
            }
            Error::Index { what, .. } => {
                format!("check that every {what} comes from the vocabulary the model was made for")
            }
            Error::Freed { .. } => "free a variable only after the last operation that reads it".into(),
            Error::NotScalar { .. } => "reduce the loss with sum or mean before calling backward".into(),
            Error::NoGradients => "make the tape with grad = true".into(),
            Error::DuplicateSegment { .. } => "give every parameter a name of its own".into(),
            Error::UnknownSegment { .. } => "list the names with Layout::segments".into(),
            Error::LayoutMismatch { .. } => "make both arenas from the same layout".into(),
            Error::Memory { .. } => {
                "make the model, its context or the number of sequences in a pass smaller, or free memory"
                    .into()
            }
            Error::Device { .. } => "set device = \"cpu\"".into(),
        })
    }
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;
