//! Both stages as a recipe runs them, on corpora of a few documents.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;

use regimen_base::{Failure, Philox};
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, StageKind};
use regimen_tokens::{Error, Split, TokenSet, Tokenizer};

fn kind(name: &str) -> &'static StageKind {
    const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES]);
    ALL.get(name).unwrap()
}

const WORDS: [&str; 14] = [
    "weather",
    "others",
    "there",
    "don't",
    "we're",
    "über",
    "naïve",
    "42",
    "日本語",
    "-",
    "crab 🦀",
    "\n\n",
    "...",
    "moreover",
];

fn prose(seed: u64, words: u64) -> String {
    let mut stream = Philox::new(seed, &["prose"]);
    (0..words).map(|_| format!("{} ", WORDS[stream.below(WORDS.len() as u64) as usize])).collect()
}

/// Forty documents in two sources; the third is longer than all others together. `change` may rewrite a text.
fn corpus(root: &Path, change: impl Fn(usize, String) -> String) -> Artifact {
    let mut files = [String::new(), String::new()];
    for i in 0..40 {
        let text = change(i, prose(i as u64, if i == 2 { 4000 } else { 20 + i as u64 }));
        let row = serde_json::json!({"id": format!("d{i}"), "text": text});
        writeln!(files[i % 2], "{row}").unwrap();
    }
    std::fs::write(root.join("even.jsonl"), &files[0]).unwrap();
    std::fs::write(root.join("odd.jsonl"), &files[1]).unwrap();
    let config = "sources = [{ name = \"even\", path = \"even.jsonl\" }, { name = \"odd\", path = \"odd.jsonl\" }]\n\
                  validation = 0.3\nfilter = { quality = \"none\" }";
    run_stage(kind("corpus"), config, root, &[], 0).unwrap()
}

fn tokenizer(root: &Path, corpus: &Artifact, config: &str) -> Result<Artifact, Failure> {
    run_stage(kind("tokenizer"), config, root, &[("corpus", corpus)], 0)
}

fn tokens(root: &Path, corpus: &Artifact, tokenizer: &Artifact, shard: u64) -> Artifact {
    let config = format!("shard_tokens = {shard}");
    run_stage(kind("tokens"), &config, root, &[("corpus", corpus), ("tokenizer", tokenizer)], 0).unwrap()
}

#[test]
fn every_slot_knows_its_bytes_in_the_corpus() {
    let dir = tempfile::tempdir().unwrap();
    let made = corpus(dir.path(), |_, text| text);
    let documents = Corpus::open(&made).unwrap();
    for config in ["vocab = 300", "type = \"char\"", "type = \"byte\""] {
        let learned = tokenizer(dir.path(), &made, config).unwrap();
        let codec = Tokenizer::open(&learned.path).unwrap();
        assert_eq!(learned.manifest.summary["vocab"], codec.vocab_size());
        let packed = tokens(dir.path(), &made, &learned, 777);
        let set = TokenSet::open(&packed.path).unwrap();
        assert_eq!((set.vocab(), set.end_id()), (codec.vocab_size(), 0));
        for split in Split::ALL {
            let stream = set.split(split);
            let held: Vec<u32> = stream.documents().map(|d| d.ordinal).collect();
            assert_eq!(held, documents.split(split).collect::<Vec<_>>());
            assert!(held.len() > 3 && stream.len() > 777, "{split:?} is spread over shards");
            for document in stream.documents() {
                let text = documents.text(document.ordinal).unwrap().unwrap();
                let ids = stream.tokens(document.slots.clone()).unwrap();
                let (end, body) = ids.split_last().unwrap();
                assert_eq!((*end, body), (0, &*codec.encode(text).unwrap()));
                let addresses = stream.addresses(document.slots).unwrap();
                for (id, address) in ids.iter().zip(&addresses) {
                    assert_eq!(address.ordinal, document.ordinal);
                    let bytes = address.byte_start as usize..address.byte_end as usize;
                    assert_eq!(&text.as_bytes()[bytes], codec.token_bytes(*id));
                }
                assert_eq!(addresses.last().unwrap().byte_start as usize, text.len());
            }
        }
        let summary = &packed.manifest.summary;
        assert_eq!(summary["train_tokens"], set.train().len());
        assert_eq!(summary["validation_tokens"], set.validation().len());
        let bytes: u64 = documents.kept().map(|o| documents.text(o).unwrap().unwrap().len() as u64).sum();
        assert_eq!(
            summary["train_bytes"].as_u64().unwrap() + summary["validation_bytes"].as_u64().unwrap(),
            bytes
        );
    }
}

#[test]
fn the_same_documents_give_the_same_payload_anywhere() {
    let payloads = || {
        let dir = tempfile::tempdir().unwrap();
        let made = corpus(dir.path(), |_, text| text);
        let learned = tokenizer(dir.path(), &made, "vocab = 300").unwrap();
        let packed = tokens(dir.path(), &made, &learned, 1000);
        (learned.manifest.payload, packed.manifest.payload)
    };
    assert_eq!(payloads(), payloads());
}

#[test]
fn validation_documents_teach_the_tokenizer_nothing() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = corpus(one.path(), |_, text| text);
    let documents = Corpus::open(&first).unwrap();
    let held_out: Vec<String> =
        documents.split(Split::Validation).map(|o| documents.id(o).to_string()).collect();
    let second = corpus(two.path(), |i, text| {
        if held_out.contains(&format!("d{i}")) { format!("zzz {i} ").repeat(50) } else { text }
    });
    assert_ne!(first.manifest.payload, second.manifest.payload);
    for config in ["vocab = 300", "type = \"char\""] {
        let a = tokenizer(one.path(), &first, config).unwrap();
        let b = tokenizer(two.path(), &second, config).unwrap();
        assert_eq!(a.manifest.payload, b.manifest.payload);
    }
}

#[test]
fn sources_restrict_what_is_learned_from() {
    let dir = tempfile::tempdir().unwrap();
    let made = corpus(dir.path(), |i, text| if i % 2 == 1 { format!("ξ {text}") } else { text });
    let size =
        |config: &str| tokenizer(dir.path(), &made, config).unwrap().manifest.summary["vocab"].as_u64();
    let all = size("type = \"char\"");
    assert_eq!(size("type = \"char\"\nsources = [\"even\"]").map(|n| n + 1), all);
    let error = tokenizer(dir.path(), &made, "sources = [\"eevn\"]").unwrap_err();
    assert_eq!(error.to_string(), "`sources` names `eevn`, which the corpus does not have");
    assert_eq!(error.hint().as_deref(), Some("did you mean `even`?"));
}

#[test]
fn a_vocabulary_larger_than_the_text_allows_names_the_largest_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let made = corpus(dir.path(), |_, text| text);
    let error = tokenizer(dir.path(), &made, "vocab = 50000").unwrap_err();
    let Some(Error::VocabTooLarge { asked: 50000, possible }) = error.downcast_ref() else {
        panic!("{error:?}")
    };
    assert!(error.hint().unwrap().contains(&format!("set `vocab` to {possible} or less")));
    tokenizer(dir.path(), &made, &format!("vocab = {possible}")).unwrap();
    assert!(tokenizer(dir.path(), &made, &format!("vocab = {}", possible + 1)).is_err());

    let error = tokenizer(dir.path(), &made, "vocab = 256").unwrap_err();
    assert!(format!("{error:?}").contains("at least 257 tokens"), "{error:?}");
    tokenizer(dir.path(), &made, "vocab = 257").unwrap();
}

#[test]
fn what_a_stopped_execution_left_does_not_enter_the_artifact() {
    let dir = tempfile::tempdir().unwrap();
    let made = corpus(dir.path(), |_, text| text);
    let clean = tokenizer(dir.path(), &made, "vocab = 290").unwrap();
    // Take the artifact away and put its folder back as the work of a stopped execution, with a stray file in it.
    let work = dir.path().join(".regimen/work").join(clean.key().to_string());
    std::fs::rename(&clean.path, &work).unwrap();
    std::fs::write(work.join("tokenizer.json.tmp17"), "half").unwrap();
    std::fs::write(work.join("tokenizer.json"), "{").unwrap();
    let again = tokenizer(dir.path(), &made, "vocab = 290").unwrap();
    assert_eq!(again.manifest.payload, clean.manifest.payload);
    assert_eq!(again.manifest.files, clean.manifest.files);
}

#[test]
fn a_corpus_without_training_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "some words here").unwrap();
    let config =
        "sources = [{ name = \"a\", path = \"a.txt\" }]\nvalidation = 1.0\nfilter = { quality = \"none\" }";
    let made = match run_stage(kind("corpus"), config, dir.path(), &[], 0) {
        Ok(made) => made,
        // The corpus stage may refuse it first.
        Err(error) => return assert!(error.hint().is_some()),
    };
    let error = tokenizer(dir.path(), &made, "type = \"byte\"").unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Error::NoText { .. })), "{error:?}");
}
