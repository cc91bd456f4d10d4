//! Where a piece of a few ASCII letters ends, found in sixteen bytes at once.
//!
//! Most pieces are a word with a space before it. The bytes are compared in parallel inside one wide integer, without a
//! loop or a branch for each of them (Warren, "Hacker's Delight", chapter 6). Whatever is not plainly such a piece is
//! left to the scanner.

use super::classes::{ASCII, FOREIGN, LETTER, NEWLINE, NUMBER, SPACE};
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

/// The bytes of the piece that begins with these sixteen, if all of them up to the one behind it are ASCII and it is made
/// of digits, white space or other characters; otherwise 0.
pub(super) fn other_length(split: &Split, chunk: &[u8; 16]) -> usize {
    const KINDS: u8 = LETTER | NUMBER | SPACE | FOREIGN;
    let bits = |i: usize| chunk.get(i).map_or(FOREIGN, |&byte| ASCII[usize::from(byte)]);
    let kind = |i: usize| bits(i) & KINDS;
    let run = |from: usize, most: usize, of: u8| (from..most).find(|&i| kind(i) != of).unwrap_or(most);
    let led = usize::from(chunk[0] == b' ');
    // What a space leads: itself a run of white space, or a part of what follows.
    let of = match (led, kind(led)) {
        (1, NUMBER) if split.each_digit || split.family != Family::Gpt2 => SPACE,
        (_, of) => of,
    };
    let decided = |end: usize| if end < 16 && kind(end) & FOREIGN == 0 { end } else { 0 };
    match of {
        NUMBER if split.each_digit => 1,
        NUMBER => {
            let most = match split.family {
                Family::Later(later) => later.digits.min(16),
                Family::Gpt2 => 16,
            };
            match run(led, most, NUMBER) {
                end if end == most && most < 16 => end,
                end => decided(end),
            }
        }
        SPACE => {
            let end = run(0, 16, SPACE);
            // A digit may end what the expression sees.
            if decided(end) == 0 || (split.each_digit && kind(end) == NUMBER) {
                return 0;
            }
            if let Family::Later(_) = split.family {
                if let Some(newline) = (0..end).rev().find(|&i| bits(i) & NEWLINE != 0) {
                    return newline + 1;
                }
                // A tab may lead a word.
                if end == 1 && kind(1) == LETTER {
                    return 0;
                }
            }
            end.max(2) - 1
        }
        0 => match split.family {
            Family::Gpt2 if chunk[0] == b'\'' => 0,
            Family::Gpt2 => decided(run(led, 16, 0)),
            Family::Later(later) => {
                // One other character alone would lead a word.
                if led == 0
                    && (kind(1) == LETTER || (chunk[0] == b'\'' && later.contractions == Contractions::First))
                {
                    return 0;
                }
                let end = run(led, 16, 0);
                let tail = |i: &usize| bits(*i) & NEWLINE != 0 || (later.slash && chunk[*i] == b'/');
                decided((end..16).find(|i| !tail(i)).unwrap_or(16))
            }
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::expression;
    use super::*;

    const GPT2: &str = expression::GPT2;
    const LLAMA: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    static SPLITS: LazyLock<Vec<Split>> = LazyLock::new(expression::splits);

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let Some(word) = text.as_bytes().get(..16) else { return Ok(()) };
        let word = u128::from_le_bytes(word.try_into().unwrap());
        for split in SPLITS.iter() {
            let quick = length(Rule::of(split), word);
            prop_assert!(quick == 0 || quick == split.end(text, 0), "{quick} {split:?} {text:?}");
            let other = other_length(split, &word.to_le_bytes());
            prop_assert!(other == 0 || other == split.end(text, 0), "{other} {split:?} {text:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_the_scanners_end(text in "[ '!\n\t]?([a-z]{0,9}|[A-Z]{0,3}[a-z]{0,9}|[A-Z]{0,16})[ 'as.A1é\u{301}ſ]{1,3}.{16}") {
            agrees(&text)?;
        }

        #[test]
        fn other_pieces_too(text in "[ '!/\n\r\t1A\u{a0}\u{301}]{1,8}[a '!/\n\r\t1].{16}") {
            agrees(&text)?;
        }

        #[test]
        fn whatever_the_bytes(text in "(?s).{16}") {
            agrees(&text)?;
        }
    }

    #[test]
    fn other_pieces_are_found() {
        let [gpt2, llama] =
            [GPT2, LLAMA].map(|text| Split { family: expression::family(text).unwrap(), each_digit: false });
        for (text, in_gpt2, in_llama) in [
            ("(x), and so on, and", 1, 0),
            ("), and so on and so", 2, 2),
            (" == x and so on, and", 3, 3),
            ("1234 and so on, and so", 4, 3),
            (" 12 and so on, and so", 3, 1),
            ("\n    x and so on, and", 4, 1),
            (";\n\nx and so on, and so", 1, 3),
            ("    x and so on, and so", 3, 3),
            ("\nx and so on, and so on", 1, 1),
            ("                   x", 0, 0),
            ("é, and so on and so", 0, 0),
        ] {
            let chunk = text.as_bytes()[..16].try_into().unwrap();
            assert_eq!(
                [gpt2, llama].map(|split| other_length(&split, chunk)),
                [in_gpt2, in_llama],
                "{text:?}"
            );
        }
    }

    #[test]
    fn words_are_found() {
        let length_of =
            |rule, text: &str| length(rule, u128::from_le_bytes(text.as_bytes()[..16].try_into().unwrap()));
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
