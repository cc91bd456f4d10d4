//! One field of a JSON object, without a look at the values of the others.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The field `key` of a JSON object as it was written, the last of several; none if there is none, or if the text is no
/// object. What other fields hold is nobody's matter: they may nest deeper and have larger numbers than [`Value`] bears.
pub(super) fn field(object: &str, key: &str) -> Option<Value> {
    let mut json = serde_json::Deserializer::from_str(object);
    let written = json.deserialize_map(Of(key)).ok()??;
    serde_json::from_str(written.get()).ok()
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
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
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
        let object = format!(r#"{{"text":"{}","deep":{deep},"large":1e999,"n":[1],"a\u0062":2}}"#, "\\ud800");
        assert_eq!(field(&object, "n"), Some(json!([1])));
        assert_eq!(field(&object, "ab"), Some(json!(2)));
        assert_eq!(field(&object, "deep"), None);
        assert_eq!(field(&object, "m"), None);
        assert_eq!(["", "null", "[1]", "{", "{\"n\":1"].map(|text| field(text, "n")), [const { None }; 5]);
        assert_eq!(field(r#"{"n":1,"n":null}"#, "n"), Some(Value::Null));
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_whole_object(
            pairs in prop::collection::vec(("[ab\"\\\\é]{0,2}", "[a\"\\\\é\n]{0,3}"), 0..4), key in "[ab\"\\\\é]{0,2}"
        ) {
            let object: serde_json::Map<String, Value> =
                pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
            let text = serde_json::to_string(&object).unwrap();
            prop_assert_eq!(field(&text, &key), object.get(&key).cloned());
        }
    }
}
