//! Deduplication on plain numbers: what a text is turned into, which numbers are alike, and which copy is kept.
//!
//! Every result depends on the options and on the order in which things are pushed, which is the order of the documents,
//! alone: never on threads, time, or how often a budget of memory made something go to files.
//!
//! | file | what |
//! |---|---|
//! | [`url`] | one spelling of a URL |
//! | [`hash`] | 64- and 128-bit fingerprints of bytes, the same on every machine |
//! | [`exact`] | documents or URLs by 128-bit key, paragraphs by 64-bit fingerprint |
//! | [`bloom`], [`bloom_file`], `bloom_range` | blocked Bloom filter; its file; one machine's part of it |
//! | [`shingle`], [`minhash`], [`lsh`] | near duplicates: text to shingles, to signatures and bands, to clusters |
//! | [`verify`] | whether two texts are alike by their shingles themselves |
//! | [`substring`] | byte spans that occur twice, by anchors and windows |
//! | [`keep`] | which copy of a cluster stays |
//! | [`partition`], [`sorted`], [`forest`] | records on disk or in memory by their key; places in document order; disjoint sets |

mod blocks;
pub mod bloom;
pub mod bloom_file;
pub(crate) mod bloom_range;
pub mod distinct;
mod error;
pub mod exact;
pub mod forest;
pub mod hash;
pub mod keep;
pub mod lsh;
pub mod minhash;
pub mod partition;
#[cfg(test)]
mod planted;
pub mod shingle;
pub mod sorted;
pub mod substring;
pub mod url;
pub mod verify;

pub use bloom::{Batch, Bloom, Sizing};
pub use distinct::Distinct;
pub use error::{Error, Result};
pub use exact::{ExactKeys, ExactParagraphs};
pub use forest::Clusters;
pub use keep::{Facts, Keep, Kept};
pub use lsh::Lsh;
pub use minhash::{Family, MinHash, MinHasher, Own, Preset, Work};
pub use partition::Budget;
pub use shingle::Shingles;
pub use sorted::Sorted;
pub use substring::{Span, Substrings};
pub use verify::Verify;
