//! What all taggers need of a text, computed once: its words and lines, with their lengths and hashes.

use super::classes::{self, LETTER, SPACE};
use crate::hash::hash;

/// A word has a letter.
pub(crate) const HAS_LETTER: u8 = 1;
/// A word has a `#`.
pub(crate) const HAS_HASH: u8 = 2;
/// A word has an ellipsis character (U+2026).
pub(crate) const HAS_ELLIPSIS: u8 = 4;
/// A word has three dots in a row.
pub(crate) const HAS_DOTS: u8 = 16;
const DOT: u8 = 32;
const WIDE: u8 = 64;

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
}

/// Byte classes: those of [`classes::ASCII`] and the marks above.
static CLASS: [u8; 256] = {
    let mut class = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        class[i] = match i as u8 {
            b'#' => HAS_HASH,
            b'.' => DOT,
            c if c >= 128 => WIDE,
            c if classes::ASCII[c as usize] & SPACE != 0 => SPACE,
            c if classes::ASCII[c as usize] & LETTER != 0 => HAS_LETTER,
            _ => 0,
        };
        i += 1;
    }
    class
};

impl Buffers {
    /// Look at a text of less than 4 GiB.
    pub fn view<'d>(&'d mut self, text: &'d str) -> View<'d> {
        self.words.clear();
        self.lines.clear();
        let bytes = text.as_bytes();
        let (mut i, mut characters) = (0, 0u32);
        let mut line = Line::default();
        let mut line_characters = 0;
        while i < bytes.len() {
            let byte = bytes[i];
            let class = CLASS[usize::from(byte)];
            if class == SPACE {
                if byte == b'\n' {
                    line.end = i as u32;
                    line.characters = characters - line_characters;
                    line.words = self.words.len() as u32 - line.first_word;
                    self.lines.push(line);
                    line =
                        Line { start: i as u32 + 1, first_word: self.words.len() as u32, ..Line::default() };
                    line_characters = characters + 1;
                }
                characters += 1;
                i += 1;
                continue;
            }
            let start = i;
            let mut seen = 0u8;
            let mut wide = 0;
            while i < bytes.len() {
                let class = CLASS[usize::from(bytes[i])];
                if class == SPACE {
                    break;
                }
                if class != WIDE {
                    seen |= class;
                    i += 1;
                    continue;
                }
                let Some(c) = text[i..].chars().next() else { break };
                let class = classes::of(c);
                if class & SPACE != 0 {
                    break;
                }
                seen |= if class & LETTER != 0 { HAS_LETTER } else { 0 };
                seen |= if c == '…' { HAS_ELLIPSIS } else { 0 };
                wide += c.len_utf8() as u32 - 1;
                i += c.len_utf8();
            }
            if i == start {
                // White space beyond ASCII: no word, and no line ends at it.
                i += text[i..].chars().next().map_or(1, char::len_utf8);
                characters += 1;
                continue;
            }
            if seen & DOT != 0 && bytes[start..i].windows(3).any(|w| w == b"...") {
                seen |= HAS_DOTS;
            }
            let count = (i - start) as u32 - wide;
            characters += count;
            self.words.push(Word {
                start: start as u32,
                end: i as u32,
                characters: count,
                seen,
                hash: hash(bytes, start, i),
            });
        }
        if !text.is_empty() {
            line.end = bytes.len() as u32;
            line.characters = characters - line_characters;
            line.words = self.words.len() as u32 - line.first_word;
            self.lines.push(line);
        }
        View { text, characters, words: &self.words, lines: &self.lines }
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
            assert_eq!(word.seen & HAS_DOTS != 0, text.contains("..."));
        }
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
        fn the_one_pass_agrees_with_many(text in "([a-cT#.…\u{2003}\u{85}\u{a0}\n\r\t \\-*é1ß中\u{1c}]|\\.\\.\\.|\n){0,60}") {
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
