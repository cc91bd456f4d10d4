//! What is known of personal data in the documents: only what taggers looked for.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde_json::Value;

use crate::corpus::Corpus;
use crate::dolma::known::kind_of;
use crate::dolma::stats::FolderStats;
use crate::error::Result;
use crate::inspect::pieces::Kept;
use crate::tag::{Kind, Shape, TAGGERS};

/// What taggers of personal data say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Personal {
    /// None of them is known to have run.
    Unknown,
    /// They ran, and all that they found in the documents is cut out or masked.
    None {
        /// What they look for.
        kinds: Vec<String>,
    },
    /// This is left of what they found, by kind.
    Found(BTreeMap<String, u64>),
}

/// Whether a tagger looks for personal data.
fn looks(kind: &Kind) -> bool {
    kind.name == "pii" || kind.name.starts_with("pii@")
}

fn kind(name: &str) -> Option<&'static Kind> {
    TAGGERS.iter().find(|kind| kind.name == name || kind.aliases.contains(&name)).copied()
}

impl Personal {
    fn of(found: BTreeMap<String, u64>) -> Personal {
        match found.values().sum::<u64>() {
            0 if found.is_empty() => Personal::Unknown,
            0 => Personal::None { kinds: found.into_keys().collect() },
            _ => Personal::Found(found.into_iter().filter(|(_, spans)| *spans > 0).collect()),
        }
    }

    /// In the kept texts of a corpus with this config.
    pub fn of_corpus(corpus: &Corpus, config: &Value) -> Result<Personal> {
        let names = corpus.names();
        // What taggers of the recipe are called, and what they are.
        let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).map(String::from);
        let entries = config.get("tag").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let called: BTreeMap<String, String> = entries
            .iter()
            .filter_map(|entry| {
                let tagger = entry.as_str().map(String::from).or_else(|| text(entry, "tagger"))?;
                Some((text(entry, "name").unwrap_or_else(|| tagger.clone()), tagger))
            })
            .collect();
        let slots: Vec<usize> = (0..names.attributes.len())
            .filter(|&slot| {
                let attribute = &names.attributes[slot];
                let tagger = called.get(&attribute.tagger).unwrap_or(&attribute.tagger);
                let kind = kind(tagger).or_else(|| kind_of(&attribute.name));
                attribute.shape == Shape::Spans && kind.is_some_and(looks)
            })
            .collect();
        let mut found: BTreeMap<String, u64> = slots
            .iter()
            .map(|&slot| (format!("{}.{}", names.attributes[slot].tagger, names.attributes[slot].name), 0))
            .collect();
        if slots.is_empty() {
            return Ok(Personal::Unknown);
        }
        let kept: Vec<u32> = corpus.kept().collect();
        let sum = |mut all: Vec<u64>, more: Vec<u64>| {
            all.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            Ok(all)
        };
        let left: Vec<u64> = kept
            .par_iter()
            .map(|&ordinal| -> Result<Vec<u64>> {
                let (tags, map) = (corpus.tags(ordinal)?, corpus.keep_map(ordinal)?);
                let text = Kept::new(map.as_deref(), &names.replacements, corpus.row(ordinal).bytes);
                let left = |&slot: &usize| {
                    let spans = tags.get(slot).map_or(&[][..], |tagged| &tagged.spans);
                    spans.iter().filter(|span| text.span(span.start, span.end).is_some()).count() as u64
                };
                Ok(slots.iter().map(left).collect())
            })
            .try_reduce(|| vec![0; slots.len()], sum)?;
        for (&slot, spans) in slots.iter().zip(left) {
            let name = format!("{}.{}", names.attributes[slot].tagger, names.attributes[slot].name);
            *found.entry(name).or_default() += spans;
        }
        Ok(Personal::of(found))
    }

    /// In a folder. That a tagger ran is known where any attribute of it lies there.
    pub fn of_folder(stats: &FolderStats) -> Personal {
        let own = stats
            .numbers
            .iter()
            .filter(|attribute| kind_of(&attribute.numbers.name).is_some_and(looks))
            .map(|a| (a.numbers.name.clone(), a.spans.as_ref().map_or(0, |spans| spans.count)));
        Personal::of(own.collect())
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Personal::Unknown => "No tagger of personal data is known to have run.".into(),
            Personal::None { kinds } => {
                format!(
                    "Taggers looked for personal data ({}); nothing that they found is left.",
                    kinds.join(", ")
                )
            }
            Personal::Found(found) => {
                let all: Vec<String> = found.iter().map(|(name, spans)| format!("{name}: {spans}")).collect();
                format!(
                    "Taggers found what may be personal data and is in the texts ({} spans).",
                    all.join(", ")
                )
            }
        }
    }
}
