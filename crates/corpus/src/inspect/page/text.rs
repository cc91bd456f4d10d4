//! A text on the page: what edits removed struck through, what they masked marked, spans highlighted.

use std::ops::Range;

use super::html::Html;
use crate::inspect::pieces::Piece;

/// Bytes of a text that are shown.
const SHOWN: usize = 1800;
/// Bytes before the first span or cut that are shown: so few that it is seen before anything is scrolled.
const BEFORE: usize = 200;

/// Write the part of the text of the document called `name` around its first mark, or its first cut if it has none. `marks` are ranges of the source, sorted by their start.
pub(super) fn write(html: &mut Html, name: &str, source: &str, pieces: &[Piece], marks: &[(u32, u32)]) {
    let cut = pieces.iter().find_map(|piece| match piece {
        Piece::Removed(at, _) | Piece::Masked(at, ..) => Some(*at as usize),
        Piece::Kept(..) => None,
    });
    let first = marks.first().map(|mark| mark.0 as usize).or(cut).unwrap_or(0);
    let from = source.floor_char_boundary(first.saturating_sub(BEFORE));
    let to = source.ceil_char_boundary(from + SHOWN);
    let marks = apart(source, marks, from..to);
    // It scrolls, so the keyboard must get at it.
    html.raw("<pre tabindex=\"0\" role=\"group\" aria-label=\"").text(&format!("Text of {name}")).raw("\">");
    if from > 0 {
        html.raw("<i class=\"small\">…</i>");
    }
    for piece in pieces {
        let (at, text) = match piece {
            Piece::Kept(at, text) | Piece::Removed(at, text) | Piece::Masked(at, text, _) => {
                (*at as usize, *text)
            }
        };
        let (start, end) = (at.max(from), (at + text.len()).min(to));
        let shown = source.get(start..end.max(start)).unwrap_or_default();
        match piece {
            Piece::Kept(..) if shown.is_empty() => {}
            Piece::Kept(..) => kept(html, start, shown, &marks),
            _ if shown.is_empty() && !(text.is_empty() && (from..to).contains(&at)) => {}
            Piece::Removed(..) => {
                html.leaf("del", shown);
            }
            Piece::Masked(_, _, words) => {
                if !shown.is_empty() {
                    html.leaf("del", shown);
                }
                html.leaf("ins", words);
            }
        }
    }
    if to < source.len() {
        html.raw("<i class=\"small\">… ").text(&format!("{} bytes more", source.len() - to)).raw("</i>");
    }
    html.raw("</pre>");
}

/// The marks that touch what is `shown`, of each what those before it leave: sorted, and none over another.
fn apart(source: &str, marks: &[(u32, u32)], shown: Range<usize>) -> Vec<(usize, usize)> {
    let (mut all, mut at) = (Vec::new(), shown.start);
    for &(from, to) in marks {
        let from = source.floor_char_boundary(from as usize).max(at);
        let to = source.ceil_char_boundary(to as usize).min(shown.end);
        if from < to {
            all.push((from, to));
            at = to;
        }
    }
    all
}

/// A piece that stayed, with the marks that lie in it.
fn kept(html: &mut Html, start: usize, text: &str, marks: &[(usize, usize)]) {
    let (mut at, end) = (start, start + text.len());
    let first = marks.partition_point(|mark| mark.1 <= start);
    for &(from, to) in marks[first..].iter().take_while(|mark| mark.0 < end) {
        let (from, to) = (from.max(start), to.min(end));
        html.text(&text[at - start..from - start]).leaf("mark", &text[from - start..to - start]);
        at = to;
    }
    html.text(&text[at - start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_are_struck_through_and_marks_highlighted() {
        let source = "one two three four";
        let pieces = [
            Piece::Kept(0, "one "),
            Piece::Masked(4, "two", "|||"),
            Piece::Kept(7, " three"),
            Piece::Removed(13, " four"),
        ];
        let mut html = Html::default();
        write(&mut html, "a", source, &pieces, &[(0, 3), (2, 3), (8, 13)]);
        let expected = "<pre tabindex=\"0\" role=\"group\" aria-label=\"Text of a\"><mark>one</mark> <del>two</del><ins>|||</ins> <mark>three</mark><del> four</del></pre>";
        assert_eq!(html.0, expected);
        let long = "é".repeat(5000);
        let mut html = Html::default();
        write(&mut html, "a", &long, &[Piece::Kept(0, &long)], &[(7001, 7003)]);
        assert!(html.0.contains("<mark>éé</mark>") && html.0.contains("bytes more"), "{}", html.0);
        assert!(html.0.len() < 2 * SHOWN + 200);
    }

    /// A piece that stayed, by a look at every mark.
    fn plain(html: &mut Html, start: usize, text: &str, marks: &[(u32, u32)]) {
        let mut at = 0;
        for &(from, to) in marks {
            let from = text.floor_char_boundary((from as usize).saturating_sub(start)).max(at);
            let to = text.ceil_char_boundary((to as usize).saturating_sub(start));
            if from < to && from < text.len() {
                html.text(&text[at..from]).leaf("mark", &text[from..to]);
                at = to;
            }
        }
        html.text(&text[at..]);
    }

    proptest! {
        #[test]
        fn marks_stand_where_a_look_at_every_one_puts_them(
            source in "[abé]{1,30}",
            ends in prop::collection::vec(0usize..60, 1..6),
            mut marks in prop::collection::vec((0u32..70, 0u32..70), 0..8),
        ) {
            marks.sort_unstable();
            let mut ends: Vec<usize> = ends.into_iter().map(|end| source.floor_char_boundary(end)).collect();
            ends.sort_unstable();
            let (mut found, mut expected) = (Html::default(), Html::default());
            let all = apart(&source, &marks, 0..source.len());
            for pair in ends.windows(2).filter(|pair| pair[0] < pair[1]) {
                let text = &source[pair[0]..pair[1]];
                kept(&mut found, pair[0], text, &all);
                plain(&mut expected, pair[0], text, &marks);
            }
            prop_assert_eq!(found.0, expected.0);
        }
    }
}
