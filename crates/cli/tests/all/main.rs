//! The real binary: what it prints, how it ends, and what it leaves behind when it is stopped or the disk fails.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;
mod crash;
