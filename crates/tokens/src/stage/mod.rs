//! The stages of this room.

mod tokenizer;
mod tokens;

use regimen_recipe::Planning;

use crate::Split;

pub(crate) use tokenizer::TOKENIZER;
pub(crate) use tokens::TOKENS;

/// Bytes of text in a split of the input corpus, as built or as expected.
fn split_bytes(planning: &Planning, split: Split) -> f64 {
    planning.fact("corpus", &format!("bytes.{}", split.name()))
}
