//! The spans whose words are the least probable.
//!
//! Maximal spans overlap, in a text that repeats itself by nearly all they have. So the text is cut into words once, each word is
//! looked up once, and a span has the difference of two sums over the words of the text. These are whole numbers, so that equal
//! words have equal sums, whatever stands before them.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::attribute::Wanted;
use super::cut::{word_ends, words};
use super::index::Index;
use crate::error::Result;

/// A logarithm as a whole number: with 48 bits behind the point, and room for the sum of any text.
const POINT: f64 = (1u64 << 48) as f64;

/// A text by its words, each with the white space between it and the word before.
struct Cuts<'t> {
    text: &'t str,
    ends: Vec<usize>,
}

/// The words of a span.
struct Words<'t> {
    /// Those that the span has of its own: its first and, where it cuts words of the text, some more at both ends.
    own: Vec<&'t str>,
    /// The numbers of those that are words of the text.
    shared: Range<usize>,
}

impl<'t> Cuts<'t> {
    /// A word of the text, which is not its first.
    fn word(&self, number: usize) -> &'t str {
        &self.text[self.ends[number - 1]..self.ends[number]]
    }

    fn of(&self, span: &Range<usize>) -> Words<'t> {
        let mut found = Words { own: Vec::new(), shared: 0..0 };
        let mut from = span.start;
        for word in each(self.text, span.clone()) {
            found.own.push(word);
            from += word.len();
            // What stands before the end of a word says nothing of the words behind it, nor does what stands behind the span of
            // words that end in it. So where a word of the span ends with one of the text, all do up to the last within the span.
            if let Ok(at) = self.ends.binary_search(&from) {
                let until = self.ends.partition_point(|&end| end <= span.end);
                found.shared = at + 1..until;
                found.own.extend(each(self.text, self.ends[until - 1]..span.end));
                break;
            }
        }
        found
    }
}

/// Each word of a part of the text.
fn each(text: &str, part: Range<usize>) -> impl Iterator<Item = &str> {
    let (text, mut from) = (&text[part], 0);
    words(text).map(move |word| &text[std::mem::replace(&mut from, word.end)..word.end])
}

/// Of spans of `text` (both ends rising) the least probable ones, `wanted.top` of them, with the logarithms of their
/// probabilities, from left to right.
pub(super) fn least_probable(
    index: &Index,
    text: &str,
    wanted: &Wanted,
    spans: Vec<Range<usize>>,
) -> Result<Vec<(f64, Range<usize>)>> {
    let cuts = Cuts { text, ends: word_ends(text, wanted.cut) };
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut known = 0;
    for span in &spans {
        let Words { own, shared } = cuts.of(span);
        let new = known.max(shared.start)..shared.end;
        known = known.max(shared.end);
        counts.extend(own.into_iter().chain(new.map(|number| cuts.word(number))).map(|word| (word, 0)));
    }
    let counted: Result<Vec<()>> = counts
        .par_iter_mut()
        .map(|(word, count)| {
            *count = index.occurrences(word.as_bytes())?.count();
            Ok(())
        })
        .collect();
    counted?;
    let bytes = index.bytes().max(1) as f64;
    let probability = |word: &str| (counts.get(word).copied().unwrap_or(0).max(1) as f64 / bytes).ln();
    Ok(least(&cuts, spans, wanted.top, probability))
}

fn least(
    cuts: &Cuts,
    spans: Vec<Range<usize>>,
    top: usize,
    probability: impl Fn(&str) -> f64,
) -> Vec<(f64, Range<usize>)> {
    let whole = |word: &str| (probability(word) * POINT) as i128;
    let mut sums = vec![0i128; cuts.ends.len().min(1)];
    for number in 1..cuts.ends.len() {
        sums.push(sums[number - 1] + whole(cuts.word(number)));
    }
    let sum = |span: &Range<usize>| {
        let Words { own, shared } = cuts.of(span);
        let of_text = if shared.is_empty() { 0 } else { sums[shared.end - 1] - sums[shared.start - 1] };
        own.into_iter().map(whole).sum::<i128>() + of_text
    };
    let mut ranked: Vec<(i128, Range<usize>)> = spans.into_iter().map(|span| (sum(&span), span)).collect();
    ranked.sort_by_key(|(sum, span)| (*sum, span.start));
    ranked.truncate(top);
    ranked.sort_by_key(|(_, span)| span.start);
    ranked
        .into_iter()
        .map(|(_, span)| (each(cuts.text, span.clone()).map(&probability).sum(), span))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::cut::{Cut, sections};
    use super::super::spans::outermost;
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    fn probability(word: &str) -> f64 {
        (1.0 / (1 + crate::dedup::hash::hash64(word.as_bytes(), 0) % 1000) as f64).ln()
    }

    /// By cutting every span.
    fn naive(text: &str, spans: &[Range<usize>]) -> Vec<(f64, Range<usize>)> {
        let sum = |span: &Range<usize>| each(text, span.clone()).map(probability).sum();
        let mut all: Vec<(f64, Range<usize>)> = spans.iter().map(|span| (sum(span), span.clone())).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.start.cmp(&b.1.start)));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn agrees_with_cutting_every_span(
            text in "([a-c]{1,3} ){0,12}|([ab.'’\",:_ 1]|[א\u{301}\u{200d}🇦🇧👩🏽カ\r\n\u{3000}!?]){0,40}",
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20), top in 0usize..6,
        ) {
            for cut in [Cut::Chars, Cut::Words, Cut::Sentences] {
                let mut spans = Vec::new();
                for section in sections(&text, cut).iter().filter(|section| !section.starts.is_empty()) {
                    let some = places.iter().map(|(a, b)| *a.get(&section.starts)..*b.get(&section.ends));
                    spans.extend(some.filter(|span| span.start < span.end));
                }
                spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
                let spans = outermost(spans);
                let cuts = Cuts { text: &text, ends: word_ends(&text, cut) };
                for span in &spans {
                    let Words { own, shared } = cuts.of(span);
                    let mut found: Vec<&str> = own.into_iter().chain(shared.map(|number| cuts.word(number))).collect();
                    let mut expected: Vec<&str> = each(&text, span.clone()).collect();
                    found.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected, "{:?} of {:?}", span, text);
                }
                let mut all = naive(&text, &spans);
                let found = least(&cuts, spans.clone(), top, probability);
                // Of sums that differ by their rounding alone, any may come first.
                let last = all.get(found.len().wrapping_sub(1)).map_or(f64::INFINITY, |(sum, _)| *sum);
                prop_assert!(found.iter().all(|(sum, _)| *sum <= last + 1e-9));
                prop_assert_eq!(found.len(), top.min(all.len()));
                all.sort_by_key(|(_, span)| span.start);
                prop_assert!(found.iter().all(|one| all.contains(one)));
                prop_assert_eq!(least(&cuts, spans, usize::MAX, probability), all);
            }
        }
    }

    #[test]
    fn words_are_looked_at_once_however_many_spans_have_them() {
        let text = "ab cd ".repeat(20_000);
        let cuts = Cuts { text: &text, ends: word_ends(&text, Cut::Words) };
        let spans: Vec<Range<usize>> =
            (0..20_000).map(|i| 3 * i..3 * i + 59_999).filter(|span| span.end <= text.len()).collect();
        let asked = Cell::new(0);
        let found = least(&cuts, spans, 1, |word| {
            asked.set(asked.get() + 1);
            probability(word)
        });
        // Of equals the first.
        assert_eq!(found[0].1.start % 6, found[0].1.start);
        assert!(asked.get() < 100_000, "{}", asked.get());
    }
}
