//! The bytes of a file as they lie on the disk: counted, with a look ahead, and with the last megabyte kept so that
//! reading can go back to the start of something that proved to be damaged.

use std::io::{self, BufRead, ErrorKind, Read};

/// Bytes asked of the source at a time.
const CHUNK: usize = 1 << 16;
/// Bytes behind a mark that are kept at most.
const KEPT: usize = 1 << 20;

pub(super) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    /// The next byte to read, as an index of `buffer`.
    at: usize,
    /// Where `buffer` starts in the file.
    start: u64,
    mark: Option<usize>,
    ended: bool,
    /// Why the source itself failed: a bad disk, not bad data.
    failed: Option<io::Error>,
}

impl<R: Read> Input<R> {
    pub fn new(source: R) -> Input<R> {
        Input { source, buffer: Vec::new(), at: 0, start: 0, mark: None, ended: false, failed: None }
    }

    /// Offset of the next byte in the file.
    pub fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Remember this place for [`Input::rewind`].
    pub fn mark(&mut self) {
        self.mark = Some(self.at);
    }

    /// Go back to `offset`, if its bytes are still there.
    pub fn rewind(&mut self, offset: u64) -> bool {
        let Some(at) = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok()) else {
            return false;
        };
        if self.mark.is_none_or(|mark| at < mark) || at > self.at {
            return false;
        }
        self.at = at;
        true
    }

    /// The next `n` bytes, fewer only at the end of the file.
    pub fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.at < n && self.more()? {}
        let end = self.buffer.len().min(self.at + n);
        Ok(&self.buffer[self.at..end])
    }

    /// All that is in memory of what comes next.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// What the source itself failed with, if it did.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Take in more of the file. False at its end.
    fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.mark.is_some_and(|mark| self.at - mark > KEPT) {
            self.mark = None;
        }
        let dead = self.mark.unwrap_or(self.at).min(self.at);
        // Moving the rest costs no more than reading what is thrown away did.
        if dead > 0 && dead >= self.buffer.len() - dead {
            self.buffer.drain(..dead);
            self.at -= dead;
            self.start += dead as u64;
            self.mark = self.mark.map(|mark| mark - dead);
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let got = loop {
            match self.source.read(&mut self.buffer[filled..]) {
                Ok(n) => break n.min(CHUNK),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.buffer.truncate(filled);
                    self.ended = true;
                    let copy = io::Error::new(e.kind(), e.to_string());
                    self.failed = Some(e);
                    return Err(copy);
                }
            }
        };
        self.buffer.truncate(filled + got);
        self.ended = got == 0;
        Ok(got > 0)
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let n = have.len().min(out.len());
        out[..n].copy_from_slice(&have[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.buffer.len() {
            self.more()?;
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_look_ahead_and_going_back() {
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut input = Input::new(&data[..]);
        assert_eq!(input.peek(5).unwrap(), &data[..5]);
        let mut skip = [0u8; 1000];
        input.read_exact(&mut skip).unwrap();
        assert_eq!(input.offset(), 1000);
        input.mark();
        assert!(!input.rewind(999), "not before the mark");
        let mut part = vec![0u8; 900_000];
        input.read_exact(&mut part).unwrap();
        assert_eq!(part[..], data[1000..901_000]);
        assert!(input.rewind(1001));
        assert_eq!((input.offset(), input.peek(3).unwrap()), (1001, &data[1001..1004]));
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, data[1001..]);
        assert!(!input.rewind(1001), "more than a megabyte is not kept");
        assert!(input.buffer.len() < 4 * KEPT, "{}", input.buffer.len());
        assert_eq!(input.peek(10).unwrap(), b"");
    }

    #[test]
    fn a_failing_source_is_told_from_bad_data() {
        struct Bad;
        impl Read for Bad {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let mut input = Input::new(Bad);
        assert!(input.fill_buf().is_err());
        assert_eq!(input.failure().unwrap().raw_os_error(), Some(5));
        assert!(input.fill_buf().unwrap().is_empty());
    }
}
