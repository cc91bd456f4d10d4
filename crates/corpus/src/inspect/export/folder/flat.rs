//! A document of a folder as one flat object: what its row says, under the names that a corpus has for it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regimen_base::DocKey;
use serde_json::value::RawValue;

use super::read::NO_LICENCE;
use crate::dolma::row::Row;
use crate::dolma::said::Said;
use crate::error::{Error, Place, Result};
use crate::inspect::date::date;
use crate::inspect::export::shards::{field, json};
use crate::read::attribute_row::Entries;
use crate::read::row::reason;

/// Fields that have a place of their own; of the day of `created` the rest of it may say more.
const OWN: [&str; 7] = ["id", "text", "source", "license", "licence", "author_kind", "url"];

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
    field("licence", said.licence.as_deref().unwrap_or(NO_LICENCE), out);
    field("author_kind", said.author.name(), out);
    if let Some(day) = said.created {
        field("created", &date(day.into()), out);
    }
    if let Some(url) = &said.url {
        field("url", url, out);
    }
    field("key", &DocKey::new(said.source.as_deref().unwrap_or_default(), &id).to_string(), out);
    let others = others(row, place)?;
    for (number, (name, value)) in others.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b",\"metadata\":{" } else { b"," });
        json(name, out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.extend_from_slice(if others.is_empty() { b"}\n" } else { b"}}\n" });
    Ok(())
}

/// The fields of the metadata, and those beside them that have no place of their own, by name. What is null says nothing.
fn others<'r>(row: &Row<'r>, place: &dyn Fn() -> Place) -> Result<BTreeMap<Cow<'r, str>, &'r RawValue>> {
    let entries = |json: &'r str| -> Result<Vec<(Cow<'r, str>, &'r RawValue)>> {
        let entries: Entries<&RawValue> = serde_json::from_str(json).map_err(|error| Error::Json {
            place: place(),
            column: error.column().max(1),
            reason: reason(&error),
        })?;
        Ok(entries.0)
    };
    let inner = row.metadata.map(RawValue::get).filter(|metadata| metadata.starts_with('{'));
    let said = |name: &str| OWN.contains(&name) || name == "metadata" && inner.is_some();
    let mut all: BTreeMap<_, _> = entries(row.line())?.into_iter().filter(|(name, _)| !said(name)).collect();
    if let Some(inner) = inner {
        all.extend(entries(inner)?);
    }
    all.retain(|_, value| value.get() != "null");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_stands_under_one_name_each() {
        let place = || Place { file: "a.jsonl".into(), unit: "line", number: 3 };
        let flat = |line: &str| {
            let mut out = Vec::new();
            write(&Row::parse(line, place).unwrap(), &place, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
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
}
