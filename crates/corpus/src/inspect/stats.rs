//! Counts by everything that is known of documents, the spread of every attribute, and the clusters of copies.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::error::Result;
use super::labels::{Labels, labels};
use crate::corpus::Corpus;
use crate::funnel::Count;
use crate::split::Split;
use crate::tag::Shape;

/// Numbers that may be in memory at once while attributes are counted: 8 bytes each.
const NUMBERS: usize = 1 << 26;

/// What is in a corpus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// All documents, dropped ones with the bytes of their source text.
    pub read: Count,
    /// Those that stayed, with the bytes of their kept text.
    pub kept: Count,
    /// Kept documents by source.
    pub sources: BTreeMap<String, Count>,
    /// By licence.
    pub licences: BTreeMap<String, Count>,
    /// By author kind.
    pub authors: BTreeMap<String, Count>,
    /// By split.
    pub splits: BTreeMap<String, Count>,
    /// Dropped documents by reason.
    pub reasons: BTreeMap<String, Count>,
    /// Kept documents whose text was edited.
    pub edited: Count,
    /// Kept documents that the mix takes more than once, each with its text once.
    pub repeated: Count,
    /// The training split as it is trained on: each document, and its text, as often as the mix takes it.
    pub training: Count,
    /// Lengths of kept documents in bytes.
    pub lengths: Numbers,
    /// Every rule and every attribute, over all documents that were measured, dropped ones too.
    pub numbers: Vec<Numbers>,
    /// The documents by every label that taggers found.
    pub labels: Vec<Labels>,
    /// Copies and what stayed in their place.
    pub clusters: Clusters,
}

/// How the numbers of one attribute or rule spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// `TAGGER.ATTRIBUTE`, or the name of a rule.
    pub name: String,
    /// `rule`, `value`, `flag` (0 or 1), `spans` (their number in a document) or `bytes`.
    pub what: &'static str,
    /// Documents that have a number; for marks and spans all that were tagged.
    pub count: u64,
    /// Mean of the numbers; 0 if there is none.
    pub mean: f64,
    /// Quantiles; none if there is no number.
    pub quantiles: Option<Quantiles>,
    /// Share of the measured documents that lack the value, or have no mark or no span.
    pub absent: f64,
}

/// Quantiles by linear interpolation between the two nearest of the sorted numbers (definition 7 of Hyndman and Fan
/// 1996, the default of NumPy and R).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Least number.
    pub least: f64,
    /// 1 %.
    pub q01: f64,
    /// 5 %.
    pub q05: f64,
    /// 25 %.
    pub q25: f64,
    /// 50 %.
    pub median: f64,
    /// 75 %.
    pub q75: f64,
    /// 95 %.
    pub q95: f64,
    /// 99 %.
    pub q99: f64,
    /// Greatest number.
    pub greatest: f64,
}

impl Quantiles {
    /// Of `count` sorted numbers between `least` and `greatest`, of which `at` gives those at some places, which come in order.
    pub(crate) fn of(count: u64, least: f64, greatest: f64, at: &dyn Fn(&[u64]) -> Vec<f64>) -> Quantiles {
        let last = count.saturating_sub(1);
        let shares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map(|share| share * last as f64);
        let places: Vec<u64> = shares
            .iter()
            .flat_map(|place| [place.floor() as u64, (place.floor() as u64 + 1).min(last)])
            .collect();
        // Not every list of such pairs is in order: they may overlap.
        let mut sorted = places.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let numbers = at(&sorted);
        let number = |place: u64| numbers[sorted.partition_point(|&p| p < place)].max(least).min(greatest);
        let mut all = shares.iter().zip(places.chunks(2)).map(|(share, pair)| {
            let (below, above) = (number(pair[0]), number(pair[1]));
            below + share.fract() * (above - below)
        });
        let mut next = || all.next().unwrap_or(greatest);
        Quantiles {
            least,
            q01: next(),
            q05: next(),
            q25: next(),
            median: next(),
            q75: next(),
            q95: next(),
            q99: next(),
            greatest,
        }
    }
}

/// Documents of one text or nearly one text, of which one stayed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Number of the document that stayed.
    pub representative: u32,
    /// Its `source:id`.
    pub document: String,
    /// Numbers of those that went, in document order.
    pub copies: Vec<u32>,
}

/// All clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Clusters {
    /// Clusters of at least two documents.
    pub count: u64,
    /// Documents that were dropped for a copy that stayed.
    pub dropped: Count,
    /// The largest, by number of documents, then by document order.
    pub largest: Vec<Cluster>,
}

/// Count everything; `most` of the largest clusters are listed.
///
/// # Errors
/// [`super::Error::Corpus`] for a damaged corpus.
pub fn stats(corpus: &Corpus, most: usize) -> Result<Stats> {
    let (mut read, mut kept, mut edited) = (Count::default(), Count::default(), Count::default());
    let (mut repeated, mut training) = (Count::default(), Count::default());
    let mut groups: [BTreeMap<String, Count>; 5] = Default::default();
    let mut lengths = Vec::new();
    for ordinal in 0..corpus.len() as u32 {
        let row = corpus.row(ordinal);
        let bytes = u64::from(row.bytes);
        read.add(bytes);
        let mut add = |group: usize, name: &str| match groups[group].get_mut(name) {
            Some(count) => count.add(bytes),
            None => groups[group].entry(name.into()).or_default().add(bytes),
        };
        match row.dropped {
            Some(reason) => add(4, corpus.reason_name(reason)),
            None => {
                add(0, corpus.source_name(row.source));
                add(1, corpus.licence_name(row.licence));
                add(2, row.author.name());
                add(3, row.split.name());
                kept.add(bytes);
                if row.copies > 1 {
                    repeated.add(bytes);
                }
                if row.split == Split::Train {
                    training.documents += u64::from(row.copies);
                    training.bytes += bytes * u64::from(row.copies);
                }
                lengths.push(bytes as f64);
                if corpus.keep_map(ordinal)?.is_some() {
                    edited.add(bytes);
                }
            }
        }
    }
    let [sources, licences, authors, splits, reasons] = groups;
    let lengths = spread("bytes", "bytes", lengths, 0);
    let numbers = numbers(corpus)?;
    let labels = labels(corpus)?;
    let clusters = clusters(corpus, most);
    Ok(Stats {
        read,
        kept,
        sources,
        licences,
        authors,
        splits,
        reasons,
        edited,
        repeated,
        training,
        lengths,
        numbers,
        labels,
        clusters,
    })
}

/// The clusters of copies; `most` of the largest are listed.
pub fn clusters(corpus: &Corpus, most: usize) -> Clusters {
    let mut all: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut dropped = Count::default();
    for ordinal in 0..corpus.len() as u32 {
        let row = corpus.row(ordinal);
        if let Some(representative) = row.representative {
            all.entry(representative).or_default().push(ordinal);
            dropped.add(row.bytes.into());
        }
    }
    let count = all.len() as u64;
    let mut largest: Vec<(u32, Vec<u32>)> = all.into_iter().collect();
    // A stable sort keeps document order among equals.
    largest.sort_by_key(|(_, copies)| std::cmp::Reverse(copies.len()));
    largest.truncate(most);
    let cluster =
        |(representative, copies)| Cluster { representative, document: corpus.name(representative), copies };
    Clusters { count, dropped, largest: largest.into_iter().map(cluster).collect() }
}

/// Attributes whose numbers fit into memory together.
pub(crate) fn at_once(documents: usize) -> usize {
    (NUMBERS / documents.max(1)).max(1)
}

fn numbers(corpus: &Corpus) -> Result<Vec<Numbers>> {
    let names = corpus.names();
    let documents = corpus.len();
    let mut out = Vec::with_capacity(names.rules.len() + names.attributes.len());
    for (slot, rule) in names.rules.iter().enumerate() {
        let all: Vec<Option<f64>> = (0..documents as u32)
            .into_par_iter()
            .map(|ordinal| corpus.rule(ordinal, slot).map(f64::from))
            .collect();
        let values: Vec<f64> = all.into_iter().flatten().collect();
        out.push(spread(&rule.name, "rule", values, 0));
    }
    let at_once = at_once(documents);
    // Places in a list have no mean.
    let slots: Vec<usize> =
        (0..names.attributes.len()).filter(|&slot| names.attributes[slot].shape != Shape::Label).collect();
    for slots in slots.chunks(at_once) {
        for (slot, values) in slots.iter().zip(values(corpus, slots)?) {
            let attribute = &names.attributes[*slot];
            let name = attribute.full();
            let measured = values.len();
            let present: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
            out.push(match attribute.shape {
                Shape::Value => {
                    let absent = measured - present.len();
                    spread(&name, "value", present, absent)
                }
                shape => {
                    let what = if shape == Shape::Flag { "flag" } else { "spans" };
                    let none = present.iter().filter(|&&n| n == 0.0).count();
                    let mut numbers = spread(&name, what, present, 0);
                    numbers.absent = none as f64 / measured.max(1) as f64;
                    numbers
                }
            });
        }
    }
    Ok(out)
}

/// The numbers of some attributes, attribute by attribute, over all documents with tags: a value, NaN if it is absent,
/// or the number of spans or marks.
fn values(corpus: &Corpus, slots: &[usize]) -> Result<Vec<Vec<f64>>> {
    let ordinals: Vec<u32> = (0..corpus.len() as u32).collect();
    let mut out: Vec<Vec<f64>> = vec![Vec::new(); slots.len()];
    // In pieces, so that what is decoded does not lie in memory as a whole.
    for some in ordinals.chunks(1 << 14) {
        let rows: Vec<Vec<f64>> = some
            .par_iter()
            .map(|&ordinal| {
                let tags = corpus.tags(ordinal)?;
                let number = |&slot: &usize| {
                    let tagged = tags.get(slot)?;
                    Some(match tagged.attribute.shape {
                        Shape::Value => tagged.spans.first().map_or(f64::NAN, |span| span.score),
                        _ => tagged.spans.len() as f64,
                    })
                };
                Ok(slots.iter().filter_map(number).collect())
            })
            .collect::<crate::Result<_>>()?;
        for row in rows {
            for (all, value) in out.iter_mut().zip(row) {
                all.push(value);
            }
        }
    }
    Ok(out)
}

fn spread(name: &str, what: &'static str, mut values: Vec<f64>, absent: usize) -> Numbers {
    values.par_sort_unstable_by(f64::total_cmp);
    let count = values.len();
    // In the order of the sorted numbers, so that it does not depend on threads.
    let mean = if count == 0 { 0.0 } else { values.iter().sum::<f64>() / count as f64 };
    Numbers {
        name: name.into(),
        what,
        count: count as u64,
        mean,
        quantiles: quantiles(&values),
        absent: absent as f64 / (count + absent).max(1) as f64,
    }
}

fn quantiles(sorted: &[f64]) -> Option<Quantiles> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    let at = |places: &[u64]| places.iter().map(|&place| sorted[place as usize]).collect();
    Some(Quantiles::of(sorted.len() as u64, *first, *last, &at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [.05, .25, .5, .75, .95])
        let q = quantiles(&[1.0, 2.0, 4.0, 8.0, 16.0]).unwrap();
        assert_eq!((q.least, q.q25, q.median, q.q75, q.greatest), (1.0, 2.0, 4.0, 8.0, 16.0));
        assert!((q.q05 - 1.2).abs() < 1e-12 && (q.q95 - 14.4).abs() < 1e-12);
        assert_eq!(quantiles(&[]), None);
        assert_eq!(quantiles(&[3.0]).unwrap().q95, 3.0);
        let numbers = spread("x", "value", vec![3.0, 1.0], 2);
        assert_eq!((numbers.mean, numbers.absent, numbers.count), (2.0, 0.5, 2));
    }
}
