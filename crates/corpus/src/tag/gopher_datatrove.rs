//! Gopher's rules (Rae et al. 2021, appendix A.1.1 and table A1) as datatrove's `GopherQualityFilter` and
//! `GopherRepetitionFilter` compute them.
//!
//! What differs from Dolma's: words that are nothing but punctuation do not count for number and length; the mean length,
//! not the median; hashes and ellipses (`...` too) are counted in the text, not words that have them; lines end where
//! `splitlines` ends them, blank space around them does not count, and a bullet is `•` or `-`; of the stop words different
//! ones count; repeated n-grams of 5 to 10 words are walked over, so that each character counts at most once; shares are
//! of the characters of the text.
//!
//! datatrove takes its words from spaCy's English tokenizer; so does this tagger ([`super::spacy`]).

use std::sync::LazyLock;

use super::c4::lines;
use super::classes::{LETTER, is_space, of};
use super::gopher_dolma::required;
use super::lines::Repeated;
use super::ngrams::Look;
use super::spacy::{Cut, Cuts};
use super::view::{HAS_LETTER, PLAIN, Word};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, View, fraction, value};
use crate::hash::hash;

static ATTRIBUTES: [Attribute; 21] = [
    value("words", "words that are not only punctuation (kept: 50 to 100,000)"),
    value("mean_word_length", "their mean length in characters (kept: 3 to 10)"),
    value("hash_ratio", "# by words (at most 0.1)"),
    value("ellipsis_ratio", "... and ellipsis characters by words (at most 0.1)"),
    fraction("bullet_lines", "share of lines that begin with a bullet (at most 0.9)"),
    fraction("ellipsis_lines", "share of lines that end with an ellipsis (at most 0.3)"),
    fraction("alphabetic_words", "share of words with a letter (at least 0.8)"),
    value("stop_words", "different stop words (at least 2)"),
    fraction("duplicate_paragraphs", "share of paragraphs that came before (at most 0.3)"),
    value(
        "duplicate_paragraph_characters",
        "characters of paragraphs that came before, by all (at most 0.2)",
    ),
    fraction("duplicate_lines", "share of lines that came before (at most 0.3)"),
    value("duplicate_line_characters", "characters of lines that came before, by all (at most 0.2)"),
    value("top_2gram", "characters in the most frequent 2-gram, by all (at most 0.20)"),
    value("top_3gram", "characters in the most frequent 3-gram, by all (at most 0.18)"),
    value("top_4gram", "characters in the most frequent 4-gram, by all (at most 0.16)"),
    value("duplicate_5grams", "characters in 5-grams that came before, by all (at most 0.15)"),
    value("duplicate_6grams", "characters in 6-grams that came before, by all (at most 0.14)"),
    value("duplicate_7grams", "characters in 7-grams that came before, by all (at most 0.13)"),
    value("duplicate_8grams", "characters in 8-grams that came before, by all (at most 0.12)"),
    value("duplicate_9grams", "characters in 9-grams that came before, by all (at most 0.11)"),
    value("duplicate_10grams", "characters in 10-grams that came before, by all (at most 0.10)"),
];

pub(super) static KIND: Kind = Kind {
    name: "gopher@datatrove",
    aliases: &[],
    version: 2,
    about: "Gopher's rules of quality and repetition (Rae et al. 2021) as datatrove's two filters compute them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Gopher))
    },
};

/// datatrove's set of punctuation, with the control characters that it counts as such.
static PUNCTUATION: LazyLock<Vec<char>> = LazyLock::new(|| {
    let marks = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»";
    let controls = (0..9).chain(11..13).chain(13..32).chain(127..160).filter_map(char::from_u32);
    let mut all: Vec<char> = marks.chars().chain(controls).collect();
    all.sort_unstable();
    all.dedup();
    all
});

/// A word has no letter, and nothing that is no punctuation.
const MARKS: u8 = 128;

/// What a byte of ASCII in a word is: a letter, or punctuation, which is what is no letter and no digit.
static BYTES: [u8; 256] = {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        all[byte] = match c.is_ascii_alphabetic() {
            true => HAS_LETTER,
            false if c.is_ascii_digit() => 0,
            false => MARKS,
        };
        byte += 1;
    }
    all
};

/// Whether a word has a letter ([`HAS_LETTER`]), and whether it is nothing but punctuation ([`MARKS`]).
#[inline]
fn look(word: &[u8], ascii: bool) -> u8 {
    if ascii {
        let (any, all) = word
            .iter()
            .map(|byte| BYTES[usize::from(*byte)])
            .fold((0, MARKS), |(any, all), of| (any | of, all & of));
        return any & HAS_LETTER | all & MARKS;
    }
    let (mut letter, mut punctuation) = (0, MARKS);
    for c in std::str::from_utf8(word).unwrap_or_default().chars() {
        letter |= if of(c) & LETTER != 0 { HAS_LETTER } else { 0 };
        // The first character that is none settles it.
        if punctuation != 0 && PUNCTUATION.binary_search(&c).is_err() {
            punctuation = 0;
        }
    }
    letter | punctuation
}

struct Gopher;

/// The words of a view, cut as spaCy cuts them. What was seen is told only of those that are not cut.
fn cut_words(view: &View, cuts: &mut Cuts, out: &mut Vec<Word>) {
    let bytes = view.text.as_bytes();
    out.clear();
    out.reserve(view.words.len() * 5 / 4);
    cuts.words(view, |word, cut| {
        let ascii = word.characters as usize == word.length();
        let mut add = |start: usize, end: usize| {
            let characters = match ascii {
                true => end - start,
                false => bytes[start..end].iter().filter(|byte| **byte & 0xC0 != 0x80).count(),
            };
            out.push(Word {
                start: start as u32,
                end: end as u32,
                characters: characters as u32,
                seen: 0,
                hash: hash(bytes, start, end),
            });
        };
        match cut {
            _ if cut.count() == 1 => out.push(*word),
            Cut::Lengths(lengths) => {
                let mut start = word.start as usize;
                for length in lengths.iter() {
                    add(start, start + length);
                    start += length;
                }
            }
            Cut::Tokens(tokens) => tokens.iter().for_each(|token| add(token.start, token.end)),
        }
    });
}

impl Tagger for Gopher {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let text = view.text;
        let mut words = std::mem::take(&mut scratch.words);
        cut_words(&view, &mut scratch.cuts, &mut words);
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let count = words.len() as f64;
        let all = f64::from(view.characters);

        for order in scratch.ngrams.orders(&words, 10, |n| if n <= 4 { Look::Top } else { Look::Walked }) {
            if order.n >= 5 {
                out.value(10 + order.n, share(order.walked_characters as f64, all));
                continue;
            }
            // datatrove's n-gram is a text with a space between its words.
            let spaces = if order.top_count == 0 { 0 } else { order.n as u64 - 1 };
            let top = u64::from(order.top_count) * (order.top_characters + spaces);
            out.value(10 + order.n, share(top as f64, all));
        }

        // Of equal words one is looked at.
        let (mut real, mut characters, mut letters, mut stops) = (0u64, 0u64, 0u64, 0u16);
        for (first, times) in scratch.ngrams.classes() {
            let (word, times) = (&words[first], u64::from(times));
            let (start, end) = (word.start as usize, word.end as usize);
            let seen = match word.seen & PLAIN != 0 {
                true => HAS_LETTER,
                false => look(&text.as_bytes()[start..end], word.characters as usize == word.length()),
            };
            let times_word = if seen & MARKS == 0 { times } else { 0 };
            real += times_word;
            characters += u64::from(word.characters) * times_word;
            letters += if seen & HAS_LETTER != 0 { times } else { 0 };
            stops |= 1 << required(text.as_bytes(), start, end);
        }
        out.value(0, real as f64);
        out.value(1, share(characters as f64, real as f64));
        out.value(2, share(memchr::memchr_iter(b'#', text.as_bytes()).count() as f64, count));
        let count_of = |mark: &str| memchr::memmem::find_iter(text.as_bytes(), mark).count();
        let ellipses = count_of("...") + count_of("…");
        out.value(3, share(ellipses as f64, count));
        let (mut lines_count, mut bullets, mut ends) = (0u32, 0u32, 0u32);
        for (range, _) in lines(&view) {
            lines_count += 1;
            let line = text[range].trim_matches(is_space);
            bullets += u32::from(line.starts_with(['•', '-']));
            ends += u32::from(line.ends_with("...") || line.ends_with('…'));
        }
        out.value(4, share(f64::from(bullets), f64::from(lines_count)));
        out.value(5, share(f64::from(ends), f64::from(lines_count)));
        out.value(6, share(letters as f64, count));
        out.value(7, f64::from((stops as u8).count_ones()));

        let mut repeats = |attribute: usize, number: usize, repeated: Repeated| {
            out.value(attribute, share(f64::from(repeated.later), number as f64));
            out.value(attribute + 1, share(repeated.later_characters as f64, all));
        };
        paragraphs(&view, &mut scratch.pieces);
        let number = scratch.pieces.len();
        repeats(8, number, scratch.lines.count(text, number, scratch.pieces.iter().copied()));
        // Between runs of line feeds lie the lines that are not empty, and an empty one before or behind all others.
        let (mut number, last) = (0, view.lines.len().saturating_sub(1));
        let lines = (0..).zip(view.lines).filter(|&(i, line)| line.end > line.start || i == 0 || i == last);
        let pieces = lines.map(|(_, line)| {
            number += 1;
            (line.start, line.end, line.characters)
        });
        let repeated = scratch.lines.count(text, view.lines.len(), pieces);
        repeats(10, number, repeated);
        scratch.words = words;
    }
}

/// The text, without the white space around it, between runs of at least two line feeds: first byte, end, characters.
fn paragraphs(view: &View, out: &mut Vec<(u32, u32, u32)>) {
    let text = view.text;
    let source = text.trim_matches(is_space);
    let start = source.as_ptr() as usize - text.as_ptr() as usize;
    let end = start + source.len();
    out.clear();
    let mut paragraph = None;
    for line in view.lines {
        let (from, to) = (start.max(line.start as usize), end.min(line.end as usize));
        if from >= to {
            // An empty line, or one outside of what is left of the text.
            out.extend(paragraph.take());
            continue;
        }
        let cut = |from: usize, to: usize| text[from..to].chars().count() as u32;
        let characters = line.characters - cut(line.start as usize, from) - cut(to, line.end as usize);
        let (first, _, before) =
            paragraph.map_or((from as u32, 0, 0), |(first, end, all)| (first, end, all + 1));
        paragraph = Some((first, to as u32, before + characters));
    }
    // A text of nothing but white space is one without characters.
    out.extend(paragraph.or(out.is_empty().then_some((0, 0, 0))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::number;
    use crate::tag::view::Buffers;
    use proptest::prelude::*;

    const NAME: &str = "gopher@datatrove";

    proptest! {
        #[test]
        fn lines_lie_between_runs_of_line_feeds(text in "[ab\n]{0,16}|(a{0,2}\n){0,9}é{0,2}") {
            // As Python's `re.split("\n+", text)`.
            let mut pieces: Vec<&str> = text.split('\n').collect();
            let last = pieces.len() - 1;
            let mut i = 0;
            pieces.retain(|piece| {
                i += 1;
                !piece.is_empty() || i == 1 || i == last + 1
            });
            let later = |i: usize| pieces[..i].contains(&pieces[i]);
            let again: Vec<&str> = (0..pieces.len()).filter(|i| later(*i)).map(|i| pieces[i]).collect();
            let share = again.len() as f64 / pieces.len() as f64;
            prop_assert_eq!(number(NAME, "duplicate_lines", &text), share);
            let characters = again.iter().map(|piece| piece.chars().count()).sum::<usize>() as f64;
            let all = text.chars().count().max(1) as f64;
            prop_assert_eq!(number(NAME, "duplicate_line_characters", &text), characters / all);
        }
    }

    proptest! {
        #[test]
        fn paragraphs_lie_between_runs_of_line_feeds(text in "[ab é\n]{0,24}|[ \n]{0,6}|((a| |é)\n{0,3}){0,9}") {
            let stripped = text.trim();
            // As Python's `re.split("\n{2,}", text.strip())`.
            let mut pieces: Vec<(&str, usize)> = Vec::new();
            for (i, line) in stripped.split('\n').enumerate() {
                let start = line.as_ptr() as usize - stripped.as_ptr() as usize;
                match pieces.last_mut() {
                    _ if line.is_empty() && i > 0 => (),
                    Some((piece, from)) if *from + piece.len() + 1 == start => {
                        *piece = &stripped[*from..start + line.len()];
                    }
                    _ => pieces.push((line, start)),
                }
            }
            let mut buffers = Buffers::default();
            let mut found = Vec::new();
            paragraphs(&buffers.view(&text), &mut found);
            let found: Vec<(&str, usize)> =
                found.iter().map(|&(from, to, all)| (&text[from as usize..to as usize], all as usize)).collect();
            let expected: Vec<(&str, usize)> =
                pieces.iter().map(|(piece, _)| (*piece, piece.chars().count())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn punctuation_of_ascii_is_what_is_no_letter_and_no_digit() {
        for byte in (0..128).filter(|byte| !is_space(char::from(*byte)) || *byte > 10) {
            let known = PUNCTUATION.binary_search(&char::from(byte)).is_ok();
            assert_eq!(known || byte == b' ', BYTES[usize::from(byte)] == MARKS, "{byte}");
        }
    }

    #[test]
    fn every_value_by_hand() {
        let text =
            "the cat and the dog\n- the cat and the dog\n\nthe cat and the dog\n\n\nAn end…\n# of it...\n";
        let of = |name| number(NAME, name, text);
        assert_eq!(of("stop_words"), 3.0);
        assert_eq!(of("bullet_lines"), 1.0 / 8.0);
        assert_eq!(of("ellipsis_lines"), 2.0 / 8.0);
        assert_eq!(of("hash_ratio"), 1.0 / 23.0);
        assert_eq!(of("ellipsis_ratio"), 2.0 / 23.0);
        assert_eq!(of("duplicate_paragraphs"), 0.0);
        // Lines lie between runs of line feeds; an empty one is left behind the last.
        assert_eq!(of("duplicate_lines"), 1.0 / 6.0);
        assert_eq!(of("duplicate_line_characters"), 19.0 / text.chars().count() as f64);
        // "the cat" three times (of three equally frequent ones the first).
        assert_eq!(of("top_2gram"), 3.0 * 7.0 / text.chars().count() as f64);
        assert_eq!(of("duplicate_5grams"), 2.0 * 15.0 / text.chars().count() as f64);
        assert_eq!(number(NAME, "top_4gram", "a b"), 0.0);
    }
}
