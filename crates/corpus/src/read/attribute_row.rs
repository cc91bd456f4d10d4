//! A row of a Dolma attribute file, as another tool wrote it.
//!
//! `{"id": .., "attributes": {"EXPERIMENT__TAGGER__ATTRIBUTE": [[start, end, score], ..]}, ..}`. Offsets count code points of
//! the text. Dolma's own deduper slips in two cases, which cannot be mistaken for anything else and are read as they are
//! meant: in a text that is not ASCII a span of the whole document ends at the number of its bytes, and that of the last
//! paragraph may end one behind the text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dolma::offsets::Offsets;
use crate::error::{Error, Place, Result};
use crate::read::row::reason;
use crate::tag::{Shape, Span};

/// Characters of a foreign value that a message shows.
const SHOWN: usize = 60;

/// Why a row cannot stand beside its document, or an attribute not be one.
pub(crate) fn wrong(place: Place, reason: impl Into<String>) -> Error {
    let hint = "an attribute file has one row for each document, in the same order and with the same id; its offsets count \
                code points of the text; write it again from the same documents (`regimen corpus tag`, `dedup`) if it has not";
    Error::Attributes { place, reason: reason.into(), hint: hint.into() }
}

/// The begin of a value, for a message.
pub(crate) fn shown(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(SHOWN) {
        Some((cut, _)) => Cow::Owned(format!("{}...", &value[..cut])),
        None => Cow::Borrowed(value),
    }
}

/// An object as its entries, in order.
#[derive(Debug)]
pub(crate) struct Entries<'a, V>(pub Vec<(Cow<'a, str>, V)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<'de, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Each<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Each<V> {
            type Value = Vec<(Cow<'de, str>, V)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Self::Value, M::Error> {
                let mut all = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    all.push((name, value));
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(Each(std::marker::PhantomData)).map(Entries)
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
}

/// A row: id and attributes, both as they are written.
#[derive(Debug)]
pub(crate) struct AttributeRow<'a> {
    id: Option<&'a RawValue>,
    /// By name, in the order of the row.
    pub attributes: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> AttributeRow<'a> {
    /// Read one line.
    ///
    /// # Errors
    /// [`Error::Encoding`]; [`Error::Attributes`] for what is no row.
    pub fn parse(line: &'a [u8], place: &dyn Fn() -> Place) -> Result<AttributeRow<'a>> {
        let line = std::str::from_utf8(line)
            .map_err(|e| Error::Encoding { place: place(), byte: e.valid_up_to() as u64 })?;
        if !line.trim_ascii_start().starts_with('{') {
            // A list would be taken for the fields in their order.
            return Err(wrong(place(), "column 1: expected a JSON object"));
        }
        let told = |error: serde_json::Error| format!("column {}: {}", error.column().max(1), reason(&error));
        let fields: Fields = serde_json::from_str(line).map_err(|error| wrong(place(), told(error)))?;
        let raw = fields.attributes.filter(|raw| raw.get() != "null");
        let raw = raw.ok_or_else(|| wrong(place(), "the row has no field `attributes`"))?;
        let entries: Entries<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|error| wrong(place(), format!("field `attributes`: {}", reason(&error))))?;
        Ok(AttributeRow { id: fields.id, attributes: entries.0 })
    }

    /// The id as a text, of a number its digits; none if there is none.
    pub fn id(&self) -> Option<Cow<'a, str>> {
        let raw = self.id?.get();
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Name>(raw).ok().map(|Name(text)| text),
            Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(raw)),
            _ => None,
        }
    }
}

/// The spans of an attribute as they are written: code points and scores.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn listed(value: &RawValue) -> std::result::Result<Vec<(u64, u64, Option<f64>)>, String> {
    serde_json::from_str(value.get())
        .map_err(|error| format!("it must be a list of [start, end, score]: {}", reason(&error)))
}

/// A range of code points of the marked `text` in bytes; none beyond its end.
pub(crate) fn in_bytes(text: &str, offsets: &Offsets, start: u64, end: u64) -> Option<(u32, u32)> {
    let byte = |at: u64| u32::try_from(at).ok().and_then(|at| offsets.byte(text, at));
    if start > end {
        return None;
    }
    let from = byte(start)?;
    if let Some(to) = byte(end) {
        return Some((from, to));
    }
    let length = text.len() as u64;
    let points = u64::from(offsets.code_points(text, text.len() as u32));
    let whole = start == 0 && end == length;
    let last = points < length && end == points + 1;
    (whole || last).then_some((from, text.len() as u32))
}

/// The spans of an attribute in bytes of `text`, which `offsets` has marked. A score may be null: then it is not a number,
/// which makes no comparison true; a value that is null is not there.
///
/// # Errors
/// What is wrong, in words.
fn spans(
    value: &RawValue,
    shape: Shape,
    text: &str,
    offsets: &Offsets,
) -> std::result::Result<Vec<Span>, String> {
    let mut out = Vec::new();
    for (n, (start, end, score)) in (1..).zip(listed(value)?) {
        let (from, to) = in_bytes(text, offsets, start, end).ok_or_else(|| {
            let points = offsets.code_points(text, text.len() as u32);
            if start > end {
                format!("span {n} starts at {start} and ends before, at {end}")
            } else {
                format!("span {n} from {start} to {end} goes beyond the text of {points} code points")
            }
        })?;
        out.push((Span { start: from, end: to, score: score.unwrap_or(f64::NAN) }, score.is_none()));
    }
    match out[..] {
        _ if shape == Shape::Spans => {}
        [] => {}
        [(Span { start: 0, end, .. }, null)] if end as usize == text.len() => {
            if null && shape == Shape::Value {
                out.clear();
            }
        }
        _ => return Err("it is no single number of the whole document, as a value is".into()),
    }
    Ok(out.into_iter().map(|(span, _)| span).collect())
}

/// Room to work in, and what was met of one document.
#[derive(Default)]
pub(crate) struct Room {
    offsets: Offsets,
    /// Whether they are those of the document.
    marked: bool,
    /// Number of the document, and the last one that had each attribute.
    document: u64,
    met: Vec<u64>,
}

impl Room {
    /// Another document comes.
    pub fn begin(&mut self) {
        self.marked = false;
        self.document += 1;
    }

    /// Whether the document has not had this attribute; from now on it has.
    fn first(&mut self, attribute: u32) -> bool {
        let at = attribute as usize;
        if self.met.len() <= at {
            self.met.resize(at + 1, 0);
        }
        std::mem::replace(&mut self.met[at], self.document) != self.document
    }
}

/// A document that a row belongs to.
pub(crate) struct Beside<'d> {
    /// The id as a text, of a number its digits.
    pub id: &'d str,
    /// The text, if it has one.
    pub text: Option<&'d str>,
    /// What it is called in messages.
    pub called: &'d dyn Fn() -> String,
}

/// Give the spans in a row to `each`, in bytes of the document's text, with the number of the attribute. `find` says which
/// attributes count, by name; `room` was told when the document began.
///
/// # Errors
/// [`Error::Encoding`]; [`Error::Attributes`] for what is no row, another id than the document's, spans that are none or go
/// beyond the text, and attributes that came before; what `find` says.
pub(crate) fn read(
    line: &[u8],
    place: &dyn Fn() -> Place,
    document: &Beside,
    find: &dyn Fn(&str) -> Result<Option<(u32, Shape)>>,
    room: &mut Room,
    each: &mut dyn FnMut(u32, Span),
) -> Result<()> {
    let row = AttributeRow::parse(line, place)?;
    match row.id() {
        Some(found) if found == document.id => {}
        Some(found) => {
            let (found, id, of) = (shown(&found), shown(document.id), (document.called)());
            return Err(wrong(place(), format!("field `id` is `{found}`, but {of} is `{id}`")));
        }
        None => return Err(wrong(place(), "the row has no field `id` with a text or a number")),
    }
    for (name, value) in &row.attributes {
        let Some((number, shape)) = find(name)? else { continue };
        let field = |reason: String| wrong(place(), format!("field `attributes.{}`: {reason}", shown(name)));
        if !room.first(number) {
            return Err(field("the document has it twice".into()));
        }
        let Some(text) = document.text else { continue };
        if !room.marked {
            room.offsets.mark(text);
            room.marked = true;
        }
        let found = spans(value, shape, text, &room.offsets).map_err(field)?;
        found.into_iter().for_each(|span| each(number, span));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at() -> Place {
        Place { file: "a.jsonl".into(), unit: "line", number: 7 }
    }

    /// What the row has of `v`, a value, and `s`, spans, of the document `id`.
    fn of(id: &str, text: &str, lines: &[&str]) -> Result<[Vec<(u32, u32, f64)>; 2]> {
        let find = |name: &str| {
            Ok(match name {
                "v" => Some((0, Shape::Value)),
                "s" => Some((1, Shape::Spans)),
                _ => None,
            })
        };
        let mut out = [Vec::new(), Vec::new()];
        let mut room = Room::default();
        room.begin();
        let called = || "the document at `d.jsonl`, line 9".into();
        let beside = Beside { id, text: Some(text), called: &called };
        for line in lines {
            read(line.as_bytes(), &at, &beside, &find, &mut room, &mut |number, span| {
                out[number as usize].push((span.start, span.end, span.score));
            })?;
        }
        Ok(out)
    }

    fn one(text: &str, name: &str, value: &str) -> std::result::Result<Vec<(u32, u32, f64)>, String> {
        let line = format!("{{\"id\":\"a\",\"attributes\":{{\"{name}\":{value}}}}}");
        let found = of("a", text, &[&line]).map_err(|error| error.to_string());
        found.map(|[value, spans]| if name == "v" { value } else { spans })
    }

    #[test]
    fn code_points_become_bytes_and_slips_of_the_deduper_are_read_as_meant() {
        let text = "né\nzwé";
        assert_eq!(one(text, "s", "[[0,3,1.0],[3,6,0.5]]").unwrap(), [(0, 4, 1.0), (4, 8, 0.5)]);
        assert_eq!(one(text, "s", "[[0,8,1]]").unwrap(), [(0, 8, 1.0)]);
        assert_eq!(one(text, "s", "[[3,7,1]]").unwrap(), [(4, 8, 1.0)]);
        assert_eq!(one("abc", "v", "[]").unwrap(), []);
        assert_eq!(one(text, "v", "[[0,6,7.5]]").unwrap(), [(0, 8, 7.5)]);
        assert_eq!(one("", "v", "[[0,0,7.5]]").unwrap(), [(0, 0, 7.5)]);
        assert_eq!(one("abc", "v", "[[0,3,null]]").unwrap(), [], "no comparison is true");
        assert!(one("abc", "s", "[[0,3,null]]").unwrap()[0].2.is_nan());
        for (text, bad, words) in [
            ("abc", "[[0,4,1]]", "span 1 from 0 to 4 goes beyond the text of 3 code points"),
            (text, "[[0,1,1],[1,8,1]]", "span 2 from 1 to 8"),
            (text, "[[9,9,1]]", "goes beyond"),
            (text, "[[2,1,1]]", "starts at 2 and ends before, at 1"),
            (text, "[[-1,1,1]]", "list of [start, end, score]"),
            (text, "[[0,1]]", "list of [start, end, score]"),
            (text, "3", "list of [start, end, score]"),
            (text, "[[0,18446744073709551615,1]]", "goes beyond"),
        ] {
            let told = one(text, "s", bad).unwrap_err();
            assert!(told.starts_with("`a.jsonl`, line 7: field `attributes.s`: "), "{told}");
            assert!(told.contains(words), "{told}");
        }
        assert!(one(text, "v", "[[0,3,1],[3,6,1]]").unwrap_err().contains("no single number"));
        assert!(one(text, "v", "[[1,3,1]]").unwrap_err().contains("no single number"));
    }

    #[test]
    fn rows_must_be_those_of_their_documents() {
        let told = |id: &str, lines: &[&str]| of(id, "né", lines).unwrap_err().to_string();
        let row = |id: &str| format!("{{\"id\":{id},\"x\":[1],\"attributes\":{{\"other\":3}}}}");
        assert!(of("a", "", &[&row("\"\\u0061\"")]).is_ok(), "the same id in another spelling");
        assert!(of("7", "", &[&row("7"), &row("\"7\"")]).is_ok());
        assert_eq!(
            told("a", &[&row("\"b\"")]),
            "`a.jsonl`, line 7: field `id` is `b`, but the document at `d.jsonl`, line 9 is `a`"
        );
        for none in ["null", "[1]", "true", "\"\\ud800\""] {
            assert!(told(none, &[&row(none)]).contains("no field `id` with a text or a number"), "{none}");
        }
        assert!(told("a", &["{\"id\":\"a\"}"]).contains("the row has no field `attributes`"));
        assert!(told("a", &["{\"id\":\"a\",\"attributes\":null}"]).contains("no field `attributes`"));
        assert!(
            told("a", &["{\"id\":\"a\",\"attributes\":[]}"]).contains("field `attributes`: invalid type")
        );
        assert!(told("a", &["{"]).contains("line 7: column 1: EOF"));
        for list in ["[\"a\",{}]", " [\"a\",{}]", "", "3"] {
            assert!(told("a", &[list]).contains("column 1: expected a JSON object"), "{list}");
        }
        let twice = "{\"id\":\"a\",\"attributes\":{\"s\":[],\"s\":[]}}";
        assert!(told("a", &[twice]).contains("field `attributes.s`: the document has it twice"));
        let once = "{\"id\":\"a\",\"attributes\":{\"s\":[]}}";
        assert!(told("a", &[once, once]).contains("the document has it twice"), "in two files");
        let bytes = read(
            b"\xff",
            &at,
            &Beside { id: "", text: None, called: &String::new },
            &|_| Ok(None),
            &mut Room::default(),
            &mut |_, _| {},
        );
        assert!(matches!(bytes, Err(Error::Encoding { byte: 0, .. })));
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let long = "é".repeat(5000);
        let told = |id: &str, line: String| of(id, "x", &[&line]).unwrap_err().to_string();
        for message in [
            told("a", format!("{{\"id\":\"{long}\",\"attributes\":{{}}}}")),
            told(&long, "{\"id\":\"a\",\"attributes\":{}}".into()),
            told("a", format!("{{\"id\":\"a\",\"attributes\":\"{long}\"}}")),
            told("a", format!("{{\"id\":\"a\",\"attributes\":{{\"s\":\"{long}\"}}}}")),
        ] {
            assert!(message.chars().count() < 400, "{message}");
        }
    }

    #[test]
    fn many_names_cost_no_more_each_than_few() {
        // 60,000 names: quadratic, this would be 3.6 thousand million steps.
        let names: Vec<String> = (0..60_000).map(|i| format!("\"n{i}\":[]")).collect();
        let line = format!("{{\"id\":\"a\",\"attributes\":{{{}}}}}", names.join(","));
        let find = |name: &str| Ok(name[1..].parse().ok().map(|n: u32| (n, Shape::Spans)));
        let mut room = Room::default();
        room.begin();
        let beside = Beside { id: "a", text: Some(""), called: &String::new };
        read(line.as_bytes(), &at, &beside, &find, &mut room, &mut |_, _| {}).unwrap();
        assert_eq!(room.met.len(), 60_000);
    }

    proptest! {
        #[test]
        fn any_row_is_read_or_refused(line in "(\\{|\\}|\\[|\\]|\"id\"|\"attributes\"|:|,|[0-9]|\"a\"|null|-|\\PC){0,30}", text in "[aé🦀]{0,9}") {
            let inside = |[value, spans]: [Vec<(u32, u32, f64)>; 2]| {
                value.iter().chain(&spans).all(|s| s.0 <= s.1 && text.get(s.0 as usize..s.1 as usize).is_some())
            };
            for line in [line.clone(), format!("{{\"id\":\"a\",\"attributes\":{{\"s\":[{line}]}}}}")] {
                prop_assert!(of("a", &text, &[&line]).map_or(true, inside));
            }
        }

        #[test]
        fn spans_inside_of_a_text_are_its_characters(text in "[a-cé中🦀]{0,30}", a in 0usize..31, b in 0usize..31) {
            let count = text.chars().count();
            let (a, b) = (a.min(b).min(count), a.max(b).min(count));
            let (start, end, _) = one(&text, "s", &format!("[[{a},{b},1.0]]")).unwrap()[0];
            let expected: String = text.chars().skip(a).take(b - a).collect();
            prop_assert_eq!(&text[start as usize..end as usize], expected);
        }
    }
}
