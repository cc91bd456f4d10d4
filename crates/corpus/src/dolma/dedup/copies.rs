//! Whose copy a document is: the name of the one that stays, and how many there are of it.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use regimen_base::{Cancel, fs};

use super::frames::{Parts, Records};
use super::record::Layout;
use crate::dedup::Kept;
use crate::dolma::attributes::decimal;
use crate::error::{Error, Result};

/// Which documents are copies, and of which.
pub(super) struct Copies {
    kept: Kept,
    /// Names of the documents that stay instead of others, in the order of [`Kept::clusters`].
    names: Names,
    /// Ordinal of the first document behind each file, and the file's name as JSON.
    files: Vec<(u64, String)>,
}

impl Copies {
    /// Read the names of the documents that stay instead of others; beyond `most` bytes they go to a file in `work`.
    pub fn new(
        kept: Kept,
        parts: &Parts,
        layout: Layout,
        most: u64,
        work: &Path,
        cancel: &Cancel,
    ) -> Result<Copies> {
        let mut names = Names::new(work.join("names"), most, kept.clusters().len());
        let mut wanted = kept.clusters().iter().map(|&(ordinal, _)| ordinal).peekable();
        let (mut ordinal, mut records) = (0, Records::new(&parts.paths, layout));
        while wanted.peek().is_some()
            && let Some(record) = records.next()?
        {
            cancel.check()?;
            if wanted.next_if_eq(&ordinal).is_some() {
                names.push(record.id, record.source)?;
            }
            ordinal += 1;
        }
        names.seal()?;
        let mut end = 0;
        let files = parts.files.iter().zip(&parts.documents).map(|(file, documents)| {
            end += documents;
            (end, serde_json::Value::from(file.path.as_str()).to_string())
        });
        Ok(Copies { files: files.collect(), kept, names })
    }

    /// Whether document `ordinal` is a copy of one that stays.
    pub fn is_copy(&self, ordinal: u32) -> bool {
        !self.kept.is_kept(ordinal)
    }

    /// Append to `out`, as JSON, whose copy document `ordinal` is; nothing if it stays.
    pub fn name(&mut self, ordinal: u32, out: &mut Vec<u8>) -> Result<()> {
        let representative = self.kept.representatives()[ordinal as usize];
        let cluster = self.kept.clusters().binary_search_by_key(&representative, |&(best, _)| best);
        let Some(cluster) = cluster.ok().filter(|_| representative != ordinal) else { return Ok(()) };
        out.push(b'{');
        self.names.get(cluster, out)?;
        let file = self.files.partition_point(|&(end, _)| end <= u64::from(representative));
        out.extend_from_slice(b",\"file\":");
        out.extend_from_slice(self.files[file].1.as_bytes());
        out.extend_from_slice(b",\"cluster_size\":");
        decimal(u64::from(self.kept.clusters()[cluster].1), out);
        out.push(b'}');
        Ok(())
    }
}

/// Names by number: as many of the last ones as may be in memory, those before them in a file.
struct Names {
    path: PathBuf,
    most: u64,
    /// Where each ends, in bytes from the first.
    ends: Vec<u64>,
    /// The last ones.
    held: Vec<u8>,
    /// Bytes in the file.
    spilled: u64,
    writing: Option<fs::File>,
    reading: Option<std::fs::File>,
}

impl Names {
    fn new(path: PathBuf, most: u64, count: usize) -> Names {
        let (ends, held) = (Vec::with_capacity(count), Vec::new());
        Names { path, most, ends, held, spilled: 0, writing: None, reading: None }
    }

    /// The next one, both parts as they are written; a document may have no source.
    fn push(&mut self, id: &str, source: &str) -> Result<()> {
        for (name, value) in [("\"id\":", id), (",\"source\":", source)] {
            if !value.is_empty() {
                self.held.extend_from_slice(name.as_bytes());
                self.held.extend_from_slice(value.as_bytes());
            }
        }
        let end = self.spilled + self.held.len() as u64;
        self.ends.push(end);
        if self.held.len() as u64 > self.most {
            if self.writing.is_none() {
                self.writing = Some(fs::create(&self.path)?);
            }
            if let Some(file) = &mut self.writing {
                file.put(&self.held)?;
            }
            self.held.clear();
            self.spilled = end;
        }
        Ok(())
    }

    /// No more will follow.
    fn seal(&mut self) -> Result<()> {
        if let Some(mut file) = self.writing.take() {
            file.push()?;
            self.reading = Some(fs::open(&self.path)?);
        }
        Ok(())
    }

    /// Append name `number` to `out`.
    fn get(&mut self, number: usize, out: &mut Vec<u8>) -> Result<()> {
        let lost = || Error::Record { what: "the names of documents between two passes" };
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let length = self.ends[number] - start;
        match &mut self.reading {
            Some(file) if start < self.spilled => {
                let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length).read_to_end(out));
                let read = read.map_err(|e| fs::Error::new("read", &self.path, e))?;
                if read as u64 != length { Err(lost()) } else { Ok(()) }
            }
            _ => {
                let start = (start - self.spilled) as usize;
                out.extend_from_slice(&self.held[start..start + length as usize]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_memory_and_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        for most in [0, 40, 60, 1 << 20] {
            let mut names = Names::new(dir.path().join("names"), most, 9);
            for i in 0..9 {
                names.push(&i.to_string(), if i % 2 == 0 { "\"s\"" } else { "" }).unwrap();
            }
            names.seal().unwrap();
            assert_eq!((names.spilled > 0, names.held.is_empty()), (most < 200, most == 0), "{most}");
            for i in [8, 0, 3, 7, 1] {
                let mut out = b"x".to_vec();
                names.get(i, &mut out).unwrap();
                let source = if i % 2 == 0 { ",\"source\":\"s\"" } else { "" };
                assert_eq!(String::from_utf8(out).unwrap(), format!("x\"id\":{i}{source}"), "{most}");
            }
        }
    }
}
