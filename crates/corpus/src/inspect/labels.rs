//! How many documents have each label that a tagger found, such as each language.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::error::Result;
use crate::corpus::Corpus;
use crate::funnel::Count;
use crate::tag::Shape;

/// Stands for documents that were tagged and have no label, such as texts without letters, which have no language.
pub const NO_LABEL: &str = "(none)";

/// Documents that are counted between two looks at the sums.
const PIECE: usize = 1 << 14;

/// The documents by the label that one attribute gave them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Labels {
    /// `TAGGER.ATTRIBUTE`.
    pub name: String,
    /// By label; those that no document has are left out.
    pub labels: BTreeMap<String, Labelled>,
}

/// The documents of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Labelled {
    /// Those that stayed, with the bytes of their kept text.
    pub kept: Count,
    /// Those that were dropped after they had been tagged, with the bytes of their source text.
    pub dropped: Count,
}

impl Labelled {
    fn add(&mut self, other: &Labelled) {
        for (own, other) in [(&mut self.kept, other.kept), (&mut self.dropped, other.dropped)] {
            own.documents += other.documents;
            own.bytes += other.bytes;
        }
    }
}

impl Labels {
    /// The labels with most text first, kept and dropped together; equal ones by name.
    pub fn sorted(&self) -> Vec<(&str, &Labelled)> {
        let mut all: Vec<(&str, &Labelled)> =
            self.labels.iter().map(|(name, counts)| (name.as_str(), counts)).collect();
        all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.kept.bytes + counts.dropped.bytes));
        all
    }
}

/// Count the documents of every label of every attribute that is one.
///
/// # Errors
/// [`super::Error::Corpus`] for a damaged corpus.
pub fn labels(corpus: &Corpus) -> Result<Vec<Labels>> {
    let attributes = &corpus.names().attributes;
    let slots: Vec<usize> =
        (0..attributes.len()).filter(|&slot| attributes[slot].shape == Shape::Label).collect();
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    // By place in the list, the last one for none.
    let none = || slots.iter().map(|&slot| vec![Labelled::default(); attributes[slot].labels.len() + 1]);
    let mut sums: Vec<Vec<Labelled>> = none().collect();
    let ordinals: Vec<u32> = (0..corpus.len() as u32).collect();
    for piece in ordinals.chunks(PIECE * rayon::current_num_threads()) {
        let parts = piece.par_chunks(PIECE).map(|piece| {
            let mut sums: Vec<Vec<Labelled>> = none().collect();
            for &ordinal in piece {
                let Some(tags) = corpus.slots(ordinal)? else { continue };
                let row = corpus.row(ordinal);
                for (sums, &slot) in sums.iter_mut().zip(&slots) {
                    // What is no place in the list is none.
                    let place = tags.number(slot, Shape::Label).filter(|place| *place >= 0.0);
                    let place = place.unwrap_or(f64::INFINITY);
                    let place = (place as usize).min(sums.len() - 1);
                    let sum = &mut sums[place];
                    if row.kept() { &mut sum.kept } else { &mut sum.dropped }.add(row.bytes.into());
                }
            }
            Ok(sums)
        });
        for part in parts.collect::<crate::Result<Vec<_>>>()? {
            for (sums, part) in sums.iter_mut().zip(&part) {
                sums.iter_mut().zip(part).for_each(|(sum, part)| sum.add(part));
            }
        }
    }
    let each = slots.iter().zip(sums).map(|(&slot, sums)| {
        let attribute = &attributes[slot];
        let names = attribute.labels.iter().map(String::as_str).chain([NO_LABEL]);
        let found = names.zip(sums).filter(|(_, sum)| *sum != Labelled::default());
        Labels { name: attribute.full(), labels: found.map(|(name, sum)| (name.to_string(), sum)).collect() }
    });
    Ok(each.collect())
}
