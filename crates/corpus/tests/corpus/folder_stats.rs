//! What `dolma::stats` counts in a folder, the same for any number of threads.

use regimen_base::{Cancel, Hint};
use regimen_corpus::Result;
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::stats::{Attribute, FolderStats, Options, stats};
use regimen_corpus::dolma::tag::Progress;
use regimen_recipe::input_files;
use serde_json::json;

use crate::common::{gzip, project};

fn run(
    dir: &std::path::Path,
    attributes: Option<&[&str]>,
    threads: usize,
    memory: u64,
) -> Result<FolderStats> {
    let files = input_files(dir, "d/documents").unwrap();
    let attributes = attributes.map(|all| all.iter().map(|name| name.to_string()).collect());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let options = Options { attributes, fields: Fields::default(), memory };
    pool.install(|| stats(&files, &options, &Progress::default(), &Cancel::new()))
}

/// 2,000 documents in two files: `own__words` is a number, `own__even` a mark, `own__runs` spans; `rules__length__words` is
/// declared.
fn folder() -> tempfile::TempDir {
    let mut files = Vec::new();
    for file in 0..2 {
        let (mut documents, mut own, mut rules) = (String::new(), String::new(), String::new());
        for i in (0..2000).filter(|i| i % 2 == file) {
            let text = "é word ".repeat(1 + i % 10);
            let length = text.chars().count();
            let source = if i % 4 == 0 { json!("a") } else { json!(null) };
            let row = json!({"id": i, "text": text, "source": source, "metadata": {"license": "MIT", "author_kind": "human"}});
            documents += &format!("{row}\n");
            let mut attributes = json!({});
            if i >= 500 {
                attributes["own__words"] = json!([[0, length, i]]);
            }
            if i % 2 == 0 {
                attributes["own__even"] = json!([[0, length, 1.0]]);
                attributes["own__runs"] = json!([[0, 1, 0.5], [2, 4, null], [0, 2, 0.25]]);
            }
            own += &format!("{}\n", json!({"id": i, "attributes": attributes}));
            let words = json!({"rules__length__words": [[0, length, 2 * (1 + i % 10)]]});
            rules += &format!("{}\n", json!({"id": i, "attributes": words}));
        }
        files.push((format!("d/documents/{file}.jsonl.gz"), gzip(documents.as_bytes())));
        files.push((format!("d/attributes/own/{file}.jsonl.gz"), gzip(own.as_bytes())));
        files.push((format!("d/attributes/rules/{file}.jsonl.gz"), gzip(rules.as_bytes())));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    project(&files)
}

fn named<'s>(stats: &'s FolderStats, name: &str) -> &'s Attribute {
    stats.numbers.iter().find(|attribute| attribute.numbers.name == name).unwrap()
}

#[test]
fn documents_and_attributes_are_counted() {
    let dir = folder();
    let found = run(dir.path(), None, 1, 1 << 30).unwrap();
    assert_eq!(found, run(dir.path(), None, 3, 1 << 30).unwrap());
    // 5.5 times `é word ` on the mean.
    assert_eq!((found.read.documents, found.read.bytes, found.read.words), (2000, 88_000, 22_000));
    assert_eq!(found.sources["a"].documents, 500);
    assert_eq!(found.sources["(none)"].documents, 1500);
    assert_eq!((found.licences["MIT"].documents, found.authors["human"].documents), (2000, 2000));
    assert_eq!((found.lengths.mean, found.words.mean), (44.0, 11.0));
    let names: Vec<&str> = found.numbers.iter().map(|a| a.numbers.name.as_str()).collect();
    assert_eq!(names, ["own__even", "own__runs", "own__words", "rules__length__words"]);
    let words = named(&found, "own__words");
    assert_eq!((words.numbers.what, words.documents, words.experiment.as_str()), ("value", 1500, "own"));
    assert_eq!((words.numbers.mean, words.numbers.absent), (1249.5, 0.25));
    // numpy.quantile(numpy.arange(500, 2000), [.01, .05, .5, .99])
    let q = words.numbers.quantiles.unwrap();
    let expected = [(q.q01, 514.99), (q.q05, 574.95), (q.median, 1249.5), (q.q99, 1984.01)];
    assert!(expected.iter().all(|(found, expected)| (found - expected).abs() < 1e-9), "{q:?}");
    assert_eq!((q.least, q.greatest), (500.0, 1999.0));
    let even = named(&found, "own__even");
    assert_eq!((even.numbers.what, even.numbers.count, even.numbers.mean), ("flag", 2000, 0.5));
    let runs = named(&found, "own__runs");
    assert_eq!((runs.numbers.what, runs.numbers.mean, runs.numbers.absent), ("spans", 1.5, 0.5));
    let spans = runs.spans.as_ref().unwrap();
    // Bytes: `é`, ` w` behind it, `é `.
    assert_eq!((spans.count, spans.bytes), (3000, 1000 * (2 + 2 + 3)));
    assert_eq!((spans.scores.count, spans.scores.mean), (2000, 0.375));
    assert_eq!(named(&found, "rules__length__words").numbers.mean, 11.0);
}

#[test]
fn experiments_are_chosen_and_gaps_are_refused() {
    let dir = folder();
    let chosen = run(dir.path(), Some(&["rules"]), 2, 1 << 30).unwrap();
    assert_eq!(chosen.numbers.len(), 1);
    assert!(run(dir.path(), Some(&[]), 2, 1 << 30).unwrap().numbers.is_empty());
    let told = run(dir.path(), None, 2, 1000).unwrap_err();
    assert!(told.to_string().contains("the counts of 4 attributes"), "{told}");
    assert!(told.hint().unwrap().contains("--attributes"));
    std::fs::remove_file(dir.path().join("d/attributes/own/1.jsonl.gz")).unwrap();
    let told = run(dir.path(), None, 2, 1 << 30).unwrap_err();
    assert!(told.to_string().contains("attributes/own/1.jsonl.gz` is missing"), "{told}");
    assert!(told.hint().unwrap().contains("--attributes"));
    run(dir.path(), Some(&["rules"]), 2, 1 << 30).unwrap();
    std::fs::write(dir.path().join("d/documents/0.jsonl.gz"), gzip(b"{\"id\":1}\n")).unwrap();
    let told = run(dir.path(), Some(&[]), 2, 1 << 30).unwrap_err().to_string();
    assert!(told.contains("0.jsonl.gz`, line 1: the row has no text field"), "{told}");
}
