//! A `tokenizer.json` without its vocabulary, which is most of it and which the `tokenizers` crate reads anyhow.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Map, Value};

/// What a file says besides its vocabulary.
pub(super) struct Json {
    /// The file without `model.vocab`.
    pub rest: Value,
    /// Bytes of the longest token of `model.vocab`; none if that is no object.
    pub longest: Option<usize>,
}

type Fields<'t> = BTreeMap<String, &'t RawValue>;

impl Json {
    /// Read the bytes of a file.
    pub fn read(text: &[u8]) -> Result<Json, Error> {
        let mut rest = Map::new();
        let mut longest = None;
        for (name, raw) in serde_json::from_slice::<Fields>(text)? {
            let value = match serde_json::from_str::<Fields>(raw.get()) {
                Ok(mut fields) if name == "model" => {
                    if let Some(vocab) = fields.remove("vocab") {
                        // A list of tokens is one of another kind of model.
                        longest = serde_json::from_str::<Longest>(vocab.get()).ok().map(|longest| longest.0);
                    }
                    let parsed = fields.into_iter().map(|(name, raw)| Ok((name, parse(raw)?)));
                    Value::Object(parsed.collect::<Result<_, Error>>()?)
                }
                _ => parse(raw)?,
            };
            rest.insert(name, value);
        }
        Ok(Json { rest: Value::Object(rest), longest })
    }
}

fn parse(raw: &RawValue) -> Result<Value, Error> {
    serde_json::from_str(raw.get())
}

/// The length of the longest key of an object.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Longest, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Longest;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Longest, A::Error> {
                let mut longest = 0;
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    longest = longest.max(key.len());
                }
                Ok(Longest(longest))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_but_the_vocabulary_is_there() {
        let read = |text: &str| Json::read(text.as_bytes());
        let found =
            read(r#"{"a":[1,{"b":null}],"model":{"vocab":{"x":0,"\u00e9y":1},"merges":["x y"]}}"#).unwrap();
        assert_eq!(found.rest, json!({"a": [1, {"b": null}], "model": {"merges": ["x y"]}}));
        assert_eq!(found.longest, Some(3));
        let list = read(r#"{"model":{"vocab":[["x",-1.0]]}}"#).unwrap();
        assert_eq!((list.rest, list.longest), (json!({"model": {}}), None));
        assert_eq!(read(r#"{"model":"x"}"#).unwrap().rest, json!({"model": "x"}));
        for wrong in ["", "[]", "{", r#"{"model":{"vocab":{}"#, r#"{"a":1}x"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
