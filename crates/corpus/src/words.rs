//! One pass over a text that counts what the quality rules ask for.

/// What was counted in one text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Measures {
    /// Words: runs of characters that are not whitespace.
    pub words: u64,
    /// Characters in words.
    pub characters: u64,
    /// Words with `#`.
    pub hashes: u64,
    /// Words with `...` or `…`.
    pub ellipses: u64,
    /// Words with a letter.
    pub alphabetic: u64,
    /// Bit i: the i-th of [`STOP_WORDS`] occurs.
    pub stop_words: u8,
    /// Lines with a word.
    pub lines: u64,
    /// Lines that begin with a bullet.
    pub bullet_lines: u64,
    /// Lines that end with an ellipsis.
    pub ellipsis_lines: u64,
}

const STOP_WORDS: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];

const LETTER: u8 = 1;
const HASH: u8 = 2;
const DOT: u8 = 4;
const SPACE: u8 = 8;
const WIDE: u8 = 16;

/// What each byte is: letter, `#`, `.`, whitespace, or part of a character beyond ASCII.
static CLASS: [u8; 256] = {
    let mut class = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        class[i] = match i as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'#' => HASH,
            b'.' => DOT,
            // The whitespace of `char::is_whitespace`: tab, line feed, vertical tab, form feed, return, space.
            9..=13 | b' ' => SPACE,
            128..=255 => WIDE,
            _ => 0,
        };
        i += 1;
    }
    class
};

impl Measures {
    /// Count in `text`.
    pub fn of(text: &str) -> Measures {
        let mut m = Measures::default();
        let bytes = text.as_bytes();
        // The line so far: its first word begins with a bullet; its last word ends with an ellipsis.
        let (mut words_in_line, mut bullet, mut ellipsis_end) = (0u64, false, false);
        let mut i = 0;
        while i < bytes.len() {
            let byte = bytes[i];
            if CLASS[usize::from(byte)] == SPACE {
                if byte == b'\n' && words_in_line > 0 {
                    m.end_line(bullet, ellipsis_end);
                    words_in_line = 0;
                }
                i += 1;
                continue;
            }
            let start = i;
            let mut seen = 0u8;
            let mut characters = 0u64;
            let mut wide_letter = false;
            let mut wide_ellipsis = false;
            while i < bytes.len() {
                let class = CLASS[usize::from(bytes[i])];
                if class == SPACE {
                    break;
                }
                if class == WIDE {
                    let Some(c) = text[i..].chars().next() else { break };
                    if c.is_whitespace() {
                        if i == start {
                            i += c.len_utf8();
                        }
                        break;
                    }
                    wide_letter |= c.is_alphabetic();
                    wide_ellipsis |= c == '…';
                    characters += 1;
                    i += c.len_utf8();
                } else {
                    seen |= class;
                    characters += 1;
                    i += 1;
                }
            }
            if characters == 0 {
                continue;
            }
            let word = &bytes[start..i];
            m.words += 1;
            m.characters += characters;
            m.hashes += u64::from(seen & HASH != 0);
            m.alphabetic += u64::from(wide_letter || seen & LETTER != 0);
            let dots = seen & DOT != 0 && word.windows(3).any(|w| w == b"...");
            m.ellipses += u64::from(dots || wide_ellipsis);
            if (2..=4).contains(&word.len()) {
                m.see_stop_word(word);
            }
            if words_in_line == 0 {
                bullet = begins_with_bullet(word);
            }
            ellipsis_end =
                (dots || wide_ellipsis) && (word.ends_with(b"...") || word.ends_with("…".as_bytes()));
            words_in_line += 1;
        }
        if words_in_line > 0 {
            m.end_line(bullet, ellipsis_end);
        }
        m
    }

    fn end_line(&mut self, bullet: bool, ellipsis: bool) {
        self.lines += 1;
        self.bullet_lines += u64::from(bullet);
        self.ellipsis_lines += u64::from(ellipsis);
    }

    fn see_stop_word(&mut self, word: &[u8]) {
        if let Some(i) = STOP_WORDS.iter().position(|stop| stop.as_bytes().eq_ignore_ascii_case(word)) {
            self.stop_words |= 1 << i;
        }
    }
}

fn begins_with_bullet(word: &[u8]) -> bool {
    matches!(word[0], b'-' | b'*')
        || ["•", "‣", "▪", "◦"].iter().any(|bullet| word.starts_with(bullet.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by the book, one pass for each number.
    fn naive(text: &str) -> Measures {
        let words: Vec<&str> = text.split_whitespace().collect();
        let lines: Vec<&str> = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
        let count = |f: &dyn Fn(&str) -> bool| words.iter().filter(|w| f(w)).count() as u64;
        let mut stop_words = 0;
        for (i, stop) in STOP_WORDS.iter().enumerate() {
            stop_words |= u8::from(words.iter().any(|w| w.to_ascii_lowercase() == **stop)) << i;
        }
        Measures {
            words: words.len() as u64,
            characters: words.iter().map(|w| w.chars().count() as u64).sum(),
            hashes: count(&|w| w.contains('#')),
            ellipses: count(&|w| w.contains("...") || w.contains('…')),
            alphabetic: count(&|w| w.chars().any(char::is_alphabetic)),
            stop_words,
            lines: lines.len() as u64,
            bullet_lines: lines.iter().filter(|l| l.starts_with(['-', '*', '•', '‣', '▪', '◦'])).count()
                as u64,
            ellipsis_lines: lines.iter().filter(|l| l.ends_with("...") || l.ends_with('…')).count() as u64,
        }
    }

    proptest! {
        #[test]
        fn the_one_pass_agrees_with_many(text in "([a-cT#.…\u{2003}\u{85}\u{a0}\n\r\t \\-*•é1ß中]|the|Of|\\.\\.\\.|\n- ){0,60}") {
            prop_assert_eq!(Measures::of(&text), naive(&text));
        }

        #[test]
        fn any_text_is_counted_alike(text in any::<String>()) {
            prop_assert_eq!(Measures::of(&text), naive(&text));
        }
    }
}
