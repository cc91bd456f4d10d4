//! The rows of an attribute file, handed out in step with the documents that they belong to.

use std::sync::Arc;

use regimen_base::units;
use regimen_recipe::InputFile;

use crate::error::{Place, Result};
use crate::memory::Memory;
use crate::read::attribute_row::wrong;
use crate::read::stream::Stream;

/// Bytes of the rows that belong to a chunk of documents at most, besides twice the bytes of the chunk; less if the memory does
/// not allow a document of so many.
pub(crate) const MOST: usize = 256 << 20;
/// Bytes that are read at a time.
const STEP: usize = 1 << 20;

/// Rows of an attribute file that belong to a chunk of documents.
#[derive(Debug)]
pub(crate) struct Rows {
    pub file: Arc<str>,
    /// Number of its first line, from 1.
    pub first: u64,
    pub data: Vec<u8>,
}

/// The rows of one attribute file, as many at a time as there are documents.
pub(crate) struct Lines {
    stream: Stream,
    file: Arc<str>,
    /// What was read and not handed out.
    rest: Vec<u8>,
    /// Number of the first line in it.
    next: u64,
    ended: bool,
}

impl Lines {
    /// Open the attribute files of a file of documents. Each thread may have as many open.
    pub fn open_all(files: &[InputFile], memory: &Memory) -> Result<Vec<Lines>> {
        let window = memory.window_log(files.len() * rayon::current_num_threads());
        let open = |file: &InputFile| {
            let stream = Stream::open_within(file, Arc::default(), window)?;
            Ok(Lines { stream, file: file.path.as_str().into(), rest: Vec::new(), next: 1, ended: false })
        };
        files.iter().map(open).collect()
    }

    fn more(&mut self) -> Result<()> {
        let got = self.stream.append(&mut self.rest, STEP)?;
        self.ended = got < STEP;
        Ok(())
    }

    fn place(&self, number: u64) -> Place {
        Place { file: self.file.to_string(), unit: "line", number }
    }

    /// The next `rows` rows that are not blank, with the blank lines between them, of at most about `most` bytes in all.
    /// `missing` says which document the row with this number (from 0) is for.
    ///
    /// # Errors
    /// [`Error::Attributes`](crate::Error::Attributes) if the file ends before, or they are longer.
    pub fn take(&mut self, rows: u64, most: usize, missing: impl Fn(u64) -> Place) -> Result<Rows> {
        let (mut at, mut found, mut count) = (0, 0, 0u64);
        while found < rows {
            // From here on no line end was seen.
            let mut seen = at;
            let end = loop {
                if let Some(i) = memchr::memchr(b'\n', &self.rest[seen..]) {
                    break seen + i + 1;
                }
                seen = self.rest.len();
                if self.ended {
                    break seen;
                }
                if seen > most {
                    let reason = format!(
                        "up to here there are {} of rows and blank lines beside {}",
                        units::bytes(seen as u64),
                        units::plural(rows, "document")
                    );
                    return Err(wrong(self.place(self.next + count), reason));
                }
                self.more()?;
            };
            if end == at {
                let reason =
                    format!("the file ends, and the row for the document in {} is missing", missing(found));
                return Err(wrong(self.place(self.next + count), reason));
            }
            found += u64::from(!self.rest[at..end].iter().all(u8::is_ascii_whitespace));
            at = end;
            count += 1;
        }
        let left = self.rest.split_off(at);
        let data = std::mem::replace(&mut self.rest, left);
        let rows = Rows { file: Arc::clone(&self.file), first: self.next, data };
        self.next += count;
        Ok(rows)
    }

    /// The documents have ended: nothing may follow.
    ///
    /// # Errors
    /// [`Error::Attributes`](crate::Error::Attributes) if there is one more row.
    pub fn end(&mut self) -> Result<()> {
        loop {
            if let Some(at) = self.rest.iter().position(|b| !b.is_ascii_whitespace()) {
                let line = self.next + memchr::memchr_iter(b'\n', &self.rest[..at]).count() as u64;
                return Err(wrong(self.place(line), "the documents end before this row"));
            }
            self.next += memchr::memchr_iter(b'\n', &self.rest).count() as u64;
            self.rest.clear();
            if self.ended {
                return Ok(());
            }
            self.more()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::input;

    fn lines(content: &[u8]) -> Lines {
        let dir = tempfile::tempdir().unwrap();
        let files = [input(dir.path(), "a.jsonl", content)];
        Lines::open_all(&files, &Memory::unlimited()).unwrap().remove(0)
    }

    fn place(row: u64) -> Place {
        Place { file: "d.jsonl".into(), unit: "line", number: row + 1 }
    }

    #[test]
    fn rows_come_as_they_are_asked_for_and_keep_their_numbers() {
        let mut file = lines(b"\none\n\n \ntwo\nthree\nfour");
        let first = file.take(2, MOST, place).unwrap();
        assert_eq!((first.first, &first.data[..]), (1, &b"\none\n\n \ntwo\n"[..]));
        let second = file.take(1, MOST, place).unwrap();
        assert_eq!((second.first, &second.data[..]), (6, &b"three\n"[..]));
        assert!(file.end().unwrap_err().to_string().contains("line 7: the documents end before this row"));
        assert_eq!(file.take(1, MOST, place).map(|rows| rows.data).unwrap(), b"four");
        assert!(file.end().is_ok());
        let error = file.take(1, MOST, place).unwrap_err().to_string();
        assert!(error.contains("line 8") && error.contains("`d.jsonl`, line 1 is missing"), "{error}");
    }

    #[test]
    fn windows_take_no_more_than_the_memory_allows() {
        let dir = tempfile::tempdir().unwrap();
        let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        packed.window_log(27).unwrap();
        std::io::Write::write_all(&mut packed, b"{}\n").unwrap();
        let files = [input(dir.path(), "a.jsonl.zst", &packed.finish().unwrap())];
        let read = |memory: u64| {
            let mut all = Lines::open_all(&files, &Memory::new(memory)).unwrap();
            all[0].take(1, MOST, place).map(|rows| rows.data).map_err(|error| error.to_string())
        };
        assert!(read(64 << 20).unwrap_err().contains("a.jsonl.zst"));
        assert_eq!(read(64 << 30).unwrap(), b"{}\n");
    }

    #[test]
    fn endless_rows_and_blank_lines_end_in_bounded_memory() {
        for content in [vec![b'\n'; 9 << 20], vec![b'x'; 9 << 20]] {
            let mut file = lines(&content);
            let error = file.take(1, 2 << 20, place).unwrap_err().to_string();
            assert!(error.contains("of rows and blank lines beside 1 document"), "{error}");
            assert!(file.rest.capacity() < 8 << 20);
        }
    }
}
