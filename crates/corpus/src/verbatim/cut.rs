//! Where a span of a text may begin and end.
//!
//! OLMoTrace's spans begin and end with whole words and hold no full stop and no line end but at their end. Words and sentences are
//! here those of Unicode (UAX #29), which know scripts without spaces and the point in `3.5`.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// What a span must not cut in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Characters: a span is any text.
    Chars,
    /// Words: a span is a sequence of whole words, across sentences too.
    #[default]
    Words,
    /// Words, and a span lies in one sentence: the rule of OLMoTrace.
    Sentences,
}

impl Cut {
    /// By name: `chars`, `words`, `sentences`.
    pub fn by_name(name: &str) -> Option<Cut> {
        Some(match name {
            "chars" => Cut::Chars,
            "words" => Cut::Words,
            "sentences" => Cut::Sentences,
            _ => return None,
        })
    }
}

/// A part of the text that no span leaves.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Section {
    /// Where spans may begin, rising.
    pub starts: Vec<usize>,
    /// Where they may end, rising.
    pub ends: Vec<usize>,
}

/// The sections of a text.
pub(crate) fn sections(text: &str, cut: Cut) -> Vec<Section> {
    match cut {
        Cut::Chars => {
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let ends = starts.iter().skip(1).copied().chain([text.len()]).collect();
            vec![Section { ends, starts }]
        }
        Cut::Words => vec![words_of(text, 0)],
        Cut::Sentences => {
            text.split_sentence_bound_indices().map(|(at, sentence)| words_of(sentence, at)).collect()
        }
    }
}

/// Where the words end that spans are made of; of a span of any characters, those of the text.
pub(crate) fn word_ends(text: &str, cut: Cut) -> Vec<usize> {
    let cut = if cut == Cut::Chars { Cut::Words } else { cut };
    sections(text, cut).into_iter().flat_map(|section| section.ends).collect()
}

fn words_of(text: &str, offset: usize) -> Section {
    let mut section = Section::default();
    for word in words(text) {
        section.starts.push(offset + word.start);
        section.ends.push(offset + word.end);
    }
    section
}

/// The words and marks of a text: all but white space.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let words = text.split_word_bound_indices().filter(|(_, word)| !word.trim().is_empty());
    words.map(|(at, word)| at..at + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_whole_characters_words_or_sentences() {
        let text = "Né à 3.5 km.\nOui!";
        let of = |cut| {
            let sections = sections(text, cut);
            let words = |s: &Section| {
                s.starts.iter().zip(&s.ends).map(|(&a, &b)| text[a..b].to_string()).collect::<Vec<_>>()
            };
            sections.iter().map(words).collect::<Vec<_>>()
        };
        assert_eq!(of(Cut::Chars)[0].concat(), text);
        assert_eq!(of(Cut::Words), [["Né", "à", "3.5", "km", ".", "Oui", "!"]]);
        assert_eq!(of(Cut::Sentences), [vec!["Né", "à", "3.5", "km", "."], vec!["Oui", "!"]]);
        assert_eq!(sections("", Cut::Words), [Section::default()]);
        assert!(sections("", Cut::Sentences).is_empty());
        assert_eq!(Cut::by_name("words"), Some(Cut::default()));
        assert_eq!(Cut::by_name("bytes"), None);
    }

    #[test]
    fn a_script_without_spaces_has_words() {
        assert!(words("日本語の文").count() > 2);
    }
}
