//! Running: caching, stopping and going on, failures, records.

use std::sync::{Arc, Mutex};

use regimen_base::events::{Event, Record, Watch};
use regimen_base::fs;
use regimen_base::hint::Interrupted;
use regimen_ledger::Status;
use regimen_recipe::*;

use crate::toy::*;

fn metric_steps(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|e| if let Event::Metrics { step, .. } = e { Some(*step) } else { None })
        .collect()
}

#[test]
fn the_second_run_does_nothing() {
    let project = Project::new(RECIPE);
    let first = project.run(&[]).unwrap();
    assert_eq!(first.iter().map(|o| o.cached).collect::<Vec<_>>(), [false; 3]);
    assert_eq!(fs::read(&first[0].artifact.file("text.txt")).unwrap(), b"one\ntwo\n");
    assert!(fs::read_text(&first[1].artifact.file("number")).unwrap().starts_with("8 "));
    let runs = project.store().runs().unwrap();
    let second = project.run(&[]).unwrap();
    assert_eq!(second.iter().map(|o| o.cached).collect::<Vec<_>>(), [true; 3]);
    assert!(second.iter().zip(&first).all(|(a, b)| a.artifact.manifest == b.artifact.manifest));
    assert_eq!(project.store().runs().unwrap(), runs);
    assert_eq!(
        runs.iter().map(|r| (r.stage.as_str(), r.status)).collect::<Vec<_>>(),
        [("all", Status::Done), ("mixed", Status::Done), ("counted", Status::Done),]
    );
    assert_eq!(runs[2].recipe.to_str(), Some("r.toml"));
    assert_eq!(runs[2].config["every"], 2);
    assert_eq!(runs[2].inputs["mix"], first[1].key);

    let events = project.events(&first[2].run_id);
    assert!(matches!(&events[0], Event::Start { stage, from_step: 0, .. } if stage == "counted"));
    assert_eq!(metric_steps(&events), [1, 2, 3, 4, 5, 6, 7]);
    assert!(matches!(events.last(), Some(Event::End { status, summary, .. })
        if status == "done" && summary["steps"] == 7));
}

#[test]
fn another_name_for_the_same_work_is_cached_and_recorded() {
    let project = Project::new(RECIPE);
    let first = project.run(&[]).unwrap();
    project.rewrite(&RECIPE.replace("[all]", "[everything]").replace("\"all\"", "\"everything\""));
    let second = project.run(&[]).unwrap();
    assert!(second.iter().all(|o| o.cached));
    assert_eq!(second[0].key, first[0].key);
    let run = project.store().run("everything").unwrap();
    assert_eq!(run.status, Status::Cached);
    assert_eq!(project.store().resolve(&second[0].run_id).unwrap().key(), first[0].key);
}

#[test]
fn an_interrupted_stage_goes_on_from_its_checkpoint_and_ends_the_same() {
    let undisturbed = Project::new(RECIPE);
    let expected = undisturbed.run(&[]).unwrap().pop().unwrap();

    let project = Project::new(RECIPE);
    let failure = project.run(&["counted.stop_at=6"]).unwrap_err();
    assert!(failure.downcast_ref::<Interrupted>().is_some() && is_interrupted(&failure));
    let run = project.store().run("counted").unwrap();
    assert_eq!(run.status, Status::Interrupted);
    let events = project.events(&run.id);
    assert_eq!(metric_steps(&events), [1, 2, 3, 4, 5]);
    assert!(matches!(events.last(), Some(Event::End { status, .. }) if status == "interrupted"));

    let done = project.run(&[]).unwrap().pop().unwrap();
    assert!(!done.cached);
    assert_eq!(done.artifact.manifest.payload, expected.artifact.manifest.payload);
    assert!(done.artifact.manifest.bit_exact);
    // The checkpoint stands at step 4: step 5 was forgotten and is made again, and the log holds each step once.
    let events = project.events(&run.id);
    assert_eq!(metric_steps(&events), [1, 2, 3, 4, 5, 6, 7]);
    let starts: Vec<u64> = events
        .iter()
        .filter_map(|e| if let Event::Start { from_step, .. } = e { Some(*from_step) } else { None })
        .collect();
    assert_eq!(starts, [0, 4]);
    let after = project.store().run("counted").unwrap();
    assert_eq!((after.status, after.started), (Status::Done, run.started));
    assert!(after.seconds >= run.seconds);
    assert!(fs::list(&project.path().join(".regimen/work")).unwrap().is_empty());
}

#[test]
fn going_on_under_another_fingerprint_warns_and_is_not_bit_exact() {
    let project = Project::new(RECIPE);
    assert!(project.run(&["counted.stumble_at=6"]).is_err());
    let store = project.store();
    // Stopped once more under the other fingerprint, then ended under the first: still not bit-exact.
    assert!(Runner::new(&store, "fp-2").run(&project.load(&["counted.stumble_at=7"]), None).is_err());
    let warned = |text: &str| {
        project.events(&store.run("counted").unwrap().id).iter().any(
            |e| matches!(e, Event::Note { level, text: t, .. } if level == "warning" && t.contains(text)),
        )
    };
    assert!(warned("going on from step 4 made under `fp-1` with `fp-2`"));
    let done = Runner::new(&store, "fp-2").run(&project.load(&[]), None).unwrap().pop().unwrap();
    assert!(!done.artifact.manifest.bit_exact);
    assert_eq!(done.artifact.manifest.fingerprint, "fp-2");
}

#[test]
fn a_failure_keeps_its_words_and_is_recorded() {
    let project = Project::new(RECIPE);
    let failure = project.run(&["counted.stumble_at=2"]).unwrap_err();
    assert_eq!(failure.to_string(), "step 2 stumbled");
    assert_eq!(failure.hint().as_deref(), Some("lift your feet"));
    assert!(!is_interrupted(&failure));
    let run = project.store().run("counted").unwrap();
    assert_eq!(run.status, Status::Failed);
    assert!(matches!(project.events(&run.id).last(), Some(Event::End { status, summary, .. })
        if status == "failed" && summary["error"] == "step 2 stumbled"));
    // It failed before its first checkpoint: what it left is not gone on from.
    let stray = project.store().work_dir(run.key).join("stray");
    fs::write(&stray, b"").unwrap();
    let done = project.run(&[]).unwrap().pop().unwrap();
    assert!(!done.artifact.file("stray").exists());
    assert_eq!(metric_steps(&project.events(&run.id)), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn asked_to_stop_between_stages_it_stops() {
    let project = Project::new(RECIPE);
    let store = project.store();
    let mut runner = Runner::new(&store, "fp-1");
    let cancel = runner.cancel.clone();
    runner.done = Box::new(move |outcome| {
        if outcome.stage == "all" {
            cancel.ask();
        }
    });
    let failure = runner.run(&project.load(&[]), None).unwrap_err();
    assert!(failure.downcast_ref::<Interrupted>().is_some());
    drop(runner);
    assert_eq!(store.artifacts().unwrap().len(), 1);
}

#[test]
fn until_runs_a_stage_and_those_it_needs() {
    let project = Project::new(&format!("{RECIPE}\n[side]\nkind = \"mix\"\ntext = \"all\"\nrate = 2\n"));
    let store = project.store();
    let names = |outcomes: Vec<Outcome>| outcomes.into_iter().map(|o| o.stage).collect::<Vec<_>>();
    let recipe = project.load(&[]);
    assert_eq!(names(Runner::new(&store, "f").run(&recipe, Some("side")).unwrap()), ["all", "side"]);
    assert_eq!(names(Runner::new(&store, "f").run(&recipe, Some("mixed")).unwrap()), ["all", "mixed"]);
    let failure = Runner::new(&store, "f").run(&recipe, Some("mixt")).unwrap_err();
    assert_eq!(failure.hint().unwrap(), "did you mean `mixed`?");
}

#[test]
fn an_input_file_that_changes_under_the_stage_is_an_error() {
    let recipe = "[all]\nkind = \"gather\"\nsources = [{ name = \"a\", path = \"data\" }]\n[mixed]\nkind = \"mix\"\ntext \
                  = \"all\"\n[counted]\nkind = \"count\"\nmix = \"mixed\"\ntouch = \"data/one.txt\"\n";
    let project = Project::new(recipe);
    let failure = project.run(&[]).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the input file `data/one.txt` changed while stage `counted` was running"
    );
    assert_eq!(project.store().run("counted").unwrap().status, Status::Failed);
    assert!(project.store().newest("counted").unwrap().is_none());
}

#[test]
fn watchers_see_what_the_log_gets() {
    struct Eyes(Arc<Mutex<Vec<String>>>);
    impl Watch for Eyes {
        fn see(&mut self, record: &Record) {
            let word = serde_json::to_value(record).unwrap()["k"].as_str().unwrap().to_string();
            self.0.lock().unwrap().push(word);
        }
    }
    let project = Project::new(RECIPE);
    let store = project.store();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(Mutex::new(Vec::new()));
    let mut runner = Runner::new(&store, "f");
    let (eyes, told) = (seen.clone(), done.clone());
    runner.watch =
        Box::new(move |stage| (stage == "mixed").then(|| Box::new(Eyes(eyes.clone())) as Box<dyn Watch>));
    runner.done = Box::new(move |outcome| told.lock().unwrap().push(outcome.stage.clone()));
    runner.run(&project.load(&[]), None).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["start", "end"]);
    assert_eq!(*done.lock().unwrap(), ["all", "mixed", "counted"]);
}

#[test]
fn one_stage_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(&dir.path().join("a.txt"), b"abc").unwrap();
    let run = |kind, config: &str, inputs: &[(&str, &regimen_ledger::Artifact)], seed| {
        testing::run_stage(kind, config, dir.path(), inputs, seed)
    };
    let text = run(&GATHER, "[[sources]]\nname = \"a\"\npath = \"a.txt\"", &[], 0).unwrap();
    let one = run(&MIX, "rate = 2\n[model]\nlayers = 3", &[("text", &text)], 1).unwrap();
    let other = run(&MIX, "rate = 2\n[model]\nlayers = 3", &[("text", &text)], 2).unwrap();
    assert_ne!(one.manifest.payload, other.manifest.payload);
    assert_eq!(one.manifest.seed, 1);
    let failure = run(&MIX, "layers = 3", &[("text", &text)], 1).unwrap_err();
    assert!(failure.to_string().starts_with("unknown field `layers`"), "{failure}");
    assert!(run(&MIX, "", &[], 1).unwrap_err().to_string().starts_with("input `text` of stage `mix`"));
}

#[test]
fn a_damaged_artifact_is_named_and_not_used() {
    let project = Project::new(RECIPE);
    let done = project.run(&[]).unwrap();
    std::fs::write(done[0].artifact.file("text.txt"), b"short").unwrap();
    let failure = project.run(&[]).unwrap_err();
    assert!(
        failure.to_string().contains("text.txt` of an artifact is damaged: it has 5 bytes instead of 8"),
        "{failure}"
    );
    assert!(failure.hint().unwrap().contains("regimen ledger verify"));
    std::fs::remove_dir_all(&done[0].artifact.path).unwrap();
    let again = project.run(&[]).unwrap();
    assert_eq!(again.iter().map(|o| o.cached).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(again[0].artifact.manifest.payload, done[0].artifact.manifest.payload);
}
