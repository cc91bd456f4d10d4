//! Reading an event log that grows: new whole lines only, in slices, whatever becomes of the file meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// Bytes that are read at once.
const SLICE: usize = 1 << 16;
/// A line that is longer is passed over: no event is.
const LONGEST: usize = 4 << 20;
/// Bytes before the end that must still be there when more is read.
const MARK: usize = 64;

/// What became of the file since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is not there yet, or was deleted. What is open can still be read.
    Gone,
    /// It is as it was, but maybe longer.
    Same,
    /// It was cut back or replaced: everything is to be read anew.
    Anew,
}

/// The reader.
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// Where the next byte is read.
    at: u64,
    size: u64,
    /// The beginning of a line whose end has not come yet.
    part: Vec<u8>,
    /// Whether the end of a line that is too long is awaited.
    skipping: bool,
    /// The last bytes that were read.
    mark: Vec<u8>,
}

impl Tail {
    pub fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, at: 0, size: 0, part: Vec::new(), skipping: false, mark: Vec::new() }
    }

    /// Bytes read, and bytes there.
    pub fn progress(&self) -> (u64, u64) {
        (self.at, self.size)
    }

    /// The open file, for lines that were read before.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// See what became of the file.
    pub fn look(&mut self) -> io::Result<Look> {
        let there = match std::fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Look::Gone);
            }
            Err(error) => return Err(error),
        };
        let ours = match &self.file {
            Some(file) => {
                let ours = file.metadata()?;
                (ours.dev(), ours.ino()) == (there.dev(), there.ino()) && self.is_marked(file, there.len())?
            }
            None => false,
        };
        self.size = there.len();
        if ours {
            return Ok(Look::Same);
        }
        let fresh = Tail::new(std::mem::take(&mut self.path));
        *self = Tail { size: there.len(), ..fresh };
        self.file = Some(File::open(&self.path)?);
        Ok(Look::Anew)
    }

    /// Whether what was read last still stands there.
    fn is_marked(&self, file: &File, size: u64) -> io::Result<bool> {
        if size < self.at {
            return Ok(false);
        }
        let mut bytes = [0; MARK];
        let bytes = &mut bytes[..self.mark.len()];
        match file.read_exact_at(bytes, self.at - self.mark.len() as u64) {
            Ok(()) => Ok(bytes == self.mark),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Read a slice, and hand out every line that is whole now with the place where it begins. Whether there may be more.
    pub fn slice(&mut self, mut each: impl FnMut(u64, &[u8])) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut bytes = vec![0; SLICE];
        let count = match file.read_at(&mut bytes, self.at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            read => read?,
        };
        let bytes = &bytes[..count];
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            let begin = self.at + (bytes.len() - rest.len()) as u64;
            if !std::mem::take(&mut self.skipping) && self.part.len() + line.len() <= LONGEST {
                if self.part.is_empty() {
                    each(begin, line);
                } else {
                    let begin = begin - self.part.len() as u64;
                    self.part.extend_from_slice(line);
                    each(begin, &self.part);
                }
            }
            self.part.clear();
            rest = behind;
        }
        if self.part.len() + rest.len() > LONGEST {
            self.skipping = true;
            self.part = Vec::new();
        }
        if !self.skipping {
            self.part.extend_from_slice(rest);
        }
        self.at += count as u64;
        let kept = bytes.len().min(MARK);
        let old = self.mark.len().saturating_sub(MARK - kept);
        self.mark.drain(..old.min(self.mark.len()));
        self.mark.extend_from_slice(&bytes[bytes.len() - kept..]);
        Ok(count == SLICE)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;

    fn all(tail: &mut Tail) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        while tail.slice(|at, line| found.push((at, String::from_utf8_lossy(line).into_owned()))).unwrap() {}
        found
    }

    fn append(path: &Path, bytes: &[u8]) {
        File::options().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    fn lines(all: &[(u64, String)]) -> Vec<&str> {
        all.iter().map(|(_, line)| line.as_str()).collect()
    }

    #[test]
    fn a_line_cut_in_the_middle_is_read_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.look().unwrap(), Look::Gone);
        append(&path, b"one\ntw");
        assert_eq!(tail.look().unwrap(), Look::Anew);
        assert_eq!(lines(&all(&mut tail)), ["one"]);
        assert_eq!(tail.look().unwrap(), Look::Same);
        assert!(all(&mut tail).is_empty());
        append(&path, b"o\nthr");
        assert_eq!(tail.look().unwrap(), Look::Same);
        assert_eq!(all(&mut tail), [(4, "two".to_string())]);
        append(&path, b"ee\n");
        assert_eq!(all(&mut tail), [(8, "three".to_string())]);
    }

    #[test]
    fn a_log_that_was_cut_back_is_read_anew_even_if_it_has_grown_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, b"one\ntwo\nthree\n");
        let mut tail = Tail::new(path.clone());
        tail.look().unwrap();
        assert_eq!(all(&mut tail).len(), 3);
        File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        assert_eq!(tail.look().unwrap(), Look::Anew);
        assert_eq!(lines(&all(&mut tail)), ["one"]);
        append(&path, b"two\nthree\n");
        assert_eq!(tail.look().unwrap(), Look::Same);
        assert_eq!(all(&mut tail).len(), 2);
        // Between two looks.
        File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        append(&path, b"other\nlines\nthat are longer\n");
        assert_eq!(tail.look().unwrap(), Look::Anew);
        assert_eq!(lines(&all(&mut tail)), ["one", "other", "lines", "that are longer"]);
    }

    #[test]
    fn a_deleted_log_is_told_and_one_in_its_place_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/log");
        std::fs::create_dir(dir.path().join("run")).unwrap();
        append(&path, b"one\n");
        let mut tail = Tail::new(path.clone());
        tail.look().unwrap();
        all(&mut tail);
        std::fs::remove_dir_all(dir.path().join("run")).unwrap();
        assert_eq!(tail.look().unwrap(), Look::Gone);
        assert!(all(&mut tail).is_empty());
        std::fs::create_dir(dir.path().join("run")).unwrap();
        append(&path, b"two\n");
        assert_eq!(tail.look().unwrap(), Look::Anew);
        assert_eq!(lines(&all(&mut tail)), ["two"]);
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, &vec![b'x'; LONGEST + 3 * SLICE]);
        append(&path, b"\nshort\n");
        let mut tail = Tail::new(path);
        tail.look().unwrap();
        assert_eq!(lines(&all(&mut tail)), ["short"]);
        assert!(tail.part.capacity() < 2 * LONGEST);
    }

    #[test]
    fn slices_end_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text: String = (0..60_000).map(|i| format!("line {i}\n")).collect();
        append(&path, text.as_bytes());
        let mut tail = Tail::new(path);
        tail.look().unwrap();
        let found = all(&mut tail);
        assert_eq!(found.len(), 60_000);
        assert!(found.iter().all(|(at, line)| text[*at as usize..].starts_with(&format!("{line}\n"))));
        assert_eq!(tail.progress(), (text.len() as u64, text.len() as u64));
        assert_eq!(tail.look().unwrap(), Look::Same);
    }
}
