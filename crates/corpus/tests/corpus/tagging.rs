//! Tagging Dolma folders: what is written where, for any number of threads, after a stop, and for bad input.

use std::path::Path;

use regimen_base::{Cancel, Hint};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::tag::{Options, Progress, Summary, tag};
use regimen_corpus::tag::{Set, Wanted};
use regimen_corpus::{Error, Result};
use regimen_recipe::input_files;

use crate::common::{gzip, project, zstd};

const TAGGERS: [&str; 3] = ["gopher_v1", "c4_v2", "pii_regex_with_counts_fast_v2"];

fn run_at(dir: &Path, threads: usize) -> Result<Summary> {
    run_with(dir, "c/documents", &TAGGERS, threads)
}

fn run_with(dir: &Path, documents: &str, taggers: &[&str], threads: usize) -> Result<Summary> {
    run_to(None, dir, documents, taggers, threads)
}

fn run_to(
    to: Option<&str>,
    dir: &Path,
    documents: &str,
    taggers: &[&str],
    threads: usize,
) -> Result<Summary> {
    let wanted: Vec<Wanted> = taggers.iter().map(|tagger| Wanted::named(tagger)).collect();
    let set = Set::new(&wanted)?;
    let files = input_files(dir, documents).unwrap();
    let to = to.map(|folder| dir.join(folder));
    let options = Options { experiment: "x".into(), to, fields: Fields::default(), memory: 1 << 30 };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| tag(&files, &set, &options, &Progress::default(), &Cancel::new()))
}

fn rows(from: usize, count: usize) -> String {
    let text = |i: usize| {
        format!(
            "Line {i} of é text.\\nmail me@x{i}.org now \\n{}",
            "the word of that is with ".repeat(i % 60)
        )
    };
    (from..from + count)
        .map(|i| format!("{{\"id\":\"d{i}\",\"text\":\"{}\",\"source\":\"s\"}}\n", text(i)))
        .collect()
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text)
                .unwrap();
        }
        Some("zst") => text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

#[test]
fn attributes_follow_their_documents_row_by_row_with_any_number_of_threads() {
    let (a, b) = (rows(0, 4000), rows(4000, 30));
    let files: [(&str, &[u8]); 3] = [
        ("c/documents/en/a.jsonl", a.as_bytes()),
        ("c/documents/b.jsonl.gz", &gzip(b.as_bytes())),
        ("c/documents/c.jsonl.zst", &zstd(b.as_bytes())),
    ];
    let names = ["c/attributes/x/en/a.jsonl", "c/attributes/x/b.jsonl.gz", "c/attributes/x/c.jsonl.zst"];
    let mut first: Option<Vec<Vec<u8>>> = None;
    for threads in [1, 2, 4] {
        let dir = project(&files);
        let summary = run_at(dir.path(), threads).unwrap();
        assert_eq!((summary.files, summary.skipped, summary.documents), (3, 0, 4060));
        let bytes: Vec<Vec<u8>> = names.iter().map(|n| std::fs::read(dir.path().join(n)).unwrap()).collect();
        let text = read(&dir.path().join(names[0]));
        let ids: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().into()
            })
            .collect();
        assert!(ids.iter().enumerate().all(|(i, id)| *id == format!("d{i}")) && ids.len() == 4000);
        assert_eq!(read(&dir.path().join(names[1])), read(&dir.path().join(names[2])));
        match &first {
            None => first = Some(bytes),
            Some(first) => assert!(*first == bytes, "{threads} threads give other bytes"),
        }
    }
}

#[test]
fn what_is_done_is_not_done_again_and_what_changed_is() {
    let dir = project(&[
        ("c/documents/a.jsonl", rows(0, 20).as_bytes()),
        ("c/documents/b.jsonl", rows(20, 20).as_bytes()),
    ]);
    run_at(dir.path(), 2).unwrap();
    let again = run_at(dir.path(), 2).unwrap();
    assert_eq!((again.files, again.skipped, again.documents), (0, 2, 0));
    std::fs::write(dir.path().join("c/documents/b.jsonl"), rows(50, 3)).unwrap();
    let changed = run_at(dir.path(), 2).unwrap();
    assert_eq!((changed.files, changed.skipped, changed.documents), (1, 1, 3));
    std::fs::remove_file(dir.path().join("c/attributes/x/a.jsonl")).unwrap();
    assert_eq!(run_at(dir.path(), 2).unwrap().files, 1);
}

#[test]
fn one_experiment_has_the_attributes_of_one_set_of_taggers() {
    let dir = project(&[
        ("c/documents/en/a.jsonl", rows(0, 20).as_bytes()),
        ("c/documents/de/b.jsonl", rows(20, 20).as_bytes()),
    ]);
    run_with(dir.path(), "c/documents/en/*.jsonl", &TAGGERS, 2).unwrap();
    // Other files may come, other taggers may not, whichever files they are for.
    for documents in ["c/documents", "c/documents/de/*.jsonl"] {
        let error = run_with(dir.path(), documents, &["length"], 2).unwrap_err();
        let Error::OtherOutput { folder, .. } = &error else { panic!("{error}") };
        assert!(Path::new(folder).ends_with("c/attributes/x"), "{folder}");
        assert!(error.to_string().contains("the tags `x` with other rules or options"), "{error}");
        let hint = error.hint().unwrap_or_default();
        assert!(hint.starts_with("give another --experiment, or remove `"), "{hint}");
    }
    let own = |taggers: &[&str]| run_to(Some("own"), dir.path(), "c/documents", taggers, 2);
    own(&TAGGERS).unwrap();
    let hint = own(&["length"]).unwrap_err().hint().unwrap_or_default();
    assert!(hint.starts_with("give another --to, or remove `"), "{hint}");
    assert_eq!(run_at(dir.path(), 2).unwrap().files, 1);
    std::fs::remove_dir_all(dir.path().join("c/attributes/x")).unwrap();
    assert_eq!(run_with(dir.path(), "c/documents", &["length"], 2).unwrap().files, 2);
}

#[test]
fn bad_rows_are_named_and_leave_no_file() {
    let fault = |line: &str| {
        let text = format!("{}{line}\n{}", rows(0, 5), rows(6, 5));
        let dir = project(&[("c/documents/a.jsonl", text.as_bytes())]);
        let error = run_at(dir.path(), 2).unwrap_err();
        assert!(!dir.path().join("c/attributes/x/a.jsonl").exists());
        (error.to_string(), error.hint().unwrap_or_default())
    };
    assert!(fault("{\"id\":1}").0.contains("line 6: the row has no text field"));
    assert!(fault("{\"text\":\"\"}").0.contains("line 6: the row has no field `id`"));
    assert!(fault("nonsense").0.contains("line 6, column"));
    assert!(fault("{\"id\":\"a\",\"text\":\"\\ud800\"}").0.contains("line 6"));
}

#[test]
fn outputs_that_would_meet_are_refused() {
    let dir = project(&[
        ("c/documents/a.jsonl", rows(0, 1).as_bytes()),
        ("d/documents/a.jsonl", rows(0, 1).as_bytes()),
    ]);
    let set = Set::new(&[Wanted::named("length")]).unwrap();
    let files = input_files(dir.path(), "*/documents/*").unwrap();
    let options = Options {
        experiment: "x".into(),
        to: Some(dir.path().join("out")),
        fields: Fields::default(),
        memory: 1 << 30,
    };
    let error = tag(&files, &set, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(matches!(error, Error::SameOutput { .. }), "{error}");
    let lone = project(&[("a.jsonl", rows(0, 1).as_bytes())]);
    let files = input_files(lone.path(), "a.jsonl").unwrap();
    let options = Options { experiment: "x".into(), to: None, fields: Fields::default(), memory: 1 << 30 };
    let error = tag(&files, &set, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(error.hint().unwrap().contains("--to"), "{error}");
}

#[test]
fn every_folder_of_attributes_is_written_by_one_process_at_a_time() {
    let dir = project(&[
        ("c/documents/a/x.jsonl", rows(0, 5).as_bytes()),
        ("c/documents/b/y.jsonl", rows(5, 5).as_bytes()),
    ]);
    run_at(dir.path(), 2).unwrap();
    for folder in ["a", "b"] {
        let lock = dir.path().join(format!("c/attributes/x/{folder}/.regimen-notes/lock"));
        let lock = std::fs::File::options().write(true).open(lock).unwrap();
        lock.lock().unwrap();
        let error = run_at(dir.path(), 2).unwrap_err();
        assert!(matches!(&error, Error::InUse { folder: held } if held.ends_with(folder)), "{error}");
        lock.unlock().unwrap();
        run_at(dir.path(), 2).unwrap();
    }
}
