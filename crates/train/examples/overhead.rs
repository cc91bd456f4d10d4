//! What surrounds the training itself: checkpoints against the disk's own speed, the event log, and the ledger's
//! begin and commit.
//!
//!     cargo run --release -p regimen-train --example overhead [MILLIONS OF PARAMETERS]
//!
//! Prints one JSON object a row. Pairs alternate, because disks and machines are shared; figures are medians.
#![allow(clippy::print_stdout)]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use regimen_base::{EventLog, Failure, Hash256, fs};
use regimen_ledger::{Begin, Draft, Store};
use regimen_train::Guard;
use regimen_train::checkpoint::{State, save};
use serde_json::json;

const PAIRS: usize = 7;

fn main() -> Result<(), Failure> {
    let millions: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(20);
    let root = std::env::temp_dir().join(format!("regimen-overhead-{}", std::process::id()));
    fs::create_dir_all(&root)?;
    let result =
        checkpoints(&root, millions * 1_000_000).and_then(|()| log(&root)).and_then(|()| ledger(&root));
    fs::remove_dir_all(&root)?;
    result
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A checkpoint of three arenas, and as many bytes written plainly and synced.
fn checkpoints(root: &Path, parameters: usize) -> Result<(), Failure> {
    let arena: Vec<f32> = (0..parameters).map(|i| i as f32 * 1e-3).collect();
    let megabytes = 12.0 * parameters as f64 / 1e6;
    let (mut ours, mut disk, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let start = Instant::now();
        let mut state = State::new(Hash256([0; 32]), Guard::new(0.0));
        save(&root.join("checkpoint"), &mut state, &[&arena, &arena, &arena])?;
        let checkpoint = megabytes / start.elapsed().as_secs_f64();

        let bytes = vec![pair as u8; 12 * parameters];
        let path = root.join("plain");
        let start = Instant::now();
        let mut file = fs::create(&path)?;
        file.write_all(&bytes).map_err(|e| fs::Error::new("write", &path, e))?;
        file.finish()?;
        let plain = megabytes / start.elapsed().as_secs_f64();
        fs::remove_file(&path)?;
        ours.push(checkpoint);
        disk.push(plain);
        ratios.push(checkpoint / plain);
    }
    println!(
        "{}",
        json!({"name": "checkpoint", "unit": "MB/s", "ours": median(ours), "peer": median(disk),
            "peer_name": "plain write and sync", "ratio": median(ratios), "megabytes": megabytes, "runs": PAIRS})
    );
    Ok(())
}

/// An event of a step.
fn log(root: &Path) -> Result<(), Failure> {
    let many = 20_000;
    let mut log = EventLog::open(&root.join("events.jsonl"), 0, None)?;
    let start = Instant::now();
    for step in 0..many {
        let values =
            [("loss", 3.5), ("lr", 1e-3), ("grad_norm", 0.7), ("tokens", 1e6), ("tokens_per_second", 1e4)];
        log.metrics(step, &values)?;
    }
    let microseconds = 1e6 * start.elapsed().as_secs_f64() / many as f64;
    println!("{}", json!({"name": "event", "unit": "microseconds a step", "ours": microseconds}));
    Ok(())
}

/// Begin and commit of an artifact of the size of first-light's model with its optimizer.
fn ledger(root: &Path) -> Result<(), Failure> {
    let store = Store::open(root)?;
    let bytes = vec![7u8; 26_000_000];
    let (mut begins, mut commits) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let config = json!({"pair": pair});
        let key = regimen_ledger::key_of("bench", 1, &config, 0, &Default::default());
        let start = Instant::now();
        let Begin::Work(work) = store.begin("bench", key)? else { continue };
        begins.push(1e3 * start.elapsed().as_secs_f64());
        fs::write(&work.dir.join("weights"), &bytes)?;
        let draft = Draft {
            stage_version: 1,
            stage: "bench".into(),
            config,
            seed: 0,
            inputs: Default::default(),
            fingerprint: "bench".into(),
            bit_exact: true,
            summary: json!({}),
            payloads: Default::default(),
        };
        let start = Instant::now();
        work.commit(draft)?;
        commits.push(1e3 * start.elapsed().as_secs_f64());
    }
    println!("{}", json!({"name": "begin", "unit": "ms", "ours": median(begins)}));
    println!("{}", json!({"name": "commit of 26 MB", "unit": "ms", "ours": median(commits)}));
    Ok(())
}
