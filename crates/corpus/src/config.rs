//! The config of the stage `corpus`: the field table that recipes, help and docs read, and the same as types.

use std::collections::BTreeSet;

use regimen_recipe::{Field, Problem, Ty};
use serde::Deserialize;
use serde_json::Value;

use crate::author::Author;
use crate::licence;
use crate::quality;

/// Fields of one entry of `sources`.
static SOURCE: &[Field] = &[
    Field::required(
        "name",
        Ty::Str,
        "Name of the source, part of every document's key: letters, digits, `-`, `_` and `.`.",
    ),
    Field::required("path", Ty::Files, "Files of the source: plain text or rows, also as .gz or .zst."),
    Field::new(
        "format",
        Ty::OneOf(&["auto", "text", "jsonl", "dolma"]),
        "\"auto\"",
        "How the files are read. text: a file is a document. jsonl: a line is a JSON object. dolma: the same, and \
         every row must have an id. auto: text for .txt and .md, jsonl for .jsonl, .json and .ndjson.",
    ),
    Field::new(
        "author",
        Ty::OneOf(&["human", "machine", "mixed", "unknown"]),
        "\"unknown\"",
        "Author kind of documents whose row has no `author_kind`, in its `metadata` or beside its text.",
    ),
    Field::new(
        "licence",
        Ty::Str,
        "\"NOASSERTION\"",
        "SPDX expression for documents whose row has no `license` or `licence`, in its `metadata` or beside its text.",
    ),
    Field::new("text_field", Ty::Str, "\"text\"", "Field of a row that holds the text."),
    Field::new("id_field", Ty::Str, "\"id\"", "Field of a row that holds its id, a text or a whole number."),
    Field::new(
        "blocks",
        Ty::COUNT,
        "0",
        "Cut plain text into documents of about so many bytes, at blank lines or else at line ends; 0 does not cut.",
    ),
];

/// Fields of the stage.
pub(crate) static FIELDS: &[Field] = &[
    Field::required(
        "sources",
        Ty::List(&Ty::Table(SOURCE)),
        "Where documents come from, in document order: of two equal texts the first is kept.",
    ),
    Field::new(
        "filter",
        Ty::Table(quality::FIELDS),
        "{}",
        "Thresholds that a document must meet. What is dropped stays in the table with its reason.",
    ),
    Field::new(
        "dedup",
        Ty::OneOf(&["exact", "none"]),
        "\"exact\"",
        "exact: of documents with the same text the first is kept. none: all are kept, and all of them are on the same \
         side of the split.",
    ),
    Field::new(
        "validation",
        Ty::FRACTION,
        "0.05",
        "Share of documents held out for validation, chosen by the hash of their keys, or of their texts if `dedup` is \
         none.",
    ),
    Field::new(
        "limit_bytes",
        Ty::COUNT,
        "0",
        "Stop after the document with which the kept text reaches so many bytes; 0 reads all.",
    ),
    Field::new(
        "invalid_utf8",
        Ty::OneOf(&["error", "replace", "drop"]),
        "\"error\"",
        "What becomes of text that is not UTF-8. replace: invalid parts become U+FFFD.",
    ),
    Field::new(
        "missing_text",
        Ty::OneOf(&["error", "drop"]),
        "\"error\"",
        "What becomes of a row without a text.",
    ),
];

/// The config of a corpus.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub sources: Vec<Source>,
    pub filter: quality::Thresholds,
    pub dedup: Dedup,
    pub validation: f64,
    pub limit_bytes: u64,
    pub invalid_utf8: InvalidUtf8,
    pub missing_text: MissingText,
}

/// One source of documents.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Source {
    pub name: String,
    pub path: String,
    pub format: Format,
    pub author: Author,
    pub licence: String,
    pub text_field: String,
    pub id_field: String,
    pub blocks: u64,
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Auto,
    Text,
    Jsonl,
    Dolma,
}

/// Deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dedup {
    Exact,
    None,
}

/// What becomes of text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvalidUtf8 {
    Error,
    Replace,
    Drop,
}

/// What becomes of a row without a text.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MissingText {
    Error,
    Drop,
}

/// What the field table cannot say.
pub(crate) fn check(config: &Value) -> Result<(), Problem> {
    let problem = |path: String, message: String, hint: &str| {
        Err(Problem { path, message, hint: (!hint.is_empty()).then(|| hint.into()) })
    };
    let sources = config["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sources.is_empty() {
        return problem(
            "sources".into(),
            "a corpus needs at least one source".into(),
            "write sources = [{ name = \"notes\", path = \"data/notes/*.txt\" }]",
        );
    }
    let mut names = BTreeSet::new();
    for (i, source) in sources.iter().enumerate() {
        let text = |field: &str| source[field].as_str().unwrap_or_default();
        let name = text("name");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            return problem(
                format!("sources.{i}.name"),
                format!("`{name}` is not a name for a source"),
                "use letters, digits, `-`, `_` and `.`",
            );
        }
        if !names.insert(name) {
            return problem(
                format!("sources.{i}.name"),
                format!("two sources are called `{name}`"),
                "give each source a name of its own, or let one `path` name all files",
            );
        }
        if source["blocks"].as_u64() > Some(0) && matches!(text("format"), "jsonl" | "dolma") {
            return problem(
                format!("sources.{i}.blocks"),
                format!("`blocks` cuts plain text, but the format of `{name}` is {}", text("format")),
                "leave it out, or set format = \"text\"",
            );
        }
        if let Err((reason, near)) = licence::check(text("licence")) {
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => licence::HINT.into(),
            };
            let message = format!("licence `{}` is not an SPDX expression: {reason}", text("licence"));
            return problem(format!("sources.{i}.licence"), message, &hint);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source(name: &str, licence: &str) -> Value {
        json!({"name": name, "path": "x", "licence": licence})
    }

    #[test]
    fn sources_need_names_of_their_own_and_licences_that_exist() {
        let problem = |sources: &[Value]| check(&json!({ "sources": sources })).unwrap_err();
        assert!(check(&json!({"sources": [source("a", "MIT"), source("b", "LicenseRef-x")]})).is_ok());
        assert_eq!(problem(&[]).path, "sources");
        assert_eq!(problem(&[source("a b", "MIT")]).path, "sources.0.name");
        assert_eq!(problem(&[source("", "MIT")]).path, "sources.0.name");
        assert!(problem(&[source("a", "MIT"), source("a", "MIT")]).message.contains("two sources"));
        let bad = problem(&[source("a", "MIT"), source("b", "apache 2")]);
        assert_eq!(
            (bad.path.as_str(), bad.hint.as_deref()),
            ("sources.1.licence", Some("did you mean `Apache-2.0`?"))
        );
        let rows = json!({"name": "r", "path": "x", "licence": "MIT", "format": "jsonl", "blocks": 10});
        assert_eq!(problem(&[rows]).path, "sources.0.blocks");
        assert!(problem(&[source("a", "free!")]).hint.unwrap().contains("LicenseRef-"));
    }
}
