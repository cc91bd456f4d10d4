//! From a token to its document and back.
//!
//! Nothing here was logged: order and packing are fixed, so which steps saw a document, and what a step saw, are
//! computed from the seed, the number of steps and the tables of the corpus and tokens artifacts.

pub mod document;
pub mod error;
pub mod matching;
pub mod step;
pub mod text;
pub mod view;

pub use document::{DocumentTrace, Fate, Seen, document};
pub use error::{Error, Result};
pub use step::{StepTrace, step};
pub use text::{TextTrace, text};
pub use view::{RunView, View};
