//! Where the text of a mixed document comes from: a row beside the document, in Dolma's layout of attributes.
//!
//! Each span is a range of the written text that stands so in the source, and its score is the code point of the source text at
//! which it begins: `[start, end, at]` says that the code points from `start` to `end` are those from `at` on. What edits
//! put in lies in no span. Beside the attributes, `file` and `line` say which row of which file was the source.

use std::io::Write;

use super::KEEP_MAP;
use crate::dolma::offsets::Offsets;
use crate::dolma::row::Row;
use crate::edit::KeptRange;
use crate::error::Place;

/// Append the row for a document that is written with this id, and with this text and these ranges if it was edited.
pub(super) fn write(
    row: &Row,
    place: &Place,
    id: Option<&str>,
    edited: Option<&(String, Vec<KeptRange>)>,
    replacements: &[String],
    [from, to]: &mut [Offsets; 2],
    out: &mut Vec<u8>,
) {
    let source = row.text();
    from.mark(source);
    // Writing to memory cannot fail, and a text has no shape that JSON lacks.
    out.extend_from_slice(b"{\"id\":");
    match id {
        Some(id) => drop(serde_json::to_writer(&mut *out, id)),
        None => out.extend_from_slice(row.id().as_bytes()),
    }
    let _ = write!(out, ",\"attributes\":{{\"{KEEP_MAP}\":[");
    let whole = [KeptRange { start: 0, length: source.len() as u32, replacement: 0 }];
    let (text, ranges) = edited.map_or((source, &whole[..]), |(text, ranges)| (text, ranges));
    to.mark(text);
    let (mut at, mut first) = (0u32, true);
    for range in ranges {
        if range.length > 0 {
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            let (start, end) = (to.code_points(text, at), to.code_points(text, at + range.length));
            let begins = from.code_points(source, range.start);
            let _ = write!(out, "{comma}[{start},{end},{begins}.0]");
        }
        let words = usize::from(range.replacement).checked_sub(1).and_then(|i| replacements.get(i));
        at += range.length + words.map_or(0, |words| words.len() as u32);
    }
    out.extend_from_slice(b"]},\"file\":");
    drop(serde_json::to_writer(&mut *out, &place.file));
    let _ = writeln!(out, ",\"line\":{}}}", place.number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Cut, apply};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_range_is_the_same_text_in_both(
            text in "[a-cé中🦀]{0,40}", cuts in prop::collection::vec((0u32..60, 0u32..60, 0u8..3), 0..6)
        ) {
            let replacements = ["é|".to_string(), "xyz".into()];
            let mut cuts: Vec<Cut> =
                cuts.into_iter().map(|(start, end, replacement)| Cut { start, end, replacement }).collect();
            let edited = apply(&text, &mut cuts, &replacements);
            let line = serde_json::json!({"id": 7, "text": text}).to_string();
            let place = || Place { file: "a.jsonl".into(), unit: "line", number: 3 };
            let row = Row::parse(&line, place).unwrap();
            let mut out = Vec::new();
            write(&row, &place(), Some("7#2"), edited.as_ref(), &replacements, &mut Default::default(), &mut out);
            let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!((&written["id"], &written["file"], &written["line"]), (&"7#2".into(), &"a.jsonl".into(), &3.into()));
            let new: Vec<char> = edited.as_ref().map_or(&*text, |(new, _)| new).chars().collect();
            let old: Vec<char> = text.chars().collect();
            let mut covered = 0;
            for span in written["attributes"][KEEP_MAP].as_array().unwrap() {
                let at = |i: usize| span[i].as_f64().unwrap() as usize;
                prop_assert_eq!(&new[at(0)..at(1)], &old[at(2)..at(2) + at(1) - at(0)]);
                covered += at(1) - at(0);
            }
            let gone: std::collections::BTreeSet<usize> =
                cuts.iter().flat_map(|cut| cut.start as usize..cut.end as usize).collect();
            let stays = text.char_indices().filter(|(i, c)| (*i..i + c.len_utf8()).all(|i| !gone.contains(&i)));
            prop_assert_eq!(covered, stays.count());
        }
    }
}
