//! How the losses of an evaluation spread: a histogram over tokens, and the documents that were hardest and easiest.

use serde::Serialize;
use serde_json::{Value, json};

/// Width of a bin in nats.
const WIDTH: f64 = 0.25;
/// Bins; the last holds 16 nats and more.
const BINS: usize = 65;
/// Documents kept of each kind.
const KEPT: usize = 10;
/// Documents of fewer bytes are left out of the extremes, as long as enough others remain: their bits per byte say more
/// of the end of a document than of its text.
const LEAST: u64 = 256;
/// Characters that are kept of a text.
const LETTERS: usize = 280;

/// Counts of tokens by their loss.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLosses {
    counts: [u64; BINS],
}

impl Default for TokenLosses {
    fn default() -> TokenLosses {
        TokenLosses { counts: [0; BINS] }
    }
}

impl TokenLosses {
    /// Count a token of so many nats; one that is not finite is the caller's to report.
    pub fn add(&mut self, nats: f32) {
        if nats.is_finite() {
            let bin = (f64::from(nats.max(0.0)) / WIDTH) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// Width of the bins and how many tokens are in each.
    pub fn json(&self) -> Value {
        json!({"width": WIDTH, "counts": self.counts.as_slice()})
    }
}

/// Which documents are at both ends, as indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extremes {
    /// Documents of fewer bytes were left out; 0 if none was.
    pub least_bytes: u64,
    /// Most bits per byte first.
    pub worst: Vec<usize>,
    /// Fewest bits per byte first.
    pub best: Vec<usize>,
}

impl Extremes {
    /// The extremes of documents given as bytes and bits per byte. Of equals the earlier one comes first; no document is
    /// at both ends.
    pub fn of(documents: &[(u64, f64)]) -> Extremes {
        let long = documents.iter().filter(|d| d.0 >= LEAST).count();
        let least_bytes = if long >= 2 * KEPT { LEAST } else { 0 };
        let mut order: Vec<usize> = (0..documents.len()).filter(|&i| documents[i].0 >= least_bytes).collect();
        order.sort_by(|&a, &b| documents[a].1.total_cmp(&documents[b].1).then(a.cmp(&b)));
        let each = KEPT.min(order.len().div_ceil(2));
        let best = order[..each].to_vec();
        let mut worst = order[each.max(order.len().saturating_sub(KEPT))..].to_vec();
        worst.sort_by(|&a, &b| documents[b].1.total_cmp(&documents[a].1).then(a.cmp(&b)));
        Extremes { least_bytes, worst, best }
    }
}

/// A document with its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    name: String,
    bytes: u64,
    bits_per_byte: f64,
    text: String,
}

impl Document {
    /// `name` is what `regimen trace doc` takes; of the text the beginning is kept.
    pub fn new(name: String, bytes: u64, bits_per_byte: f64, text: &str) -> Document {
        let end = text.char_indices().nth(LETTERS).map_or(text.len(), |(end, _)| end);
        Document { name, bytes, bits_per_byte, text: text[..end].into() }
    }
}

/// `losses.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Losses {
    /// See [`TokenLosses::json`].
    pub token_losses: Value,
    /// See [`Extremes::least_bytes`].
    pub least_bytes: u64,
    /// The hardest first.
    pub worst: Vec<Document>,
    /// The easiest first.
    pub best: Vec<Document>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fall_into_bins() {
        let mut losses = TokenLosses::default();
        [0.0, -1e-7, 0.2499, 0.25, 3.99, 4.0, 15.99, 16.0, 1e30, f32::NAN, f32::INFINITY]
            .into_iter()
            .for_each(|nats| losses.add(nats));
        let mut expected = [0; BINS];
        for (bin, count) in [(0, 3), (1, 1), (15, 1), (16, 1), (63, 1), (64, 2)] {
            expected[bin] = count;
        }
        assert_eq!(losses.counts, expected);
        assert_eq!(losses.json()["counts"].as_array().unwrap().len(), BINS);
    }

    #[test]
    fn extremes_are_of_long_documents_if_there_are_enough() {
        let long: Vec<(u64, f64)> = (0..30).map(|i| (300, f64::from(i % 15))).chain([(3, 99.0)]).collect();
        let extremes = Extremes::of(&long);
        assert_eq!(extremes.least_bytes, LEAST);
        assert_eq!(extremes.worst[..4], [14, 29, 13, 28]);
        assert_eq!(extremes.best[..4], [0, 15, 1, 16]);
        assert_eq!((extremes.worst.len(), extremes.best.len()), (KEPT, KEPT));

        let few = Extremes::of(&[(3, 2.0), (300, 1.0), (300, 3.0)]);
        assert_eq!(few, Extremes { least_bytes: 0, worst: vec![2], best: vec![1, 0] });
        assert_eq!(Extremes::of(&[]), Extremes::default());
        assert_eq!(Extremes::of(&[(1, 1.0)]), Extremes { least_bytes: 0, worst: vec![], best: vec![0] });
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let document = Document::new("a:1".into(), 3, 1.0, &"é".repeat(400));
        assert_eq!(document.text, "é".repeat(LETTERS));
        assert_eq!(Document::new("a:1".into(), 3, 1.0, "short").text, "short");
    }
}
