//! A row of a Dolma document file.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Place, Result};
use crate::read::row::{Scalar, Value as AnyValue, half_pair, place_in, reason};

/// The fields that a step works with; the rest of the row is passed over. Of one that comes twice the last counts, as for
/// Python's reader.
#[derive(Debug, Default)]
pub(crate) struct Row<'a> {
    id: Option<&'a RawValue>,
    text: Scalar<'a>,
    pub source: Option<&'a RawValue>,
    pub metadata: Option<&'a RawValue>,
    line: &'a str,
}

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Row<'de>, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Row<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Row<'de>, M::Error> {
                let mut row = Row::default();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "id" => row.id = map.next_value()?,
                        "text" => row.text = map.next_value_seed(AnyValue)?,
                        "source" => row.source = map.next_value()?,
                        "metadata" => row.metadata = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A text, borrowed where it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Row<'a> {
    /// Read one line.
    ///
    /// # Errors
    /// [`Error::Json`] for what is no row, [`Error::MissingText`], [`Error::MissingId`].
    pub fn parse(line: &'a str, place: impl Fn() -> Place) -> Result<Row<'a>> {
        if line.trim_ascii_start().starts_with('[') {
            // A list would be taken for the fields in their order.
            let reason = "invalid type: sequence, expected a JSON object".into();
            return Err(Error::Json { place: place(), column: 1, reason });
        }
        let mut row: Row = serde_json::from_str(line).map_err(|error| Error::Json {
            place: place(),
            column: error.column().max(1),
            reason: reason(&error),
        })?;
        row.line = line;
        // Who looks for a field in it, or writes it out, could not tell what such an escape means.
        if let Some(metadata) = row.metadata.map(RawValue::get)
            && metadata.contains("\\u")
            && let Some(half) = half_pair(metadata)
        {
            let column = place_in(line, metadata) + half + 1;
            let reason = "lone leading surrogate in hex escape, in `metadata`".into();
            return Err(Error::Json { place: place(), column, reason });
        }
        // Both are written out as they are.
        for raw in [row.id, row.source].into_iter().flatten().map(RawValue::get) {
            if raw.starts_with('"') && raw.contains("\\u") {
                serde_json::from_str::<Text>(raw).map_err(|error| {
                    let column = place_in(line, raw) + error.column().max(1);
                    Error::Json { place: place(), column, reason: reason(&error) }
                })?;
            }
        }
        match &row.text {
            Scalar::Text(_) => {}
            Scalar::Null => return Err(Error::MissingText { place: place(), field: "text".into() }),
            other => {
                let (expected, found) = ("a text", other.kind().into());
                return Err(Error::FieldType { place: place(), field: "text".into(), expected, found });
            }
        }
        match row.id.map(RawValue::get) {
            Some(id) if id.starts_with(['"', '-']) || id.starts_with(|c: char| c.is_ascii_digit()) => Ok(row),
            None | Some("null") => Err(Error::MissingId { place: place(), field: "id".into() }),
            Some(other) => Err(Error::FieldType {
                place: place(),
                field: "id".into(),
                expected: "a text or a whole number",
                found: other.chars().take(40).collect(),
            }),
        }
    }

    /// A row of these parts, which stands on no line.
    pub fn of(
        id: &'a RawValue,
        text: &'a str,
        source: Option<&'a RawValue>,
        metadata: Option<&'a RawValue>,
    ) -> Row<'a> {
        Row { id: Some(id), text: Scalar::Text(text.into()), source, metadata, line: "" }
    }

    /// The text.
    pub fn text(&self) -> &str {
        if let Scalar::Text(text) = &self.text { text } else { "" }
    }

    /// The whole row as it is written.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// The id as it is written: a JSON text or number.
    pub fn id(&self) -> &'a str {
        self.id.map_or("null", RawValue::get)
    }

    /// The id as a text; of a number its digits.
    pub fn id_text(&self) -> Cow<'a, str> {
        serde_json::from_str(self.id()).unwrap_or(Cow::Borrowed(self.id()))
    }

    /// The object `metadata` as it is written; without one the whole row, whose fields say the same.
    pub fn metadata(&self) -> &'a str {
        self.metadata.map(RawValue::get).filter(|&metadata| metadata != "null").unwrap_or(self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "a.jsonl".into(), unit: "line", number: 3 }
    }

    #[test]
    fn of_fields_that_come_twice_the_last_counts() {
        let line = r#"{"id":"a","text":"one","id":7,"x":1,"text":"t\u0077o","source":"s","source":null}"#;
        let row = Row::parse(line, place).unwrap();
        assert_eq!((row.id(), row.text(), row.source.is_none()), ("7", "two", true));
        assert_eq!(Row::parse(r#"{"id":"5","text":5,"text":"x"}"#, place).unwrap().text(), "x");
        let wrong = Row::parse(r#"{"id":"5","text":"x","text":[5]}"#, place).unwrap_err().to_string();
        assert!(wrong.contains("`text` must be a text, found a list"), "{wrong}");
        let gone = Row::parse(r#"{"id":"a","text":"one","text":null}"#, place).unwrap_err();
        assert!(gone.to_string().contains("no text field `text`"), "{gone}");
    }

    #[test]
    fn rows_are_read_and_faults_are_placed() {
        let row =
            Row::parse(r#"{"id":"a","text":"x\ny","source":"s","metadata":{"u":[1]},"z":0}"#, place).unwrap();
        assert_eq!((row.id(), row.text(), row.metadata()), ("\"a\"", "x\ny", "{\"u\":[1]}"));
        assert_eq!(Row::parse(r#"{"id":7,"text":""}"#, place).unwrap().id(), "7");
        let fault = |line| Row::parse(line, place).unwrap_err().to_string();
        let half = fault(r#"{"id":"\ud800a","text":"x"}"#);
        assert!(half.contains("column 14") && half.contains("hex escape"), "{half}");
        assert!(fault(r#"{"id":"a","text":"x","source":"\udc00"}"#).contains("surrogate"));
        assert!(Row::parse(r#"{"id":"\ud83e\udd80","text":"x"}"#, place).is_ok());
        for (metadata, column) in [(r#"{"\ud800":1,"url":"x"}"#, 35), (r#"{"a":["\u00e9\udc00"]}"#, 46)] {
            let line = format!(r#"{{"id":"a","text":"x","metadata":{metadata}}}"#);
            let half = Row::parse(&line, place).unwrap_err().to_string();
            assert!(half.contains(&format!("column {column}:")) && half.contains("surrogate"), "{half}");
        }
        assert!(
            Row::parse(r#"{"id":"a","text":"x","metadata":{"a":"\ud83e\udd80 \\ud800"}}"#, place).is_ok()
        );
        assert!(fault("1").contains("`a.jsonl`, line 3"));
        assert!(fault("[\"a\",\"text\",\"source\",{}]").contains("expected a JSON object"));
        assert!(fault(r#"{"id":"a"}"#).contains("no text field `text`"));
        assert!(fault(r#"{"text":"a"}"#).contains("no field `id`"));
        assert!(fault(r#"{"text":"a","id":[1]}"#).contains("found [1]"));
    }
}
