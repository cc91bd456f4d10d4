//! A dataset description in Croissant 1.1 (MLCommons 2026): JSON-LD on the words of schema.org.

use serde_json::{Value, json};

use super::card::Facts;
use super::describe::What;
use super::parquet::{Declared, Kind, document_columns, span_columns};

/// The description of the exported files.
pub(super) fn croissant(facts: &Facts) -> Value {
    let files: Vec<Value> = facts
        .files
        .iter()
        .map(|file| {
            json!({
                "@type": "cr:FileObject", "@id": file.path, "name": file.path, "contentUrl": file.path,
                "contentSize": format!("{} B", file.bytes), "encodingFormat": file.media, "sha256": file.sha256,
            })
        })
        .collect();
    let records: Vec<Value> = facts
        .files
        .iter()
        .filter_map(|file| match file.what {
            What::Documents => Some(table(
                "documents",
                "One record a document, dropped ones too; without their texts.",
                &file.path,
                &document_columns(facts.corpus),
            )),
            What::Attributes => Some(table(
                "attributes",
                "One record a span that a tagger marked.",
                &file.path,
                &span_columns(),
            )),
            What::Rows | What::AttributeRows => None,
        })
        .collect();
    let licences: Vec<&String> = facts.stats.licences.keys().collect();
    let sources: Vec<&String> = facts.stats.sources.keys().collect();
    json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "name": facts.about.name,
        "description": facts.sentence(),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "license": licences,
        "url": format!("urn:regimen:corpus:{}", facts.about.key),
        "version": format!("1.0.0+{}", facts.about.key.get(..16).unwrap_or(&facts.about.key)),
        "datePublished": facts.moment(),
        "keywords": sources,
        "creator": {"@type": "sc:Organization", "name": "unknown"},
        "citeAs": format!("{} (corpus {})", facts.about.name, facts.about.key),
        "distribution": files,
        "recordSet": records,
    })
}

fn table(name: &str, doc: &str, file: &str, columns: &[Declared]) -> Value {
    let fields: Vec<Value> = columns
        .iter()
        .map(|column| {
            let id = format!("{name}/{}", column.name);
            json!({
                "@type": "cr:Field", "@id": id, "name": column.name, "description": column.doc,
                "dataType": match column.kind {
                    Kind::Text => "sc:Text",
                    Kind::Long => "sc:Integer",
                    Kind::Day => "sc:Date",
                    Kind::Number => "sc:Float",
                },
                "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
            })
        })
        .collect();
    json!({"@type": "cr:RecordSet", "@id": name, "name": name, "description": doc, "field": fields})
}

/// The words of the format. Those of schema.org need no entry.
fn context() -> Value {
    json!({
        "@language": "en", "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
        "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
        "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
        "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
        "subField": "cr:subField", "transform": "cr:transform",
    })
}
