//! Blocks of rows, ready for the model: inputs, targets, weights and document starts.

use std::ops::Range;

use crate::error::Result;
use crate::stream::Stream;

/// Rows of slots for one forward pass. All buffers are `[rows, time]`, row by row, and are kept between fillings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Rows.
    pub rows: usize,
    /// Slots a row.
    pub time: usize,
    /// The token before each slot in its document; the end token for a document's first slot.
    pub inputs: Vec<u32>,
    /// The token of each slot.
    pub targets: Vec<u32>,
    /// 1 where the slot is trained or scored, 0 where it is withheld, padding or context only.
    pub weights: Vec<f32>,
    /// Index in the row where the slot's document begins: a slot attends from there to itself. 0 if the document began
    /// before the row.
    pub starts: Vec<u32>,
    /// How many weights are 1.
    pub count: usize,
}

/// Documents whose tokens keep their slots but are neither learned nor seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithheldSet(Vec<u32>);

impl WithheldSet {
    /// The set of these ordinals.
    pub fn new(ordinals: impl IntoIterator<Item = u32>) -> WithheldSet {
        let mut all: Vec<u32> = ordinals.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        WithheldSet(all)
    }

    /// Whether a document is withheld.
    pub fn contains(&self, ordinal: u32) -> bool {
        !self.0.is_empty() && self.0.binary_search(&ordinal).is_ok()
    }
}

/// A row: the slots it reads, and those among them that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Slots of the stream, at most `time`.
    pub read: Range<u64>,
    /// Slots with weight 1.
    pub score: Range<u64>,
}

impl Block {
    fn shape(&mut self, rows: usize, time: usize) {
        let len = rows * time;
        (self.rows, self.time, self.count) = (rows, time, 0);
        self.inputs.resize(len, 0);
        self.targets.resize(len, 0);
        self.weights.resize(len, 0.0);
        self.starts.resize(len, 0);
    }

    fn row(&mut self, row: usize) -> Row<'_> {
        let at = row * self.time..(row + 1) * self.time;
        Row {
            inputs: &mut self.inputs[at.clone()],
            targets: &mut self.targets[at.clone()],
            weights: &mut self.weights[at.clone()],
            starts: &mut self.starts[at],
        }
    }
}

struct Row<'a> {
    inputs: &'a mut [u32],
    targets: &'a mut [u32],
    weights: &'a mut [f32],
    starts: &'a mut [u32],
}

impl Row<'_> {
    /// Slots that say nothing and see only themselves.
    fn blank(&mut self, slots: Range<usize>, end_id: u32) {
        self.inputs[slots.clone()].fill(end_id);
        self.targets[slots.clone()].fill(end_id);
        self.weights[slots.clone()].fill(0.0);
        let first = slots.start as u32;
        self.starts[slots].iter_mut().zip(first..).for_each(|(start, i)| *start = i);
    }
}

impl Stream {
    /// Fill `out` with one row of `context` slots an instance: instance `i` is the slots from `i * context` on, padded
    /// behind the stream's end. Padding and the slots of withheld documents have the end token as input and target,
    /// weight 0, and start at themselves, so nothing else moves when a document is withheld.
    pub fn block(
        &self,
        instances: &[u64],
        context: usize,
        withheld: &WithheldSet,
        out: &mut Block,
    ) -> Result<()> {
        let clamp = |slot: u64| slot.min(self.len());
        let rows = instances.iter().map(|&instance| {
            let start = instance * context as u64;
            let slots = clamp(start)..clamp(start + context as u64);
            Span { read: slots.clone(), score: slots }
        });
        self.fill(rows, context, withheld, out)
    }

    /// Fill `out` with one row of `time` slots a span, padded on the right.
    ///
    /// # Panics
    /// If a span is longer than `time` or leaves the stream.
    pub fn spans_block(&self, spans: &[Span], time: usize, out: &mut Block) -> Result<()> {
        self.fill(spans.iter().cloned(), time, &WithheldSet::default(), out)
    }

    fn fill(
        &self,
        spans: impl ExactSizeIterator<Item = Span>,
        time: usize,
        withheld: &WithheldSet,
        out: &mut Block,
    ) -> Result<()> {
        out.shape(spans.len(), time);
        for (i, span) in spans.enumerate() {
            let mut row = out.row(i);
            self.fill_row(&span, withheld, &mut row)?;
        }
        // Sums of ones: exact in any order up to 2^24 a row.
        out.count = out.weights.chunks(time.max(1)).map(|row| row.iter().sum::<f32>() as usize).sum();
        Ok(())
    }

    fn fill_row(&self, span: &Span, withheld: &WithheldSet, row: &mut Row<'_>) -> Result<()> {
        let (start, length) = (span.read.start, (span.read.end - span.read.start) as usize);
        let time = row.targets.len();
        let at = |slot: u64| (slot - start) as usize;
        if length > 0 {
            self.tokens_into(start, &mut row.targets[..length])?;
            let mut before = [self.end_id()];
            if start > 0 {
                self.tokens_into(start - 1, &mut before)?;
            }
            row.inputs[0] = before[0];
            row.inputs[1..length].copy_from_slice(&row.targets[..length - 1]);
            row.weights[..length].fill(0.0);
            row.weights[at(span.score.start)..at(span.score.end)].fill(1.0);
        }
        let mut begin = 0;
        for (part, fragment) in self.parts(span.read.clone()) {
            let slots = at(part.start)..at(part.end);
            if withheld.contains(fragment.ordinal) {
                row.blank(slots, self.end_id());
                continue;
            }
            if fragment.first && part.start == fragment.start {
                begin = slots.start as u32;
            }
            row.starts[slots].fill(begin);
        }
        row.blank(length..time, self.end_id());
        Ok(())
    }
}
