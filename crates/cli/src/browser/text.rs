//! The text of a document as it is shown: what was cut out stays in its place, what was put in stands behind it.

use std::ops::Range;

use regimen_corpus::inspect::Piece;

use crate::terminal::paint::lines;
pub use crate::terminal::paint::plain;

/// Bytes of a text that are shown.
const SHOWN: usize = 4 << 20;

/// What became of a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    Cut,
    /// It was not in the source.
    Put,
}

/// Text with what is known of its parts. All ranges are in bytes of `shown`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub shown: String,
    /// The parts from the first to the last byte.
    pub parts: Vec<(Range<usize>, Fate)>,
    /// Names of the attributes that mark spans here.
    pub attributes: Vec<String>,
    /// The spans, by their start, each with the number of its attribute.
    pub marks: Vec<(Range<usize>, usize)>,
    /// Bytes of the source that are not shown.
    pub more: usize,
}

impl Text {
    /// From the pieces of a source text, and spans in it by attribute. With `signs` cuts stand in `[-..-]` and what was put
    /// in in `{+..+}`, for terminals that do not show it otherwise.
    pub fn new(pieces: &[Piece], attributes: Vec<(String, Vec<Range<usize>>)>, signs: bool) -> Text {
        let mut text = Text::default();
        // Where pieces of the source begin: there, and in what is shown.
        let mut places: Vec<(usize, usize, usize)> = Vec::new();
        let mut left = SHOWN;
        for piece in pieces {
            let (at, source, words) = match *piece {
                Piece::Kept(at, source) | Piece::Removed(at, source) => (at as usize, source, ""),
                Piece::Masked(at, source, words) => (at as usize, source, words),
            };
            let some = &source[..source.floor_char_boundary(left)];
            left -= some.len();
            text.more += source.len() - some.len();
            if some.is_empty() && !source.is_empty() {
                continue;
            }
            let kept = matches!(piece, Piece::Kept(..));
            let (before, after) = if kept || !signs || some.is_empty() { ("", "") } else { ("[-", "-]") };
            let fate = if kept { Fate::Kept } else { Fate::Cut };
            places.push((at, text.shown.len() + before.len(), some.len()));
            text.push(&[before, some, after], fate);
            if !words.is_empty() {
                let (before, after) = if signs { ("{+", "+}") } else { ("", "") };
                text.push(&[before, words, after], Fate::Put);
            }
        }
        // A range of the source may go over several pieces.
        let shown = |range: &Range<usize>| -> Option<Range<usize>> {
            let first = places.partition_point(|&(at, _, length)| at + length <= range.start);
            let last = places.partition_point(|&(at, ..)| at < range.end).checked_sub(1)?;
            let (&(at, from, _), &(behind, to, length)) = (places.get(first)?, places.get(last)?);
            let start = from + range.start.saturating_sub(at);
            let end = to + (range.end - behind).min(length);
            (start < end && text.shown.is_char_boundary(start) && text.shown.is_char_boundary(end))
                .then_some(start..end)
        };
        let mut marks = Vec::new();
        for (name, spans) in attributes {
            let found: Vec<Range<usize>> = spans.iter().filter_map(shown).collect();
            if !found.is_empty() {
                marks.extend(found.into_iter().map(|range| (range, text.attributes.len())));
                text.attributes.push(name);
            }
        }
        marks.sort_by_key(|(range, attribute)| (range.start, range.end, *attribute));
        Text { marks, ..text }
    }

    fn push(&mut self, words: &[&str], fate: Fate) {
        let start = self.shown.len();
        words.iter().for_each(|word| self.shown.push_str(word));
        if self.shown.len() > start {
            self.parts.push((start..self.shown.len(), fate));
        }
    }

    /// The spans of one attribute, counted from 0; of all if it is none.
    pub fn marks_of(&self, attribute: Option<usize>) -> impl Iterator<Item = &Range<usize>> {
        let wanted = move |of: usize| attribute.is_none_or(|attribute| of == attribute);
        self.marks.iter().filter(move |(_, of)| wanted(*of)).map(|(range, _)| range)
    }

    /// The lines that the text makes in a window of so many columns, as ranges of bytes.
    pub fn lines(&self, columns: usize) -> Vec<Range<usize>> {
        lines(&self.shown, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::paint::visible;

    fn text(signs: bool) -> Text {
        let pieces = [
            Piece::Kept(0, "one "),
            Piece::Masked(4, "two", "|||"),
            Piece::Kept(7, " three"),
            Piece::Removed(13, " four"),
        ];
        let marks = vec![
            ("a.x".to_string(), vec![4..7, 8..18]),
            ("a.none".into(), vec![]),
            ("a.y".into(), Vec::from_iter(Some(0..3))),
        ];
        Text::new(&pieces, marks, signs)
    }

    fn of<'t>(text: &'t Text, range: &Range<usize>) -> &'t str {
        &text.shown[range.clone()]
    }

    #[test]
    fn cuts_stay_in_place_and_ranges_follow() {
        let shown = text(false);
        assert_eq!(shown.shown, "one two||| three four");
        let parts: Vec<(&str, Fate)> =
            shown.parts.iter().map(|(range, fate)| (of(&shown, range), *fate)).collect();
        assert_eq!(
            parts,
            [
                ("one ", Fate::Kept),
                ("two", Fate::Cut),
                ("|||", Fate::Put),
                (" three", Fate::Kept),
                (" four", Fate::Cut),
            ]
        );
        assert_eq!(shown.attributes, ["a.x", "a.y"]);
        let marks: Vec<&str> = shown.marks_of(Some(0)).map(|range| of(&shown, range)).collect();
        assert_eq!(marks, ["two", "three four"]);
        assert_eq!(shown.marks_of(None).count(), 3);
        let signs = text(true);
        assert_eq!(signs.shown, "one [-two-]{+|||+} three[- four-]");
        assert_eq!(
            signs.marks_of(Some(0)).map(|range| of(&signs, range)).collect::<Vec<_>>(),
            ["two", "three[- four"]
        );
    }

    #[test]
    fn lines_are_cut_between_words() {
        let text = Text::new(&[Piece::Kept(0, "a bc def\n\nghijklmn 中文字\u{1b}")], Vec::new(), false);
        let lines: Vec<&str> = text.lines(5).iter().map(|range| of(&text, range)).collect();
        assert_eq!(lines, ["a bc ", "def", "", "ghijk", "lmn ", "中文", "字\u{1b}"]);
        assert_eq!(visible('\u{1b}'), '·');
        assert_eq!(text.lines(0).len(), text.lines(1).len());
    }

    #[test]
    fn of_a_long_text_the_rest_is_counted() {
        let long = "é".repeat(SHOWN);
        let text = Text::new(
            &[Piece::Kept(0, &long)],
            vec![("a".into(), Vec::from_iter(Some(SHOWN..SHOWN + 2)))],
            false,
        );
        assert_eq!((text.shown.len(), text.more, text.marks.len()), (SHOWN, SHOWN, 0));
    }
}
