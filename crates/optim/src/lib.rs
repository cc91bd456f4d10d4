//! Update rules and schedules. An optimizer sees named ranges of one flat arena and their gradients, nothing else.

pub mod adamw;
pub mod clip;
pub mod schedule;

pub use adamw::{AdamW, Hyper};
pub use clip::{clip_scale, global_norm};
pub use schedule::{Schedule, Shape};

use std::ops::Range;

/// A named stretch of the arena with its own treatment.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of the parameter.
    pub name: String,
    /// Where it lies in the arena, in floats.
    pub range: Range<usize>,
    /// Whether weight decay applies (matrices yes; norms and biases no).
    pub decay: bool,
}
