//! Reading rows of attribute files: `{"id": .., "attributes": {"NAME": [[start, end, score], ..], ..}}`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::offsets::Offsets;
use super::row::Row;
use crate::error::{Error, Place, Result};
use crate::tag::{Shape, Span, Tags};

/// Why a row cannot stand beside its document, or an attribute not be one.
fn fault(place: Place, field: &str, reason: impl Into<String>) -> Error {
    let hint = "write the attributes again, from the same documents (`regimen corpus tag`, `dedup`)";
    let reason: String = reason.into();
    let reason = format!("field `{field}`: {reason}");
    Error::Attributes { place, reason, hint: hint.into() }
}

/// The row that should stand at `place` is missing: the document at `of` has none.
pub(super) fn missing(place: Place, of: &Place) -> Error {
    fault(place, "id", format!("the file ends before the row of the document at {of}"))
}

/// There is a row at `place` and no document in `documents`, which has `rows` of them.
pub(super) fn left_over(place: Place, documents: &str, rows: u64) -> Error {
    fault(place, "id", format!("there is no document for this row: `{documents}` has {rows} of them"))
}

#[derive(Deserialize)]
struct AttributeRow<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
}

fn parse<'a>(line: &'a str, place: &dyn Fn() -> Place) -> Result<AttributeRow<'a>> {
    if !line.trim_start().starts_with('{') {
        // A list would be taken for the fields in their order.
        return Err(Error::Json { place: place(), column: 1, reason: "expected a JSON object".into() });
    }
    serde_json::from_str(line).map_err(|error| Error::Json {
        place: place(),
        column: error.column().max(1),
        reason: plain(&error),
    })
}

/// What the JSON reader says, without its place, which is one in a line.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]).into()
}

/// A map as its entries, in order.
pub(super) struct Entries<'a, V>(pub Vec<(Cow<'a, str>, V)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<'de, V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct All<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for All<V> {
            type Value = Entries<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Self::Value, M::Error> {
                let mut all = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    all.push((key, value));
                }
                Ok(Entries(all))
            }
        }
        d.deserialize_map(All(std::marker::PhantomData))
    }
}

/// The object `attributes` of a row.
fn attributes<'a, V: Deserialize<'a>>(
    row: &AttributeRow<'a>,
    place: &dyn Fn() -> Place,
) -> Result<Vec<(Cow<'a, str>, V)>> {
    let raw = row.attributes.ok_or_else(|| fault(place(), "attributes", "the row has no such field"))?;
    let entries: Entries<V> =
        serde_json::from_str(raw.get()).map_err(|error| fault(place(), "attributes", plain(&error)))?;
    Ok(entries.0)
}

/// Call `each` with every name in a row.
pub(super) fn names_of(line: &str, place: &dyn Fn() -> Place, each: &mut dyn FnMut(&str)) -> Result<()> {
    let row = parse(line, place)?;
    attributes::<IgnoredAny>(&row, place)?.iter().for_each(|(name, _)| each(name));
    Ok(())
}

/// A document that attributes belong to.
pub(super) struct Beside<'d> {
    pub row: &'d Row<'d>,
    pub place: &'d dyn Fn() -> Place,
}

/// Put the spans of a row into `tags`, those of the names in `used` by slot, in bytes of the document's text. `offsets`
/// are marks on that text.
///
/// # Errors
/// [`Error::Attributes`] for an id that is not the document's, spans that are none or lie outside of the text, a name that
/// came before; [`Error::Json`].
pub(super) fn read(
    line: &str,
    place: &dyn Fn() -> Place,
    document: &Beside,
    used: &[(String, Shape)],
    offsets: &Offsets,
    tags: &mut Tags,
) -> Result<()> {
    let row = parse(line, place)?;
    let id = row.id.map_or("null", RawValue::get);
    if id != document.row.id() && !same(id, document.row.id()) {
        let (own, of) = (document.row.id(), (document.place)());
        return Err(fault(place(), "id", format!("it is {id}, but the document at {of} has {own}")));
    }
    for (name, raw) in attributes::<&RawValue>(&row, place)? {
        let Some(slot) = used.iter().position(|(known, _)| *known == *name) else { continue };
        let spans: Vec<(u64, u64, Option<f64>)> = serde_json::from_str(raw.get()).map_err(|error| {
            let reason = format!("it must be a list of [start, end, score]: {}", plain(&error));
            fault(place(), &name, reason)
        })?;
        if !tags.spans(slot).is_empty() && !spans.is_empty() {
            return Err(fault(place(), &name, "another row of this document has it already"));
        }
        let shape = used[slot].1;
        if shape == Shape::Value && spans.len() > 1 {
            let reason = format!("its tagger gives one number, here are {} spans", spans.len());
            return Err(fault(place(), &name, reason));
        }
        for (start, end, score) in spans {
            let text = document.row.text();
            let (from, to) = range(text, offsets, start, end).ok_or_else(|| {
                let reason = if start > end {
                    format!("the span [{start}, {end}] ends before it begins")
                } else {
                    let length = offsets.code_points(text, text.len() as u32);
                    let of = (document.place)();
                    format!(
                        "the span [{start}, {end}] ends beyond the {length} code points of the text at {of}"
                    )
                };
                fault(place(), &name, reason)
            })?;
            match (score, shape) {
                // A number that is none makes no comparison true.
                (None, Shape::Value) => {}
                (score, _) => {
                    tags.push(slot, Span { start: from, end: to, score: score.unwrap_or(f64::NAN) });
                }
            }
        }
    }
    Ok(())
}

/// Ids that are written in two ways.
fn same(a: &str, b: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    a.starts_with('"') == b.starts_with('"') && value(a) == value(b)
}

/// A range of code points as one of bytes. Dolma's deduper counts whole documents in bytes: the range from 0 to their
/// number is the whole text too.
fn range(text: &str, offsets: &Offsets, start: u64, end: u64) -> Option<(u32, u32)> {
    if start == 0 && end == text.len() as u64 {
        return Some((0, text.len() as u32));
    }
    let byte = |at: u64| offsets.byte(text, u32::try_from(at).ok()?);
    let (from, to) = (byte(start)?, byte(end)?);
    (from <= to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used() -> Vec<(String, Shape)> {
        vec![("v".into(), Shape::Value), ("s".into(), Shape::Spans)]
    }

    fn tags_of(text: &str, line: &str) -> Result<Vec<Vec<Span>>> {
        let document = serde_json::json!({"id": "a", "text": text}).to_string();
        let at = |file: &str| Place { file: file.into(), unit: "line", number: 7 };
        let row = Row::parse(&document, || at("d.jsonl")).unwrap();
        let (mut offsets, mut tags) = (Offsets::default(), Tags::default());
        offsets.mark(text);
        tags.begin(2, text.len() as u32);
        let beside = Beside { row: &row, place: &|| at("d.jsonl") };
        read(line, &|| at("a.jsonl"), &beside, &used(), &offsets, &mut tags)?;
        Ok((0..2).map(|slot| tags.spans(slot).to_vec()).collect())
    }

    #[test]
    fn spans_come_in_code_points_and_go_in_bytes() {
        let found =
            tags_of("né中x", r#"{"id":"a","attributes":{"v":[[0,4,2.5]],"s":[[1,3,1],[3,4,null]],"x":3}}"#);
        let [value, spans] = &found.unwrap()[..] else { panic!() };
        assert_eq!(value[..], [Span { start: 0, end: 7, score: 2.5 }]);
        assert_eq!((spans[0].start, spans[0].end, spans[0].score), (1, 6, 1.0));
        assert!(spans[1].score.is_nan());
        // As Dolma's deduper writes a whole document.
        let whole = tags_of("né中x", r#"{"id":"a","attributes":{"s":[[0,7,1.0]]}}"#).unwrap();
        assert_eq!((whole[1][0].start, whole[1][0].end), (0, 7));
        assert!(
            tags_of("x", r#"{"id":"\u0061","attributes":{}}"#).is_ok(),
            "the same id in another spelling"
        );
    }

    #[test]
    fn faults_name_file_line_and_field() {
        let told = |text: &str, line: &str| tags_of(text, line).unwrap_err().to_string();
        for (line, part) in [
            (
                r#"{"id":"b","attributes":{}}"#,
                "field `id`: it is \"b\", but the document at `d.jsonl`, line 7 has \"a\"",
            ),
            (r#"{"attributes":{}}"#, "field `id`: it is null"),
            (r#"{"id":"a"}"#, "field `attributes`: the row has no such field"),
            (r#"{"id":"a","attributes":[]}"#, "field `attributes`: invalid type"),
            (r#"{"id":"a","attributes":{"s":3}}"#, "field `s`: it must be a list"),
            (r#"{"id":"a","attributes":{"s":[[0,1]]}}"#, "field `s`: it must be a list"),
            (r#"{"id":"a","attributes":{"s":[[-1,1,1.0]]}}"#, "field `s`: it must be a list"),
            (r#"{"id":"a","attributes":{"s":[[2,1,1.0]]}}"#, "[2, 1] ends before it begins"),
            (
                r#"{"id":"a","attributes":{"s":[[1,4,1.0]]}}"#,
                "[1, 4] ends beyond the 3 code points of the text at `d.jsonl`, line 7",
            ),
            (r#"{"id":"a","attributes":{"s":[[1,99999999999999,1.0]]}}"#, "ends beyond the 3"),
            (
                r#"{"id":"a","attributes":{"v":[[0,1,1.0],[1,2,1.0]]}}"#,
                "field `v`: its tagger gives one number",
            ),
            (r#"{"id":"a","attributes":{"s":[[0,1,1.0]],"s":[[0,1,1.0]]}}"#, "field `s`: another row"),
        ] {
            let told = told("né\n", line);
            assert!(told.starts_with("`a.jsonl`, line 7: ") && told.contains(part), "{line}: {told}");
        }
        assert!(told("x", "{").contains("`a.jsonl`, line 7, column"));
        assert!(told("x", "[\"a\",{}]").contains("expected a JSON object"));
    }

    proptest! {
        #[test]
        fn any_row_is_read_or_refused(
            text in "[a-cé中]{0,8}", inner in "[\\[\\]0-9a\",.: {}svn-]{0,40}", id in "\"?[a-b]?\"?",
        ) {
            let _ = tags_of(&text, &format!("{{\"id\":{id},\"attributes\":{{{inner}}}}}"));
            let _ = tags_of(&text, &format!("{{\"id\":\"a\",\"attributes\":{{\"s\":[{inner}]}}}}"));
        }

        #[test]
        fn spans_inside_of_a_text_are_its_characters(text in "[a-cé中🦀]{0,30}", a in 0usize..31, b in 0usize..31) {
            let count = text.chars().count();
            let (a, b) = (a.min(b).min(count), a.max(b).min(count));
            let line = format!("{{\"id\":\"a\",\"attributes\":{{\"s\":[[{a},{b},1.0]]}}}}");
            let span = tags_of(&text, &line).unwrap()[1][0];
            let expected: String = text.chars().skip(a).take(b - a).collect();
            prop_assert_eq!(&text[span.start as usize..span.end as usize], expected);
        }
    }
}
