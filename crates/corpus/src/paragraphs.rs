//! Paragraphs, as deduplication compares them: lines that are not blank.

use crate::dedup::hash::hash64;

/// A paragraph of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paragraph<'t> {
    /// Its first byte.
    pub start: u32,
    /// The byte behind its line feed.
    pub end: u32,
    /// What is compared: itself without the white space around it.
    pub core: &'t str,
}

impl Paragraph<'_> {
    /// The fingerprint of what is compared.
    pub fn hash(&self) -> u64 {
        hash64(self.core.as_bytes(), 0)
    }
}

/// The paragraphs of a text that are compared: those that have at least `least` bytes without the white space around them.
pub(crate) fn paragraphs(text: &str, least: u32) -> impl Iterator<Item = Paragraph<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let start = at;
            at = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |i| start + i + 1);
            let core = trim(&text[start..at]);
            if !core.is_empty() && core.len() >= least as usize {
                return Some(Paragraph { start: start as u32, end: at as u32, core });
            }
        }
        None
    })
}

/// [`str::trim`], which takes characters apart: at most ends of lines bytes tell enough.
fn trim(line: &str) -> &str {
    let is_space = |byte: u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let bytes = line.as_bytes();
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    let core = &line[start..end];
    match (core.as_bytes().first(), core.as_bytes().last()) {
        (Some(first), Some(last)) if !first.is_ascii() || !last.is_ascii() => core.trim(),
        _ => core,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paragraphs_are_lines_with_something_in_them() {
        let text = "one\n\n  \n  two words \nx\nlast";
        let lines = |least| {
            paragraphs(text, least).map(|p| &text[p.start as usize..p.end as usize]).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), ["one\n", "  two words \n", "x\n", "last"]);
        assert_eq!(lines(4), ["  two words \n", "last"]);
        assert_eq!(paragraphs(text, 4).map(|p| p.core).collect::<Vec<_>>(), ["two words", "last"]);
        assert_eq!(paragraphs("", 0).count(), 0);
    }

    proptest! {
        #[test]
        fn white_space_is_that_of_unicode(line in "[ a\u{b}\u{1c}\u{85}\u{a0}\u{2003}\u{3000}é\t\r\n]{0,12}") {
            prop_assert_eq!(trim(&line), line.trim());
        }
    }
}
