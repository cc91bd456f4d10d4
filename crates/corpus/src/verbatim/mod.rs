//! Verbatim attribution: the longest spans of a text that occur word for word in a corpus, with the documents that hold them.
//!
//! Liu et al., "OLMoTrace: tracing language model outputs back to trillions of training tokens", 2025 (arXiv 2504.07096), over the
//! suffix arrays of Liu et al., "Infini-gram", 2024 (arXiv 2401.17377), here by bytes instead of tokens, so that a span is exact
//! whatever tokenizer a model has.
//!
//! | file | what |
//! |---|---|
//! | [`places`] | documents side by side: from a place in a shard to its document |
//! | [`file`] | a shard's file: header, pointers, hashes of their blocks |
//! | [`make`] | making the index of a corpus as an artifact of the kind `verbatim` |
//! | [`index`] | searching: longest match, occurrences, documents |
//! | [`cut`] | where a span may begin and end: characters, words, sentences |
//! | [`spans`] | the maximal spans of a text |
//! | [`rank`] | which spans are the least probable |
//! | [`attribute`] | spans ranked by how improbable they are, with their documents |
//! | [`holders`] | which documents share the longest stretches with a text |
//!
//! # The index
//! The kept texts lie side by side, each followed by a byte that no UTF-8 text has, and are sorted shard by shard: a shard is as many
//! whole documents as a suffix array can be made of within the memory allowed (5 bytes a byte of text below 2 GiB, 9 above, for each
//! of the shards that are made at once). A shard's file holds a pointer for each byte of text, of 4 bytes (5 in shards of more than 4 GiB), and is memory-mapped. The texts
//! themselves stay in the corpus.
//!
//! # Cost
//! With n bytes of text in S shards, the longest match of a part of the query takes O(S (log n + length)) by binary search that knows
//! what both ends of the range share with the query. Matches are not looked for at every place: of a span that was found, the next
//! one must reach further, and where it can begin is found from its end backwards. So all spans of at least m bytes in a query of q
//! bytes take O(S (log n + m) (q / m) log m) for the parts that do not occur, and O(S (log n + l) log l) for a span of l bytes:
//! linear in what is found, not quadratic in the query. Spans that overlap count in full each: of a text that repeats itself, that is
//! more than its length.

mod attribute;
mod cut;
mod file;
mod holders;
mod index;
mod make;
mod places;
mod rank;
mod spans;
mod suffixes;

pub use attribute::{Attribution, Found, Passage, Span, Wanted, attribute};
pub use cut::Cut;
pub use holders::{Holders, holders};
pub use index::Index;
pub use make::{KIND, Limits, Made, Progress, find, make};
