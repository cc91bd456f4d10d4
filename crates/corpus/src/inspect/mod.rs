//! Looking into a finished corpus: search, counts, statistics, the page that shows what was dropped and why, and exports.
//!
//! A corpus keeps the texts that stayed. What was dropped, and what edits took out, is read again from the source files
//! ([`Originals`]) and checked against the hashes in the document table, so that nothing is shown that the stage did
//! not see.

mod all_matches;
mod date;
mod error;
pub mod export;
mod filter;
mod histogram;
mod labels;
mod measure;
mod ngrams;
mod originals;
mod page;
mod pieces;
mod search;
mod stats;
mod task;

pub use error::{Error, Result};
pub use filter::{Filter, matching};
pub use histogram::{Histogram, Scale, histograms};
pub use labels::{Labelled, Labels, NO_LABEL, labels};
pub use measure::{Limit, Measure, Verdict, measures, values, verdicts};
pub use ngrams::{Counted, Counting, Ngram, ngrams};
pub use originals::{Absent, Originals};
pub use page::page;
pub use pieces::{Piece, pieces};
pub use search::{Match, Pattern, Searched, search, search_dropped};
pub use stats::{Cluster, Clusters, Numbers, Quantiles, Stats, clusters, stats};
pub use task::Task;
