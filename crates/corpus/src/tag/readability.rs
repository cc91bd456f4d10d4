//! How easy English is to read: Flesch's reading ease (Flesch 1948, "A new readability yardstick") and the grade of
//! Flesch and Kincaid (Kincaid et al. 1975, "Derivation of new readability formulas for Navy enlisted personnel").
//!
//! - ease = 206.835 - 1.015 words / sentences - 84.6 syllables / words
//! - grade = 0.39 words / sentences + 11.8 syllables / words - 15.59
//!
//! Words are runs without white space that have a letter; a sentence ends with a word that ends in `.`, `!` or `?` and
//! closing marks; syllables are the groups of vowels (a, e, i, o, u, y and those with accents of Latin-1), but for a silent
//! `e`, `es` or `ed` at the end, and at least one a word. Of a text without words nothing is told.

use super::view::HAS_LETTER;
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, signed, value};

static ATTRIBUTES: [Attribute; 5] = [
    signed("flesch_reading_ease", "about 0 (hard) to 100 (easy)"),
    signed("flesch_kincaid_grade", "years of school in the United States"),
    value("words", "words"),
    value("sentences", "sentences, at least 1"),
    value("syllables", "syllables"),
];

pub(super) static KIND: Kind = Kind {
    name: "readability",
    aliases: &[],
    version: 1,
    about: "Flesch reading ease and Flesch-Kincaid grade, for English.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Readability))
    },
};

fn is_vowel(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
        || matches!(c, 'À'..='Å' | 'È'..='Ï' | 'Ò'..='Ö' | 'Ù'..='Ý' | 'à'..='å' | 'è'..='ï' | 'ò'..='ö' | 'ù'..='ý' | 'ÿ')
}

/// The syllables of a word.
fn syllables(word: &str) -> u32 {
    let word = word.trim_matches(|c: char| !c.is_alphabetic());
    let (mut groups, mut vowel) = (0, false);
    for c in word.chars() {
        let now = is_vowel(c);
        groups += u32::from(now && !vowel);
        vowel = now;
    }
    // The last three letters tell whether the last group is heard.
    let mut last = word.chars().rev().map(|c| c.to_ascii_lowercase());
    let (end, before, third) = (last.next(), last.next(), last.next());
    let consonant = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && !is_vowel(c));
    let silent = match (end, before) {
        (Some('e'), Some('l')) => !consonant(third),
        (Some('e'), before) => consonant(before),
        // As in "makes" and "baked", not in "boxes" and "wanted".
        (Some('s'), Some('e')) => {
            consonant(third) && !matches!(third, Some('s' | 'x' | 'z' | 'c' | 'g' | 'h' | 'l'))
        }
        (Some('d'), Some('e')) => consonant(third) && !matches!(third, Some('t' | 'd' | 'l')),
        _ => false,
    };
    (groups - u32::from(silent && groups > 1)).max(1)
}

struct Readability;

impl Tagger for Readability {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let (mut words, mut sentences, mut sum, mut open) = (0u32, 0u32, 0u64, false);
        for word in view.words {
            let text = view.word(word);
            if word.seen & HAS_LETTER != 0 {
                words += 1;
                sum += u64::from(syllables(text));
                open = true;
            }
            let bare = text.trim_end_matches(['"', '\'', ')', ']', '”', '’', '»']);
            if open && bare.ends_with(['.', '!', '?']) {
                sentences += 1;
                open = false;
            }
        }
        sentences += u32::from(open);
        if words == 0 {
            return;
        }
        let (words, sentences, sum) = (f64::from(words), f64::from(sentences), sum as f64);
        out.value(0, 206.835 - 1.015 * (words / sentences) - 84.6 * (sum / words));
        out.value(1, 0.39 * (words / sentences) + 11.8 * (sum / words) - 15.59);
        out.value(2, words);
        out.value(3, sentences);
        out.value(4, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::{number, tags};

    #[test]
    fn syllables_are_counted() {
        for (word, count) in [
            ("the", 1),
            ("cat", 1),
            ("table", 2),
            ("make", 1),
            ("makes", 1),
            ("wanted", 2),
            ("baked", 1),
            ("readability", 5),
            ("café", 2),
            ("\"boxes,\"", 2),
            ("rhythm", 1),
            ("b", 1),
            ("idea", 2),
            ("whale", 1),
            ("every", 3),
            ("123x", 1),
        ] {
            assert_eq!(syllables(word), count, "{word}");
        }
    }

    #[test]
    fn values_by_hand() {
        // 12 words in 2 sentences, 13 syllables.
        let text = "The cat sat on the mat. (Then it went to bed early!)";
        let of = |name| number("readability", name, text);
        assert_eq!([of("words"), of("sentences"), of("syllables")], [12.0, 2.0, 13.0]);
        assert!((of("flesch_reading_ease") - (206.835 - 1.015 * 6.0 - 84.6 * 13.0 / 12.0)).abs() < 1e-9);
        assert!((of("flesch_kincaid_grade") - (0.39 * 6.0 + 11.8 * 13.0 / 12.0 - 15.59)).abs() < 1e-9);
        assert!(tags("readability", " 12 . ").is_empty());
    }
}
