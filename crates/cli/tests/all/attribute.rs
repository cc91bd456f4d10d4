//! The verbatim index from the command line: made once, after any crash; what is attributed, what is refused.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Done, Project};

const INDEX: &[&str] = &["corpus", "index", "corpus", "--json"];

/// A kept text of the project.
fn a_text(project: &Project) -> (String, String) {
    let step = project.run(&["trace", "step", "base", "3", "--json"]).fine().json();
    let pieces = step["pieces"].as_array().unwrap().iter();
    let piece = pieces.max_by_key(|p| p["text"].as_str().unwrap().len()).unwrap();
    (piece["key"].as_str().unwrap().into(), piece["text"].as_str().unwrap().into())
}

#[test]
fn a_text_leads_to_its_documents_by_the_index() {
    let project = Project::copy();
    let (key, text) = a_text(&project);
    project
        .run(&["corpus", "attribute", "corpus", "--text", &text])
        .refused(&["no index", "regimen corpus index"]);
    let trace = |note: bool| {
        let done = project.run(&["trace", "text", &text, "--json"]).fine();
        assert_eq!(done.stderr.contains("regimen corpus index corpus"), note, "{}", done.stderr);
        let mut json = done.json();
        assert_eq!(json["indexed"].take(), !note);
        json
    };
    let scanned = trace(true);
    // What is needed whatever the documents are like is said, with no advice to cut them.
    let told =
        project.run(&[INDEX, &["--memory", "2MB"]].concat()).refused(&["16.8 MB", "however short"]).stderr;
    assert!(!told.contains("cut"), "{told}");
    let memory = told.split("--memory ").nth(1).unwrap().split(' ').next().unwrap();
    assert!((16 << 20..17_000_000).contains(&memory.parse::<u32>().unwrap()), "{told}");
    let made = project.run(INDEX).fine().json();
    assert_eq!((&made["existed"], &made["shards"]), (&Value::Bool(false), &1.into()));
    assert_eq!(project.run(INDEX).fine().json()["existed"], true);
    assert_eq!(trace(false), scanned, "the index finds what a scan finds");
    assert_eq!(project.run(&["show", "corpus", "--json"]).fine().json()["kind"], "corpus");

    let attribute =
        |more: &[&str]| project.run(&[&["corpus", "attribute", "corpus", "--json"], more].concat());
    let query = format!("Zzzz qqqq. {text} Qqqq zzzz.");
    let found = attribute(&["--text", &query, "--cut", "chars", "--min-bytes", "16"]).fine().json();
    let span =
        found["spans"].as_array().unwrap().iter().max_by_key(|s| s["text"].as_str().unwrap().len()).unwrap();
    assert!(span["text"].as_str().unwrap().contains(&text), "{found}");
    let documents = span["documents"].as_array().unwrap();
    assert!(documents.iter().any(|d| d["key"] == key.as_str()), "{found}");
    assert!(documents.iter().all(|d| ["id", "source", "licence", "place"].iter().all(|f| d[f].is_string())));
    // The same text from elsewhere.
    project.write("query.txt", &query);
    let chars = ["--cut", "chars", "--min-bytes", "16"];
    assert_eq!(attribute(&[&["--file", "query.txt"][..], &chars].concat()).fine().json(), found);
    let args = [&["corpus", "attribute", "corpus", "--json", "-"][..], &chars].concat();
    let mut child = project
        .command(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(query.as_bytes()).unwrap();
    assert_eq!(Done::of(child).fine().json(), found);
    // In words, for people.
    let shown = project.run(&["corpus", "attribute", "corpus", "--text", &query, "--min-bytes", "16"]).fine();
    assert!(shown.stdout.contains("log-probability") && shown.stdout.contains("⟦…⟧"), "{}", shown.stdout);
    assert!(shown.stderr.contains("% of"), "{}", shown.stderr);

    let nothing = attribute(&["--text", "zzzz qqqq is in no document at all"]);
    assert_eq!((nothing.code, &nothing.json()["found"]), (Some(1), &0.into()));
    project.write("latin.txt", b"caf\xe9 au lait");
    attribute(&["--file", "latin.txt"]).refused(&["latin.txt", "byte 3"]);
    attribute(&["--file", "no.txt"]).refused(&["no.txt"]);
    attribute(&["--text", "x", "-"]).refused(&["cannot be used with"]);
    project.run(&["corpus", "index", "tokens"]).refused(&["not a corpus"]);
    project.run(&["corpus", "index", "corpus", "--at-once", "0"]).refused(&["--at-once"]);
}

#[test]
fn a_crash_leaves_no_half_of_an_index_and_a_damaged_one_is_told() {
    let project = Project::copy();
    for at in ["kill@write:2", "kill@write:7", "kill@write:11", "kill@write:14"] {
        project.run_with(INDEX, &[("REGIMEN_FAULT", at)]).killed();
    }
    let made = project.run(INDEX).fine().json();
    project.run(&["ledger", "verify"]).fine();
    let path = project.path(made["path"].as_str().unwrap()).join("shard-00000.sa");
    let whole = std::fs::read(&path).unwrap();
    let attribute = ["corpus", "attribute", "corpus", "--text", "The people of the United States of America"];
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    for args in [&attribute[..], &["trace", "text", "The people of the", "--run", "corpus"]] {
        project.run(args).refused(&["shard-00000.sa", "regimen corpus index"]);
    }
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    project.run(INDEX).fine();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}
