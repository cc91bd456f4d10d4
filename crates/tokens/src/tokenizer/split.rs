//! Pre-tokenization: a text is cut into pieces, and no token crosses a piece.
//!
//! The pieces are the matches of a regular expression, found by a scanner with about one look at each character: no
//! regular expression engine, hence no backtracking limit on long runs of spaces, and no copy. The two families are
//! GPT-2's (Radford et al. 2019),
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, and that of OpenAI's later vocabularies
//! (cl100k_base, o200k_base), from which Llama 3, Qwen, Mistral's Tekken and many others have theirs:
//! `CONTRACTION|[^\r\n\p{L}\p{N}]?LETTERS|\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
//! [`super::expression`] says how they are spelled.

use super::classes::{self, LETTER, LOWER, MARK, NEWLINE, NUMBER, NUMERIC, SPACE, UPPER};

/// How a text is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// The expression.
    pub family: Family,
    /// Whether each digit is cut out before the expression sees the text between them.
    pub each_digit: bool,
}

/// The expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Gpt2,
    Later(Later),
}

/// What differs between the expressions of the later family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    pub contractions: Contractions,
    pub letters: Letters,
    /// Digits of a piece at most.
    pub digits: usize,
    /// Whether slashes follow other characters as newlines do.
    pub slash: bool,
    /// Whether white space at the end of the text is one piece, newlines or not.
    pub last_space: bool,
}

/// Where `'s`, `'re` and the like, in either case, are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contractions {
    None,
    /// Ahead of all else: a piece of their own.
    First,
    /// After letters: a part of their piece.
    After,
}

/// What a word is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// `\p{L}+`.
    Plain,
    /// `[\p{L}\p{M}]+`, and marks are not among the other characters.
    Marks,
    /// Upper case, then lower case, with letters of neither and marks in both.
    Cased,
}

/// GPT-2's pieces.
pub(crate) const GPT2: Split = Split { family: Family::Gpt2, each_digit: false };

impl Split {
    /// The end of the piece that begins at `at`, which is below the text's length.
    pub(crate) fn end(&self, text: &str, at: usize) -> usize {
        if self.each_digit
            && let Some((bits, length)) = classes::at(text, at)
            && bits & NUMERIC != 0
        {
            return at + length;
        }
        let text = Text { text, each_digit: self.each_digit };
        match &self.family {
            Family::Gpt2 => text.gpt2_end(at),
            Family::Later(later) => later.end(text, at),
        }
    }

    /// The pieces of a text, which together are the text.
    pub(crate) fn pieces(self, text: &str) -> impl Iterator<Item = &str> {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < text.len()).then(|| {
                let start = at;
                at = self.end(text, start);
                &text[start..at]
            })
        })
    }
}

/// A text as the expression sees it: it may end at the next digit.
#[derive(Clone, Copy)]
struct Text<'t> {
    text: &'t str,
    each_digit: bool,
}

impl Text<'_> {
    /// The bits and length of the character at `at`; none at the end.
    fn at(&self, at: usize) -> Option<(u8, usize)> {
        classes::at(self.text, at).filter(|(bits, _)| !(self.each_digit && bits & NUMERIC != 0))
    }

    fn rest(&self, at: usize) -> &[u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// The end of the run of characters that belong to it.
    fn run(&self, mut at: usize, belongs: impl Fn(u8) -> bool) -> usize {
        while let Some((bits, length)) = self.at(at) {
            if !belongs(bits) {
                break;
            }
            at += length;
        }
        at
    }

    /// The end of white space that begins at `at`: its last character is left to the next piece unless it is alone or
    /// ends the text.
    fn space_end(&self, at: usize) -> usize {
        let (mut last, mut end) = (at, at);
        while let Some((bits, length)) = self.at(end) {
            if bits & SPACE == 0 {
                return if last == at { end } else { last };
            }
            (last, end) = (end, end + length);
        }
        end
    }

    fn gpt2_end(&self, at: usize) -> usize {
        let rest = self.rest(at);
        if let [b'\'', more @ ..] = rest {
            match more {
                [b'r' | b'v', b'e', ..] | [b'l', b'l', ..] => return at + 3,
                [b's' | b't' | b'm' | b'd', ..] => return at + 2,
                _ => {}
            }
        }
        // One plain space goes with what follows it.
        let word = if rest.first() == Some(&b' ') { at + 1 } else { at };
        match self.at(word) {
            Some((bits, length)) if bits & SPACE == 0 => {
                let kind = bits & (LETTER | NUMBER);
                self.run(word + length, |bits| bits & (SPACE | LETTER | NUMBER) == kind)
            }
            _ => self.space_end(at),
        }
    }

    /// The end of `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`. The first run gives back what the
    /// second needs: if nothing of lower case follows, all behind its last character that is in both classes.
    fn cased(&self, at: usize) -> Option<usize> {
        let (mut both, mut end) = (None, at);
        while let Some((bits, length)) = self.at(end) {
            if !is_upper(bits) {
                break;
            }
            end += length;
            if is_lower(bits) {
                both = Some(end);
            }
        }
        let lower = self.run(end, is_lower);
        if lower > end { Some(lower) } else { both }
    }

    /// The end of `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+` where nothing of lower case follows.
    fn uppers(&self, at: usize) -> Option<usize> {
        let end = self.run(at, is_upper);
        (end > at).then_some(end)
    }

    /// The end of `(?i:'s|'t|'re|'ve|'m|'ll|'d)` at `at`. Among the characters that fold to an ASCII letter without
    /// being one, the long s (U+017F) is the only one that matters here.
    fn contraction(&self, at: usize) -> Option<usize> {
        let [b'\'', more @ ..] = self.rest(at) else { return None };
        match more {
            [b's' | b'S' | b't' | b'T' | b'm' | b'M' | b'd' | b'D', ..] => Some(at + 2),
            [b'r' | b'R' | b'v' | b'V', b'e' | b'E', ..] | [b'l' | b'L', b'l' | b'L', ..] => Some(at + 3),
            [0xC5, 0xBF, ..] => Some(at + 3),
            _ => None,
        }
    }
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

impl Later {
    fn end(&self, text: Text<'_>, at: usize) -> usize {
        if self.contractions == Contractions::First
            && let Some(end) = text.contraction(at)
        {
            return end;
        }
        if let Some(end) = self.word(text, at) {
            return end;
        }
        let Some((bits, length)) = text.at(at) else { return text.text.len() };
        if bits & NUMBER != 0 {
            let mut end = at + length;
            for _ in 1..self.digits {
                match text.at(end) {
                    Some((bits, length)) if bits & NUMBER != 0 => end += length,
                    _ => break,
                }
            }
            return end;
        }
        let not_other = match self.letters {
            Letters::Marks => SPACE | LETTER | NUMBER | MARK,
            _ => SPACE | LETTER | NUMBER,
        };
        let from = if text.rest(at).first() == Some(&b' ') { at + 1 } else { at };
        let end = text.run(from, |bits| bits & not_other == 0);
        if end > from {
            let tail = |byte: &&u8| is_newline(**byte) || (self.slash && **byte == b'/');
            return end + text.rest(end).iter().take_while(tail).count();
        }
        // All of the white space up to its last newline.
        let end = text.run(at, |bits| bits & SPACE != 0);
        if self.last_space && text.at(end).is_none() {
            return end;
        }
        match text.text.as_bytes()[at..end].iter().rposition(|&byte| is_newline(byte)) {
            Some(newline) => at + newline + 1,
            None => text.space_end(at),
        }
    }

    /// The end of a word, which may begin with one character that is no letter, no digit and no newline.
    fn word(&self, text: Text<'_>, at: usize) -> Option<usize> {
        let (first, length) = text.at(at)?;
        let leads = first & (LETTER | NUMBER | NEWLINE) == 0;
        let led = if leads { at + length } else { at };
        let end = match self.letters {
            Letters::Plain => {
                let end = text.run(led, |bits| bits & LETTER != 0);
                (end > led).then_some(end)?
            }
            Letters::Marks => {
                let end = text.run(led, |bits| bits & (LETTER | MARK) != 0);
                // A mark alone leads no word but is one.
                (end > led || first & MARK != 0).then_some(end)?
            }
            Letters::Cased => text
                .cased(led)
                .or_else(|| (first & MARK != 0).then(|| text.cased(at)).flatten())
                .or_else(|| text.uppers(led))?,
        };
        match self.contractions {
            Contractions::After => Some(text.contraction(end).unwrap_or(end)),
            _ => Some(end),
        }
    }
}

fn is_upper(bits: u8) -> bool {
    bits & (LETTER | LOWER) == LETTER || bits & MARK != 0
}

fn is_lower(bits: u8) -> bool {
    bits & (LETTER | UPPER) == LETTER || bits & MARK != 0
}

/// Cut a text into parts of about `bytes` bytes whose pieces are the text's own, by any [`Split`].
///
/// A cut lies before white space other than a newline that follows anything but white space. There a piece ends whatever
/// came before (such white space occurs in a piece only as its first character or in a piece of nothing else), and where
/// a piece ends depends only on the text behind its beginning. So cutting there changes no piece.
pub(crate) fn parts(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = cut_behind(rest, bytes.max(1));
        let (part, more) = rest.split_at(cut);
        rest = more;
        Some(part)
    })
}

fn cut_behind(text: &str, least: usize) -> usize {
    if text.len() <= least {
        return text.len();
    }
    let mut at = text.floor_char_boundary(least - 1);
    let mut before_is_space = true;
    while let Some((bits, length)) = classes::at(text, at) {
        if bits & (SPACE | NEWLINE) == SPACE && !before_is_space {
            return at;
        }
        before_is_space = bits & SPACE != 0;
        at += length;
    }
    text.len()
}

#[cfg(test)]
mod tests;
