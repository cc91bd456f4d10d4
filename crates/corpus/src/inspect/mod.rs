//! Looking into a finished corpus: search, counts, statistics, the page that shows what was dropped and why, and exports.
//!
//! A corpus keeps the texts that stayed. What was dropped, and what edits took out, is read again from the source files
//! ([`Originals`]) and checked against the hashes in the document table, so that nothing is shown that the stage did
//! not see.

mod date;
mod error;
mod originals;
mod pieces;
mod search;
mod stats;

pub use error::{Error, Result};
pub use originals::{Absent, Originals};
pub use pieces::{Piece, pieces};
pub use search::{Match, Pattern, Searched, search, search_dropped};
pub use stats::{Cluster, Clusters, Numbers, Quantiles, Stats, clusters, stats};
