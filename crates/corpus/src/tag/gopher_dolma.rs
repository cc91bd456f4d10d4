//! Gopher's rules of quality and repetition (Rae et al. 2021, "Scaling language models", appendix A.1.1 and table A1), as
//! Dolma's tagger `gopher_v1` computes them.
//!
//! Words are runs without white space; lines end at `\n` (the text `a\n` has two). Character counts of n-grams leave out
//! what lies between the words.
//!
//! - `fraction_of_characters_in_most_common_{2,3,4}grams`: occurrences of the most frequent n-gram times its characters,
//!   by the characters of all words (Gopher drops above 0.20, 0.18, 0.16)
//! - `fraction_of_characters_in_duplicate_{5..10}grams`: characters of all occurrences of n-grams that occur more than
//!   once, overlaps counted, by those of all n-grams (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
//! - `median_word_length` in characters ([3, 10]); `symbol_to_word_ratio`: words with `#` or `…` (0.1);
//!   `fraction_of_words_with_alpha_character` (at least 0.8); `required_word_count`: occurrences of the, be, to, of, and,
//!   that, have, with in lower case (at least 2)
//! - lines that begin with `*` or `-` (0.9), that end with `…` (0.3), that occur more than once (0.3), and the characters
//!   of these by those of all words (0.3)
//!
//! An attribute of n-grams is absent where the text has fewer than n words, as in Dolma.

use super::ngrams::Look;
use super::view::{HAS_ELLIPSIS, HAS_HASH, HAS_LETTER};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, value};

static ATTRIBUTES: [Attribute; 19] = [
    value("fraction_of_characters_in_most_common_2grams", "share of characters in the most frequent 2-gram"),
    value("fraction_of_characters_in_most_common_3grams", "share of characters in the most frequent 3-gram"),
    value("fraction_of_characters_in_most_common_4grams", "share of characters in the most frequent 4-gram"),
    fraction("fraction_of_characters_in_duplicate_5grams", "share of characters in repeated 5-grams"),
    fraction("fraction_of_characters_in_duplicate_6grams", "share of characters in repeated 6-grams"),
    fraction("fraction_of_characters_in_duplicate_7grams", "share of characters in repeated 7-grams"),
    fraction("fraction_of_characters_in_duplicate_8grams", "share of characters in repeated 8-grams"),
    fraction("fraction_of_characters_in_duplicate_9grams", "share of characters in repeated 9-grams"),
    fraction("fraction_of_characters_in_duplicate_10grams", "share of characters in repeated 10-grams"),
    value("character_count", "characters"),
    value("word_count", "words"),
    value("median_word_length", "median length of a word in characters"),
    fraction("symbol_to_word_ratio", "share of words with # or an ellipsis character"),
    fraction("fraction_of_words_with_alpha_character", "share of words with a letter"),
    value("required_word_count", "occurrences of the eight stop words in lower case"),
    fraction("fraction_of_lines_starting_with_bullet_point", "share of lines that begin with * or -"),
    fraction("fraction_of_lines_ending_with_ellipsis", "share of lines that end with an ellipsis character"),
    fraction("fraction_of_duplicate_lines", "share of lines that occur more than once"),
    value(
        "fraction_of_characters_in_duplicate_lines",
        "characters of lines that occur more than once, by those of all words",
    ),
];

pub(super) static KIND: Kind = Kind {
    name: "gopher@dolma",
    aliases: &["gopher_v1"],
    version: 1,
    about: "Gopher's rules of quality and repetition (Rae et al. 2021) as Dolma's gopher_v1 computes them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Gopher))
    },
};

struct Gopher;

fn share(part: f64, whole: f64) -> f64 {
    part / whole.max(1.0)
}

/// The words of which Gopher wants two.
pub(super) const REQUIRED: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];

/// Their bytes as numbers, from the highest byte down.
const NUMBERS: [u32; 8] = {
    let mut numbers = [0; 8];
    let mut i = 0;
    while i < 8 {
        let word = REQUIRED[i].as_bytes();
        let mut place = 0;
        while place < word.len() {
            numbers[i] |= (word[place] as u32) << (8 * (4 - word.len() + place));
            place += 1;
        }
        i += 1;
    }
    numbers
};

/// Where the product of a word's number with a factor leads among the required ones.
const fn slot(number: u32, factor: u32) -> usize {
    (number.wrapping_mul(factor) >> 28) as usize
}

/// The required words by [`slot`]: number, length, and place in [`REQUIRED`].
type Slots = [(u32, usize, usize); 16];

/// The first odd factor by which no two of them share a slot, and that table.
static SLOTS: (u32, Slots) = {
    let mut factor = 0x9E37_79B1u32;
    loop {
        let mut slots: Slots = [(0, 0, REQUIRED.len()); 16];
        let mut i = 0;
        while i < 8 && slots[slot(NUMBERS[i], factor)].1 == 0 {
            slots[slot(NUMBERS[i], factor)] = (NUMBERS[i], REQUIRED[i].len(), i);
            i += 1;
        }
        if i == 8 {
            break (factor, slots);
        }
        factor = factor.wrapping_add(2);
    }
};

/// The number in [`REQUIRED`] of the word `bytes[start..end]`, or its length. As good as random, so it is found without
/// a branch.
#[inline]
pub(super) fn required(bytes: &[u8], start: usize, end: usize) -> usize {
    let length = end - start;
    let first = match bytes[start..].first_chunk() {
        Some(chunk) => u32::from_le_bytes(*chunk),
        None => {
            (0..4).fold(0, |sum, i| sum | u32::from(bytes.get(start + i).copied().unwrap_or(0)) << (8 * i))
        }
    };
    // What follows the word is shifted out.
    let number = first.wrapping_shl(32 - 8 * length.clamp(1, 4) as u32);
    let (known, bytes, place) = SLOTS.1[slot(number, SLOTS.0)];
    if (known == number) & (bytes == length) { place } else { REQUIRED.len() }
}

impl Tagger for Gopher {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        if view.text.is_empty() {
            (9..ATTRIBUTES.len()).for_each(|attribute| out.value(attribute, 0.0));
            return;
        }
        let (words, bytes) = (view.words, view.text.as_bytes());
        let count = words.len() as f64;
        let (mut characters, mut symbols, mut letters, mut required) = (0, 0u32, 0u32, 0u32);
        for word in words {
            characters += u64::from(word.characters);
            symbols += u32::from(word.seen & (HAS_HASH | HAS_ELLIPSIS) != 0);
            letters += u32::from(word.seen & HAS_LETTER != 0);
            let place = self::required(bytes, word.start as usize, word.end as usize);
            required += u32::from(place < REQUIRED.len());
        }
        let characters = characters as f64;
        for order in scratch.ngrams.orders(words, 10, |n| if n <= 4 { Look::Top } else { Look::Repeated }) {
            if words.len() < order.n {
                continue;
            }
            let attribute = order.n - 2;
            if order.n <= 4 {
                let top = f64::from(order.top_count) * order.top_characters as f64;
                out.value(attribute, share(top, characters));
            } else {
                out.value(attribute, share(order.repeated_characters as f64, order.characters as f64));
            }
        }
        out.value(9, f64::from(view.characters));
        out.value(10, count);
        out.value(11, median(&words.iter().map(|word| word.characters), &mut scratch.numbers));
        out.value(12, share(f64::from(symbols), count));
        out.value(13, share(f64::from(letters), count));
        out.value(14, f64::from(required));

        let lines = view.lines.len() as f64;
        let (mut bullets, mut ellipses) = (0, 0);
        for line in view.lines {
            let line = &bytes[line.start as usize..line.end as usize];
            bullets += u32::from(matches!(line.first(), Some(b'*' | b'-')));
            ellipses += u32::from(matches!(line, [.., 0xE2, 0x80, 0xA6]));
        }
        let pieces = view.lines.iter().map(|line| (line.start, line.end, line.characters));
        let repeated = scratch.lines.count(view.text, view.lines.len(), pieces);
        out.value(15, share(f64::from(bullets), lines));
        out.value(16, share(f64::from(ellipses), lines));
        out.value(17, share(f64::from(repeated.all), lines));
        out.value(18, share(repeated.all_characters as f64, characters));
    }
}

/// The median, between the two in the middle if there are two; 0 of none. Lengths up to 63 are counted, only a text with
/// a longer median is sorted.
fn median(lengths: &(impl Iterator<Item = u32> + Clone), buffer: &mut Vec<u32>) -> f64 {
    buffer.clear();
    let mut counts = [0u32; 64];
    lengths.clone().for_each(|length| counts[length.min(63) as usize] += 1);
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return 0.0;
    }
    let mut at = |place: u32| {
        let mut before = 0;
        let found = counts.iter().position(|&count| {
            before += count;
            before > place
        });
        match found {
            Some(length) if length < 63 => length as u32,
            _ => {
                if buffer.is_empty() {
                    buffer.extend(lengths.clone());
                    buffer.sort_unstable();
                }
                buffer[place as usize]
            }
        }
    };
    let (low, high) = (at((total - 1) / 2), at(total / 2));
    (f64::from(low) + f64::from(high)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::{number, tags};
    use proptest::prelude::*;

    const NAME: &str = "gopher@dolma";

    /// Values that Dolma 1.2.1 itself gives for this text (`round(score, 5)`).
    #[test]
    fn values_are_those_of_dolma() {
        let text = "The cat sat on the mat and the cat sat on the mat and the cat sat…\n- be with #tag\n\n";
        let expected = [
            ("fraction_of_characters_in_most_common_2grams", 0.19672),
            ("fraction_of_characters_in_most_common_3grams", 0.2623),
            ("fraction_of_characters_in_most_common_4grams", 0.36066),
            ("fraction_of_characters_in_duplicate_5grams", 0.46914),
            ("fraction_of_characters_in_duplicate_6grams", 0.37091),
            ("fraction_of_characters_in_duplicate_7grams", 0.26578),
            ("fraction_of_characters_in_duplicate_8grams", 0.1433),
            ("fraction_of_characters_in_duplicate_9grams", 0.0),
            ("fraction_of_characters_in_duplicate_10grams", 0.0),
            ("character_count", 83.0),
            ("word_count", 21.0),
            ("median_word_length", 3.0),
            ("symbol_to_word_ratio", 0.09524),
            ("fraction_of_words_with_alpha_character", 0.95238),
            ("required_word_count", 8.0),
            ("fraction_of_lines_starting_with_bullet_point", 0.25),
            ("fraction_of_lines_ending_with_ellipsis", 0.25),
            ("fraction_of_duplicate_lines", 0.5),
            ("fraction_of_characters_in_duplicate_lines", 0.0),
        ];
        for (name, value) in expected {
            let found = number(NAME, name, text);
            assert!((found - value).abs() < 6e-6, "{name}: {found}, not {value}");
        }
    }

    #[test]
    fn short_texts_lack_what_they_cannot_have() {
        let names: Vec<String> = tags(NAME, "one two three").into_iter().map(|t| t.0).collect();
        assert!(names.contains(&"fraction_of_characters_in_most_common_3grams".to_string()));
        assert!(!names.contains(&"fraction_of_characters_in_most_common_4grams".to_string()));
        assert_eq!(tags(NAME, "").len(), 10);
        assert_eq!(number(NAME, "word_count", " \n "), 0.0);
    }

    proptest! {
        #[test]
        fn required_words_are_told_by_their_bytes(before in "[a-z]{0,3}", word in "\u{0}{0,2}(the|be|to|of|and|that|have|with|[a-z]{1,5})\u{0}{0,2}", after in "[a-z]{0,5}") {
            let all = [before.as_str(), &word, &after].concat();
            let expected = REQUIRED.iter().position(|one| *one == word).unwrap_or(REQUIRED.len());
            prop_assert_eq!(required(all.as_bytes(), before.len(), before.len() + word.len()), expected);
        }

        #[test]
        fn medians_are_medians(mut lengths in prop::collection::vec(0u32..90, 0..40)) {
            let found = median(&lengths.iter().copied(), &mut vec![7, 3]);
            lengths.sort_unstable();
            let n = lengths.len();
            let expected = if n == 0 { 0.0 } else {
                (f64::from(lengths[(n - 1) / 2]) + f64::from(lengths[n / 2])) / 2.0
            };
            prop_assert_eq!(found, expected);
        }
    }
}
