//! Holding Dolma folders against evaluation sets: attributes, the report of every hit, and clean documents.

use std::io::Read;
use std::path::Path;

use regimen_base::{Cancel, Hash256};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::decontaminate::{Against, Decontaminated, Options, decontaminate};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::inspect::export::{Claim, check_documents};
use regimen_recipe::input_files;
use serde_json::{Value, json};

use crate::common::{gzip, project};

fn folder() -> tempfile::TempDir {
    let row = |id: &str, text: &str| format!("{}\n", json!({"id": id, "text": text, "source": "s", "z": 1}));
    let a = row("clean", "nothing to see here, move along please")
        + &row("shared", "é ONE two three, four five six seven eight nine!")
        + &row("both", "x What is the capital of France? one two three four five");
    let b = row("whole", "é: What is the capital of France?");
    let items = |rows: &[Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let first = items(&[
        json!({"id": 7, "question": "one two three four five six seven"}),
        json!({"id": "x\"y", "question": "entirely different words stand in here now"}),
    ]);
    let second =
        items(&[json!({"question": "What is the capital of France?"}), json!({"question": "Too short?"})]);
    project(&[
        ("c/documents/a.jsonl.gz", &gzip(a.as_bytes())),
        ("c/documents/b.jsonl.gz", &gzip(b.as_bytes())),
        ("sets/first.jsonl", first.as_bytes()),
        ("sets/second.jsonl", second.as_bytes()),
    ])
}

fn options(dir: &Path) -> Options {
    Options {
        n: 5,
        exact: true,
        least: 0.0,
        experiment: "eval".into(),
        to: None,
        fields: Fields::default(),
        report: dir.join("hits.jsonl"),
        clean: Some(dir.join("clean")),
        memory: 1 << 30,
    }
}

fn set(dir: &Path, name: &str) -> Against {
    let file = dir.join(format!("sets/{name}.jsonl"));
    Against { name: name.into(), called: file.display().to_string(), file, field: "question".into() }
}

fn run(dir: &Path, options: &Options, threads: usize) -> Decontaminated {
    let files = input_files(dir, "c/documents").unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let sets = [set(dir, "first"), set(dir, "second")];
    pool.install(|| decontaminate(&files, &sets, options, &Progress::default(), &Cancel::new()).unwrap())
}

fn rows(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => drop(flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap()),
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn every_hit_is_reported_and_contaminated_documents_are_left_out() {
    for threads in [1, 3] {
        let dir = folder();
        let options = options(dir.path());
        let found = run(dir.path(), &options, threads);
        assert_eq!((found.documents, found.contaminated, found.files), (4, 3, 2));
        let numbers = |i: usize| {
            let set = &found.sets[i];
            (set.items, set.items_short, set.items_hit, set.items_whole, set.documents, set.hits)
        };
        assert_eq!(numbers(0), (2, 0, 1, 0, 2, 2));
        assert_eq!(numbers(1), (2, 1, 1, 1, 2, 4));
        let hits = rows(&options.report);
        assert_eq!(ids(&hits), ["shared", "both", "both", "both", "whole", "whole"]);
        assert_eq!(
            hits[0],
            json!({
                "file": "c/documents/a.jsonl.gz", "line": 2, "id": "shared", "source": "s", "set": "first", "item": 1,
                "item_id": 7, "items_alike": 1, "kind": "ngrams", "start": 2, "end": 36, "overlap": 1.0,
                "text": "ONE two three, four five six seven", "cut": false,
            })
        );
        assert_eq!(
            (&hits[5]["kind"], &hits[5]["start"], &hits[5]["end"]),
            (&json!("whole"), &json!(3), &json!(33))
        );
        assert_eq!(hits[5]["item_id"], Value::Null);
        let attributes = rows(&dir.path().join("c/attributes/eval/b.jsonl.gz"));
        assert_eq!(attributes[0]["attributes"]["eval__second__exact"], json!([[3, 33, 1.0]]));
        assert_eq!(attributes[0]["attributes"]["eval__first__items"], json!([[0, 33, 0.0]]));
        let clean = rows(&dir.path().join("clean/documents/a.jsonl.gz"));
        assert_eq!(
            clean,
            [json!({"id": "clean", "text": "nothing to see here, move along please", "source": "s", "z": 1})]
        );
        assert!(rows(&dir.path().join("clean/documents/b.jsonl.gz")).is_empty());
        // A second run finds all of it there.
        let again = run(dir.path(), &options, threads);
        assert_eq!(again, Decontaminated { skipped: 2, ..found });
        assert_eq!(rows(&options.report), hits);
    }
}

#[test]
fn items_with_the_same_text_are_reported_once_and_counted_all() {
    let dir = folder();
    let asked = |id: u32, text: &str| format!("{}\n", json!({"id": id, "question": text}));
    let question = "What is the capital of France?";
    let all = asked(1, "Too short?")
        + &asked(2, question)
        + &asked(3, question)
        + &asked(4, &format!(" {question}\n"));
    std::fs::write(dir.path().join("sets/second.jsonl"), all).unwrap();
    let options = options(dir.path());
    let found = run(dir.path(), &options, 2);
    let set = &found.sets[1];
    assert_eq!((set.items, set.items_short, set.items_hit, set.items_whole), (4, 1, 3, 3));
    // By n-grams and whole, in two documents.
    assert_eq!((set.documents, set.hits), (2, 4));
    let hits = rows(&options.report);
    let of_set: Vec<&Value> = hits.iter().filter(|hit| hit["set"] == "second").collect();
    assert_eq!(of_set.len(), 4);
    for hit in of_set {
        assert_eq!((&hit["item"], &hit["item_id"], &hit["items_alike"]), (&json!(2), &json!(2), &json!(3)));
    }
    let attributes = rows(&dir.path().join("c/attributes/eval/b.jsonl.gz"));
    assert_eq!(attributes[0]["attributes"]["eval__second__items"], json!([[0, 33, 3.0]]));
}

#[test]
fn a_least_overlap_spares_documents_that_share_little() {
    let dir = folder();
    let found = run(dir.path(), &Options { least: 0.5, exact: false, ..options(dir.path()) }, 2);
    // `both` shares one of three 5-grams with the first set, and the item of the second whole.
    assert_eq!(found.contaminated, 3);
    let clean = Some(dir.path().join("other"));
    let options = Options { least: 0.5, exact: false, n: 6, clean, ..options(dir.path()) };
    let found = run(dir.path(), &options, 2);
    assert_eq!((found.contaminated, found.sets[0].hits), (3, 1));
    assert_eq!(ids(&rows(&options.report)), ["shared", "both", "whole"]);
    assert_eq!(ids(&rows(&dir.path().join("other/documents/a.jsonl.gz"))), ["clean"]);
}

#[test]
fn clean_documents_never_take_the_place_of_their_own_source() {
    let dir = folder();
    let files = input_files(dir.path(), "c/documents").unwrap();
    let sets = [set(dir.path(), "first")];
    let options = Options { clean: Some(dir.path().join("c")), ..options(dir.path()) };
    let told = decontaminate(&files, &sets, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(told.to_string().contains("is read here, and would be written over"), "{told}");
    let sets = [Against { field: "answer".into(), ..sets[0].clone() }];
    let told = decontaminate(&files, &sets, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(told.to_string().contains("first.jsonl`, line 1"), "{told}");
}

#[test]
fn sets_that_were_brought_here_are_called_by_their_urls() {
    let dir = folder();
    let files = input_files(dir.path(), "c/documents").unwrap();
    let told = |content: &str, memory: u64| {
        let file = dir.path().join("copy-of-items.jsonl");
        std::fs::write(&file, content).unwrap();
        let called = "s3://sets/items.jsonl".into();
        let sets = [Against { name: "items".into(), file, called, field: "question".into() }];
        let options = Options { memory, ..options(dir.path()) };
        let error = decontaminate(&files, &sets, &options, &Progress::default(), &Cancel::new());
        error.unwrap_err().to_string()
    };
    let large = "{\"question\":\"x\"}\n".repeat(70_000);
    for (content, memory) in [
        ("{\"answer\":\"x\"}\n", 1 << 30),
        ("{\"question\":[1]}\n", 1 << 30),
        ("nonsense\n", 1 << 30),
        ("{\"question\":\"\u{1}\"}\n", 1 << 30),
        ("", 1 << 30),
        (&large, 1 << 20),
    ] {
        let told = told(content, memory);
        assert!(told.contains("`s3://sets/items.jsonl`") && !told.contains("copy-of"), "{told}");
    }
}

#[test]
fn finished_clean_documents_are_not_replaced_by_others() {
    let dir = folder();
    let hold = |pattern: &str, sets: &[Against], options: &Options| {
        let files = input_files(dir.path(), pattern).unwrap();
        decontaminate(&files, sets, options, &Progress::default(), &Cancel::new()).map(drop)
    };
    let (usual, first, second) = (options(dir.path()), set(dir.path(), "first"), set(dir.path(), "second"));
    let one = std::slice::from_ref(&first);
    hold("c/documents/a*", one, &usual).unwrap();
    // The same again, elsewhere reported, and with more documents.
    hold("c/documents/a*", one, &Options { report: dir.path().join("other.jsonl"), ..usual.clone() })
        .unwrap();
    hold("c/documents", one, &usual).unwrap();
    let path = dir.path().join("clean/documents/a.jsonl.gz");
    let kept = std::fs::read(&path).unwrap();
    let told = |sets: &[Against], options: &Options| {
        let error = hold("c/documents", sets, options).unwrap_err();
        assert!(matches!(error, regimen_corpus::Error::OtherOutput { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), kept);
        error.to_string()
    };
    let both = told(&[first.clone(), second.clone()], &usual);
    assert!(both.contains("holds the decontamination against `first` ("), "{both}");
    assert!(both.contains("this is the decontamination against `first`, `second` ("), "{both}");
    told(std::slice::from_ref(&second), &usual);
    // Nor where the attributes go elsewhere.
    let elsewhere = Options { to: Some(dir.path().join("elsewhere")), n: 6, ..usual.clone() };
    assert!(told(one, &elsewhere).contains("with other rules or options"));
    std::fs::copy(&first.file, dir.path().join("moved.jsonl")).unwrap();
    let moved = Against { file: dir.path().join("moved.jsonl"), ..first.clone() };
    assert!(told(&[moved], &usual).contains("sets/first.jsonl`, and this is"));
    std::fs::remove_dir_all(dir.path().join("clean")).unwrap();
    hold("c/documents", &[second], &usual).unwrap();
}

#[test]
fn clean_documents_and_exports_do_not_replace_each_other() {
    let dir = folder();
    let (files, sets) = (input_files(dir.path(), "c/documents").unwrap(), [set(dir.path(), "first")]);
    let run = || decontaminate(&files, &sets, &options(dir.path()), &Progress::default(), &Cancel::new());
    let clean = dir.path().join("clean");
    std::fs::create_dir_all(clean.join("documents")).unwrap();
    std::fs::write(clean.join("documents/a.jsonl.gz"), "exported").unwrap();
    let claim = || Claim::new("export of `c`".into(), Hash256::of(b"c"), &[], &clean);
    claim().settle(&clean, ["documents/a.jsonl.gz".to_string()]).unwrap();
    let told = run().unwrap_err().to_string();
    assert!(told.contains("holds the export of `c`"), "{told}");
    assert_eq!(std::fs::read(clean.join("documents/a.jsonl.gz")).unwrap(), b"exported");
    std::fs::remove_dir_all(&clean).unwrap();
    run().unwrap();
    let told = check_documents(&clean, &claim()).unwrap_err().to_string();
    assert!(told.contains("holds the decontamination against `first`"), "{told}");
    check_documents(&dir.path().join("other"), &claim()).unwrap();
}

#[test]
fn clean_documents_are_written_by_one_process_at_a_time() {
    let dir = folder();
    let (files, sets) = (input_files(dir.path(), "c/documents").unwrap(), [set(dir.path(), "first")]);
    let run = |options: &Options| {
        decontaminate(&files, &sets, options, &Progress::default(), &Cancel::new()).map(drop)
    };
    let usual = options(dir.path());
    run(&usual).unwrap();
    let lock = dir.path().join("clean/documents/.regimen-notes/lock");
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    // Whatever else it writes.
    let elsewhere = Options { to: Some(dir.path().join("elsewhere")), ..usual };
    let error = run(&elsewhere).unwrap_err();
    assert!(matches!(error, regimen_corpus::Error::InUse { .. }), "{error}");
    lock.unlock().unwrap();
    run(&elsewhere).unwrap();
}

#[test]
fn every_folder_of_attributes_is_written_by_one_process_at_a_time() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("c/documents/more")).unwrap();
    std::fs::rename(
        dir.path().join("c/documents/b.jsonl.gz"),
        dir.path().join("c/documents/more/b.jsonl.gz"),
    )
    .unwrap();
    let (files, sets) = (input_files(dir.path(), "c/documents").unwrap(), [set(dir.path(), "first")]);
    let options = Options { clean: None, ..options(dir.path()) };
    let run = || decontaminate(&files, &sets, &options, &Progress::default(), &Cancel::new());
    crate::common::refused_while_locked(&dir.path().join("c/attributes/eval/more/.regimen-notes/lock"), run);
}

#[test]
fn a_report_takes_no_place_of_attributes() {
    let dir = folder();
    let files = input_files(dir.path(), "c/documents").unwrap();
    let of = |report: &str| {
        let options = Options {
            report: dir.path().join(report),
            to: Some(dir.path().join("to")),
            ..options(dir.path())
        };
        let sets = [set(dir.path(), "first")];
        decontaminate(&files, &sets, &options, &Progress::default(), &Cancel::new())
    };
    for report in ["c/attributes/l/a.jsonl", "c/documents/../attributes/new.jsonl", "to/a.jsonl.gz"] {
        let told = of(report).unwrap_err();
        assert!(matches!(told, regimen_corpus::Error::AmongAttributes { .. }), "{told}");
    }
    assert!(!dir.path().join("c/attributes").exists() && !dir.path().join("to").exists());
    of("c/hits.jsonl").unwrap();
}
