//! The share of a paragraph's n-grams that came before: paragraphs that differ in a date or a name are found, too.
//!
//! As Dolma's `by_ngram`: words are those of Unicode's word boundaries (UAX 29) without white space, an n-gram begins at the
//! first word, at the second, and then at each that stands `stride` words or more behind the last (the second is there for any
//! stride, as in Dolma); each counts as one that came before if it stood anywhere earlier, in its own paragraph, too. A paragraph
//! with fewer than two n-grams is compared as a whole, unless `skip_short`.

use crate::bounds::each_word;
use crate::dedup::hash::hash64;
use crate::paragraphs::Paragraph;

/// How n-grams are made, and which share of them marks a paragraph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ngrams {
    /// Words of an n-gram, at least 1.
    pub length: u32,
    /// Words from the begin of one n-gram to that of the next.
    pub stride: u32,
    /// Paragraphs are marked of whose n-grams at least so many came before, from 0 to 1. With 0 all are, for their scores.
    pub share: f32,
    /// Paragraphs with fewer than two n-grams are not compared as a whole: with one, that one decides, with none they are not
    /// marked.
    pub skip_short: bool,
}

/// One thing of a paragraph that is compared: hash, start and end of the paragraph in code points.
const ITEM: usize = 16;
/// Set in the end: the hash is that of the whole paragraph. Texts of a row are far shorter.
const WHOLE: u32 = 1 << 31;

impl Ngrams {
    /// Append the items of a paragraph whose code points are `range`; gives back how many. `words` is room for its words.
    pub(super) fn items(
        &self,
        paragraph: &Paragraph,
        (start, end): (u32, u32),
        words: &mut Vec<[u8; 8]>,
        out: &mut Vec<u8>,
    ) -> u32 {
        words.clear();
        each_word(paragraph.core, |word| words.push(hash64(word.as_bytes(), 0).to_le_bytes()));
        let mut number = 0;
        let mut put = |hash: u64, end: u32| {
            let mut item = [0; ITEM];
            item[..8].copy_from_slice(&hash.to_le_bytes());
            item[8..12].copy_from_slice(&start.to_le_bytes());
            item[12..].copy_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&item);
            number += 1;
            number
        };
        let (mut last, mut made) = (0, 0);
        for (at, ngram) in words.windows(self.length.max(1) as usize).enumerate() {
            if last == 0 || at - last >= self.stride as usize {
                last = at;
                made = put(hash64(ngram.as_flattened(), 0), end);
            }
        }
        if made < 2 && !self.skip_short {
            // By another seed, so that no n-gram is like a paragraph.
            made = put(hash64(paragraph.core.as_bytes(), 1), end | WHOLE);
        }
        made
    }

    /// The paragraphs that are marked, with their scores: of the items of a document those with the numbers `before`, in order,
    /// came before.
    pub(super) fn marked(&self, items: &[u8], before: &[u32], mut found: impl FnMut((u32, u32), f32)) {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
        let (mut at, mut before) = (0, before.iter().peekable());
        let items = items.as_chunks::<ITEM>().0;
        for paragraph in items.chunk_by(|a, b| a[8..12] == b[8..12]) {
            let (mut count, mut seen, mut end) = (0u32, 0u32, 0);
            for item in paragraph {
                let came_before = before.next_if(|&&number| number == at).is_some();
                at += 1;
                end = number(&item[12..]);
                if end & WHOLE != 0 {
                    // The whole one has the say, whatever its only n-gram said.
                    (count, seen) = (0, 0);
                }
                count += 1;
                seen += u32::from(came_before);
            }
            let score = seen as f32 / count as f32;
            if score >= self.share {
                found((number(&paragraph[0][8..12]), end & !WHOLE), score);
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
        let (mut out, mut words) = (Vec::new(), Vec::new());
        for p in paragraphs(text, 0) {
            ngrams.items(&p, (p.start, p.end), &mut words, &mut out);
        }
        out
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
