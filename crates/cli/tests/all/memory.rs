//! The memory of a training: as `plan` says, and what happens where there is not enough of it.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::common::data::Dice;
use crate::common::{Done, Project, each};

/// Trainings in which different parts weigh most: weights, the vocabulary, activations, all of them in parts or
/// computed again.
const SHAPES: [(&str, &str); 5] = [
    ("weights", "batch = 4\nmodel = { layers = 3, width = 512, heads = 8, context = 64 }"),
    (
        "vocabulary",
        "batch = 8\nmodel = { layers = 2, width = 512, heads = 8, context = 32, norm = \"layer\", \
         positions = \"learned\", mlp = \"gelu\", bias = true, tied = false }",
    ),
    ("activations", "batch = 40\nmodel = { layers = 6, width = 96, heads = 3, context = 128 }"),
    (
        "micro-batches",
        "batch = 72\nmicro_batch = 32\nmodel = { layers = 6, width = 128, heads = 4, context = 128, norm = \"layer\", \
         positions = \"learned\", mlp = \"gelu\", bias = true }",
    ),
    (
        "recomputed",
        "batch = 32\nrecompute = \"blocks\"\nmodel = { layers = 8, width = 192, heads = 4, kv_heads = 2, \
         context = 128 }",
    ),
];

/// A project whose tokens are made; `vocab` ids can be learned from its documents of random words.
fn project(training: &str, vocab: usize) -> Project {
    let project = Project::empty();
    let mut dice = Dice(8);
    let mut rows = String::new();
    for i in 0..400 {
        let word = |dice: &mut Dice| -> String {
            (0..4 + dice.below(5)).map(|_| char::from(b'a' + dice.below(26) as u8)).collect()
        };
        let text: Vec<String> = (0..120).map(|_| word(&mut dice)).collect();
        writeln!(rows, "{}", json!({"id": format!("d{i}"), "text": text.join(" ")})).unwrap();
    }
    project.write("docs.jsonl", rows);
    project.write(
        "recipe.toml",
        format!(
            "name = \"memory\"\nseed = 3\n\n[corpus]\nkind = \"corpus\"\nvalidation = 0.1\n\
             filter = {{ quality = \"none\" }}\n\
             sources = [{{ name = \"words\", path = \"docs.jsonl\", author = \"human\", licence = \"CC0-1.0\" }}]\n\n\
             [tokenizer]\nkind = \"tokenizer\"\ncorpus = \"corpus\"\ntype = \"bpe\"\nvocab = {vocab}\n\n\
             [tokens]\nkind = \"tokens\"\ncorpus = \"corpus\"\ntokenizer = \"tokenizer\"\n\n\
             [base]\nkind = \"pretrain\"\ntokens = \"tokens\"\nsteps = 2\nschedule = {{ warmup = 1 }}\n\
             validation = {{ every = 0, documents = 8 }}\n{training}\n"
        ),
    );
    project.run(&["run", "recipe.toml", "--until", "tokens"]).fine();
    project
}

/// Runs to the end; the most resident memory that the system saw the process with, in bytes.
pub fn peak(project: &Project, args: &[&str]) -> f64 {
    let (peak, done) = watched(project, args);
    done.fine();
    peak
}

/// The same, with how it ended.
pub fn watched(project: &Project, args: &[&str]) -> (f64, Done) {
    let mut child = project.command(args).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()) {
            peak = 1024.0 * kib;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    (peak, Done::of(child))
}

#[test]
fn the_plan_is_within_a_tenth_of_the_measured_peak() {
    let wrong = std::sync::Mutex::new(Vec::new());
    let one = std::sync::Mutex::new(());
    each(&SHAPES, |(name, training)| {
        // One at a time: they are large.
        let _alone = one.lock();
        let project = project(training, if *name == "vocabulary" { 6000 } else { 400 });
        let plan = project.run(&["plan", "recipe.toml", "--json"]).fine().json();
        let base = plan["stages"].as_array().unwrap().iter().find(|s| s["name"] == "base").unwrap();
        let planned = base["forecast"]["memory"].as_f64().unwrap();
        let measured = peak(&project, &["run", "recipe.toml", "--until", "base", "--no-report"]);
        let mib = |bytes: f64| bytes / (1 << 20) as f64;
        let line = format!(
            "{name}: planned {:.1} MiB, measured {:.1} MiB, ratio {:.3}",
            mib(planned),
            mib(measured),
            planned / measured
        );
        println!("{line}");
        if (planned / measured - 1.0).abs() > 0.1 {
            wrong.lock().unwrap().push(line);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The binary under a limit on its address space.
fn limited(project: &Project, kib: u64, args: &[&str]) -> Done {
    let plain = project.command(args);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &kib.to_string()]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(project.root());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Done::of(command.spawn().unwrap())
}

#[test]
fn what_cannot_fit_is_refused_before_the_first_step_with_a_way_out() {
    let training = "batch = 64\nmodel = { layers = 12, width = 64, heads = 2, context = 128 }";
    let project = project(training, 400);
    let run = &["run", "recipe.toml", "--no-report"];
    // Activations of about 360 MiB; the program takes some address space by itself.
    let done = limited(&project, 370 << 10, run);
    let done = done.refused(&["training needs about ", "weights ", "activations ", "`ulimit -v`", "leaves "]);
    assert!(
        done.stderr.contains("recompute = \"blocks\"") && done.stderr.contains("micro_batch = "),
        "{}",
        done.stderr
    );
    assert!(project.steps("base").is_empty());
    // The way out is one, and changes nothing but the memory.
    let blocks = &["run", "recipe.toml", "--no-report", "--set", "base.recompute=blocks"];
    limited(&project, 370 << 10, blocks).fine();
    let found = project.payloads();
    std::fs::remove_dir_all(project.path(".regimen/artifacts/pretrain")).unwrap();
    project.run(run).fine();
    assert_eq!(project.payloads(), found);
}

#[test]
fn memory_that_runs_out_leaves_the_checkpoint_to_go_on_from() {
    let mut dice = Dice(9);
    // The first step, validation, samples, any step.
    let cases: Vec<u64> =
        [1, 2, 30].into_iter().chain((0..9).map(|i| 60 + 170 * i + dice.below(170))).collect();
    let after_checkpoint = std::sync::atomic::AtomicUsize::new(0);
    each(&cases, |at| {
        let project = Project::before_base();
        let done = project.fault(&format!("memory@take:{at}"));
        if done.code == Some(0) {
            // Samples are only told about; evaluation has a pool of its own.
            return;
        }
        let done = done.refused(&["no memory for ", "activations"]);
        if done.stderr.contains("goes on from the checkpoint of step ") {
            after_checkpoint.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        project.run(&["ledger", "verify"]).fine();
        project.run(&["run", "recipe.toml"]).fine();
        project.is_whole();
    });
    assert!(after_checkpoint.into_inner() >= 3, "too few cases ran out behind a checkpoint");
}
