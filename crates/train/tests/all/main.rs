//! The training room on small corpora: exact resumption, withholding, extending, guarding.

#![allow(clippy::unwrap_used)]

mod extend;
mod guard;
mod import;
mod models;
mod optimizers;
mod profile;
mod resume;
mod support;
mod withheld;
