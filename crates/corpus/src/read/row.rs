//! One row of a JSONL file: the few fields that matter, taken out of whatever else is in it.
//!
//! Dolma rows look like `{"id": .., "text": .., "source": .., "added": .., "created": .., "metadata": {..}}`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::read::attribute_row::Entries;

/// The fields of an object that have these names, of each the last; none for those that are null or not there.
pub(crate) fn fields<'o, const N: usize>(
    object: &'o str,
    names: [&str; N],
) -> serde_json::Result<[Option<&'o RawValue>; N]> {
    let mut found = [None; N];
    let entries: Entries<Option<&RawValue>> = serde_json::from_str(object)?;
    for (name, value) in entries.0 {
        if let Some(at) = names.iter().position(|known| *known == name) {
            found[at] = value;
        }
    }
    Ok(found)
}

/// The byte of `line` at which `part` of it begins.
pub(crate) fn place_in(line: &str, part: &str) -> usize {
    (part.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize)
}

/// Names of the fields that hold text and id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'f> {
    pub text: &'f str,
    pub id: &'f str,
}

/// What a row says; fields that it lacks are null.
#[derive(Debug, Default)]
pub(crate) struct RawRow<'a> {
    pub text: Scalar<'a>,
    pub id: Scalar<'a>,
    pub created: Scalar<'a>,
    /// `author_kind`, in `metadata` before beside it.
    pub author: Scalar<'a>,
    /// `license` or `licence`, in `metadata` before beside it.
    pub licence: Scalar<'a>,
    /// The object `metadata` as it is written; without one the whole row, whose fields say the same.
    pub metadata: Cow<'a, str>,
}

/// A JSON value of which only texts and numbers are kept.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Scalar<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Integer(String),
    Other(&'static str),
}

impl<'a> Scalar<'a> {
    /// A text, or nothing.
    pub fn of(text: Option<&'a str>) -> Scalar<'a> {
        text.map_or(Scalar::Null, |text| Scalar::Text(Cow::Borrowed(text)))
    }

    /// The same of a value; nothing if there is none.
    pub fn owned(value: Option<&serde_json::Value>) -> Scalar<'static> {
        use serde_json::Value;
        match value {
            None | Some(Value::Null) => Scalar::Null,
            Some(Value::String(text)) => Scalar::Text(Cow::Owned(text.clone())),
            Some(Value::Number(number)) if !number.is_f64() => Scalar::Integer(number.to_string()),
            Some(Value::Number(_)) => Scalar::Other("a number"),
            Some(Value::Bool(_)) => Scalar::Other("true or false"),
            Some(Value::Array(_)) => Scalar::Other("a list"),
            Some(Value::Object(_)) => Scalar::Other("an object"),
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Text(_) => "a text",
            Scalar::Integer(_) => "a whole number",
            Scalar::Other(what) => what,
        }
    }
}

/// A line that is no row: the column (from 1) and why.
#[derive(Debug, PartialEq)]
pub(crate) struct BadRow {
    pub column: usize,
    pub reason: String,
    /// Whether the reason is half of a UTF-16 pair such as `\ud800`, which no Unicode text can hold.
    pub surrogate: bool,
    /// Whether the line is an object, but its `metadata` is none.
    pub metadata: bool,
}

/// What `metadata` must be.
const METADATA: &str = "a JSON object as `metadata`";

/// Read one line.
pub(crate) fn parse<'a>(line: &'a str, fields: Fields<'_>) -> Result<RawRow<'a>, BadRow> {
    let mut json = serde_json::Deserializer::from_str(line);
    let row = fields.deserialize(&mut json).and_then(|row| json.end().map(|()| row));
    let row = row.map(|mut row| {
        if row.metadata.is_empty() {
            // A value that is passed over may hold halves of pairs.
            row.metadata = if line.contains("\\u") { mend_surrogates(line).into() } else { line.into() };
        }
        row
    });
    row.map_err(|error| {
        let reason = reason(&error);
        let halves = ["lone leading surrogate", "unexpected end of hex escape"];
        let surrogate = halves.iter().any(|half| reason.starts_with(half));
        let metadata = reason.ends_with(METADATA);
        BadRow { column: error.column().max(1), reason, surrogate, metadata }
    })
}

/// Why a line is no row, without its place. The message may quote a value, of which the begin is enough.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let reason = error.to_string();
    let end = reason.rfind(" at line ").unwrap_or(reason.len());
    match reason[..end].char_indices().nth(200) {
        Some((cut, _)) => format!("{}...", &reason[..cut]),
        None => reason[..end].into(),
    }
}

/// Where the first escape of a lone half of a UTF-16 pair begins.
pub(crate) fn half_pair(line: &str) -> Option<usize> {
    let mended = mend_surrogates(line);
    // The escape and its replacement differ in their first digit.
    line.bytes().zip(mended.bytes()).position(|(a, b)| a != b).map(|digit| digit - 2)
}

/// The line with every lone half of a UTF-16 pair replaced by `\ufffd`.
pub(crate) fn mend_surrogates(line: &str) -> String {
    let bytes = line.as_bytes();
    let unit = |at: usize| {
        let digits = line.get(at + 2..at + 6).filter(|_| bytes[at..].starts_with(b"\\u"))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(line.len());
    let (mut i, mut copied) = (0, 0);
    while i < bytes.len() {
        if bytes[i] != b'\\' {
            i += 1;
            continue;
        }
        match unit(i) {
            Some(0xd800..0xdc00) if i + 6 < bytes.len() && matches!(unit(i + 6), Some(0xdc00..0xe000)) => {
                i += 12;
            }
            Some(0xd800..0xe000) => {
                out.push_str(&line[copied..i]);
                out.push_str("\\ufffd");
                i += 6;
                copied = i;
            }
            Some(_) => i += 6,
            // Another escape: the character behind the backslash belongs to it.
            None => i += 2,
        }
    }
    out.push_str(&line[copied.min(line.len())..]);
    out
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = RawRow<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<RawRow<'de>, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = RawRow<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawRow<'de>, M::Error> {
        let mut row = RawRow::default();
        let mut metadata = Metadata::default();
        let mut licences = <[Scalar; 2]>::default();
        while let Some(key) = map.next_key_seed(Text)? {
            match &*key {
                key if key == self.text => row.text = map.next_value_seed(Value)?,
                key if key == self.id => row.id = map.next_value_seed(Value)?,
                "created" => row.created = map.next_value_seed(Value)?,
                "author_kind" => row.author = map.next_value_seed(Value)?,
                "license" => licences[0] = map.next_value_seed(Value)?,
                "licence" => licences[1] = map.next_value_seed(Value)?,
                "metadata" => {
                    let written = map.next_value::<&'de RawValue>()?.get();
                    // Who reads it later could not; a value that is passed over here may hold anything.
                    if written.contains("\\u") && mend_surrogates(written) != written {
                        return Err(M::Error::custom("lone leading surrogate in hex escape"));
                    }
                    row.metadata = if written == "null" { "" } else { written }.into();
                    let mut inner = serde_json::Deserializer::from_str(written);
                    metadata = MetadataSeed.deserialize(&mut inner).map_err(|error| {
                        let reason = error.to_string();
                        M::Error::custom(reason.split(" at line ").next().unwrap_or_default())
                    })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if metadata.author != Scalar::Null {
            row.author = metadata.author;
        }
        row.licence = first([metadata.licence, first(licences)]);
        Ok(row)
    }
}

/// The first that is not null.
fn first<'a>([one, other]: [Scalar<'a>; 2]) -> Scalar<'a> {
    if one == Scalar::Null { other } else { one }
}

#[derive(Default)]
struct Metadata<'a> {
    author: Scalar<'a>,
    licence: Scalar<'a>,
}

struct MetadataSeed;

impl<'de> DeserializeSeed<'de> for MetadataSeed {
    type Value = Metadata<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Metadata<'de>, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MetadataSeed {
    type Value = Metadata<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(METADATA)
    }

    fn visit_unit<E>(self) -> Result<Metadata<'de>, E> {
        Ok(Metadata::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Metadata<'de>, M::Error> {
        let mut found = Metadata::default();
        let mut licences = <[Scalar; 2]>::default();
        while let Some(key) = map.next_key_seed(Text)? {
            match &*key {
                "author_kind" => found.author = map.next_value_seed(Value)?,
                "license" => licences[0] = map.next_value_seed(Value)?,
                "licence" => licences[1] = map.next_value_seed(Value)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        found.licence = first(licences);
        Ok(found)
    }
}

/// A text, borrowed where it has no escapes.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Cow<'de, str>, D::Error> {
        match d.deserialize_str(Value)? {
            Scalar::Text(text) => Ok(text),
            other => Err(D::Error::custom(other.kind())),
        }
    }
}

/// Any value, of which texts and numbers are kept.
pub(crate) struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Scalar<'de>, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.into())))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text)))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(n.to_string()))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(n.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("a number that is not whole or beyond 64 bits"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("true or false"))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Scalar<'de>, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Scalar<'de>, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts() {
        let [id, none, gone] = fields(r#"{"id":1,"x":2,"id":"b","x":null}"#, ["id", "y", "x"]).unwrap();
        assert_eq!((id.map(RawValue::get), none.is_none(), gone.is_none()), (Some("\"b\""), true, true));
    }
    use proptest::prelude::*;

    const FIELDS: Fields<'static> = Fields { text: "text", id: "id" };

    fn text(value: &str) -> Scalar<'_> {
        Scalar::Text(value.into())
    }

    #[test]
    fn a_dolma_row_is_read() {
        let line = r#"{"id":"a/1","text":"x\ny","source":"s","added":"2024","created":"2020-01-02T00:00:00Z",
            "metadata":{"license":"MIT","more":{"license":"no"},"author_kind":"human"}}"#;
        let row = parse(line, FIELDS).unwrap();
        assert_eq!(row.text, text("x\ny"));
        assert_eq!(row.id, text("a/1"));
        assert_eq!(row.created, text("2020-01-02T00:00:00Z"));
        assert_eq!((row.licence, row.author), (text("MIT"), text("human")));
    }

    #[test]
    fn metadata_wins_over_the_row_and_other_fields_can_hold_the_text() {
        let line =
            r#"{"metadata":{"licence":"MIT"},"license":"no","author_kind":"mixed","body":"b","nr":-12}"#;
        let row = parse(line, Fields { text: "body", id: "nr" }).unwrap();
        assert_eq!((row.text, row.id), (text("b"), Scalar::Integer("-12".into())));
        assert_eq!((row.licence, row.author), (text("MIT"), text("mixed")));
    }

    #[test]
    fn what_is_null_says_nothing_of_a_licence() {
        for (line, licence) in [
            (r#"{"licence":"CC-BY-4.0","license":null}"#, "CC-BY-4.0"),
            (r#"{"license":"MIT","licence":null,"metadata":{"license":null}}"#, "MIT"),
            (r#"{"metadata":{"license":"MIT","licence":null},"licence":"no"}"#, "MIT"),
            (r#"{"licence":"no","license":"MIT"}"#, "MIT"),
        ] {
            assert_eq!(parse(line, FIELDS).unwrap().licence, text(licence), "{line}");
        }
    }

    #[test]
    fn what_is_no_row_is_told_with_its_column() {
        let bad = |line| parse(line, FIELDS).unwrap_err();
        assert_eq!(bad("{\"text\": }").column, 10);
        assert!(bad("[1]").reason.contains("expected a JSON object"), "{:?}", bad("[1]"));
        assert!(bad("{\"text\": \"a\"} x").reason.contains("trailing characters"));
        assert!(bad("{\"text\": \"a").reason.contains("EOF"));
        assert!(bad("{\"metadata\": 3}").reason.contains("`metadata`"));
        assert!(bad(r#"{"text": "\ud800"}"#).surrogate && bad(r#"{"text": "\ud800\u0041"}"#).surrogate);
        assert!(bad(r#"{"text": "a", "metadata": {"url": "\udc00"}}"#).surrogate);
        assert!(!bad("[1]").surrogate);
        // The message quotes what stands there instead of a row.
        let long = bad(&format!("\"surrogate {}\"", "é".repeat(1000)));
        assert!(!long.surrogate && long.reason.chars().count() < 210, "{}", long.reason);
        assert_eq!(parse("{\"text\": {\"a\": [1]}, \"id\": 1.5}", FIELDS).unwrap().text.kind(), "an object");
    }

    #[test]
    fn halves_of_pairs_are_mended_and_pairs_are_kept() {
        let mended = mend_surrogates(r#"{"text": "\ud83d\ude00 \ud83d \\ud83d \udc00\ud83d\u0041é\""}"#);
        assert_eq!(parse(&mended, FIELDS).unwrap().text, text("😀 \u{fffd} \\ud83d \u{fffd}\u{fffd}Aé\""));
        assert_eq!(mend_surrogates("\\"), "\\");
        assert_eq!(mend_surrogates("\\ué"), "\\ué");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(value in any::<String>(), id in any::<i64>()) {
            let line = serde_json::json!({"x": [null, {"text": 1}], "text": value, "id": id}).to_string();
            let row = parse(&line, FIELDS).unwrap();
            prop_assert_eq!(row.text, text(&value));
            prop_assert_eq!(row.id, Scalar::Integer(id.to_string()));
        }

        #[test]
        fn any_line_is_read_or_refused(line in "(\\\\u[dD][89c][0-9]{2}|[\\PC\\\\\"{}:,]){0,40}") {
            let _ = parse(&line, FIELDS);
            let mended = mend_surrogates(&format!("{{\"text\": \"{line}\"}}"));
            prop_assert!(parse(&mended, FIELDS).err().is_none_or(|bad| !bad.surrogate), "{}", mended);
        }
    }
}
