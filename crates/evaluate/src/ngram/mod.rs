//! Byte n-gram model with Witten-Bell interpolation: the baseline that a language model has to beat.
//!
//! Symbols are the 256 bytes and an end symbol. After a context `h` that was seen `c(h)` times with `T(h)` different
//! successors, and with `h'` the context without its oldest byte,
//!
//! ```text
//! p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h))
//! ```
//!
//! (Witten and Bell 1991, "The zero-frequency problem", method C, interpolated as in Chen and Goodman 1998); below the
//! empty context lies the uniform distribution over the 257 symbols, and a context never seen passes on to `h'`.
//! Each document begins from an empty context: its first byte is predicted without context, its second from one byte,
//! and so on up to the model's order.

mod count;
mod file;
mod table;

use std::path::Path;

use crate::error::Result;
pub use count::Counter;
use table::Order;

/// The symbol after the last byte of a document.
pub const END: u16 = 256;
/// Bytes and the end.
const SYMBOLS: f64 = 257.0;
/// The longest context: eight bytes with the symbol make a 64-bit key.
pub const MAX_CONTEXT: usize = 7;

/// A trained model. Made by [`Counter::finish`] or [`Ngram::open`].
#[derive(Debug, PartialEq)]
pub struct Ngram {
    /// One table for each length of context from 0.
    orders: Vec<Order>,
    /// Bytes of text it was trained on.
    pub bytes: u64,
    /// Documents it was trained on.
    pub documents: u64,
}

impl Ngram {
    /// Name of the model's file in an artifact.
    pub const FILE: &str = "ngram.bin";

    /// Read a model file.
    ///
    /// # Errors
    /// [`crate::Error::Fs`], [`crate::Error::Damaged`].
    pub fn open(path: &Path) -> Result<Ngram> {
        file::read(path)
    }

    /// Write a model file, whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Fs`].
    pub fn save(&self, path: &Path) -> Result<()> {
        file::write(self, path)
    }

    /// Bytes of context.
    pub fn context_bytes(&self) -> usize {
        self.orders.len() - 1
    }

    /// Different contexts of all lengths.
    pub fn contexts(&self) -> u64 {
        self.orders.iter().map(|order| order.contexts() as u64).sum()
    }

    /// Probability of `symbol` (a byte or [`END`]) after the bytes of `history`, of which the last
    /// [`Ngram::context_bytes`] count.
    pub fn probability(&self, history: &[u8], symbol: u16) -> f64 {
        let used = history.len().min(self.context_bytes());
        let packed = history[history.len() - used..].iter().fold(0, |packed, &b| packed << 8 | u64::from(b));
        self.interpolate(packed, used, symbol)
    }

    /// `-ln p` of a whole document, its end included, in nats. Summed in f64 from its first byte to its end.
    pub fn nats(&self, text: &[u8]) -> f64 {
        let longest = self.context_bytes();
        let (mut history, mut sum) = (0u64, 0.0);
        for (i, &byte) in text.iter().enumerate() {
            sum -= self.interpolate(history, i.min(longest), u16::from(byte)).ln();
            history = history << 8 | u64::from(byte);
        }
        sum - self.interpolate(history, text.len().min(longest), END).ln()
    }

    /// `history` holds the newest byte lowest; `longest` of its bytes may be used.
    fn interpolate(&self, history: u64, longest: usize, symbol: u16) -> f64 {
        let mut p = 1.0 / SYMBOLS;
        for (length, order) in self.orders[..=longest].iter().enumerate() {
            // A context whose end was never seen was never seen either.
            let Some(seen) = order.look_up(history & mask(length), symbol) else { break };
            p = (seen.count + seen.distinct * p) / (seen.total + seen.distinct);
        }
        p
    }
}

/// The bits of the newest `bytes` bytes of a packed history.
fn mask(bytes: usize) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn train(context: usize, documents: &[&[u8]]) -> Ngram {
        let mut counter = Counter::new(context);
        documents.iter().for_each(|d| counter.add(d));
        counter.finish()
    }

    #[test]
    fn golden() {
        // "aab": the empty context sees a a b END: c = 4, T = 3, with counts a 2, b 1, END 1.
        // After a: a 1, b 1 (c = 2, T = 2); after b: END 1 (c = 1, T = 1).
        let model = train(1, &[b"aab"]);
        let (a, b, end) = (u16::from(b'a'), u16::from(b'b'), END);
        let uniform = 1.0 / 257.0;
        let (p_a, p_b, p_end) =
            ((2.0 + 3.0 * uniform) / 7.0, (1.0 + 3.0 * uniform) / 7.0, (1.0 + 3.0 * uniform) / 7.0);
        let (a_a, b_a) = ((1.0 + 2.0 * p_a) / 4.0, (1.0 + 2.0 * p_b) / 4.0);
        let (end_b, a_b) = ((1.0 + p_end) / 2.0, p_a / 2.0);
        for (history, symbol, expected) in [
            (&b""[..], a, p_a),
            (b"", b, p_b),
            (b"", end, p_end),
            (b"", 0, 3.0 * uniform / 7.0),
            (b"a", a, a_a),
            (b"a", b, b_a),
            (b"b", end, end_b),
            (b"b", a, a_b),
            (b"xxa", a, a_a),
            // After z, never seen, the empty context speaks.
            (b"z", a, p_a),
        ] {
            let found = model.probability(history, symbol);
            assert!((found - expected).abs() < 1e-15, "{history:?} {symbol}: {found} {expected}");
        }
        // "ab": a from nothing, b after a, the end after b.
        let expected = -(p_a.ln() + b_a.ln() + end_b.ln());
        assert!((model.nats(b"ab") - expected).abs() < 1e-14);
        assert!((model.nats(b"") + p_end.ln()).abs() < 1e-15);
        assert_eq!((model.bytes, model.documents, model.contexts()), (3, 1, 3));
    }

    /// The formula by recursion over counts in a hash map.
    fn naive(documents: &[Vec<u8>], history: &[u8], symbol: u16) -> f64 {
        let mut counts: HashMap<u16, f64> = HashMap::new();
        for text in documents {
            let symbols: Vec<u16> = text.iter().map(|&b| u16::from(b)).chain([END]).collect();
            for i in history.len()..symbols.len() {
                if text[i - history.len()..i] == *history {
                    *counts.entry(symbols[i]).or_default() += 1.0;
                }
            }
        }
        let below = if history.is_empty() { 1.0 / SYMBOLS } else { naive(documents, &history[1..], symbol) };
        let (total, distinct) = (counts.values().sum::<f64>(), counts.len() as f64);
        match total > 0.0 {
            true => (counts.get(&symbol).copied().unwrap_or(0.0) + distinct * below) / (total + distinct),
            false => below,
        }
    }

    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(0u8), Just(b'a'), Just(b'b'), Just(255)], 0..14),
            1..5,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn counts_agree_with_the_naive_formula(documents in texts(), context in 1usize..=7, probe in texts()) {
            let borrowed: Vec<&[u8]> = documents.iter().map(Vec::as_slice).collect();
            let model = train(context, &borrowed);
            for text in probe {
                let mut expected = 0.0;
                for i in 0..=text.len() {
                    let history = &text[i.saturating_sub(context)..i];
                    let symbol = text.get(i).map_or(END, |&b| u16::from(b));
                    let p = naive(&documents, history, symbol);
                    prop_assert!((model.probability(&text[..i], symbol) - p).abs() < 1e-13);
                    expected -= p.ln();
                }
                prop_assert!((model.nats(&text) - expected).abs() < 1e-11);
                prop_assert_eq!(model.nats(&text).to_bits(), model.nats(&text).to_bits());
            }
        }

        #[test]
        fn probabilities_sum_to_one(documents in texts(), context in 1usize..=7, history in prop::collection::vec(any::<u8>(), 0..9)) {
            let borrowed: Vec<&[u8]> = documents.iter().map(Vec::as_slice).collect();
            let model = train(context, &borrowed);
            for history in documents.iter().chain([&history]) {
                let sum: f64 = (0..=END).map(|symbol| model.probability(history, symbol)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-12, "{}", sum);
            }
        }
    }

    #[test]
    fn without_documents_all_symbols_are_alike() {
        let model = train(3, &[]);
        assert_eq!(model.probability(b"abc", 7), 1.0 / 257.0);
        assert_eq!(model.contexts(), 0);
    }

    #[test]
    fn contexts_are_counted_once_each() {
        let text = b"the cat sat on the mat; the cat sat";
        let model = train(2, &[text]);
        let pairs: HashSet<&[u8]> = text.windows(2).collect();
        let bytes: HashSet<u8> = text.iter().copied().collect();
        assert_eq!(model.contexts(), 1 + (bytes.len() + pairs.len()) as u64);
    }
}
