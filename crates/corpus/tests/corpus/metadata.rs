//! What a corpus keeps of the metadata of its rows, where it comes out again, and what it costs where there is none.

use std::io::BufRead;

use regimen_corpus::Corpus;
use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::inspect::{Filter, Originals, Task, export, matching, verdicts};
use serde_json::{Value, json};

use crate::common::{project, stage};
use crate::exporting::rows as tables;

const ROWS: &str = concat!(
    r#"{"id":"a","text":"Oaks are trees.","source":"web","metadata":{"url":"http:\/\/x.org/a","stars":3,"big":1e999}}"#,
    "\n",
    r#"{"id":"b","text":"Elms are trees.","source":"web","metadata":{"title":"Elms","stars":5}}"#,
    "\n",
    r#"{"id":"c","text":"Firs are trees.","source":"web"}"#,
    "\n",
    r#"{"id":"d","text":"Oaks are trees.","source":"web","metadata":{"url":"http://x.org/d"}}"#,
    "\n",
);

fn config(path: &str, more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"{path}\" }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
    )
}

fn kept(corpus: &Corpus) -> Vec<Option<&str>> {
    (0..corpus.len() as u32).map(|ordinal| corpus.metadata(ordinal).unwrap()).collect()
}

#[test]
fn keys_are_kept_as_they_were_written_also_of_copies() {
    let dir = project(&[("in/a.jsonl", ROWS.as_bytes())]);
    let made = |more: &str| Corpus::open(&stage(dir.path(), &config("in", more)).unwrap()).unwrap();
    // URLs if nothing is said.
    let urls = made("");
    let (a, d) = (r#"{"url":"http:\/\/x.org/a"}"#, r#"{"url":"http://x.org/d"}"#);
    assert_eq!(kept(&urls), [Some(a), None, None, Some(d)]);
    assert!(!urls.row(3).kept());
    let two = made("metadata = [\"stars\", \"title\"]\n");
    assert_eq!(kept(&two), [Some(r#"{"stars":3}"#), Some(r#"{"stars":5,"title":"Elms"}"#), None, None]);
    let all = made("metadata = [\"*\"]\n");
    // Of a row without metadata all of it but text and id.
    assert_eq!(kept(&all)[2], Some(r#"{"source":"web"}"#));
    assert!(kept(&all)[0].unwrap().contains(r#""big":1e999"#));
    let none = made("metadata = []\n");
    assert_eq!(kept(&none), [None; 4]);
    assert!(!none.dir().join("meta.bin").exists());
    // Plain texts have nothing to keep, and no file for it.
    let dir = project(&[("in/a.txt", b"Oaks are trees.")]);
    let texts = Corpus::open(&stage(dir.path(), &config("in", "")).unwrap()).unwrap();
    assert!(!texts.dir().join("meta.bin").exists() && texts.names().metadata.is_empty());
}

#[test]
fn it_comes_out_again_in_exports_and_is_asked_for_by_expressions() {
    let dir = project(&[("in/a.jsonl", ROWS.as_bytes())]);
    let artifact = stage(dir.path(), &config("in", "metadata = [\"stars\", \"url\"]")).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let out = dir.path().join("out");
    export::dolma(&corpus, "k", &out, "x", 1 << 20, Pack::Gz).unwrap();
    let rows = std::fs::File::open(out.join("documents/00000.jsonl.gz")).unwrap();
    let rows: Vec<Value> = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(rows))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let of = |row: &Value, key: &str| row["metadata"][key].clone();
    assert_eq!(of(&rows[0], "url"), "http://x.org/a");
    assert_eq!(
        (of(&rows[0], "stars"), of(&rows[1], "stars"), of(&rows[2], "stars")),
        (json!(3), json!(5), Value::Null)
    );
    assert_eq!(of(&rows[0], "split"), "train");
    // Flat rows and tables have the object itself.
    export::jsonl(&corpus, "k", &out, 1 << 20, Pack::None).unwrap();
    let flat = std::fs::read_to_string(out.join("00000.jsonl")).unwrap();
    let flat: Vec<Value> = flat.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(flat[0]["metadata"], json!({"stars": 3, "url": "http://x.org/a"}));
    assert_eq!((&flat[1]["metadata"], flat[2].get("metadata")), (&json!({"stars": 5}), None));
    export::texts(&corpus, &out, 1 << 20).unwrap();
    export::parquet(&corpus, &out).unwrap();
    for (file, text) in [("texts/00000.parquet", "text"), ("documents.parquet", "source")] {
        let found: Vec<Value> =
            tables(&out.join(file), text).into_iter().map(|row| row.other["metadata"].clone()).collect();
        let object = |value: &Value| serde_json::from_str(value.as_str().unwrap_or("null")).unwrap();
        let all: Vec<Value> = found.iter().map(object).collect();
        assert_eq!(
            all[..3],
            [json!({"stars": 3, "url": "http://x.org/a"}), json!({"stars": 5}), Value::Null]
        );
    }
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let found = |expression: &str| {
        let filter = Filter { expression: Some(expression.into()), ..Filter::default() };
        matching(&corpus, &originals, &filter, &Task::default())
            .map(|found| found.0)
            .map_err(|e| e.to_string())
    };
    assert_eq!(found("metadata.stars > 3").unwrap(), [1]);
    assert_eq!(found("has(metadata.url)").unwrap(), [0, 3]);
    assert!(
        found("metadata.title == 'Elms'")
            .unwrap_err()
            .contains("`metadata.title`, which the corpus does not hold")
    );
}

#[test]
fn a_copy_came_by_all_rules_and_a_dropped_document_by_those_before() {
    let rows = "{\"id\":\"a\",\"text\":\"one text\",\"metadata\":{\"n\":1}}\n\
                {\"id\":\"b\",\"text\":\"one text\",\"metadata\":{\"n\":1}}\n\
                {\"id\":\"c\",\"text\":\"another\",\"metadata\":{\"n\":2}}\n";
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let rules = ["metadata.n > 45", "metadata.n == 2", "metadata.n > 46"];
    let artifact = stage(dir.path(), &config("in", &format!("drop = {rules:?}"))).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let passed = |ordinal: u32| -> Vec<Option<bool>> {
        let all = verdicts(&corpus, &artifact.manifest.config, ordinal).unwrap();
        all.into_iter().map(|verdict| verdict.passed).collect()
    };
    assert_eq!(corpus.reason_name(corpus.row(1).dropped.unwrap()), "duplicate");
    assert_eq!((passed(0), passed(1)), (vec![Some(true); 3], vec![Some(true); 3]));
    assert_eq!(passed(2), [Some(true), Some(false), None]);
}

#[test]
fn a_rule_on_metadata_is_told_whole() {
    let dir = project(&[("in/a.jsonl", ROWS.as_bytes())]);
    let artifact = stage(dir.path(), &config("in", "drop = [\"metadata.stars > 4\"]")).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let of = |ordinal: u32| {
        let verdicts = verdicts(&corpus, &artifact.manifest.config, ordinal).unwrap();
        let [verdict] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert_eq!((verdict.rule.as_str(), verdict.measure.as_str()), ("drop_1", "metadata.stars > 4"));
        verdict.passed
    };
    // The last one went as a copy: only documents that pass the rules are compared.
    assert_eq!([0, 1, 2, 3].map(of), [Some(true), Some(false), Some(true), Some(true)]);
}
