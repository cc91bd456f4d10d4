//! The documents that share the longest stretches with a text, found without reading any of them.
//!
//! A document shares a stretch of t bytes or more of whole characters if it holds one of the windows of the text that are t bytes
//! long, and as few more as their last character needs. All windows that occur lie in the maximal spans of the text. The documents
//! for the least length are all that share anything. The longest sharers are found by doubling the length until too few share it, and
//! by halving what is between from there on: to look for a length costs that length times the text's, so great ones are only looked for
//! where so many documents share them.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::attribute::spans;
use super::cut::Cut;
use super::index::Index;
use crate::error::Result;

/// The documents that share stretches with a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holders {
    /// How many share one of the least length.
    pub documents: u64,
    /// Those with the longest, as many as were asked for; of equals the first in document order. Rising.
    pub longest: Vec<u32>,
}

/// The documents that share a stretch of whole characters of at least `least` bytes with `text`, and the `most` that share the
/// longest.
///
/// # Errors
/// [`crate::Error::Index`] if a part of the index that is read was changed.
pub fn holders(index: &Index, text: &str, least: usize, most: usize) -> Result<Holders> {
    let least = least.max(1);
    let spans = spans(index, text, Cut::Chars, least)?;
    let all = sharing(index, text, &spans, least)?;
    let count = all.count();
    let ordinals = |documents: &mut dyn Iterator<Item = usize>| documents.map(|d| index.ordinal(d)).collect();
    if count <= most {
        return Ok(Holders { documents: count as u64, longest: ordinals(&mut all.each()) });
    }
    // So many at `low` share it, fewer at `high`.
    let (mut low, mut high) = (least, spans.iter().map(Range::len).max().unwrap_or(0) + 1);
    let (mut enough, mut few) = (all, Documents::new(index.documents()));
    let mut doubling = true;
    while low + 1 < high {
        let middle = if doubling { (2 * low).min(high - 1) } else { low + (high - low) / 2 };
        let found = sharing(index, text, &spans, middle)?;
        if found.count() >= most {
            (low, enough) = (middle, found);
        } else {
            (high, few, doubling) = (middle, found, false);
        }
    }
    let rest = most - few.count();
    let others: Vec<usize> = enough.each().filter(|&d| !few.has(d)).take(rest).collect();
    others.into_iter().for_each(|d| few.add(d));
    Ok(Holders { documents: count as u64, longest: ordinals(&mut few.each()) })
}

/// The documents that share a stretch of at least `length` bytes.
fn sharing(index: &Index, text: &str, spans: &[Range<usize>], length: usize) -> Result<Documents> {
    let found = Documents::new(index.documents());
    let mut windows = HashSet::new();
    for span in spans {
        for (at, _) in text[span.clone()].char_indices() {
            let start = span.start + at;
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            if end - start < length || end > span.end {
                break;
            }
            windows.insert(&text[start..end]);
        }
    }
    let look = |window: &str| {
        index.each(&index.occurrences(window.as_bytes())?, |at| {
            found.add(at.document);
            Ok(())
        })
    };
    windows.into_par_iter().map(look).collect::<Result<Vec<()>>>()?;
    Ok(found)
}

/// A set of documents that threads can add to.
struct Documents(Vec<AtomicU64>);

impl Documents {
    fn new(count: usize) -> Documents {
        Documents((0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, document: usize) {
        self.0[document / 64].fetch_or(1 << (document % 64), Relaxed);
    }

    fn has(&self, document: usize) -> bool {
        self.0[document / 64].load(Relaxed) >> (document % 64) & 1 == 1
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.load(Relaxed).count_ones() as usize).sum()
    }

    fn each(&self) -> impl Iterator<Item = usize> {
        (0..64 * self.0.len()).filter(|&document| self.has(document))
    }
}
