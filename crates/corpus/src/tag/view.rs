//! What all taggers need of a text, computed once: its words and lines, with their lengths and hashes.
//!
//! The text is looked at in blocks of 64 bytes, whose white space, line feeds and letters are the bits of numbers
//! ([`super::bits`]): a word lies between two changes of the first of them. Only words with characters beyond ASCII or
//! with `#` are looked at byte by byte.

use super::bits::{BLOCK, block, has, which};
use super::classes::{self, LETTER, SPACE};
use crate::hash::hash;

/// A word has a letter.
pub(crate) const HAS_LETTER: u8 = 1;
/// A word has a `#`.
pub(crate) const HAS_HASH: u8 = 2;
/// A word has an ellipsis character (U+2026).
pub(crate) const HAS_ELLIPSIS: u8 = 4;
/// A word is made of the letters of ASCII.
pub(crate) const PLAIN: u8 = 8;

/// A run of characters without white space, as Python's `str.split` finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Word {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
    /// Characters.
    pub characters: u32,
    /// What was seen in it, as a sum of the constants above.
    pub seen: u8,
    /// Hash of its bytes.
    pub hash: u64,
}

/// A line, without the line feed that ends it. The text `"a\n"` has two, the second one empty, as in Python's
/// `text.split("\n")`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset of its line feed, or the end of the text.
    pub end: u32,
    /// Characters.
    pub characters: u32,
    /// Number of the first word that begins in it or behind it.
    pub first_word: u32,
    /// Words in it.
    pub words: u32,
}

/// The buffers of a [`View`], kept from document to document.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    words: Vec<Word>,
    lines: Vec<Line>,
}

/// One text as the taggers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'d> {
    /// The text.
    pub text: &'d str,
    /// Its characters.
    pub characters: u32,
    /// Its words.
    pub words: &'d [Word],
    /// Its lines; none if the text is empty.
    pub lines: &'d [Line],
    /// Whether it has a character besides the line feed that ends a line for Python's `str.splitlines`.
    pub breaks: bool,
}

/// What was seen of a word in the blocks that it lies in.
#[derive(Clone, Copy)]
struct Seen {
    letter: bool,
    plain: bool,
    /// It must be looked at byte by byte.
    special: bool,
}

impl Seen {
    const NOTHING: Seen = Seen { letter: false, plain: true, special: false };

    /// See the bytes of a block that are set in `mask`.
    #[inline(always)]
    fn see(&mut self, mask: u64, letters: u64, special: u64) {
        self.letter |= letters & mask != 0;
        self.plain &= letters & mask == mask;
        self.special |= special & mask != 0;
    }

    #[inline(always)]
    fn word(self, text: &str, start: usize, end: usize) -> Word {
        let mut word = Word {
            start: start as u32,
            end: end as u32,
            characters: (end - start) as u32,
            seen: if self.letter { HAS_LETTER } else { 0 } | if self.plain { PLAIN } else { 0 },
            hash: hash(text.as_bytes(), start, end),
        };
        if self.special {
            word.look(&text[start..end]);
        }
        word
    }
}

impl Word {
    /// Its bytes.
    #[inline]
    pub fn length(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Look at each character of the word.
    fn look(&mut self, text: &str) {
        self.characters = 0;
        for c in text.chars() {
            self.characters += 1;
            self.seen |= match c {
                '#' => HAS_HASH,
                '…' => HAS_ELLIPSIS,
                _ if classes::of(c) & LETTER != 0 => HAS_LETTER,
                _ => 0,
            };
        }
    }
}

/// What ends a line for Python's `str.splitlines`, besides the line feed.
fn breaks_line(c: char) -> bool {
    matches!(c, '\u{b}'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The first byte of all white space beyond ASCII is one of these.
fn may_be_space(byte: u8) -> bool {
    matches!(byte, 0xC2 | 0xE1..=0xE3)
}

fn is_letter(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
}

fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

impl Buffers {
    /// Look at a text of less than 4 GiB.
    pub fn view<'d>(&'d mut self, text: &'d str) -> View<'d> {
        self.words.clear();
        self.lines.clear();
        let bytes = text.as_bytes();
        let mut breaks = false;
        // Bytes before the block that continue a character; up to the start of the line.
        let (mut continued, mut line_continued) = (0, 0);
        let mut line = Line::default();
        // Whether white space lies before the block, and how far white space of the block before reaches into it.
        let (mut behind_space, mut spilled) = (1u64, 0u64);
        // The word that goes on from the block before.
        let (mut start, mut open) = (0, Seen::NOTHING);
        for at in (0..bytes.len()).step_by(BLOCK) {
            let block = block(bytes, at);
            let mut spaces = which(&block, |b| b.wrapping_sub(9) < 5 || b.wrapping_sub(28) < 5) | spilled;
            let feeds = which(&block, |b| b == b'\n');
            let letters = which(&block, is_letter);
            spilled = 0;
            let (mut special, mut continuing) = (0, 0);
            if has(&block, |b| b >= 128 || b == b'#') {
                special = which(&block, |b| b >= 128 || b == b'#');
                continuing = which(&block, continues);
                let mut heads = which(&block, may_be_space);
                while heads != 0 {
                    let head = heads.trailing_zeros() as usize;
                    heads &= heads - 1;
                    if let Some(c) = text.get(at + head..).and_then(|text| text.chars().next())
                        && classes::of(c) & SPACE != 0
                    {
                        let whole = u128::from((1u64 << c.len_utf8()) - 1) << head;
                        spaces |= whole as u64;
                        spilled |= (whole >> 64) as u64;
                        breaks |= breaks_line(c);
                    }
                }
            }
            breaks |= has(&block, |b| b.wrapping_sub(11) < 3 || b.wrapping_sub(28) < 3);

            let shifted = spaces << 1 | behind_space;
            let (mut starts, mut ends) = (!spaces & shifted, spaces & !shifted);
            let first_word = self.words.len() as u32;
            let words_end = ends;
            self.words.reserve(BLOCK / 2 + 1);
            if behind_space == 0 {
                open.see(
                    if ends == 0 { u64::MAX } else { (ends & ends.wrapping_neg()) - 1 },
                    letters,
                    special,
                );
                if ends != 0 {
                    self.words.push(open.word(text, start, at + ends.trailing_zeros() as usize));
                    ends &= ends - 1;
                }
            }
            while ends != 0 {
                let (from, to) = (starts.trailing_zeros(), ends.trailing_zeros());
                starts &= starts - 1;
                ends &= ends - 1;
                let mut seen = Seen::NOTHING;
                seen.see((1u64 << to) - (1u64 << from), letters, special);
                self.words.push(seen.word(text, at + from as usize, at + to as usize));
            }
            if starts != 0 {
                start = at + starts.trailing_zeros() as usize;
                open = Seen::NOTHING;
                open.see(u64::MAX << starts.trailing_zeros(), letters, special);
            }
            behind_space = spaces >> 63;

            let mut rest = feeds;
            while rest != 0 {
                let place = rest.trailing_zeros();
                rest &= rest - 1;
                let before = (1u64 << place) - 1;
                // A word that ends at the line feed has its end there.
                let words = first_word + (words_end & (before << 1 | 1)).count_ones();
                let continued = continued + (continuing & before).count_ones();
                line.end = at as u32 + place;
                line.characters = line.end - line.start - (continued - line_continued);
                line.words = words - line.first_word;
                self.lines.push(line);
                line = Line { start: line.end + 1, first_word: words, ..Line::default() };
                line_continued = continued;
            }
            continued += continuing.count_ones();
        }
        if behind_space == 0 {
            self.words.push(open.word(text, start, bytes.len()));
        }
        let length = bytes.len() as u32;
        if length > 0 {
            line.end = length;
            line.characters = length - line.start - (continued - line_continued);
            line.words = self.words.len() as u32 - line.first_word;
            self.lines.push(line);
        }
        View { text, characters: length - continued, words: &self.words, lines: &self.lines, breaks }
    }
}

impl<'d> View<'d> {
    /// The text of a word.
    pub fn word(&self, word: &Word) -> &'d str {
        &self.text[word.start as usize..word.end as usize]
    }

    /// The text of a line.
    pub fn line(&self, line: &Line) -> &'d str {
        &self.text[line.start as usize..line.end as usize]
    }

    /// The words of a line.
    pub fn words_of(&self, line: &Line) -> &'d [Word] {
        &self.words[line.first_word as usize..][..line.words as usize]
    }

    /// Length of the text in bytes.
    pub fn bytes(&self) -> u32 {
        self.text.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) {
        let mut buffers = Buffers::default();
        let view = buffers.view(text);
        assert_eq!(view.characters as usize, text.chars().count());
        let words: Vec<&str> = view.words.iter().map(|w| view.word(w)).collect();
        let naive: Vec<&str> = text.split(classes::is_space).filter(|w| !w.is_empty()).collect();
        assert_eq!(words, naive);
        for word in view.words {
            let text = view.word(word);
            assert_eq!(word.characters as usize, text.chars().count());
            assert_eq!(
                word.seen & HAS_LETTER != 0,
                text.chars().any(|c| classes::of(c) & LETTER != 0),
                "{text:?}"
            );
            assert_eq!(word.seen & HAS_HASH != 0, text.contains('#'));
            assert_eq!(word.seen & HAS_ELLIPSIS != 0, text.contains('…'));
            assert_eq!(word.seen & PLAIN != 0, text.chars().all(|c| c.is_ascii_alphabetic()));
        }
        assert_eq!(view.breaks, text.chars().any(breaks_line));
        let lines: Vec<&str> = view.lines.iter().map(|l| view.line(l)).collect();
        let naive: Vec<&str> = if text.is_empty() { vec![] } else { text.split('\n').collect() };
        assert_eq!(lines, naive);
        for line in view.lines {
            assert_eq!(line.characters as usize, view.line(line).chars().count());
            let naive = view.line(line).split(classes::is_space).filter(|w| !w.is_empty());
            assert_eq!(
                view.words_of(line).iter().map(|w| view.word(w)).collect::<Vec<_>>(),
                naive.collect::<Vec<_>>()
            );
        }
    }

    proptest! {
        #[test]
        fn the_one_pass_agrees_with_many(text in "([a-cT#.…\u{2003}\u{85}\u{a0}\n\r\t \\-*é1ß中\u{1c}]|[a-z]{1,12} |word é |\u{2029}|\r\n|\n){0,200}") {
            check(&text);
        }

        #[test]
        fn any_text_is_seen_alike(text in any::<String>()) {
            check(&text);
        }
    }

    #[test]
    fn equal_words_and_only_they_have_equal_hashes() {
        let mut buffers = Buffers::default();
        let view = buffers.view("abc abcd abc a\u{0} a abcdefghijklmnopq abcdefghijklmnopr abc");
        let hashes: Vec<u64> = view.words.iter().map(|w| w.hash).collect();
        assert!(hashes[0] == hashes[2] && hashes[0] == hashes[7]);
        let mut distinct = hashes;
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 6);
    }
}
