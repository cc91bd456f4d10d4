//! Candidates for near copies, whose texts are read again from the files between two passes and compared by their shingles
//! ([`crate::dedup::verify`]).

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use regimen_base::{Cancel, fs};

use crate::dedup::{Shingles, Verify};
use crate::error::{Error, Result};
use crate::memory::{Memory, is_long};

/// Bytes of memory that are held of a document: where its record begins.
pub(crate) const PLACE: u64 = 8;

/// The share of the memory that sets and pairs may take: beside them lie at most two long texts at a time, of a tenth each.
const SHARE: u64 = 4;

fn lost() -> Error {
    Error::Record { what: "the texts between two passes" }
}

/// Where the records of documents lie.
pub(crate) struct Places {
    /// The ordinal of the first document of each file, rising; files without documents may be among them.
    pub files: Vec<(u32, PathBuf)>,
    /// By ordinal, the byte of its file at which a record begins.
    pub starts: Vec<u64>,
}

impl Places {
    /// The file of a document.
    fn file(&self, ordinal: u32) -> Option<&PathBuf> {
        let behind = self.files.partition_point(|&(first, _)| first <= ordinal);
        self.files.get(behind.checked_sub(1)?).map(|(_, path)| path)
    }

    /// The file of the record of a document, and where it lies there, with what may stand between it and the next one: first byte
    /// and bytes.
    fn place(&self, ordinal: u32) -> Result<(&PathBuf, u64, u64)> {
        let path = self.file(ordinal).ok_or_else(lost)?;
        let start = *self.starts.get(ordinal as usize).ok_or_else(lost)?;
        let next = ordinal.checked_add(1).filter(|&next| self.file(next) == Some(path));
        let end = match next.and_then(|next| self.starts.get(next as usize)) {
            Some(&end) => end,
            None => fs::size(path)?,
        };
        Ok((path, start, end.checked_sub(start).ok_or_else(lost)?))
    }

    /// The record of a document.
    fn read(&self, ordinal: u32) -> Result<Vec<u8>> {
        let (path, start, length) = self.place(ordinal)?;
        let mut record = Vec::with_capacity(length as usize);
        let mut file = fs::open(path)?;
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length).read_to_end(&mut record));
        match read.map_err(|e| fs::Error::new("read", path, e))? as u64 == length {
            true => Ok(record),
            false => Err(lost()),
        }
    }
}

/// Compares candidates. It is shared by threads.
pub(crate) struct Candidates<'c> {
    verify: Verify,
    places: Places,
    /// Finds the text in a record.
    text: fn(&[u8]) -> Result<&str>,
    /// Of which only one thread at a time takes long texts.
    memory: Memory,
    cancel: &'c Cancel,
}

impl<'c> Candidates<'c> {
    /// Documents are near copies from a similarity of `least` on. `memory` is what may be taken, but for [`PLACE`] bytes a
    /// document.
    pub fn new(
        shingles: Shingles,
        least: f64,
        places: Places,
        text: fn(&[u8]) -> Result<&str>,
        memory: u64,
        cancel: &'c Cancel,
    ) -> Result<Candidates<'c>> {
        let verify = Verify::new(shingles, least, places.starts.len() as u32, memory / SHARE)?;
        Ok(Candidates { verify, places, text, memory: Memory::new(memory), cancel })
    }

    /// Whether two documents are as alike as wanted.
    ///
    /// # Errors
    /// A record cannot be read; somebody asked to stop.
    pub fn alike(&self, a: u32, b: u32) -> Result<bool> {
        if let Some(known) = self.verify.known(a, b) {
            return Ok(known);
        }
        self.cancel.check()?;
        let bytes = self.places.place(a)?.2.max(self.places.place(b)?.2);
        let long = is_long(bytes as usize).then(|| self.memory.long());
        let (one, other) = (self.places.read(a)?, self.places.read(b)?);
        let (one, other) = ((a, (self.text)(&one)?), (b, (self.text)(&other)?));
        let stop = || self.cancel.check().is_err();
        self.verify.alike(one, other, long.is_some(), stop).ok_or(Error::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(record: &[u8]) -> Result<&str> {
        std::str::from_utf8(record).map_err(|_| Error::Record { what: "a text" })
    }

    #[test]
    fn texts_are_read_from_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "one two three;one two").unwrap();
        std::fs::write(path("b"), "").unwrap();
        std::fs::write(path("c"), "four;One, two").unwrap();
        let files = vec![(0, path("a")), (2, path("b")), (2, path("c"))];
        let places = |starts: &[u64]| Places { files: files.clone(), starts: starts.to_vec() };
        let cancel = Cancel::new();
        let candidates = |starts: &[u64]| {
            Candidates::new(Shingles::Words(1), 0.6, places(starts), text, 1 << 20, &cancel).unwrap()
        };
        let all = candidates(&[0, 14, 0, 5]);
        for (a, b, alike) in [(0, 1, true), (0, 2, false), (1, 3, true), (0, 3, true), (2, 3, false)] {
            // Read, and remembered.
            assert_eq!((all.alike(a, b).unwrap(), all.alike(b, a).unwrap()), (alike, alike), "{a} {b}");
        }
        assert!(candidates(&[0, 14, 0, 50]).alike(0, 3).is_err(), "beyond the end");
        cancel.ask();
        assert!(all.alike(0, 1).is_ok(), "it is known");
        assert!(matches!(candidates(&[0, 14, 0, 5]).alike(0, 1), Err(Error::Interrupted)));
    }
}
