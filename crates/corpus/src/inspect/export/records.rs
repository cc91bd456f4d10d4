//! What the records of exported files hold, field by field.

use super::describe::What;
use super::facts::Facts;
use super::table::{Declared, Kind};

/// A kind of records.
pub(super) struct Records {
    pub doc: &'static str,
    pub fields: Vec<Field>,
}

/// A field: its name, what it is, and its type in the words of schema.org.
pub(super) struct Field {
    pub name: String,
    pub doc: String,
    pub kind: &'static str,
}

/// The records of files of this kind.
pub(super) fn records(facts: &Facts, what: What) -> Records {
    let [documents, spans, texts] = &facts.tables;
    let (doc, fields) = match what {
        What::Documents if facts.steps.is_empty() => {
            ("One record a document; without their texts.", columns(documents))
        }
        What::Documents => {
            ("One record a document, dropped ones too; without their texts.", columns(documents))
        }
        What::Attributes => ("One record a span that a tagger marked.", columns(spans)),
        What::Texts => ("One record a document with its text.", columns(texts)),
        // The same fields, but for the days, which are texts there.
        What::Rows if facts.steps.is_empty() => {
            let mut fields = columns(texts);
            fields.push(field("metadata", "Object with what else the row says", "sc:Text"));
            ("One record a document with its text.", fields)
        }
        What::Rows => ("One record a document with its text.", columns(texts)),
        What::DolmaRows if facts.steps.is_empty() => (
            "One record a document with its text, in Dolma's layout, as it was read.",
            vec![
                field("id", "The source's own id", "sc:Text"),
                field("text", "The text", "sc:Text"),
                field("source", "Name of the source, in rows that know it", "sc:Text"),
                field("created", "Moment of creation, in rows that know it", "sc:Text"),
                field("metadata", "Object with what else the row says, in rows that have one", "sc:Text"),
            ],
        ),
        What::DolmaRows => (
            "One record a document with its text, in Dolma's layout.",
            vec![
                field("id", "The source's own id, or path and line", "sc:Text"),
                field("text", "The text as kept", "sc:Text"),
                field("source", "Name of the source", "sc:Text"),
                field("created", "Moment of creation, in rows that know it", "sc:Text"),
                field(
                    "metadata",
                    "Object with licence, author kind, split, key and place in the source",
                    "sc:Text",
                ),
            ],
        ),
        What::AttributeRows => (
            "One record a document with its attributes, in the order of the documents.",
            vec![
                field("id", "That of the document", "sc:Text"),
                field(
                    "attributes",
                    "Object with a list of [start, end, score] for each attribute; offsets count code points of the text",
                    "sc:Text",
                ),
                field("source", "Name of the source", "sc:Text"),
            ],
        ),
    };
    Records { doc, fields }
}

fn columns(columns: &[Declared]) -> Vec<Field> {
    let kind = |column: &Declared| match column.kind {
        Kind::Text => "sc:Text",
        Kind::Long => "sc:Integer",
        Kind::Day => "sc:Date",
        Kind::Number => "sc:Float",
    };
    columns.iter().map(|column| field(&column.name, &column.doc, kind(column))).collect()
}

fn field(name: &str, doc: &str, kind: &'static str) -> Field {
    Field { name: name.into(), doc: doc.into(), kind }
}
