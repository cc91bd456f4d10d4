//! Recipes from the outside, with three toy kinds of stage.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod docs;
mod faults;
mod keys;
mod parse;
mod runner;
mod toy;
