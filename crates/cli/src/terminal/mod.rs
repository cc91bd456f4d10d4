//! The terminal as a full screen: what a view needs to be shown, fed with keys, and taken away again without a trace.

mod input;
mod key;
pub mod paint;
mod run;
mod screen;
mod theme;

pub use key::Key;
pub use run::{Show, run};
pub use screen::{active, hold, restore, usable};
pub use theme::Theme;
