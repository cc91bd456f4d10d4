//! A `tokenizer.json`: its vocabulary, which is most of it, as a map, and all else as a value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Map, Value};

use super::hash::QuickMap;

/// What a file says.
pub(super) struct Json<'t> {
    /// The file without `model.vocab`.
    pub rest: Value,
    /// `model.vocab`; none if that is no object of ids.
    pub vocab: Option<Names<'t>>,
}

/// The ids of tokens by their names; of a name that is there twice the last one.
pub(super) type Names<'t> = QuickMap<Cow<'t, str>, u32>;

type Fields<'t> = BTreeMap<String, &'t RawValue>;

impl<'t> Json<'t> {
    /// Read the bytes of a file.
    pub fn read(text: &'t [u8]) -> Result<Json<'t>, Error> {
        let mut rest = Map::new();
        let mut vocab = None;
        for (name, raw) in serde_json::from_slice::<Fields>(text)? {
            let value = match serde_json::from_str::<Fields>(raw.get()) {
                Ok(mut fields) if name == "model" => {
                    if let Some(found) = fields.remove("vocab") {
                        // A list of tokens is one of another kind of model.
                        vocab = serde_json::from_str::<Vocabulary>(found.get()).ok().map(|found| found.0);
                    }
                    let parsed = fields.into_iter().map(|(name, raw)| Ok((name, parse(raw)?)));
                    Value::Object(parsed.collect::<Result<_, Error>>()?)
                }
                _ => parse(raw)?,
            };
            rest.insert(name, value);
        }
        Ok(Json { rest: Value::Object(rest), vocab })
    }
}

fn parse(raw: &RawValue) -> Result<Value, Error> {
    serde_json::from_str(raw.get())
}

/// Names with their ids.
struct Vocabulary<'t>(Names<'t>);

/// A name, which is copied only where it is escaped.
#[derive(Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de> Deserialize<'de> for Vocabulary<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vocabulary<'de>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vocabulary<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary<'de>, A::Error> {
                let mut names = Names::default();
                while let Some((Name(name), id)) = map.next_entry()? {
                    names.insert(name, id);
                }
                Ok(Vocabulary(names))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_vocabulary_stands_apart() {
        fn read(text: &str) -> Result<Json<'_>, Error> {
            Json::read(text.as_bytes())
        }
        let found = read(
            r#"{"a":[1,{"b":null}],"model":{"vocab":{"x":0,"\u00e9y":1,"é":3,"x":2},"merges":["x y"]}}"#,
        )
        .unwrap();
        assert_eq!(found.rest, json!({"a": [1, {"b": null}], "model": {"merges": ["x y"]}}));
        let names: BTreeMap<Cow<str>, u32> = found.vocab.unwrap().into_iter().collect();
        assert_eq!(names, BTreeMap::from([("x".into(), 2), ("é".into(), 3), ("éy".into(), 1)]));
        for other in [r#"[["x",-1.0]]"#, r#"{"x":-1}"#, r#"{"x":0.5}"#, "7"] {
            let text = format!(r#"{{"model":{{"vocab":{other}}}}}"#);
            let found = read(&text).unwrap();
            assert_eq!((found.rest, found.vocab), (json!({"model": {}}), None));
        }
        assert_eq!(read(r#"{"model":"x"}"#).unwrap().rest, json!({"model": "x"}));
        for wrong in ["", "[]", "{", r#"{"model":{"vocab":{}"#, r#"{"a":1}x"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
