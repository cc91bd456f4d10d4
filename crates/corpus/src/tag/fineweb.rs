//! FineWeb's rules (Penedo et al. 2024, "The FineWeb datasets", section 3.6), as datatrove's `FineWebQualityFilter`
//! computes them: lines that end in terminal punctuation (kept at 0.12 and more), lines of at most 30 characters (at most
//! 0.67), characters of lines that came before (at most 0.01), line feeds by words (at most 0.3).
//!
//! Blank lines count for nothing. Terminal punctuation is the Unicode property Sentence_Terminal; datatrove has a list of
//! its own, which holds also `'"'`-like marks of the scripts it knows: see the test for where they differ. Words are
//! those of spaCy's English tokenizer ([`super::spacy`]).

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, value};

const SHORT: u32 = 30;

static ATTRIBUTES: [Attribute; 4] = [
    fraction("line_punct_ratio", "share of lines that end in terminal punctuation"),
    fraction("short_line_ratio", "share of lines of at most 30 characters"),
    fraction("char_dup_ratio", "characters of lines that came before, by all but line feeds"),
    value("list_ratio", "line feeds by words"),
];

pub(super) static KIND: Kind = Kind {
    name: "fineweb",
    aliases: &["fineweb@datatrove"],
    version: 2,
    about: "FineWeb's rules of punctuation, short lines, repeated lines and lists (Penedo et al. 2024).",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(FineWeb))
    },
};

/// Characters that end a sentence.
static TERMINAL: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let Ok(parsed) = regex_syntax::parse(r"\p{Sentence_Terminal}") else { return Vec::new() };
    match parsed.kind() {
        HirKind::Class(Class::Unicode(ranges)) => {
            ranges.iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => Vec::new(),
    }
});

/// Whether a character ends a sentence.
pub(super) fn is_terminal(c: char) -> bool {
    match c {
        '.' | '!' | '?' => true,
        c if c.is_ascii() => false,
        c => {
            let i = TERMINAL.partition_point(|&(_, last)| last < c);
            TERMINAL.get(i).is_some_and(|&(first, _)| first <= c)
        }
    }
}

/// Whether the last character of a line ends a sentence.
fn ends_in_terminal(line: &str) -> bool {
    match line.as_bytes().last() {
        Some(byte) if byte.is_ascii() => matches!(byte, b'.' | b'!' | b'?'),
        _ => line.chars().next_back().is_some_and(is_terminal),
    }
}

struct FineWeb;

impl Tagger for FineWeb {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let (mut count, mut ends, mut short) = (0u32, 0u32, 0u32);
        let lines = view.lines.iter().filter(|line| line.words > 0);
        let pieces = lines.map(|line| {
            count += 1;
            ends += u32::from(ends_in_terminal(view.line(line)));
            short += u32::from(line.characters <= SHORT);
            (line.start, line.end, line.characters)
        });
        let repeated = scratch.lines.count(view.text, view.lines.len(), pieces);
        let count = f64::from(count);
        let feeds = view.lines.len().saturating_sub(1) as f64;
        out.value(0, share(f64::from(ends), count));
        out.value(1, share(f64::from(short), count));
        out.value(2, share(repeated.later_characters as f64, f64::from(view.characters) - feeds));
        out.value(3, share(feeds, scratch.cuts.count(&view) as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::number;

    #[test]
    fn every_share_is_measured_by_hand() {
        let text = "A line that is longer than thirty characters.\nshort\n\n  \nshort\nWhy is this one also longer than that?";
        let of = |name| number("fineweb", name, text);
        assert_eq!(of("line_punct_ratio"), 0.5);
        assert_eq!(of("short_line_ratio"), 0.5);
        assert_eq!(of("char_dup_ratio"), 5.0 / (text.len() as f64 - 5.0));
        assert_eq!(of("list_ratio"), 5.0 / 20.0);
        assert_eq!(number("fineweb", "char_dup_ratio", "\n\n"), 0.0);
    }

    #[test]
    fn sentences_end_in_many_scripts() {
        assert!(['.', '!', '?', '。', '؟', '।', '‽', '．'].into_iter().all(is_terminal));
        assert!([',', '"', ':', 'a', '…', '\''].into_iter().all(|c| !is_terminal(c)));
    }
}
