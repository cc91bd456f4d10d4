//! A text as a set of shingles: its runs of `n` words or characters, each as one 64-bit number.
//!
//! Broder, "On the resemblance and containment of documents", SEQUENCES 1997. Before that a text is simplified, so that
//! copies which differ in case, punctuation or spacing have the same shingles:
//!
//! - [`Shingles::Words`] follows datatrove's `simplify_text`: lower case; whatever is neither letter nor digit separates words; a
//!   run of ASCII digits reads as one `0`. It differs in three points: accents stay (removing them needs decomposition tables),
//!   `3.14` is two numbers, and letters of scripts written without spaces (Han, kana, Thai, Lao, Myanmar, Khmer) are
//!   a word each (datatrove loads a segmenter for each language).
//! - [`Shingles::Spaced`] follows `clean_text` of duplodocus (from SlimPajama): lower case; ASCII punctuation is deleted, so that
//!   `don't` is `dont`; words are separated by whitespace alone. Duplodocus then cuts the rest by a tokenizer; here a word stays
//!   whole.
//! - [`Shingles::Characters`] are characters of the text as it is, as in NeMo Curator.
//!
//! Each word or character gets a 64-bit hash `w`; a shingle is `mix(w_1 M^(n-1) + ... + w_n)` modulo 2^64, which moves on by
//! one word with two products. A text shorter than a shingle has one shingle of all it has; one without any word has none.

use super::error::{Error, Result};
use super::hash::{mix, step};

/// What a text is cut into before hashing; the number is the length of a shingle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shingles {
    /// Words of letters and digits, lower case, numbers alike.
    Words(usize),
    /// Words between whitespace, lower case, without ASCII punctuation.
    Spaced(usize),
    /// Characters.
    Characters(usize),
}

/// Multiplier of the polynomial; odd.
const M: u64 = 0xD134_2543_DE82_EF95;
/// Start of a word's hash.
const START: u64 = 0x9216_D5D9_8979_FB1B;
/// The longest shingle.
pub const LONGEST: usize = 1024;
/// Bytes of a long text that are cut into shingles at once.
const PIECE: usize = 1 << 16;

const SEPARATOR: u8 = 0;
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const WIDE: u8 = 3;
const DELETED: u8 = 4;

/// What the bytes are to [`Shingles::Words`].
static WORDS: [u8; 256] = classes(false);
/// What the bytes are to [`Shingles::Spaced`].
static SPACED: [u8; 256] = classes(true);

const fn classes(spaced: bool) -> [u8; 256] {
    let mut class = [SEPARATOR; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        class[i] = if byte >= 128 {
            WIDE
        } else if byte.is_ascii_alphabetic() {
            LETTER
        } else if byte.is_ascii_digit() {
            if spaced { LETTER } else { DIGIT }
        } else if spaced && byte.is_ascii_punctuation() {
            DELETED
        } else if spaced && !(byte == b' ' || (byte >= 9 && byte <= 13)) {
            LETTER
        } else {
            SEPARATOR
        };
        i += 1;
    }
    class
}

impl Shingles {
    /// Words or characters of a shingle.
    pub fn length(self) -> usize {
        match self {
            Shingles::Words(n) | Shingles::Spaced(n) | Shingles::Characters(n) => n,
        }
    }

    /// The same units in runs of `n`.
    pub fn of_length(self, n: usize) -> Shingles {
        match self {
            Shingles::Words(_) => Shingles::Words(n),
            Shingles::Spaced(_) => Shingles::Spaced(n),
            Shingles::Characters(_) => Shingles::Characters(n),
        }
    }

    /// An error unless the length lies in 1..=1024.
    pub fn check(self) -> Result<Shingles> {
        match self.length() {
            1..=LONGEST => Ok(self),
            n => Err(Error::option("shingle", n, "1 to 1024 words or characters")),
        }
    }

    /// The shingles of `text` into `shingles`, in order, with repeats. `units` is scratch: the hashes of words or characters.
    pub fn of(self, text: &str, units: &mut Vec<u64>, shingles: &mut Vec<u64>) {
        units.clear();
        self.units(text, units);
        roll(units, self.length(), shingles);
    }

    /// The same piece by piece, so that a long text takes no more room than a short one: `found` gets the shingles in order, with
    /// repeats. `units` and `shingles` are scratch.
    pub fn each(
        self,
        text: &str,
        units: &mut Vec<u64>,
        shingles: &mut Vec<u64>,
        mut found: impl FnMut(&[u64]),
    ) {
        let (length, mut any) = (self.length(), false);
        units.clear();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.piece(rest));
            rest = behind;
            self.units(piece, units);
            if units.len() >= length {
                roll(units, length, shingles);
                found(shingles);
                // The next shingles begin with these.
                units.drain(..units.len() - (length - 1));
                any = true;
            }
        }
        if !any {
            roll(units, length, shingles);
            found(shingles);
        }
    }

    /// Append the hashes of the words or characters of `text`.
    fn units(self, text: &str, units: &mut Vec<u64>) {
        match self {
            Shingles::Words(_) => words(text, units),
            Shingles::Spaced(_) => spaced(text, units),
            Shingles::Characters(_) => {
                units.extend(text.chars().map(|c| mix(u64::from(u32::from(c)) ^ START)));
            }
        }
    }

    /// Bytes of a first piece of `text` that no word crosses the end of: about [`PIECE`], or up to where the next word ends.
    fn piece(self, text: &str) -> usize {
        if text.len() <= PIECE {
            return text.len();
        }
        let ends = |&(_, c): &(usize, char)| match self {
            Shingles::Characters(_) => true,
            Shingles::Words(_) => !c.is_alphanumeric() || unspaced(c),
            Shingles::Spaced(_) => c.is_whitespace(),
        };
        let middle = text.floor_char_boundary(PIECE);
        let last = text[..middle].char_indices().rev().find(ends);
        let next = || text[middle..].char_indices().find(ends).map(|(at, c)| (middle + at, c));
        last.or_else(next).map_or(text.len(), |(at, c)| at + c.len_utf8())
    }
}

/// The polynomials of all runs of `n` units.
fn roll(units: &[u64], n: usize, shingles: &mut Vec<u64>) {
    shingles.clear();
    let first = &units[..n.min(units.len())];
    if first.is_empty() {
        return;
    }
    let mut sum = first.iter().fold(0u64, |sum, &unit| sum.wrapping_mul(M).wrapping_add(unit));
    shingles.reserve(units.len() - first.len() + 1);
    shingles.push(mix(sum));
    let leaving = first.iter().fold(1u64, |power, _| power.wrapping_mul(M));
    shingles.extend(units.iter().zip(&units[first.len()..]).map(|(&old, &new)| {
        sum = sum.wrapping_mul(M).wrapping_add(new).wrapping_sub(old.wrapping_mul(leaving));
        mix(sum)
    }));
}

/// A word that is being read: its bytes are hashed eight at a time, little endian.
#[derive(Clone, Copy)]
struct Word {
    state: u64,
    /// The bytes that are not in `state` yet, fewer than eight.
    bits: u64,
    /// How many bits that is.
    held: u32,
}

impl Word {
    const EMPTY: Word = Word { state: START, bits: 0, held: 0 };

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        self.bits |= u64::from(byte) << self.held;
        self.held += 8;
        if self.held == 64 {
            *self = Word { state: step(self.state, self.bits), ..Word::EMPTY };
        }
    }

    /// The lower case of `c`.
    fn push_char(&mut self, c: char) {
        for c in c.to_lowercase() {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|byte| self.push(byte));
        }
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.held == 0 && self.state == START
    }

    #[inline(always)]
    fn end(&mut self, units: &mut Vec<u64>) {
        if !self.is_empty() {
            units.push(step(self.state, self.bits));
            *self = Word::EMPTY;
        }
    }

    /// The longest word of ASCII letters (and digits) at the head of `bytes`, and how long it is. It stops eight bytes before the
    /// end, where single bytes take over.
    #[inline(always)]
    fn of_letters<const DIGITS: bool>(bytes: &[u8]) -> (Word, usize) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x80 * ONES;
        /// The top bit of each byte of `x` in `first..=last`, where all are below 128.
        #[inline(always)]
        fn within(x: u64, first: u8, last: u8) -> u64 {
            (x + ONES * u64::from(0x80 - first)) & !(x + ONES * u64::from(0x7F - last))
        }
        let (mut word, mut length) = (Word::EMPTY, 0);
        while let Some(&next) = bytes[length..].first_chunk::<8>() {
            let next = u64::from_le_bytes(next);
            let lower = next | (0x20 * ONES);
            let mut fit = within(lower & !TOPS, b'a', b'z');
            if DIGITS {
                fit |= within(next & !TOPS, b'0', b'9');
            }
            let bits = (!(fit & !next) & TOPS).trailing_zeros() & !7;
            length += bits as usize / 8;
            if bits < 64 {
                (word.bits, word.held) = (lower & !(u64::MAX << bits), bits);
                break;
            }
            word.state = step(word.state, lower);
        }
        (word, length)
    }
}

fn words(text: &str, units: &mut Vec<u64>) {
    let bytes = text.as_bytes();
    let mut word = Word::EMPTY;
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        match WORDS[usize::from(byte)] {
            LETTER if word.is_empty() => {
                let (head, length) = Word::of_letters::<false>(&bytes[i..]);
                if length > 0 {
                    word = head;
                    i += length;
                    continue;
                }
                word.push(byte | 0x20);
            }
            LETTER => word.push(byte | 0x20),
            SEPARATOR => word.end(units),
            DIGIT => {
                word.push(b'0');
                while bytes.get(i + 1).is_some_and(u8::is_ascii_digit) {
                    i += 1;
                }
            }
            _ => {
                let Some(c) = text[i..].chars().next() else { break };
                if !c.is_alphanumeric() {
                    word.end(units);
                } else if unspaced(c) {
                    word.end(units);
                    word.push_char(c);
                    word.end(units);
                } else {
                    word.push_char(c);
                }
                i += c.len_utf8() - 1;
            }
        }
        i += 1;
    }
    word.end(units);
}

fn spaced(text: &str, units: &mut Vec<u64>) {
    let bytes = text.as_bytes();
    let mut word = Word::EMPTY;
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        match SPACED[usize::from(byte)] {
            LETTER if word.is_empty() => {
                let (head, length) = Word::of_letters::<true>(&bytes[i..]);
                if length > 0 {
                    word = head;
                    i += length;
                    continue;
                }
                word.push(byte.to_ascii_lowercase());
            }
            LETTER => word.push(byte.to_ascii_lowercase()),
            SEPARATOR => word.end(units),
            DELETED => {}
            _ => {
                let Some(c) = text[i..].chars().next() else { break };
                if c.is_whitespace() {
                    word.end(units);
                } else {
                    word.push_char(c);
                }
                i += c.len_utf8() - 1;
            }
        }
        i += 1;
    }
    word.end(units);
}

/// Letters of scripts that put no spaces between words.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(shingles: Shingles, text: &str) -> Vec<u64> {
        let (mut units, mut out) = (Vec::new(), Vec::new());
        shingles.of(text, &mut units, &mut out);
        out
    }

    #[test]
    fn pieces_of_a_text_have_its_shingles() {
        let parts = ["word", "Don't, ", "1984 ", "é", "中文字", "\n\n", "\u{a0}", "-", "a b c "];
        let text = |seed: u64, count: u64, spaces: bool| -> String {
            let pick = |i| parts[(mix(seed ^ i << 8) % parts.len() as u64) as usize];
            (0..count)
                .map(|i| if spaces { pick(i).into() } else { pick(i).replace([' ', '\n'], "x") })
                .collect()
        };
        for (count, spaces) in [(0, true), (2, true), (90_000, true), (90_000, false)] {
            let text = text(count, count, spaces);
            for length in [1, 5, 1024] {
                for kind in [Shingles::Words(length), Shingles::Spaced(length), Shingles::Characters(length)]
                {
                    let mut pieces = Vec::new();
                    kind.each(&text, &mut vec![1], &mut vec![2], |some| pieces.extend_from_slice(some));
                    assert!(pieces == of(kind, &text), "{kind:?} of {count}");
                }
            }
        }
    }

    #[test]
    fn case_punctuation_spacing_and_numbers_do_not_matter_to_words() {
        let plain = of(Shingles::Words(2), "the year 1984 was états unis");
        assert_eq!(plain, of(Shingles::Words(2), "  The\tYEAR, (2024) — was\n\n“États-Unis”. "));
        assert_eq!(plain.len(), 5);
        assert_ne!(plain, of(Shingles::Words(2), "the year was 1984 états unis"));
    }

    #[test]
    fn punctuation_is_deleted_between_spaces() {
        let plain = of(Shingles::Spaced(1), "dont stop at 1984");
        assert_eq!(plain, of(Shingles::Spaced(1), " Don't   stop,\u{2003}at 19-84 ... "));
        assert_ne!(plain, of(Shingles::Spaced(1), "dont stop at 1985"));
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_characters() {
        assert_eq!(of(Shingles::Words(1), "中文 abc").len(), 3);
        assert_eq!(of(Shingles::Words(1), "中文abc"), of(Shingles::Words(1), "中文 abc"));
        assert_eq!(of(Shingles::Words(1), "русский язык").len(), 2);
    }

    #[test]
    fn short_texts_have_one_shingle_and_empty_ones_none() {
        assert_eq!(of(Shingles::Words(5), "only three words").len(), 1);
        assert_eq!(of(Shingles::Words(5), "one two three four five").len(), 1);
        assert_eq!(of(Shingles::Words(5), "one two three four five six").len(), 2);
        assert!(of(Shingles::Words(5), " ... \n!?").is_empty());
        assert!(of(Shingles::Spaced(5), "").is_empty());
        assert_eq!(of(Shingles::Characters(24), "twenty-four characters, a").len(), 2);
        assert!(Shingles::Words(0).check().is_err() && Shingles::Characters(1025).check().is_err());
    }

    proptest! {
        #[test]
        fn shingles_are_those_of_words_cut_the_slow_way(text in "([a-dA-D0-9é中 .,\n'-]{0,60})|([a-z]{1,20} ){0,6}|\\PC{0,40}", n in 1usize..5) {
            // Each word alone, then windows.
            let mut words: Vec<String> = Vec::new();
            let mut word = String::new();
            let mut last_digit = false;
            for c in text.chars() {
                let digit = c.is_ascii_digit();
                if unspaced(c) && c.is_alphanumeric() {
                    words.push(std::mem::take(&mut word));
                    words.push(c.to_string());
                } else if c.is_alphanumeric() {
                    if digit && !last_digit { word.push('0') } else if !digit { word.extend(c.to_lowercase()) }
                } else {
                    words.push(std::mem::take(&mut word));
                }
                last_digit = digit;
            }
            words.push(word);
            words.retain(|w| !w.is_empty());
            let units: Vec<u64> = words.iter().map(|w| of_word(w)).collect();
            let naive: Vec<u64> = if units.is_empty() { Vec::new() } else {
                units.windows(n.min(units.len()))
                    .map(|w| mix(w.iter().fold(0u64, |s, &u| s.wrapping_mul(M).wrapping_add(u))))
                    .collect()
            };
            prop_assert_eq!(of(Shingles::Words(n), &text), naive);
        }

        #[test]
        fn words_between_spaces_are_those_cut_the_slow_way(text in "([a-dA-D0-9é .,\n'-]{0,60})|\\PC{0,40}") {
            let words: Vec<u64> = text
                .split(char::is_whitespace)
                .map(|w| w.chars().filter(|c| !c.is_ascii_punctuation()).flat_map(char::to_lowercase).collect::<String>())
                .filter(|w| !w.is_empty())
                .map(|w| mix(of_word(&w)))
                .collect();
            prop_assert_eq!(of(Shingles::Spaced(1), &text), words);
        }

        #[test]
        fn any_text_can_be_cut(text in any::<String>()) {
            for shingles in [Shingles::Words(3), Shingles::Spaced(3), Shingles::Characters(3)] {
                of(shingles, &text);
            }
        }
    }

    fn of_word(word: &str) -> u64 {
        let (whole, rest) = word.as_bytes().as_chunks::<8>();
        let state = whole.iter().fold(START, |state, &bytes| step(state, u64::from_le_bytes(bytes)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        step(state, u64::from_le_bytes(last))
    }
}
