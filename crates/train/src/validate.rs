//! Validation during training: bits per byte of a fixed, evenly spread choice of held-out documents, overall and by
//! source.

use std::collections::BTreeMap;

use regimen_corpus::{Corpus, Split};
use regimen_models::Decoder;
use regimen_tensor::{Params, Pool};
use regimen_tokens::Stream;

use crate::error::Result;
use crate::score::{bits_per_byte, score};

/// The documents to validate on.
pub struct Validation {
    ordinals: Vec<u32>,
    bytes: Vec<u64>,
    sources: Vec<String>,
    context: usize,
}

/// What a validation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Bits per byte over all documents.
    pub bpb: f64,
    /// Bits per byte by source.
    pub sources: BTreeMap<String, f64>,
}

impl Validation {
    /// At most `documents` validation documents (0 = all), evenly spread in corpus order.
    pub fn new(corpus: &Corpus, documents: usize, context: usize) -> Validation {
        let all: Vec<u32> = corpus.split(Split::Validation).collect();
        let many = if documents == 0 { all.len() } else { documents.min(all.len()) };
        let ordinals: Vec<u32> = (0..many).map(|i| all[i * all.len() / many]).collect();
        let bytes = ordinals.iter().map(|&o| u64::from(corpus.row(o).bytes)).collect();
        let sources =
            ordinals.iter().map(|&o| corpus.source_name(corpus.row(o).source).to_string()).collect();
        Validation { ordinals, bytes, sources, context }
    }

    /// Whether there is nothing to validate on.
    pub fn is_empty(&self) -> bool {
        self.ordinals.is_empty()
    }

    /// Score the documents with a stride of half the context.
    pub fn run(&self, decoder: &Decoder, params: &Params, stream: &Stream, pool: &Pool) -> Result<Found> {
        let stride = (self.context / 2).max(1);
        let nats =
            score(decoder, params, stream, &self.ordinals, self.context, stride, pool, &mut |_, _| true)?;
        let mut sums: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
        let mut all = (0.0, 0);
        for (i, nats) in nats.into_iter().enumerate() {
            let entry = sums.entry(&self.sources[i]).or_default();
            *entry = (entry.0 + nats, entry.1 + self.bytes[i]);
            all = (all.0 + nats, all.1 + self.bytes[i]);
        }
        Ok(Found {
            bpb: bits_per_byte(all.0, all.1),
            sources: sums.into_iter().map(|(s, (n, b))| (s.to_string(), bits_per_byte(n, b))).collect(),
        })
    }
}
