//! Held-out bits per byte and the n-gram baseline.
//!
//! Stages ([`STAGES`]): `ngram` trains the baseline ([`Ngram`]), `evaluate` scores a model and the baseline on the
//! same documents ([`Tally`] sums up), `generate` writes texts from prompts.

pub mod error;
pub mod losses;
pub mod ngram;
mod stage;
pub mod tally;

pub use error::{Error, Result};
pub use ngram::Ngram;
pub use tally::Tally;

use regimen_recipe::StageKind;

/// The stages of this room.
pub const STAGES: &[&StageKind] = &[&stage::NGRAM, &stage::EVALUATE, &stage::GENERATE];
