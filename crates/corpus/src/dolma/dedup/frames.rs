//! The records of the first pass in files, a chunk's records in one frame: a file is read frame by frame, so that no more than
//! one is in memory.

use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::fs;
use regimen_recipe::InputFile;

use super::record::{Layout, Record, next};
use crate::error::{Error, Result};

/// What stands before the records of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Head {
    /// Bytes of the records.
    pub length: u64,
    /// How many they are.
    pub documents: u64,
    /// Bytes of the documents' texts.
    pub text: u64,
    /// Things that are compared.
    pub compared: u64,
}

/// Bytes of a head.
const HEAD: usize = 32;

impl Head {
    pub fn bytes(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let numbers = [self.length, self.documents, self.text, self.compared];
        out.as_chunks_mut::<8>().0.iter_mut().zip(numbers).for_each(|(to, n)| *to = n.to_le_bytes());
        out
    }

    /// The next one; none at the end.
    fn read(file: &mut impl Read, path: &Path) -> Result<Option<Head>> {
        let mut bytes = Vec::with_capacity(HEAD);
        file.take(HEAD as u64).read_to_end(&mut bytes).map_err(|e| fs::Error::new("read", path, e))?;
        match bytes.as_chunks::<8>().0 {
            [] if bytes.is_empty() => Ok(None),
            [length, documents, text, compared] => {
                let [length, documents, text, compared] =
                    [length, documents, text, compared].map(|n| u64::from_le_bytes(*n));
                Ok(Some(Head { length, documents, text, compared }))
            }
            _ => Err(cut()),
        }
    }

    pub fn add(&mut self, other: Head) {
        self.length += other.length;
        self.documents += other.documents;
        self.text += other.text;
        self.compared += other.compared;
    }
}

fn cut() -> Error {
    Error::Record { what: "the records between two passes" }
}

/// The sum of the heads of a file.
pub(super) fn total(path: &Path) -> Result<Head> {
    let mut file = BufReader::with_capacity(HEAD, fs::open(path)?);
    let mut all = Head::default();
    while let Some(head) = Head::read(&mut file, path)? {
        all.add(head);
        let length = i64::try_from(head.length).map_err(|_| cut())?;
        file.seek_relative(length).map_err(|e| fs::Error::new("read", path, e))?;
    }
    Ok(all)
}

/// What the first pass left.
pub(super) struct Parts<'f> {
    /// The files of documents.
    pub files: &'f [InputFile],
    /// The file of the records of each.
    pub paths: Vec<PathBuf>,
    /// How many documents each has.
    pub documents: Vec<u64>,
    /// The sum of all heads.
    pub all: Head,
}

impl Parts<'_> {
    /// The files of records with the ordinal of the first document of each.
    pub fn firsts(&self) -> Vec<(u32, PathBuf)> {
        let mut end = 0;
        let firsts = self.documents.iter().map(|documents| {
            end += documents;
            (end - documents) as u32
        });
        firsts.zip(self.paths.iter().cloned()).collect()
    }

    /// The files of records at `paths`, those that a run before left too.
    pub fn new(files: &[InputFile], paths: Vec<PathBuf>) -> Result<Parts<'_>> {
        let totals =
            paths.par_iter().with_max_len(1).map(|part| total(part)).collect::<Result<Vec<Head>>>()?;
        let documents = totals.iter().map(|head| head.documents).collect();
        let mut all = Head::default();
        totals.into_iter().for_each(|head| all.add(head));
        Ok(Parts { files, paths, documents, all })
    }
}

/// The records of some files, one file after the other.
pub(super) struct Records<'p> {
    paths: std::slice::Iter<'p, PathBuf>,
    layout: Layout,
    /// The file at hand, if one has begun.
    open: Option<(&'p Path, std::fs::File)>,
    frame: Vec<u8>,
    /// The byte of the file at which the frame begins.
    begins: u64,
    /// Bytes of the frame that were read.
    at: usize,
}

impl<'p> Records<'p> {
    pub fn new(paths: &'p [PathBuf], layout: Layout) -> Records<'p> {
        Records { paths: paths.iter(), layout, open: None, frame: Vec::new(), begins: 0, at: 0 }
    }

    /// Go to the next file; whether there is one.
    pub fn open(&mut self) -> Result<bool> {
        (self.begins, self.at) = (0, 0);
        self.frame.clear();
        self.open = match self.paths.next() {
            Some(path) => Some((path, fs::open(path)?)),
            None => None,
        };
        Ok(self.open.is_some())
    }

    /// Whether the file at hand has another record.
    pub fn more(&mut self) -> Result<bool> {
        while self.at == self.frame.len() {
            let Some((path, file)) = &mut self.open else { return Ok(false) };
            let Some(head) = Head::read(file, path)? else {
                self.open = None;
                return Ok(false);
            };
            self.begins += (self.frame.len() + HEAD) as u64;
            self.frame.clear();
            self.at = 0;
            // A frame that was much larger than this one does not stay.
            if self.frame.capacity() as u64 / 4 > head.length.max(1 << 20) {
                self.frame = Vec::new();
            }
            let read = file.take(head.length).read_to_end(&mut self.frame);
            let read = read.map_err(|e| fs::Error::new("read", path, e))?;
            if read as u64 != head.length {
                return Err(fs::Error::new("read", path, ErrorKind::UnexpectedEof.into()).into());
            }
        }
        Ok(true)
    }

    /// The next record of the file at hand; none at its end.
    pub fn here(&mut self) -> Result<Option<Record<'_>>> {
        if !self.more()? {
            return Ok(None);
        }
        let (start, mut left) = (self.begins + self.at as u64, &self.frame[self.at..]);
        let record = next(&mut left, self.layout)?;
        self.at = self.frame.len() - left.len();
        Ok(record.map(|record| Record { start, ..record }))
    }

    /// The next record of all files; none at the end.
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        while !self.more()? {
            if !self.open()? {
                return Ok(None);
            }
        }
        self.here()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { width: 16, text: false };

    /// A record without source whose id is `id`, with one hash.
    fn record(id: u32) -> Vec<u8> {
        let id = id.to_string();
        let mut out = Vec::new();
        [id.len() as u32, 0].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out.extend_from_slice(id.as_bytes());
        [3u32, 3, 0, 1].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out.extend_from_slice(&[7; 16]);
        out
    }

    fn file(path: &Path, frames: &[std::ops::Range<u32>]) {
        let mut out = Vec::new();
        for frame in frames {
            let records = frame.clone().flat_map(record).collect::<Vec<u8>>();
            let documents = frame.len() as u64;
            let head =
                Head { length: records.len() as u64, documents, text: 3 * documents, compared: documents };
            out.extend_from_slice(&head.bytes());
            out.extend_from_slice(&records);
        }
        std::fs::write(path, out).unwrap();
    }

    #[test]
    fn records_come_in_order_and_heads_tell_how_many_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..4).map(|i| dir.path().join(i.to_string())).collect();
        file(&paths[0], &[0..3, 3..4, 4..4, 4..9]);
        file(&paths[1], &[]);
        file(&paths[2], std::slice::from_ref(&(9..10)));
        file(&paths[3], std::slice::from_ref(&(10..10)));
        let mut records = Records::new(&paths, LAYOUT);
        let (mut ids, mut starts) = (Vec::new(), Vec::new());
        while let Some(record) = records.next().unwrap() {
            ids.push(record.id.parse::<u32>().unwrap());
            starts.push(record.start);
        }
        assert_eq!(ids, (0..10).collect::<Vec<u32>>());
        // A head of 32 bytes before the records of a frame, each of 41.
        assert_eq!(starts[..5], [32, 32 + 41, 32 + 82, 64 + 123, 128 + 164]);
        assert_eq!(starts[8..], [128 + 164 + 4 * 41, 32]);
        let head = total(&paths[0]).unwrap();
        assert_eq!((head.documents, head.text, head.compared), (9, 27, 9));
        assert_eq!(total(&paths[1]).unwrap(), Head::default());
        // Cut anywhere but between two frames.
        let whole = std::fs::read(&paths[2]).unwrap();
        for length in 1..whole.len() {
            std::fs::write(&paths[2], &whole[..length]).unwrap();
            let mut records = Records::new(&paths[2..3], LAYOUT);
            assert!(records.next().is_err(), "{length}");
        }
    }
}
