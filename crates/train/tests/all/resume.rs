//! A stopped run goes on to the same bits.

use crate::support::{config, losses, train, train_until, weights, world};
use regimen_base::fs;

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
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| {
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

#[test]
fn a_damaged_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let settings = config(20, "");
    assert!(train_until(dir.path(), &tokens, &settings, 4));
    let work = fs::list(&dir.path().join(".regimen/work")).unwrap();
    let arenas = work.iter().map(|w| w.join(".checkpoints/step-4/arenas.bin")).find(|p| p.is_file()).unwrap();
    let mut bytes = fs::read(&arenas).unwrap();
    bytes[100] ^= 1;
    fs::write(&arenas, &bytes).unwrap();
    let failure = train(dir.path(), &tokens, &settings).unwrap_err();
    assert!(failure.to_string().contains("does not have the weights that it names"), "{failure}");
    assert!(failure.hint().unwrap().contains(".regimen/work/"));
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
