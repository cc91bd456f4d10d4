//! Whatever stops the program, at whatever moment: the same command again ends with the same payload.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::data::Dice;
use crate::common::{Done, Project, STEPS, each, files};

/// More changes of the file system than a run of the recipe makes.
const WRITES: u64 = 1200;

const RUN: &[&str] = &["run", "recipe.toml"];

/// The recipe with a longer training, which stops for nothing by itself.
const LONG: &[&str] =
    &["run", "recipe.toml", "--set", "base.steps=300", "--set", "base.checkpoint.every=0", "--no-report"];

#[test]
fn killed_at_a_step_and_again_while_resuming() {
    let mut dice = Dice(1);
    // Each project is killed three times: the second and the third number count steps from where the run went on.
    let plans: Vec<[u64; 3]> =
        (0..8).map(|_| [1 + dice.below(STEPS), 1 + dice.below(14), 1 + dice.below(8)]).collect();
    let kills = std::sync::atomic::AtomicUsize::new(0);
    each(&plans, |plan| {
        let project = Project::before_base();
        for step in plan {
            let done = project.fault(&format!("kill@step:{step}"));
            match done.code {
                None => kills.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                // So few steps were left that it came to its end.
                code => {
                    assert_eq!(code, Some(0), "{plan:?}: {}", done.stderr);
                    break;
                }
            };
        }
        project.run(RUN).fine();
        project.is_whole();
    });
    assert!(kills.into_inner() >= 20, "too few kills");
}

#[test]
fn killed_at_write_boundaries_over_the_whole_recipe() {
    let mut dice = Dice(2);
    let parts = 26;
    let mut boundaries: Vec<u64> =
        (0..parts).map(|i| 1 + i * WRITES / parts + dice.below(WRITES / parts)).collect();
    // The first ones make the store.
    boundaries.extend([2, 5, 9]);
    let kills = std::sync::Mutex::new(Vec::new());
    each(&boundaries, |boundary| {
        let project = Project::new();
        if project.fault(&format!("kill@write:{boundary}")).code.is_none() {
            kills.lock().unwrap().push(*boundary);
        }
        // Resumed, and killed again in the middle of what is left.
        project.fault(&format!("kill@write:{}", 1 + boundary / 3));
        project.run(RUN).fine();
        project.is_whole();
    });
    let kills = kills.into_inner().unwrap();
    assert!(kills.len() >= 20, "only {} boundaries were met; lower WRITES", kills.len());
    assert!(kills.len() < boundaries.len(), "the end of the recipe was not reached; raise WRITES");
}

#[test]
fn killed_over_and_over_a_little_later_each_time() {
    let project = Project::new();
    let mut dice = Dice(3);
    let mut kills = 0;
    for round in 1.. {
        let done = project.fault(&format!("kill@write:{}", 20 * round + dice.below(40)));
        if done.code.is_some() {
            done.fine();
            break;
        }
        kills += 1;
        project.run(&["ledger", "verify"]).fine();
    }
    assert!(kills > 8, "{kills}");
    project.is_whole();
}

#[test]
fn killed_from_outside_at_any_time() {
    let mut dice = Dice(4);
    let plans: Vec<Vec<u64>> = (0..4).map(|_| (0..3).map(|_| 20 + dice.below(700)).collect()).collect();
    each(&plans, |plan| {
        let project = Project::new();
        for wait in plan {
            let child = project.command(RUN).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(*wait));
            // It may have come to its end before.
            let _ = kill_process(pid(&child), Signal::KILL);
            Done::of(child);
        }
        project.run(RUN).fine();
        project.is_whole();
    });
}

#[test]
fn ctrl_c_writes_a_checkpoint_and_says_how_to_go_on() {
    let whole = Project::before_base();
    whole.run(LONG).fine();
    let project = Project::before_base();
    for (signal, at) in [(Signal::INT, 3), (Signal::TERM, 60)] {
        let child = project.command(LONG).spawn().unwrap();
        until_step(&project, at);
        kill_process(pid(&child), signal).unwrap();
        let done = Done::of(child);
        assert_eq!(done.code, Some(130), "{}", done.stderr);
        assert!(done.stderr.contains("stopping after this step"), "{}", done.stderr);
        let hint = done.stderr.lines().last().unwrap();
        assert!(
            hint.starts_with("hint: ")
                && hint
                    .contains("regimen run recipe.toml --set base.steps=300 --set base.checkpoint.every=0"),
            "{}",
            done.stderr
        );
        // The step that was asked to stop is not lost: nothing but the interruption wrote a checkpoint.
        let reached = *project.steps("base").last().unwrap();
        let plan = project.run(&["plan", "recipe.toml", "--set", "base.steps=300", "--json"]).fine().json();
        let base = plan["stages"].as_array().unwrap().iter().find(|s| s["name"] == "base").unwrap().clone();
        assert_eq!(base["state"], serde_json::json!({"partial": reached}), "{base}");
        let runs = project.run(&["runs", "--json"]).fine().json();
        let base = runs.as_array().unwrap().iter().find(|run| run["stage"] == "base").unwrap().clone();
        assert_eq!(base["status"], "interrupted");
    }
    project.run(LONG).fine();
    assert_eq!(project.payloads(), whole.payloads());
    assert_eq!(project.steps("base"), (1..=300).collect::<Vec<_>>());
    assert!(files(&project.path(".regimen/work")).is_empty());
}

#[test]
fn ctrl_c_twice_or_at_any_time_loses_nothing() {
    let mut dice = Dice(5);
    let waits: Vec<u64> = (0..6).map(|_| 30 + dice.below(700)).collect();
    each(&waits, |wait| {
        let project = Project::new();
        let child = project.command(RUN).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(*wait));
        let _ = kill_process(pid(&child), Signal::INT);
        if wait % 2 == 0 {
            let _ = kill_process(pid(&child), Signal::INT);
        }
        let done = Done::of(child);
        // It may be through, or so early that nobody listened.
        assert!(matches!(done.code, Some(130 | 0) | None), "{:?} {}", done.code, done.stderr);
        assert!(!done.stderr.contains("error"), "{}", done.stderr);
        project.run(RUN).fine();
        project.is_whole();
    });
}

#[test]
fn the_second_run_does_no_work_and_says_so() {
    let project = Project::copy();
    project.run(RUN).fine();
    let before = stamps(&project.path(".regimen"));
    let done = project.run(RUN).fine();
    assert!(done.stderr.contains("nothing was done"), "{}", done.stderr);
    assert!(!done.stderr.contains('✓'), "{}", done.stderr);
    assert_eq!(stamps(&project.path(".regimen")), before);
    let json = project.run(&["run", "recipe.toml", "--json", "--quiet"]).fine().json();
    assert!(json["stages"].as_array().unwrap().iter().all(|stage| stage["cached"] == true), "{json}");
    assert_eq!(stamps(&project.path(".regimen")), before);
}

/// Every file below a folder with its time of change and its inode. The index is no truth, and may be written.
fn stamps(dir: &Path) -> Vec<(String, std::time::SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |file: String| {
        let found = std::fs::metadata(dir.join(&file)).unwrap();
        (file, found.modified().unwrap(), found.ino())
    };
    files(dir).into_iter().filter(|file| !file.starts_with("index.sqlite")).map(stamp).collect()
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Wait until the event log of `base` has come to a step.
fn until_step(project: &Project, step: u64) {
    let began = Instant::now();
    let reached = || {
        let runs = files(&project.path(".regimen/runs"));
        let log = runs.iter().find(|file| file.starts_with("base-") && file.ends_with("events.jsonl"))?;
        // The last line may be half written.
        let text = std::fs::read_to_string(project.path(".regimen/runs").join(log)).ok()?;
        text.contains(&format!("\"step\":{step},\"values\":{{\"grad_norm\"")).then_some(())
    };
    while reached().is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "no step {step} within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}
