//! The whole recipe in a process of its own that dies, or whose disk fails, at a write boundary; then once more.

use std::process::Command;

use regimen_base::Philox;
use regimen_ledger::{Begin, Status};
use regimen_recipe::*;

use crate::toy::*;

/// Runs in the child process: the recipe of the project that the environment names.
#[test]
fn run_the_recipe_of_another_process() {
    let Ok(recipe) = std::env::var("RECIPE_TEST_RUN") else { return };
    let run = || -> Result<(), regimen_base::Failure> {
        let recipe = Recipe::load(recipe.as_ref(), &REGISTRY, &[])?;
        let store = regimen_ledger::Store::open(&recipe.root)?;
        Runner::new(&store, "fp-1").run(&recipe, None)?;
        Ok(())
    };
    match run() {
        Ok(()) => println!("fine"),
        Err(failure) => println!("error: {failure}\nhint: {}", failure.hint().unwrap_or_default()),
    }
}

fn child(project: &Project, fault: &str) -> String {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["faults::run_the_recipe_of_another_process", "--exact", "--nocapture"])
        .env("RECIPE_TEST_RUN", project.recipe_path())
        .env("REGIMEN_FAULT", fault)
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn payloads(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(|outcome| outcome.artifact.manifest.payload.to_string()).collect()
}

#[test]
fn after_any_fault_the_same_command_gives_the_same_payloads() {
    let expected = payloads(&Project::new(RECIPE).run(&[]).unwrap());
    // Boundaries of a whole run, found by trying: the last one that still strikes.
    let strikes = |at: u64| !child(&Project::new(RECIPE), &format!("full@write:{at}")).contains("fine");
    let (mut low, mut high) = (1u64, 256u64);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if strikes(middle) { low = middle } else { high = middle - 1 }
    }
    assert!((60..256).contains(&low), "{low} boundaries");

    let mut draw = Philox::new(5, &["faults"]);
    for i in 0..12 {
        let what = ["kill", "kill", "full", "readonly"][i % 4];
        let fault = format!("{what}@write:{}", 1 + draw.below(low));
        let project = Project::new(RECIPE);
        let text = child(&project, &fault);
        assert!(!text.contains("fine"), "{fault}: {text}");
        if what != "kill" {
            assert!(text.contains("error: cannot ") && text.contains("storage"), "{fault}: {text}");
            assert!(text.lines().any(|line| line.starts_with("hint: ") && line.len() > 6), "{fault}: {text}");
        }
        let store = project.store();
        assert_eq!(store.verify(&mut |_, _| {}).unwrap(), [], "{fault}");
        assert!(store.runs().unwrap().iter().all(|run| run.status != Status::Running), "{fault}");
        let again = project.run(&[]).unwrap();
        assert_eq!(payloads(&again), expected, "{fault}");
        assert!(again.iter().all(|outcome| outcome.artifact.manifest.bit_exact), "{fault}");
        assert!(store.runs().unwrap().iter().all(|run| run.status == Status::Done), "{fault}");
        // Each step stands in the log once.
        let steps: Vec<u64> = project
            .events(&again[2].run_id)
            .iter()
            .filter_map(|event| match event {
                regimen_base::Event::Metrics { step, .. } => Some(*step),
                _ => None,
            })
            .collect();
        let mut unique = steps.clone();
        unique.dedup();
        assert_eq!(steps, unique, "{fault}");
    }
}

#[test]
fn two_runs_at_once_hold_each_other_apart() {
    let project = Project::new(RECIPE);
    let store = project.store();
    let key = Plan::make(&project.load(&[]), &store, None, false).unwrap().stages[1].key;
    let Begin::Work(_held) = store.begin("mix", key).unwrap() else { panic!("done already") };
    let text = child(&project, "");
    assert!(
        text.contains(&format!("error: another process (pid {}) is making mix", std::process::id())),
        "{text}"
    );
    assert!(text.contains("hint: wait for it"), "{text}");
    assert_eq!(store.artifacts().unwrap().len(), 1, "the stage before it was made");
}
