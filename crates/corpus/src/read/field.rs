//! One field of a JSON object, without a look at the values of the others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::row::mend_surrogates;

/// The field `key` of a JSON object as it was written, the last of several; none if there is none, or if the text is no
/// object. What other fields are called and hold is nobody's matter: they may nest deeper and have larger numbers than
/// [`Value`] bears, and halves of UTF-16 pairs.
pub(crate) fn written<'o>(object: &'o str, key: &str) -> Option<&'o RawValue> {
    serde_json::Deserializer::from_str(object).deserialize_map(Of(key)).ok()?
}

/// The same as a value; none for one that nests deeper or has larger numbers than [`Value`] bears.
pub(crate) fn value(object: &str, key: &str) -> Option<Value> {
    let written = written(object, key)?.get();
    serde_json::from_str(written).or_else(|_| serde_json::from_str(&mend_surrogates(written))).ok()
}

/// The same if it is a text; halves of UTF-16 pairs in it become U+FFFD.
pub(crate) fn text<'o>(object: &'o str, key: &str) -> Option<Cow<'o, str>> {
    #[derive(serde::Deserialize)]
    struct Borrowed<'t>(#[serde(borrow)] Cow<'t, str>);
    let written = written(object, key)?.get();
    match serde_json::from_str::<Borrowed>(written) {
        Ok(Borrowed(text)) => Some(text),
        Err(_) => serde_json::from_str(&mend_surrogates(written)).ok().map(Cow::Owned),
    }
}

/// Finds the field of a name.
struct Of<'k>(&'k str);

impl<'de> Visitor<'de> for Of<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Tells whether a key is the one.
struct Is<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        // As bytes it may hold what no text can: half of a pair.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn other_fields_have_no_say() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let half = "\\ud800";
        let object = format!(
            r#"{{"text":"{half}","{half}":0,"deep":{deep},"large":1e999,"n":[1],"a\u0062":2,"é":"é"}}"#
        );
        assert_eq!(value(&object, "n"), Some(json!([1])));
        assert_eq!(value(&object, "ab"), Some(json!(2)));
        assert_eq!(text(&object, "é").as_deref(), Some("é"));
        assert_eq!(value(&object, "text"), Some(json!("\u{fffd}")));
        assert_eq!(text(&object, "text").as_deref(), Some("\u{fffd}"));
        assert_eq!(written(&object, "deep").map(RawValue::get), Some(&*deep));
        assert_eq!(value(&object, "deep"), None);
        assert_eq!(value(&object, "m"), None);
        assert_eq!(["", "null", "[1]", "{", "{\"n\":1"].map(|text| value(text, "n")), [const { None }; 5]);
        assert_eq!(value(r#"{"n":1,"n":null}"#, "n"), Some(Value::Null));
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts() {
        let found = |object| text(object, "url");
        assert_eq!(found(r#"{"url":"a","x":{"url":1},"url":"\u00e9"}"#).as_deref(), Some("é"));
        for nothing in [r#"{"url":"a","url":1}"#, r#"{"uri":"a"}"#, "[]", "{", ""] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_whole_object(
            pairs in prop::collection::vec(("[ab\"\\\\é]{0,2}", "[a\"\\\\é\n]{0,3}"), 0..4), key in "[ab\"\\\\é]{0,2}"
        ) {
            let object: serde_json::Map<String, Value> =
                pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
            let text = serde_json::to_string(&object).unwrap();
            prop_assert_eq!(value(&text, &key), object.get(&key).cloned());
        }
    }
}
