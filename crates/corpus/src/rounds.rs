//! What each round of deduplication found, as a file of its own in the folder of the parts: a build that was stopped does
//! not compare again, and rounds that were run elsewhere ([`crate::task`]) are taken over as they are.
//!
//! A file holds pairs of little-endian `u32`, sorted: of `NAME.copies` a document and the one that stays in its place, of
//! `NAME.again` a document and the index of one of its paragraphs that came before, or of one of their n-grams; of `near.candidates`,
//! which nothing is dropped by, a document and the first of those to which shared bands connect it. Documents are meant by their
//! ordinals.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use regimen_base::{Hash256, fs};

use crate::arena::map;
use crate::error::Result;
use crate::output::{Output, done};

/// Documents of one URL.
pub(crate) const URL: &str = "url.copies";
/// Documents of one text.
pub(crate) const TEXT: &str = "text.copies";
/// Documents that share bands with others, of whom near duplicates are verified, each with the first of those that are connected
/// so, which is among them as well: of tasks alone.
pub(crate) const CANDIDATES: &str = "near.candidates";
/// Near duplicates.
pub(crate) const NEAR: &str = "near.copies";
/// Paragraphs that came before.
pub(crate) const PARAGRAPHS: &str = "paragraphs.again";
/// Anchors of stretches that occur more than once, each with its document: of tasks alone.
pub(crate) const ANCHORS: &str = "substrings.anchors";
/// Stretches that came before: of each two pairs, with its first byte and with the byte behind its last.
pub(crate) const SUBSTRINGS: &str = "substrings.again";

/// Pairs that are held in memory on their way to a file.
const BUFFER: usize = 1 << 13;

/// The rounds of one build.
pub(crate) struct Rounds<'r> {
    pub dir: &'r Path,
    /// Stands for the config and all that the first pass found.
    pub key: Hash256,
}

/// A pair of numbers as bytes.
fn pair(a: u32, b: u32) -> [u8; 8] {
    (u64::from(a) | u64::from(b) << 32).to_le_bytes()
}

/// The pairs of a file.
pub(crate) fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|pair| {
        let pair = u64::from_le_bytes(*pair);
        (pair as u32, (pair >> 32) as u32)
    })
}

/// The part of a file whose pairs are those of document `ordinal` and later ones.
pub(crate) fn pairs_from(bytes: &[u8], ordinal: u32) -> &[u8] {
    let all = bytes.as_chunks::<8>().0;
    let first = all.partition_point(|pair| pairs(pair).next().is_some_and(|(of, _)| of < ordinal));
    all[first..].as_flattened()
}

/// The pairs of a file, so many bytes of it in memory. It is open only while it is read: there may be many.
pub(crate) struct Stored {
    path: PathBuf,
    /// Bytes that were read of it.
    at: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given.
    given: usize,
    most: u64,
}

impl Stored {
    /// The pairs of the file at `path`, of which `memory` bytes are held, and one pair at least.
    pub fn new(path: PathBuf, memory: u64) -> Stored {
        Stored { path, at: 0, buffer: Vec::new(), given: 0, most: (memory / 8).max(1) * 8 }
    }

    fn fill(&mut self) -> fs::Result<()> {
        let mut file = fs::open(&self.path)?;
        self.buffer.clear();
        self.given = 0;
        let read = file
            .seek(SeekFrom::Start(self.at))
            .and_then(|_| file.take(self.most).read_to_end(&mut self.buffer));
        self.at += read.map_err(|e| fs::Error::new("read", &self.path, e))? as u64;
        Ok(())
    }
}

impl Iterator for Stored {
    type Item = Result<(u32, u32)>;

    fn next(&mut self) -> Option<Result<(u32, u32)>> {
        if self.given == self.buffer.len()
            && let Err(error) = self.fill()
        {
            return Some(Err(error.into()));
        }
        let next = pairs(self.buffer.get(self.given..)?).next()?;
        self.given += 8;
        Some(Ok(next))
    }
}

/// Takes pairs one after the other into a file.
pub(crate) struct Pairs(Output, Vec<u8>, u64);

impl Pairs {
    /// Begin a file.
    pub fn begin(path: &Path, key: Hash256) -> Result<Pairs> {
        Ok(Pairs(Output::anew(path, key)?, Vec::with_capacity(8 * BUFFER), 0))
    }

    /// Append a pair.
    pub fn put(&mut self, a: u32, b: u32) -> Result<()> {
        self.1.extend_from_slice(&pair(a, b));
        self.2 += 1;
        if self.1.len() == 8 * BUFFER { self.push() } else { Ok(()) }
    }

    fn push(&mut self) -> Result<()> {
        self.0.put(&self.1, self.2)?;
        self.1.clear();
        self.2 = 0;
        Ok(())
    }

    /// End it.
    pub fn close(mut self) -> Result<()> {
        self.push()?;
        self.0.close()?;
        Ok(())
    }
}

impl Rounds<'_> {
    /// The file of a round, found by `find` unless it is there.
    pub fn round(&self, name: &str, find: impl FnOnce(&mut Pairs) -> Result<()>) -> Result<Mmap> {
        let path = self.path(name);
        if done(&path, self.key)?.is_none() {
            let mut pairs = Pairs::begin(&path, self.key)?;
            find(&mut pairs)?;
            pairs.close()?;
        }
        map(&path)
    }

    /// Where the file of a round is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// A file of pairs of ordinal and number, read from its beginning on.
pub(crate) struct Numbers {
    file: BufReader<std::fs::File>,
    path: PathBuf,
    next: Option<(u32, u32)>,
}

impl Numbers {
    /// The file at `path`.
    pub fn open(path: &Path) -> Result<Numbers> {
        let file = BufReader::with_capacity(1 << 18, fs::open(path)?);
        let mut numbers = Numbers { file, path: path.into(), next: None };
        numbers.step()?;
        Ok(numbers)
    }

    fn step(&mut self) -> Result<()> {
        let mut pair = [0; 8];
        let end = self.file.fill_buf().map(<[u8]>::is_empty);
        let read =
            end.and_then(|end| if end { Ok(true) } else { self.file.read_exact(&mut pair).map(|()| false) });
        let ended = read.map_err(|e| fs::Error::new("read", &self.path, e))?;
        self.next = if ended { None } else { pairs(&pair).next() };
        Ok(())
    }

    /// Append the numbers of a document. Documents are asked for in order, each that has some.
    pub fn of(&mut self, ordinal: u32, out: &mut Vec<u32>) -> Result<()> {
        while let Some((_, number)) = self.next.filter(|&(of, _)| of == ordinal) {
            out.push(number);
            self.step()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_a_document() {
        let bytes: Vec<u8> = [(2, 9), (2, 10), (5, 0)].iter().flat_map(|&(a, b)| pair(a, b)).collect();
        let from = |ordinal| pairs(pairs_from(&bytes, ordinal)).collect::<Vec<_>>();
        assert_eq!((from(0).len(), from(2).len(), from(3), from(6)), (3, 3, vec![(5, 0)], vec![]));
    }

    #[test]
    fn pairs_of_a_file_come_whatever_is_held_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let all: Vec<(u32, u32)> = (0..1000).map(|i| (i / 3, i * 7)).collect();
        for count in [0, 1, 999, 1000] {
            let bytes: Vec<u8> = all[..count].iter().flat_map(|&(a, b)| pair(a, b)).collect();
            std::fs::write(&path, bytes).unwrap();
            for memory in [0, 8, 100, 1 << 20] {
                let mut stored = Stored::new(path.clone(), memory);
                let found: Vec<_> = stored.by_ref().map(Result::unwrap).collect();
                assert_eq!(found, all[..count]);
                assert!(stored.buffer.len() as u64 <= memory.max(8) && stored.next().is_none());
            }
        }
        assert!(Stored::new(dir.path().join("none"), 8).next().unwrap().is_err());
    }
}
