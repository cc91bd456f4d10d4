//! Data-parallel training over MPI: the real binary under the real `mpirun`, with processes that are killed on purpose.
//! Only built with the feature `mpi`; without an `mpirun` each test says that it is skipped.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "the common part serves other tests as well")]

#[path = "../all/common/mod.rs"]
mod common;
mod faults;
mod launch;

use common::Project;
use launch::{Mpirun, losses, manifest};

/// Twenty steps at the stage's own rate, with nothing written but at the end. At the recipe's rate, three times as high, a
/// gradient of four times the usual norm makes a thousandfold of any rounding, that of micro-batches included.
const TWENTY: &[&str] = &[
    "run",
    "recipe.toml",
    "--until",
    "base",
    "--no-report",
    "--set",
    "base.steps=20",
    "--set",
    "base.checkpoint.every=0",
    "--set",
    "base.optimizer.lr=0.003",
];

#[test]
fn two_processes_train_as_one_does() {
    let Some(mpirun) = Mpirun::find() else { return };
    let alone = Project::before_base();
    alone.run(TWENTY).fine();
    let [once, again] = [Project::before_base(), Project::before_base()];
    for project in [&once, &again] {
        let done = mpirun.run(project, 2, TWENTY).fine();
        assert_eq!(done.stderr.matches("✓ base").count(), 1, "one process talks:\n{}", done.stderr);
    }
    assert_losses_agree(&alone, &once);
    assert_eq!(once.payloads(), again.payloads(), "the same bits for as many processes");
    assert_eq!(losses(&once), losses(&again));
    let (theirs, ours) = (manifest(&alone, "pretrain"), manifest(&once, "pretrain"));
    assert_eq!(theirs["key"], ours["key"], "how many processes there are is no part of the key");
    assert!(ours["fingerprint"].as_str().unwrap().ends_with(", 2 processes"), "{}", ours["fingerprint"]);
    assert_eq!((&ours["summary"]["processes"], &ours["bit_exact"]), (&2.into(), &true.into()));
    assert!(theirs["summary"].get("processes").is_none());
    once.run(&["ledger", "verify"]).fine();
}

#[test]
fn rows_that_do_not_divide_are_shared_unevenly() {
    let Some(mpirun) = Mpirun::find() else { return };
    for (processes, more) in [(3, ["--set", "base.batch=5"]), (2, ["--set", "base.micro_batch=1"])] {
        let args = [TWENTY, &more].concat();
        let (alone, shared) = (Project::before_base(), Project::before_base());
        alone.run(&args).fine();
        mpirun.run(&shared, processes, &args).fine();
        assert_losses_agree(&alone, &shared);
    }
}

#[test]
fn a_whole_recipe_runs_with_two_processes() {
    let Some(mpirun) = Mpirun::find() else { return };
    let project = Project::new();
    let done = mpirun.run(&project, 2, &["run", "recipe.toml", "--json"]).fine();
    assert_eq!(done.json()["stages"].as_array().unwrap().len(), 7, "{}", done.stdout);
    project.run(&["ledger", "verify"]).fine();
    // What is made by one process has the bits of one process.
    let (ours, theirs) = (project.payloads(), Project::finished().payloads());
    for (name, payload) in theirs {
        let shared = ["pretrain", "evaluate", "generate"].iter().any(|kind| name.starts_with(kind));
        assert!(shared || ours[&name] == payload, "{name}");
        assert!(ours.contains_key(&name), "{name}");
    }
    let again = mpirun.run(&project, 2, &["run", "recipe.toml"]).fine();
    assert!(again.stderr.contains("nothing was done"), "{}", again.stderr);
}

#[test]
fn what_goes_wrong_is_said_once() {
    let Some(mpirun) = Mpirun::find() else { return };
    let project = Project::before_base();
    let once = |args: &[&str], processes, words: &[&str]| {
        let done = mpirun.run(&project, processes, args).refused(words);
        assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
        assert_eq!(done.stderr.matches("hint:").count(), 1, "{}", done.stderr);
    };
    once(&["run", "recipe.toml"], 5, &["`batch`", "4 sequences", "5 processes", "start at most 4 processes"]);
    once(&["run", "nowhere.toml"], 2, &["nowhere.toml"]);
    once(&["rum", "recipe.toml"], 2, &["rum"]);
    once(&["run", "recipe.toml", "--threads", "5000"], 2, &["--threads 5000"]);
    // Other commands are process 0's alone.
    let runs = mpirun.run(&project, 2, &["runs", "--json"]).fine();
    assert!(runs.json().is_array());
}

/// Every loss of the stage `base`, within 1e-6 relative.
#[track_caller]
fn assert_losses_agree(a: &Project, b: &Project) {
    let (a, b) = (losses(a), losses(b));
    assert_eq!((a.len(), b.len()), (20, 20));
    let mut worst = 0.0f64;
    for (step, (a, b)) in a.iter().zip(&b).enumerate() {
        let off = (a - b).abs() / a.abs();
        worst = worst.max(off);
        assert!(off <= 1e-6, "step {}: {a} and {b} differ by {off:e}", step + 1);
    }
    #[allow(clippy::print_stderr, reason = "the figure is worth knowing")]
    {
        eprintln!("greatest relative difference of 20 losses: {worst:e}");
    }
}
