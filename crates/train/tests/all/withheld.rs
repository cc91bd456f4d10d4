//! Training without a document: nothing of it enters, and nothing else moves.

use crate::support::{config, losses, train, weights, world};
use regimen_corpus::{Corpus, Split};
use regimen_tokens::{Packing, Schedule, TokenSet};

const STEPS: u64 = 10;
const CONTEXT: usize = 24;

/// For each training document, the first step (from 1) that sees it, if one does.
fn first_steps(tokens: &regimen_ledger::Artifact, steps: u64) -> Vec<(u32, Option<u64>)> {
    let set = TokenSet::open(&tokens.path).unwrap();
    let packing = Packing::new(set.train().len(), CONTEXT);
    let schedule = Schedule::new(5, packing.n, 4);
    set.train()
        .documents()
        .map(|document| {
            let seen = packing
                .instances_of(document.slots)
                .filter_map(|instance| schedule.steps_of(instance, steps).first().map(|s| s + 1))
                .min();
            (document.ordinal, seen)
        })
        .collect()
}

fn withheld(corpus: &Corpus, ordinal: u32) -> String {
    format!("withheld = [\"{}\"]", corpus.row(ordinal).key)
}

#[test]
fn a_document_that_no_step_saw_changes_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), 80, |_, text| text);
    let corpus = Corpus::open(&world.corpus).unwrap();
    let (unseen, _) = first_steps(&world.tokens, STEPS).into_iter().find(|(_, s)| s.is_none()).unwrap();
    let full = train(dir.path(), &world.tokens, &config(STEPS, "")).unwrap();
    let without = train(dir.path(), &world.tokens, &config(STEPS, &withheld(&corpus, unseen))).unwrap();
    assert_ne!(full.key(), without.key(), "what is withheld is part of the key");
    assert_eq!(weights(&full), weights(&without));
}

#[test]
fn a_run_differs_only_from_the_first_step_that_would_have_seen_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), 80, |_, text| text);
    let corpus = Corpus::open(&world.corpus).unwrap();
    let seen = first_steps(&world.tokens, STEPS);
    let (late, first) = seen.into_iter().filter_map(|(o, s)| Some((o, s?))).max_by_key(|(_, s)| *s).unwrap();
    assert!(first > 1);
    let full = train(dir.path(), &world.tokens, &config(STEPS, "")).unwrap();
    let without = train(dir.path(), &world.tokens, &config(STEPS, &withheld(&corpus, late))).unwrap();
    let (a, b) = (losses(dir.path(), &full), losses(dir.path(), &without));
    let equal = (first - 1) as usize;
    assert_eq!(a[..equal], b[..equal]);
    assert_ne!(a[equal], b[equal]);
    assert_ne!(weights(&full), weights(&without));
}

#[test]
fn a_withheld_run_does_not_depend_on_a_letter_of_the_document() {
    // Two corpora that differ in one document's letters, not in its length: byte tokens keep their slots.
    let swap = |text: String| text.chars().map(|c| if c == 'e' { 'x' } else { c }).collect::<String>();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = world(one.path(), 40, |_, text| text);
    let corpus = Corpus::open(&first.corpus).unwrap();
    let (target, _) = first_steps(&first.tokens, STEPS).into_iter().find(|(_, s)| s.is_some()).unwrap();
    let id: usize = corpus.id(target)[1..].parse().unwrap();
    let second = world(two.path(), 40, |i, text| if i == id { swap(text) } else { text });
    let settings = config(STEPS, &withheld(&corpus, target));
    let a = train(one.path(), &first.tokens, &settings).unwrap();
    let b = train(two.path(), &second.tokens, &settings).unwrap();
    assert_eq!(weights(&a), weights(&b));
    let a = train(one.path(), &first.tokens, &config(STEPS, "")).unwrap();
    let b = train(two.path(), &second.tokens, &config(STEPS, "")).unwrap();
    assert_ne!(weights(&a), weights(&b), "without withholding the letters do matter");
}

#[test]
fn what_cannot_be_withheld_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    // Document 9 is a copy of document 3.
    let world =
        world(dir.path(), 40, |i, text| if i == 9 { crate::support::prose(3, 12 + 21) } else { text });
    let corpus = Corpus::open(&world.corpus).unwrap();
    let copy = corpus.find("prose:d9").unwrap();
    let representative = corpus.row(copy).representative.expect("d9 is a copy");
    let fails = |more: &str| train(dir.path(), &world.tokens, &config(2, more)).unwrap_err();

    let failure = fails("withheld = [\"prose:d9\"]");
    assert!(failure.to_string().contains("dropped as a copy of `d3`"), "{failure}");
    let key = corpus.row(representative).key.to_string();
    assert!(failure.hint().unwrap().contains(&key));

    let held_out = corpus.split(Split::Validation).next().unwrap();
    let failure = fails(&format!("withheld = [\"prose:{}\"]", corpus.id(held_out)));
    assert!(failure.to_string().contains("validation document"), "{failure}");

    let failure = fails("withheld = [\"prose:nobody\"]");
    assert!(failure.to_string().contains("nobody") && failure.hint().is_some(), "{failure}");

    let split = corpus.row(representative).split;
    let with =
        train(dir.path(), &world.tokens, &config(2, "withheld = [\"prose:d9\"]\nwith_duplicates = true"));
    assert_eq!(with.is_ok(), split == Split::Train);
}
