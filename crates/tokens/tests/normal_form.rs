//! Documents that a tokenizer with an NFC normalizer refuses, and how their source lets it take them.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use regimen_base::Failure;
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, StageKind};
use regimen_tokens::{TokenSet, Tokenizer};

fn kind(name: &str) -> &'static StageKind {
    const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES]);
    ALL.get(name).unwrap()
}

/// A diaeresis behind its letter, an Ångström sign, a syllable in parts: all of them have another form in NFC.
const DECOMPOSED: &str =
    "U\u{308}bung macht den Meister; 5 \u{212b} und \u{1112}\u{1161}\u{11ab}, me@x.org now.";

fn corpus(root: &Path, normalise: &str) -> Artifact {
    let rows: String = [DECOMPOSED, "Plain words.", "Übung macht den Meister; 5 Å und 한, me@x.org now."]
        .iter()
        .map(|text| format!("{}\n", serde_json::json!({ "text": text })))
        .collect();
    std::fs::write(root.join("a.jsonl"), rows).unwrap();
    let config = format!(
        "sources = [{{ name = \"s\", path = \"a.jsonl\"{normalise} }}]\nvalidation = 0\nfilter = {{ quality = \"none\" }}\n\
         tag = [{{ tagger = \"pii@dolma\" }}]\nedit = [{{ spans = \"pii@dolma.EMAIL_ADDRESS\", replace = \"|||EMAIL|||\" }}]"
    );
    run_stage(kind("corpus"), &config, root, &[], 0).unwrap()
}

/// A byte-level tokenizer that normalizes, and what becomes of the documents with it.
fn tokens(root: &Path, corpus: &Artifact) -> Result<Artifact, Failure> {
    let learned = run_stage(kind("tokenizer"), "vocab = 258", root, &[("corpus", corpus)], 0).unwrap();
    let path = learned.path.join("tokenizer.json");
    let before = std::fs::read(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&before).unwrap();
    json["normalizer"] = serde_json::json!({"type": "NFC"});
    std::fs::remove_file(&path).unwrap();
    // Of the same length, which is what the store looks at when it opens an artifact.
    let json = json.to_string();
    std::fs::write(&path, format!("{json}{}", " ".repeat(before.len() - json.len()))).unwrap();
    assert!(!Tokenizer::open(&learned.path).unwrap().is_lossless());
    run_stage(kind("tokens"), "", root, &[("corpus", corpus), ("tokenizer", &learned)], 0)
}

#[test]
fn a_source_in_normal_form_is_taken_where_the_same_documents_as_they_came_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = tokens(dir.path(), &corpus(dir.path(), "")).unwrap_err();
    assert!(refused.hint().unwrap().contains("NFC"), "{refused} {:?}", refused.hint());

    let dir = tempfile::tempdir().unwrap();
    let made = corpus(dir.path(), ", normalise = \"nfc\"");
    let packed = tokens(dir.path(), &made).unwrap();
    let (documents, set) = (Corpus::open(&made).unwrap(), TokenSet::open(&packed.path).unwrap());
    assert_eq!(documents.text(0).unwrap(), Some("Übung macht den Meister; 5 Å und 한|||EMAIL|||now."));
    // Texts that are one in normal form are one text: measured, compared and hashed in it.
    assert_eq!(documents.row(2).representative, Some(0));
    assert_eq!(documents.row(0).content, documents.row(2).content);
    assert_eq!([0, 1, 2].map(|o| documents.row(o).normalised), [true, false, false]);
    let ranges = documents.keep_map(0).unwrap().unwrap();
    let normal = regimen_corpus::nfc(DECOMPOSED);
    assert_eq!(&normal[..ranges[0].length as usize], "Übung macht den Meister; 5 Å und 한");
    assert_eq!(set.train().documents().count(), 2);
}
