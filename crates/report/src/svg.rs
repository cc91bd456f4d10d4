//! Pictures drawn by us as inline SVG.

mod bar;
mod chart;
mod histogram;
mod scale;

pub(crate) use bar::{bar, pair};
pub(crate) use chart::{Chart, Level, Line, Mark, clock};
pub(crate) use histogram::Histogram;
