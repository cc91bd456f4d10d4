//! The training room on small corpora: exact resumption, withholding, extending, guarding.

mod extend;
mod guard;
mod models;
mod resume;
mod support;
mod withheld;
