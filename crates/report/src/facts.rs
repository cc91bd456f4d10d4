//! Everything a page tells, gathered from the store before a line of it is written.

use std::collections::BTreeMap;

use regimen_base::{Hash256, Key, events, json};
use regimen_ledger::{Artifact, Manifest, Relative, RunInfo, Store, run_id};
use serde_json::{Value, json};

use crate::Seen;
use crate::error::Error;
use crate::log::Log;
use crate::losses::Losses;

/// What is known of a run.
pub(crate) struct Facts {
    /// Its record.
    pub(crate) info: RunInfo,
    /// Its events.
    pub(crate) log: Log,
    /// The manifest of what it made, if it has.
    pub(crate) own: Option<Manifest>,
    /// What it was made from, inputs before what uses them.
    pub(crate) before: Vec<Relation>,
    /// What was made from it, nearest first.
    pub(crate) after: Vec<Relation>,
    /// The run that it is compared with.
    pub(crate) against: Option<Box<Facts>>,
    /// The tokens it was trained on, by where they come from.
    pub(crate) seen: Option<Seen>,
    /// How the losses of evaluations spread.
    pub(crate) losses: BTreeMap<Key, Losses>,
    /// Changes whenever the page would.
    pub(crate) stamp: Hash256,
}

/// An artifact before or after the run's own.
pub(crate) struct Relation {
    /// Where it stands.
    pub(crate) relative: Relative,
    /// Its manifest, unless it is gone or the artifact is damaged.
    pub(crate) manifest: Option<Manifest>,
}

impl Facts {
    /// Gather them. A run without events, or with relatives that are gone, is still a run.
    pub(crate) fn gather(store: &Store, info: &RunInfo) -> Result<Facts, Error> {
        let relatives = relatives(store, info)?;
        let stamp = stamp(store, info, &relatives)?;
        let own = open(store, &info.kind, info.key);
        let mut path = events::path_in(&store.run_dir(&info.id));
        if let Some(made) = own.as_ref().filter(|_| !path.exists()) {
            // The artifact was made under another name; that run has the events.
            path = events::path_in(&store.run_dir(&run_id(&made.stage, info.key)));
        }
        let log = if path.exists() { Log::read(&path)? } else { Log::default() };
        let open_all = |relatives: Vec<Relative>| -> Vec<Relation> {
            let relation = |relative: Relative| Relation {
                manifest: open(store, &relative.kind, relative.key),
                relative,
            };
            relatives.into_iter().map(relation).collect()
        };
        let before = causes_first(open_all(relatives.0));
        let after = open_all(relatives.1);
        let manifests = own.iter().chain(after.iter().filter_map(|r| r.manifest.as_ref()));
        let losses = manifests
            .filter(|m| m.kind == "evaluate")
            .filter_map(|m| Some((m.key, Losses::read(&store.artifact_dir(&m.kind, m.key))?)))
            .collect();
        Ok(Facts { info: info.clone(), log, own, before, after, against: None, seen: None, losses, stamp })
    }

    /// What the stage wanted remembered; null if it has not ended.
    pub(crate) fn summary(&self) -> &Value {
        let own = self.own.as_ref().map(|m| &m.summary);
        own.or(self.log.summary.as_ref()).unwrap_or(&Value::Null)
    }

    /// The manifests of one kind among the run's own and its ancestors, the run's own first, then nearest first.
    pub(crate) fn sources_of_kind(&self, kind: &str) -> Vec<&Manifest> {
        let own = self.own.iter();
        let mut before: Vec<&Relation> = self.before.iter().collect();
        before.sort_by_key(|r| r.relative.depth);
        own.chain(before.into_iter().filter_map(|r| r.manifest.as_ref())).filter(|m| m.kind == kind).collect()
    }

    /// The manifests of one kind that take the run's artifact as an input, newest first; the run's own if it is of
    /// that kind itself.
    pub(crate) fn results_of_kind(&self, kind: &str) -> Vec<&Manifest> {
        if let Some(own) = self.own.as_ref().filter(|m| m.kind == kind) {
            return vec![own];
        }
        let after = self.after.iter().filter_map(|r| r.manifest.as_ref());
        let mut found: Vec<&Manifest> =
            after.filter(|m| m.kind == kind && m.inputs.values().any(|&key| key == self.info.key)).collect();
        found.sort_by(|a, b| b.created.total_cmp(&a.created));
        found
    }
}

/// Changes whenever the page of the run would.
pub(crate) fn current_stamp(store: &Store, info: &RunInfo) -> Result<Hash256, Error> {
    stamp(store, info, &relatives(store, info)?)
}

/// Ancestors and descendants. An unfinished run has none in the ledger; its inputs have.
fn relatives(store: &Store, info: &RunInfo) -> Result<(Vec<Relative>, Vec<Relative>), Error> {
    let known = store.lineage(info.key)?;
    if !known.is_empty() || info.inputs.is_empty() {
        return Ok((known, store.descendants(info.key)?));
    }
    let mut found: Vec<Relative> = Vec::new();
    for (input, &key) in &info.inputs {
        let artifact = store.resolve(&key.to_string()).ok();
        let present = artifact.is_some();
        let (kind, stage) = artifact.map(|a| (a.manifest.kind, a.manifest.stage)).unwrap_or_default();
        let own = Relative { key, kind, stage, depth: 1, input: input.clone(), present };
        let further = store.lineage(key)?.into_iter().map(|r| Relative { depth: r.depth + 1, ..r });
        for relative in std::iter::once(own).chain(further) {
            match found.iter_mut().find(|r| r.key == relative.key) {
                Some(same) => same.depth = same.depth.min(relative.depth),
                None => found.push(relative),
            }
        }
    }
    Ok((found, Vec::new()))
}

fn stamp(
    store: &Store,
    info: &RunInfo,
    (before, after): &(Vec<Relative>, Vec<Relative>),
) -> Result<Hash256, Error> {
    let log = events::path_in(&store.run_dir(&info.id));
    let events = if log.exists() { Some(Hash256::of_file(&log)?.0) } else { None };
    let keys = |relatives: &[Relative]| -> Vec<Value> {
        relatives.iter().map(|r| json!([r.key.to_string(), r.input, r.present])).collect()
    };
    let made = store.artifact_dir(&info.kind, info.key).exists();
    let all = json!({
        "program": env!("CARGO_PKG_VERSION"), "run": info, "events": events, "made": made,
        "before": keys(before), "after": keys(after),
    });
    Ok(Hash256::of(json::canonical(&all).as_bytes()))
}

/// A manifest, if it is there and whole: `regimen ledger verify` is the place to complain.
fn open(store: &Store, kind: &str, key: Key) -> Option<Manifest> {
    let artifact: Option<Artifact> = store.artifact(kind, key).ok().flatten();
    artifact.filter(|_| !kind.is_empty()).map(|a| a.manifest)
}

/// Put every artifact behind those it was made from, the farthest first.
fn causes_first(mut open: Vec<Relation>) -> Vec<Relation> {
    open.sort_by_key(|r| std::cmp::Reverse(r.relative.depth));
    let mut placed: Vec<Relation> = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let waits = |relation: &Relation| {
            let inputs = relation.manifest.iter().flat_map(|m| m.inputs.values());
            inputs.into_iter().any(|key| open.iter().any(|other| other.relative.key == *key))
        };
        // Keys are hashes of the inputs' keys, so there is no cycle; 0 is for a store that was tampered with.
        let next = open.iter().position(|r| !waits(r)).unwrap_or(0);
        placed.push(open.remove(next));
    }
    placed
}
