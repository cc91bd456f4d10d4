//! Sampling, KV cache, generation.
//!
//! A [`Generator`] continues a prompt as [`Sampling`] says: [`Window`] is what the model sees, [`Sampler`] chooses the
//! next token, [`TextStream`] turns tokens into text that may be shown.

pub mod error;
pub mod generator;
pub mod sampler;
pub mod sampling;
pub mod text;
pub mod window;

pub use error::{Error, Result};
pub use generator::{Finish, Generated, Generator};
pub use sampler::{Sampler, log_probability};
pub use sampling::Sampling;
pub use text::TextStream;
pub use window::Window;
