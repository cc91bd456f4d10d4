//! One input file as a stream of plain bytes: opened, counted, decompressed.

use std::io::{self, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::{fs, units};
use regimen_recipe::InputFile;

use crate::error::{Error, Result};
use crate::read::gzip::Members;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn name(self) -> &'static str {
        match self {
            Packing::Plain => "plain",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }

    /// What the name of a file says, and the name without it.
    pub fn of_name(path: &str) -> (Packing, &str) {
        if let Some(rest) = path.strip_suffix(".gz") {
            (Packing::Gzip, rest)
        } else if let Some(rest) = path.strip_suffix(".zst") {
            (Packing::Zstd, rest)
        } else {
            (Packing::Plain, path)
        }
    }

    /// Whether no file that is packed so begins with these bytes; fewer of them may be the begin of one that was cut off.
    fn is_refused(self, start: &[u8]) -> bool {
        let begins = |magic: &[u8]| start.iter().zip(magic).all(|(found, wanted)| found == wanted);
        match self {
            Packing::Plain => false,
            Packing::Gzip => !begins(&[0x1f, 0x8b]),
            // A frame, one of the formats before it, or one that is to be skipped.
            Packing::Zstd => {
                let rest =
                    |magic: &[u8]| start.iter().skip(1).zip(magic).all(|(found, wanted)| found == wanted);
                !rest(&[0xb5, 0x2f, 0xfd]) && !rest(&[0x2a, 0x4d, 0x18])
            }
        }
    }

    /// What the first bytes say. Neither of the two signatures can begin a text in UTF-8.
    fn of_start(bytes: &[u8]) -> Option<Packing> {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            Some(Packing::Gzip)
        } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Some(Packing::Zstd)
        } else {
            None
        }
    }
}

/// Counts what is read from the disk, for the progress line.
struct Counting {
    inner: std::fs::File,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// An input file, open for reading.
pub(crate) struct Stream {
    inner: Box<dyn Read + Send>,
    packing: Packing,
    file: InputFile,
    window_log: u32,
}

impl Stream {
    /// Open a file; `read` counts the bytes taken from the disk.
    pub fn open(file: &InputFile, read: Arc<AtomicU64>) -> Result<Stream> {
        // Files packed with `zstd --long` ask for windows of up to 2 GiB.
        Stream::open_within(file, read, 31)
    }

    /// The same, with windows of at most 2 to the power of `window_log` bytes.
    pub fn open_within(file: &InputFile, read: Arc<AtomicU64>, window_log: u32) -> Result<Stream> {
        let inner = fs::open(&file.full)?;
        let mut start = [0u8; 4];
        let length = fill(&mut &inner, &mut start).map_err(|e| fs::Error::new("read", &file.full, e))?;
        io::Seek::seek(&mut &inner, io::SeekFrom::Start(0))
            .map_err(|e| fs::Error::new("read", &file.full, e))?;
        let named = Packing::of_name(&file.path).0;
        let start = &start[..length];
        let packing = Packing::of_start(start).unwrap_or(named);
        if packing.is_refused(start) {
            let reason = format!("it is not {}: it begins with `{}`", packing.name(), start.escape_ascii());
            return Err(Error::Compressed { file: file.path.clone(), format: packing.name(), reason });
        }
        let counting = Counting { inner, read };
        let packed = |counting| BufReader::with_capacity(1 << 17, counting);
        let inner: Box<dyn Read + Send> = match packing {
            _ if length == 0 => Box::new(io::empty()),
            Packing::Plain => Box::new(counting),
            Packing::Gzip => Box::new(Members::new(packed(counting))),
            Packing::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(packed(counting));
                let decoder = decoder.and_then(|mut d| d.window_log_max(window_log).map(|()| d));
                Box::new(decoder.map_err(|e| fs::Error::new("open", &file.full, e))?)
            }
        };
        Ok(Stream { inner, packing, file: file.clone(), window_log })
    }

    /// Append up to `bytes` bytes to `buffer`, fewer only at the end of the file. Gives back how many.
    pub fn append(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> Result<usize> {
        let start = buffer.len();
        // Of a limit that only great files reach nothing is reserved.
        buffer.reserve(bytes.min(1 << 20));
        let taken = self.inner.by_ref().take(bytes as u64).read_to_end(buffer);
        taken.map_err(|error| self.explain(error))?;
        Ok(buffer.len() - start)
    }

    /// The path of the file, relative to the project root.
    pub fn path(&self) -> &str {
        &self.file.path
    }

    fn explain(&self, error: io::Error) -> Error {
        let (file, format) = (self.file.path.clone(), self.packing.name());
        match (self.packing, error.kind()) {
            (Packing::Plain, _) => fs::Error::new("read", &self.file.full, error).into(),
            (_, ErrorKind::UnexpectedEof) => Error::Truncated { file, format },
            // The system's own errors (a bad disk) have a number, those of the decompressors do not.
            _ if error.raw_os_error().is_some() => fs::Error::new("read", &self.file.full, error).into(),
            _ => {
                let reason = error.to_string();
                let window = units::bytes(1 << self.window_log);
                // What zstd says of a window that is too large.
                let reason = match reason.contains("too much memory") {
                    true => format!(
                        "it asks for a window of more than {window}; allow more with `memory` (--memory)"
                    ),
                    false => reason,
                };
                Error::Compressed { file, format, reason }
            }
        }
    }
}

fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}
