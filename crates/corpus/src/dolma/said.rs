//! What a row of documents says besides id and text: source, licence, author kind, day, URL. All but the source may stand in
//! `metadata` or beside it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::author::Author;
use crate::date::days;
use crate::error::{Error, Place, Result};
use crate::read::row::reason;

/// Characters of a value that is no text.
const SHOWN: usize = 60;

/// What the row of a document says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// `source`.
    pub source: Option<String>,
    /// `license` or `licence` as it stands there: a text, or JSON.
    pub licence: Option<String>,
    /// `author_kind`, if it is one.
    pub author: Author,
    /// The day of `created`, counted from 1970-01-01, if it begins with one.
    pub created: Option<i32>,
    /// `url`.
    pub url: Option<String>,
}

/// The fields as they stand there; of those that stand there twice the last, as for the rest of a row.
#[derive(Default)]
struct Fields<'a> {
    source: Option<&'a RawValue>,
    license: Option<&'a RawValue>,
    licence: Option<&'a RawValue>,
    author_kind: Option<&'a RawValue>,
    created: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
}

/// The name of a field.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Source,
    License,
    Licence,
    AuthorKind,
    Created,
    Url,
    Metadata,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key()? {
            let field = match name {
                Name::Source => &mut fields.source,
                Name::License => &mut fields.license,
                Name::Licence => &mut fields.licence,
                Name::AuthorKind => &mut fields.author_kind,
                Name::Created => &mut fields.created,
                Name::Url => &mut fields.url,
                Name::Metadata => &mut fields.metadata,
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value()?);
        }
        Ok(fields)
    }
}

impl Said {
    /// Read a line.
    ///
    /// # Errors
    /// [`Error::Json`] for a line that is no row.
    pub fn parse(line: &str, place: impl Fn() -> Place) -> Result<Said> {
        let fault = |error: serde_json::Error| Error::Json {
            place: place(),
            column: error.column().max(1),
            reason: reason(&error),
        };
        let row: Fields = serde_json::from_str(line).map_err(fault)?;
        // Any other `metadata` than an object says nothing of these.
        let metadata = row.metadata.map(RawValue::get).filter(|metadata| metadata.starts_with('{'));
        let inner: Fields = match metadata {
            Some(metadata) => serde_json::from_str(metadata).map_err(fault)?,
            None => Fields::default(),
        };
        let first = |all: [Option<&RawValue>; 4]| all.into_iter().flatten().find_map(shown);
        let either = |inner, outer| first([inner, outer, None, None]);
        let author = either(inner.author_kind, row.author_kind);
        Ok(Said {
            source: row.source.and_then(shown),
            licence: first([inner.license, inner.licence, row.license, row.licence]),
            author: author.as_deref().and_then(Author::parse).unwrap_or_default(),
            created: either(row.created, inner.created).as_deref().and_then(days),
            url: either(inner.url, row.url),
        })
    }
}

/// A text as it is, anything else as its JSON, the begin of it if it is long; nothing for null.
fn shown(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        json if json.starts_with('"') => {
            serde_json::from_str::<Cow<str>>(json).ok().map(|text| text.into_owned())
        }
        json => Some(json.chars().take(SHOWN).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Said {
        Said::parse(line, || Place { file: "a.jsonl".into(), unit: "line", number: 3 }).unwrap()
    }

    #[test]
    fn metadata_goes_before_what_stands_beside_it() {
        let row = r#"{"source":"s","license":"MIT","url":"u","created":"2024-02-29T00:00:00Z","metadata":{"license":"CC0-1.0","author_kind":"human"}}"#;
        let found = said(row);
        assert_eq!((found.licence.as_deref(), found.url.as_deref()), (Some("CC0-1.0"), Some("u")));
        assert_eq!((found.author, found.created), (Author::Human, days("2024-02-29")));
        assert_eq!(said(r#"{"id":"a","metadata":null}"#), Said::default());
        assert_eq!(said(r#"{"metadata":{"licence":["MIT"]},"author_kind":7}"#).licence.unwrap(), "[\"MIT\"]");
        assert_eq!(said(r#"{"metadata":"x","url":null}"#), Said::default());
        // Of two fields of one name the last counts.
        assert_eq!(said(r#"{"url":"a","metadata":{"url":"b","url":"c"},"url":"d"}"#).url.unwrap(), "c");
        let bad = Said::parse("{\"id\":", || Place { file: "a.jsonl".into(), unit: "line", number: 3 });
        assert!(bad.unwrap_err().to_string().contains("`a.jsonl`, line 3"));
    }
}
