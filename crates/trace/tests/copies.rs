//! Documents that are taken more than once: every copy is traced to its steps and back, and what the steps decode to is the
//! kept text as often as it was taken.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use regimen_base::{Hash256, Philox};
use regimen_corpus::{Corpus, Split};
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, StageKind};
use regimen_tokens::{Block, TokenSet, Tokenizer};
use regimen_trace::{RunView, View, document, step};
use regimen_train::saved::Training;

fn kind(name: &str) -> &'static StageKind {
    const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES, regimen_train::STAGES]);
    ALL.get(name).unwrap()
}

/// Three sources, of which the first is wanted more often than it is there, and the last is left out in part.
fn made(root: &Path, mix: &str, tokens: &str) -> [Artifact; 3] {
    for (source, count) in [("small", 6u64), ("middle", 12), ("large", 40)] {
        let row = |i: u64| {
            let mut stream = Philox::new(i, &["text", source]);
            let words = ["alpha ", "über ", "日本 ", "crab 🦀 ", "\n", "delta "];
            let text: String =
                (0..2 + stream.below(60)).map(|_| words[stream.below(6) as usize]).collect::<String>()
                    + &i.to_string();
            format!("{}\n", serde_json::json!({"id": format!("{source}{i}"), "text": text}))
        };
        std::fs::write(root.join(format!("{source}.jsonl")), (0..count).map(row).collect::<String>())
            .unwrap();
    }
    let config = format!(
        "sources = [{{ name = \"small\", path = \"small.jsonl\", weight = 5 }}, {{ name = \"middle\", path = \"middle.jsonl\", \
         weight = 2.5 }}, {{ name = \"large\", path = \"large.jsonl\" }}]\nvalidation = 0.15\nfilter = {{ quality = \"none\" }}\n{mix}"
    );
    let corpus = run_stage(kind("corpus"), &config, root, &[], 0).unwrap();
    let codec = run_stage(kind("tokenizer"), "vocab = 280", root, &[("corpus", &corpus)], 0).unwrap();
    let inputs = [("corpus", &corpus), ("tokenizer", &codec)];
    let tokens = run_stage(kind("tokens"), tokens, root, &inputs, 0).unwrap();
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

/// Over one epoch: what the steps trained on, copy by copy, is the kept text as often as it was taken.
fn every_copy_is_spelled(view: &View, codec: &Tokenizer, taken: &dyn Fn(u32) -> usize) {
    let run = &view.runs[0];
    let stream = run.tokens.train();
    let mut spelled: BTreeMap<(u32, u16), BTreeMap<u64, Vec<u8>>> = BTreeMap::new();
    let mut block = Block::default();
    for number in 1..=run.steps {
        let instances = run.schedule.instances(number - 1);
        stream.block(&instances, run.packing.context, &run.withheld, &mut block).unwrap();
        for (row, instance) in instances.iter().enumerate() {
            for (i, slot) in run.packing.slots_of(*instance).enumerate() {
                let at = row * block.time + i;
                if block.weights[at] > 0.0 {
                    let fragment = stream.fragment_of(slot).0;
                    let bytes = match block.targets[at] {
                        end if end == codec.end_id() => Vec::new(),
                        token => codec.token_bytes(token).to_vec(),
                    };
                    let copy = spelled.entry((fragment.ordinal, fragment.copy)).or_default();
                    assert!(copy.insert(slot, bytes).is_none(), "slot {slot} came twice in an epoch");
                }
            }
        }
    }
    for ordinal in view.corpus.split(Split::Train) {
        let text = view.corpus.bytes(ordinal);
        let copies: Vec<_> = spelled.range((ordinal, 0)..=(ordinal, u16::MAX)).collect();
        let expected = if run.withheld.contains(ordinal) { 0 } else { taken(ordinal) };
        assert_eq!(copies.len(), expected, "copies of {}", view.corpus.id(ordinal));
        for (number, ((_, copy), slots)) in copies.into_iter().enumerate() {
            assert_eq!(usize::from(*copy), number);
            assert_eq!(slots.values().flatten().copied().collect::<Vec<u8>>(), text);
        }
    }
}

/// What `document` says of every document is what `step` says of every step, copy by copy.
fn both_directions_agree(view: &View) {
    let run = &view.runs[0];
    let (mut by_step, mut by_document) = (BTreeMap::new(), BTreeMap::new());
    for number in 1..=run.steps {
        let trace = step(view, number).unwrap();
        for piece in trace.pieces.iter().filter(|piece| !piece.withheld) {
            assert_eq!(
                piece.text.as_bytes(),
                String::from_utf8_lossy(
                    &view.corpus.bytes(piece.ordinal)[piece.byte_start as usize..piece.byte_end as usize],
                )
                .as_bytes()
            );
            *by_step.entry((piece.ordinal, piece.copy, number, piece.row)).or_insert(0) += piece.tokens;
        }
    }
    for ordinal in view.corpus.split(Split::Train) {
        let found = document(view, ordinal).unwrap();
        for seen in &found.runs[0].seen {
            *by_document.entry((ordinal, seen.copy, seen.step, seen.row)).or_insert(0) += seen.tokens;
        }
    }
    assert_eq!(by_step, by_document);
}

#[test]
fn every_copy_is_traced_both_ways_and_spells_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "mix = { max_copies = 4 }", "shard_tokens = 300");
    let codec = Tokenizer::open(&made[1].path).unwrap();
    let corpus = Corpus::open(&made[0]).unwrap();
    let copies = |ordinal: u32| usize::from(corpus.row(ordinal).copies);
    let of = |source: &str| -> Vec<usize> {
        let own = |&o: &u32| corpus.source_name(corpus.row(o).source) == source;
        corpus.split(Split::Train).filter(own).map(copies).collect()
    };
    // Weights 5, 2.5, 1 and at most four times: four times, twice, and four fifths of the last.
    assert!(of("small").iter().all(|&copies| copies == 4), "{:?}", of("small"));
    assert!(of("middle").iter().all(|&copies| copies == 2), "{:?}", of("middle"));
    assert!(of("large").iter().all(|&copies| copies == 1) && of("large").len() < 38);
    assert!(corpus.split(Split::Validation).all(|ordinal| corpus.row(ordinal).copies == 1));
    let repeated: usize = corpus.split(Split::Train).map(|ordinal| copies(ordinal) - 1).sum();
    assert_eq!(made[0].manifest.summary["repeated"]["documents"], repeated);
    let stored: u64 = corpus.kept().map(|ordinal| corpus.bytes(ordinal).len() as u64).sum();
    assert_eq!(
        std::fs::metadata(made[0].path.join("text.bin")).unwrap().len(),
        stored,
        "each text is there once"
    );

    let trained: Vec<u32> = corpus.split(Split::Train).collect();
    let cases = (1usize..90, any::<u64>(), 1usize..9, prop::sample::subsequence(trained, 0..4));
    let mut runner = prop::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
    runner
        .run(&cases, |(context, seed, batch, withheld)| {
            let n = view(&made, context, seed, batch, 0, Vec::new()).runs[0].packing.n;
            // One row a step: the steps of an epoch are as many as there are instances.
            every_copy_is_spelled(&view(&made, context, seed, 1, n, withheld.clone()), &codec, &copies);
            both_directions_agree(&view(&made, context, seed, batch, 13, withheld));
            Ok(())
        })
        .unwrap();
    let first =
        document(&view(&made, 40, 1, 4, 30, Vec::new()), corpus.find("small:small1").unwrap()).unwrap();
    assert_eq!(first.times, 4);
    let numbers: std::collections::BTreeSet<u16> = first.runs[0].seen.iter().map(|seen| seen.copy).collect();
    assert!(numbers.len() > 1, "{numbers:?}");
}

#[test]
fn a_budget_in_tokens_is_met_and_traced() {
    let dir = tempfile::tempdir().unwrap();
    let whole = made(dir.path(), "mix = { max_copies = 4 }", "shard_tokens = 300");
    let all = whole[2].manifest.summary["train_tokens"].as_u64().unwrap();
    let budget = all / 3;
    let made = made(
        dir.path(),
        "mix = { max_copies = 4 }",
        &format!("shard_tokens = 300\nbudget_tokens = {budget}"),
    );
    let summary = &made[2].manifest.summary;
    let tokens = summary["train_tokens"].as_u64().unwrap();
    assert!((budget..budget + 150).contains(&tokens), "{tokens} of {budget}");
    let corpus = Corpus::open(&made[0]).unwrap();
    let codec = Tokenizer::open(&made[1].path).unwrap();
    let set = TokenSet::open(&made[2].path).unwrap();
    let taken = |ordinal: u32| set.train().copies_of(ordinal).count();
    let wanted: usize = corpus.split(Split::Train).map(|o| usize::from(corpus.row(o).copies)).sum();
    let have: usize = corpus.split(Split::Train).map(taken).sum();
    assert_eq!(summary["left_out"], wanted - have);
    assert!(corpus.split(Split::Train).all(|o| taken(o) <= usize::from(corpus.row(o).copies)));
    assert_eq!(set.validation().documents().count(), corpus.split(Split::Validation).count());
    let n = view(&made, 32, 5, 1, 0, Vec::new()).runs[0].packing.n;
    every_copy_is_spelled(&view(&made, 32, 5, 1, n, Vec::new()), &codec, &taken);
    both_directions_agree(&view(&made, 32, 5, 3, 20, Vec::new()));
    // A document that the budget left out has no steps, and says so.
    let gone = corpus.split(Split::Train).find(|&o| taken(o) == 0).unwrap();
    let trace = document(&view(&made, 32, 5, 3, 20, Vec::new()), gone).unwrap();
    assert_eq!((trace.slots, trace.times, trace.runs[0].seen.len()), (None, 0, 0));
}
