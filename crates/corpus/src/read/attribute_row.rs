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
use crate::tag::{Shape, Span};

/// A row: id and attributes, both as they are written.
#[derive(Debug, Deserialize)]
pub(crate) struct AttributeRow<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub attributes: Option<Named<'a>>,
}

/// Attributes by name, in the order of the row.
#[derive(Debug)]
pub(crate) struct Named<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<'a>, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object as `attributes`")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut all = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    all.push((name, value));
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(Each).map(Named)
    }
}

impl<'a> AttributeRow<'a> {
    /// Read one line.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(line: &'a str) -> Result<AttributeRow<'a>, String> {
        let row: AttributeRow = serde_json::from_str(line).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            format!("column {}: {reason}", error.column().max(1))
        })?;
        match row.attributes {
            Some(_) => Ok(row),
            None => Err("the row has no field `attributes`".into()),
        }
    }

    /// The id as a text; none if there is none.
    pub fn id(&self) -> Option<String> {
        let raw = self.id?.get();
        match serde_json::from_str(raw) {
            Ok(serde_json::Value::String(text)) => Some(text),
            Ok(serde_json::Value::Number(_)) => Some(raw.into()),
            _ => None,
        }
    }
}

/// The spans of an attribute as they are written: code points and scores. A score may be null: it is not a number.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn listed(value: &RawValue) -> Result<Vec<(u64, u64, f64)>, String> {
    let list: Vec<(u64, u64, Option<f64>)> = serde_json::from_str(value.get()).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        format!("it must be a list of [start, end, score]: {reason}")
    })?;
    Ok(list.into_iter().map(|(start, end, score)| (start, end, score.unwrap_or(f64::NAN))).collect())
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

/// The spans of an attribute in bytes of `text`, which `offsets` has marked.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn spans(
    value: &RawValue,
    shape: Shape,
    text: &str,
    offsets: &Offsets,
) -> Result<Vec<Span>, String> {
    let mut out = Vec::new();
    for (n, (start, end, score)) in listed(value)?.into_iter().enumerate() {
        let (from, to) = in_bytes(text, offsets, start, end).ok_or_else(|| {
            let points = offsets.code_points(text, text.len() as u32);
            if start > end {
                format!("span {} starts at {start} and ends before, at {end}", n + 1)
            } else {
                format!("span {} from {start} to {end} goes beyond the text of {points} code points", n + 1)
            }
        })?;
        out.push(Span { start: from, end: to, score });
    }
    match out[..] {
        _ if shape == Shape::Spans => Ok(out),
        [] => Ok(out),
        [Span { start: 0, end, .. }] if end as usize == text.len() => Ok(out),
        _ => Err("it is no single number of the whole document, as a value is".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, value: &str, shape: Shape) -> Result<Vec<(u32, u32, f64)>, String> {
        let mut offsets = Offsets::default();
        offsets.mark(text);
        let raw = RawValue::from_string(value.into()).unwrap();
        spans(&raw, shape, text, &offsets).map(|all| all.iter().map(|s| (s.start, s.end, s.score)).collect())
    }

    #[test]
    fn code_points_become_bytes_and_slips_of_the_deduper_are_read_as_meant() {
        let text = "né\nzwé";
        assert_eq!(of(text, "[[0,3,1.0],[3,6,0.5]]", Shape::Spans).unwrap(), [(0, 4, 1.0), (4, 8, 0.5)]);
        assert_eq!(of(text, "[[0,8,1]]", Shape::Spans).unwrap(), [(0, 8, 1.0)]);
        assert_eq!(of(text, "[[3,7,1]]", Shape::Spans).unwrap(), [(4, 8, 1.0)]);
        assert_eq!(of("abc", "[]", Shape::Value).unwrap(), []);
        assert_eq!(of(text, "[[0,6,7.5]]", Shape::Value).unwrap(), [(0, 8, 7.5)]);
        assert!(of("abc", "[[0,3,null]]", Shape::Value).unwrap()[0].2.is_nan());
        for (text, bad, words) in [
            ("abc", "[[0,4,1]]", "span 1 from 0 to 4 goes beyond the text of 3 code points"),
            (text, "[[0,1,1],[1,8,1]]", "span 2 from 1 to 8"),
            (text, "[[9,9,1]]", "goes beyond"),
            (text, "[[2,1,1]]", "ends before, at 1"),
            (text, "[[-1,1,1]]", "list of [start, end, score]"),
            (text, "[[0,1]]", "list of [start, end, score]"),
            (text, "3", "list of [start, end, score]"),
            (text, "[[0,18446744073709551615,1]]", "goes beyond"),
        ] {
            assert!(of(text, bad, Shape::Spans).unwrap_err().contains(words), "{bad}");
        }
        assert!(of(text, "[[0,3,1],[3,6,1]]", Shape::Value).unwrap_err().contains("no single number"));
        assert!(of(text, "[[1,3,1]]", Shape::Value).unwrap_err().contains("no single number"));
    }

    #[test]
    fn rows_have_ids_and_names() {
        let row =
            AttributeRow::parse(r#"{"id":"é","x":[1],"attributes":{"a\u0062":[[0,1,1]],"c":[]}}"#).unwrap();
        assert_eq!(row.id().as_deref(), Some("é"));
        let names: Vec<&str> = row.attributes.as_ref().unwrap().0.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["ab", "c"]);
        assert_eq!(AttributeRow::parse(r#"{"id":7,"attributes":{}}"#).unwrap().id().as_deref(), Some("7"));
        assert_eq!(AttributeRow::parse(r#"{"id":null,"attributes":{}}"#).unwrap().id(), None);
        assert!(AttributeRow::parse("{\"id\":7}").unwrap_err().contains("`attributes`"));
        assert!(
            AttributeRow::parse("{\"attributes\":[]}").unwrap_err().contains("an object as `attributes`")
        );
        assert!(AttributeRow::parse("{").unwrap_err().starts_with("column "));
    }

    proptest! {
        #[test]
        fn any_row_is_read_or_refused(line in "(\\{|\\}|\\[|\\]|\"id\"|\"attributes\"|:|,|[0-9]|\"a\"|null|-|\\PC){0,30}", text in "[aé🦀]{0,9}") {
            let mut offsets = Offsets::default();
            offsets.mark(&text);
            if let Ok(row) = AttributeRow::parse(&line) {
                for (_, value) in row.attributes.iter().flat_map(|named| &named.0) {
                    if let Ok(spans) = spans(value, Shape::Spans, &text, &offsets) {
                        prop_assert!(spans.iter().all(|s| s.start <= s.end && text.is_char_boundary(s.end as usize)));
                    }
                }
            }
        }
    }
}
