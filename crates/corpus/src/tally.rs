//! Counting documents as they come: the funnel and the summary.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::author::Author;
use crate::funnel::{Count, Funnel, Step};
use crate::names::Names;
use crate::split::Split;
use crate::table::Row;

/// Counts by everything that the summary shows.
pub(crate) struct Tally {
    read: Vec<Count>,
    /// By reason (the first stands for none), then by source.
    fate: Vec<Vec<Count>>,
    splits: [Count; 2],
    /// Bytes of training text, as [`Count`], by what they are.
    sources: BTreeMap<u16, Count>,
    licences: BTreeMap<u16, Count>,
    authors: BTreeMap<Author, Count>,
    /// What training documents add that are taken more than once.
    repeated: Count,
}

impl Tally {
    pub fn new(reasons: usize, sources: usize) -> Tally {
        Tally {
            read: vec![Count::default(); sources],
            fate: vec![vec![Count::default(); sources]; reasons + 1],
            splits: [Count::default(); 2],
            sources: BTreeMap::new(),
            licences: BTreeMap::new(),
            authors: BTreeMap::new(),
            repeated: Count::default(),
        }
    }

    pub fn count(&mut self, row: &Row) {
        let bytes = u64::from(row.bytes);
        self.read[usize::from(row.source)].add(bytes);
        self.fate[usize::from(row.dropped.unwrap_or(0))][usize::from(row.source)].add(bytes);
        if !row.kept() {
            return;
        }
        self.splits[row.split as usize].add(bytes);
        if row.split == Split::Train {
            let more = u64::from(row.copies.saturating_sub(1));
            self.repeated.documents += more;
            self.repeated.bytes += more * bytes;
            self.sources.entry(row.source).or_default().add(bytes);
            self.licences.entry(row.licence).or_default().add(bytes);
            self.authors.entry(row.author).or_default().add(bytes);
        }
    }

    pub fn kept(&self) -> Count {
        sum(&self.fate[0])
    }

    pub fn split(&self, split: Split) -> Count {
        self.splits[split as usize]
    }

    pub fn funnel(&self, names: &Names, limited: bool) -> Funnel {
        let by_source = |counts: &[Count]| {
            let named = names.sources.iter().map(|source| source.name.clone()).zip(counts.iter().copied());
            named.filter(|(_, count)| count.documents > 0).collect::<BTreeMap<_, _>>()
        };
        let mut left = sum(&self.read);
        let mut steps = vec![Step {
            step: "read".into(),
            left,
            dropped: Count::default(),
            sources: by_source(&self.read),
            reason: String::new(),
        }];
        for (reason, counts) in names.reasons.iter().zip(&self.fate[1..]) {
            let dropped = sum(counts);
            if dropped.documents > 0 {
                left = Count {
                    documents: left.documents - dropped.documents,
                    bytes: left.bytes - dropped.bytes,
                };
                steps.push(Step {
                    step: reason.name.clone(),
                    left,
                    dropped,
                    sources: by_source(counts),
                    reason: reason.text.clone(),
                });
            }
        }
        Funnel { steps, limited }
    }

    /// The summary for the manifest: shares are of the training text.
    pub fn summary(&self, names: &Names, funnel: &Funnel) -> Value {
        let (read, kept) = (sum(&self.read), self.kept());
        let (train, validation) = (self.split(Split::Train), self.split(Split::Validation));
        let show = |count: &Count| json!({"documents": count.documents, "bytes": count.bytes});
        let dropped: Map<String, Value> =
            funnel.steps[1..].iter().map(|step| (step.step.clone(), step.dropped.documents.into())).collect();
        let named = |counts: &BTreeMap<u16, Count>, name: &dyn Fn(usize) -> String| {
            counts.iter().map(|(&i, count)| (name(i.into()), show(count))).collect::<Map<_, _>>()
        };
        let authors: Map<_, _> =
            self.authors.iter().map(|(author, count)| (author.name().to_string(), show(count))).collect();
        let steps: Vec<Value> = funnel
            .steps
            .iter()
            .map(|step| {
                let mut entry = json!({
                    "step": step.step, "documents": step.left.documents, "bytes": step.left.bytes,
                });
                if !step.reason.is_empty() {
                    entry["reason"] = step.reason.clone().into();
                }
                entry
            })
            .collect();
        let mut summary = json!({
            "text_bytes": kept.bytes,
            "documents": {
                "read": read.documents, "kept": kept.documents, "train": train.documents,
                "validation": validation.documents, "dropped": read.documents - kept.documents,
            },
            "bytes": {
                "read": read.bytes, "kept": kept.bytes, "train": train.bytes, "validation": validation.bytes,
            },
            "sources": named(&self.sources, &|i| names.sources[i].name.clone()),
            "licences": named(&self.licences, &|i| names.licences[i].clone()),
            "authors": authors,
            "dropped": dropped,
            "funnel": steps,
            "limited": funnel.limited,
        });
        if self.repeated.documents > 0 {
            summary["repeated"] = show(&self.repeated);
        }
        summary
    }
}

fn sum(counts: &[Count]) -> Count {
    counts.iter().fold(Count::default(), |all, count| Count {
        documents: all.documents + count.documents,
        bytes: all.bytes + count.bytes,
    })
}
