//! Paragraphs without letters and digits, as Dolma's tagger `not_alphanum_paragraph_v1` marks them.
//!
//! A paragraph is a line with its line feed, unless it is blank. It is marked if it has nothing but punctuation, symbols
//! (general categories P and S) and white space. Of a text without such a paragraph the whole is marked with 0.

use super::classes::{MARK, of};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans};

static ATTRIBUTES: [Attribute; 1] = [spans(
    "all_punct",
    "paragraphs of nothing but punctuation and symbols; the whole text with 0 if there is none",
)];

pub(super) static KIND: Kind = Kind {
    name: "punctuation",
    aliases: &["not_alphanum_paragraph_v1"],
    version: 1,
    about: "Paragraphs of nothing but punctuation and symbols, as Dolma's not_alphanum_paragraph_v1 marks them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Punctuation))
    },
};

/// Pictographs that the expression names besides, some of them not assigned.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}' | '\u{2600}'..='\u{27bf}')
}

struct Punctuation;

impl Tagger for Punctuation {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let mut found = false;
        for line in view.lines.iter().filter(|line| line.words > 0) {
            let marks = |c: char| of(c) & MARK != 0 || c.is_whitespace() || is_picture(c);
            if view.line(line).chars().all(marks) {
                found = true;
                out.span(0, line.start..(line.end + 1).min(view.bytes()), 1.0);
            }
        }
        if !found {
            out.value(0, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags;

    #[test]
    fn paragraphs_of_marks_are_marked() {
        let text = "Title\n=====\n\n * * * \n-- a --\n☺ €é\n☺ €♥…";
        let found: Vec<(&str, f64)> =
            tags("punctuation", text).iter().map(|t| (&text[t.1 as usize..t.2 as usize], t.3)).collect();
        assert_eq!(found, [("=====\n", 1.0), (" * * * \n", 1.0), ("☺ €♥…", 1.0)]);
        assert_eq!(tags("punctuation", "a\n\n"), [("all_punct".into(), 0, 3, 0.0)]);
    }
}
