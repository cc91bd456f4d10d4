//! Documents in: readers, filters, deduplication, split, document table.
//!
//! The stage `corpus` ([`STAGES`]) reads files into an artifact; [`Corpus`] reads the artifact.

mod arena;
mod author;
mod build;
pub mod code;
mod config;
mod corpus;
mod date;
mod error;
mod funnel;
pub mod html;
mod licence;
mod names;
pub mod parquet;
mod quality;
mod read;
mod split;
mod stage;
mod table;
mod tally;
pub mod warc;
mod words;
mod write;

pub use author::Author;
pub use corpus::{Corpus, RuleValue};
pub use error::{Error, Place, Result};
pub use funnel::{Count, Funnel, Step};
pub use names::{FileName, Names, Reason, Rule, SourceName};
pub use split::Split;
pub use stage::STAGES;
pub use table::Row;
