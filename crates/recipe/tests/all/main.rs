//! Recipes from the outside, with three toy kinds of stage.

mod docs;
mod faults;
mod keys;
mod parse;
mod runner;
mod toy;
