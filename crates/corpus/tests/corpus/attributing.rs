//! The verbatim index: what it finds, beside trying everything, and what it refuses.

use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use regimen_base::{Cancel, Hint, fs};
use regimen_corpus::verbatim::{
    Attribution, Cut, Index, Limits, Made, Progress, Wanted, attribute, find, holders, make,
};
use regimen_corpus::{Corpus, Error};
use regimen_ledger::{Artifact, Store};
use tempfile::TempDir;

use crate::common::{plain, project, stage};

/// Limits for shards of so many bytes.
fn shards_of(bytes: u64) -> Limits {
    Limits { memory: (16 << 20) + 10 * bytes, at_once: 2 }
}

fn rows(texts: &[impl AsRef<str>]) -> String {
    let row =
        |(i, text): (usize, &str)| format!("{}\n", serde_json::json!({"id": format!("d{i}"), "text": text}));
    texts.iter().map(AsRef::as_ref).enumerate().map(row).collect()
}

/// A corpus of these texts, copies included.
fn corpus(texts: &[impl AsRef<str>]) -> (TempDir, Artifact) {
    let dir = project(&[("in.jsonl", rows(texts).as_bytes())]);
    let artifact = stage(dir.path(), &plain("in.jsonl", "dedup = \"none\"")).unwrap();
    (dir, artifact)
}

fn made(root: &Path, artifact: &Artifact, limits: Limits) -> Result<Made, Error> {
    let store = Store::open(root).unwrap();
    make(&store, artifact, limits, "test", &Progress::default(), &Cancel::new())
}

fn everything(cut: Cut, least: usize) -> Wanted {
    Wanted { least, cut, top: usize::MAX, documents: usize::MAX }
}

fn attributed(root: &Path, artifact: &Artifact, text: &str, wanted: &Wanted) -> Attribution {
    let corpus = Corpus::open(artifact).unwrap();
    let index = Index::of(&Store::open(root).unwrap(), &corpus, artifact).unwrap().unwrap();
    attribute(&index, text, wanted).unwrap()
}

/// Where `part` begins in `text`, places that overlap too.
fn places(text: &str, part: &str) -> Vec<usize> {
    (0..text.len()).filter(|&at| text.is_char_boundary(at) && text[at..].starts_with(part)).collect()
}

/// The maximal spans by trying every pair of characters.
fn naive(texts: &[String], query: &str, least: usize) -> Vec<Range<usize>> {
    let borders: Vec<usize> = query.char_indices().map(|(at, _)| at).chain([query.len()]).collect();
    let mut all = Vec::new();
    for (i, &start) in borders.iter().enumerate() {
        let ends =
            borders[i + 1..].iter().rev().find(|&&end| texts.iter().any(|t| t.contains(&query[start..end])));
        all.extend(ends.filter(|&&end| end - start >= least).map(|&end| start..end));
    }
    let inside = |a: &Range<usize>, b: &Range<usize>| a != b && b.start <= a.start && a.end <= b.end;
    all.iter().filter(|a| !all.iter().any(|b| inside(a, b))).cloned().collect()
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab]{1,25}|[a-d]{1,40}|(abcab){1,6}|[aé日旦è]{1,20}", 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn spans_and_documents_are_those_of_trying_everything(
        texts in texts(), queries in prop::collection::vec("[ab]{0,30}|[a-d]{0,40}|(abcab){0,6}|[aé日旦è]{0,20}", 1..6),
        least in 1usize..8, shard in 130u64..400,
    ) {
        let (dir, artifact) = corpus(&texts);
        made(dir.path(), &artifact, shards_of(shard)).unwrap();
        let corpus = Corpus::open(&artifact).unwrap();
        let index = Index::of(&Store::open(dir.path()).unwrap(), &corpus, &artifact).unwrap().unwrap();
        for query in queries {
            let found = attribute(&index, &query, &everything(Cut::Chars, least)).unwrap();
            let spans: Vec<Range<usize>> = found.spans.iter().map(|s| s.start..s.end).collect();
            prop_assert_eq!(&spans, &naive(&texts, &query, least));
            prop_assert_eq!(found.found, spans.len());
            let covered = (0..query.len()).filter(|at| spans.iter().any(|s| s.contains(at))).count();
            prop_assert_eq!(found.covered, covered);
            for span in &found.spans {
                let expected: Vec<(u32, u32, u64)> = (0u32..).zip(&texts).map(|(i, text)| (i, places(text, &span.text)))
                    .filter(|(_, at)| !at.is_empty()).map(|(i, at)| (i, at[0] as u32, at.len() as u64)).collect();
                let documents: Vec<(u32, u32, u64)> = span.documents.iter().map(|d| (d.ordinal, d.start, d.count)).collect();
                prop_assert_eq!(&documents, &expected);
                prop_assert_eq!(span.occurrences, expected.iter().map(|(_, _, count)| count).sum::<u64>());
                for d in &span.documents {
                    prop_assert_eq!(format!("{}{}{}", d.before, span.text, d.after), texts[d.ordinal as usize].clone());
                }
            }
            for pair in found.passages.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start && pair[0].spans.end == pair[1].spans.start);
            }
            // Fewer spans are the least probable of them; fewer documents the first.
            let few = attribute(&index, &query, &Wanted { top: 2, documents: 1, ..everything(Cut::Chars, least) }).unwrap();
            let most = |a: &Attribution| a.spans.iter().map(|s| s.log_probability).fold(f64::NEG_INFINITY, f64::max);
            let rest = found.spans.iter().filter(|s| !few.spans.iter().any(|t| t.start == s.start));
            prop_assert!(rest.clone().all(|s| s.log_probability >= most(&few)));
            prop_assert_eq!(few.spans.len(), found.spans.len().min(2));
            for span in &few.spans {
                let whole = found.spans.iter().find(|s| s.start == span.start).unwrap();
                prop_assert_eq!(&span.documents[..], &whole.documents[..1]);
            }
            // The documents that share the longest stretches.
            let longest = |text: &String| {
                let spans = naive(std::slice::from_ref(text), &query, least);
                spans.into_iter().map(|s| s.len()).max()
            };
            let mut sharing: Vec<(usize, u32)> = (0u32..).zip(&texts).filter_map(|(i, t)| Some((longest(t)?, i))).collect();
            sharing.sort_by_key(|&(length, i)| (std::cmp::Reverse(length), i));
            for most in [1, 2, 4, 100] {
                let held = holders(&index, &query, least, most).unwrap();
                prop_assert_eq!(held.documents, sharing.len() as u64);
                let mut expected: Vec<u32> = sharing.iter().take(most).map(|&(_, i)| i).collect();
                expected.sort_unstable();
                prop_assert_eq!(held.longest, expected);
            }
        }
    }
}

#[test]
fn nothing_is_found_across_borders_or_in_an_empty_text() {
    let (dir, artifact) = corpus(&["one two three", "four five six"]);
    made(dir.path(), &artifact, shards_of(1000)).unwrap();
    let of = |text: &str, cut| {
        let found = attributed(dir.path(), &artifact, text, &everything(cut, 4));
        found.spans.into_iter().map(|s| s.text).collect::<Vec<_>>()
    };
    assert_eq!(of("two threefour five", Cut::Chars), ["two three", "four five"]);
    for cut in [Cut::Chars, Cut::Words, Cut::Sentences] {
        assert!(of("", cut).is_empty() && of(" \n ", cut).is_empty() && of("zz yy", cut).is_empty());
        assert_eq!(of("one two three", cut), ["one two three"]);
    }
    // The match `ne two thr` of characters begins and ends with whole words only as `two`.
    assert_eq!(of("bone two throng", Cut::Chars), ["one two thr"]);
    assert!(of("bone two throng", Cut::Words).is_empty());
    assert_eq!(of("so four five sixty", Cut::Words), ["four five"]);
}

#[test]
fn spans_of_more_bytes_than_the_text_has_are_none() {
    let (dir, artifact) = corpus(&["one two three"]);
    made(dir.path(), &artifact, shards_of(1000)).unwrap();
    for least in [14, usize::MAX - 3, usize::MAX] {
        for cut in [Cut::Chars, Cut::Words, Cut::Sentences] {
            let found = attributed(dir.path(), &artifact, "one two three", &everything(cut, least));
            assert_eq!((found.found, found.covered), (0, 0));
        }
    }
}

#[test]
fn sentences_hold_spans_in_and_rare_words_come_first() {
    let texts = [
        "The cat sat here. A quokka slept there quietly there.",
        "The cat sat here. The cat sat here.",
        "The cat and the dog and the cat.",
    ];
    let (dir, artifact) = corpus(&texts);
    made(dir.path(), &artifact, shards_of(1000)).unwrap();
    let query = "The cat sat here. A quokka slept there quietly. The cat and a dog";
    let of = |cut, top| attributed(dir.path(), &artifact, query, &Wanted { top, ..everything(cut, 6) });
    let spans = |a: &Attribution| a.spans.iter().map(|s| s.text.clone()).collect::<Vec<_>>();
    assert_eq!(
        spans(&of(Cut::Words, 9)),
        ["The cat sat here. A quokka slept there quietly", ". The cat", "The cat and"]
    );
    let sentences = of(Cut::Sentences, 9);
    assert_eq!(spans(&sentences), ["The cat sat here.", "A quokka slept there quietly", "The cat and"]);
    assert_eq!(spans(&of(Cut::Sentences, 1)), ["A quokka slept there quietly"]);
    assert_eq!(sentences.spans[0].occurrences, 3);
    assert_eq!(sentences.spans[0].documents.iter().map(|d| d.count).collect::<Vec<_>>(), [1, 2]);
    // Each of its words is there once, but ` there` twice.
    let bytes = texts.concat().len() as f64;
    let expected = 4.0 * (1.0 / bytes).ln() + (2.0 / bytes).ln();
    assert!((sentences.spans[1].log_probability - expected).abs() < 1e-9);
    // Spans that overlap are one passage.
    let passages = of(Cut::Words, 9).passages;
    assert_eq!(passages.iter().map(|p| p.spans.clone()).collect::<Vec<_>>(), [0..1, 1..3]);
}

#[test]
fn a_span_leads_to_the_source_through_an_edit() {
    let rows = "{\"id\":\"a\",\"text\":\"mail me@x.org or come to the old mill by the river\"}\n";
    let dir = project(&[("in.jsonl", rows.as_bytes())]);
    let more = "tag = [{ tagger = \"pii@dolma\", name = \"pii\" }]\nedit = [{ spans = \"pii.EMAIL_ADDRESS\", replace = \" |||MAIL||| \" }]";
    let artifact = stage(dir.path(), &plain("in.jsonl", more)).unwrap();
    made(dir.path(), &artifact, shards_of(1000)).unwrap();
    let text = "We met at the old mill by the river. MAIL";
    let found = attributed(dir.path(), &artifact, text, &everything(Cut::Words, 10));
    let document = &found.spans[0].documents[0];
    assert_eq!(found.spans[0].text, "the old mill by the river");
    assert_eq!(document.source_start, rows.find("the old").map(|at| at as u32 - 18));
    assert_ne!(Some(document.start), document.source_start);
    assert_eq!((document.id.as_str(), document.place.as_str()), ("a", "`in.jsonl`, line 1"));
    let put_in = attributed(dir.path(), &artifact, "MAIL", &everything(Cut::Words, 1));
    assert_eq!(put_in.spans[0].documents[0].source_start, None);
}

fn many() -> Vec<String> {
    (0..40).map(|i| format!("document {i} of words {} and more", "x y ".repeat(i % 7))).collect()
}

#[test]
fn an_index_is_made_once_for_its_corpus_and_goes_on_after_a_stop() {
    let (dir, artifact) = corpus(&many());
    let store = Store::open(dir.path()).unwrap();
    assert!(find(&store, &artifact).unwrap().is_none());
    // What is left of an index that was being removed is in nobody's way.
    let rest = store.dir().join("artifacts/verbatim/0123");
    std::fs::create_dir_all(&rest).unwrap();
    std::fs::write(rest.join("shard-00000.sa"), "").unwrap();
    assert!(find(&store, &artifact).unwrap().is_none());
    let cancel = Cancel::new();
    cancel.ask();
    let limits = shards_of(300);
    let stopped = make(&store, &artifact, limits, "test", &Progress::default(), &cancel);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let payload = |threads: usize| {
        let (dir, artifact) = corpus(&many());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let made = pool.install(|| made(dir.path(), &artifact, limits).unwrap());
        let first = fs::read(&made.artifact.file("shard-00000.sa")).unwrap();
        (made.artifact.manifest.payload, made.made, first)
    };
    let (whole, shards, first) = payload(1);
    assert!(shards > 3 && payload(4).0 == whole);
    // One part that is whole, one that is not.
    let work = fs::list(&dir.path().join(".regimen/work")).unwrap().into_iter().find(|p| p.is_dir()).unwrap();
    fs::write(&work.join("shard-00000.sa"), &first).unwrap();
    fs::write(&work.join("shard-00001.sa"), &first[..200]).unwrap();
    let progress = Progress::default();
    let made = make(&store, &artifact, limits, "test", &progress, &Cancel::new()).unwrap();
    assert_eq!((made.existed, made.made, made.artifact.manifest.payload), (false, shards - 1, whole));
    assert_eq!(progress.done.into_inner(), Corpus::open(&artifact).unwrap().text_bytes());
    // Another memory makes no second one.
    let again =
        make(&store, &artifact, shards_of(1 << 20), "test", &Progress::default(), &Cancel::new()).unwrap();
    assert!(again.existed && again.artifact.key() == made.artifact.key());
    assert_eq!(store.verify(&mut |_, _| {}).unwrap(), []);
    assert_eq!(store.resolve("corpus").unwrap().manifest.kind, "corpus", "the stage's name means the corpus");
}

#[test]
fn a_document_that_is_too_long_for_the_memory_is_named_with_sizes() {
    let (dir, artifact) = corpus(&["short".to_string(), "long ".repeat(100)]);
    let error = made(dir.path(), &artifact, shards_of(400)).unwrap_err();
    assert!(
        error.to_string().contains("`s:d1` with 500 B") && error.hint().unwrap().contains("--memory"),
        "{error}"
    );
    assert!(made(dir.path(), &artifact, shards_of(501)).is_ok());
    assert!(!dir.path().join(".regimen/artifacts/verbatim").join("x").exists());
}

#[test]
fn an_index_of_another_corpus_or_a_damaged_one_is_refused() {
    let (dir, artifact) = corpus(&many());
    let index = made(dir.path(), &artifact, shards_of(100_000)).unwrap().artifact;
    std::fs::write(dir.path().join("in.jsonl"), rows(&many()[1..])).unwrap();
    let other = stage(dir.path(), &plain("in.jsonl", "dedup = \"none\"")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(find(&store, &other).unwrap().is_none(), "the index is of another corpus");
    let (corpus, others) = (Corpus::open(&artifact).unwrap(), Corpus::open(&other).unwrap());
    let fault = |fault: Option<Error>| {
        let Some(error @ Error::Index { .. }) = fault else { panic!("{fault:?}") };
        let hint = error.hint().unwrap();
        assert!(
            hint.contains(&index.path.display().to_string()) && hint.contains("regimen corpus index"),
            "{hint}"
        );
        error.to_string()
    };
    assert!(fault(Index::open(&index.path, &others, &other).err()).contains("another corpus"));
    let path = index.file("shard-00000.sa");
    let whole = fs::read(&path).unwrap();
    let with = |name: &str, bytes: &[u8]| {
        fs::write(&index.file(name), bytes).unwrap();
        fault(Index::open(&index.path, &corpus, &artifact).err())
    };
    assert!(with("shard-00000.sa", &whole[..whole.len() - 9]).contains("shard-00000.sa"));
    let found = Index::of(&store, &corpus, &artifact).err();
    assert!(fault(found).contains("shard-00000.sa"), "its length is in the manifest too");
    // Changed bytes are seen when they are read.
    let mut changed = whole.clone();
    changed[700] ^= 1;
    fs::write(&path, &changed).unwrap();
    let opened = Index::of(&store, &corpus, &artifact).unwrap().unwrap();
    let error = attribute(&opened, "document 3 of words", &everything(Cut::Words, 5)).unwrap_err();
    assert!(error.to_string().contains("shard-00000.sa") && error.hint().is_some(), "{error}");
    fs::write(&path, &whole).unwrap();
    assert!(with("index.json", b"{}").contains("index.json"));
    let about = |version: u32| {
        let payload = artifact.manifest.payload;
        serde_json::json!({"version": version, "shard_bytes": 5, "payload": payload}).to_string().into_bytes()
    };
    assert!(with("index.json", &about(99)).contains("version 99"));
    assert!(with("index.json", &about(1)).contains("smaller than a document"));
    fs::write(&index.file("manifest.json"), b"{").unwrap();
    assert!(fault(Index::of(&store, &corpus, &artifact).err()).contains("manifest.json"));
}
