//! Texts with places in them: the recipe's file and every `--set`, and how a place is shown.

use std::fmt;
use std::ops::Range;

/// Longest excerpt of a line, in columns.
const WIDEST: usize = 100;

/// A text that configuration comes from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file as the user wrote it; none for a `--set`.
    pub(crate) file: Option<String>,
    pub(crate) text: String,
}

/// A range of bytes in one of the sources.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct At {
    pub(crate) source: usize,
    pub(crate) span: Range<usize>,
}

/// A place in a recipe or a `--set`, ready to be shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Place {
    /// The file; none for a `--set`.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line, tabs as four spaces, cut around the place if it is long.
    pub excerpt: String,
    /// Spaces and carets for the line below it.
    pub marker: String,
}

impl Place {
    pub(crate) fn new(sources: &[Source], at: &At) -> Option<Place> {
        let Source { file, text } = sources.get(at.source)?;
        let mut start = at.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = at.span.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let before = &text[line_start..start];
        let marked = text[start..end.min(line_end)].trim_end();
        let (excerpt, marker) = draw(text[line_start..line_end].trim_end(), before, marked);
        Some(Place {
            file: file.clone(),
            line: text[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            excerpt,
            marker,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => writeln!(f, "  in {file}, line {}, column {}:", self.line, self.column)?,
            None => writeln!(f, "  in --set:")?,
        }
        write!(f, "    {}\n    {}", self.excerpt, self.marker)
    }
}

/// The line and its carets, cut to what fits.
fn draw(line: &str, before: &str, marked: &str) -> (String, String) {
    let cells = |text: &str| text.chars().map(columns).sum::<usize>();
    let (from, length) = (cells(before), cells(marked).max(1));
    let mut shown = String::new();
    let (mut column, mut skipped) = (0, 0);
    // A long line begins shortly before the place.
    let first = if cells(line) > WIDEST && from > WIDEST / 2 { from - WIDEST / 4 } else { 0 };
    for c in line.chars() {
        let width = columns(c);
        if column < first {
            skipped += width;
        } else if column - skipped >= WIDEST {
            shown.push_str("...");
            break;
        } else if c == '\t' {
            shown.push_str("    ");
        } else if !c.is_control() {
            shown.push(c);
        }
        column += width;
    }
    let lead = if skipped > 0 { "..." } else { "" };
    let indent = lead.len() + from.saturating_sub(skipped);
    let length = length.min((WIDEST + lead.len() + 3).saturating_sub(indent)).max(1);
    (format!("{lead}{shown}"), format!("{}{}", " ".repeat(indent), "^".repeat(length)))
}

/// Columns that a terminal gives a character: two for East Asian wide ones and emoji, none for combining ones.
fn columns(c: char) -> usize {
    match c as u32 {
        0x09 => 4,
        0..0x20 | 0x7f..0xa0 | 0x300..0x370 | 0x200b..0x2010 | 0x20d0..0x2100 | 0xfe00..0xfe10 => 0,
        0x1100..0x1160
        | 0x2e80..0xa4d0
        | 0xac00..0xd7a4
        | 0xf900..0xfb00
        | 0xfe30..0xfe70
        | 0xff01..0xff61
        | 0xffe0..0xffe7
        | 0x1f300..0x1fb00
        | 0x20000..0x3fffe => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, word: &str) -> Place {
        let start = text.find(word).unwrap();
        let sources = [Source { file: Some("r.toml".into()), text: text.into() }];
        Place::new(&sources, &At { source: 0, span: start..start + word.len() }).unwrap()
    }

    /// What stands above the carets.
    fn above(place: &Place) -> String {
        let indent = place.marker.find('^').unwrap();
        let mut column = 0;
        let mut found = String::new();
        for c in place.excerpt.chars() {
            if column >= indent && column < place.marker.len() {
                found.push(c);
            }
            column += columns(c);
        }
        found
    }

    #[test]
    fn carets_stand_below_the_word_after_tabs_and_multi_byte_text() {
        let p = place("[a]\n\tnäme = \"日本語é\", wdith = 3\n", "wdith");
        assert_eq!((p.line, p.column), (2, 17));
        assert_eq!(p.excerpt, "    näme = \"日本語é\", wdith = 3");
        assert_eq!(above(&p), "wdith");
        assert_eq!(p.to_string().lines().next().unwrap(), "  in r.toml, line 2, column 17:");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("x = [{} wrong, {}]", "1, ".repeat(300), "2, ".repeat(300));
        let p = place(&line, "wrong");
        assert!(p.excerpt.len() < 120 && p.excerpt.starts_with("...") && p.excerpt.ends_with("..."), "{p}");
        assert_eq!(above(&p), "wrong");
        let p = place(&"y".repeat(500), &"y".repeat(500));
        assert!(p.marker.len() <= WIDEST + 3, "{p}");
    }

    #[test]
    fn places_at_the_end_and_on_empty_lines_show_one_caret() {
        let sources = [Source { file: None, text: "a = 1\n\n".into() }];
        for (start, line) in [(5, 1), (6, 2), (7, 3), (99, 3)] {
            let p = Place::new(&sources, &At { source: 0, span: start..start + 4 }).unwrap();
            assert_eq!(p.line, line);
            assert_eq!(p.marker.matches('^').count(), 1);
        }
    }
}
