//! A process that is lost ends the run with a checkpoint and a clear message; so does a signal; both go on from there.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Done, Project};
use crate::launch::{Mpirun, manifest, process};

/// A training that stops for nothing by itself.
const LONG: &[&str] = &[
    "run",
    "recipe.toml",
    "--until",
    "base",
    "--no-report",
    "--set",
    "base.steps=400",
    "--set",
    "base.checkpoint.every=0",
    "--set",
    "base.validation.every=0",
    "--set",
    "base.samples.every=0",
];

/// The payload of an undisturbed run with two processes.
fn whole(mpirun: &Mpirun, args: &[&str]) -> String {
    let project = Project::before_base();
    mpirun.run(&project, 2, args).fine();
    payload(&project)
}

fn payload(project: &Project) -> String {
    manifest(project, "pretrain")["payload"].as_str().unwrap().into()
}

/// It ended with a checkpoint of one of `steps` and said so; gives back the step.
#[track_caller]
fn ended_well(project: &Project, done: &Done, rank: usize, steps: RangeInclusive<u64>) -> u64 {
    assert!(!matches!(done.code, Some(0) | None), "{:?}\n{}", done.code, done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    let reached = partial(project, 400);
    assert!(steps.contains(&reached), "{reached} is not in {steps:?}\n{}", done.stderr);
    let message = format!(
        "error: process {rank} of 2 was lost after step {reached}: the training stopped with a checkpoint of that step"
    );
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains(&message), "`{message}` is not in:\n{}", done.stderr);
    assert!(done.stderr.contains("hint: run the same command again"), "{}", done.stderr);
    assert_eq!(project.steps("base"), (1..=reached).collect::<Vec<_>>(), "nothing of the next step is told");
    let runs = project.run(&["runs", "--json"]).fine().json();
    let base = runs.as_array().unwrap().iter().find(|run| run["stage"] == "base").unwrap().clone();
    assert_eq!(base["status"], "failed");
    reached
}

/// The step of the checkpoint to go on from.
#[track_caller]
fn partial(project: &Project, steps: u64) -> u64 {
    let steps = format!("base.steps={steps}");
    let plan = project.run(&["plan", "recipe.toml", "--set", &steps, "--json"]).fine().json();
    let base = plan["stages"].as_array().unwrap().iter().find(|s| s["name"] == "base").unwrap().clone();
    base["state"]["partial"].as_u64().unwrap_or_else(|| panic!("no checkpoint: {base}"))
}

#[test]
fn a_process_that_dies_leaves_a_checkpoint_of_the_last_step() {
    let Some(mpirun) = Mpirun::find() else { return };
    let whole = whole(&mpirun, LONG);
    // Between two steps, where the other may still be on its way through the first; and in the middle of a sum, when the
    // other has given its numbers already.
    // Over TCP as well, where MPI notices that the other is gone and may never come back from its call.
    let plans = [
        ("kill@step:7", 6..=7, None),
        ("kill@reduce:12", 11..=11, None),
        ("kill@reduce:21", 20..=20, Some("tcp,self")),
        ("kill@reduce:30", 29..=29, Some("tcp,self")),
    ];
    for (fault, steps, transport) in plans {
        let project = Project::before_base();
        let fault = format!("REGIMEN_FAULT={fault}");
        let mut command = mpirun.command(&project, &[&[], &["env", &fault]], LONG);
        command.envs(transport.map(|transport| ("OMPI_MCA_btl", transport)));
        ended_well(&project, &Done::of(command.spawn().unwrap()), 1, steps);
        mpirun.run(&project, 2, LONG).fine();
        assert_eq!(payload(&project), whole, "{fault}");
        assert_eq!(manifest(&project, "pretrain")["bit_exact"], true);
        assert_eq!(project.steps("base"), (1..=400).collect::<Vec<_>>());
    }
}

#[test]
fn a_process_that_is_killed_from_outside_is_missed() {
    let Some(mpirun) = Mpirun::find() else { return };
    let project = Project::before_base();
    let child = mpirun.command(&project, &[&[], &[]], LONG).spawn().unwrap();
    until_step(&project, 5);
    kill(process(child.id(), 1).unwrap(), Signal::KILL);
    ended_well(&project, &Done::of(child), 1, 5..=399);
    // With another number of processes the result is as good, but its bits are nobody's promise.
    project.run(LONG).fine();
    assert_eq!(manifest(&project, "pretrain")["bit_exact"], false);
    assert_eq!(project.steps("base"), (1..=400).collect::<Vec<_>>());
    let warned = |event: &serde_json::Value| {
        event["level"] == "warning"
            && event["text"]
                .as_str()
                .is_some_and(|text| text.contains("2 processes") && text.contains("bits may differ"))
    };
    assert!(project.events("base").iter().any(warned));
}

#[test]
fn without_process_0_the_others_say_so_and_end() {
    let Some(mpirun) = Mpirun::find() else { return };
    let project = Project::before_base();
    let args = [LONG, &["--set", "base.checkpoint.every=5"]].concat();
    let none: &[&str] = &[];
    let command = mpirun.command(&project, &[&["env", "REGIMEN_FAULT=kill@step:13"], none], &args);
    let done = Done::of({ command }.spawn().unwrap());
    assert!(!matches!(done.code, Some(0) | None), "{:?}\n{}", done.code, done.stderr);
    assert!(done.stderr.contains("error: process 0 was lost"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: run the same command again"), "{}", done.stderr);
    assert_eq!(partial(&project, 400), 10);
    mpirun.run(&project, 2, &args).fine();
    assert_eq!(project.steps("base"), (1..=400).collect::<Vec<_>>());
}

#[test]
fn ctrl_c_and_sigterm_stop_all_behind_the_same_step() {
    let Some(mpirun) = Mpirun::find() else { return };
    let whole = whole(&mpirun, LONG);
    let project = Project::before_base();
    // To the launcher, as by Ctrl-C or a batch system; and to one process alone.
    let mut reached = 0;
    for (signal, to) in [(Signal::INT, None), (Signal::TERM, None), (Signal::TERM, Some(1))] {
        // Open MPI passes a signal on when the time of `launch::KILL_AFTER` has passed, and until then the training goes on: all
        // its steps are to take longer than that.
        let mut command = mpirun.command(&project, &[&[], &[]], LONG);
        let child = command.env("REGIMEN_FAULT", "slow@step:1").spawn().unwrap();
        until_step(&project, reached + 5);
        let process = to.map_or(child.id() as i32, |rank| process(child.id(), rank).unwrap());
        kill(process, signal);
        let done = Done::of(child);
        assert!(!matches!(done.code, Some(0) | None), "{:?}\n{}", done.code, done.stderr);
        assert!(done.stderr.contains("interrupted\nhint: continue with"), "{}", done.stderr);
        assert!(!done.stderr.contains("error:"), "{}", done.stderr);
        reached = partial(&project, 400);
        assert_eq!(project.steps("base"), (1..=reached).collect::<Vec<_>>());
    }
    mpirun.run(&project, 2, LONG).fine();
    assert_eq!(payload(&project), whole);
    assert_eq!(manifest(&project, "pretrain")["bit_exact"], true);
}

fn kill(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
}

/// Wait until the event log of `base` has come to a step.
fn until_step(project: &Project, step: u64) {
    let began = Instant::now();
    let reached = || {
        let runs = std::fs::read_dir(project.path(".regimen/runs")).ok()?.flatten();
        let base = runs.into_iter().find(|run| run.file_name().to_string_lossy().starts_with("base-"))?;
        let text = std::fs::read_to_string(base.path().join("events.jsonl")).ok()?;
        text.contains(&format!("\"step\":{step},\"values\":{{\"grad_norm\"")).then_some(())
    };
    while reached().is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "no step {step} within two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
}
