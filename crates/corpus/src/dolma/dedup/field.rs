//! The field of a row that is compared instead of its text.

use std::borrow::Cow;

use crate::dolma::row::Row;
use crate::error::{Error, Place, Result};
use crate::read::attribute_row::shown;
use crate::read::field;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of the field at `path`, names with dots between them: a text, or a number as it is written; none if the row has no
/// such field, or null. What a row without `metadata` would have there stands beside its text.
///
/// # Errors
/// [`Error::FieldType`] for anything else.
pub(super) fn value<'a>(
    row: &Row<'a>,
    path: &str,
    place: &dyn Fn() -> Place,
) -> Result<Option<Cow<'a, str>>> {
    let (mut at, path_left) = match path.strip_prefix("metadata.") {
        Some(rest) => (row.metadata(), rest),
        None => (row.line(), path),
    };
    for name in path_left.split('.') {
        // What is no object has no fields.
        let Some(value) = field::written(at, name) else { return Ok(None) };
        at = value.get();
    }
    match at.as_bytes().first() {
        Some(b'"') => {
            let text = serde_json::from_str::<Text>(at).map(|Text(text)| text);
            text.map(Some).map_err(|_| wrong(path, at, place))
        }
        Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(at))),
        Some(b'n') => Ok(None),
        _ => Err(wrong(path, at, place)),
    }
}

fn wrong(path: &str, value: &str, place: &dyn Fn() -> Place) -> Error {
    let (expected, found) = ("a text or a number", shown(value).into_owned());
    Error::FieldType { place: place(), field: path.into(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_they_lie() {
        let place = || Place { file: "a.jsonl".into(), unit: "line", number: 3 };
        let of = |line: &str, path: &str| {
            let row = Row::parse(line, place).unwrap();
            value(&row, path, &place).map(|found| found.map(Cow::into_owned)).map_err(|e| e.to_string())
        };
        let line = r#"{"id":"a","text":"x","n":7,"none":null,"list":[1],"metadata":{"url":"\u00e9\n","a":{"b":"c"}}}"#;
        for (path, found) in [
            ("id", Some("a")),
            ("n", Some("7")),
            ("metadata.url", Some("é\n")),
            ("metadata.a.b", Some("c")),
            ("none", None),
            ("other", None),
            ("url", None),
            ("n.deeper", None),
            ("metadata.a.b.c", None),
        ] {
            assert_eq!(of(line, path).unwrap().as_deref(), found, "{path}");
        }
        let twice = r#"{"id":"a","text":"x","metadata":{"u":1,"u":2},"id":"b"}"#;
        assert_eq!(["id", "metadata.u"].map(|path| of(twice, path).unwrap().unwrap()), ["b", "2"]);
        let beside = r#"{"id":"a","text":"x","url":"u"}"#;
        assert_eq!(of(beside, "metadata.url").unwrap().as_deref(), Some("u"));
        for (path, shown) in [("list", "[1]"), ("metadata", "{\"url\""), ("metadata.a", "{\"b\":\"c\"}")] {
            let told = of(line, path).unwrap_err();
            assert!(told.contains("`a.jsonl`, line 3") && told.contains(&format!("`{path}`")), "{told}");
            assert!(told.contains(shown), "{told}");
        }
        let half = of(r#"{"id":"a","text":"x","k":"\ud800"}"#, "k").unwrap_err();
        assert!(half.contains("`k`"), "{half}");
    }
}
