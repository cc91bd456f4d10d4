//! Tokenizers and token shards, packing, order, batches that know the address of every token.

mod batch;
mod error;
pub mod export;
mod fragment;
mod index;
mod map;
mod order;
mod packing;
mod schedule;
mod set;
mod stage;
mod stream;
mod tokenizer;
mod window;
mod write;

pub use batch::{Block, Span, WithheldSet};
pub use error::{Error, Result};
pub use fragment::{FRAGMENT_BYTES, Fragment, MAX_COPIES, MAX_SLOTS};
pub use index::{Counts, Dtype, Index};
pub use packing::Packing;
pub use regimen_corpus::Split;
pub use schedule::Schedule;
pub use set::TokenSet;
pub use stream::{Address, Document, Stream};
pub use tokenizer::{END, Tokenizer};
pub use window::{Window, windows};
pub use write::{Encoded, write_set};

/// The stage kinds of this room.
pub const STAGES: &[&regimen_recipe::StageKind] = &[&stage::TOKENIZER, &stage::TOKENS];
