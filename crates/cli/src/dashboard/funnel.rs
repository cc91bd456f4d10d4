//! The funnel of the corpus that a run comes from.

use std::collections::BTreeSet;

use regimen_base::{Key, fs};
use regimen_ledger::{Artifact, RunInfo, Store};
use serde_json::Value;

/// What was left after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub name: String,
    pub reason: String,
    pub documents: u64,
    pub bytes: u64,
}

/// Artifacts that are looked at.
const MOST: usize = 256;

/// The funnel of the nearest corpus among the ancestors of a run, or of the corpus that it made.
pub fn of(store: &Store, run: &RunInfo) -> Option<Vec<Step>> {
    let kinds = fs::list(&store.dir().join("artifacts")).ok()?;
    let open = |key: Key| {
        let folders = kinds.iter().map(|kind| kind.join(key.to_string()));
        folders.into_iter().find(|folder| folder.is_dir()).and_then(|folder| Artifact::open(&folder).ok())
    };
    let mut next: Vec<Key> = std::iter::once(run.key).chain(run.inputs.values().copied()).collect();
    let mut seen: BTreeSet<Key> = next.iter().copied().collect();
    while let Some(key) = (!next.is_empty()).then(|| next.remove(0)) {
        let Some(artifact) = open(key) else { continue };
        if artifact.manifest.kind == "corpus" {
            return Some(steps(&artifact.manifest.summary));
        }
        for key in artifact.manifest.inputs.values().copied() {
            if seen.len() < MOST && seen.insert(key) {
                next.push(key);
            }
        }
    }
    None
}

/// The steps that the summary of a corpus tells.
pub fn steps(summary: &Value) -> Vec<Step> {
    let step = |value: &Value| {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
        Step {
            name: text("step"),
            reason: text("reason"),
            documents: number("documents"),
            bytes: number("bytes"),
        }
    };
    summary.get("funnel").and_then(Value::as_array).into_iter().flatten().map(step).collect()
}
