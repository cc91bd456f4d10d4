//! A dataset description in SPDX 3.0.1, profile Dataset. The declared licence is that of the documents all together; the
//! concluded one is NOASSERTION, because nobody has judged.

use serde_json::{Value, json};

use super::card::Facts;

/// The description of the exported files.
pub(super) fn spdx(facts: &Facts) -> Value {
    let id = |what: &str| format!("urn:spdx:regimen:{}:{what}", facts.about.key);
    let info = "_:creation";
    let (created, name) = (facts.moment(), facts.about.name.as_str());
    let files: Vec<String> = (0..facts.files.len()).map(|i| id(&format!("file-{i}"))).collect();
    let mut elements = vec![
        json!({"type": "SoftwareAgent", "spdxId": id("agent"), "creationInfo": info, "name": "Regimen"}),
        json!({
            "type": "dataset_DatasetPackage", "spdxId": id("dataset"), "creationInfo": info, "name": name,
            "description": facts.sentence(),
            "software_packageVersion": facts.about.key,
            "software_primaryPurpose": "data",
            "builtTime": created,
            "releaseTime": created,
            "originatedBy": [id("agent")],
            "dataset_datasetType": ["text"],
            "dataset_datasetSize": facts.stats.kept.bytes,
            "dataset_dataPreprocessing": preprocessing(facts),
            "dataset_dataCollectionProcess":
                format!("Files of these sources: {}", facts.stats.sources.keys().cloned().collect::<Vec<_>>().join(", ")),
            "dataset_hasSensitivePersonalInformation": "noAssertion",
        }),
        licence(&id("declared"), info, &declared(facts)),
        licence(&id("concluded"), info, "NOASSERTION"),
        relation(&id("has-declared"), info, &id("dataset"), "hasDeclaredLicense", &[id("declared")]),
        relation(&id("has-concluded"), info, &id("dataset"), "hasConcludedLicense", &[id("concluded")]),
        relation(&id("contains"), info, &id("dataset"), "contains", &files),
    ];
    elements.extend(facts.files.iter().zip(&files).map(|(file, id)| {
        json!({
            "type": "software_File", "spdxId": id, "creationInfo": info, "name": file.path,
            "software_primaryPurpose": "data",
            "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": file.sha256}],
        })
    }));
    let all: Vec<Value> = elements.iter().map(|element| element["spdxId"].clone()).collect();
    let mut graph = vec![
        json!({
            "type": "CreationInfo", "@id": info, "specVersion": "3.0.1", "created": created,
            "createdBy": [id("agent")],
        }),
        json!({
            "type": "SpdxDocument", "spdxId": id("document"), "creationInfo": info, "name": name,
            "profileConformance": ["core", "software", "simpleLicensing", "dataset"],
            "rootElement": [id("dataset")], "element": all,
        }),
    ];
    graph.extend(elements);
    json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph})
}

fn licence(id: &str, info: &str, expression: &str) -> Value {
    json!({
        "type": "simplelicensing_LicenseExpression", "spdxId": id, "creationInfo": info,
        "simplelicensing_licenseExpression": expression,
    })
}

fn relation(id: &str, info: &str, from: &str, kind: &str, to: &[String]) -> Value {
    json!({
        "type": "Relationship", "spdxId": id, "creationInfo": info, "from": from, "to": to, "relationshipType": kind,
    })
}

/// All that the documents declare, joined. What declares nothing is no part of an expression with others.
fn declared(facts: &Facts) -> String {
    let known: Vec<&String> = facts.stats.licences.keys().filter(|name| *name != "NOASSERTION").collect();
    let one = |name: &str| if name.contains(' ') { format!("({name})") } else { name.to_string() };
    match known[..] {
        [] => "NOASSERTION".into(),
        [only] => only.clone(),
        _ => known.iter().map(|name| one(name)).collect::<Vec<_>>().join(" AND "),
    }
}

fn preprocessing(facts: &Facts) -> Vec<String> {
    let steps = facts.corpus.funnel().map(|funnel| funnel.steps).unwrap_or_default();
    steps
        .iter()
        .filter(|step| !step.reason.is_empty())
        .map(|step| format!("{}: {} ({} documents dropped)", step.step, step.reason, step.dropped.documents))
        .collect()
}
