//! Pictures drawn by us as inline SVG.

mod bar;
mod chart;
mod scale;

pub(crate) use bar::{bar, pair};
pub(crate) use chart::{Chart, Level, Line, Mark};
