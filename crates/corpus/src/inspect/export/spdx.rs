//! A dataset description in SPDX 3.0.1. The declared licence is that of the documents all together; the concluded one is the
//! individual `NoAssertionLicense`, because nobody has judged.
//!
//! The class `DatasetPackage` needs the place to download the data from, and the model knows no value for a place that is
//! not known. So without one the data is a plain `software_Package`, what else is known of it stands in its comment, and the
//! document does not claim the profile Dataset.

use serde_json::{Value, json};

use super::facts::Facts;
use super::personal::Personal;
use crate::licence::is_expression;

/// What the model calls the licence of which nobody says anything.
const NO_LICENCE: &str = "expandedlicensing_NoAssertionLicense";

/// The description of the exported files.
pub(super) fn spdx(facts: &Facts) -> Value {
    let id = |what: &str| format!("urn:spdx:regimen:{}:{what}", facts.about.key);
    let info = "_:creation";
    let (created, name) = (facts.moment(), facts.about.name.as_str());
    let files: Vec<String> = (0..facts.files.len()).map(|i| id(&format!("file-{i}"))).collect();
    let expression = declared(facts);
    let declared = expression.as_ref().map_or(NO_LICENCE.to_string(), |_| id("declared"));
    let mut elements = vec![
        json!({"type": "SoftwareAgent", "spdxId": id("agent"), "creationInfo": info, "name": "Regimen"}),
        package(facts, &id),
    ];
    elements.extend(facts.about.given.creator.as_ref().map(
        |creator| json!({"type": "Agent", "spdxId": id("creator"), "creationInfo": info, "name": creator}),
    ));
    elements.extend(facts.about.given.publisher.as_ref().map(|publisher| {
        json!({"type": "Agent", "spdxId": id("publisher"), "creationInfo": info, "name": publisher})
    }));
    elements.extend(expression.map(|expression| {
        json!({
            "type": "simplelicensing_LicenseExpression", "spdxId": id("declared"), "creationInfo": info,
            "simplelicensing_licenseExpression": expression,
        })
    }));
    elements.extend([
        relation(&id("has-declared"), info, &id("dataset"), "hasDeclaredLicense", &[declared]),
        relation(&id("has-concluded"), info, &id("dataset"), "hasConcludedLicense", &[NO_LICENCE.into()]),
        relation(&id("contains"), info, &id("dataset"), "contains", &files),
    ]);
    elements.extend(facts.files.iter().zip(&files).map(|(file, id)| {
        json!({
            "type": "software_File", "spdxId": id, "creationInfo": info, "name": file.path,
            "software_primaryPurpose": "data",
            "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": file.sha256}],
        })
    }));
    let all: Vec<Value> = elements.iter().map(|element| element["spdxId"].clone()).collect();
    let mut profiles = vec!["core", "software", "simpleLicensing", "expandedLicensing"];
    if facts.about.given.url.is_some() {
        profiles.push("dataset");
    }
    let mut graph = vec![
        json!({
            "type": "CreationInfo", "@id": info, "specVersion": "3.0.1", "created": created,
            "createdBy": [id("agent")],
        }),
        json!({
            "type": "SpdxDocument", "spdxId": id("document"), "creationInfo": info, "name": name,
            "profileConformance": profiles, "rootElement": [id("dataset")], "element": all,
        }),
    ];
    graph.extend(elements);
    json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph})
}

/// The data as a package: of the class `DatasetPackage` if it is known where it can be downloaded.
fn package(facts: &Facts, id: &dyn Fn(&str) -> String) -> Value {
    let given = &facts.about.given;
    let creator = if given.creator.is_some() { id("creator") } else { id("agent") };
    let mut package = json!({
        "type": "software_Package", "spdxId": id("dataset"), "creationInfo": "_:creation",
        "name": facts.about.name,
        "description": facts.sentence,
        "software_packageVersion": facts.about.key,
        "software_primaryPurpose": "data",
        "builtTime": facts.moment(),
        "releaseTime": facts.moment(),
        "originatedBy": [creator],
    });
    if given.publisher.is_some() {
        package["suppliedBy"] = id("publisher").into();
    }
    if let Some(citation) = &given.citation {
        package["software_attributionText"] = json!([citation]);
    }
    let Some(url) = &given.url else {
        package["comment"] = without_place(facts).into();
        return package;
    };
    package["type"] = "dataset_DatasetPackage".into();
    package["software_downloadLocation"] = url.as_str().into();
    package["dataset_datasetType"] = json!(["text"]);
    package["dataset_datasetSize"] = facts.kept.bytes.into();
    package["dataset_dataCollectionProcess"] = facts.collection().into();
    package["dataset_hasSensitivePersonalInformation"] = match &facts.personal {
        Personal::Unknown => "noAssertion",
        Personal::None { .. } => "no",
        Personal::Found(_) => "yes",
    }
    .into();
    let steps = facts.preprocessing();
    if !steps.is_empty() {
        package["dataset_dataPreprocessing"] = steps.into();
    }
    package
}

/// What a `DatasetPackage` would say, in words.
fn without_place(facts: &Facts) -> String {
    let mut all = vec![
        "A dataset of text. It is not described by the profile Dataset, which asks for a place to download it from: \
         none was given."
            .to_string(),
        format!("{} bytes.", facts.kept.bytes),
        format!("{}.", facts.collection()),
        facts.personal.sentence(),
    ];
    all.extend(facts.preprocessing().into_iter().map(|step| format!("{step}.")));
    all.join(" ")
}

fn relation(id: &str, info: &str, from: &str, kind: &str, to: &[String]) -> Value {
    json!({
        "type": "Relationship", "spdxId": id, "creationInfo": info, "from": from, "to": to, "relationshipType": kind,
    })
}

/// All that the documents declare, joined. What declares nothing is no part of an expression; none if nothing is declared, or
/// something that no expression can hold.
fn declared(facts: &Facts) -> Option<String> {
    let nothing = |name: &str| matches!(name, "NOASSERTION" | "NONE");
    let names: Vec<&String> = facts.licences.keys().filter(|name| !nothing(name)).collect();
    let fits = |name: &str| is_expression(name) && !name.split(['(', ')', ' ']).any(nothing);
    if names.iter().any(|name| !fits(name)) {
        return None;
    }
    let one = |name: &str| if name.contains(' ') { format!("({name})") } else { name.to_string() };
    match names[..] {
        [] => None,
        [only] => Some(only.clone()),
        _ => Some(names.iter().map(|name| one(name)).collect::<Vec<_>>().join(" AND ")),
    }
}
