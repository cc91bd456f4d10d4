//! C4's rules (Raffel et al. 2020, "Exploring the limits of transfer learning", section 2.2) as Dolma's tagger `c4_v2`
//! marks them: lines that do not end in terminal punctuation, lines of fewer than three words, and documents with a curly
//! brace, with "lorem ipsum", with "javascript", or with a word of a list.
//!
//! A line's span holds the line feed that ends it. Case does not matter. Offsets are those of the text itself: Dolma
//! gives those of the text in lower case, which differ behind a character whose lower case is longer (such as U+0130).
//! The list of words is not part of this program: `bad_words` names a file with a word or phrase a line.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;

use super::phrases::holds;
use super::{Attribute, Document, Kind, Params, Scratch, Tagger, Tags, View, Word, flag, spans, value};
use crate::error::Result;

const LEAST_WORDS: u32 = 3;
const LINES_WITHOUT_END: usize = 0;
const SHORT_LINES: usize = 1;
const BAD_WORD: usize = 2;
const JAVASCRIPT: usize = 3;
const LOREM_IPSUM: usize = 4;
const CURLY_BRACE: usize = 5;
const LINE_COUNT: usize = 6;

static ATTRIBUTES: [Attribute; 7] = [
    spans("lines_with_no_ending_punctuation", "lines that end in none of . ? ! \""),
    spans("lines_with_too_few_words", "lines of fewer than three words"),
    flag("has_naughty_word", "a word or phrase of the list `bad_words`"),
    flag("has_javascript", "the text javascript in any case"),
    flag("has_lorem_ipsum", "the text lorem ipsum in any case"),
    flag("has_curly_brace", "a {"),
    value("line_count", "lines"),
];

pub(super) static KIND: Kind = Kind {
    name: "c4@dolma",
    aliases: &["c4_v2"],
    version: 1,
    about: "C4's rules (Raffel et al. 2020) as Dolma's c4_v2 marks them; `bad_words` names a file of words.",
    attributes: &ATTRIBUTES,
    make: |params| Ok(Box::new(C4::new(params)?)),
};

struct C4 {
    bad: Option<BadWords>,
}

/// Words and phrases that mark a document.
pub(super) struct BadWords {
    words: HashSet<String>,
    longest: usize,
    phrases: Option<AhoCorasick>,
}

impl BadWords {
    /// The list in a file, lower case, one a line. What has a space in it is a phrase.
    fn new(list: &str, params: &Params) -> Result<BadWords> {
        let lines = list.lines().map(|line| line.trim().to_lowercase()).filter(|line| !line.is_empty());
        let (phrases, words): (Vec<String>, HashSet<String>) = {
            let (phrases, words): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(' '));
            (phrases, words.into_iter().collect())
        };
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        let automaton = automaton(&phrases).map_err(|e| params.wrong("bad_words", e))?;
        Ok(BadWords { words, longest, phrases: (!phrases.is_empty()).then_some(automaton) })
    }

    fn has(&self, view: &View) -> bool {
        let mut lower = String::new();
        let mut bad = |word: &Word| {
            // Lower case is rarely shorter, and then by a byte or two of three.
            if (word.end - word.start) as usize > 3 * self.longest {
                return false;
            }
            let word = view.word(word);
            lower.clear();
            if word.is_ascii() {
                lower.push_str(word);
                lower.make_ascii_lowercase();
                self.words.contains(&lower)
            } else {
                self.words.contains(&word.to_lowercase())
            }
        };
        view.words.iter().any(&mut bad)
            || self.phrases.as_ref().is_some_and(|phrases| {
                if view.text.is_ascii() {
                    phrases.is_match(view.text)
                } else {
                    phrases.is_match(&view.text.to_lowercase())
                }
            })
    }
}

fn automaton<P: AsRef<[u8]>>(patterns: &[P]) -> std::result::Result<AhoCorasick, String> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).map_err(|e| e.to_string())
}

impl C4 {
    fn new(params: &Params) -> Result<C4> {
        params.only(&["bad_words"])?;
        let list = params.file("bad_words")?;
        Ok(C4 { bad: list.map(|list| BadWords::new(&list, params)).transpose()? })
    }
}

impl Tagger for C4 {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        if memchr::memchr(b'{', view.text.as_bytes()).is_some() {
            out.value(CURLY_BRACE, 1.0);
        }
        let bytes = view.text.as_bytes();
        if holds(bytes, b"javascript", 0) {
            out.value(JAVASCRIPT, 1.0);
        }
        if holds(bytes, b"lorem ipsum", 7) {
            out.value(LOREM_IPSUM, 1.0);
        }
        if self.bad.as_ref().is_some_and(|bad| bad.has(&view)) {
            out.value(BAD_WORD, 1.0);
        }
        for line in view.lines {
            let end = (line.end + 1).min(view.bytes());
            let last = view.words_of(line).last().map(|word| bytes[word.end as usize - 1]);
            if !matches!(last, Some(b'.' | b'?' | b'!' | b'"')) {
                out.span(LINES_WITHOUT_END, line.start..end, 1.0);
            }
            if line.words < LEAST_WORDS {
                out.span(SHORT_LINES, line.start..end, 1.0);
            }
        }
        if view.lines.is_empty() {
            // The empty text is one line, without words and without an end.
            out.span(LINES_WITHOUT_END, 0..0, 1.0);
            out.span(SHORT_LINES, 0..0, 1.0);
        }
        out.value(LINE_COUNT, view.lines.len().max(1) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::{number, tags};

    #[test]
    fn lines_and_marks_are_found() {
        let text = "One full line here.\nshort one\nNo end of this line \nLorem  IPSUM JavaScripts { said \"yes!\"  \n";
        let found = tags("c4@dolma", text);
        let of = |name: &str| -> Vec<&str> {
            found.iter().filter(|t| t.0 == name).map(|t| &text[t.1 as usize..t.2 as usize]).collect()
        };
        assert_eq!(of("lines_with_no_ending_punctuation"), ["short one\n", "No end of this line \n", ""]);
        assert_eq!(of("lines_with_too_few_words"), ["short one\n", ""]);
        assert_eq!(of("has_javascript"), [text]);
        assert_eq!(of("has_curly_brace"), [text]);
        assert!(of("has_lorem_ipsum").is_empty(), "two spaces are not one");
        assert_eq!(number("c4@dolma", "line_count", text), 5.0);
        assert_eq!(number("c4@dolma", "has_lorem_ipsum", "a lorem Ipsum b"), 1.0);
        assert_eq!(tags("c4@dolma", "").len(), 3);
    }

    #[test]
    fn listed_words_and_phrases_mark_a_document() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list.txt");
        std::fs::write(&list, "darn\nOh no\nÄrger\n").unwrap();
        let set = crate::tag::Set::new(&[crate::tag::Wanted {
            tagger: "c4@dolma".into(),
            name: None,
            params: serde_json::json!({"bad_words": list}).as_object().unwrap().clone(),
        }])
        .unwrap();
        let marked = |text: &str| {
            let mut out = Tags::default();
            set.tag(text, "", &mut Default::default(), &mut Scratch::default(), &mut out);
            !out.spans(BAD_WORD).is_empty()
        };
        assert!(marked("well DARN it") && marked("so OH NO what") && marked("welch ÄRGER"));
        assert!(!marked("darned, oh  no, arger"));
    }
}
