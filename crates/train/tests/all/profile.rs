//! Profiles of trainings that are stopped.

use std::path::Path;

use regimen_base::Event;
use regimen_ledger::{Artifact, Store};
use regimen_recipe::{PROFILE, Runner, is_interrupted};
use regimen_train::Profile;
use serde_json::Value;

use crate::support::{config, kind, records, stop_at, train, weights, world};

/// Run `pretrain` with a profile of four steps, stopped after a step.
fn profiled_until(root: &Path, tokens: &Artifact, config: &str, step: u64) {
    let inputs = [("tokens", tokens)];
    let recipe = regimen_recipe::testing::recipe(kind("pretrain"), config, root, &inputs, 5).unwrap();
    let store = Store::open(root).unwrap();
    let (cancel, watch) = stop_at(step);
    let mut runner = Runner {
        cancel,
        watch,
        profile: Some(4),
        ..Runner::new(&store, regimen_recipe::testing::FINGERPRINT)
    };
    assert!(is_interrupted(&runner.run(&recipe, None).unwrap_err()));
}

fn profile(root: &Path) -> Option<Profile> {
    let run = std::fs::read_dir(root.join(".regimen/runs")).unwrap().map(|entry| entry.unwrap().path());
    let run =
        run.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("pretrain")).last()?;
    let trace: Value = serde_json::from_slice(&std::fs::read(run.join(PROFILE)).ok()?).unwrap();
    Some(serde_json::from_value(trace["profile"].clone()).unwrap())
}

#[test]
fn a_stopped_training_leaves_the_profile_of_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), 40, |_, text| text);
    let config = config(9, "");
    // Stopped while warming up.
    profiled_until(dir.path(), &world.tokens, &config, 1);
    assert_eq!(profile(dir.path()), None);
    // Two more to warm up, and one of four to profile.
    profiled_until(dir.path(), &world.tokens, &config, 4);
    let stopped = profile(dir.path()).unwrap();
    assert_eq!((stopped.first_step, stopped.last_step, stopped.step.calls), (4, 4, 1.0));

    let model = train(dir.path(), &world.tokens, &config).unwrap();
    let events = records(dir.path(), &model);
    let warned =
        |event: &Event| matches!(event, Event::Note { text, .. } if text.contains("nothing was profiled"));
    assert_eq!(events.iter().filter(|record| warned(&record.event)).count(), 0, "cut back with the log");
    let whole = tempfile::tempdir().unwrap();
    let world = crate::support::world(whole.path(), 40, |_, text| text);
    assert_eq!(weights(&train(whole.path(), &world.tokens, &config).unwrap()), weights(&model));
}
