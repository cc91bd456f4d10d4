//! Attribution of a text: its maximal spans that a corpus holds, the least probable first, with their documents.
//!
//! As in OLMoTrace: (1) the maximal spans of the text; (2) of these the ones with the least unigram probability, the product of the
//! probabilities of their words, so that long spans of rare words come first; (3) the documents that hold each; (4) spans that
//! overlap are shown as one passage. What is a word's probability here: how often the word, with the white space before it if it has
//! some in the span, occurs in the corpus as a sequence of bytes, divided by the bytes of the corpus. Where OLMoTrace draws documents
//! at random, the first ones in document order are given, so that an answer is always the same.

use std::ops::Range;

use rayon::prelude::*;
use serde::Serialize;

use super::cut::{Cut, sections};
use super::index::{At, Index, Occurrences};
use super::rank::least_probable;
use super::spans::{Longest, maximal, outermost};
use crate::edit::source_of;
use crate::error::Result;

/// Bytes of a document that are shown on either side of a span.
const AROUND: usize = 160;
/// Places where spans may begin that are one piece of work.
const PIECE: usize = 256;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Bytes of a span at least.
    pub least: usize,
    /// What spans must not cut.
    pub cut: Cut,
    /// Spans to give.
    pub top: usize,
    /// Documents to give of each.
    pub documents: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribution {
    /// Bytes of the text.
    pub bytes: usize,
    /// Bytes of the text that lie in some span, given or not.
    pub covered: usize,
    /// Maximal spans in all.
    pub found: usize,
    /// The least probable ones, by their place in the text.
    pub spans: Vec<Span>,
    /// Parts of the text that the given spans cover, those that overlap as one.
    pub passages: Vec<Passage>,
}

/// A span of the text that the corpus holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// First byte in the text.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// The span.
    pub text: String,
    /// Natural logarithm of its unigram probability.
    pub log_probability: f64,
    /// Places in the corpus where it occurs.
    pub occurrences: u64,
    /// The first documents that hold it, in document order.
    pub documents: Vec<Found>,
}

/// A document that holds a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Its number.
    pub ordinal: u32,
    /// Its key.
    pub key: String,
    /// Its own id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// Author kind.
    pub author: String,
    /// `train` or `validation`.
    pub split: &'static str,
    /// File and row that it was read from.
    pub place: String,
    /// Where the span first begins in its kept text, in bytes.
    pub start: u32,
    /// Where that byte was in the source text; none if an edit put it in.
    pub source_start: Option<u32>,
    /// Places in the document where the span occurs.
    pub count: u64,
    /// What stands before the first of them, about 160 bytes.
    pub before: String,
    /// What stands behind it, about 160 bytes.
    pub after: String,
}

/// Spans that overlap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passage {
    /// First byte in the text.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// Numbers of its spans, from 0.
    pub spans: Range<usize>,
}

struct Query<'q> {
    index: &'q Index<'q>,
    text: &'q [u8],
}

impl Longest for Query<'_> {
    fn longest(&self, range: Range<usize>) -> Result<usize> {
        self.index.longest(&self.text[range])
    }
}

/// The maximal spans of `text` of at least `least` bytes, from left to right.
pub(crate) fn spans(index: &Index, text: &str, cut: Cut, least: usize) -> Result<Vec<Range<usize>>> {
    let query = Query { index, text: text.as_bytes() };
    let sections = sections(text, cut);
    let pieces: Vec<(&[usize], &[usize])> =
        sections.iter().flat_map(|s| s.starts.chunks(PIECE).map(|starts| (starts, &s.ends[..]))).collect();
    let found: Result<Vec<_>> =
        pieces.into_par_iter().map(|(starts, ends)| maximal(&query, starts, ends, least)).collect();
    Ok(outermost(found?.concat()))
}

/// Attribute `text` to the documents of an index.
///
/// # Errors
/// [`crate::Error::Index`] if a part of the index that is read was changed.
pub fn attribute(index: &Index, text: &str, wanted: &Wanted) -> Result<Attribution> {
    let all = spans(index, text, wanted.cut, wanted.least)?;
    let mut covered = 0;
    let mut end = 0;
    for span in &all {
        covered += span.end - span.start.max(end).min(span.end);
        end = span.end;
    }
    let found = all.len();
    let ranked = least_probable(index, text, wanted, all)?;
    let spans: Result<Vec<Span>> = ranked
        .into_par_iter()
        .map(|(log_probability, span)| {
            let occurrences = index.occurrences(text[span.clone()].as_bytes())?;
            Ok(Span {
                start: span.start,
                end: span.end,
                text: text[span.clone()].into(),
                log_probability,
                occurrences: occurrences.count(),
                documents: documents(index, &occurrences, span.len(), wanted.documents)?,
            })
        })
        .collect();
    let spans = spans?;
    let mut passages: Vec<Passage> = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        match passages.last_mut() {
            Some(last) if span.start < last.end => {
                last.end = span.end;
                last.spans.end = i + 1;
            }
            _ => passages.push(Passage { start: span.start, end: span.end, spans: i..i + 1 }),
        }
    }
    Ok(Attribution { bytes: text.len(), covered, found, spans, passages })
}

fn documents(index: &Index, occurrences: &Occurrences, length: usize, most: usize) -> Result<Vec<Found>> {
    index
        .first(occurrences, most)?
        .into_iter()
        .map(|(at, count)| describe(index, at, count, length))
        .collect()
}

fn describe(index: &Index, at: At, count: u64, length: usize) -> Result<Found> {
    let corpus = index.corpus();
    let ordinal = index.ordinal(at.document);
    let row = corpus.row(ordinal);
    let start = (at.text - index.text(at.document).start) as usize;
    // Read with the check: what is shown is text.
    let text = corpus.text(ordinal)?.unwrap_or_default();
    let end = start + length;
    let from = text.floor_char_boundary(start.saturating_sub(AROUND));
    let to = text.ceil_char_boundary((end + AROUND).min(text.len()));
    let source_start = match corpus.keep_map(ordinal)? {
        None => Some(start as u32),
        Some(map) => source_of(&map, &corpus.names().replacements, start as u32),
    };
    Ok(Found {
        ordinal,
        key: row.key.to_string(),
        id: corpus.id(ordinal).to_string(),
        source: corpus.source_name(row.source).to_string(),
        licence: corpus.licence_name(row.licence).to_string(),
        author: row.author.name().to_string(),
        split: row.split.name(),
        place: corpus.place(ordinal).to_string(),
        start: start as u32,
        source_start,
        count,
        // The span was compared byte by byte, so its ends are borders of characters here too.
        before: text.get(from..start).unwrap_or_default().into(),
        after: text.get(end..to).unwrap_or_default().into(),
    })
}
