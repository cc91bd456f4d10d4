//! Whole pages: of a finished run, of runs that stand in the middle or know little, of hostile texts, of long runs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use regimen_base::{Key, fs};
use regimen_ledger::{RunInfo, Status, Store, key_of};
use serde_json::json;

/// Fail if a tag is left open, closed twice, or an attribute is not quoted.
fn check_balance(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray > in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("every < has its >");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        assert!(!tag.contains('<'), "a stray < in {tag:?}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another element");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Fail if the page could reach out or run something.
fn check_closed(page: &str) {
    assert!(page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"));
    for word in ["<script", " src=", "url(", "@import", "<iframe", "<link", "<img", "<a href=\"http", " on"] {
        let found = page.match_indices(word).find(|(i, _)| word != " on" || is_handler(page, *i));
        assert!(found.is_none(), "{word} in the page: {:?}", found.map(|(i, _)| &page[i..i + 40]));
    }
}

/// Whether ` onclick="` or the like stands at `i`.
fn is_handler(page: &str, i: usize) -> bool {
    let name: String = page[i + 1..].chars().take_while(char::is_ascii_alphabetic).collect();
    name.len() > 2 && page[i + 1 + name.len()..].starts_with("=\"")
}

/// Fail if an id stands twice or a reference leads nowhere.
fn check_ids(page: &str) {
    let values = |name: &str| -> Vec<String> {
        let mark = format!(" {name}=\"");
        page.match_indices(&mark)
            .map(|(i, _)| page[i + mark.len()..].split('"').next().unwrap().to_string())
            .collect()
    };
    let mut ids = values("id");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    let referring = values("aria-labelledby").into_iter().chain(values("for")).chain(values("href"));
    for target in referring.flat_map(|v| v.split(' ').map(String::from).collect::<Vec<_>>()) {
        assert!(ids.binary_search(&target.trim_start_matches('#').to_string()).is_ok(), "no id {target}");
    }
}

fn page_of(store: &Store, run: &RunInfo) -> String {
    let path = regimen_report::write(store, run, None).unwrap();
    let page = fs::read_text(&path).unwrap();
    check_balance(&page);
    check_closed(&page);
    check_ids(&page);
    page
}

/// A run of any kind whose artifact was never made.
fn bare(kind: &str, status: Status) -> RunInfo {
    let key: Key = key_of(kind, 1, &json!({}), 0, &BTreeMap::new());
    RunInfo {
        recipe: "".into(),
        recipe_name: String::new(),
        command: Vec::new(),
        seconds: 0.0,
        fingerprint: String::new(),
        config: json!({}),
        inputs: BTreeMap::new(),
        kind: kind.into(),
        ..common::run(key, key, 1, status)
    }
}

#[test]
fn a_finished_run_tells_all() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 600, true);
    let page = page_of(&store, &run);
    for words in [
        "A language model of 11.3M parameters, trained for 600 steps on 9.83M tokens of encyclopedia, gutenberg and sotu.",
        "On 2,093 documents that it never saw, it needs 1.744 bits per byte, 15.8 % fewer than the baseline\u{2019}s 2.071.",
        "baseline, all text",
        "went on after a stop (1)",
        "By licence",
        "<th scope=\"row\">CC-BY-SA-4.0</th>",
        "+0.6 %",
        "&lt;public&gt; debt",
        "regimen run recipes/first-light.toml --set base.steps=3000",
        "2026-11-23 09:30 UTC",
    ] {
        assert!(page.contains(words), "missing: {words}");
    }
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("missing: {words}"));
    assert!(place("41,873 documents") < place("bpe \u{b7} 4,096 tokens"), "causes come first");
    assert!(place("bpe \u{b7} 4,096 tokens") < place("46.2M tokens to train on"));
    assert!(place("46.2M tokens to train on") < place("this run"));
    assert!(place("this run") < place("1.744 bits per byte \u{b7} 2.071 for the baseline"));
}

#[test]
fn a_score_on_training_text_is_not_called_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 600, true);
    let evaluate = |stage: &str, split: &str, bpb: f64, model: Key| {
        let config = json!({"stage": stage, "split": split});
        let summary = json!({
            "bpb": bpb, "documents": 39_780, "bytes": 1_000, "sources": {"sotu": {"bpb": bpb, "bytes": 1_000}},
            "baseline": {"bpb": 3.333},
        });
        common::configured(&store, "evaluate", config, &[("model", model)], &summary)
    };
    // It is the newest, and has a baseline.
    let seen = evaluate("memory", "train", 1.234, run.key);
    let page = page_of(&store, &run);
    assert!(page.contains("On 2,093 documents that it never saw, it needs 1.744"), "the headline is another");
    assert!(page.contains("over 39,780 documents of the training split"));
    assert!(page.contains("1.234 bits per byte of the training split"));
    assert!(!page.contains("39,780 documents that it never saw"));

    // The page of such an evaluation tells what it is.
    let own = RunInfo {
        key: seen,
        config: json!({"split": "train"}),
        inputs: BTreeMap::from([("model".to_string(), run.key)]),
        ..bare("evaluate", Status::Done)
    };
    let page = page_of(&store, &own);
    assert!(page.contains("On 39,780 documents of the training split, it needs 1.234 bits per byte"));
    assert!(page.contains("<dt>Training split</dt>") && !page.contains("never saw"));

    // A model that was scored on nothing else has no headline figure of it, and no baseline in its curves.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (_, _, tokens) = common::ancestors(&store);
    let model = common::artifact(&store, "pretrain", "base", &[("tokens", tokens)], &json!({"loss": 3.0}));
    let run = common::run(model, tokens, 60, Status::Done);
    common::events(&store, &run, 60, 60);
    let config = json!({"stage": "memory", "split": "train"});
    let summary = json!({"bpb": 1.234, "documents": 10, "baseline": {"bpb": 3.333}});
    common::configured(&store, "evaluate", config, &[("model", model)], &summary);
    let page = page_of(&store, &run);
    assert!(page.contains("Its validation text takes") && page.contains("<dt>Validation</dt>"));
    assert!(!page.contains("baseline, all text") && !page.contains("never saw"));
}

#[test]
fn an_unfinished_run_says_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 600, false);
    let page = page_of(&store, &run);
    assert!(page.contains("It was interrupted at step 240 of 600."), "no word of where it stands");
    assert!(page.contains("takes tokens"), "its inputs are known all the same");
    assert!(page.contains("41,873 documents"), "and so are theirs");
    assert!(!page.contains("id=\"evaluation\""), "there is nothing to evaluate yet");
}

#[test]
fn little_known_makes_a_short_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for kind in ["pretrain", "corpus", "evaluate", "something-new"] {
        for status in [Status::Running, Status::Failed, Status::Done, Status::Cached] {
            let page = page_of(&store, &bare(kind, status));
            for absent in ["curves", "evaluation", "samples", "corpus", "notes"] {
                assert!(!page.contains(&format!("<section id=\"{absent}\"")), "{kind}: {absent}");
            }
            assert!(!page.contains("NaN") && !page.contains("inf"), "{kind}");
        }
    }
}

#[test]
fn summaries_of_another_shape_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let odd = json!({
        "documents": "many", "sources": [1, 2], "licences": {"MIT": 12, "x": null}, "authors": {"human": {"bytes": -1}},
        "dropped": {"a": {"documents": 3}, "b": "c"}, "funnel": [7, {"step": 1}, {"documents": 0}],
    });
    let key = common::artifact(&store, "corpus", "texts", &[], &odd);
    let page = page_of(&store, &RunInfo { key, ..bare("corpus", Status::Done) });
    assert!(page.contains("MIT"));
    let odd =
        json!({"bpb": null, "sources": {"a": 1, "b": {"bpb": "x"}}, "baseline": [], "better_by": "much"});
    let key = common::artifact(&store, "evaluate", "score", &[], &odd);
    page_of(&store, &RunInfo { key, ..bare("evaluate", Status::Done) });
}

#[test]
fn hostile_texts_stay_texts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let evil = "</title></style></script><script>alert(1)</script>\" onload=\"x ' ]]> --> <!-- \0\u{1b}\u{202e}&amp;";
    let mut part = serde_json::Map::new();
    part.insert(evil.into(), json!({"documents": 3, "bytes": 9, "bpb": 2.0}));
    let summary = json!({
        "sources": part, "licences": part, "authors": part, "dropped": {evil: 3},
        "funnel": [{"step": evil, "documents": 3, "reason": evil}],
    });
    let corpus = common::artifact(&store, "corpus", evil, &[], &summary);
    let key = common::artifact(
        &store,
        "evaluate",
        evil,
        &[(evil, corpus)],
        &json!({
            "bpb": 2.0, "sources": part, "baseline": {"bpb": 3.0, "sources": part}, evil: evil,
        }),
    );
    let run = RunInfo {
        stage: evil.into(),
        kind: "evaluate".into(),
        key,
        recipe_name: evil.into(),
        recipe: evil.into(),
        fingerprint: evil.into(),
        command: vec![evil.into(), evil.into()],
        config: json!({evil: [evil, {evil: evil}]}),
        inputs: BTreeMap::from([(evil.to_string(), corpus)]),
        ..bare("evaluate", Status::Done)
    };
    let evil_json = serde_json::to_string(evil).unwrap();
    let lines = format!(
        "{{\"t\":1,\"k\":\"note\",\"level\":\"warning\",\"text\":{evil_json}}}\n\
         {{\"t\":1,\"k\":\"sample\",\"step\":1,\"prompt\":{evil_json},\"text\":{evil_json}}}\n\
         {{\"t\":1,\"k\":\"metrics\",\"step\":1,\"values\":{{{evil_json}:1.0,\"bpb\":1,\"bpb/a\":1}}}}\n\
         {{\"t\":1,\"k\":\"metrics\",\"step\":2,\"values\":{{{evil_json}:2.0,\"bpb\":1,\"bpb/a\":1,\"loss\":1e308}}}}\n"
    );
    fs::create_dir_all(&store.run_dir(&run.id)).unwrap();
    fs::write(&store.run_dir(&run.id).join("events.jsonl"), lines.as_bytes()).unwrap();
    let page = page_of(&store, &run);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(!page.contains('\0') && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
}

#[test]
fn a_hundred_thousand_steps_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 100_000, true);
    let page = page_of(&store, &run);
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert!(page.contains("40 of 100,000 points"));
}

#[test]
fn a_page_is_up_to_date_until_something_happens() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 30, true);
    assert!(!regimen_report::up_to_date(&store, &run));
    let first = page_of(&store, &run);
    assert!(regimen_report::up_to_date(&store, &run));
    assert_eq!(first, page_of(&store, &run), "the same facts make the same page");

    common::artifact(&store, "generate", "later", &[("model", run.key)], &json!({"samples": []}));
    assert!(!regimen_report::up_to_date(&store, &run), "something was made from it");
    page_of(&store, &run);
    assert!(regimen_report::up_to_date(&store, &run));

    let log = store.run_dir(&run.id).join("events.jsonl");
    let mut events = fs::read(&log).unwrap();
    events.extend_from_slice(b"{\"t\":1,\"k\":\"note\",\"level\":\"info\",\"text\":\"x\"}\n");
    fs::write(&log, &events).unwrap();
    assert!(!regimen_report::up_to_date(&store, &run), "something happened");
}

#[test]
fn a_page_goes_where_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 30, true);
    let path = folder.path().join("deep/er/page.html");
    assert_eq!(regimen_report::write(&store, &run, Some(&path)).unwrap(), path);
    assert!(path.exists() && !store.run_dir(&run.id).join("report.html").exists());
}
