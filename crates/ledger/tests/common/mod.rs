//! Small artifacts and records of runs.
#![allow(dead_code, reason = "not every test needs all of them")]

use std::collections::BTreeMap;

use regimen_base::{Key, fs};
use regimen_ledger::*;
use serde_json::json;

pub fn key(kind: &str, seed: u64, inputs: &[(&str, Key)]) -> (Key, BTreeMap<String, Key>) {
    let inputs: BTreeMap<String, Key> = inputs.iter().map(|(name, key)| (name.to_string(), *key)).collect();
    (key_of(kind, 1, &json!({"size": 3}), seed, &inputs), inputs)
}

pub fn work(store: &Store, kind: &str, key: Key) -> Work {
    match store.begin(kind, key).unwrap() {
        Begin::Work(work) => work,
        Begin::Done(artifact) => panic!("{} is done", artifact.path.display()),
    }
}

pub fn draft(stage: &str, seed: u64, inputs: BTreeMap<String, Key>) -> Draft {
    Draft {
        stage_version: 1,
        stage: stage.into(),
        config: json!({"size": 3}),
        seed,
        inputs,
        fingerprint: "test".into(),
        bit_exact: true,
        summary: json!({"rows": 2}),
        ..Draft::default()
    }
}

/// Make an artifact with two files.
pub fn make(store: &Store, stage: &str, kind: &str, seed: u64, inputs: &[(&str, Key)]) -> Artifact {
    let (key, inputs) = key(kind, seed, inputs);
    let work = work(store, kind, key);
    fs::write(&work.dir.join("data.bin"), format!("{stage} {seed}").as_bytes()).unwrap();
    fs::create_dir_all(&work.dir.join("sub")).unwrap();
    fs::write(&work.dir.join("sub/more.txt"), b"more").unwrap();
    work.commit(draft(stage, seed, inputs)).unwrap()
}

pub fn run(store: &Store, artifact: &Artifact, status: Status, started: f64) -> RunInfo {
    let m = &artifact.manifest;
    let info = RunInfo {
        id: run_id(&m.stage, m.key),
        stage: m.stage.clone(),
        kind: m.kind.clone(),
        key: m.key,
        recipe: "r.toml".into(),
        recipe_name: "r".into(),
        command: vec!["regimen".into(), "run".into()],
        status,
        started,
        seconds: 1.5,
        pid: 1,
        fingerprint: "test".into(),
        config: json!({}),
        inputs: BTreeMap::new(),
    };
    store.write_run(&info).unwrap();
    info
}
