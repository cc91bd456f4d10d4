//! The records of a WARC file, one after the other.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use regimen_base::{fs, units};

use super::record::{Counts, Fields, Item, Kind, Record, Skipped, Why};
use super::span::Span;
use super::stream::{Packing, Start, Stream};
use crate::error::{Error, Result};

/// Bytes of the version line and all named fields of a record at most.
const HEADER: usize = 1 << 20;
/// Bytes of something that is no record that a message shows.
const SHOWN: usize = 20;
/// Room that is made for a block before any of it is there.
const TRUSTED: u64 = 1 << 16;

/// What to do with a record that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damaged {
    /// Stop with an error that names the place.
    #[default]
    Error,
    /// Give it as [`Item::Skipped`], look for the next record and go on.
    Skip,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A block above so many bytes is passed over.
    pub max_bytes: u64,
    /// What happens to damaged records.
    pub damaged: Damaged,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_bytes: 64 << 20, damaged: Damaged::Error }
    }
}

/// Reads WARC 1.0 and 1.1, plain, gzip or zstd. Memory is bounded by `max_bytes` and a few megabytes.
pub struct Reader<R: Read> {
    file: String,
    options: Options,
    stream: Stream<R>,
    counts: Counts,
    /// Unpacked bytes of the open member, or bytes of a plain file, before the record that is read.
    begun: u64,
    done: bool,
}

/// What is wrong with a record.
struct Fault {
    field: &'static str,
    reason: String,
    id: Option<String>,
    /// Whether the record itself is damaged, not what it is packed in.
    inside: bool,
}

impl Fault {
    fn new(field: &'static str, reason: impl Into<String>) -> Fault {
        Fault { field, reason: reason.into(), id: None, inside: true }
    }

    /// From what a decompressor says. `cut` says what the end of the file would have cut.
    fn of_io(field: &'static str, error: &io::Error) -> Fault {
        let fault = match error.kind() {
            ErrorKind::UnexpectedEof => Fault::new(field, "the file ends in the middle of it"),
            _ => Fault::new("member", error.to_string()),
        };
        Fault { inside: false, ..fault }
    }
}

impl<R: Read> Reader<R> {
    /// Open a file. `file` is its name for messages.
    ///
    /// # Errors
    /// When the source cannot be read, or begins as neither WARC nor gzip nor zstd does.
    pub fn new(file: impl Into<String>, source: R, options: Options) -> Result<Reader<R>> {
        let file = file.into();
        let (stream, known) = Stream::new(source).map_err(|e| fs::Error::new("read", Path::new(&file), e))?;
        if !known {
            let reason = "the file begins with neither `WARC/` nor a gzip or zstd header".to_string();
            return Err(Error::Foreign { file, format: "WARC", offset: 0, field: "version".into(), reason });
        }
        Ok(Reader { file, options, stream, counts: Counts::default(), begun: 0, done: false })
    }

    /// How the file is packed.
    pub fn packing(&self) -> Packing {
        self.stream.packing()
    }

    /// Counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes that were read again: of the open member, and of the file.
    #[cfg(test)]
    pub(super) fn read_again(&self) -> (u64, u64) {
        self.stream.read_again()
    }

    /// The next record; none at the end of the file, and after an error.
    ///
    /// # Errors
    /// When the source fails, or a record is damaged and [`Damaged::Error`] is set.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>> {
        if self.done {
            return Ok(None);
        }
        let (start, fault) = match self.step() {
            Ok(Some(item)) => {
                match &item {
                    Item::Record(_) => self.counts.records += 1,
                    Item::Skipped(skipped) => {
                        self.counts.too_large += 1;
                        self.counts.skipped_bytes += skipped.length;
                    }
                }
                return Ok(Some(item));
            }
            Ok(None) => {
                self.done = true;
                return Ok(None);
            }
            Err(fault) => fault,
        };
        self.check_source()?;
        if self.options.damaged == Damaged::Error {
            self.done = true;
            let Fault { field, reason, .. } = fault;
            return Err(Error::Foreign {
                file: self.file.clone(),
                format: "WARC",
                offset: start,
                field: field.into(),
                reason,
            });
        }
        let Fault { field, reason, id, inside } = fault;
        // Behind a damaged record its member may hold others.
        let member = inside && self.packing() != Packing::Plain && self.stream.open;
        let (within, goes_on) = match member.then(|| self.stream.find_inside(self.begun)) {
            Some(Ok(found)) => (self.begun, found),
            _ => {
                self.done = !self.stream.find_record(start).unwrap_or(false);
                (0, false)
            }
        };
        self.check_source()?;
        let length = if goes_on { 0 } else { self.stream.offset().saturating_sub(start) };
        self.counts.damaged += 1;
        self.counts.skipped_bytes += length;
        Ok(Some(Item::Skipped(Skipped {
            why: Why::Damaged,
            offset: start,
            length,
            within,
            id,
            field,
            reason,
        })))
    }

    /// A source that fails is an error under any policy.
    fn check_source(&mut self) -> Result<()> {
        match self.stream.failure() {
            None => Ok(()),
            Some(error) => {
                self.done = true;
                Err(fs::Error::new("read", Path::new(&self.file), error).into())
            }
        }
    }

    /// A record, or where and why there is none.
    fn step(&mut self) -> std::result::Result<Option<Item>, (u64, Fault)> {
        loop {
            if !self.stream.open {
                let here = self.stream.offset();
                match self.stream.open_member() {
                    Ok(Start::Member) => {}
                    Ok(Start::End) => return Ok(None),
                    Ok(Start::Garbage) => {
                        let reason = "neither a gzip member nor a zstd frame starts here";
                        return Err((self.stream.offset(), Fault::new("member", reason)));
                    }
                    Err(error) => return Err((here, Fault::of_io("member", &error))),
                }
            }
            let packed = self.stream.packing() != Packing::Plain;
            let member = self.stream.member;
            let place = |at: u64| if packed { member } else { at };
            let at = self.stream.within;
            let ended = self.blank_lines().map_err(|e| (place(at), Fault::of_io("header", &e)))?;
            if ended {
                if !packed {
                    return Ok(None);
                }
                self.stream.open = false;
                continue;
            }
            self.stream.mark_record(self.options.damaged == Damaged::Skip);
            self.begun = self.stream.within;
            let start = place(self.stream.within);
            return self.record(start).map(Some).map_err(|fault| (start, fault));
        }
    }

    /// Pass over line ends. True at the end of the member or plain file.
    fn blank_lines(&mut self) -> io::Result<bool> {
        loop {
            let next = self.stream.fill()?;
            if next.is_empty() {
                return Ok(true);
            }
            let blank = next.iter().take_while(|&&b| b == b'\r' || b == b'\n').count();
            let more = blank == next.len();
            self.stream.consume(blank);
            if !more {
                return Ok(false);
            }
        }
    }

    fn record(&mut self, offset: u64) -> std::result::Result<Item, Fault> {
        let within = if self.packing() == Packing::Plain { 0 } else { self.stream.within };
        let header = self.header()?;
        let id = header.id.clone();
        let with_id = |fault: Fault| Fault { id: Some(id.clone()), ..fault };
        if header.length > self.options.max_bytes {
            self.pass(header.length).map_err(with_id)?;
            let end = self.end().map_err(with_id)?;
            let reason = format!(
                "the block has {}, more than the {} that are allowed",
                units::bytes(header.length),
                units::bytes(self.options.max_bytes)
            );
            let length = end.unwrap_or_else(|| self.stream.offset()).saturating_sub(offset);
            let skipped = Skipped {
                why: Why::TooLarge,
                offset,
                length,
                within,
                id: Some(header.id),
                field: "Content-Length",
                reason,
            };
            return Ok(Item::Skipped(skipped));
        }
        let payload = self.block(header.length).map_err(with_id)?;
        let end = self.end().map_err(with_id)?;
        let field = |name: &str| header.fields.get(name).map(str::to_string);
        Ok(Item::Record(Box::new(Record {
            kind: header.kind,
            id: header.id,
            target_uri: field("WARC-Target-URI").map(|uri| bare(&uri).to_string()),
            date: field("WARC-Date"),
            content_type: field("Content-Type"),
            truncated: field("WARC-Truncated"),
            version: header.version,
            fields: header.fields,
            payload,
            span: Span { offset, length: end.map(|end| end.saturating_sub(offset)), within },
        })))
    }

    /// Version line and named fields, up to the empty line.
    fn header(&mut self) -> std::result::Result<Header, Fault> {
        let cut = |error: io::Error| Fault::of_io("header", &error);
        let mut block: Vec<u8> = Vec::new();
        let mut first_line = None;
        loop {
            let next = self.stream.fill().map_err(cut)?;
            let ended = next.is_empty();
            let line_end = next.iter().position(|&b| b == b'\n');
            let taken = line_end.map_or(next.len(), |at| at + 1);
            block.extend_from_slice(&next[..taken]);
            self.stream.consume(taken);
            // A message shows the same bytes in whatever pieces they come.
            if first_line.is_none()
                && (block.len() >= SHOWN || line_end.is_some() || ended)
                && !block.starts_with(&b"WARC/"[..block.len().min(5)])
            {
                let found = String::from_utf8_lossy(&block[..block.len().min(SHOWN)]).trim_end().to_string();
                return Err(Fault::new(
                    "version",
                    format!("expected `WARC/1.0` or `WARC/1.1`, found `{found}`"),
                ));
            }
            if ended {
                return Err(Fault::new("header", "the file ends in the middle of it"));
            }
            if block.len() > HEADER {
                return Err(Fault::new("header", "more than 1 MiB before the first empty line"));
            }
            if line_end.is_none() {
                continue;
            }
            match first_line {
                None => first_line = Some(block.len()),
                Some(_) if block.ends_with(b"\n\n") || block.ends_with(b"\n\r\n") => break,
                Some(_) => {}
            }
        }
        Header::parse(&block, first_line.unwrap_or(0))
    }

    /// The block of a record. No room is made for more than has arrived.
    fn block(&mut self, length: u64) -> std::result::Result<Vec<u8>, Fault> {
        let mut payload = Vec::with_capacity(length.min(TRUSTED) as usize);
        self.each_part(length, |part| payload.extend_from_slice(part))?;
        Ok(payload)
    }

    fn pass(&mut self, length: u64) -> std::result::Result<(), Fault> {
        self.each_part(length, |_| {})
    }

    fn each_part(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> std::result::Result<(), Fault> {
        let mut left = length;
        while left > 0 {
            let next = self.stream.fill().map_err(|e| Fault::of_io("block", &e))?;
            if next.is_empty() {
                let got = length - left;
                let reason = format!("the block ends after {got} bytes of {length}");
                return Err(Fault::new("Content-Length", reason));
            }
            let n = next.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&next[..n]);
            self.stream.consume(n);
            left -= n as u64;
        }
        Ok(())
    }

    /// The blank lines behind a record, and where it ends in the file, if that can be said.
    fn end(&mut self) -> std::result::Result<Option<u64>, Fault> {
        let before = self.stream.within;
        let ended = self.blank_lines().map_err(|e| Fault::of_io("member", &e))?;
        if self.packing() == Packing::Plain {
            if !ended && self.stream.within == before {
                return Err(Fault::new("Content-Length", "no empty line follows the block"));
            }
            return Ok(Some(self.stream.offset()));
        }
        if !ended {
            let next = self.stream.ahead(5).map_err(|e| Fault::of_io("member", &e))?;
            let starts = b"WARC/".iter().zip(next).all(|(a, b)| a == b);
            return if starts {
                Ok(None)
            } else {
                Err(Fault::new("Content-Length", "the member goes on behind the block"))
            };
        }
        self.stream.open = false;
        Ok(Some(self.stream.offset()))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        Reader::next(self).transpose()
    }
}

/// A value without angle brackets around it.
fn bare(value: &str) -> &str {
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value)
}

struct Header {
    version: String,
    kind: Kind,
    id: String,
    length: u64,
    fields: Fields,
}

impl Header {
    /// `block` is the header with its version line, which has `first` bytes.
    fn parse(block: &[u8], first: usize) -> std::result::Result<Header, Fault> {
        let line = String::from_utf8_lossy(&block[..first.min(block.len())]);
        let version = line.trim().trim_start_matches("WARC/").to_string();
        if !matches!(version.as_str(), "1.0" | "1.1") {
            let found: String = line.trim().chars().take(20).collect();
            return Err(Fault::new("version", format!("expected `WARC/1.0` or `WARC/1.1`, found `{found}`")));
        }
        let (fields, odd) = Fields::parse(&block[first.min(block.len())..]);
        let id = fields.get("WARC-Record-ID").map(|id| bare(id).to_string());
        let fault = |field, reason: String| Fault { id: id.clone(), ..Fault::new(field, reason) };
        if let Some(odd) = odd {
            return Err(fault("header", format!("the line `{odd}` has no colon")));
        }
        let missing = |field| fault(field, "the field is missing".into());
        let kind = Kind::of_name(fields.get("WARC-Type").ok_or_else(|| missing("WARC-Type"))?);
        let length = fields.get("Content-Length").ok_or_else(|| missing("Content-Length"))?;
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse::<u64>().ok().filter(|_| digits).ok_or_else(|| {
            let shown: String = length.chars().take(30).collect();
            fault("Content-Length", format!("expected a number of bytes, found `{shown}`"))
        })?;
        let id = id.clone().ok_or_else(|| missing("WARC-Record-ID"))?;
        Ok(Header { version, kind, id, length, fields })
    }
}
