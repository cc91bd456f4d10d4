//! A stopped run goes on to the same bits.

use crate::support::{config, losses, train, train_until, weights, world};
use regimen_base::fs;
use std::path::{Path, PathBuf};

#[test]
fn stopping_at_any_step_changes_no_bit() {
    let whole = tempfile::tempdir().unwrap();
    let tokens = world(whole.path(), 40, |_, text| text).tokens;
    let settings = config(12, "checkpoint = { every = 5 }\nguard = { spike = 50.0 }");
    let reference = train(whole.path(), &tokens, &settings).unwrap();

    let stopped = tempfile::tempdir().unwrap();
    let tokens = world(stopped.path(), 40, |_, text| text).tokens;
    for step in [1, 2, 5, 6, 11] {
        assert!(train_until(stopped.path(), &tokens, &settings, step), "stops at step {step}");
    }
    let resumed = train(stopped.path(), &tokens, &settings).unwrap();
    assert_eq!(reference.manifest.payload, resumed.manifest.payload);
    assert!(resumed.manifest.bit_exact);
    let (a, b) = (losses(whole.path(), &reference), losses(stopped.path(), &resumed));
    assert_eq!(a, b, "every step stands once in the log, with the same loss");
    assert_eq!(a.len(), 12);
}

#[test]
fn threads_change_no_bit() {
    let mut payloads = Vec::new();
    for threads in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let model = regimen_kernels::with_threads(threads, || {
            let tokens = world(dir.path(), 30, |_, text| text).tokens;
            train(dir.path(), &tokens, &config(6, "micro_batch = 3")).unwrap()
        });
        payloads.push(model.manifest.payload);
    }
    assert_eq!(payloads[0], payloads[1]);
    assert_eq!(payloads[0], payloads[2]);
}

#[test]
fn as_many_checkpoints_are_kept_as_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let settings = config(20, "checkpoint = { every = 2, keep = 2 }");
    assert!(train_until(dir.path(), &tokens, &settings, 9));
    let work = fs::list(&dir.path().join(".regimen/work")).unwrap();
    let checkpoints =
        work.iter().find_map(|w| fs::list(&w.join(".checkpoints")).ok().filter(|l| !l.is_empty()));
    let names: Vec<String> =
        checkpoints.unwrap().iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["step-8", "step-9"]);
}

#[test]
fn the_best_weights_are_kept_outside_the_payload() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let plain = train(dir.path(), &tokens, &config(8, "")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let tokens = world(other.path(), 30, |_, text| text).tokens;
    let more = "checkpoint = { keep_best = true }";
    let settings = config(8, more).replace("every = 0", "every = 2");
    let best = train(other.path(), &tokens, &settings).unwrap();
    assert_eq!(plain.key(), best.key(), "neither interval nor retention is part of the key");
    assert_eq!(plain.manifest.payload, best.manifest.payload);
    let entry = best.manifest.files.iter().find(|f| f.path == "best/weights.safetensors").unwrap();
    assert!(entry.payload.is_none());
    assert!(best.file("best/best.json").is_file());
}

/// The checkpoint folders of the one unfinished training in `root`, oldest first.
fn checkpoints(root: &Path) -> Vec<PathBuf> {
    let work = fs::list(&root.join(".regimen/work")).unwrap();
    let mut found =
        work.iter().find_map(|w| fs::list(&w.join(".checkpoints")).ok().filter(|l| !l.is_empty())).unwrap();
    found.sort_by_key(|p| p.to_string_lossy().len());
    found
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, &bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let settings = config(20, "");
    assert!(train_until(dir.path(), &tokens, &settings, 4));
    let checkpoint = checkpoints(dir.path()).remove(0);
    // The last byte belongs to the optimizer's second arena.
    let arenas = checkpoint.join("arenas.bin");
    flip(&arenas, fs::read(&arenas).unwrap().len() - 1);
    let failure = train(dir.path(), &tokens, &settings).unwrap_err();
    assert!(failure.to_string().contains("does not hold the numbers that were written"), "{failure}");
    assert!(failure.hint().unwrap().contains(".regimen/work/"));
    fs::remove_dir_all(&checkpoint).unwrap();
    let failure = train(dir.path(), &tokens, &settings).unwrap_err();
    assert!(failure.to_string().contains("is gone"), "{failure}");
}

#[test]
fn an_older_checkpoint_stands_in_for_a_damaged_one() {
    let whole = tempfile::tempdir().unwrap();
    let settings = config(20, "checkpoint = { every = 3, keep = 2 }");
    let tokens = world(whole.path(), 30, |_, text| text).tokens;
    let reference = train(whole.path(), &tokens, &settings).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    assert!(train_until(dir.path(), &tokens, &settings, 11));
    flip(&checkpoints(dir.path()).pop().unwrap().join("arenas.bin"), 40);
    let resumed = train(dir.path(), &tokens, &settings).unwrap();
    assert_eq!(reference.manifest.payload, resumed.manifest.payload);
    assert_eq!(losses(whole.path(), &reference), losses(dir.path(), &resumed), "the log went back as well");
}

#[test]
fn best_weights_of_steps_that_were_lost_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let best = config(8, "checkpoint = { keep_best = true }").replace("every = 0", "every = 2");
    assert!(train_until(dir.path(), &tokens, &best, 5));
    let model = train(dir.path(), &tokens, &config(8, "")).unwrap();
    assert!(!model.file("best").exists(), "the run that ended did not ask for them");
}

#[test]
fn the_weights_file_says_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let model = train(dir.path(), &tokens, &config(2, "")).unwrap();
    let metadata = regimen_models::weights::metadata(&model.file("weights.safetensors")).unwrap();
    assert_eq!(metadata["regimen_key"], model.key().to_string());
    let saved = regimen_train::Saved::open(&model.path).unwrap();
    assert_eq!(regimen_train::saved::hash_arena(&saved.params.data), weights(&model));
}
