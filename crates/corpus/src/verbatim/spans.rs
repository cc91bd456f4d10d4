//! The maximal spans of a text: those that occur, have a least length, and lie in no longer one.
//!
//! What begins later ends no earlier, so the spans are found from left to right. From a place where a span may begin, the next end
//! that is of interest lies at least a least length away and behind the last span. Of the places before that end, those from which
//! the text up to it occurs are the last ones; the first of them is found by doubling the distance from the end, then halving. Spans
//! that begin before it do not reach the end, and are of no interest. If it is far enough from the end, the longest match from there
//! is a maximal span; the search goes on behind its beginning.

use std::ops::Range;

use crate::error::Result;

/// What knows how much of the text from one place up to another occurs.
pub(crate) trait Longest {
    /// Bytes of `range` that occur from its beginning on.
    fn longest(&self, range: Range<usize>) -> Result<usize>;
}

/// The maximal spans of at least `least` bytes that begin at one of `starts` and end at one of `ends` (both rising). Spans may lie
/// within spans that begin before the first of `starts`.
pub(crate) fn maximal(
    text: &impl Longest,
    starts: &[usize],
    ends: &[usize],
    least: usize,
) -> Result<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let Some(&last) = ends.last() else { return Ok(found) };
    let (mut at, mut reached) = (0, 0);
    while at < starts.len() {
        let wanted = starts[at].saturating_add(least.max(1)).max(reached + 1);
        let Some(&end) = ends.get(ends.partition_point(|&end| end < wanted)) else { break };
        let before = starts.partition_point(|&start| start < end);
        let first = first_that_reaches(text, &starts[..before], at, end)?;
        let Some(&start) = starts.get(first).filter(|_| first < before) else {
            at = before;
            continue;
        };
        if end - start < least {
            at = first;
            continue;
        }
        let reach = start + text.longest(start..last)?;
        let until = ends.partition_point(|&end| end <= reach);
        reached = ends[until - 1].max(end);
        found.push(start..reached);
        at = first + 1;
    }
    Ok(found)
}

/// The first of `starts[from..]` from which the text up to `end` occurs, or how many there are if none.
fn first_that_reaches(text: &impl Longest, starts: &[usize], from: usize, end: usize) -> Result<usize> {
    let reaches = |i: usize| -> Result<bool> { Ok(text.longest(starts[i]..end)? == end - starts[i]) };
    let (mut high, mut step) = (starts.len(), 1);
    let mut low = loop {
        if high == from {
            return Ok(from);
        }
        let next = high.saturating_sub(step).max(from);
        if !reaches(next)? {
            break next;
        }
        (high, step) = (next, step * 2);
    };
    // The one at `low` does not reach it, the one at `high` does.
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if reaches(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// Of spans in the order of their beginnings those that lie in no other one.
pub(crate) fn outermost(spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match out.last() {
            Some(last) if span.end <= last.end => {}
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    /// Knows by trying everything.
    struct Naive<'t> {
        text: &'t [u8],
        documents: Vec<&'t [u8]>,
        asked: Cell<usize>,
    }

    impl Longest for Naive<'_> {
        fn longest(&self, range: Range<usize>) -> Result<usize> {
            self.asked.set(self.asked.get() + 1);
            let wanted = &self.text[range];
            let shared = |suffix: &[u8]| suffix.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            let each = self.documents.iter().flat_map(|d| (0..d.len()).map(|at| shared(&d[at..])));
            Ok(each.max().unwrap_or(0))
        }
    }

    fn all(text: &Naive, starts: &[usize], ends: &[usize], least: usize) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        for &start in starts {
            let reach = start + text.longest(start..text.text.len()).unwrap();
            let end = ends.iter().rev().find(|&&end| end <= reach && end > start);
            spans.extend(end.filter(|&&end| end - start >= least).map(|&end| start..end));
        }
        outermost(spans)
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(text in "[ab]{0,30}|[a-d]{0,40}|(abcd){0,9}", documents in prop::collection::vec("[ab]{0,20}|[a-d]{0,20}", 0..6),
            least in 1usize..7, starts in prop::collection::btree_set(0usize..40, 0..40), ends in prop::collection::btree_set(1usize..41, 0..40), pieces in 1usize..4) {
            let naive = Naive { text: text.as_bytes(), documents: documents.iter().map(|d| d.as_bytes()).collect(), asked: Cell::new(0) };
            let starts: Vec<usize> = starts.into_iter().filter(|&s| s < text.len()).collect();
            let ends: Vec<usize> = ends.into_iter().filter(|&e| e <= text.len()).collect();
            let mut found = Vec::new();
            for piece in starts.chunks(starts.len().div_ceil(pieces).max(1)) {
                found.extend(maximal(&naive, piece, &ends, least).unwrap());
            }
            prop_assert_eq!(outermost(found), all(&naive, &starts, &ends, least));
        }
    }

    #[test]
    fn no_span_has_more_bytes_than_there_can_be() {
        let naive = Naive { text: b"abab", documents: vec![b"abab"], asked: Cell::new(0) };
        for least in [5, usize::MAX - 1, usize::MAX] {
            assert!(maximal(&naive, &[0, 1, 2, 3], &[1, 2, 3, 4], least).unwrap().is_empty());
        }
        assert_eq!(naive.asked.get(), 0);
    }

    #[test]
    fn a_text_that_occurs_as_a_whole_is_not_tried_at_every_place() {
        let text: Vec<u8> = (0..2000u32).map(|i| b'a' + (i * i % 23 + i % 3) as u8).collect();
        let naive = Naive { text: &text, documents: vec![&text], asked: Cell::new(0) };
        let places: Vec<usize> = (0..=2000).collect();
        let found = maximal(&naive, &places[..2000], &places, 10).unwrap();
        assert_eq!((found.len(), &found[0]), (1, &(0..2000)));
        assert!(naive.asked.get() < 40, "{}", naive.asked.get());
    }
}
