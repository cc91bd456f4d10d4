//! How SentencePiece normalises a text before it is cut: rules of characters, white space, and the mark that stands for it.

use super::charsmap::CharsMap;
use super::trie::Trie;

/// U+2581, which stands for a space.
const MARK: &str = "\u{2581}";

#[derive(Debug)]
pub(super) struct Normaliser {
    pub rules: Option<CharsMap>,
    /// Pieces that the user defined: what they fit stays as it is.
    pub kept: Option<Trie>,
    /// `add_dummy_prefix`: a space at the begin, or, with `suffix`, at the end.
    pub dummy: bool,
    pub suffix: bool,
    /// `remove_extra_whitespaces`: none at begin and end, and one in a row.
    pub squeeze: bool,
    /// `escape_whitespaces`: spaces become [`MARK`].
    pub escape: bool,
}

impl Normaliser {
    /// What stands for the begin of a text, and the bytes of it that this is for.
    fn next<'t>(&'t self, text: &'t str) -> (&'t str, usize) {
        if let Some(kept) = &self.kept {
            let mut longest = 0;
            kept.prefixes(text.as_bytes(), |length, _| longest = length);
            if longest > 0 {
                return (&text[..longest], longest);
            }
        }
        if let Some(found) = self.rules.as_ref().and_then(|rules| rules.longest(text)) {
            return found;
        }
        let first = text.chars().next().map_or(0, char::len_utf8);
        (&text[..first], first)
    }

    /// Normalise `text` into `out`.
    pub fn apply(&self, text: &str, out: &mut String) {
        out.clear();
        let space = if self.escape { MARK } else { " " };
        let mut rest = text;
        while self.squeeze && !rest.is_empty() {
            let (first, length) = self.next(rest);
            if first != " " {
                break;
            }
            rest = &rest[length..];
        }
        if rest.is_empty() {
            return;
        }
        if self.dummy && !self.suffix {
            out.push_str(space);
        }
        let mut behind_space = self.squeeze;
        while !rest.is_empty() {
            let (mut next, length) = self.next(rest);
            if behind_space {
                next = next.trim_start_matches(' ');
            }
            if !next.is_empty() {
                for (i, part) in next.split(' ').enumerate() {
                    if i > 0 {
                        out.push_str(space);
                    }
                    out.push_str(part);
                }
                behind_space = self.squeeze && next.ends_with(' ');
            }
            rest = &rest[length..];
        }
        while self.squeeze && out.ends_with(space) {
            out.truncate(out.len() - space.len());
        }
        if self.dummy && self.suffix {
            out.push_str(space);
        }
    }
}
