//! A source text cut along its keep map: what stayed, what went, and what was put in its place.

use crate::edit::KeptRange;

/// A piece of a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// It stayed; with the offset of its first byte in the source.
    Kept(u32, &'t str),
    /// It was cut out.
    Removed(u32, &'t str),
    /// The second text stands in place of the first.
    Masked(u32, &'t str, &'t str),
}

/// The pieces of `source` in order. None if the map does not fit the text.
pub fn pieces<'t>(source: &'t str, map: &[KeptRange], replacements: &'t [String]) -> Option<Vec<Piece<'t>>> {
    let mut out = Vec::with_capacity(2 * map.len() + 1);
    let (mut from, mut words) = (0usize, "");
    let gap = |from: usize, to: usize, words: &'t str, out: &mut Vec<Piece<'t>>| {
        let gone = source.get(from..to)?;
        match (gone.is_empty(), words.is_empty()) {
            (true, true) => {}
            (_, false) => out.push(Piece::Masked(from as u32, gone, words)),
            (false, true) => out.push(Piece::Removed(from as u32, gone)),
        }
        Some(())
    };
    for range in map {
        let (start, end) = (range.start as usize, range.start as usize + range.length as usize);
        gap(from, start, words, &mut out)?;
        let kept = source.get(start..end)?;
        if !kept.is_empty() {
            out.push(Piece::Kept(range.start, kept));
        }
        from = end;
        words = match usize::from(range.replacement).checked_sub(1) {
            None => "",
            Some(i) => replacements.get(i)?,
        };
    }
    gap(from, source.len(), words, &mut out)?;
    Some(out)
}

/// Leads from offsets in a source text to offsets in the text that edits left of it.
pub(crate) struct Kept {
    /// None for a text that was not edited.
    ranges: Option<Vec<Range>>,
    length: u32,
}

/// Bytes of a source text that stayed.
struct Range {
    start: u32,
    end: u32,
    /// Offset of the first of them in the edited text.
    at: u32,
}

impl Kept {
    /// By a map; none for a text that was not edited and has `length` bytes.
    pub fn new(map: Option<&[KeptRange]>, replacements: &[String], length: u32) -> Kept {
        let ranges = map.map(|map| {
            let mut at = 0;
            let mut all = Vec::with_capacity(map.len());
            for range in map {
                if range.length > 0 {
                    all.push(Range { start: range.start, end: range.start + range.length, at });
                }
                let words = usize::from(range.replacement).checked_sub(1).and_then(|i| replacements.get(i));
                at += range.length + words.map_or(0, |w| w.len() as u32);
            }
            all
        });
        Kept { ranges, length }
    }

    /// The part of `start..end` that is left, as a range of the edited text; none if nothing of it is. What edits put in
    /// between two parts is inside the range.
    pub fn span(&self, start: u32, end: u32) -> Option<(u32, u32)> {
        let Some(ranges) = &self.ranges else {
            let end = end.min(self.length);
            return (start <= end).then_some((start, end));
        };
        // Of many spans and many cuts, each span finds its own by bisection.
        let first = ranges.partition_point(|range| range.end <= start);
        let behind = ranges.partition_point(|range| range.start < end);
        let some = ranges.get(first..behind).filter(|_| start < end)?;
        let (first, last) = (some.first()?, some.last()?);
        let begin = first.at + start.saturating_sub(first.start);
        Some((begin, last.at + end.min(last.end).saturating_sub(last.start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Cut, apply};
    use proptest::prelude::*;

    #[test]
    fn a_text_falls_into_what_stayed_and_what_went() {
        let words = vec!["|||".to_string()];
        let mut cuts =
            vec![Cut { start: 2, end: 4, replacement: 1 }, Cut { start: 6, end: 8, replacement: 0 }];
        let (_, map) = apply("abcdefghij", &mut cuts, &words).unwrap();
        let found = pieces("abcdefghij", &map, &words).unwrap();
        let expected = [
            Piece::Kept(0, "ab"),
            Piece::Masked(2, "cd", "|||"),
            Piece::Kept(4, "ef"),
            Piece::Removed(6, "gh"),
            Piece::Kept(8, "ij"),
        ];
        assert_eq!(found, expected);
        let kept = Kept::new(Some(&map), &words, 0);
        assert_eq!(kept.span(0, 10), Some((0, 9)));
        assert_eq!(kept.span(2, 4), None);
        assert_eq!(kept.span(3, 7), Some((5, 7)));
        assert_eq!(pieces("abc", &map, &words), None, "another text");
    }

    /// The same by a walk over the whole map.
    fn walk(map: &[KeptRange], replacements: &[String], start: u32, end: u32) -> Option<(u32, u32)> {
        let mut passed = 0;
        let mut found: Option<(u32, u32)> = None;
        for range in map {
            let (a, b) = (start.max(range.start), end.min(range.start + range.length));
            if a < b {
                let begin = found.map_or(passed + a - range.start, |f| f.0);
                found = Some((begin, passed + b - range.start));
            }
            let words = usize::from(range.replacement).checked_sub(1).map_or("", |i| &replacements[i]);
            passed += range.length + words.len() as u32;
        }
        found
    }

    proptest! {
        #[test]
        fn spans_are_found_where_a_walk_over_the_map_finds_them(
            ranges in prop::collection::vec((0u32..4, 0u32..4, 0u8..3), 0..8),
            spans in prop::collection::vec((0u32..50, 0u32..50), 1..20),
        ) {
            let words = vec!["X".to_string(), "<mask>".to_string()];
            let mut from = 0;
            let map: Vec<KeptRange> = ranges
                .into_iter()
                .map(|(gap, length, replacement)| {
                    let start = from + gap;
                    from = start + length;
                    KeptRange { start, length, replacement }
                })
                .collect();
            let kept = Kept::new(Some(&map), &words, 0);
            for (start, end) in spans {
                prop_assert_eq!(kept.span(start, end), walk(&map, &words, start, end));
            }
        }

        #[test]
        fn pieces_are_the_source_and_the_edited_text(
            text in "[abé\n]{0,40}",
            cuts in prop::collection::vec((0u32..45, 0u32..12, 0u8..3), 0..6),
        ) {
            let words = vec!["X".to_string(), "<mask>".to_string()];
            let mut cuts: Vec<Cut> = cuts
                .into_iter()
                .map(|(start, length, replacement)| Cut { start, end: start + length, replacement })
                .collect();
            if let Some((left, map)) = apply(&text, &mut cuts, &words) {
                let (mut source, mut edited) = (String::new(), String::new());
                for piece in pieces(&text, &map, &words).unwrap() {
                    match piece {
                        Piece::Kept(at, t) => {
                            let kept = Kept::new(Some(&map), &words, 0);
                            let span = kept.span(at, at + t.len() as u32).unwrap();
                            prop_assert_eq!(&left[span.0 as usize..span.1 as usize], t);
                            source.push_str(t);
                            edited.push_str(t);
                        }
                        Piece::Removed(_, t) => source.push_str(t),
                        Piece::Masked(_, t, w) => {
                            source.push_str(t);
                            edited.push_str(w);
                        }
                    }
                }
                prop_assert_eq!(source, text);
                prop_assert_eq!(edited, left);
            }
        }
    }
}
