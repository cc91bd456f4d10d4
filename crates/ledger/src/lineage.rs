//! Ancestors and descendants of an artifact.

use std::collections::BTreeMap;

use regimen_base::Key;

use crate::error::Result;
use crate::index::Row;
use crate::store::Store;

/// An artifact that another one comes from, or that comes from it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Relative {
    /// Its key.
    pub key: Key,
    /// Its kind; empty if the store does not hold it.
    pub kind: String,
    /// The stage name under which it was made; empty if the store does not hold it.
    pub stage: String,
    /// Edges between it and the artifact asked about, along the shortest way; from 1.
    pub depth: usize,
    /// The input that the edge nearest to it fills: an ancestor is `input` of something, a descendant has it as `input`.
    pub input: String,
    /// Whether the store holds it (it may have been removed, or lie elsewhere).
    pub present: bool,
}

impl Store {
    /// All artifacts that this one was made from: nearest first, those of one depth by input name.
    pub fn lineage(&self, key: Key) -> Result<Vec<Relative>> {
        self.walk(key, |(from, name, to)| (from, name, to))
    }

    /// All artifacts of the store that were made from this one, nearest first.
    pub fn descendants(&self, key: Key) -> Result<Vec<Relative>> {
        self.walk(key, |(from, name, to)| (to, name, from))
    }

    fn walk(
        &self,
        start: Key,
        turn: impl Fn((Key, String, Key)) -> (Key, String, Key),
    ) -> Result<Vec<Relative>> {
        let present = self.present()?;
        let (rows, edges) = self.index().graph(&present)?;
        let mut next: BTreeMap<Key, Vec<(String, Key)>> = BTreeMap::new();
        for (from, name, to) in edges.into_iter().map(turn) {
            next.entry(from).or_default().push((name, to));
        }
        let mut found: Vec<Relative> = Vec::new();
        let mut level = vec![start];
        let mut depth = 0;
        while !level.is_empty() {
            depth += 1;
            let mut reached = Vec::new();
            for (input, key) in level.iter().flat_map(|key| next.remove(key).unwrap_or_default()) {
                if key == start || found.iter().any(|relative| relative.key == key) {
                    continue;
                }
                let (kind, stage, present) = match rows.get(&key) {
                    Some(Row { kind, stage, .. }) => (kind.clone(), stage.clone(), true),
                    None => (String::new(), String::new(), false),
                };
                found.push(Relative { key, kind, stage, depth, input, present });
                reached.push(key);
            }
            level = reached;
        }
        Ok(found)
    }
}
