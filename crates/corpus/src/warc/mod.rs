//! WARC files (ISO 28500, versions 1.0 and 1.1) with what crawls make of them: WET (text) and WAT (JSON).
//!
//! [`Reader`] goes through a file of any size, plain or with gzip members or zstd frames, and gives each record with its
//! place in the file ([`Span`]), so that a document can be traced to its bytes. [`Response`] takes an answer over HTTP
//! apart. Nothing is trusted: lengths are limits, not allocations, and what is damaged is an error or is passed over and
//! counted, as [`Damaged`] says.

mod http;
mod input;
mod reader;
mod record;
mod span;
mod stream;
#[cfg(test)]
mod tests;
mod wat;

pub use http::{Response, Unreadable};
pub use reader::{Damaged, Options, Reader};
pub use record::{Counts, Fields, Item, Kind, Record, Skipped, Why};
pub use span::Span;
pub use stream::Packing;
pub use wat::Wat;

/// A media type in lower case without its parameters.
pub(crate) fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}
