//! The share of a paragraph's n-grams that came before: paragraphs that differ in a date or a name are found, too.
//!
//! As Dolma's `by_ngram`: words are those of Unicode's word boundaries (UAX 29) without white space, an n-gram begins at the
//! first word, at the second, and then at each that stands `stride` words or more behind the last (the second is there for any
//! stride, as in Dolma); each counts as one that came before if it stood anywhere earlier, in its own paragraph, too. A paragraph
//! with fewer than two n-grams is compared as a whole, unless `skip_short`.

use std::collections::VecDeque;

use super::Paragraph;
use crate::bounds::each_word;
use crate::dedup::hash::hash64;

/// How n-grams are made, and which share of them marks a paragraph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ngrams {
    /// Words of an n-gram, at least 1.
    pub length: u32,
    /// Words from the begin of one n-gram to that of the next, from the second on.
    pub stride: u32,
    /// Paragraphs are marked of whose n-grams at least so many came before, from 0 to 1. With 0 all are, for their scores.
    pub share: f32,
    /// Paragraphs with fewer than two n-grams are not compared as a whole: with one, that one decides, with none they are not
    /// marked.
    pub skip_short: bool,
}

/// One thing of a paragraph that is compared: hash, start and end of the paragraph in code points; end and start if the hash is
/// that of the whole paragraph.
const ITEM: usize = 16;
/// Bytes of a document for which an n-gram counts: nothing else is held of it.
pub(crate) const WEIGHT: u64 = 4;
/// Base of the polynomial that is an n-gram's value: odd, of any 128 bits (those of pi behind its point).
const BASE: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;

fn put(hash: u64, from: u32, to: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&hash.to_le_bytes());
    out.extend_from_slice(&from.to_le_bytes());
    out.extend_from_slice(&to.to_le_bytes());
}

impl Ngrams {
    /// How many things are compared of a paragraph.
    pub(crate) fn number(&self, paragraph: &Paragraph) -> u64 {
        let (ngrams, whole) = self.parts(paragraph);
        ngrams + u64::from(whole)
    }

    /// How many n-grams are compared of a paragraph, and whether the whole paragraph is behind them.
    fn parts(&self, paragraph: &Paragraph) -> (u64, bool) {
        let mut words = 0;
        each_word(paragraph.core, |_| words += 1);
        let places = (words + 1u64).saturating_sub(u64::from(self.length));
        let ngrams = if places < 2 { places } else { 2 + (places - 2) / u64::from(self.stride.max(1)) };
        (ngrams, ngrams < 2 && !self.skip_short)
    }

    /// Append the items of a paragraph whose code points are `range`; gives back how many. There may be more than `most`, which
    /// are not all appended. `last` is room for words.
    pub(crate) fn items(
        &self,
        paragraph: &Paragraph,
        (start, end): (u32, u32),
        most: u64,
        last: &mut VecDeque<u64>,
        out: &mut Vec<u8>,
    ) -> u64 {
        self.each(paragraph, most, last, |hash, whole| {
            let (from, to) = if whole { (end, start) } else { (start, end) };
            put(hash, from, to, out);
        })
    }

    /// Give the fingerprints of what is compared of a paragraph to `found`, in order, and whether one is of the whole paragraph;
    /// gives back how many. There may be more than `most`, which are not all given. `last` is room for words.
    pub(super) fn each(
        &self,
        paragraph: &Paragraph,
        most: u64,
        last: &mut VecDeque<u64>,
        mut found: impl FnMut(u64, bool),
    ) -> u64 {
        let (length, stride) = (self.length.max(1), u64::from(self.stride));
        let power = BASE.wrapping_pow(length);
        let (mut value, mut place, mut before, mut number) = (0u128, 0u64, 0u64, 0u64);
        last.clear();
        each_word(paragraph.core, |word| {
            let hash = hash64(word.as_bytes(), 0);
            value = value.wrapping_mul(BASE).wrapping_add(u128::from(hash));
            last.push_back(hash);
            if last.len() > length as usize
                && let Some(gone) = last.pop_front()
            {
                value = value.wrapping_sub(u128::from(gone).wrapping_mul(power));
            }
            if last.len() == length as usize {
                if (before == 0 || place - before >= stride) && number <= most {
                    (before, number) = (place, number + 1);
                    found(hash64(&value.to_le_bytes(), 0), false);
                }
                place += 1;
            }
        });
        if number < 2 && !self.skip_short {
            // By another seed, so that no n-gram is like a paragraph.
            found(hash64(paragraph.core.as_bytes(), 1), true);
            number += 1;
        }
        number
    }

    /// The paragraphs that are marked, with their scores: of the items of a document those with the numbers `before`, in order,
    /// came before.
    pub(crate) fn marked(&self, items: &[u8], before: &[u32], mut found: impl FnMut((u32, u32), f32)) {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
        let range = |item: &[u8; ITEM]| (number(&item[8..12]), number(&item[12..]));
        let place = |item: &[u8; ITEM]| range(item).0.min(range(item).1);
        let (mut at, mut before) = (0, before.iter().peekable());
        for paragraph in items.as_chunks::<ITEM>().0.chunk_by(|a, b| place(a) == place(b)) {
            let (mut count, mut seen, mut span) = (0u32, 0u32, (0, 0));
            for item in paragraph {
                let came_before = before.next_if(|&&number| number == at).is_some();
                at += 1;
                span = range(item);
                if span.0 > span.1 {
                    // The whole one has the say, whatever its only n-gram said.
                    (count, seen, span) = (0, 0, (span.1, span.0));
                }
                count += 1;
                seen += u32::from(came_before);
            }
            let score = seen as f32 / count as f32;
            if score >= self.share {
                found(span, score);
            }
        }
    }

    /// The paragraphs of which a share above 0 is asked for, and came before: of the things that are compared of all `paragraphs` of
    /// a text those with the numbers `before`, in order, came before.
    pub(super) fn again<'t>(
        &self,
        paragraphs: impl Iterator<Item = Paragraph<'t>>,
        mut before: &[u32],
        mut found: impl FnMut(&Paragraph<'t>),
    ) {
        let mut end = 0;
        for paragraph in paragraphs {
            let [_, ..] = before else { return };
            let (ngrams, whole) = self.parts(&paragraph);
            end += ngrams + u64::from(whole);
            let (here, rest) = before.split_at(before.partition_point(|&number| u64::from(number) < end));
            before = rest;
            // The whole one has the say, whatever its only n-gram said.
            let whole_came = here.last().is_some_and(|&last| u64::from(last) + 1 == end);
            let (seen, count) =
                if whole { (usize::from(whole_came), 1) } else { (here.len(), ngrams as usize) };
            if seen > 0 && seen as f32 / count as f32 >= self.share {
                found(&paragraph);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paragraphs::paragraphs;

    const SOME: Ngrams = Ngrams { length: 3, stride: 1, share: 0.0, skip_short: false };

    fn items(ngrams: Ngrams, text: &str) -> Vec<u8> {
        let (mut out, mut words) = (Vec::new(), VecDeque::new());
        for p in paragraphs(text, 0) {
            let number = ngrams.items(&p, (p.start, p.end), u64::MAX, &mut words, &mut out);
            assert_eq!(number, ngrams.number(&p), "{ngrams:?}");
        }
        out
    }

    #[test]
    fn equal_words_and_only_they_have_equal_values() {
        let text = "a b c a b c b a c a b c c b a";
        let words: Vec<&str> = text.split(' ').collect();
        for length in 1..6 {
            let list = items(Ngrams { length, ..SOME }, text);
            let values: Vec<&[u8]> = list.as_chunks::<ITEM>().0.iter().map(|item| &item[..8]).collect();
            let ngrams: Vec<&[&str]> = words.windows(length as usize).collect();
            assert_eq!(values.len(), ngrams.len());
            for i in 0..values.len() {
                for j in 0..i {
                    assert_eq!(values[i] == values[j], ngrams[i] == ngrams[j], "{length} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn no_more_are_made_than_fit() {
        let text = "a ".repeat(1000);
        let (mut out, p) = (Vec::new(), paragraphs(&text, 0).next().unwrap());
        assert!(SOME.items(&p, (0, 2000), 10, &mut VecDeque::new(), &mut out) > 10 && out.len() < 20 * ITEM);
    }

    #[test]
    fn ngrams_begin_where_dolmas_do() {
        let text = "a b c d e f g h i j";
        let starts = |stride| {
            let one = items(Ngrams { stride: 1, ..SOME }, text);
            let one: Vec<&[u8; ITEM]> = one.as_chunks().0.iter().collect();
            let all = items(Ngrams { stride, ..SOME }, text);
            let all = all.as_chunks::<ITEM>().0.iter();
            all.map(|item| one.iter().position(|o| *o == item).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(starts(1), (0..8).collect::<Vec<_>>());
        assert_eq!(starts(0), starts(1));
        assert_eq!(starts(3), [0, 1, 4, 7]);
    }

    #[test]
    fn short_paragraphs_are_compared_whole_or_not_at_all() {
        let number = |skip_short, text| items(Ngrams { skip_short, ..SOME }, text).len() / ITEM;
        for (text, whole, not) in [("a b", 1, 0), ("a, b", 2, 1), ("a b c d", 2, 2), (" \n", 0, 0)] {
            assert_eq!((number(false, text), number(true, text)), (whole, not), "{text}");
        }
    }

    #[test]
    fn paragraphs_that_come_again_are_those_that_are_marked() {
        let text = "a b c d e\nx y\n\na b c d e f\na b c\nz\n";
        for share in [0.2, 0.5, 1.0] {
            for skip_short in [false, true] {
                let ngrams = Ngrams { share, skip_short, ..SOME };
                let list = items(ngrams, text);
                let count = (list.len() / ITEM) as u32;
                for set in 0..1u32 << count {
                    let before: Vec<u32> = (0..count).filter(|i| set >> i & 1 != 0).collect();
                    let (mut marked, mut again) = (Vec::new(), Vec::new());
                    ngrams.marked(&list, &before, |range, _| marked.push(range));
                    ngrams.again(paragraphs(text, 0), &before, |p| again.push((p.start, p.end)));
                    assert_eq!(marked, again, "{ngrams:?} {before:?}");
                }
            }
        }
    }

    #[test]
    fn shares_are_those_of_each_paragraph() {
        let text = "a b c d e\nx y\na b c d e f";
        let list = items(SOME, text);
        let marked = |share, before: &[u32]| {
            let mut found = Vec::new();
            Ngrams { share, ..SOME }.marked(&list, before, |range, score| found.push((range, score)));
            found
        };
        // Three of the first, the second whole, four of the third.
        let before = [0, 3, 4, 5, 6];
        assert_eq!(marked(0.0, &before), [((0, 10), 1.0 / 3.0), ((10, 14), 1.0), ((14, 25), 0.75)]);
        assert_eq!(marked(0.75, &before), [((10, 14), 1.0), ((14, 25), 0.75)]);
        assert_eq!(marked(0.1, &[]), []);
    }
}
