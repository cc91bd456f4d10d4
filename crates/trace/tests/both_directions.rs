//! Tracing from documents to steps and from steps to documents, against what training really fed to the model.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;
use regimen_base::{Cancel, Hash256, Philox};
use regimen_corpus::verbatim::{self, Index, Limits, Progress};
use regimen_corpus::{Corpus, Split};
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, StageKind};
use regimen_tokens::{Block, TokenSet, Tokenizer};
use regimen_trace::{RunView, View, document, step, text};
use regimen_train::saved::Training;

fn kind(name: &str) -> &'static StageKind {
    const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES, regimen_train::STAGES]);
    ALL.get(name).unwrap()
}

const WORDS: [&str; 8] = ["alpha", "beta", "über", "日本", "gamma", "crab 🦀", "\n", "delta"];

/// A corpus of thirty documents with two copies, a tokenizer of the given type, tokens in shards of 300.
fn made(root: &Path, tokenizer: &str) -> [Artifact; 3] {
    let mut rows = String::new();
    for i in 0..30u64 {
        let of = if i == 7 || i == 21 { 2 } else { i };
        let mut stream = Philox::new(of, &["text"]);
        let words = 3 + stream.below(if of == 4 { 900 } else { 60 });
        let text: String = (0..words).map(|_| format!("{} ", WORDS[stream.below(8) as usize])).collect();
        let author = ["human", "machine"][i as usize % 2];
        let licence = ["CC0-1.0", "MIT"][i as usize / 3 % 2];
        let row = serde_json::json!({"id": format!("d{i}"), "text": text,
            "metadata": {"author_kind": author, "license": licence}});
        writeln!(rows, "{row}").unwrap();
    }
    std::fs::write(root.join("docs.jsonl"), rows).unwrap();
    let config = "sources = [{ name = \"s\", path = \"docs.jsonl\" }]\nvalidation = 0.2\nfilter = { quality = \"none\" }";
    let corpus = run_stage(kind("corpus"), config, root, &[], 0).unwrap();
    let codec = run_stage(kind("tokenizer"), tokenizer, root, &[("corpus", &corpus)], 0).unwrap();
    let inputs = [("corpus", &corpus), ("tokenizer", &codec)];
    let tokens = run_stage(kind("tokens"), "shard_tokens = 300", root, &inputs, 0).unwrap();
    [corpus, codec, tokens]
}

fn view(
    made: &[Artifact; 3],
    context: usize,
    seed: u64,
    batch: usize,
    steps: u64,
    withheld: Vec<u32>,
) -> View {
    let training = Training {
        tokens: made[2].key(),
        seed,
        steps,
        updates: steps,
        optimizer: Default::default(),
        batch,
        tokens_seen: 0,
        withheld,
        skipped: Vec::new(),
        weights: Hash256([0; 32]),
    };
    let tokens = TokenSet::open(&made[2].path).unwrap();
    View {
        corpus: Corpus::open(&made[0]).unwrap(),
        tokens: Some(TokenSet::open(&made[2].path).unwrap()),
        runs: vec![RunView::new("run", "key", tokens, context, training)],
    }
}

/// Checks one run: what `document` says of every document is what the batches hold, and what `step` says of every
/// step is what they decode to.
fn check(view: &View, codec: &Tokenizer) {
    let run = &view.runs[0];
    let stream = run.tokens.train();
    // (document, step) -> trained slots, counted in the batches themselves.
    let mut fed: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    let mut block = Block::default();
    for number in 1..=run.steps {
        let instances = run.schedule.instances(number - 1);
        stream.block(&instances, run.packing.context, &run.withheld, &mut block).unwrap();
        for (row, instance) in instances.iter().enumerate() {
            let slots = run.packing.slots_of(*instance);
            for (i, slot) in slots.enumerate() {
                if block.weights[row * block.time + i] > 0.0 {
                    let (fragment, _) = stream.fragment_of(slot);
                    *fed.entry((fragment.ordinal, number)).or_default() += 1;
                }
            }
        }
        // The step's pieces, decoded, are the kept text between their bytes.
        let trace = step(view, number).unwrap();
        assert_eq!(trace.tokens, block.count as u64);
        assert_eq!(trace.licences.values().sum::<u64>(), trace.tokens);
        for piece in &trace.pieces {
            let bytes = &view.corpus.bytes(piece.ordinal)[piece.byte_start as usize..piece.byte_end as usize];
            if piece.withheld {
                assert!(piece.text.is_empty());
            } else {
                assert_eq!(piece.text, String::from_utf8_lossy(bytes));
            }
        }
        // The targets of the batch, row by row, spell the same bytes.
        for row in 0..instances.len() {
            let spelled: Vec<u8> = (0..block.time)
                .map(|i| row * block.time + i)
                .filter(|&at| block.weights[at] > 0.0 && block.targets[at] != codec.end_id())
                .flat_map(|at| codec.token_bytes(block.targets[at]).to_vec())
                .collect();
            let traced: Vec<u8> = trace
                .pieces
                .iter()
                .filter(|p| p.row == row && !p.withheld)
                .flat_map(|p| {
                    view.corpus.bytes(p.ordinal)[p.byte_start as usize..p.byte_end as usize].to_vec()
                })
                .collect();
            assert_eq!(spelled, traced);
        }
    }
    let mut traced: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for ordinal in view.corpus.split(Split::Train) {
        let found = document(view, ordinal).unwrap();
        assert_eq!(found.runs[0].withheld, run.withheld.contains(ordinal));
        for seen in &found.runs[0].seen {
            *traced.entry((ordinal, seen.step)).or_default() += seen.tokens;
        }
    }
    assert_eq!(fed, traced);
}

#[test]
fn both_directions_agree_with_what_was_fed() {
    for tokenizer in ["type = \"byte\"", "type = \"char\"", "vocab = 280"] {
        let dir = tempfile::tempdir().unwrap();
        let made = made(dir.path(), tokenizer);
        let codec = Tokenizer::open(&made[1].path).unwrap();
        let trained: Vec<u32> = Corpus::open(&made[0]).unwrap().split(Split::Train).collect();
        let cases = (1usize..90, any::<u64>(), 1usize..9, 1u64..20, prop::sample::subsequence(trained, 0..4));
        let mut runner = prop::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
        runner
            .run(&cases, |(context, seed, batch, steps, withheld)| {
                check(&view(&made, context, seed, batch, steps, withheld), &codec);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn over_whole_epochs_every_byte_is_seen_equally_often() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "vocab = 280");
    let view = view(&made, 40, 3, 1, 0, Vec::new());
    let n = view.runs[0].packing.n;
    let view = self::view(&made, 40, 3, 1, 2 * n, Vec::new());
    for ordinal in view.corpus.split(Split::Train) {
        let found = document(&view, ordinal).unwrap();
        let seen: u64 = found.runs[0].seen.iter().map(|s| s.tokens).sum();
        assert_eq!(
            Some(seen),
            found.slots.map(|slots| 2 * slots),
            "two epochs see every token of document {ordinal} twice"
        );
    }
}

#[test]
fn a_dropped_copy_points_to_the_document_that_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "type = \"byte\"");
    let view = view(&made, 40, 3, 4, 60, Vec::new());
    let copy = view.corpus.find("s:d7").unwrap();
    let kept = view.corpus.find("s:d2").unwrap();
    let (of_copy, of_kept) = (document(&view, copy).unwrap(), document(&view, kept).unwrap());
    assert_eq!(of_copy.representative.as_deref(), Some("s:d2"));
    assert!(of_copy.dropped.is_some() && of_copy.split.is_none());
    assert_eq!(of_copy.runs[0].seen, of_kept.runs[0].seen);
    assert_eq!(of_kept.copies, ["s:d7", "s:d21"]);
}

#[test]
fn a_text_is_found_in_its_documents_and_their_steps() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "vocab = 280");
    let view = view(&made, 40, 3, 4, 200, Vec::new());
    let ordinal = view.corpus.split(Split::Train).max_by_key(|&o| view.corpus.row(o).bytes).unwrap();
    let whole = view.corpus.text(ordinal).unwrap().unwrap();
    let start = whole.char_indices().nth(500).unwrap().0;
    let end = whole.char_indices().nth(560).unwrap().0;
    let wanted = format!("zzz{}zzz", &whole[start..end]);
    let found = text(&view, None, &wanted, 8, 5).unwrap();
    let first = &found.matches[0];
    assert_eq!((first.byte_start, first.byte_end), (start, end));
    assert_eq!(first.text, whole[start..end]);
    assert!(!first.whole && !first.runs[0].seen.is_empty());
    assert!(found.matches.windows(2).all(|m| m[0].text.len() >= m[1].text.len()));
    // Every step it names really holds some of those bytes, and no other step does.
    let named: Vec<u64> = first.runs[0].seen.iter().map(|s| s.step).collect();
    for number in 1..=200 {
        let holds =
            step(&view, number).unwrap().pieces.iter().any(|p| {
                p.ordinal == ordinal && (p.byte_start as usize) < end && p.byte_end as usize > start
            });
        assert_eq!(holds, named.contains(&number), "step {number}");
    }
    assert!(text(&view, None, "abc", 8, 5).is_err());
}

#[test]
fn with_an_index_a_text_is_found_as_by_a_scan() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "type = \"byte\"");
    let view = view(&made, 40, 3, 4, 200, Vec::new());
    let store = regimen_ledger::Store::open(dir.path()).unwrap();
    // Several parts: one holds 20 kB of text.
    let limits = Limits { memory: (16 << 20) + 5 * 20_000, at_once: 1 };
    verbatim::make(&store, &made[0], limits, "test", &Progress::default(), &Cancel::new()).unwrap();
    let index = Index::of(&store, &view.corpus, &made[0]).unwrap().unwrap();
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..9);
    let both = (words, 1usize..40, 0usize..12);
    let mut runner = prop::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    runner
        .run(&both, |(words, least, most)| {
            let wanted = words.join(" ");
            let least = least.min(wanted.len());
            let found = |index: Option<&Index>| {
                let mut json =
                    serde_json::to_value(text(&view, index, &wanted, least, most).unwrap()).unwrap();
                assert_eq!(json["indexed"].take(), index.is_some());
                json
            };
            prop_assert_eq!(found(Some(&index)), found(None));
            Ok(())
        })
        .unwrap();
}

#[test]
fn chains_of_runs_and_unfinished_runs_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "type = \"byte\"");
    let config = |steps: u64| {
        format!(
            "steps = {steps}\nbatch = 2\nmodel = {{ layers = 1, width = 8, heads = 2, context = 16 }}\n\
             schedule = {{ warmup = 0, shape = \"constant\" }}\nvalidation = {{ every = 0, documents = 1 }}"
        )
    };
    let train = |steps, inputs: &[(&str, &Artifact)]| {
        let mut all = vec![("tokens", &made[2])];
        all.extend_from_slice(inputs);
        run_stage(kind("pretrain"), &config(steps), dir.path(), &all, 5).unwrap()
    };
    let a = train(3, &[]);
    let b = train(4, &[("init", &a)]);
    let c = train(6, &[("extend", &b)]);
    let steps =
        |model: &Artifact| -> Vec<u64> { View::open(model).unwrap().runs.iter().map(|r| r.steps).collect() };
    assert_eq!(steps(&a), [3]);
    assert_eq!(steps(&b), [4, 3], "the model it started from has seen documents too");
    assert_eq!(steps(&c), [6, 3], "the steps of an extended run are its own");

    // A run that stops by itself after its third step leaves no artifact, but a trace.
    let failing = "steps = 40\nbatch = 2\nmodel = { layers = 1, width = 8, heads = 2, context = 16 }\nclip = 0.0\n\
                   schedule = { warmup = 0 }\noptimizer = { lr = 1e30 }\nguard = { patience = 2 }\nvalidation = { every = 0 }";
    run_stage(kind("pretrain"), failing, dir.path(), &[("tokens", &made[2])], 5).unwrap_err();
    let store = regimen_ledger::Store::open(dir.path()).unwrap();
    let info = store.runs().unwrap().into_iter().find(|r| r.status != regimen_ledger::Status::Done).unwrap();
    let view = View::open_run(&store, &info).unwrap();
    let last = view.runs[0].steps;
    assert!(last > 2 && last < 40);
    assert!(step(&view, last).unwrap().skipped && !step(&view, 1).unwrap().skipped);
    assert!(step(&view, last + 1).is_err());
}
