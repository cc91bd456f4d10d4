//! x
pub mod charset;
mod entity;
mod tag;
mod token;
mod tree;
