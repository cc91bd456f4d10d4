//! Two processes on one store.

use std::time::{Duration, Instant};

use crate::common::{Done, Project, files, list};

#[test]
fn who_comes_second_learns_who_is_at_work() {
    let project = Project::before_base();
    let long = &["run", "recipe.toml", "--set", "base.steps=600", "--no-report"];
    let first = project.command(long).spawn().unwrap();
    let pid = first.id().to_string();
    let began = Instant::now();
    while !files(&project.path(".regimen/runs"))
        .iter()
        .any(|f| f.starts_with("base-") && f.ends_with("events.jsonl"))
    {
        assert!(began.elapsed() < Duration::from_secs(60), "the first run does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = project.run(long).refused(&["another process", &format!("pid {pid}"), "pretrain"]);
    assert!(second.stdout.is_empty());
    let runs = project.run(&["runs", "--json"]).fine().json();
    let base = runs.as_array().unwrap().iter().find(|run| run["stage"] == "base").unwrap();
    assert_eq!(base["status"], "running");
    Done::of(first).fine();
    project.run(long).fine();
    project.run(&["ledger", "verify"]).fine();
    assert_eq!(project.steps("base"), (1..=600).collect::<Vec<_>>());
    assert!(list(&project.path(".regimen/work")).is_empty());
}

#[test]
fn many_at_the_same_moment_make_each_artifact_once() {
    let project = Project::new();
    let children: Vec<_> =
        (0..4).map(|_| project.command(&["run", "recipe.toml"]).spawn().unwrap()).collect();
    let mut fine = 0;
    for child in children {
        let done = Done::of(child);
        if done.code == Some(0) {
            fine += 1;
        } else {
            done.refused(&["another process (pid ", "is making"]);
        }
    }
    assert!(fine > 0, "all four were refused");
    project.run(&["run", "recipe.toml"]).fine();
    project.is_whole();
}

#[test]
fn different_recipes_on_one_store_both_finish() {
    let project = Project::new();
    let other = crate::common::RECIPE
        .replace("name = \"small\"", "name = \"other\"")
        .replace("validation = 0.1", "validation = 0.2");
    project.write("other.toml", other);
    let children: Vec<_> = ["recipe.toml", "other.toml"]
        .iter()
        .map(|recipe| project.command(&["run", recipe]).spawn().unwrap())
        .collect();
    for child in children {
        Done::of(child).fine();
    }
    project.run(&["ledger", "verify"]).fine();
    assert!(list(&project.path(".regimen/work")).is_empty());
    let found = project.payloads();
    for (name, payload) in Project::finished().payloads() {
        assert_eq!(found.get(&name), Some(&payload), "{name}");
    }
    // Two of everything.
    assert_eq!(found.len(), 14);
}
