//! Near copies that are verified: by a step on folders and by the stage, for any number of threads and any memory.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Cancel, Philox};
use regimen_corpus::dedup::minhash::jaccard;
use regimen_corpus::dedup::{Keep, MinHash, Own, Preset};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::dedup::{By, Options, dedup};
use regimen_corpus::dolma::tag::Progress;
use regimen_recipe::input_files;

use crate::common::{build, project, stage};

/// So few rows that texts meet which are not alike.
const OWN: Own = Own { bands: Some(8), rows: Some(2), ngram: Some(2), seed: Some(1) };

fn minhash() -> MinHash {
    Preset::by_name("fineweb").unwrap().minhash.with(&OWN).unwrap()
}

/// Families of texts that share more or less of their words, over three files.
fn families() -> Vec<(String, String)> {
    let word =
        |random: &mut Philox| (0..4).map(|_| char::from(b'a' + random.below(26) as u8)).collect::<String>();
    let mut texts = Vec::new();
    for family in 0..40 {
        let mut random = Philox::new(family, &["family"]);
        let words: Vec<String> = (0..60).map(|_| word(&mut random)).collect();
        for _ in 0..4 {
            let others = random.below(30) as usize;
            let from = random.below(30) as usize;
            let mut own = words.clone();
            own[from..from + others].iter_mut().for_each(|old| *old = word(&mut random));
            texts.push(own.join(" "));
        }
    }
    // A text without a shingle.
    texts.insert(7, "...".into());
    let file = |file: usize| {
        let rows = texts.iter().enumerate().filter(|(i, _)| i % 3 == file);
        rows.map(|(i, text)| format!("{}\n", serde_json::json!({"id": format!("d{i:03}"), "text": text})))
            .collect()
    };
    (0..3).map(|i| (format!("c/documents/{i}.jsonl"), file(i))).collect()
}

fn set(text: &str) -> Vec<u64> {
    let mut out = Vec::new();
    minhash().shingles.of(text, &mut Vec::new(), &mut out);
    out
}

fn similarity(a: &str, b: &str) -> f64 {
    jaccard(&mut set(a), &mut set(b))
}

/// Whose copy each marked document is.
fn copies(dir: &Path, verify: Option<f64>, threads: usize, memory: u64) -> BTreeMap<String, String> {
    let files = input_files(dir, "c/documents").unwrap();
    let by = By::Near { minhash: minhash(), verify, keep: Keep::First };
    let options = Options { by, name: "near".into(), to: None, fields: Fields::default(), memory };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let found = pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap());
    let mut all = BTreeMap::new();
    for file in files {
        let path = file.full.display().to_string().replace("documents", "attributes/near");
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let marked = !row["attributes"]["near"].as_array().unwrap().is_empty();
            assert_eq!(marked, row["copy_of"].is_object());
            if marked {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
                all.insert(text(&row["id"]), text(&row["copy_of"]["id"]));
            }
        }
    }
    assert_eq!(found.duplicates, all.len() as u64);
    all
}

#[test]
fn only_texts_that_are_alike_are_copies() {
    let files = families();
    let given: Vec<(&str, &[u8])> = files.iter().map(|(path, rows)| (&path[..], rows.as_bytes())).collect();
    let texts: BTreeMap<String, String> = files
        .iter()
        .flat_map(|(_, rows)| rows.lines())
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            (row["id"].as_str().unwrap().into(), row["text"].as_str().unwrap().into())
        })
        .collect();
    let dir = project(&given);
    let all = copies(dir.path(), None, 2, 1 << 24);
    let most = |id: &String| {
        let others = texts.iter().filter(|(other, _)| *other != id);
        others.map(|(_, text)| similarity(&texts[id], text)).fold(0.0, f64::max)
    };
    assert!(all.keys().any(|id| most(id) < 0.5), "bands alone mislead");
    let mut before = 0;
    for least in [0.8, 0.6, 0.5] {
        let found = copies(dir.path(), Some(least), 2, 1 << 24);
        for (threads, memory) in [(1, 1 << 24), (3, 1 << 20)] {
            assert_eq!(copies(dir.path(), Some(least), threads, memory), found, "{least}");
        }
        // Each has a like that is in its cluster.
        for (id, stays) in &found {
            let same = |other: &String| other != id && found.get(other).unwrap_or(other) == stays;
            let like = texts.iter().filter(|(other, _)| same(other));
            assert!(
                like.map(|(_, text)| similarity(&texts[id], text)).any(|s| s >= least),
                "{id} at {least}"
            );
        }
        // Nothing is a copy that shares no band, and a lower threshold finds more.
        assert!(found.keys().all(|id| all.contains_key(id)));
        assert!(found.len() > before && found.len() < all.len(), "{} at {least}", found.len());
        before = found.len();
    }
}

#[test]
fn the_stage_finds_what_the_step_finds() {
    let files = families();
    let given: Vec<(&str, &[u8])> = files.iter().map(|(path, rows)| (&path[..], rows.as_bytes())).collect();
    let config = |verify: &str, more: &str| {
        format!(
            "sources = [{{ name = \"s\", path = \"c/documents\", format = \"dolma\" }}]\nvalidation = 0\n\
             filter = {{ quality = \"none\" }}\ndedup = \"none\"\n{more}\n\
             near = {{ preset = \"fineweb\", bands = 8, rows = 2, ngram = 2{verify} }}\n"
        )
    };
    for (verify, field) in [(None, ""), (Some(0.6), ", verify = 0.6")] {
        let dir = project(&given);
        let corpus = build(dir.path(), &config(field, ""));
        let dropped: BTreeMap<String, String> = (0..corpus.len() as u32)
            .filter(|&o| !corpus.row(o).kept())
            .map(|o| (corpus.id(o).into(), corpus.id(corpus.row(o).representative.unwrap()).into()))
            .collect();
        assert_eq!(dropped, copies(dir.path(), verify, 2, 1 << 24), "{verify:?}");
    }
    // Edited texts are compared, whatever threads and memory there are.
    let edited = "tag = [{ tagger = \"pii@dolma\", name = \"pii\" }]\nparagraphs = { dedup = \"exact\" }\n\
                  edit = [{ spans = \"pii.EMAIL_ADDRESS\", replace = \"\" }]";
    let payload = |threads: usize, memory: u64| {
        let dir = project(&given);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = config(", verify = 0.6", &format!("{edited}\nmemory = {memory}"));
        pool.install(|| stage(dir.path(), &config).unwrap().manifest.payload)
    };
    let one = payload(1, 1 << 30);
    assert!(one == payload(2, 1 << 30) && one == payload(4, 1 << 20));
}

#[test]
fn a_threshold_needs_near_copies_and_sense() {
    let rows = "{\"id\":\"a\",\"text\":\"b\"}\n";
    let told = |near: &str| {
        let (message, _) = crate::common::fault(
            &[("in.jsonl", rows.as_bytes())],
            &crate::common::plain("in.jsonl", &format!("near = {near}")),
        );
        message
    };
    assert!(told("{ verify = 0.8 }").contains("near duplicates are kept"));
    for wrong in ["0.0", "1.5", "-0.5"] {
        let message = told(&format!("{{ preset = \"fineweb\", verify = {wrong} }}"));
        assert!(message.contains("verify"), "{message}");
    }
}
