//! Many byte strings in one file, with their ends in another: `text.bin` and `text.idx`, `ids.bin` and `ids.idx`.
//!
//! The index holds one u64 (little endian) more than there are strings, from 0 to the length of the data; string `i`
//! lies between the i-th and the next.

use std::path::Path;

use memmap2::Mmap;
use regimen_base::fs;

use crate::error::{Error, Result};

/// A file as memory. An artifact is never changed once it is finished.
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = fs::open(path)?;
    // SAFETY: files of an artifact are written once, under another name, and never changed or cut afterwards; the
    // map is only read.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(&file) };
    map.map_err(|e| fs::Error::new("map", path, e).into())
}

/// Ends of strings that are held before they are written.
const ENDS: usize = 1 << 12;

/// The strings as they are written, one after the other.
pub(crate) struct Writer {
    data: fs::File,
    index: fs::File,
    /// Bytes of the ends that are not written yet.
    ends: Vec<u8>,
    length: u64,
}

impl Writer {
    /// Begin `NAME.bin` and `NAME.idx` in the folder `dir`.
    pub fn create(dir: &Path, name: &str) -> Result<Writer> {
        let data = fs::create(&dir.join(format!("{name}.bin")))?.ahead()?;
        let index = fs::create(&dir.join(format!("{name}.idx")))?;
        Ok(Writer { data, index, ends: vec![0; 8], length: 0 })
    }

    /// Append a string.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if !bytes.is_empty() {
            self.data.put(bytes)?;
        }
        self.length += bytes.len() as u64;
        self.ends.extend_from_slice(&self.length.to_le_bytes());
        if self.ends.len() >= 8 * ENDS {
            self.index.put(&self.ends)?;
            self.ends.clear();
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Write what is left, and give back the data's file, to be closed. What is not on the disk yet is brought there when the
    /// artifact is committed.
    pub fn finish(mut self) -> Result<fs::File> {
        self.data.push()?;
        self.index.put(&self.ends)?;
        self.index.close()?;
        Ok(self.data)
    }
}

/// The ends of the strings, checked to rise from 0 to `length` in `strings` steps.
pub(crate) struct Index(Mmap);

impl Index {
    /// Open `NAME.idx` in the folder `dir`.
    pub fn open(dir: &Path, name: &str, strings: usize, length: u64) -> Result<Index> {
        let path = dir.join(format!("{name}.idx"));
        let map = map(&path)?;
        let (ends, rest) = map.as_chunks::<8>();
        if ends.len() != strings + 1 || !rest.is_empty() {
            return Err(Error::damaged(
                &path,
                format!("it should have {} bytes, it has {}", 8 * (strings + 1), map.len()),
            ));
        }
        let mut last = 0;
        let rises = ends.iter().all(|end| {
            let end = u64::from_le_bytes(*end);
            let fine = end >= last && end <= length;
            last = end;
            fine
        });
        if !rises || u64::from_le_bytes(ends[0]) != 0 || last != length {
            return Err(Error::damaged(&path, "its offsets do not rise from 0 to the length of the data"));
        }
        Ok(Index(map))
    }

    /// Where string `i` lies in the data.
    pub fn range(&self, i: usize) -> std::ops::Range<usize> {
        let ends = self.0.as_chunks::<8>().0;
        u64::from_le_bytes(ends[i]) as usize..u64::from_le_bytes(ends[i + 1]) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn strings_come_back(strings in proptest::collection::vec(".{0,20}", 1..30)) {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = Writer::create(dir.path(), "x").unwrap();
            for string in &strings {
                writer.push(string.as_bytes()).unwrap();
            }
            let length = writer.length();
            writer.finish().unwrap().close().unwrap();
            let data = fs::read(&dir.path().join("x.bin")).unwrap();
            let index = Index::open(dir.path(), "x", strings.len(), length).unwrap();
            for (i, string) in strings.iter().enumerate() {
                prop_assert_eq!(&data[index.range(i)], string.as_bytes());
            }
        }
    }

    #[test]
    fn a_damaged_index_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let index = |ends: &[u64]| {
            let bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            fs::write(&dir.path().join("x.idx"), &bytes).unwrap();
            Index::open(dir.path(), "x", 2, 5).map(|_| ())
        };
        assert!(index(&[0, 3, 5]).is_ok());
        for bad in [&[0, 3][..], &[0, 6, 5], &[1, 3, 5], &[0, 3, 4], &[0, 3, 5, 5], &[0, 4, 3, 5]] {
            assert!(index(bad).unwrap_err().to_string().contains("x.idx` is damaged"), "{bad:?}");
        }
    }
}
