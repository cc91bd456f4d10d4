//! Writing a model as fastText writes it: version 12, plain numbers.

use super::dictionary::Cut;
use super::{MAGIC, SUPERVISED};

/// What the header says of training and fastText does not need for prediction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Training {
    pub epochs: i32,
    pub min_count: i32,
    /// Tokens of one epoch.
    pub tokens: i64,
}

/// Signature, header and dictionary. `entries` are words, then labels, with their counts.
pub(crate) fn head<'a>(
    out: &mut Vec<u8>,
    dim: usize,
    loss: i32,
    cut: Cut,
    training: Training,
    words: usize,
    entries: impl ExactSizeIterator<Item = (&'a [u8], i64)>,
) {
    let numbers = [
        MAGIC,
        12,
        dim as i32,
        5, // context window, of word vectors
        training.epochs,
        training.min_count,
        5, // negatives
        cut.word_ngrams,
        loss,
        SUPERVISED,
        cut.bucket,
        cut.minn,
        cut.maxn,
        100, // update rate
    ];
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(1e-4f64.to_le_bytes()); // sampling threshold, of word vectors
    let size = entries.len();
    for number in [size, words, size - words] {
        out.extend((number as i32).to_le_bytes());
    }
    out.extend(training.tokens.to_le_bytes());
    out.extend((-1i64).to_le_bytes()); // not pruned
    for (number, (text, count)) in entries.enumerate() {
        out.extend_from_slice(text);
        out.push(0);
        out.extend(count.to_le_bytes());
        out.push(u8::from(number >= words));
    }
}

/// A matrix of numbers, after the byte that says so.
pub(crate) fn dense(out: &mut Vec<u8>, numbers: &[f32], columns: usize) {
    out.push(0);
    for size in [numbers.len() / columns, columns] {
        out.extend((size as i64).to_le_bytes());
    }
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
