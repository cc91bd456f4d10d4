//! What the first pass leaves of a document.

use super::By;
use crate::error::{Error, Result};

/// One record of the first pass.
pub(super) struct Record<'r> {
    pub(super) id: &'r str,
    pub(super) source: &'r str,
    pub(super) code_points: u32,
    pub(super) bytes: u32,
    pub(super) day: Option<i32>,
    /// The byte of its file at which it begins.
    pub(super) start: u64,
    /// As many as were compared, each of one width, which the [`Layout`] says.
    pub(super) compared: &'r [u8],
    /// Where the [`Layout`] says so, the text; else nothing.
    pub(super) text: &'r str,
}

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// Bytes of each thing that is compared.
    pub width: usize,
    /// Whether the text stands behind them.
    pub text: bool,
}

impl Record<'_> {
    /// The code points of a paragraph, by its number; the whole text if there is none.
    pub(super) fn range(&self, number: u32) -> (u32, u32) {
        match self.compared.as_chunks::<16>().0.get(number as usize) {
            Some(&[_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h]) => {
                (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
            }
            None => (0, self.code_points),
        }
    }
}

impl By {
    pub(super) fn layout(&self) -> Layout {
        match self {
            By::Document { .. } | By::Url { .. } | By::Paragraph { .. } | By::Ngram { .. } => {
                Layout { width: 16, text: false }
            }
            By::Near { verify, .. } => Layout { width: 8, text: verify.is_some() },
            By::Substring { .. } => Layout { width: 1, text: true },
        }
    }
}

/// The text of a record that holds one.
pub(super) fn text_of(record: &[u8]) -> Result<&str> {
    let record = next(&mut &record[..], Layout { width: 8, text: true })?;
    Ok(record.ok_or(Error::Record { what: "a record between two passes" })?.text)
}

/// The next record; none at the end.
pub(super) fn next<'r>(left: &mut &'r [u8], layout: Layout) -> Result<Option<Record<'r>>> {
    if left.is_empty() {
        return Ok(None);
    }
    let mut take = |bytes: usize| -> Result<&'r [u8]> {
        let (head, rest) =
            left.split_at_checked(bytes).ok_or(Error::Record { what: "a record between two passes" })?;
        *left = rest;
        Ok(head)
    };
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
    let text = |bytes: &'r [u8]| {
        std::str::from_utf8(bytes).map_err(|_| Error::Record { what: "a record between two passes" })
    };
    let (id, source) = (number(take(4)?) as usize, number(take(4)?) as usize);
    let (id, source) = (text(take(id)?)?, text(take(source)?)?);
    let (code_points, bytes) = (number(take(4)?), number(take(4)?));
    let day = number(take(4)?) as i32;
    let count = number(take(4)?) as usize;
    let compared = take(count * layout.width)?;
    let text = text(take(if layout.text { bytes as usize } else { 0 })?)?;
    let day = (day != i32::MIN).then_some(day);
    Ok(Some(Record { id, source, code_points, bytes, day, start: 0, compared, text }))
}
