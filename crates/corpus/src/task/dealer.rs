//! Deals records into buckets within a stated memory, and writes the object of a *map*.
//!
//! Such an object begins with a table, for each bucket where its records end (`u64`) and their hash (32 bytes); the records
//! follow, bucket by bucket, in the order in which they came. So whoever reduces a bucket reads its own records alone.
//!
//! What does not fit into memory goes to one file, in runs: for each bucket how many bytes it has in the run (`u64`), then these
//! bytes, bucket by bucket. The object is the same whatever the memory.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, fs};

use crate::error::Result;
use crate::output::Output;

/// Bytes of a line of the table of buckets.
pub(super) const LINE: usize = 40;
/// Bytes of memory that are taken at least, and of each bucket.
const LEAST: (usize, usize) = (64 << 10, 256);
/// Bytes of a buffer of a bucket.
const CHUNK: std::ops::RangeInclusive<usize> = 64..=64 << 10;
/// Bytes that are read of the file at a time, at most.
const READ: usize = 256 << 10;

/// Takes records, and holds so many bytes of them at most.
pub(super) struct Dealer {
    /// By bucket, in order: all but the last buffer are full.
    buckets: Vec<Vec<Vec<u8>>>,
    chunk: usize,
    most: usize,
    held: usize,
    path: PathBuf,
    file: Option<fs::File>,
    /// Where each run begins, and the end of the last one.
    runs: Vec<u64>,
    end: u64,
}

impl Dealer {
    /// Deal into so many buckets. `memory` bytes are held, or 64 KiB and 256 bytes a bucket where that is more; the rest goes to
    /// the file `path`, which is gone afterwards.
    pub fn new(buckets: usize, memory: u64, path: &Path) -> Dealer {
        let least = LEAST.0.max(LEAST.1.saturating_mul(buckets));
        let most = usize::try_from(memory).unwrap_or(usize::MAX).max(least);
        // Of all buckets the last buffers may be next to empty.
        let chunk = (most / (4 * buckets.max(1))).clamp(*CHUNK.start(), *CHUNK.end());
        let buckets = vec![Vec::new(); buckets];
        Dealer { buckets, chunk, most, held: 0, path: path.into(), file: None, runs: Vec::new(), end: 0 }
    }

    /// Append bytes of a record to a bucket. A record may come in pieces.
    pub fn put(&mut self, bucket: usize, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let full = self.buckets[bucket].last().is_none_or(|last| last.len() == self.chunk);
            if full && self.held + self.chunk > self.most {
                self.spill()?;
            }
            if full {
                self.buckets[bucket].push(Vec::with_capacity(self.chunk));
                self.held += self.chunk;
            }
            if let Some(last) = self.buckets[bucket].last_mut() {
                let (now, later) = bytes.split_at(bytes.len().min(self.chunk - last.len()));
                last.extend_from_slice(now);
                bytes = later;
            }
        }
        Ok(())
    }

    /// Append what is held to the file, as a run.
    fn spill(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(fs::create(&self.path)?),
        };
        self.runs.push(self.end);
        for bucket in &self.buckets {
            let bytes = bucket.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            file.put(&bytes.to_le_bytes())?;
            self.end += 8 + bytes;
        }
        for chunk in self.buckets.iter_mut().flat_map(std::mem::take) {
            file.put(&chunk)?;
        }
        self.held = 0;
        Ok(())
    }

    /// Write the object to the file at `path`, made from what `key` stands for and from so many documents.
    pub fn finish(mut self, path: &Path, key: Hash256, rows: u64) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.push()?;
        }
        // The table, which has the hashes, comes first: the records are gone through twice.
        let mut table = Vec::with_capacity(LINE * self.buckets.len());
        let mut end = (LINE * self.buckets.len()) as u64;
        self.each(|bucket| {
            let mut hasher = blake3::Hasher::new();
            bucket(&mut |bytes| {
                end += bytes.len() as u64;
                hasher.update(bytes);
                Ok(())
            })?;
            table.extend_from_slice(&end.to_le_bytes());
            table.extend_from_slice(hasher.finalize().as_bytes());
            Ok(())
        })?;
        let mut output = Output::anew(path, key)?;
        output.put(&table, rows)?;
        self.each(|bucket| bucket(&mut |bytes| output.put(bytes, 0)))?;
        output.close()?;
        Ok(())
    }

    /// Call `then` for each bucket with what gives its bytes piece by piece.
    fn each(&self, mut then: impl FnMut(&mut Bytes) -> Result<()>) -> Result<()> {
        let file = match self.file {
            Some(_) => Some(fs::open(&self.path)?),
            None => None,
        };
        let read = |at: u64, into: &mut [u8]| match &file {
            Some(file) => file.read_exact_at(into, at).map_err(|e| fs::Error::new("read", &self.path, e)),
            None => Ok(()),
        };
        let table = 8 * self.buckets.len() as u64;
        // Where the bytes of the next bucket begin in each run.
        let mut next: Vec<u64> = self.runs.iter().map(|start| start + table).collect();
        let mut buffer = vec![0; if file.is_some() { READ } else { 0 }];
        for (number, held) in self.buckets.iter().enumerate() {
            then(&mut |take| {
                for (start, at) in self.runs.iter().zip(&mut next) {
                    let mut length = [0; 8];
                    read(start + 8 * number as u64, &mut length)?;
                    let mut left = u64::from_le_bytes(length);
                    while left > 0 {
                        let piece = &mut buffer[..left.min(READ as u64) as usize];
                        read(*at, piece)?;
                        take(piece)?;
                        *at += piece.len() as u64;
                        left -= piece.len() as u64;
                    }
                }
                held.iter().try_for_each(|chunk| take(chunk))
            })?;
        }
        Ok(())
    }
}

/// Gives the bytes of a bucket piece by piece.
type Bytes<'b> = dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> + 'b;

impl Drop for Dealer {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What cannot be removed goes with the folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The object by the book.
    fn object(dealt: &[Vec<u8>]) -> Vec<u8> {
        let mut end = LINE * dealt.len();
        let mut object = Vec::new();
        for bucket in dealt {
            end += bucket.len();
            object.extend_from_slice(&(end as u64).to_le_bytes());
            object.extend_from_slice(&Hash256::of(bucket).0);
        }
        object.extend(dealt.iter().flatten());
        object
    }

    #[test]
    fn the_object_of_a_map_is_a_table_and_the_buckets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let dealt = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let mut dealer = Dealer::new(3, 0, &dir.path().join("spill"));
        (0..3).for_each(|bucket| dealer.put(bucket, &dealt[bucket]).unwrap());
        dealer.finish(&path, Hash256::of(b"k"), 9).unwrap();
        let expected = object(&dealt);
        assert_eq!(fs::read(&path).unwrap(), expected);
        let note = crate::output::note(&path).unwrap();
        let whole = Hash256::of(&expected);
        assert_eq!((note.rows, note.bytes, note.blake3), (9, expected.len() as u64, whole));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_object_does_not_depend_on_the_memory_which_is_kept(
            buckets in 1usize..400,
            records in prop::collection::vec((any::<u32>(), prop_oneof![Just(20usize), 0..3000usize]), 0..400),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (path, spill) = (dir.path().join("x"), dir.path().join("spill"));
            let mut dealt = vec![Vec::new(); buckets];
            let records: Vec<(usize, Vec<u8>)> = records
                .iter()
                .map(|&(bucket, bytes)| (bucket as usize % buckets, (0..bytes).map(|i| (bucket as usize + i) as u8).collect()))
                .collect();
            records.iter().for_each(|(bucket, record)| dealt[*bucket].extend_from_slice(record));
            let mut spilled = Vec::new();
            for memory in [0, 200_000, 1 << 30] {
                let mut dealer = Dealer::new(buckets, memory, &spill);
                let most = (memory as usize).max(64 << 10).max(256 * buckets);
                for (bucket, record) in &records {
                    dealer.put(*bucket, record).unwrap();
                    let held: usize = dealer.buckets.iter().flatten().map(Vec::capacity).sum();
                    prop_assert!(held == dealer.held && held <= most, "{} of {}", held, most);
                }
                spilled.push(dealer.runs.len());
                dealer.finish(&path, Hash256::of(b"k"), 1).unwrap();
                prop_assert_eq!(fs::read(&path).unwrap(), object(&dealt));
                prop_assert!(!spill.exists());
            }
            let bytes: usize = dealt.iter().map(Vec::len).sum();
            prop_assert!(spilled[2] == 0 && (spilled[0] > 0 || bytes <= (64 << 10).max(256 * buckets)), "{:?}", spilled);
        }
    }

    #[test]
    fn what_one_that_was_killed_left_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, spill) = (dir.path().join("x"), dir.path().join("spill"));
        let write = |rest: &[u8]| {
            std::fs::write(&spill, rest).unwrap();
            let mut dealer = Dealer::new(2, 0, &spill);
            (0..200_000u32).for_each(|i| dealer.put(i as usize % 2, &i.to_le_bytes()).unwrap());
            assert!(!dealer.runs.is_empty());
            dealer.finish(&path, Hash256::of(b"k"), 1).unwrap();
            fs::read(&path).unwrap()
        };
        assert_eq!(write(&[7; 3_000_000]), write(b""));
    }
}
