//! The stage with taggers, expressions, edits and deduplication.

use std::collections::BTreeMap;

use regimen_corpus::{Corpus, source_of};
use tempfile::TempDir;

use crate::common::{build, project, stage, texts};

fn rows(list: &[(&str, &str, &str)]) -> String {
    let row = |(id, text, metadata): &(&str, &str, &str)| {
        format!(
            "{{\"id\":{},\"text\":{},\"metadata\":{metadata}}}\n",
            serde_json::json!(id),
            serde_json::json!(text)
        )
    };
    list.iter().map(row).collect()
}

fn config(more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"in\" }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
    )
}

/// Reason of every document, by id.
fn fates(corpus: &Corpus) -> BTreeMap<String, String> {
    (0..corpus.len() as u32)
        .map(|o| {
            let row = corpus.row(o);
            let reason = row.dropped.map_or("kept", |reason| corpus.reason_name(reason));
            let copy = row.representative.map(|r| format!(" for {}", corpus.id(r))).unwrap_or_default();
            (corpus.id(o).to_string(), format!("{reason}{copy}"))
        })
        .collect()
}

#[test]
fn rules_drop_edits_cut_and_a_map_leads_back() {
    let text = "Write to me@x.org now.\nshort\nCall 212 555 0123 or mail you@y.org today.\n";
    let list = [
        ("a", text, "{}"),
        ("b", "too short", "{}"),
        ("c", "bad words here, really bad.", "{\"kind\":\"spam\"}"),
    ];
    let dir = project(&[("in/a.jsonl", rows(&list).as_bytes())]);
    let corpus = build(
        dir.path(),
        &config(
            "tag = [{ tagger = \"pii@dolma\", name = \"pii\" }, { tagger = \"c4@dolma\" }, { tagger = \"length\" }]\n\
             drop = [\"length.words < 4\", \"metadata.kind == 'spam'\"]\n\
             edit = [{ spans = \"pii.EMAIL_ADDRESS\", replace = \" |||EMAIL||| \" }, \
             { spans = \"c4@dolma.lines_with_too_few_words\", when = \"length.words > 5\" }]",
        ),
    );
    let expected = [("a", "kept"), ("b", "drop_1"), ("c", "drop_2")];
    assert_eq!(fates(&corpus), expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    let kept = corpus.text(0).unwrap().unwrap();
    assert_eq!(kept, "Write to |||EMAIL||| now.\nCall 212 555 0123 or mail |||EMAIL||| today.\n");
    let map = corpus.keep_map(0).unwrap().unwrap();
    let names = corpus.names();
    for (at, c) in kept.char_indices() {
        if let Some(source) = source_of(&map, &names.replacements, at as u32) {
            assert!(text[source as usize..].starts_with(c), "{at}");
        }
    }
    let found = |ordinal: u32, tagger: &str, name: &str| {
        let tags = corpus.tags(ordinal).unwrap();
        tags.into_iter().find(|t| t.attribute.tagger == tagger && t.attribute.name == name).unwrap().spans
    };
    let phone = found(0, "pii", "PHONE_NUMBER");
    assert_eq!(&text[phone[0].start as usize..phone[0].end as usize], " 212 555 0123");
    assert_eq!(found(1, "length", "words")[0].score, 2.0);
    // Dropped documents keep their values.
    assert_eq!(corpus.tags(2).unwrap().len(), names.attributes.len());
    assert_eq!(corpus.reason_text(corpus.row(1).dropped.unwrap()), "length.words < 4");
}

/// Documents in several files, with copies of many kinds.
fn crowd() -> TempDir {
    // Words of letters: shingles do not tell numbers apart.
    let letter = |i: usize| char::from(b'a' + (i % 26) as u8);
    let word = |i: usize| [i, i / 26, i / 676].map(letter).iter().collect::<String>();
    let long = |seed: usize| (0..120).map(|i| word((seed * 1000 + i) * 7919)).collect::<Vec<_>>().join(" ");
    let mut files: Vec<(String, String)> = Vec::new();
    let mut near = long(3);
    near.push_str(" and one more");
    let paragraphs = |own: &str| format!("shared footer line\n{own}\n\nshared footer line\n");
    for (i, list) in [
        vec![
            ("a1", long(1), "{\"url\":\"http://www.x.org/p/\"}"),
            ("a2", long(2), "{}"),
            ("a3", long(3), "{}"),
        ],
        vec![
            ("b1", long(4), "{\"url\":\"https://x.org/p#top\"}"),
            ("b2", long(2), "{}"),
            ("b3", near.clone(), "{}"),
            ("b4", near, "{}"),
        ],
        vec![
            ("c1", paragraphs("one paragraph"), "{}"),
            ("c2", paragraphs("another"), "{}"),
            ("c3", "shared footer line\n".into(), "{}"),
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let list: Vec<(&str, &str, &str)> =
            list.iter().map(|(id, text, m)| (*id, text.as_str(), *m)).collect();
        files.push((format!("in/{i}.jsonl"), rows(&list)));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, t)| (n.as_str(), t.as_bytes())).collect();
    project(&files)
}

#[test]
fn copies_of_every_kind_go_and_know_what_stayed() {
    for how in ["exact", "bloom"] {
        let more = format!(
            "dedup_url = true\nnear = {{ preset = \"fineweb\" }}\nparagraphs = {{ dedup = \"{how}\", expected = 1000 }}"
        );
        let dir = crowd();
        let corpus = build(dir.path(), &config(&more));
        let expected = [
            ("a1", "kept"),
            ("a2", "kept"),
            ("a3", "kept"),
            ("b1", "duplicate_url for a1"),
            ("b2", "duplicate for a2"),
            ("b3", "near_duplicate for a3"),
            ("b4", "duplicate for a3"),
            ("c1", "kept"),
            ("c2", "kept"),
            ("c3", "duplicate_paragraphs"),
        ];
        assert_eq!(fates(&corpus), expected.map(|(k, v)| (k.to_string(), v.to_string())).into(), "{how}");
        let kept = texts(&corpus);
        assert_eq!(kept[3..], ["shared footer line\none paragraph\n\n", "another\n\n"], "{how}");
    }
    let dir = crowd();
    let longest = build(dir.path(), &config("near = { preset = \"fineweb\", keep = \"longest\" }"));
    let fates = fates(&longest);
    assert_eq!((fates["a3"].as_str(), fates["b3"].as_str()), ("near_duplicate for b3", "kept"));
    assert_eq!(fates["b4"], "duplicate for b3");
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_memory() {
    let more = |memory: u64| {
        config(&format!(
            "tag = [{{ tagger = \"gopher@dolma\" }}]\ndrop = [\"gopher@dolma.word_count < 2\"]\nmemory = {memory}\n\
             near = {{ preset = \"dolma3\" }}\nparagraphs = {{ dedup = \"exact\" }}"
        ))
    };
    let payload = |threads: usize, memory: u64| {
        let dir = crowd();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| stage(dir.path(), &more(memory)).unwrap().manifest.payload)
    };
    let first = payload(1, 1 << 30);
    assert_eq!(payload(2, 1 << 30), first);
    assert_eq!(payload(4, 1 << 20), first);
}

#[test]
fn what_overlaps_with_an_evaluation_set_is_found_and_dropped() {
    let item = "which planet of the solar system is known as the red one by all who look";
    let list = [
        ("a", "Which planet of the solar system is known as the red one by all who look at it?", "{}"),
        ("b", "fine", "{}"),
    ];
    let items = rows(&[
        ("q1", "something else that is long enough to be an item of the set", "{}"),
        ("q2", item, "{}"),
    ]);
    let dir = project(&[("in/a.jsonl", rows(&list).as_bytes()), ("evals/q.jsonl", items.as_bytes())]);
    let corpus = build(
        dir.path(),
        &config(
            "tag = [{ tagger = \"decontaminate\", items = \"evals/q.jsonl\", n = 8 }]\n\
             drop = [\"decontaminate.overlap > 0.5\"]",
        ),
    );
    assert_eq!(fates(&corpus)["a"], "drop_1");
    let hits = &corpus.tags(0).unwrap()[0].spans;
    assert_eq!((hits.len(), hits[0].score, hits[0].start, hits[0].end), (1, 2.0, 0, item.len() as u32));
    // The items are part of what makes the corpus.
    let key = |items: &str| {
        std::fs::write(dir.path().join("evals/q.jsonl"), items).unwrap();
        let more = "tag = [{ tagger = \"decontaminate\", items = \"evals/q.jsonl\" }]";
        stage(dir.path(), &config(more)).unwrap().key().to_string()
    };
    assert_ne!(key(&items), key("{\"text\":\"other words that are an item\"}\n"));
}

#[test]
fn sources_are_mixed_by_weight_temperature_and_budget() {
    let many = |prefix: &str, count: usize| -> String {
        (0..count).map(|i| format!("{{\"id\":\"{prefix}{i}\",\"text\":\"{prefix} {i:05}\"}}\n")).collect()
    };
    let dir = project(&[("a.jsonl", many("a", 1000).as_bytes()), ("b.jsonl", many("b", 1000).as_bytes())]);
    let kept = |a: &str, more: &str| {
        let config = format!(
            "sources = [{{ name = \"a\", path = \"a.jsonl\"{a} }}, {{ name = \"b\", path = \"b.jsonl\" }}]\n\
             filter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
        );
        let corpus = build(dir.path(), &config);
        let of = |source: u16| corpus.kept().filter(|&o| corpus.row(o).source == source).count();
        (of(0), of(1))
    };
    assert_eq!(kept("", ""), (1000, 1000));
    let (a, b) = kept(", weight = 0.25", "");
    assert!(b == 1000 && (200..300).contains(&a), "{a} {b}");
    let (a, b) = kept("", "mix = { budget_bytes = 7000 }");
    // Seven bytes each: to within two documents that share a step.
    assert!((500..503).contains(&a) && (500..503).contains(&b), "{a} {b}");
}

#[test]
fn a_config_that_no_tagger_answers_is_refused_before_anything_is_read() {
    let dir = project(&[("in/a.jsonl", b"this is no row")]);
    let fault = |more: &str| stage(dir.path(), &config(more)).unwrap_err().to_string();
    assert!(fault("drop = [\"gopher.words < 3\"]").contains("no attribute `gopher.words`"));
    assert!(fault("tag = [{ tagger = \"gofer\" }]").contains("no tagger `gofer`"));
    let shape = "tag = [{ tagger = \"length\" }]\nedit = [{ spans = \"length.words\" }]";
    assert!(fault(shape).contains("does not mark spans"));
    let param = "tag = [{ tagger = \"length\", field = \"x\" }]";
    assert!(fault(param).contains("`field`"), "{}", fault(param));
}
