//! Parquet files in: one row, one document.
//!
//! Rows come one at a time, row group by row group, and only the wanted columns are read; in memory are one page of each
//! column and a few rows. [`Reader::groups`] says how many row groups there are, so that several threads may each read
//! some of one file.

#[cfg(test)]
mod checksums;
mod columns;
mod delta;
mod fields;
mod pages;
mod reader;
mod source;
mod thrift;
mod value;

pub use reader::{Item, Options, Other, Reader, Row};
