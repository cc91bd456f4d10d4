//! Where a piece of a few ASCII letters ends, found in sixteen bytes at once.
//!
//! Most pieces are a word with a space before it. The bytes are compared in parallel inside one wide integer, without a
//! loop or a branch for each of them (Warren, "Hacker's Delight", chapter 6). Whatever is not plainly such a piece is
//! left to the scanner.

use super::classes::{ASCII, LETTER, NEWLINE, NUMBER};
use super::split::{Contractions, Family, Letters, Split};

const ONES: u128 = u128::MAX / 255;
/// The highest bit of each byte.
const HIGH: u128 = ONES << 7;
/// The bit that tells lower from upper case.
const CASE: u128 = ONES << 5;

/// Which rule applies, known before the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A space may lead letters.
    Spaced,
    /// Any character but a letter, a digit and a newline may lead letters.
    Led(Contractions),
    /// The same, and lower case ends before upper case.
    Cased(Contractions),
}

impl Rule {
    pub(super) fn of(split: &Split) -> Rule {
        match split.family {
            Family::Gpt2 => Rule::Spaced,
            Family::Later(later) => match later.letters {
                Letters::Plain | Letters::Marks => Rule::Led(later.contractions),
                Letters::Cased => Rule::Cased(later.contractions),
            },
        }
    }
}

/// The highest bit of each byte that is an ASCII letter.
fn letters(word: u128) -> u128 {
    // With the highest bit set no byte borrows from the next.
    let lower = word | HIGH | CASE;
    let from_a = lower - ONES * 0x61;
    let behind_z = lower - ONES * 0x7B;
    from_a & !behind_z & !word & HIGH
}

/// The number of bytes below the lowest one that is marked; 16 if none is.
fn below(marks: u128) -> u32 {
    marks.trailing_zeros() / 8
}

/// The bytes of the piece that begins with these sixteen, little end first, if it is led and made of ASCII letters, ends
/// before the last of them, and is followed by ASCII; otherwise 0.
#[inline(always)]
pub(super) fn length(rule: Rule, word: u128) -> usize {
    let letters = letters(word);
    let first = word as u8;
    let led = letters as u8 == 0;
    let mut stops = !letters & HIGH;
    let may_lead = match rule {
        Rule::Spaced => first == b' ',
        Rule::Led(contractions) | Rule::Cased(contractions) => {
            first < 128
                && ASCII[usize::from(first)] & (LETTER | NUMBER | NEWLINE) == 0
                && (first != b'\'' || contractions != Contractions::First)
        }
    };
    if led && !may_lead {
        return 0;
    }
    if led {
        stops &= stops - 1;
    }
    let start = u32::from(led);
    let mut end = below(stops);
    if let Rule::Cased(_) = rule {
        // The first run: no letter, or one of lower case.
        let lower = letters & (word & CASE) << 2;
        let turn = below(stops | lower);
        if turn > 15 {
            return 0;
        }
        // The second: anything but lower case behind it.
        let not_lower = (!lower & HIGH) >> (8 * turn) << (8 * turn);
        let run = below(not_lower);
        end = if run > turn { run } else { turn };
    }
    if end <= start || end > 15 {
        return 0;
    }
    let follower = (word >> (8 * end)) as u8;
    let contracted = match rule {
        Rule::Spaced => false,
        Rule::Led(contractions) | Rule::Cased(contractions) => {
            follower == b'\'' && contractions == Contractions::After
        }
    };
    if follower < 128 && !contracted { end as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::expression;
    use super::*;

    static SPLITS: LazyLock<Vec<Split>> = LazyLock::new(expression::splits);

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let Some(word) = text.as_bytes().get(..16) else { return Ok(()) };
        let word = u128::from_le_bytes(word.try_into().unwrap());
        for split in SPLITS.iter() {
            let quick = length(Rule::of(split), word);
            prop_assert!(quick == 0 || quick == split.end(text, 0), "{quick} {split:?} {text:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_the_scanners_end(text in "[ '!\n\t]?([a-z]{0,9}|[A-Z]{0,3}[a-z]{0,9}|[A-Z]{0,16})[ 'as.A1é\u{301}ſ]{1,3}.{16}") {
            agrees(&text)?;
        }

        #[test]
        fn whatever_the_bytes(text in "(?s).{16}") {
            agrees(&text)?;
        }
    }

    #[test]
    fn words_are_found() {
        let length_of = |rule, text: &str| length(rule, u128::from_le_bytes(text.as_bytes()[..16].try_into().unwrap()));
        let all = [Rule::Spaced, Rule::Led(Contractions::First), Rule::Cased(Contractions::After)];
        for rule in all {
            assert_eq!(length_of(rule, " the weather is fine"), 4);
            assert_eq!(length_of(rule, "The weather is fine"), 3);
            assert_eq!(length_of(rule, " international, or"), 14);
            assert_eq!(length_of(rule, " internationalize, or"), 0);
            assert_eq!(length_of(rule, "1 the weather is fine"), 0);
            assert_eq!(length_of(rule, " naïve weather is fine"), 0);
        }
        assert_eq!(all.map(|rule| length_of(rule, "(the weather is fine")), [0, 4, 4]);
        assert_eq!(all.map(|rule| length_of(rule, " theWeather is fine")), [11, 11, 4]);
        assert_eq!(all.map(|rule| length_of(rule, " HTTPserver is fine")), [11, 11, 11]);
        assert_eq!(all.map(|rule| length_of(rule, "'the weather is fine")), [0, 0, 4]);
        assert_eq!(all.map(|rule| length_of(rule, " the's weather is")), [4, 4, 0]);
    }
}
