//! Repeats in the kept texts: what comes again is cut out, be it a paragraph or any stretch of bytes.
//!
//! Stretches are compared after all else: they are looked for in what documents, mix and paragraphs left of the texts, so nothing
//! stays away for a text that is not there. Of all places where the same bytes occur, the first in document order stays as it is.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::config::Config;
use crate::dedup::substring::Take;
use crate::dedup::{Budget, Span, Substrings};
use crate::edit::{self, Cut};
use crate::error::{Error, Result};
use crate::paragraphs::Compared;
use crate::part::{Reader, Records};
use crate::resolve::{Part, Standing};
use crate::rounds::{Pairs, pairs};

/// Bytes of records that are read and cut at once.
const BATCH: usize = 8 << 20;

/// The numbers of a document in a file of pairs of ordinal and number, of which the first `at` bytes are about documents before it.
/// Gives back how many bytes are about this one.
pub(crate) fn numbers_of(file: &[u8], at: usize, ordinal: u32, out: &mut Vec<u32>) -> usize {
    let before = out.len();
    let rest = file.get(at..).unwrap_or_default();
    out.extend(pairs(rest).take_while(|&(of, _)| of == ordinal).map(|(_, number)| number));
    8 * (out.len() - before)
}

/// The texts of what stays, without the paragraphs `again` (pairs of ordinal and number), in document order.
pub(crate) fn kept_texts(
    docs: impl IntoIterator<Item = impl AsRef<Path>>,
    all: &Standing,
    again: &[u8],
    compared: &Compared,
    then: &mut Take<'_, Error>,
) -> Result<()> {
    let mut read = 0;
    let mut ordinal = all.start;
    for docs in docs {
        let mut records = Records::open(docs.as_ref())?;
        loop {
            let bytes = records.batch(BATCH)?;
            let (mut reader, mut batch) = (Reader(&bytes), Vec::new());
            while let Some(record) = reader.record()? {
                if all.stays(ordinal) {
                    let mut numbers = Vec::new();
                    read += numbers_of(again, read, ordinal, &mut numbers);
                    batch.push((ordinal, record, numbers));
                }
                ordinal += 1;
            }
            if bytes.is_empty() {
                break;
            }
            let texts: Vec<Result<(u32, Cow<str>)>> = batch
                .into_par_iter()
                .with_max_len(16)
                .map(|(ordinal, mut record, numbers)| {
                    let text = record.text_alone()?;
                    let mut cuts = Vec::new();
                    compared.cuts(text, &numbers, &mut cuts);
                    let left = edit::apply(text, &mut cuts, &[]).map(|(left, _)| left);
                    // Where nothing is left the document goes, and is the first to hold nothing.
                    let left = left.map(|left| if left.trim().is_empty() { String::new() } else { left });
                    Ok((ordinal, left.map_or(Cow::Borrowed(text), Cow::Owned)))
                })
                .collect();
            for text in texts {
                let (ordinal, text) = text?;
                then(ordinal, text.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Find the stretches of `config.substrings` bytes and more that come again in the texts of what stays, without the paragraphs
/// `again` (pairs of ordinal and number). Of each the pairs of its ordinal with its first byte and with the byte behind its last
/// are put into `found`; bytes are those of the text without these paragraphs.
pub(crate) fn substrings(
    parts: &[Part],
    all: &Standing,
    again: &[u8],
    config: &Config,
    budget: &Budget,
    cancel: &Cancel,
    found: &mut Pairs,
) -> Result<()> {
    let compared = config.paragraphs.compared();
    let substrings = Substrings::new(config.substrings.min_bytes as usize, budget)?;
    substrings.find(
        |take| {
            let docs = parts.iter().map(|part| &part.docs);
            kept_texts(docs, all, again, &compared, &mut |ordinal, text| {
                cancel.check()?;
                take(ordinal, text)
            })
        },
        |span| put_span(span, found),
    )
}

/// The pairs of a span: its ordinal with its first byte, and with the byte behind its last.
pub(crate) fn put_span(Span { ordinal, start, end }: Span, found: &mut Pairs) -> Result<()> {
    found.put(ordinal, start)?;
    found.put(ordinal, end)
}

/// The cuts that pairs of beginnings and ends mean in a text: of whole characters.
pub(crate) fn span_cuts(numbers: &[u32], text: &str, out: &mut Vec<Cut>) -> Result<()> {
    let (spans, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::Record { what: "a list of repeats between two passes" });
    }
    let spans = spans.iter().map(|&[start, end]| Span { ordinal: 0, start, end });
    let cut = |range: Range<usize>| Cut { start: range.start as u32, end: range.end as u32, replacement: 0 };
    out.extend(spans.filter_map(|span| span.of_characters(text)).map(cut));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_document_by_document() {
        let file: Vec<u8> = [2u32, 7, 2, 9, 5, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut at = 0;
        let mut of = |ordinal: u32| {
            let mut numbers = Vec::new();
            at += numbers_of(&file, at, ordinal, &mut numbers);
            numbers
        };
        let all: Vec<Vec<u32>> = (0..8).map(&mut of).collect();
        assert_eq!((&all[2][..], &all[5][..], all.concat().len()), (&[7, 9][..], &[0][..], 3));
        assert_eq!(numbers_of(&file, 99, 2, &mut Vec::new()), 0);
    }

    #[test]
    fn spans_come_in_pairs() {
        let mut spans = Vec::new();
        assert!(span_cuts(&[1, 2, 3], "abc", &mut spans).is_err());
        // Of the last one nothing is a whole character.
        span_cuts(&[1, 2, 2, 4, 5, 6], "abécé", &mut spans).unwrap();
        let cut = |start, end| Cut { start, end, replacement: 0 };
        assert_eq!(spans, [cut(1, 2), cut(2, 4)]);
    }
}
