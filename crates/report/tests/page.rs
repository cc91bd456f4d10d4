//! Whole pages: of a finished run, of runs that stand in the middle or know little, of hostile texts, of long runs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;

use regimen_base::{Key, fs};
use regimen_ledger::{RunInfo, Status, Store, key_of};
use regimen_report::Extras;
use serde_json::json;

/// Fail if a tag is left open, closed twice, or an attribute is not quoted.
fn check_balance(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        if rest[start..].starts_with("<script") {
            let end = rest[start..].find("</script>").expect("a script has its end");
            rest = &rest[start + end + 9..];
            continue;
        }
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
    let policy = "default-src &#39;none&#39;; script-src &#39;nonce-";
    let (_, rest) = page.split_once(policy).expect("a policy");
    let nonce: String = rest.chars().take(64).collect();
    assert!(nonce.bytes().all(|b| b.is_ascii_hexdigit()), "{nonce}");
    // What can run is the last thing on the page, ours, and one; data runs not.
    let (before, script) = page.split_once(&format!("<script nonce=\"{nonce}\">")).expect("our script");
    assert!(script.ends_with("})();\n</script>\n</body>\n</html>\n"), "{}", &script[script.len() - 99..]);
    assert!(script.len() < 60_000, "{} bytes of script", script.len());
    for word in [
        "fetch(",
        "XMLHttp",
        "import(",
        "innerHTML",
        "insertAdjacent",
        "eval(",
        "document.write",
        "http:",
        "https:",
    ] {
        assert!(!script.replace("http://www.w3.org/2000/svg", "").contains(word), "{word} in the script");
    }
    let mut page = String::new();
    for (i, part) in before.split("<script").enumerate() {
        let kept = if i == 0 {
            part
        } else {
            assert!(part.starts_with(" type=\"application/json\" id=\""), "{}", &part[..60]);
            let (data, after) = part.split_once("</script>").expect("an end");
            let json = data.split_once('>').expect("data").1;
            serde_json::from_str::<serde_json::Value>(json).expect("JSON");
            assert!(!json.contains(['<', '>', '&']));
            after
        };
        page.push_str(kept);
    }
    for word in [
        "<script",
        " style=",
        " src=",
        "url(",
        "@import",
        "<iframe",
        "<link",
        "<img",
        "<a href=\"http",
        " on",
    ] {
        let found = page.match_indices(word).find(|(i, _)| word != " on" || is_handler(&page, *i));
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
    let page = page.rsplit_once("<script nonce").expect("a script").0;
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
            let (page, _) = page.split_once("<script nonce").unwrap();
            for absent in
                ["curves", "layers", "comparison", "documents", "evaluation", "samples", "corpus", "notes"]
            {
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

fn page_with(store: &Store, run: &RunInfo, extras: &Extras) -> String {
    let path = regimen_report::write_with(store, run, extras, None).unwrap();
    let page = fs::read_text(&path).unwrap();
    check_balance(&page);
    check_closed(&page);
    check_ids(&page);
    page
}

#[test]
fn layers_losses_documents_and_shares_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 600, true);
    let extras = Extras { seen: Some(common::seen()), ..Extras::default() };
    let page = page_with(&store, &run, &extras);
    for words in [
        "Gradient norm by layer",
        "Update-to-weight ratio",
        "layer 3: ",
        "often aimed at",
        "Loss of single tokens",
        "Half of all tokens cost less than",
        "Hardest documents",
        "regimen trace doc &#39;score:doc 0&#39;\\&#39;&#39;s&#39;",
        "&lt;b&gt;zz&lt;/b&gt;",
        "Tokens seen, by source",
        "<td class=\"n\">31,000,000</td><td class=\"n\">6.59M</td><td class=\"n\">67.0 %</td>",
        "class=\"node self\"",
    ] {
        assert!(page.contains(words), "missing: {words}");
    }
    assert_eq!(page.matches("<g class=\"node").count(), 6, "every artifact is a box");
    assert_eq!(page.matches("class=\"edge\"").count(), 7, "every input is an arrow");
}

#[test]
fn two_runs_lie_over_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 600, true);
    let other = common::rival(&store, &run, 400);
    let extras = Extras { against: Some(other.clone()), ..Extras::default() };
    let path = regimen_report::write_with(&store, &run, &extras, None).unwrap();
    assert_eq!(path, store.run_dir(&run.id).join(format!("report-against-{}.html", other.id)));
    let page = page_with(&store, &run, &extras);
    for words in [
        "1.744 bits per byte, 3.1 % fewer than the second with 1.8",
        "<code>model.layers</code></th><td>6</td><td>8</td>",
        "<code>learning_rate</code></th><td>0.003</td><td>0.001</td>",
        &format!("{}: ", other.id),
    ] {
        assert!(page.contains(words), "missing: {words}");
    }
    let curves = |page: &str| page.matches("\"run\":1").count();
    assert!(curves(&page) >= 5, "{} curves of the other run", curves(&page));
    assert!(!store.run_dir(&run.id).join("report.html").exists(), "the page of one run is another");
    assert_eq!(curves(&page_of(&store, &run)), 0);
}

#[test]
fn runs_of_different_kinds_are_compared_as_far_as_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 60, true);
    for kind in ["corpus", "evaluate", "something-new"] {
        let other = RunInfo { id: format!("{kind}-1"), ..bare(kind, Status::Failed) };
        for (one, two) in [(&run, &other), (&other, &run), (&other, &other)] {
            let extras = Extras { against: Some(two.clone()), ..Extras::default() };
            let page = page_with(&store, one, &extras);
            let different = format!("are of different kinds, {} and {}", one.kind, two.kind);
            assert_eq!(page.contains(&different), one.kind != two.kind);
        }
    }
}

#[test]
fn a_log_that_was_cut_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 60, true);
    let whole = page_of(&store, &run);
    let log = store.run_dir(&run.id).join("events.jsonl");
    let events = fs::read(&log).unwrap();
    for cut in [events.len() - 1, events.len() - 7, events.len() / 2, 40, 1] {
        fs::write(&log, &events[..cut]).unwrap();
        let page = page_of(&store, &run);
        assert!(page.contains("1.744 bits per byte"), "what the ledger knows is told, cut at {cut}");
        assert!(cut < 100 || page.contains("Training loss"), "cut at {cut}");
    }
    fs::write(&log, &events).unwrap();
    assert_eq!(page_of(&store, &run), whole);
}

#[test]
fn artifacts_that_are_gone_leave_a_gap_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), 60, true);
    for kind in ["evaluate", "corpus", "tokens", "pretrain"] {
        std::fs::remove_dir_all(folder.path().join(".regimen/artifacts").join(kind)).unwrap();
        page_of(&store, &run);
    }
    let page = page_of(&store, &run);
    assert!(page.contains("Training loss") && !page.contains("Hardest documents"));
}

#[test]
fn what_is_no_number_breaks_no_chart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let run = bare("pretrain", Status::Failed);
    let log = store.run_dir(&run.id).join("events.jsonl");
    fs::create_dir_all(&store.run_dir(&run.id)).unwrap();
    let mut lines = String::new();
    for step in 1..=300 {
        let value = match step % 5 {
            0 => "null",
            1 => "1e309",
            2 => "-1e308",
            3 => "0",
            _ => "2.5",
        };
        lines.push_str(&format!(
            "{{\"t\":{step},\"k\":\"metrics\",\"step\":{step},\"values\":{{\"loss\":{value},\"tokens\":null,\"grad_norm\":null,\
             \"grad_norm/layers.0\":{value},\"update_ratio/head\":null}}}}\n"
        ));
    }
    fs::write(&log, lines.as_bytes()).unwrap();
    let page = page_of(&store, &run);
    assert!(page.contains("Training loss") && page.contains("Gradient norm by layer"));
    assert!(!page.contains("Update-to-weight ratio"), "nothing of it is a number");
    for word in ["NaN ", " NaN", "inf ", "infinity", "Infinity"] {
        let text = page.rsplit_once("<script nonce").unwrap().0;
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn millions_of_points_are_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let run = bare("pretrain", Status::Done);
    fs::create_dir_all(&store.run_dir(&run.id)).unwrap();
    let file = std::fs::File::create(store.run_dir(&run.id).join("events.jsonl")).unwrap();
    let mut file = std::io::BufWriter::new(file);
    for step in 1..=200_000u32 {
        writeln!(
            file,
            "{{\"t\":{step},\"k\":\"metrics\",\"step\":{step},\"values\":{{\"a\":{step},\"b\":1,\"c\":2,\"d\":3,\"e\":4}}}}"
        )
        .unwrap();
    }
    file.flush().unwrap();
    let page = page_of(&store, &run);
    assert!(page.len() < 400_000, "{} bytes", page.len());
    assert!(page.contains("40 of 200,000 points"));
}
