//! The training room: batches, a model and an optimizer in; checkpoints, events and a model out.
//!
//! [`pretrain`] is the stage, [`Trainer`] the loop's state, [`checkpoint`] what a crash leaves behind, [`Guard`] what
//! keeps a bad step from harming the model, [`score`](mod@score) the one way in which held-out documents are scored.

pub mod checkpoint;
pub mod config;
pub mod error;
pub mod fields;
pub mod forecast;
pub mod guard;
pub mod import;
pub mod memory;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod optimizer;
pub mod parts;
pub mod pretrain;
pub mod profile;
pub mod saved;
pub mod score;
pub mod trainer;
pub mod validate;
pub mod withhold;

pub use error::{Error, Result};
pub use guard::Guard;
pub use profile::{Profile, Profiler};
pub use saved::Saved;
pub use score::{score, score_tokens};
pub use trainer::Trainer;

/// The stages of this room.
pub const STAGES: &[&regimen_recipe::StageKind] = &[&fields::PRETRAIN, &import::IMPORT];
