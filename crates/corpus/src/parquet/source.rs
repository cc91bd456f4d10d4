//! The bytes of a file, for the Parquet library and for the look at its headers before.

use std::sync::Arc;

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::fields::FOOTER;
use super::thrift::{Fault, walk};
use crate::error::Error;

/// Length of the end of a file: that of the footer in four bytes, and `PAR1`.
const END: u64 = 8;

/// Anything with chunks of bytes, shared.
pub(super) struct Shared<R>(pub Arc<R>);

impl<R: Length> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Shared<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> Result<R::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}

/// The same without its type.
pub(super) trait Source: Send + Sync {
    fn length(&self) -> u64;
    /// Bytes that lie inside of the file.
    fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>>;
}

impl<R: ChunkReader> Source for R {
    fn length(&self) -> u64 {
        self.len()
    }

    fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let end = at.checked_add(length as u64).filter(|&end| end <= self.len());
        match end {
            Some(_) => Ok(self.get_bytes(at, length)?.to_vec()),
            None => Err(ParquetError::General(format!("{length} bytes at {at} lie beyond the file"))),
        }
    }
}

/// What is no Parquet file is told before its footer is looked for.
pub(super) fn is_parquet(file: &str, source: &dyn Source) -> crate::error::Result<()> {
    let length = source.length().min(4) as usize;
    // A source that fails says so again where the footer is read.
    match source.bytes(0, length) {
        Ok(start) if start != b"PAR1" => {
            let found = start.escape_ascii().to_string();
            Err(Error::NotParquet { file: file.into(), found })
        }
        _ => Ok(()),
    }
}

/// Whether the footer claims no more than its bytes can hold. What is no Parquet file at all is left to the library.
pub(super) fn footer(source: &dyn Source) -> Result<()> {
    let length = source.length();
    let Some(start) = length.checked_sub(END) else { return Ok(()) };
    let end = source.bytes(start, END as usize)?;
    let Some((claimed, b"PAR1")) = end.split_first_chunk::<4>() else { return Ok(()) };
    let claimed = u64::from(u32::from_le_bytes(*claimed));
    let Some(at) = start.checked_sub(claimed) else { return Ok(()) };
    let bytes = source.bytes(at, claimed as usize)?;
    let mut columns = 0;
    // FileMetaData: 2 is the list of columns and groups, 5 of each the number of children.
    let walked = walk(&bytes, FOOTER, &mut |path, value| match path {
        [2] => {
            columns = value;
            Ok(())
        }
        [2, 5] if !(0..columns).contains(&value) => {
            Err(format!("a group of {value} columns in a schema of {columns} entries"))
        }
        _ => Ok(()),
    });
    match walked {
        Ok(_) => Ok(()),
        Err(Fault::Ended) => Err(ParquetError::General("the footer is cut".into())),
        Err(Fault::Wrong(reason)) => Err(ParquetError::General(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8], claimed: u32) -> Result<()> {
        let file = [b"PAR1", bytes, &claimed.to_le_bytes(), b"PAR1"].concat();
        footer(&bytes::Bytes::from(file))
    }

    #[test]
    fn footers_may_not_claim_more_than_they_hold() {
        let why = |bytes: &[u8]| told(bytes, bytes.len() as u32).unwrap_err().to_string();
        assert!(
            why(&[0xf9, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07]).contains("a list of 2147483647 truth values")
        );
        assert!(why(&[0x18, 1, 0, 0]).contains("field 1 has type 8, and must be a whole number"));
        // Version 1; a schema of one entry, which has 2^30 children.
        let children = [0x15, 2, 0x19, 0x1c, 0x55, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0];
        assert!(
            why(&children).contains("a group of 1073741824 columns in a schema of 1 entries"),
            "{}",
            why(&children)
        );
        assert!(why(&children[..9]).contains("the footer is cut"));
        assert!(told(&[0x15, 2, 0x19, 0x0c, 0], 5).is_ok());
        // What is no footer is left to the library.
        assert!(told(&[0], 999).is_ok());
        assert!(footer(&bytes::Bytes::from_static(b"PAR1")).is_ok());
        let beyond = Source::bytes(&bytes::Bytes::from_static(b"PAR1"), 2, 3).unwrap_err().to_string();
        assert!(beyond.contains("lie beyond the file"), "{beyond}");
    }
}
