//! Paragraphs, as deduplication compares them: lines that are not blank, or what stands between other separators.

pub(crate) mod ngrams;

use std::collections::VecDeque;

use memchr::memmem::Finder;

use crate::bounds::each_word;
use crate::dedup::hash::hash64;
use crate::edit;
use crate::memory::is_long;
pub use ngrams::Ngrams;

/// A paragraph of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paragraph<'t> {
    /// Its first byte.
    pub start: u32,
    /// The byte behind its line feed or separator.
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

/// How long a text must be to be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Least {
    /// Bytes, of a paragraph without the white space around it.
    pub bytes: u32,
    /// Words between Unicode's word boundaries (UAX 29), marks included, white space not.
    pub words: u32,
}

impl Least {
    /// Whether a text is long enough.
    pub(crate) fn met(self, text: &str) -> bool {
        let mut words = 0;
        if self.words > 0 {
            each_word(text, |_| words += 1);
        }
        text.len() >= self.bytes as usize && words >= self.words
    }
}

/// How a text is cut into paragraphs, and which of them are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// What stands between two paragraphs; it belongs to the first of them and is not compared.
    pub separator: String,
    /// Paragraphs below that are not compared, and empty ones never.
    pub least: Least,
}

impl Default for Cut {
    /// All lines.
    fn default() -> Cut {
        Cut { separator: "\n".into(), least: Least::default() }
    }
}

impl Cut {
    /// The paragraphs of a text that are compared.
    pub(crate) fn paragraphs<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Paragraph<'t>> {
        pieces(text, Separator::new(&self.separator), self.least)
    }
}

/// The lines of a text that are compared: those that have at least `least` bytes without the white space around them.
pub(crate) fn paragraphs(text: &str, least: u32) -> impl Iterator<Item = Paragraph<'_>> {
    pieces(text, Separator::Byte(b'\n'), Least { bytes: least, words: 0 })
}

/// How a stage compares the lines of texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compared {
    /// Shorter lines are not compared.
    pub least: u32,
    /// Lines are compared by these n-grams instead of whole.
    pub ngrams: Option<Ngrams>,
}

impl Compared {
    /// Append the fingerprints of what is compared of a text, in order; gives back how many. Of more n-grams than `most` not all are
    /// appended.
    pub fn hashes(&self, text: &str, most: u64, out: &mut Vec<u64>) -> u64 {
        let lines = || paragraphs(text, self.least);
        let Some(ngrams) = &self.ngrams else {
            let before = out.len();
            out.extend(lines().map(|line| line.hash()));
            return (out.len() - before) as u64;
        };
        if is_long(text.len()) {
            let mut all = 0;
            for line in lines() {
                all += ngrams.number(&line);
                if all > most {
                    return all;
                }
            }
            out.reserve_exact(all as usize);
        }
        let (mut words, mut number) = (VecDeque::new(), 0);
        for line in lines() {
            number += ngrams.each(&line, most - number, &mut words, |hash, _| out.push(hash));
            if number > most {
                break;
            }
        }
        number
    }

    /// Cut the lines of a text that came before: of the fingerprints those with these numbers, rising, did.
    pub fn cuts(&self, text: &str, mut numbers: &[u32], out: &mut Vec<edit::Cut>) {
        let lines = paragraphs(text, self.least);
        let mut cut = |line: &Paragraph| {
            out.push(edit::Cut { start: line.start, end: line.end, replacement: 0 });
        };
        if let Some(ngrams) = &self.ngrams {
            return ngrams.again(lines, numbers, |line| cut(line));
        }
        let mut each = (0u32..).zip(lines);
        while let [wanted, rest @ ..] = numbers
            && let Some((_, found)) = each.find(|(number, _)| number == wanted)
        {
            cut(&found);
            numbers = rest;
        }
    }
}

/// What stands between two paragraphs.
enum Separator<'s> {
    Byte(u8),
    Text(Box<Finder<'s>>, usize),
}

impl Separator<'_> {
    fn new(text: &str) -> Separator<'_> {
        match text.as_bytes() {
            [byte] => Separator::Byte(*byte),
            bytes => Separator::Text(Box::new(Finder::new(bytes)), bytes.len()),
        }
    }

    /// Where the next one begins and ends; at the end of the text if there is none. An empty one is nowhere.
    fn next(&self, text: &str) -> (usize, usize) {
        let found = match self {
            Separator::Byte(byte) => memchr::memchr(*byte, text.as_bytes()).map(|at| (at, at + 1)),
            Separator::Text(_, 0) => None,
            Separator::Text(finder, length) => finder.find(text.as_bytes()).map(|at| (at, at + length)),
        };
        found.unwrap_or((text.len(), text.len()))
    }
}

fn pieces<'t>(text: &'t str, separator: Separator<'t>, least: Least) -> impl Iterator<Item = Paragraph<'t>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let start = at;
            let (end, next) = separator.next(&text[start..]);
            at = start + next;
            let core = trim(&text[start..start + end]);
            if !core.is_empty() && least.met(core) {
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

    #[test]
    fn separators_are_any_text_and_short_paragraphs_are_passed_over() {
        let of = |separator: &str, text: &'static str, words| {
            let cut = Cut { separator: separator.into(), least: Least { bytes: 0, words } };
            cut.paragraphs(text)
                .map(|p| (&text[p.start as usize..p.end as usize], p.core.to_string()))
                .collect::<Vec<_>>()
        };
        let own =
            |list: &[(&'static str, &str)]| list.iter().map(|(a, b)| (*a, b.to_string())).collect::<Vec<_>>();
        let text = "one\ntwo, three\n\n four\n\n\nfive";
        let two = [("one\ntwo, three\n\n", "one\ntwo, three"), (" four\n\n", "four"), ("\nfive", "five")];
        assert_eq!(of("\n\n", text, 0), own(&two));
        // A mark is a word.
        assert_eq!(of("\n\n", text, 4), own(&two[..1]));
        assert_eq!(of("\n\n", text, 5), []);
        assert_eq!(of("\n", text, 2), own(&[("two, three\n", "two, three")]));
        assert_eq!(of("é--", "aé--bé-é--", 0), own(&[("aé--", "a"), ("bé-é--", "bé-")]));
        assert_eq!(of("|", "a|| b |c", 0), own(&[("a|", "a"), (" b |", "b"), ("c", "c")]));
        assert_eq!(of("zz", "a b", 0), own(&[("a b", "a b")]));
    }

    #[test]
    fn lines_are_cut_by_number() {
        let text = "one\n\ntwo longer\nthree\n";
        let cuts = |least, ngrams, numbers: &[u32]| {
            let mut cuts = Vec::new();
            Compared { least, ngrams }.cuts(text, numbers, &mut cuts);
            cuts.iter().map(|c| &text[c.start as usize..c.end as usize]).collect::<Vec<_>>()
        };
        assert_eq!(cuts(0, None, &[0, 2]), ["one\n", "three\n"]);
        assert_eq!(cuts(4, None, &[0, 9]), ["two longer\n"]);
        let ngrams = Ngrams { length: 1, stride: 1, share: 0.5, skip_short: true };
        assert_eq!(cuts(0, Some(ngrams), &[1, 3]), ["two longer\n", "three\n"]);
    }

    #[test]
    fn fingerprints_of_ngrams_are_no_more_than_fit() {
        let ngrams = Some(Ngrams { length: 2, stride: 1, share: 0.5, skip_short: false });
        let compared = Compared { least: 0, ngrams };
        for text in ["a ".repeat(500), "! ".repeat(2 << 20)] {
            let mut out = Vec::new();
            assert!(compared.hashes(&text, 100, &mut out) > 100 && out.len() <= 102);
            let all = compared.hashes(&text, u64::MAX, &mut out);
            assert_eq!(all, text.len() as u64 / 2 - 1);
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(text in "[a b\n]{0,40}", least in 0u32..4) {
            let lines = text.split('\n').map(str::trim).filter(|l| !l.is_empty() && l.len() >= least as usize);
            prop_assert!(paragraphs(&text, least).map(|p| p.core).eq(lines));
        }

        #[test]
        fn white_space_is_that_of_unicode(line in "[ a\u{b}\u{1c}\u{85}\u{a0}\u{2003}\u{3000}é\t\r\n]{0,12}") {
            prop_assert_eq!(trim(&line), line.trim());
        }
    }
}
