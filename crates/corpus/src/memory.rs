//! How a build, or a step on Dolma folders, shares out the memory that it may take.
//!
//! `memory` bounds what grows with the input: chunks between reader and sink, documents longer than a chunk, records and tables
//! of deduplication, and what is held of every document. What does not grow comes on top: [`BASE`] for the program, and
//! [`THREAD`] for the buffers of each thread. What could not stay within is refused with the sizes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::dedup::{Error, Sizing};
use crate::error::Result;
use crate::read::chunk::CHUNK;

/// Bytes of the program, its dictionaries and a document of the least length that is always taken.
pub(crate) const BASE: u64 = 96 << 20;
/// Bytes of the buffers of one thread.
pub(crate) const THREAD: u64 = 24 << 20;
/// Bytes of memory that a byte of a long document takes on its way: as it is read, as it is parsed, the tables of its words,
/// and as it is written.
const WEIGHT: u64 = 8;
/// The same for a byte of a chunk of many documents, whose tables are small.
const CHUNK_WEIGHT: u64 = 6;
/// The same for a byte of a page of a Parquet file: packed, unpacked, and as values.
const PAGE_WEIGHT: u64 = 4;
/// A document of so many bytes is always taken.
const LEAST_DOCUMENT: u64 = 4 << 20;
/// Bytes that are held of every document, at most: its row, its key, the places of its strings, and its fate.
pub(crate) const DOCUMENT: u64 = 64 + KEY + 20;
/// Bytes of a key in a table of keys that grows.
pub(crate) const KEY: u64 = 116;

/// The memory of one build or step.
#[derive(Debug)]
pub(crate) struct Memory {
    all: u64,
    long: Arc<Turn>,
}

/// Whether somebody works on a long document.
#[derive(Debug, Default)]
struct Turn {
    taken: Mutex<bool>,
    free: Condvar,
}

/// The right to work on a document longer than a chunk; one thread has it at a time.
#[derive(Debug)]
pub(crate) struct Long(Arc<Turn>);

impl Drop for Long {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.free.notify_one();
    }
}

impl Memory {
    /// So many bytes.
    pub fn new(all: u64) -> Memory {
        Memory { all, long: Arc::default() }
    }

    /// As much as there is: for what reads documents one by one.
    pub fn unlimited() -> Memory {
        Memory::new(u64::MAX)
    }

    /// Bytes of chunks that may be between readers and sinks.
    pub fn in_flight(&self, threads: usize) -> u64 {
        // Two chunks a thread are among what comes on top.
        (self.all / (4 * CHUNK_WEIGHT)).max(2 * (threads * CHUNK) as u64)
    }

    /// Bytes that a document, or a line of a file, may have.
    pub fn longest(&self) -> u64 {
        (self.all / 4 * 3 / WEIGHT).max(LEAST_DOCUMENT).min(u64::from(u32::MAX))
    }

    /// Bytes of `memory` that take a document of so many bytes.
    pub fn for_longest(bytes: u64) -> u64 {
        bytes.saturating_mul(WEIGHT).saturating_add(bytes.saturating_mul(WEIGHT) / 3) + 8
    }

    /// Bytes that a page of a Parquet file may become: all its rows are in memory with it.
    pub fn page(&self) -> u64 {
        (self.all / PAGE_WEIGHT).max(LEAST_DOCUMENT)
    }

    /// Bytes of `memory` that take a page of so many bytes.
    pub fn for_page(bytes: u64) -> u64 {
        bytes.saturating_mul(PAGE_WEIGHT)
    }

    /// Wait until nobody else works on a document longer than a chunk.
    pub fn long(&self) -> Long {
        let mut taken = self.long.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            taken = self.long.free.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        Long(Arc::clone(&self.long))
    }

    /// Bytes of records that are read at once in the second pass: some of these are in memory in several forms.
    pub fn batch(&self) -> usize {
        (self.all / 64).clamp(256 << 10, 4 << 20) as usize
    }

    /// The logarithm of the greatest window of a zstd frame. Each thread may have a file open.
    pub fn window_log(&self, threads: usize) -> u32 {
        // Every file that is not packed with `--long` or `--ultra` is read.
        (self.all / (4 * threads.max(1) as u64)).max(8 << 20).ilog2().min(31)
    }

    /// What deduplication may take when `documents` are known, `each` of which takes so many bytes at most, and `held` while
    /// they are compared; an error if that does not fit.
    ///
    /// # Errors
    /// [`Error::Memory`] with the sizes.
    pub fn for_documents(&self, documents: u64, each: u64, held: u64) -> Result<u64> {
        let needed = documents.saturating_mul(each);
        if needed > self.all {
            let what = format!("what is held of {documents} documents");
            return Err(Error::Memory { what, needed, allowed: self.all }.into());
        }
        Ok(self.all - documents.saturating_mul(held.min(each)))
    }

    /// Refuse a filter that cannot fit, before anything is read.
    pub fn check_filter(&self, sizing: &Sizing) -> Result<()> {
        self.check_share(sizing, 1)
    }

    /// The same where so many machines have a share of the filter each.
    pub fn check_share(&self, sizing: &Sizing, shares: u64) -> Result<()> {
        Ok(sizing.fits(sizing.share_bytes(shares), self.all)?)
    }
}

/// Bytes of a document above which only one thread may work on it at a time.
pub(crate) const LONG: usize = 2 * CHUNK;

/// Whether a chunk has a document that only one thread may work on at a time.
pub(crate) fn is_long(bytes: usize) -> bool {
    bytes > LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_whole() {
        for all in [1 << 20, 64 << 20, 256 << 20, 1_000_000_000, 64 << 30] {
            let memory = Memory::new(all);
            let flying = memory.in_flight(2) * CHUNK_WEIGHT;
            assert!(flying <= all / 4 || flying <= 2 * THREAD);
            let longest = memory.longest();
            assert!(longest == LEAST_DOCUMENT || longest * WEIGHT <= all / 4 * 3);
            let larger = Memory::new(Memory::for_longest(longest + 1));
            assert!(longest == u64::from(u32::MAX) || larger.longest() > longest);
            assert!(memory.window_log(2) == 23 || (8u64 << memory.window_log(2)) <= all);
        }
        assert_eq!(Memory::unlimited().window_log(1), 31);
        assert_eq!(
            Memory::new(1000 * DOCUMENT).for_documents(1000, DOCUMENT, 80).unwrap(),
            1000 * (DOCUMENT - 80)
        );
        let error = Memory::new(1000 * DOCUMENT).for_documents(1001, DOCUMENT, 80).unwrap_err();
        assert!(error.to_string().contains("1001 documents"), "{error}");
    }

    #[test]
    fn one_thread_at_a_time_has_a_long_document() {
        let memory = Memory::new(1 << 20);
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _long = memory.long();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
