//! Cutting spans out of a text or putting something else in their place, with a map that leads from every byte of what is
//! left back to the byte of the source.

use crate::error::{Error, Result};

/// A range of the source that was kept, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRange {
    /// First byte in the source.
    pub start: u32,
    /// Bytes.
    pub length: u32,
    /// Number of the replacement that follows it, from 1; 0 for none.
    pub replacement: u8,
}

/// A span that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cut {
    pub start: u32,
    pub end: u32,
    /// Number of the replacement, from 1; 0 for none.
    pub replacement: u8,
}

/// The text that is left, and its map; none if nothing was cut. See [`apply_to`].
pub(crate) fn apply(
    text: &str,
    cuts: &mut Vec<Cut>,
    replacements: &[String],
) -> Option<(String, Vec<KeptRange>)> {
    let (mut out, mut map) = (String::new(), Vec::new());
    apply_to(text, cuts, replacements, &mut out, &mut map).then_some((out, map))
}

/// Append the text that is left to `out` and its ranges to `map`, if anything is cut; gives back whether. Cuts that overlap are
/// one, replaced by what replaces the first of them; of two that begin together the longer one is the first. Ends in the middle
/// of a character move to its border.
pub(crate) fn apply_to(
    text: &str,
    cuts: &mut Vec<Cut>,
    replacements: &[String],
    out: &mut String,
    map: &mut Vec<KeptRange>,
) -> bool {
    cuts.retain(|cut| cut.start < cut.end && (cut.start as usize) < text.len());
    if cuts.is_empty() {
        return false;
    }
    cuts.sort_unstable_by_key(|cut| (cut.start, std::cmp::Reverse(cut.end), cut.replacement));
    out.reserve(text.len());
    let mut from = 0;
    let mut i = 0;
    while i < cuts.len() {
        let first = cuts[i];
        let mut end = first.end;
        i += 1;
        while i < cuts.len() && cuts[i].start < end {
            end = end.max(cuts[i].end);
            i += 1;
        }
        let start = text.floor_char_boundary(first.start as usize).max(from);
        let end = text.ceil_char_boundary(end as usize);
        out.push_str(&text[from..start]);
        let replacement = usize::from(first.replacement);
        let words = replacement.checked_sub(1).and_then(|i| replacements.get(i)).filter(|w| !w.is_empty());
        let range = KeptRange {
            start: from as u32,
            length: (start - from) as u32,
            replacement: if words.is_some() { first.replacement } else { 0 },
        };
        if let Some(words) = words {
            out.push_str(words);
        }
        // A range of nothing, followed by nothing, says nothing.
        if range.length > 0 || range.replacement > 0 {
            map.push(range);
        }
        from = end;
    }
    if from < text.len() {
        out.push_str(&text[from..]);
        map.push(KeptRange { start: from as u32, length: (text.len() - from) as u32, replacement: 0 });
    }
    true
}

/// The map of a text that was edited twice: `first` leads from the middle to the source, `second` from the end to the
/// middle. What the first edit put in and the second one cut in two goes as a whole with its first byte.
pub(crate) fn compose(first: &[KeptRange], second: &[KeptRange], replacements: &[String]) -> Vec<KeptRange> {
    let length_of =
        |r: u8| usize::from(r).checked_sub(1).and_then(|i| replacements.get(i)).map_or(0, String::len);
    let mut out: Vec<KeptRange> = Vec::new();
    // The first piece that a range of `second`, which are in order, may still meet, and where it begins.
    let (mut next, mut begin) = (0, 0);
    for range in second {
        let (from, to) = (range.start as usize, range.start as usize + range.length as usize);
        while let Some(piece) = first.get(next).filter(|piece| begin + (piece.length as usize) < from) {
            begin += piece.length as usize + length_of(piece.replacement);
            next += 1;
        }
        let mut at = begin;
        for piece in &first[next..] {
            if at >= to {
                break;
            }
            let (start, end) = (at, at + piece.length as usize);
            let (a, b) = (from.max(start), to.min(end));
            let behind = end + length_of(piece.replacement);
            // The replacement stays if its first byte does.
            let replaced = piece.replacement > 0 && end >= from && end < to;
            if a < b || replaced {
                let start = piece.start as usize + a.clamp(start, end) - start;
                out.push(KeptRange {
                    start: start as u32,
                    length: b.saturating_sub(a) as u32,
                    replacement: if replaced { piece.replacement } else { 0 },
                });
            }
            at = behind;
        }
        if range.replacement > 0 {
            match out.last_mut() {
                Some(last) if last.replacement == 0 => last.replacement = range.replacement,
                _ => out.push(KeptRange { start: range.start, length: 0, replacement: range.replacement }),
            }
        }
    }
    out
}

/// The byte of the source that byte `at` of the edited text came from; none if it was put in.
pub fn source_of(map: &[KeptRange], replacements: &[String], at: u32) -> Option<u32> {
    Sources::default().of(map, replacements, at)
}

/// The same for bytes in rising order, in one walk over the map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    /// The range that is looked at, and where it begins in the edited text.
    range: usize,
    begin: u32,
}

impl Sources {
    /// The source of byte `at`, which is none before that of the last call.
    pub fn of(&mut self, map: &[KeptRange], replacements: &[String], at: u32) -> Option<u32> {
        while let Some(range) = map.get(self.range) {
            let end = self.begin + range.length;
            if at < end {
                return Some(range.start + at - self.begin);
            }
            let words = usize::from(range.replacement).checked_sub(1).and_then(|i| replacements.get(i));
            let behind = end + words.map_or(0, |words| words.len() as u32);
            if at < behind {
                return None;
            }
            (self.range, self.begin) = (self.range + 1, behind);
        }
        None
    }
}

/// Nine bytes a range.
pub(crate) fn encode(map: &[KeptRange], out: &mut Vec<u8>) {
    for range in map {
        out.extend_from_slice(&range.start.to_le_bytes());
        out.extend_from_slice(&range.length.to_le_bytes());
        out.push(range.replacement);
    }
}

/// The map in its file form.
///
/// # Errors
/// [`Error::Record`] for another length than of whole ranges.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<KeptRange>> {
    let (ranges, rest) = bytes.as_chunks::<9>();
    if !rest.is_empty() {
        return Err(Error::Record { what: "a keep map" });
    }
    let number = |b: &[u8]| b.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
    Ok(ranges
        .iter()
        .map(|r| KeptRange { start: number(&r[..4]), length: number(&r[4..8]), replacement: r[8] })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words() -> Vec<String> {
        vec!["|||X|||".into(), String::new(), "é".into()]
    }

    #[test]
    fn spans_go_and_words_come() {
        let text = "mail me@x.org or call 555 now";
        let mut cuts = vec![
            Cut { start: 22, end: 25, replacement: 0 },
            Cut { start: 5, end: 13, replacement: 1 },
            Cut { start: 8, end: 10, replacement: 3 },
        ];
        let (left, map) = apply(text, &mut cuts, &words()).unwrap();
        assert_eq!(left, "mail |||X||| or call  now");
        assert_eq!(source_of(&map, &words(), 0), Some(0));
        assert_eq!(source_of(&map, &words(), 6), None);
        assert_eq!(source_of(&map, &words(), 12), Some(13));
        assert_eq!(source_of(&map, &words(), left.len() as u32 - 1), Some(text.len() as u32 - 1));
        assert_eq!(source_of(&map, &words(), left.len() as u32), None);
        assert!(apply(text, &mut vec![Cut { start: 3, end: 3, replacement: 1 }], &words()).is_none());
        let all = apply(text, &mut vec![Cut { start: 0, end: 99, replacement: 2 }], &words()).unwrap();
        assert_eq!(all, (String::new(), Vec::new()));
    }

    fn cuts() -> impl Strategy<Value = Vec<Cut>> {
        let cut = (0u32..50, 0u32..12, 0u8..4);
        prop::collection::vec(
            cut.prop_map(|(start, length, replacement)| Cut { start, end: start + length, replacement }),
            0..6,
        )
    }

    /// What a map says of a text.
    fn rebuilt(text: &str, map: &[KeptRange]) -> String {
        let mut out = String::new();
        for range in map {
            out.push_str(&text[range.start as usize..][..range.length as usize]);
            if range.replacement > 0 {
                out.push_str(&words()[usize::from(range.replacement) - 1]);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn the_map_gives_the_text_again(text in "[a-cé中]{0,30}", mut first in cuts()) {
            if let Some((left, map)) = apply(&text, &mut first, &words()) {
                prop_assert_eq!(&rebuilt(&text, &map), &left);
                let mut bytes = Vec::new();
                encode(&map, &mut bytes);
                prop_assert_eq!(decode(&bytes).unwrap(), map.clone());
                let mut walk = Sources::default();
                for at in 0..=left.len() as u32 {
                    prop_assert_eq!(walk.of(&map, &words(), at), source_of(&map, &words(), at));
                }
                for (at, c) in left.char_indices() {
                    if let Some(source) = source_of(&map, &words(), at as u32) {
                        prop_assert!(text[source as usize..].starts_with(c));
                    }
                }
            }
        }

        #[test]
        fn two_edits_have_one_map(text in "[a-c]{0,40}", mut first in cuts(), mut second in cuts()) {
            if let Some((middle, one)) = apply(&text, &mut first, &[])
                && let Some((left, two)) = apply(&middle, &mut second, &words())
            {
                let both = compose(&one, &two, &words());
                prop_assert_eq!(rebuilt(&text, &both), left);
            }
        }

        #[test]
        fn what_was_put_in_stays_through_a_second_edit(text in "[a-c]{0,40}", mut first in cuts(), line in 0u32..40) {
            if let Some((middle, one)) = apply(&text, &mut first, &words()) {
                // A second cut between two characters that came from the source.
                let ends = |at: u32| source_of(&one, &words(), at).is_some();
                if ends(line) && ends(line + 1) {
                    let mut second = vec![Cut { start: line, end: line + 1, replacement: 0 }];
                    let (left, two) = apply(&middle, &mut second, &words()).unwrap();
                    prop_assert_eq!(rebuilt(&text, &compose(&one, &two, &words())), left);
                }
            }
        }
    }
}
