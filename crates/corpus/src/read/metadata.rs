//! What a corpus keeps of the metadata of its rows and pages.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::names::ALL;

/// The wanted `keys` of the JSON object `metadata`, as an object in the order of their names with the values as they are
/// written; empty if it has none of them, or is no object. `elsewhere` are the fields of text and id: of a row without `metadata`
/// the object is the row itself, which has them both, and the corpus has them in another place.
pub(super) fn kept(metadata: &str, keys: &[String], elsewhere: [&str; 2]) -> String {
    if keys.is_empty() || metadata.is_empty() {
        return String::new();
    }
    let Ok(mut fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(metadata) else {
        return String::new();
    };
    let all = keys.iter().any(|key| key == ALL);
    let is_row = fields.contains_key(elsewhere[0]);
    fields.retain(
        |key, _| if all { !(is_row && elsewhere.contains(&key.as_str())) } else { keys.contains(key) },
    );
    match fields.is_empty() {
        true => String::new(),
        // Keys are texts and values were read as JSON, so this cannot fail.
        false => serde_json::to_string(&fields).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_are_wanted_stay_as_they_were_written() {
        let of = |metadata: &str, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            kept(metadata, &keys, ["text", "id"])
        };
        let row =
            r#"{"text": "long", "url" : "http:\/\/x", "n": [1e999, {"a":  2}], "id": 3, "\u0061": null}"#;
        assert_eq!(of(row, &["url"]), r#"{"url":"http:\/\/x"}"#);
        assert_eq!(of(row, &["n", "nothing", "a"]), r#"{"a":null,"n":[1e999, {"a":  2}]}"#);
        assert_eq!(of(row, &["*"]), r#"{"a":null,"n":[1e999, {"a":  2}],"url":"http:\/\/x"}"#);
        assert_eq!(of(r#"{"url":1,"url":2}"#, &["url"]), r#"{"url":2}"#);
        for nothing in ["", "{}", "[1]", "{\"url\":", r#"{"URL":1}"#] {
            assert_eq!(of(nothing, &["url"]), "", "{nothing}");
        }
        assert_eq!(of(row, &[]), "");
    }
}
