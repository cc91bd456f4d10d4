//! Where the time of a step goes: spans of operations, recorded while somebody wants to know.
//!
//! A [`Tape`](crate::Tape) that has a [`Recorder`] notes every operation twice: forward while its function runs,
//! backward while the walk is at its node. The operation says once what it computes ([`Work`]); an operation that says
//! nothing appears with its name and time. Whoever trains adds spans of its own around the rest of a step. Without a
//! recorder nothing is measured and no [`Work`] is put together. Results do not depend on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What one pass of an operation costs, reckoned from its shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Additions and multiplications of its formula. Functions such as `exp` count nothing; 0 is for operations that
    /// hardly calculate.
    pub flops: f64,
    /// Bytes that have to move if every input is read once and every output is written once (compulsory traffic).
    pub bytes: f64,
}

impl Cost {
    /// So much more; `floats` are numbers of 4 bytes.
    fn and(self, flops: usize, floats: usize) -> Cost {
        Cost { flops: self.flops + flops as f64, bytes: self.bytes + 4.0 * floats as f64 }
    }
}

/// What an operation says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// The sizes that matter, in an order of the operation's own.
    pub shape: Vec<usize>,
    /// What tells it from others of its name: for a linear layer the segment of its weight. Empty if nothing does.
    pub role: String,
    /// Cost of the forward pass.
    pub forward: Cost,
    /// Cost of the backward pass.
    pub backward: Cost,
}

impl Work {
    /// Work on these sizes, costs not yet known.
    pub fn on(shape: &[usize]) -> Work {
        Work { shape: shape.to_vec(), ..Work::default() }
    }

    /// The same with a role.
    pub fn role(self, role: &str) -> Work {
        Work { role: role.into(), ..self }
    }

    /// The same with the forward cost; `floats` are numbers of 4 bytes that move.
    pub fn forward(self, flops: usize, floats: usize) -> Work {
        Work { forward: cost(flops, floats), ..self }
    }

    /// The same with the backward cost. A gradient that is added to is read and written.
    pub fn backward(self, flops: usize, floats: usize) -> Work {
        Work { backward: cost(flops, floats), ..self }
    }

    /// The same with so much more in either pass.
    pub fn and(self, flops: usize, floats: usize) -> Work {
        let [forward, backward] = [self.forward, self.backward].map(|cost| cost.and(flops, floats));
        Work { forward, backward, ..self }
    }
}

fn cost(flops: usize, floats: usize) -> Cost {
    Cost::default().and(flops, floats)
}

/// On which way through the tape a span lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// Values.
    Forward,
    /// Gradients.
    Backward,
    /// Not on the tape: the rest of a step.
    Outside,
}

/// A stretch of time. Spans of one recorder lie beside or inside each other, never across.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Name of the operation or of the part of the step.
    pub name: &'static str,
    /// Forward, backward or neither.
    pub pass: Pass,
    /// What was done, for both passes.
    pub work: Arc<Work>,
    /// Nanoseconds from the recorder's making to the beginning.
    pub start: u64,
    /// Nanoseconds from the recorder's making to the end.
    pub end: u64,
}

impl Record {
    /// The cost of this pass.
    pub fn cost(&self) -> Cost {
        match self.pass {
            Pass::Backward => self.work.backward,
            Pass::Forward | Pass::Outside => self.work.forward,
        }
    }
}

/// Collects spans, in the order in which they began. One thread at a time may have spans open.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Record>,
    /// Indices of the spans that have not ended, outermost first.
    open: Vec<usize>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

impl Recorder {
    /// Nothing recorded yet; its clock starts now.
    pub fn new() -> Recorder {
        Recorder { origin: Instant::now(), state: Mutex::default() }
    }

    /// Begin a span that ends when the result is dropped.
    pub fn span(&self, name: &'static str, pass: Pass, work: Arc<Work>) -> Span<'_> {
        let mut state = self.state();
        let index = state.records.len();
        let start = self.now();
        state.records.push(Record { name, pass, work, start, end: start });
        state.open.push(index);
        Span { recorder: self, index }
    }

    /// Everything recorded so far; the recorder is empty afterwards, its clock goes on.
    ///
    /// # Panics
    /// If a span is open.
    pub fn take(&self) -> Vec<Record> {
        let mut state = self.state();
        assert!(state.open.is_empty(), "a span is open");
        std::mem::take(&mut state.records)
    }

    /// Name and work of the innermost open span, if it is an operation going forward.
    pub(crate) fn operation(&self) -> Option<(&'static str, Arc<Work>)> {
        let state = self.state();
        let record = &state.records[*state.open.last()?];
        (record.pass == Pass::Forward).then(|| (record.name, record.work.clone()))
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A span that is open. It ends when it is dropped, and all that began in it and is still open with it.
#[must_use = "a span ends when it is dropped"]
#[derive(Debug)]
pub struct Span<'r> {
    recorder: &'r Recorder,
    index: usize,
}

impl Span<'_> {
    /// Forget it, if nothing has been recorded since it began.
    pub(crate) fn cancel(self) {
        let mut state = self.recorder.state();
        if state.records.len() == self.index + 1 && state.open.last() == Some(&self.index) {
            state.open.pop();
            state.records.pop();
        }
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        let end = self.recorder.now();
        let mut state = self.recorder.state();
        while let Some(index) = state.open.pop_if(|index| *index >= self.index) {
            state.records[index].end = end;
        }
    }
}

/// A span of a part of a step that is no operation, if there is a recorder.
pub fn outside<'r>(
    recorder: Option<&'r Recorder>,
    name: &'static str,
    work: impl FnOnce() -> Work,
) -> Option<Span<'r>> {
    recorder.map(|recorder| recorder.span(name, Pass::Outside, Arc::new(work())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Init, LayoutBuilder};
    use crate::ops::{self, Activation, NormKind};
    use crate::tape::{Tape, Var};
    use crate::{Buffer, Grads, Params, Pool, Result};

    /// A little network; gradients and everything recorded on the way.
    fn run(recorder: Option<&Recorder>) -> Vec<f32> {
        let mut builder = LayoutBuilder::new();
        let table = builder.segment("table", &[5, 3], true, Init::Normal { std: 1.0 }).unwrap();
        let w = builder.segment("layers.7.mlp.up", &[4, 3], true, Init::Normal { std: 1.0 }).unwrap();
        let gain = builder.segment("norm", &[3], true, Init::Ones).unwrap();
        let params = Params::init(Arc::new(builder.build()), 1);
        let (mut grads, pool) = (Grads::zeros(params.layout.clone()), Pool::new());
        let mut tape = Tape::new(&params, &pool, true);
        if let Some(recorder) = recorder {
            tape.record_into(recorder);
        }
        let x = ops::embedding(&mut tape, &[1, 4], table, None).unwrap();
        let (normed, _) = ops::add_norm(&mut tape, NormKind::Rms, x, x, gain, None, 1e-5).unwrap();
        let y = ops::linear(&mut tape, normed, w, None, Activation::Silu).unwrap();
        let z = undeclared(&mut tape, y).unwrap();
        let loss = ops::sum(&mut tape, z).unwrap();
        tape.backward(loss, &mut grads).unwrap();
        grads.data.to_vec()
    }

    /// An operation that says nothing of itself.
    fn undeclared(tape: &mut Tape<'_>, x: Var) -> Result<Var> {
        let input = tape.read("twice", x)?;
        let twice: Vec<f32> = input.iter().map(|v| 2.0 * v).collect();
        let shape = tape.shape(x).to_vec();
        Ok(tape.node(
            shape,
            Buffer::owned(&twice),
            Some(Box::new(move |ctx, dy| {
                let own = ctx.own(dy)?;
                ctx.add_scaled(x, 2.0, own)
            })),
        ))
    }

    #[test]
    fn every_operation_is_there_forward_and_backward_and_bits_stay() {
        let recorder = Recorder::new();
        assert_eq!(run(Some(&recorder)), run(None));
        let records = recorder.take();
        let names = |pass| records.iter().filter(|r| r.pass == pass).map(|r| r.name).collect::<Vec<_>>();
        assert_eq!(names(Pass::Forward), ["embedding", "norm", "linear", "twice", "sum"]);
        assert_eq!(names(Pass::Backward), ["sum", "twice", "linear", "norm", "add", "embedding"]);
        assert!(records.windows(2).all(|pair| pair[0].end <= pair[1].start), "{records:?}");
        let linear: Vec<&Record> = records.iter().filter(|r| r.name == "linear").collect();
        assert_eq!(
            (&linear[0].work.role[..], &linear[0].work.shape[..]),
            ("layers.7.mlp.up", &[2, 3, 4][..])
        );
        // y = act(x w^T): x, w, the pre-activation and y; backward also dy, and dw is added to.
        assert_eq!(linear[0].cost(), Cost { flops: 48.0, bytes: 4.0 * (6.0 + 12.0 + 8.0 + 8.0) });
        assert_eq!(linear[1].cost(), Cost { flops: 96.0, bytes: 4.0 * (8.0 + 8.0 + 2.0 * 6.0 + 3.0 * 12.0) });
        assert!(recorder.take().is_empty());
    }

    #[test]
    fn spans_nest_and_end_with_the_one_around_them() {
        let recorder = Recorder::new();
        let step = outside(Some(&recorder), "step", Work::default);
        let inner = outside(Some(&recorder), "inner", || Work::on(&[3]).forward(6, 9));
        assert_eq!(recorder.operation(), None);
        // Dropped in the wrong order, as after an error.
        drop(step);
        drop(inner);
        let records = recorder.take();
        assert_eq!(records.iter().map(|r| r.name).collect::<Vec<_>>(), ["step", "inner"]);
        assert!(records[0].start <= records[1].start && records[0].end == records[1].end);
        assert_eq!(records[1].cost(), Cost { flops: 6.0, bytes: 36.0 });
        assert!(outside(None, "step", || unreachable!("nobody asks")).is_none());
    }

    #[test]
    fn an_operation_that_fails_leaves_nothing_open() {
        let mut builder = LayoutBuilder::new();
        builder.segment("w", &[1, 1], true, Init::Ones).unwrap();
        let params = Params::init(Arc::new(builder.build()), 1);
        let (pool, recorder) = (Pool::new(), Recorder::new());
        let mut tape = Tape::new(&params, &pool, true);
        tape.record_into(&recorder);
        let x = tape.input(&[1, 2], vec![1.0; 2]).unwrap();
        let read = tape.read("half", x).unwrap();
        assert!(ops::matmul(&mut tape, x, x).is_err());
        drop((read, tape));
        recorder.take();
    }
}
