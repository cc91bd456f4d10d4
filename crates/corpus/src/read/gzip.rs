//! The members of a gzip file, one behind the other.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Unpacks all members of a gzip file. Zero bytes behind a member are padding, as for `gzip -d`; anything else that is no
/// member is an error, where `gzip -d` warns and loses it.
pub(crate) struct Members<R> {
    /// None behind the last one, and after an error.
    member: Option<GzDecoder<R>>,
    /// Whether the last member has ended and nothing follows.
    ended: bool,
}

impl<R: BufRead> Members<R> {
    pub fn new(source: R) -> Members<R> {
        Members { member: Some(GzDecoder::new(source)), ended: false }
    }

    /// Go to the next member.
    fn advance(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut source = member.into_inner();
        loop {
            let next = match source.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                next => next?,
            };
            match next.iter().position(|&b| b != 0) {
                None if next.is_empty() => {
                    self.ended = true;
                    return Ok(());
                }
                None => {
                    let zeros = next.len();
                    source.consume(zeros);
                }
                Some(zeros) => {
                    let rest = &next[zeros..];
                    if rest[0] != 0x1f || rest.get(1).is_some_and(|&b| b != 0x8b) {
                        let found: String = rest.iter().take(4).map(|b| format!("{b:02x}")).collect();
                        let reason = format!("something that is no gzip (0x{found}) follows its last member");
                        return Err(io::Error::new(ErrorKind::InvalidData, reason));
                    }
                    source.consume(zeros);
                    self.member = Some(GzDecoder::new(source));
                    return Ok(());
                }
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while let (false, Some(member)) = (self.ended, &mut self.member) {
            let length = member.read(out)?;
            if length > 0 {
                return Ok(length);
            }
            self.advance()?;
        }
        // Who reads on after an error must not take it for the end.
        if self.ended { Ok(0) } else { Err(io::Error::other("reading went wrong before")) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use super::*;

    fn pack(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(file: &[u8], buffer: usize) -> io::Result<String> {
        let mut text = String::new();
        Members::new(BufReader::with_capacity(buffer, file)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn zeros_behind_members_are_padding_and_other_bytes_are_told() {
        let (a, b, none) = (pack("a"), pack("b"), pack(""));
        let with = |parts: &[&[u8]]| parts.concat();
        for buffer in [1, 2, 7, 1 << 16] {
            let text = |parts: &[&[u8]]| unpack(&with(parts), buffer).unwrap();
            assert_eq!(text(&[&a, &none, &b]), "ab");
            assert_eq!(text(&[&a, &[0]]), "a");
            assert_eq!(text(&[&a, &[0; 511], &b, &[0; 1024]]), "ab");
            for garbage in [&b"garbage"[..], b"x", b"\0\0PK and more than the header of a member has"] {
                let error = unpack(&with(&[&a, garbage]), buffer).unwrap_err().to_string();
                assert!(error.contains("something that is no gzip (0x"), "{error}");
            }
            let cut = unpack(&with(&[&a, &b[..b.len() - 1]]), buffer).unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
        }
        assert!(unpack(b"no gzip at all", 9).unwrap_err().to_string().contains("invalid gzip header"));
    }

    /// Is interrupted before every piece, and fails at the end of what it has if it is told to.
    struct Rough<'f> {
        rest: &'f [u8],
        ready: bool,
        fails: bool,
    }

    impl Read for Rough<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.ready = !self.ready;
            match (self.ready, self.rest.is_empty() && self.fails) {
                (true, _) => Err(ErrorKind::Interrupted.into()),
                (_, true) => Err(io::Error::other("the disk is gone")),
                _ => self.rest.read(out),
            }
        }
    }

    #[test]
    fn a_reader_that_is_interrupted_or_fails_between_members_loses_none_in_silence() {
        let file = [pack("one "), pack("two")].concat();
        for buffer in [1, 7, pack("one ").len(), 64] {
            let rough = |rest, fails| {
                Members::new(BufReader::with_capacity(buffer, Rough { rest, ready: false, fails }))
            };
            let mut text = String::new();
            rough(&file[..], false).read_to_string(&mut text).unwrap();
            assert_eq!(text, "one two", "{buffer}");
            let mut members = rough(&file[..pack("one ").len()], true);
            assert!(members.read_to_end(&mut Vec::new()).is_err());
            assert!(members.read(&mut [0; 9]).is_err(), "what failed once has no end");
        }
    }
}
