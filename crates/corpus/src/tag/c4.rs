//! C4's rules (Raffel et al. 2020, section 2.2) line by line, in the order of their published code, as datatrove's
//! `C4QualityFilter` runs them: of each line only the first rule that removes it is told.
//!
//! A line (Python's `splitlines`) is removed if a word has more than 1,000 characters, if it does not end in `. ? ! " '`
//! or ends in `...`, if it has fewer than 3 words, if it holds "javascript", or a phrase about cookies and terms of use.
//! `[n]`, `[edit]` and `[citation needed]` are removed from the others. A document is dropped if a line that got so far
//! holds "lorem ipsum" or `{`, and if fewer than 5 sentences are left.
//!
//! `sentences` counts those of the lines that stay as datatrove does, by spaCy's `sentencizer`: a sentence ends with a
//! token that is one of `.`, `!`, `?` and their like in other scripts, and the punctuation behind it. The published code
//! asks NLTK's punkt model.

use std::ops::Range;

use super::classes::is_space;
use super::phrases::Phrases;
use super::spacy::{self, Cuts};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, View, flag, spans, value};

const LONGEST_WORD: u32 = 1000;
const LEAST_WORDS: usize = 3;
const POLICY: [&str; 6] =
    ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"];

const LONG_WORD: usize = 0;
const NO_END: usize = 1;
const FEW_WORDS: usize = 2;
const JAVASCRIPT: usize = 3;
const ABOUT_POLICY: usize = 4;
const CITATION: usize = 5;
const LOREM_IPSUM: usize = 6;
const CURLY_BRACE: usize = 7;
const SENTENCES: usize = 8;

static ATTRIBUTES: [Attribute; 9] = [
    spans("long_word", "lines with a word of more than 1,000 characters"),
    spans("no_terminal_punctuation", "lines that end in none of . ? ! \" ' or in ..."),
    spans("too_few_words", "lines of fewer than three words"),
    spans("javascript", "lines with the text javascript in any case"),
    spans("policy", "lines about cookies, privacy and terms of use"),
    spans("citation", "[n], [edit] and [citation needed]"),
    flag("lorem_ipsum", "the text lorem ipsum in a line that passed the rules before"),
    flag("curly_brace", "a { in a line that passed the rules before"),
    value("sentences", "sentences in the lines that stay"),
];

pub(super) static KIND: Kind = Kind {
    name: "c4",
    aliases: &["c4@datatrove"],
    version: 2,
    about: "C4's rules line by line (Raffel et al. 2020), in the order of the published code.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        let phrases = ["javascript", "lorem ipsum"].into_iter().chain(POLICY);
        Ok(Box::new(C4 { phrases: Phrases::new(phrases) }))
    },
};

struct C4 {
    phrases: Phrases,
}

/// A separator of Python's `str.splitlines`, and its length if the text begins with one.
fn line_end(text: &str) -> Option<usize> {
    match text.chars().next()? {
        '\r' => Some(if text.as_bytes().get(1) == Some(&b'\n') { 2 } else { 1 }),
        c @ ('\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}') => {
            Some(c.len_utf8())
        }
        _ => None,
    }
}

/// The lines of `str.splitlines`: ranges without and with what ends them.
pub(super) fn split_lines(text: &str) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= text.len() {
            return None;
        }
        let start = at;
        let found = text[start..]
            .char_indices()
            .find_map(|(i, c)| match c {
                '\n' => Some((start + i, 1)),
                // Only these bytes can begin a separator.
                '\u{b}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    line_end(&text[start + i..]).map(|length| (start + i, length))
                }
                _ => None,
            })
            .unwrap_or((text.len(), 0));
        at = found.0 + found.1;
        Some((start..found.0, at))
    })
}

/// The same for a view, which knows most of them.
pub(super) fn lines<'v>(view: &View<'v>) -> impl Iterator<Item = (Range<usize>, usize)> + use<'v> {
    let length = view.text.len();
    let (known, other) = if view.breaks { (&[][..], view.text) } else { (view.lines, "") };
    let known = known.iter().map(move |line| {
        let (start, end) = (line.start as usize, line.end as usize);
        (start..end, (end + 1).min(length))
    });
    // What follows the last line feed is a line only if it is not empty.
    known.filter(move |(range, _)| range.start < length).chain(split_lines(other))
}

impl Tagger for C4 {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let text = view.text;
        let mut sentences = 0;
        let (mut lorem, mut brace) = (false, false);
        let mut from = 0;
        // The next bracket of the text: most lines have none.
        let mut brackets = memchr::memchr_iter(b'[', text.as_bytes()).peekable();
        for (range, end) in lines(&view) {
            let whole = range.start as u32..end as u32;
            let first = from;
            from += view.words[from..].iter().take_while(|word| (word.start as usize) < range.end).count();
            let words = &view.words[first..from];
            let (offset, line) = match (words.first(), words.last()) {
                (Some(first), Some(last)) => {
                    (first.start as usize, &text[first.start as usize..last.end as usize])
                }
                _ => (range.start, ""),
            };
            if words.iter().any(|word| word.characters > LONGEST_WORD) {
                out.span(LONG_WORD, whole, 1.0);
                continue;
            }
            let mut marks: Vec<Range<usize>> = Vec::new();
            let mut clean = std::borrow::Cow::Borrowed(line);
            while brackets.next_if(|at| *at < range.start).is_some() {}
            if brackets.peek().is_some_and(|at| *at < range.end) {
                marks.extend(citations(line));
                clean = without(line, &marks);
            }
            if !matches!(clean.as_bytes().last(), Some(b'.' | b'?' | b'!' | b'"' | b'\''))
                || clean.ends_with("...")
            {
                out.span(NO_END, whole, 1.0);
                continue;
            }
            if words.len() < LEAST_WORDS {
                out.span(FEW_WORDS, whole, 1.0);
                continue;
            }
            let mut seen = [false; 3];
            self.phrases.each(clean.as_bytes(), |number, _, _| {
                seen[number.min(2)] = true;
                true
            });
            lorem |= seen[1];
            if seen[1] {
                continue;
            }
            if seen[0] {
                out.span(JAVASCRIPT, whole, 1.0);
                continue;
            }
            if memchr::memchr(b'{', clean.as_bytes()).is_some() {
                brace = true;
                continue;
            }
            if seen[2] {
                out.span(ABOUT_POLICY, whole, 1.0);
                continue;
            }
            for mark in marks {
                out.span(CITATION, (offset + mark.start) as u32..(offset + mark.end) as u32, 1.0);
            }
            sentences += count_sentences(&clean, &mut scratch.cuts);
        }
        if lorem {
            out.value(LOREM_IPSUM, 1.0);
        }
        if brace {
            out.value(CURLY_BRACE, 1.0);
        }
        out.value(SENTENCES, f64::from(sentences));
    }
}

/// `\[\d*]`, `[edit]`, `[citation needed]`.
fn citations(line: &str) -> impl Iterator<Item = Range<usize>> {
    let brackets = memchr::memchr_iter(b'[', line.as_bytes());
    brackets.filter_map(|at| {
        let inside = &line[at + 1..];
        let closed = |length: &usize| inside[*length..].starts_with(']');
        let word = ["edit", "citation needed"].into_iter().find(|word| inside.starts_with(word));
        // No look goes beyond the next bracket.
        let digits = inside.chars().take_while(|c| super::classes::is_decimal(*c)).map(char::len_utf8).sum();
        let length = word.map(str::len).filter(closed).or(Some(digits).filter(closed))?;
        Some(at..at + length + 2)
    })
}

/// A line without these ranges of it.
fn without<'l>(line: &'l str, ranges: &[Range<usize>]) -> std::borrow::Cow<'l, str> {
    if ranges.is_empty() {
        return line.into();
    }
    let (mut out, mut from) = (String::with_capacity(line.len()), 0);
    for range in ranges {
        out.push_str(&line[from..range.start]);
        from = range.end;
    }
    out.push_str(&line[from..]);
    out.into()
}

/// Sentences of a line that is not empty.
fn count_sentences(line: &str, cuts: &mut Cuts) -> u32 {
    let (mut count, mut ended) = (1, false);
    let mut gap = "";
    let mut rest = line;
    if line.is_ascii() {
        // Before the first mark that can end a sentence none ends: it begins with the run that has it.
        let Some(mark) = memchr::memchr3(b'.', b'!', b'?', line.as_bytes()) else { return 1 };
        rest = &line[line[..mark].rfind(is_space).map_or(0, |space| space + 1)..];
    }
    while !rest.is_empty() {
        // White space but a single space is a token as well, and no punctuation.
        if ended && !matches!(gap, "" | " ") {
            (count, ended) = (count + 1, false);
        }
        let run = &rest[..rest.find(is_space).unwrap_or(rest.len())];
        for token in cuts.cut(run, 0) {
            let token = &run[token.clone()];
            let end = spacy::ends_sentence(token);
            if ended && !end && !spacy::is_punctuation(token) {
                (count, ended) = (count + 1, false);
            }
            ended |= end;
        }
        let behind = rest[run.len()..].trim_start_matches(is_space);
        gap = &rest[run.len()..rest.len() - behind.len()];
        rest = behind;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::{number, tags};

    fn sentences(line: &str) -> u32 {
        count_sentences(line, &mut Cuts::default())
    }

    fn of(text: &str) -> Vec<(String, String)> {
        tags("c4", text)
            .into_iter()
            .filter(|t| t.0 != "sentences")
            .map(|t| (t.0, text[t.1 as usize..t.2 as usize].to_string()))
            .collect()
    }

    #[test]
    fn each_rule_removes_its_line() {
        let long = format!("{} and more words.", "x".repeat(1001));
        let cases = [
            ("long_word", long.as_str()),
            ("no_terminal_punctuation", "It has no end"),
            ("no_terminal_punctuation", "It goes on and on..."),
            ("too_few_words", "Two words."),
            ("javascript", "Please enable JavaScript now."),
            ("policy", "This site uses Cookies."),
        ];
        for (name, line) in cases {
            let text = format!("A good line stays here.\r\n{line}\nAnother good line [12] is this.\n");
            let found = of(&text);
            assert!(found.contains(&(name.into(), format!("{line}\n"))), "{name}: {found:?}");
            assert!(found.contains(&("citation".into(), "[12]".into())));
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(number("c4", "sentences", &text), 2.0);
        }
        assert_eq!(of("if (a) { b = \"c\"; d. }\n").len(), 1, "its line does not end as a sentence");
        assert_eq!(of("Put a { in a line.")[0].0, "curly_brace");
        assert_eq!(of("Then lorem Ipsum is here.")[0].0, "lorem_ipsum");
        assert!(of("").is_empty());
    }

    #[test]
    fn citations_are_found_and_taken_out_in_one_walk() {
        let line = "[1][] a[edit]b [citation needed] [12a] [[٣] [edit [edits] [x] [7";
        let found: Vec<Range<usize>> = citations(line).collect();
        let texts: Vec<&str> = found.iter().map(|range| &line[range.clone()]).collect();
        assert_eq!(texts, ["[1]", "[]", "[edit]", "[citation needed]", "[٣]"]);
        assert_eq!(without(line, &found), " ab  [12a] [ [edit [edits] [x] [7");
        assert_eq!(without("a", &[]), "a");
        // Each of these took the square of its length.
        let text = format!(
            "{} is a line of many words.\n{} more of them here.\n",
            "[".repeat(300_000),
            "[1]".repeat(300_000)
        );
        assert_eq!(of(&text).len(), 2, "both have a word that is too long");
        let text = format!("{} that is a line of words.\n", "[1] a ".repeat(100_000));
        assert_eq!(of(&text).len(), 100_000);
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        let text = "a\nb\r\nc\rd\u{b}e\u{85}f\u{2028}g\u{1f}h\n\n";
        let lines: Vec<&str> = split_lines(text).map(|(range, _)| &text[range]).collect();
        assert_eq!(lines, ["a", "b", "c", "d", "e", "f", "g\u{1f}h", ""]);
    }

    #[test]
    fn sentences_are_counted() {
        assert_eq!(sentences("One. Two? \"Three!\" Four"), 4);
        assert_eq!(sentences("It costs 3.50 in all."), 1);
        assert_eq!(sentences("Wait... what?!"), 1);
        assert_eq!(sentences("Mr. X is here. )  (."), 2);
    }
}
