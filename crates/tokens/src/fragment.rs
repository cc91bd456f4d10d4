//! The fragment table: 16 bytes a fragment, little endian, the only authority on where documents begin and end.
//!
//! | bytes | field |
//! |---|---|
//! | 0..5 | first slot in the stream, u40 |
//! | 5..9 | ordinal of the document in its corpus, u32 |
//! | 9..13 | first byte in the kept text, u32 |
//! | 13..15 | flags, u16: 1 begins the document, 2 ends it; the other 14 bits are the number of the copy, from 0 |
//! | 15 | reserved, 0 |

/// Bytes a fragment takes in the table.
pub const FRAGMENT_BYTES: usize = 16;

/// Slots that a stream can have: the start is kept in 40 bits.
pub const MAX_SLOTS: u64 = 1 << 40;

/// Copies that a document can have.
pub const MAX_COPIES: u16 = 1 << (16 - COPY);

const FIRST: u16 = 1;
const LAST: u16 = 2;
/// Bits before the number of the copy.
const COPY: u32 = 2;

/// The part of one document that lies in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// First slot in the stream.
    pub start: u64,
    /// Ordinal of the document in its corpus.
    pub ordinal: u32,
    /// First byte in the kept text of the document.
    pub byte: u32,
    /// Whether it holds the document's first slot.
    pub first: bool,
    /// Whether it holds the document's last slot, the end token.
    pub last: bool,
    /// Which copy of the document it belongs to, from 0 and below [`MAX_COPIES`].
    pub copy: u16,
}

impl Fragment {
    /// The row of the table.
    pub fn encode(&self) -> [u8; FRAGMENT_BYTES] {
        let mut row = [0; FRAGMENT_BYTES];
        row[..5].copy_from_slice(&self.start.to_le_bytes()[..5]);
        row[5..9].copy_from_slice(&self.ordinal.to_le_bytes());
        row[9..13].copy_from_slice(&self.byte.to_le_bytes());
        let flags = if self.first { FIRST } else { 0 } | if self.last { LAST } else { 0 } | self.copy << COPY;
        row[13..15].copy_from_slice(&flags.to_le_bytes());
        row
    }

    /// The fragment in a row of the table; none if the row has bits that this version does not know.
    pub fn decode(row: &[u8; FRAGMENT_BYTES]) -> Option<Fragment> {
        (row[15] == 0).then(|| Fragment::decode_known(row))
    }

    /// As [`Fragment::decode`], for rows that were checked when the table was opened.
    pub(crate) fn decode_known(row: &[u8; FRAGMENT_BYTES]) -> Fragment {
        let flags = u16::from_le_bytes([row[13], row[14]]);
        Fragment {
            start: start_of(row),
            ordinal: u32::from_le_bytes([row[5], row[6], row[7], row[8]]),
            byte: u32::from_le_bytes([row[9], row[10], row[11], row[12]]),
            first: flags & FIRST != 0,
            last: flags & LAST != 0,
            copy: flags >> COPY,
        }
    }
}

/// First slot of the fragment in a row.
pub(crate) fn start_of(row: &[u8; FRAGMENT_BYTES]) -> u64 {
    u64::from_le_bytes([row[0], row[1], row[2], row[3], row[4], 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_go_back_and_forth(
            start in 0..MAX_SLOTS, ordinal: u32, byte: u32, first: bool, last: bool, copy in 0..MAX_COPIES,
        ) {
            let fragment = Fragment { start, ordinal, byte, first, last, copy };
            prop_assert_eq!(Fragment::decode(&fragment.encode()), Some(fragment));
        }
    }

    #[test]
    fn unknown_bits_are_refused() {
        let fragment = Fragment { start: 1, ordinal: 2, byte: 3, first: true, last: false, copy: 0 };
        let mut row = fragment.encode();
        row[15] = 1;
        assert_eq!(Fragment::decode(&row), None);
    }
}
