//! Summing up scored documents: bits per byte over all of them and by source.

use std::collections::BTreeMap;

use regimen_train::score::bits_per_byte;
use serde_json::{Map, Value, json};

/// A document with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored<'a> {
    /// Name of its source.
    pub source: &'a str,
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens, the end token included.
    pub tokens: u64,
    /// Negative log-likelihood under the model, in nats, its end included.
    pub nats: f64,
    /// The same under the baseline, whose symbols are bytes.
    pub baseline: Option<f64>,
}

/// Sums over documents, in the order in which they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Over all documents.
    pub all: Sums,
    /// By source.
    pub sources: BTreeMap<String, Sums>,
}

/// Sums over some documents.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Documents.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens with the end tokens.
    pub tokens: u64,
    /// Nats under the model.
    pub nats: f64,
    /// Nats under the baseline.
    pub baseline: Option<f64>,
}

impl Sums {
    fn add(&mut self, document: &Scored) {
        self.documents += 1;
        self.bytes += document.bytes;
        self.tokens += document.tokens;
        self.nats += document.nats;
        if let Some(nats) = document.baseline {
            *self.baseline.get_or_insert(0.0) += nats;
        }
    }

    /// Bits per byte of the model.
    pub fn bpb(&self) -> f64 {
        bits_per_byte(self.nats, self.bytes)
    }

    /// Bits per byte of the baseline.
    pub fn baseline_bpb(&self) -> Option<f64> {
        self.baseline.map(|nats| bits_per_byte(nats, self.bytes))
    }
}

impl Tally {
    /// Count a document.
    pub fn add(&mut self, document: &Scored) {
        self.all.add(document);
        self.sources.entry(document.source.into()).or_default().add(document);
    }

    /// What the artifact's summary holds: `bpb`, `documents`, `bytes`, `tokens`, `sources`, and with a baseline
    /// `baseline` and `better_by` = 1 - model / baseline.
    pub fn summary(&self) -> Value {
        let each = |sums: &Sums| json!({"bpb": sums.bpb(), "bytes": sums.bytes, "documents": sums.documents});
        let sources: Map<String, Value> =
            self.sources.iter().map(|(name, sums)| (name.clone(), each(sums))).collect();
        let mut summary = json!({
            "bpb": self.all.bpb(), "documents": self.all.documents, "bytes": self.all.bytes,
            "tokens": self.all.tokens, "sources": sources,
        });
        if let Some(bpb) = self.all.baseline_bpb() {
            let of_source = |sums: &Sums| sums.baseline_bpb().map(|bpb| json!({"bpb": bpb}));
            let sources: Map<String, Value> = self
                .sources
                .iter()
                .filter_map(|(name, sums)| Some((name.clone(), of_source(sums)?)))
                .collect();
            summary["baseline"] = json!({"bpb": bpb, "sources": sources});
            summary["better_by"] = json!(1.0 - self.all.bpb() / bpb);
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_bytes_divides() {
        let ln2 = std::f64::consts::LN_2;
        let mut tally = Tally::default();
        let scored = |source, bytes, nats, baseline| Scored { source, bytes, tokens: 3, nats, baseline };
        tally.add(&scored("a", 10, 20.0 * ln2, Some(40.0 * ln2)));
        tally.add(&scored("b", 30, 20.0 * ln2, Some(60.0 * ln2)));
        tally.add(&scored("a", 0, 4.0 * ln2, Some(1.0 * ln2)));
        let summary = tally.summary();
        let near = |value: &Value, expected: f64| {
            assert!((value.as_f64().unwrap() - expected).abs() < 1e-12, "{value}");
        };
        near(&summary["bpb"], 1.1);
        near(&summary["sources"]["a"]["bpb"], 2.4);
        near(&summary["sources"]["b"]["bpb"], 20.0 / 30.0);
        near(&summary["baseline"]["bpb"], 101.0 / 40.0);
        near(&summary["baseline"]["sources"]["b"]["bpb"], 2.0);
        near(&summary["better_by"], 1.0 - 44.0 / 101.0);
        assert_eq!(
            (&summary["documents"], &summary["bytes"], &summary["tokens"]),
            (&json!(3), &json!(40), &json!(9))
        );
        assert_eq!(summary["sources"]["a"]["documents"], 2);
    }

    #[test]
    fn without_a_baseline_none_is_named() {
        let mut tally = Tally::default();
        tally.add(&Scored { source: "a", bytes: 1, tokens: 1, nats: 1.0, baseline: None });
        let summary = tally.summary();
        assert!(summary.get("baseline").is_none() && summary.get("better_by").is_none());
        assert_eq!(summary["bpb"], 1.0 / std::f64::consts::LN_2);
    }
}
