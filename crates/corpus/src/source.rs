//! A source of documents in the config of the stage: its fields, and the same as types.

use regimen_recipe::{Field, Problem, Ty};
use serde::Deserialize;
use serde_json::Value;

use crate::author::Author;
use crate::dolma::DOCUMENTS;

/// Fields of one entry of `sources`.
pub(crate) static FIELDS: &[Field] = &[
    Field::required(
        "name",
        Ty::Str,
        "Name of the source, part of every document's key: letters, digits, `-`, `_` and `.`.",
    ),
    Field::required(
        "path",
        Ty::Files,
        "Files of the source: plain text or rows, also as .gz or .zst. With format dolma a folder that has a folder \
         `documents` stands for what lies in that.",
    )
    .within(DOCUMENTS, "format", "dolma"),
    Field::new(
        "format",
        Ty::OneOf(&["auto", "text", "markdown", "jsonl", "dolma", "csv", "tsv", "warc", "html", "parquet", "code"]),
        "\"auto\"",
        "How the files are read. text: a file is a document. markdown: the same, without front matter in YAML, \
         whose fields become metadata. jsonl: a line is a JSON object. dolma: the same, and \
         every row must have an id. csv, tsv: rows of a table with a header, fields between commas or tabs, in quotes where \
         they hold such. warc: records of a crawl: of pages their main text (WARC), their text (WET), or their \
         title, description and link texts (WAT). html: a page, its main text. parquet: rows of a table. code: a file of a \
         known language in a folder or a tar archive is a document, under the licence that the nearest licence file among \
         the files of `path` or its own first lines state. auto: by the end of the name, such as text for .txt and .md, jsonl for .jsonl, \
         .json and .ndjson, csv for .csv.",
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
        "SPDX expression for documents whose row has no `license` or `licence`, in its `metadata` or beside its text, and \
         for source code of which no licence is found.",
    ),
    Field::new(
        "attributes",
        Ty::Maybe(&Ty::Files),
        "null",
        "Attribute files of a Dolma source, row for row as its documents: a pattern, or a folder such as `attributes/NAME` \
         beside `documents`. In expressions they are called `attributes.NAME`.",
    )
    .later(),
    Field::new(
        "attribute_values",
        Ty::List(&Ty::Str),
        "[]",
        "Names of attributes that are one number for the document. With these or `attribute_spans` all other names are \
         passed over; without both, names are those of the first rows.",
    )
    .later(),
    Field::new("attribute_spans", Ty::List(&Ty::Str), "[]", "Names of attributes that mark spans of the text.").later(),
    Field::new(
        "normalise",
        Ty::OneOf(&["none", "nfc"]),
        "\"none\"",
        "nfc: texts become Unicode NFC before anything is measured, as tokenizers with an NFC normalizer need them. Offsets \
         and hashes are then those of the text in that form.",
    )
    .later(),
    Field::new("text_field", Ty::Str, "\"text\"", "Field of a row that holds the text."),
    Field::new("id_field", Ty::Str, "\"id\"", "Field of a row that holds its id, a text or a whole number."),
    Field::new(
        "weight",
        Ty::NON_NEGATIVE,
        "1",
        "Weight of the source in the mix: with 2 it gets twice the share of its bytes. See `mix`.",
    )
    .later(),
    Field::new(
        "blocks",
        Ty::COUNT,
        "0",
        "Cut plain text into documents of about so many bytes, at blank lines or else at line ends; 0 does not cut.",
    ),
];

fn one() -> f64 {
    1.0
}

/// One source of documents.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Source {
    pub name: String,
    pub path: String,
    pub format: Format,
    pub author: Author,
    pub licence: String,
    #[serde(default)]
    pub normalise: Normalise,
    #[serde(default)]
    pub attributes: Option<String>,
    #[serde(default)]
    pub attribute_values: Vec<String>,
    #[serde(default)]
    pub attribute_spans: Vec<String>,
    pub text_field: String,
    pub id_field: String,
    #[serde(default = "one")]
    pub weight: f64,
    pub blocks: u64,
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Auto,
    Text,
    Markdown,
    Jsonl,
    Dolma,
    Csv,
    Tsv,
    Warc,
    Html,
    Parquet,
    Code,
}

/// The Unicode form that texts are brought into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Normalise {
    #[default]
    None,
    Nfc,
}

/// What is wrong with the attributes of source `i`.
pub(crate) fn attributes(i: usize, source: &Value) -> Option<Problem> {
    let problem = |field: &str, message: String, hint: &str| {
        Some(Problem { path: format!("sources.{i}.{field}"), message, hint: Some(hint.into()) })
    };
    let names = |field: &str| -> Vec<String> {
        let list = source[field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|name| name.as_str().map(Into::into)).collect()
    };
    let (values, spans) = (names("attribute_values"), names("attribute_spans"));
    if source["attributes"].is_null() {
        let field = match (values.is_empty(), spans.is_empty()) {
            (true, true) => return None,
            (false, _) => "attribute_values",
            (true, false) => "attribute_spans",
        };
        return problem(field, "there are no attribute files".into(), "name them with `attributes`");
    }
    if source["format"] != "dolma" {
        let message =
            format!("only Dolma documents have attribute files, the format is {}", source["format"]);
        return problem("attributes", message, "set format = \"dolma\"");
    }
    if source["normalise"] == "nfc" {
        let message = "attributes count code points of the texts as they came, not of their NFC".to_string();
        return problem(
            "normalise",
            message,
            "leave it out, or compute the attributes with taggers of the stage",
        );
    }
    let all: Vec<&String> = values.iter().chain(&spans).collect();
    let twice = all.iter().enumerate().find(|(n, name)| all[..*n].contains(name));
    if let Some((_, name)) = twice {
        let message = format!("the attribute `{name}` is named twice");
        return problem("attribute_spans", message, "name it once, as a value or as spans");
    }
    None
}
