//! The bytes of a model file, and a reader that never runs past their end.

use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;
use regimen_base::fs;

use crate::error::{Error, Place, Result};

/// A model file in memory: mapped, or given as bytes.
pub(crate) enum Bytes {
    Map(Mmap),
    Memory(Vec<u8>),
}

impl Bytes {
    /// Map a file. Models have up to several gigabytes, of which a text touches a few rows; processes share the pages.
    pub fn open(path: &Path) -> Result<Bytes> {
        let file = fs::open(path)?;
        // SAFETY: the map is only read, and every read is checked against the length that it had when it was made. What
        // the language cannot rule out is that somebody else cuts or rewrites the file meanwhile; models are published
        // files that are replaced by rename, as downloads are, which leaves a map of the old file intact.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) };
        Ok(Bytes::Map(map.map_err(|e| fs::Error::new("map", path, e))?))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Map(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}

/// Reads numbers one after the other. Every length is checked against what is left.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    file: &'a str,
    format: &'static str,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], file: &'a str, format: &'static str) -> Cursor<'a> {
        Cursor { bytes, at: 0, file, format }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// An error at the place that was reached.
    pub fn refuse(&self, what: impl Into<String>) -> Error {
        let place = Place { file: self.file.into(), unit: "byte", number: self.at as u64 };
        Error::Model { place, format: self.format, what: what.into() }
    }

    /// The next `length` bytes, which hold `what`.
    pub fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8]> {
        if length > self.left() {
            let left = self.left();
            return Err(self.refuse(format!("{what} should have {length} bytes, the file has {left} left")));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(&self.bytes[start..self.at])
    }

    /// The bytes up to the next zero byte, which is passed over.
    pub fn until_zero(&mut self, what: &str) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == 0) else {
            return Err(self.refuse(format!("{what} has no end")));
        };
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64, what)?);
        Ok(out)
    }

    pub fn u8(&mut self, what: &str) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub fn i32(&mut self, what: &str) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    pub fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub fn i64(&mut self, what: &str) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    pub fn f32(&mut self, what: &str) -> Result<f32> {
        Ok(f32::from_le_bytes(self.array(what)?))
    }

    /// `count` numbers, copied.
    pub fn floats(&mut self, count: u64, what: &str) -> Result<Vec<f32>> {
        let length =
            count.checked_mul(4).ok_or_else(|| self.refuse(format!("{what} has {count} numbers")))?;
        let (numbers, _) = self.take(length, what)?.as_chunks::<4>();
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// A number that cannot be negative.
    pub fn natural(&mut self, what: &str) -> Result<u64> {
        let number = self.i64(what)?;
        u64::try_from(number).map_err(|_| self.refuse(format!("{what} is {number}")))
    }
}
