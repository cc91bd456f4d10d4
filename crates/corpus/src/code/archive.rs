//! The entries of a tar archive, one after the other. Names and sizes in it are not trusted: long names are read up to a
//! limit, contents as far as they are asked for.

use std::io::{self, Read};

use super::folder::is_repository;

/// Bytes of a long name or of extended headers at most.
const NAME: u64 = 1 << 16;
const BLOCK: u64 = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    File,
    /// Part of the folder of a version control system.
    Repository,
    /// A link, a device, or a name that cannot be written.
    Other,
}

/// An entry of a tree that is no folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub path: String,
    pub bytes: u64,
    pub what: What,
}

/// What is wrong with an archive, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub offset: u64,
    pub field: &'static str,
    pub reason: String,
}

pub(super) struct Archive<R> {
    reader: R,
    /// Unpacked bytes used so far.
    offset: u64,
    /// Content of the last entry that was not read, and the padding behind it.
    left: u64,
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub fn new(reader: R) -> Archive<R> {
        Archive { reader, offset: 0, left: 0, padding: 0 }
    }

    fn fault(&self, field: &'static str, reason: impl Into<String>) -> Fault {
        Fault { offset: self.offset, field, reason: reason.into() }
    }

    fn io(&self, field: &'static str, error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.fault(field, "the archive ends in the middle of it"),
            _ => self.fault(field, error.to_string()),
        }
    }

    /// Pass over bytes.
    fn pass(&mut self, bytes: u64) -> Result<(), Fault> {
        let passed = io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink());
        let passed = passed.map_err(|e| self.io("content", &e))?;
        self.offset += passed;
        if passed < bytes {
            Err(self.fault("content", "the archive ends in the middle of it"))
        } else {
            Ok(())
        }
    }

    /// Add up to `most` bytes of the last entry to `out`.
    pub fn content(&mut self, most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        let wanted = self.left.min(most);
        let got = self.reader.by_ref().take(wanted).read_to_end(out);
        let got = got.map_err(|e| self.io("content", &e))? as u64;
        self.offset += got;
        self.left -= got;
        if got < wanted { Err(self.fault("content", "the archive ends in the middle of it")) } else { Ok(()) }
    }

    /// A header block. None at the end: a block of zeros or, as some tools leave it, the end of the file.
    fn header(&mut self) -> Result<Option<tar::Header>, Fault> {
        // Not their sum, which a header can make larger than any number.
        self.pass(self.left)?;
        self.pass(self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut block = Vec::with_capacity(BLOCK as usize);
        let got = self.reader.by_ref().take(BLOCK).read_to_end(&mut block);
        got.map_err(|e| self.io("header", &e))?;
        if block.is_empty() || block.iter().all(|&b| b == 0) && block.len() as u64 == BLOCK {
            return Ok(None);
        }
        let mut header = tar::Header::new_old();
        if block.len() as u64 != BLOCK {
            return Err(self.fault("header", "the archive ends in the middle of it"));
        }
        header.as_mut_bytes().copy_from_slice(&block);
        // The checksum counts its own field as spaces.
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, &b)| if (148..156).contains(&at) { 32 } else { u32::from(b) })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(self.fault(
                "checksum",
                "the header does not have the sum that it says; this is no tar archive, or a damaged one",
            ));
        }
        let size = header.entry_size().map_err(|e| self.fault("size", e.to_string()))?;
        self.offset += BLOCK;
        self.left = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
        Ok(Some(header))
    }

    /// The next entry that is no folder.
    pub fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let (mut long, mut size) = (None, None);
        while let Some(header) = self.header()? {
            let kind = header.entry_type();
            if kind.is_gnu_longname()
                || kind.is_gnu_longlink()
                || kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions()
            {
                if self.left > NAME {
                    return Err(self.fault("name", format!("a name of {} bytes, more than 65536", self.left)));
                }
                let mut text = Vec::new();
                self.content(NAME, &mut text)?;
                if kind.is_gnu_longname() {
                    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
                    long = Some(text[..end].to_vec());
                } else if kind.is_pax_local_extensions() {
                    for (key, value) in pax(&text) {
                        match key {
                            b"path" => long = Some(value.to_vec()),
                            b"size" => {
                                size = std::str::from_utf8(value).ok().and_then(|v| v.parse::<u64>().ok());
                            }
                            _ => {}
                        }
                    }
                }
                continue;
            }
            if let Some(size) = size.take() {
                self.left = size;
                self.padding = (BLOCK - size % BLOCK) % BLOCK;
            }
            let raw = long.take().unwrap_or_else(|| header.path_bytes().into_owned());
            if kind.is_dir() || raw.ends_with(b"/") {
                continue;
            }
            let name = String::from_utf8_lossy(&raw);
            let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
            let path = parts.join("/");
            let named = !path.is_empty() && !parts.contains(&"..") && std::str::from_utf8(&raw).is_ok();
            let what = if is_repository(&path) {
                What::Repository
            } else if (kind.is_file() || kind.is_contiguous()) && named {
                What::File
            } else {
                What::Other
            };
            return Ok(Some(Entry { path, bytes: self.left, what }));
        }
        Ok(None)
    }
}

/// Extended headers (POSIX pax): `LENGTH KEY=VALUE` and a line feed, `LENGTH` counting all of it.
fn pax(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some(space) = rest.iter().position(|&b| b == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|n| n.parse::<usize>().ok());
        let Some(length) = length.filter(|&n| n > space + 1 && n <= rest.len()) else { break };
        let line = &rest[space + 1..length];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(equals) = line.iter().position(|&b| b == b'=') {
            pairs.push((&line[..equals], &line[equals + 1..]));
        }
        rest = &rest[length..];
    }
    pairs
}
