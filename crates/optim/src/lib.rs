//! Update rules and schedules. An optimizer sees named ranges of one flat arena and their gradients, nothing else.
//!
//! A rule is one file: its constants, its state, its step. [`Rule`] lists them.

pub mod adafactor;
pub mod adamw;
pub mod clip;
pub mod group;
pub mod lion;
pub mod muon;
pub mod optimizer;
pub mod rule;
pub mod schedule;
#[cfg(test)]
mod testing;

pub use adamw::{AdamW, Hyper};
pub use clip::{clip_scale, global_norm};
pub use group::Group;
pub use optimizer::{Optimizer, Part, State};
pub use rule::{Kind, Rule};
pub use schedule::{Schedule, Shape};
