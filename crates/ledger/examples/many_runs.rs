//! Make a store with many runs to measure on: `cargo run --release -p regimen-ledger --example many_runs -- DIR 1000`.
//!
//! Every run has the config of a small training, an artifact with a manifest, and 100 steps in its log.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use regimen_base::{Event, EventLog, events, fs};
use regimen_ledger::{Begin, Draft, Result, RunInfo, Status, Store, key_of, run_id};
use serde_json::{Value, json};

fn config(i: u64) -> Value {
    json!({
        "batch": 16, "steps": 100, "clip": 1.0, "device": "cpu", "micro_batch": 0, "recompute": "none",
        "checkpoint": {"every": 100, "keep": 1, "keep_best": false},
        "guard": {"patience": 20, "spike": 0.0},
        "model": {"bias": false, "context": 128, "ff": 0, "head_dim": 0, "heads": 4, "init_std": 0.02, "kv_heads": 0,
            "layers": 4, "mlp": "swiglu", "norm": "rms", "norm_eps": 1e-5, "positions": "rope", "rope_base": 1e4,
            "tied": true, "width": 192},
        "optimizer": {"kind": "adamw", "lr": 1e-4 * (i % 50) as f64, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8,
            "weight_decay": 0.1, "momentum": 0.95, "nesterov": true},
        "samples": {"every": 100, "max_tokens": 48, "temperature": 0.7, "prompts": ["The people", "The capital of"]},
        "schedule": {"shape": "cosine", "warmup": 5, "decay": 0.2, "min_ratio": 0.05},
        "validation": {"every": 100, "documents": 48},
    })
}

fn run(store: &Store, i: u64) -> Result<()> {
    let config = config(i);
    let key = key_of("pretrain", 1, &config, i, &BTreeMap::new());
    let Begin::Work(work) = store.begin("pretrain", key)? else { return Ok(()) };
    fs::write(&work.dir.join("model.safetensors"), &i.to_le_bytes())?;
    let stage = format!("base{}", i % 20);
    let loss = |step: u64| 8.0 / (step as f64).sqrt() + (i % 97) as f64 / 97.0;
    work.commit(Draft { stage: stage.clone(), config: config.clone(), seed: i, ..Draft::default() })?;
    let info = RunInfo {
        id: run_id(&stage, key),
        stage,
        kind: "pretrain".into(),
        key,
        recipe: "recipe.toml".into(),
        recipe_name: "many".into(),
        command: vec!["regimen".into(), "run".into(), "recipe.toml".into()],
        status: Status::Done,
        started: events::now() - 60.0 * i as f64,
        seconds: 12.5,
        pid: 1,
        fingerprint: "regimen, example".into(),
        config,
        inputs: BTreeMap::new(),
    };
    store.write_run(&info)?;
    let mut log = EventLog::open(&events::path_in(&store.run_dir(&info.id)), 0, None)?;
    for step in 1..=100 {
        let values = [
            ("loss", loss(step)),
            ("lr", 1e-3),
            ("grad_norm", 1.0),
            ("tokens", 2048.0 * step as f64),
            ("tokens_per_second", 1e4),
        ];
        log.metrics(step, &values)?;
    }
    log.metrics(100, &[("bpb", 2.0), ("bpb/a", 1.9), ("bpb/b", 2.1)])?;
    let summary =
        json!({"loss": loss(100), "tokens": 204_800, "parameters": 2_557_632, "validation": {"bpb": 2.0}});
    Ok(log.emit(Event::End { status: "done".into(), seconds: 12.5, summary })?)
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "many-runs".into());
    let count = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    fs::create_dir_all(Path::new(&dir))?;
    let store = Store::open(Path::new(&dir))?;
    (0..count).try_for_each(|i| run(&store, i))?;
    // The part of `regimen runs` that reads; benches/runs.sh times the whole program.
    for call in 0..6 {
        let (store, began) = (Store::open_existing(Path::new(&dir))?, Instant::now());
        let rows = store.detailed_runs()?.len();
        let _ = writeln!(
            std::io::stderr(),
            "call {call}: {rows} runs in {:.1} ms",
            1e3 * began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
