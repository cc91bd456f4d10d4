//! A dataset description in Croissant 1.1 (MLCommons 2026) with the words on responsible AI (RAI 1.0): JSON-LD on the words of
//! schema.org.

use serde_json::{Value, json};

use super::describe::{Described, What};
use super::facts::Facts;
use super::personal::Personal;
use super::records::{Field, records};

/// The description of the exported files.
pub(super) fn croissant(facts: &Facts) -> Value {
    let mut distribution: Vec<Value> = facts.files.iter().map(file).collect();
    let mut sets: Vec<Value> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut files: Vec<&Described> = facts.files.iter().collect();
    let place = |file: &Described| (file.what, folder(&file.path).to_string(), ending(&file.path));
    files.sort_by_key(|file| place(file));
    for group in files.chunk_by(|a, b| place(a) == place(b)) {
        let mut name = called(group[0]);
        if names.contains(&name) {
            // Files of one folder that are packed in several ways.
            name = format!("{name}-{}", ending(&group[0].path).replace('.', "-"));
        }
        distribution.extend(file_set(&name, group));
        sets.push(record_set(facts, &name, group[0]));
        names.push(name);
    }
    let about = facts.about;
    let given = &about.given;
    let licences: Vec<&String> = facts.licences.keys().collect();
    let sources: Vec<&String> = facts.sources.keys().collect();
    let citation = || format!("{} ({})", about.name, about.key);
    let mut all = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "name": about.name,
        "description": facts.sentence,
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": licences,
        "url": given.url.clone().unwrap_or_else(|| format!("urn:regimen:corpus:{}", about.key)),
        "version": format!("1.0.0+{}", about.key.get(..16).unwrap_or(&about.key)),
        "datePublished": facts.moment(),
        "keywords": sources,
        "creator": organization(given.creator.as_deref().unwrap_or("unknown")),
        "citeAs": given.citation.clone().unwrap_or_else(citation),
        "distribution": distribution,
        "recordSet": sets,
        "rai:dataCollection": facts.collection(),
        "rai:personalSensitiveInformation": personal(&facts.personal),
    });
    if let Some(publisher) = &given.publisher {
        all["publisher"] = organization(publisher);
    }
    let steps = facts.preprocessing();
    if !steps.is_empty() {
        all["rai:dataPreprocessingProtocol"] = steps.into();
    }
    if !facts.taggers.is_empty() {
        let tools = facts.taggers.iter().map(|tagger| format!("Regimen: {tagger}"));
        all["rai:machineAnnotationTools"] = tools.collect::<Vec<_>>().into();
    }
    all
}

fn organization(name: &str) -> Value {
    json!({"@type": "sc:Organization", "name": name})
}

/// A sentence, or the kinds that were found.
fn personal(personal: &Personal) -> Vec<String> {
    match personal {
        Personal::Found(found) => {
            found.iter().map(|(name, spans)| format!("{name} ({spans} spans)")).collect()
        }
        other => vec![other.sentence()],
    }
}

fn file(file: &Described) -> Value {
    json!({
        "@type": "cr:FileObject", "@id": file.path, "name": file.path, "contentUrl": file.path,
        "contentSize": format!("{} B", file.bytes), "encodingFormat": file.media, "sha256": file.sha256,
    })
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What the name of a file ends in, of those that exports have.
fn ending(path: &str) -> &'static str {
    let all = ["jsonl.gz", "jsonl.zst", "jsonl", "parquet"];
    all.into_iter().find(|ending| path.ends_with(ending)).unwrap_or_default()
}

/// What the records of a file, and of those like it in its folder, are called.
fn called(file: &Described) -> String {
    match file.what {
        What::Documents => "documents".into(),
        What::Attributes => "attributes".into(),
        What::Texts => "texts".into(),
        What::Rows => "rows".into(),
        What::DolmaRows if folder(&file.path) == "documents" => "dolma".into(),
        What::DolmaRows | What::AttributeRows => format!("dolma-{}", folder(&file.path).replace('/', "-")),
    }
}

/// Shards of one kind as a set; none for a table of one file.
fn file_set(name: &str, shards: &[&Described]) -> Option<Value> {
    let first = shards.first()?;
    if matches!(first.what, What::Documents | What::Attributes) {
        return None;
    }
    let ending = ending(&first.path);
    let includes = match folder(&first.path) {
        // To readers `*` stands for `/` as well. Shards begin with a digit, and the folders that hold others do not.
        "" if shards.iter().all(|file| file.path.starts_with(|c: char| c.is_ascii_digit())) => {
            format!("[0-9]*.{ending}")
        }
        "" => format!("*.{ending}"),
        folder => format!("{folder}/*.{ending}"),
    };
    let id = format!("{name}-files");
    let media = if first.what.is_table() { "application/x-parquet" } else { "application/jsonlines" };
    Some(json!({
        "@type": "cr:FileSet", "@id": id, "name": id, "includes": includes, "encodingFormat": media,
    }))
}

fn record_set(facts: &Facts, name: &str, first: &Described) -> Value {
    let source = match first.what {
        What::Documents | What::Attributes => json!({"fileObject": {"@id": first.path}}),
        _ => json!({"fileSet": {"@id": format!("{name}-files")}}),
    };
    let records = records(facts, first.what);
    let fields: Vec<Value> = records
        .fields
        .iter()
        .map(|Field { name: column, doc, kind }| {
            let mut source = source.clone();
            // Rows of JSON lines are read as tables whose columns are their fields.
            source["extract"] = json!({"column": column});
            json!({
                "@type": "cr:Field", "@id": format!("{name}/{column}"), "name": column, "description": doc,
                "dataType": kind, "source": source,
            })
        })
        .collect();
    json!({"@type": "cr:RecordSet", "@id": name, "name": name, "description": records.doc, "field": fields})
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
