//! What a run learned from, by source, licence and kind of author.

use std::collections::BTreeMap;

use regimen_ledger::{RunInfo, Store};
use regimen_trace::View;
use serde::Serialize;

/// The training documents of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Composition {
    /// `tokens`, or `bytes` where nothing was tokenized.
    pub unit: &'static str,
    /// Documents, copies counted.
    pub documents: u64,
    /// Tokens or bytes of all.
    pub total: u64,
    pub sources: BTreeMap<String, Part>,
    pub licences: BTreeMap<String, Part>,
    pub authors: BTreeMap<String, Part>,
}

/// A part of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub documents: u64,
    /// Tokens or bytes.
    pub amount: u64,
    /// Of all of them.
    pub share: f64,
}

/// What the artifact of a run was made from; none if it cannot be traced to a corpus that is here.
pub fn composition(store: &Store, run: &RunInfo) -> Option<Composition> {
    let view = match store.artifact(&run.kind, run.key) {
        Ok(Some(artifact)) => View::open(&artifact),
        _ => View::open_run(store, run),
    };
    let view = view.ok()?;
    let mut all = Composition {
        unit: if view.tokens.is_some() { "tokens" } else { "bytes" },
        documents: 0,
        total: 0,
        sources: BTreeMap::new(),
        licences: BTreeMap::new(),
        authors: BTreeMap::new(),
    };
    match &view.tokens {
        // As often as a document is in the stream, it counts.
        Some(tokens) => {
            for document in tokens.train().documents() {
                add(&mut all, &view, document.ordinal, document.slots.end - document.slots.start);
            }
        }
        None => {
            for ordinal in view.corpus.split(regimen_corpus::Split::Train) {
                add(&mut all, &view, ordinal, u64::from(view.corpus.row(ordinal).bytes));
            }
        }
    }
    let total = all.total.max(1) as f64;
    for part in all.sources.values_mut().chain(all.licences.values_mut()).chain(all.authors.values_mut()) {
        part.share = part.amount as f64 / total;
    }
    Some(all)
}

fn add(all: &mut Composition, view: &View, ordinal: u32, amount: u64) {
    if ordinal as usize >= view.corpus.len() {
        return;
    }
    let row = view.corpus.row(ordinal);
    all.documents += 1;
    all.total += amount;
    let count = |map: &mut BTreeMap<String, Part>, name: &str| {
        if !map.contains_key(name) {
            map.insert(name.into(), Part::default());
        }
        if let Some(part) = map.get_mut(name) {
            part.documents += 1;
            part.amount += amount;
        }
    };
    count(&mut all.sources, view.corpus.source_name(row.source));
    count(&mut all.licences, view.corpus.licence_name(row.licence));
    count(&mut all.authors, row.author.name());
}
