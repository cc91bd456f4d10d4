//! Where a record lies in its file, as bytes that the corpus keeps beside its documents.

use std::fmt;

use crate::error::{Error, Result};

/// Where a record lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// Offset of the compressed member that holds it; of the record itself in a plain file.
    pub offset: u64,
    /// Bytes of that member; of the record with the blank lines behind it in a plain file. `None` where a member goes on
    /// behind the record, so that the end of the member was not yet known.
    pub length: Option<u64>,
    /// Unpacked bytes of the member before the record: 0 where each record has a member of its own.
    pub within: u64,
}

impl fmt::Display for Span {
    /// `bytes 12345..14567`, and `bytes 12345..14567, unpacked from byte 800 on` where the member holds records before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "bytes {}..{}", self.offset, self.offset.saturating_add(length))?,
            None => write!(f, "bytes from {} on", self.offset)?,
        }
        if self.within > 0 { write!(f, ", unpacked from byte {} on", self.within) } else { Ok(()) }
    }
}

impl Span {
    /// Append it: offset, length and, unless it is 0, `within`, as LEB128. An unknown length is written as 0, for no record
    /// has no bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |mut n: u64| {
            while n >= 128 {
                out.push(n as u8 | 128);
                n >>= 7;
            }
            out.push(n as u8);
        };
        put(self.offset);
        put(self.length.unwrap_or(0));
        if self.within > 0 {
            put(self.within);
        }
    }

    /// Read what [`Span::encode`] wrote; none for no bytes.
    ///
    /// # Errors
    /// [`Error::Record`] for other bytes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Option<Span>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let offset = number(&mut bytes)?;
        let length = number(&mut bytes)?;
        let within = if bytes.is_empty() { 0 } else { number(&mut bytes)? };
        if bytes.is_empty() {
            Ok(Some(Span { offset, length: (length > 0).then_some(length), within }))
        } else {
            Err(bad())
        }
    }
}

fn bad() -> Error {
    Error::Record { what: "the place of a document in its file" }
}

fn number(bytes: &mut &[u8]) -> Result<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(bad)?;
        *bytes = rest;
        n |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(n);
        }
    }
    Err(bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_told_in_words() {
        let span = Span { offset: 12345, length: Some(2222), within: 0 };
        assert_eq!(span.to_string(), "bytes 12345..14567");
        let inner = Span { within: 800, ..span };
        assert_eq!(inner.to_string(), "bytes 12345..14567, unpacked from byte 800 on");
        assert_eq!(Span { length: None, ..span }.to_string(), "bytes from 12345 on");
        let mut bytes = Vec::new();
        span.encode(&mut bytes);
        assert_eq!(bytes.len(), 4);
    }

    proptest! {
        #[test]
        fn places_come_back(offset: u64, length in prop::option::of(1u64..), within: u64) {
            let span = Span { offset, length, within };
            let mut bytes = Vec::new();
            span.encode(&mut bytes);
            prop_assert_eq!(Span::decode(&bytes).unwrap(), Some(span));
            prop_assert_eq!(Span::decode(&[]).unwrap(), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Span::decode(&bytes);
        }
    }
}
