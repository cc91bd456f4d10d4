//! The document table `docs.tbl`: a header of 64 bytes, then one row of 64 bytes per document, little endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | document key: blake3-128(source name, 0, own id) |
//! | 16..32 | content hash: blake3-128 of the text as it was read, before edits, and in NFC if the source asks for that |
//! | 32..34, 34..36 | source, licence: numbers in the dictionaries of `names.json` |
//! | 36 | author kind: 0 unknown, 1 human, 2 machine, 3 mixed |
//! | 37 | confidence in the author kind: 255 stated, 0 unknown |
//! | 38 | generation: 0 human or unknown, 1 written by a machine or with its help |
//! | 39 | flags: 1 validation, 2 repaired (invalid UTF-8 was replaced), 4 the source gave the id, 8 brought into NFC |
//! | 40..44, 44..48 | file (number in `names.json`), line or block in it, from 1 |
//! | 48..52 | bytes of text, also of a dropped document |
//! | 52..56 | ordinal of the kept document that stands for this copy (same URL, same or nearly the same text); 0xFFFFFFFF for none |
//! | 56..60 | day of creation since 1970-01-01; -2^31 for none |
//! | 60..62 | reason for the drop: number in `names.json`, 0 for a kept document |
//! | 62..64 | how often the document is taken for training, less 1 |

use regimen_base::DocKey;

use crate::author::Author;
use crate::split::Split;

/// Length of the header and of each row in bytes.
pub const ROW: usize = 64;
/// The first eight bytes of the file.
const MAGIC: &[u8; 8] = b"RGMNDOCS";
/// Version of the layout.
const VERSION: u32 = 1;
const NOBODY: u32 = u32::MAX;
const NO_DAY: i32 = i32::MIN;

/// One document, without its text and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Identity: blake3-128(source name, 0, own id).
    pub key: DocKey,
    /// blake3-128 of the text as it was read, before edits; of the normalised text if its source asks for NFC.
    pub content: DocKey,
    /// Number of the source.
    pub source: u16,
    /// Number of the licence.
    pub licence: u16,
    /// Who wrote it.
    pub author: Author,
    /// Training or validation; of a document that was dropped the one that it would have been in.
    pub split: Split,
    /// Whether invalid UTF-8 was replaced in the text.
    pub repaired: bool,
    /// Whether the text was brought into Unicode NFC, so that its bytes are not those of the source.
    pub normalised: bool,
    /// Whether the source gave the id; otherwise it is the path and line.
    pub own_id: bool,
    /// Number of the input file.
    pub file: u32,
    /// Line in a file of rows, block of a text that was cut, from 1.
    pub line: u32,
    /// Bytes of text, also of a dropped document.
    pub bytes: u32,
    /// The kept document that stands for this one, if it is a copy: of the same URL, or the same or nearly the same text.
    pub representative: Option<u32>,
    /// Day of creation, counted from 1970-01-01.
    pub created: Option<i32>,
    /// Why it was dropped: number of the reason.
    pub dropped: Option<u16>,
    /// How often it is taken for training, if it is kept for that: from 1. Its text is stored once.
    pub copies: u16,
}

impl Row {
    /// Whether the document is in the corpus.
    pub fn kept(&self) -> bool {
        self.dropped.is_none()
    }

    /// The row as it stands in the file.
    pub fn encode(&self) -> [u8; ROW] {
        let mut out = [0u8; ROW];
        let known = self.author != Author::Unknown;
        let synthetic = matches!(self.author, Author::Machine | Author::Mixed);
        out[0..16].copy_from_slice(&self.key.0);
        out[16..32].copy_from_slice(&self.content.0);
        out[32..34].copy_from_slice(&self.source.to_le_bytes());
        out[34..36].copy_from_slice(&self.licence.to_le_bytes());
        out[36] = self.author.code();
        out[37] = if known { 255 } else { 0 };
        out[38] = u8::from(synthetic);
        out[39] = u8::from(self.split == Split::Validation)
            | u8::from(self.repaired) << 1
            | u8::from(self.own_id) << 2
            | u8::from(self.normalised) << 3;
        out[40..44].copy_from_slice(&self.file.to_le_bytes());
        out[44..48].copy_from_slice(&self.line.to_le_bytes());
        out[48..52].copy_from_slice(&self.bytes.to_le_bytes());
        out[52..56].copy_from_slice(&self.representative.unwrap_or(NOBODY).to_le_bytes());
        out[56..60].copy_from_slice(&self.created.unwrap_or(NO_DAY).to_le_bytes());
        out[60..62].copy_from_slice(&self.dropped.unwrap_or(0).to_le_bytes());
        out[62..64].copy_from_slice(&self.copies.saturating_sub(1).to_le_bytes());
        out
    }

    /// The row at the start of `bytes`. An author kind of a newer program reads as unknown.
    pub fn decode(bytes: &[u8; ROW]) -> Row {
        let representative = u32::from_le_bytes(part(bytes, 52));
        let created = i32::from_le_bytes(part(bytes, 56));
        let reason = u16::from_le_bytes(part(bytes, 60));
        let flags = bytes[39];
        Row {
            key: DocKey(part(bytes, 0)),
            content: DocKey(part(bytes, 16)),
            source: u16::from_le_bytes(part(bytes, 32)),
            licence: u16::from_le_bytes(part(bytes, 34)),
            author: Author::from_code(bytes[36]),
            split: if flags & 1 != 0 { Split::Validation } else { Split::Train },
            repaired: flags & 2 != 0,
            own_id: flags & 4 != 0,
            normalised: flags & 8 != 0,
            file: u32::from_le_bytes(part(bytes, 40)),
            line: u32::from_le_bytes(part(bytes, 44)),
            bytes: u32::from_le_bytes(part(bytes, 48)),
            representative: (representative != NOBODY).then_some(representative),
            created: (created != NO_DAY).then_some(created),
            dropped: (reason != 0).then_some(reason),
            copies: u16::from_le_bytes(part(bytes, 62)).saturating_add(1),
        }
    }
}

fn part<const N: usize>(bytes: &[u8; ROW], from: usize) -> [u8; N] {
    let mut out = [0u8; N];
    out.copy_from_slice(&bytes[from..from + N]);
    out
}

/// The header of a table of `rows` rows.
pub(crate) fn header(rows: u64) -> [u8; ROW] {
    let mut out = [0u8; ROW];
    out[0..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&(ROW as u32).to_le_bytes());
    out[16..24].copy_from_slice(&rows.to_le_bytes());
    out
}

/// The rows of a table file, once its header and length are found to agree.
pub(crate) fn rows(file: &[u8]) -> Result<&[[u8; ROW]], String> {
    let (all, rest) = file.as_chunks::<ROW>();
    let Some((head, rows)) = all.split_first() else {
        return Err(format!("it has {} bytes, less than its header", file.len()));
    };
    if head[0..8] != *MAGIC {
        return Err("it does not begin as a document table".into());
    }
    let version = u32::from_le_bytes(part(head, 8));
    if version != VERSION {
        return Err(format!("it has version {version}, this program reads version {VERSION}"));
    }
    let expected = u64::from_le_bytes(part(head, 16));
    if rows.len() as u64 != expected || !rest.is_empty() {
        return Err(format!("it should have {expected} rows, its length says {}", rows.len()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_row()(
            key: [u8; 16], content: [u8; 16], source: u16, licence: u16, author in 0u8..4, validation: bool,
            repaired: bool, own_id: bool, normalised: bool, file: u32, line: u32, bytes: u32,
            representative in proptest::option::of(0..NOBODY), created in proptest::option::of(NO_DAY + 1..),
            dropped in proptest::option::of(1u16..), copies in 1u16..,
        ) -> Row {
            Row {
                key: DocKey(key), content: DocKey(content), source, licence, author: Author::from_code(author),
                split: if validation { Split::Validation } else { Split::Train }, repaired, own_id, normalised, file, line,
                bytes, representative, created, dropped, copies,
            }
        }
    }

    proptest! {
        #[test]
        fn rows_go_through_the_file_and_back(rows_in in proptest::collection::vec(any_row(), 0..20)) {
            let mut file = header(rows_in.len() as u64).to_vec();
            for row in &rows_in {
                file.extend_from_slice(&row.encode());
            }
            let out: Vec<Row> = rows(&file).unwrap().iter().map(Row::decode).collect();
            prop_assert_eq!(out, rows_in);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(rows) = rows(&bytes) {
                prop_assert!(rows.iter().map(Row::decode).all(|row| row.dropped != Some(0)));
            }
        }
    }

    #[test]
    fn a_wrong_head_or_length_is_named() {
        let mut file = header(1).to_vec();
        assert_eq!(rows(&file).unwrap_err(), "it should have 1 rows, its length says 0");
        file.extend_from_slice(&[0; ROW]);
        assert!(rows(&file).is_ok());
        assert!(rows(&file[..80]).is_err());
        assert!(rows(&file[..10]).unwrap_err().contains("10 bytes"));
        file[8] = 9;
        assert!(rows(&file).unwrap_err().contains("version 9"));
        file[0] = b'x';
        assert!(rows(&file).unwrap_err().contains("does not begin"));
    }
}
