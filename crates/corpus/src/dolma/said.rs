//! What a row of documents says besides id and text: source, licence, author kind, day, URL. All but the source may stand in
//! `metadata` or beside it.

use std::borrow::Cow;

use serde::Deserialize;
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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    license: Option<&'a RawValue>,
    #[serde(borrow)]
    licence: Option<&'a RawValue>,
    #[serde(borrow)]
    author_kind: Option<&'a RawValue>,
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
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
        let bad = Said::parse("{\"id\":", || Place { file: "a.jsonl".into(), unit: "line", number: 3 });
        assert!(bad.unwrap_err().to_string().contains("`a.jsonl`, line 3"));
    }
}
