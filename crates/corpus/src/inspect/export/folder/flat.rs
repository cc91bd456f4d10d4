//! A document of a folder as one flat object: what its row says, under the names that a corpus has for it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regimen_base::DocKey;
use serde_json::value::RawValue;

use crate::dolma::row::Row;
use crate::dolma::said::Said;
use crate::error::{Error, Place, Result};
use crate::inspect::date::date;
use crate::inspect::export::shards::{field, json};
use crate::licence::UNKNOWN;
use crate::read::attribute_row::Entries;
use crate::read::row::reason;

/// Append the row: id, text, source, licence, author kind, day of creation, URL, key, and in `metadata` what else it says.
pub(super) fn write(row: &Row, place: &dyn Fn() -> Place, out: &mut Vec<u8>) -> Result<()> {
    let said = Said::parse(row.line(), place)?;
    let id = row.id_text();
    out.extend_from_slice(b"{\"id\":");
    json(&id, out);
    field("text", row.text(), out);
    if let Some(source) = &said.source {
        field("source", source, out);
    }
    field("licence", said.licence.as_deref().unwrap_or(UNKNOWN), out);
    field("author_kind", said.author.name(), out);
    if let Some(day) = said.created {
        field("created", &date(day.into()), out);
    }
    if let Some(url) = &said.url {
        field("url", url, out);
    }
    field("key", &DocKey::new(said.source.as_deref().unwrap_or_default(), &id).to_string(), out);
    let others = others(row, &said, place)?;
    for (number, (name, value)) in others.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b",\"metadata\":{" } else { b"," });
        json(name, out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.extend_from_slice(if others.is_empty() { b"}\n" } else { b"}}\n" });
    Ok(())
}

/// The fields of the metadata, and those beside them of which more is to say than what is written already, by name. What is
/// null says nothing. A field beside the metadata has `_` behind its name where these have another value of the same name.
fn others<'r>(
    row: &Row<'r>,
    said: &Said,
    place: &dyn Fn() -> Place,
) -> Result<BTreeMap<Cow<'r, str>, &'r RawValue>> {
    let entries = |json: &'r str| -> Result<BTreeMap<Cow<'r, str>, &'r RawValue>> {
        let entries: Entries<&RawValue> = serde_json::from_str(json).map_err(|error| Error::Json {
            place: place(),
            column: error.column().max(1),
            reason: reason(&error),
        })?;
        // Of two fields of one name the last counts.
        let mut entries: BTreeMap<_, _> = entries.0.into_iter().collect();
        entries.retain(|_, value| value.get() != "null");
        Ok(entries)
    };
    let inner = row.metadata.map(RawValue::get).filter(|metadata| metadata.starts_with('{'));
    let mut all = inner.map(entries).transpose()?.unwrap_or_default();
    for (mut name, value) in entries(row.line())? {
        if is_written(&name, value, said) || name == "metadata" && inner.is_some() {
            continue;
        }
        while all.get(&name).is_some_and(|other| other.get() != value.get()) {
            name.to_mut().push('_');
        }
        all.insert(name, value);
    }
    Ok(all)
}

/// Whether a field beside the metadata stands in a place of its own, whole. Of the day of `created` the rest of it may say more.
fn is_written(name: &str, value: &RawValue, said: &Said) -> bool {
    let written = match name {
        "id" | "text" => return true,
        "source" => said.source.as_deref(),
        "license" | "licence" => said.licence.as_deref(),
        "author_kind" => Some(said.author.name()),
        "url" => said.url.as_deref(),
        _ => return false,
    };
    // What is no text is written as the begin of its JSON.
    serde_json::from_str::<Cow<str>>(value.get()).is_ok_and(|text| Some(&*text) == written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(line: &str) -> String {
        let place = || Place { file: "a.jsonl".into(), unit: "line", number: 3 };
        let mut out = Vec::new();
        write(&Row::parse(line, place).unwrap(), &place, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_row_says_stands_under_one_name_each() {
        let key = DocKey::new("web", "7");
        assert_eq!(
            flat(
                r#"{"id":7,"text":"né","lang":"en","source":"web","license":"MIT","created":"2024-02-29T01:02:03Z","none":null,"metadata":{"url":"u","b":[1, 2],"a":null}}"#
            ),
            format!(
                "{{\"id\":\"7\",\"text\":\"né\",\"source\":\"web\",\"licence\":\"MIT\",\"author_kind\":\"unknown\",\
                 \"created\":\"2024-02-29\",\"url\":\"u\",\"key\":\"{key}\",\"metadata\":{{\"b\":[1, 2],\
                 \"created\":\"2024-02-29T01:02:03Z\",\"lang\":\"en\",\"url\":\"u\"}}}}\n"
            )
        );
        let key = DocKey::new("", "a");
        assert_eq!(
            flat(r#" {"id":"a","text":""} "#),
            format!(
                "{{\"id\":\"a\",\"text\":\"\",\"licence\":\"NOASSERTION\",\"author_kind\":\"unknown\",\"key\":\"{key}\"}}\n"
            )
        );
        assert!(
            flat(r#"{"id":"a","text":"","metadata":"m"}"#).ends_with(",\"metadata\":{\"metadata\":\"m\"}}\n")
        );
    }

    #[test]
    fn nothing_that_a_row_says_is_lost() {
        let others = |fields: &str| {
            let row: serde_json::Value =
                serde_json::from_str(&flat(&format!("{{\"id\":\"a\",\"text\":\"\",{fields}}}"))).unwrap();
            row.get("metadata").map_or_else(String::new, |metadata| metadata.to_string())
        };
        // What is null takes no place from what is not.
        assert_eq!(others(r#""lang":"en","metadata":{"lang":null}"#), r#"{"lang":"en"}"#);
        assert_eq!(others(r#""lang":null,"metadata":{"lang":"en"}"#), r#"{"lang":"en"}"#);
        // What is written in a place of its own stands there alone.
        let own =
            r#""source":"s","license":"MIT","licence":"MIT","author_kind":"human","url":"u","metadata":{}"#;
        assert_eq!(others(own), "");
        let differ = r#""license":"MIT","url":"u","metadata":{"license":"CC0-1.0","url":"v"}"#;
        assert_eq!(others(differ), r#"{"license":"CC0-1.0","license_":"MIT","url":"v","url_":"u"}"#);
        assert_eq!(
            others(r#""license":"MIT","metadata":{"licence":"CC0-1.0"}"#),
            r#"{"licence":"CC0-1.0","license":"MIT"}"#
        );
        assert_eq!(others(r#""author_kind":"bot""#), r#"{"author_kind":"bot"}"#);
        assert_eq!(others(r#""lang":"en","metadata":{"lang":"de"}"#), r#"{"lang":"de","lang_":"en"}"#);
        assert_eq!(others(r#""lang":"en","metadata":{"lang":"en"}"#), r#"{"lang":"en"}"#);
        // What is no text is written there as the begin of its JSON.
        for name in ["license", "url", "source"] {
            let long = format!("\"{name}\":[\"{}\"]", "x".repeat(100));
            assert_eq!(others(&long), format!("{{{long}}}"));
        }
        // Of two fields of one name the last counts.
        assert_eq!(others(r#""url":"u","url":"v""#), "");
    }
}
