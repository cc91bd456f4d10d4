//! Documents in: readers, filters, deduplication, split, document table.
//!
//! The stage `corpus` ([`STAGES`]) reads files into an artifact; [`Corpus`] reads the artifact.

mod arena;
mod author;
pub mod batch;
mod bounds;
mod build;
mod candidates;
pub mod code;
mod config;
mod corpus;
mod date;
pub mod dedup;
pub mod dolma;
mod edit;
mod error;
mod expr;
pub mod fasttext;
mod first;
mod flow;
mod funnel;
#[doc(hidden)]
pub mod fuzz;
mod hash;
pub mod html;
pub mod inspect;
pub mod kenlm;
pub mod language;
mod licence;
mod memory;
mod mix;
mod names;
mod normal;
mod output;
mod paragraphs;
pub mod parquet;
mod part;
mod pipeline;
mod quality;
mod read;
mod repeats;
mod resolve;
mod rounds;
mod second;
pub mod sentencepiece;
mod source;
mod split;
mod stage;
mod table;
pub mod tag;
mod tally;
pub mod task;
pub mod verbatim;
pub mod warc;
mod words;
mod write;

pub use author::Author;
pub use corpus::{Corpus, RuleValue, Tagged};
pub use edit::{KeptRange, source_of};
pub use error::{Error, Place, Result};
pub use funnel::{Count, Funnel, Step};
pub use names::{AttributeName, FileName, Names, Reason, Rule, SourceName};
pub use normal::nfc;
pub use split::Split;
pub use stage::STAGES;
pub use table::Row;
