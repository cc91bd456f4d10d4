//! How one document is scored from an empty context: overlapping windows, each slot scored once.

use std::ops::Range;

/// A row of the evaluation: the model reads the slots `read` of the document and is scored on `score` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Slots of the document in the row, at most `context`.
    pub read: Range<usize>,
    /// Slots that count: the tail of `read` that no earlier window scored.
    pub score: Range<usize>,
}

/// Windows over a document of `slots` slots. The first reads `[0, context)` and scores all of it; each later one moves
/// on by `stride` and scores its last `stride` slots, so every scored slot behind the first window sees at least
/// `context - stride` slots of context. The last window may score fewer slots but still reads a full context.
///
/// # Panics
/// If `stride` is 0 or above `context`.
pub fn windows(slots: usize, context: usize, stride: usize) -> impl Iterator<Item = Window> {
    assert!(stride > 0 && stride <= context, "stride {stride} with a context of {context}");
    let later = slots.saturating_sub(context).div_ceil(stride);
    let first = (slots > 0).then(|| Window { read: 0..slots.min(context), score: 0..slots.min(context) });
    first.into_iter().chain((0..later).map(move |i| {
        let start = context + i * stride;
        let end = (start + stride).min(slots);
        Window { read: end - context..end, score: start..end }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_slot_is_scored_once_with_enough_context(
            slots in 0usize..300, context in 1usize..50, part in 0.0f64..1.0,
        ) {
            let stride = 1 + (part * (context - 1) as f64) as usize;
            let mut next = 0;
            for window in windows(slots, context, stride) {
                prop_assert_eq!(window.score.start, next);
                prop_assert_eq!(window.read.end, window.score.end);
                prop_assert!(window.read.len() <= context && window.read.start <= window.score.start);
                let seen = window.score.start - window.read.start;
                prop_assert!(window.read.start == 0 || seen >= context - stride);
                next = window.score.end;
            }
            prop_assert_eq!(next, slots);
        }
    }
}
