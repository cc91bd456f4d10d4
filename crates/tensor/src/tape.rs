//! The tape: what was computed, and how to walk it backwards.
//!
//! A variable is an index into the tape. Every operation appends one node with its value and, when gradients are
//! wanted, a closure that turns the node's gradient into those of its inputs. Values live in pool buffers that the
//! node shares with the backward passes that read them. A value goes back to the pool when the model has called
//! [`Tape::free`] on it and no backward pass holds it any more, or when the backward walk has passed its node.
//! [`Tape::recompute`] keeps even less: of a part of the forward pass its input alone.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use regimen_kernels::{add_into, axpy};

use crate::arena::{Grads, Params};
use crate::error::{Error, Result};
use crate::layout::Handle;
use crate::pool::{Buffer, Pool};
use crate::profile::{Pass, Recorder, Span, Work};

/// A value on a [`Tape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// What a node does with its gradient, given the context and the gradient itself.
pub(crate) type Backward<'a> = Box<dyn FnOnce(&mut BackwardCtx<'_, 'a>, Rc<Buffer<'a>>) -> Result<()> + 'a>;

struct Node<'a> {
    shape: Vec<usize>,
    value: Option<Rc<Buffer<'a>>>,
    backward: Option<Backward<'a>>,
    needs_grad: bool,
    /// What made it, while a profile is recorded.
    made_by: Option<(&'static str, Arc<Work>)>,
}

/// The record of one forward pass over fixed parameters.
pub struct Tape<'a> {
    params: &'a Params,
    pool: &'a Pool,
    grad: bool,
    nodes: Vec<Node<'a>>,
    recorder: Option<&'a Recorder>,
    /// Opened by the first input that an operation reads without having said what it does.
    unsaid: RefCell<Option<Span<'a>>>,
}

impl<'a> Tape<'a> {
    /// An empty tape. Without `grad` nothing is recorded and [`Tape::backward`] refuses.
    pub fn new(params: &'a Params, pool: &'a Pool, grad: bool) -> Tape<'a> {
        let nodes = Vec::with_capacity(64);
        Tape { params, pool, grad, nodes, recorder: None, unsaid: RefCell::new(None) }
    }

    /// Records the time of every operation from now on, forward and backward.
    pub fn record_into(&mut self, recorder: &'a Recorder) {
        self.recorder = Some(recorder);
    }

    /// What records the time of operations. An operation that has a tape of its own inside hands it on.
    pub fn recorder(&self) -> Option<&'a Recorder> {
        self.recorder
    }

    /// Whether backward passes are recorded.
    pub fn grad(&self) -> bool {
        self.grad
    }

    /// The parameters the tape computes with.
    pub fn params(&self) -> &'a Params {
        self.params
    }

    /// The pool that values come from.
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// A constant: no gradient flows into it.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of floats is not the product of `shape`.
    #[expect(clippy::needless_pass_by_value, reason = "values are handed over, not lent")]
    pub fn input(&mut self, shape: &[usize], data: Vec<f32>) -> Result<Var> {
        check_len("input", shape, data.len())?;
        Ok(self.node(shape.to_vec(), Buffer::owned(&data), None))
    }

    /// A value whose gradient is wanted as if it were a parameter: [`Tape::backward_with`] hands it out.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of floats is not the product of `shape`.
    pub fn leaf(&mut self, shape: &[usize], data: Vec<f32>) -> Result<Var> {
        let var = self.input(shape, data)?;
        self.nodes[var.0].needs_grad = self.grad;
        Ok(var)
    }

    /// The floats of a value, row-major.
    ///
    /// # Panics
    /// If the value has been freed.
    pub fn value(&self, var: Var) -> &[f32] {
        self.nodes[var.0].value.as_deref().expect("the value of a variable that was freed is asked for")
    }

    /// The shape of a value.
    pub fn shape(&self, var: Var) -> &[usize] {
        &self.nodes[var.0].shape
    }

    /// The first element, for a variable that has one.
    ///
    /// # Panics
    /// If the value has been freed.
    pub fn scalar(&self, var: Var) -> f32 {
        self.value(var)[0]
    }

    /// Says that no later operation reads `var`. Its buffer goes back to the pool unless a backward pass needs it.
    pub fn free(&mut self, var: Var) {
        self.nodes[var.0].value = None;
    }

    /// Walks the tape backwards from `loss` (one element) and adds the gradients of all parameters to `grads`.
    ///
    /// # Errors
    /// [`Error::NotScalar`], [`Error::NoGradients`], [`Error::LayoutMismatch`].
    pub fn backward(self, loss: Var, grads: &mut Grads) -> Result<()> {
        self.backward_with(loss, grads, &[]).map(drop)
    }

    /// [`Tape::backward`] that also returns the gradients of some leaves or intermediate values. A value the loss
    /// does not depend on has gradient 0.
    ///
    /// # Errors
    /// As [`Tape::backward`].
    pub fn backward_with(self, loss: Var, grads: &mut Grads, wanted: &[Var]) -> Result<Vec<Vec<f32>>> {
        let shape = &self.nodes[loss.0].shape;
        if self.grad && shape.iter().product::<usize>() != 1 {
            return Err(Error::NotScalar { shape: shape.clone() });
        }
        let lens: Vec<usize> = wanted.iter().map(|var| self.shape(*var).iter().product()).collect();
        let handed_out = self.walk(loss, Rc::new(Buffer::owned(&[1.0])), grads, wanted)?;
        let floats = |(found, len): (Option<Rc<Buffer<'a>>>, usize)| match found {
            Some(gradient) => gradient.to_vec(),
            None => vec![0.0; len],
        };
        Ok(handed_out.into_iter().zip(lens).map(floats).collect())
    }

    /// [`Tape::backward`] from any value, given the gradient of the loss with respect to it (a vector-Jacobian product):
    /// for losses that are computed with their gradient outside the tape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the gradient has another size than the value; [`Error::NoGradients`],
    /// [`Error::LayoutMismatch`].
    pub fn backward_from(self, var: Var, gradient: Buffer<'a>, grads: &mut Grads) -> Result<()> {
        check_len("backward", &self.nodes[var.0].shape, gradient.len())?;
        self.walk(var, Rc::new(gradient), grads, &[]).map(drop)
    }

    /// Walks backwards from `var`, to which `gradient` comes back; hands out the gradients of `wanted`, where there are
    /// any.
    fn walk(
        self,
        var: Var,
        gradient: Rc<Buffer<'a>>,
        grads: &mut Grads,
        wanted: &[Var],
    ) -> Result<Vec<Option<Rc<Buffer<'a>>>>> {
        self.check_backward(grads)?;
        // Left open by an operation that failed.
        self.unsaid.take();
        let Tape { pool, nodes, recorder, .. } = self;
        let mut context = BackwardCtx { grads, pool, recorder, gradients: Vec::new(), nodes };
        context.gradients.resize_with(context.nodes.len(), || None);
        context.gradients[var.0] = Some(gradient);
        let mut handed_out = vec![None; wanted.len()];
        for i in (0..context.nodes.len()).rev() {
            let gradient = context.gradients[i].take();
            for (slot, _) in handed_out.iter_mut().zip(wanted).filter(|(_, w)| w.0 == i) {
                slot.clone_from(&gradient);
            }
            let backward = context.nodes[i].backward.take();
            if let (Some(gradient), Some(backward)) = (gradient, backward) {
                let _span = recorder.map(|recorder| {
                    let (op, work) = context.nodes[i].made_by.take().unwrap_or(("unnamed", Arc::default()));
                    recorder.span(op, Pass::Backward, work)
                });
                backward(&mut context, gradient)?;
            }
            context.nodes[i].value = None;
        }
        Ok(handed_out)
    }

    /// Gradient checkpointing (Chen et al., "Training deep nets with sublinear memory cost", 2016): `part` of the
    /// forward pass, from `x` to its result, of which nothing is kept but `x`. The backward pass runs `part` once more,
    /// this time recording, and walks back through it. Values and gradients have the bits they would have had.
    ///
    /// `part` must read no variable but the one it is given, and compute the same each time.
    ///
    /// # Errors
    /// Those of `part`; a freed input.
    pub fn recompute(
        &mut self,
        x: Var,
        part: impl Fn(&mut Tape<'a>, Var) -> Result<Var> + 'a,
    ) -> Result<Var> {
        const OP: &str = "recompute";
        if !self.grad {
            return part(self, x);
        }
        let (params, pool, recorder) = (self.params, self.pool, self.recorder);
        let _span = self.span(OP, || Work::on(self.shape(x)));
        let (input, from) = (self.read(OP, x)?, self.shape(x).to_vec());
        let mut inside = Tape::inside(params, pool, false, recorder);
        let first = inside.shared(from.clone(), input.clone(), false);
        let last = part(&mut inside, first)?;
        let (value, shape) = (inside.take(OP, last)?, inside.shape(last).to_vec());
        drop(inside);
        Ok(self.node(
            shape,
            value,
            Some(Box::new(move |ctx, dy| {
                let mut inside = Tape::inside(params, pool, true, recorder);
                let first = inside.shared(from, input, true);
                let last = part(&mut inside, first)?;
                match inside.walk(last, dy, ctx.grads, &[first])?.pop().flatten() {
                    Some(dx) => ctx.add(x, dx),
                    None => Ok(()),
                }
            })),
        ))
    }

    /// A tape for a part of a pass: short, so that it costs no large allocation.
    fn inside(params: &'a Params, pool: &'a Pool, grad: bool, recorder: Option<&'a Recorder>) -> Tape<'a> {
        let nodes = Vec::with_capacity(16);
        Tape { params, pool, grad, nodes, recorder, unsaid: RefCell::new(None) }
    }

    /// A value that another tape holds as well.
    fn shared(&mut self, shape: Vec<usize>, value: Rc<Buffer<'a>>, needs_grad: bool) -> Var {
        self.nodes.push(Node { shape, value: Some(value), backward: None, needs_grad, made_by: None });
        Var(self.nodes.len() - 1)
    }

    /// Whether gradients were recorded and `grads` has room for them.
    pub(crate) fn check_backward(&self, grads: &Grads) -> Result<()> {
        if !self.grad {
            return Err(Error::NoGradients);
        }
        if grads.data.len() != self.params.data.len() {
            return Err(Error::LayoutMismatch { left: self.params.data.len(), right: grads.data.len() });
        }
        Ok(())
    }

    // What operations are made of.

    /// Says what an operation does from here until the result is dropped; asked only while a profile is recorded.
    /// Nodes that are appended in the meantime carry it to their backward pass, so an operation that appends several
    /// gives all but one of them another name ([`Tape::name`]).
    pub(crate) fn span(&self, op: &'static str, work: impl FnOnce() -> Work) -> Option<Span<'a>> {
        let recorder = self.recorder?;
        if let Some(span) = self.unsaid.take() {
            span.cancel();
        }
        Some(recorder.span(op, Pass::Forward, Arc::new(work())))
    }

    /// Gives a node the name that its backward pass has in a profile.
    pub(crate) fn name(&mut self, var: Var, op: &'static str) {
        if self.recorder.is_some() {
            let node = &mut self.nodes[var.0];
            node.made_by = Some((op, Arc::new(Work::on(&node.shape))));
        }
    }

    /// An operation that has not said what it does begins with its first input.
    fn begins(&self, op: &'static str) {
        let Some(recorder) = self.recorder else { return };
        if recorder.operation().is_none() {
            self.unsaid.replace(Some(recorder.span(op, Pass::Forward, Arc::default())));
        }
    }

    /// The value of `var`, or an error that names `op` when it is gone.
    pub(crate) fn read(&self, op: &'static str, var: Var) -> Result<Rc<Buffer<'a>>> {
        self.begins(op);
        let node = &self.nodes[var.0];
        node.value.clone().ok_or_else(|| Error::Freed { op, shape: node.shape.clone() })
    }

    /// Takes the value out of `var`; copies when a backward pass reads it.
    fn take(&mut self, op: &'static str, var: Var) -> Result<Buffer<'a>> {
        let value = self.read(op, var)?;
        self.nodes[var.0].value = None;
        unshare(value, self.pool)
    }

    /// Whether an operation on `inputs` has to record a backward pass.
    pub(crate) fn needs(&self, inputs: &[Var]) -> bool {
        self.grad && inputs.iter().any(|v| self.nodes[v.0].needs_grad)
    }

    /// Appends a value; with a backward pass it gets a gradient.
    pub(crate) fn node(
        &mut self,
        shape: Vec<usize>,
        value: Buffer<'a>,
        backward: Option<Backward<'a>>,
    ) -> Var {
        debug_assert_eq!(shape.iter().product::<usize>(), value.len());
        let needs_grad = backward.is_some();
        let made_by = self.recorder.and_then(Recorder::operation);
        self.unsaid.take();
        self.nodes.push(Node { shape, value: Some(Rc::new(value)), backward, needs_grad, made_by });
        Var(self.nodes.len() - 1)
    }

    /// Gives a node its backward pass afterwards, for operations that read their own result in it.
    pub(crate) fn record(&mut self, var: Var, backward: Backward<'a>) {
        self.nodes[var.0].backward = Some(backward);
        self.nodes[var.0].needs_grad = true;
    }
}

/// A buffer of one's own: the shared one if nobody else holds it, otherwise a copy.
fn unshare<'a>(shared: Rc<Buffer<'a>>, pool: &'a Pool) -> Result<Buffer<'a>> {
    Rc::try_unwrap(shared).or_else(|shared| {
        let mut copy = pool.take(shared.len())?;
        copy.copy_from_slice(&shared);
        Ok(copy)
    })
}

/// What a backward pass may touch.
pub(crate) struct BackwardCtx<'g, 'a> {
    /// Gradients of the parameters, to add to.
    pub grads: &'g mut Grads,
    /// Where buffers come from.
    pub pool: &'a Pool,
    recorder: Option<&'a Recorder>,
    nodes: Vec<Node<'a>>,
    gradients: Vec<Option<Rc<Buffer<'a>>>>,
}

impl<'a> BackwardCtx<'_, 'a> {
    /// Says what a part of a backward pass does from here until the result is dropped, as [`Tape::span`] does.
    pub fn span(&self, part: &'static str, work: impl FnOnce() -> Work) -> Option<Span<'a>> {
        self.recorder.map(|recorder| recorder.span(part, Pass::Backward, Arc::new(work())))
    }

    /// Whether a gradient for `var` is wanted at all.
    pub fn needs(&self, var: Var) -> bool {
        self.nodes[var.0].needs_grad
    }

    /// The gradient of `var` so far, to add to (`true`) or, when there is none yet, a dirty buffer to overwrite
    /// (`false`). Give it back with [`BackwardCtx::put`].
    pub fn take(&mut self, var: Var) -> Result<(Buffer<'a>, bool)> {
        Ok(match self.gradients[var.0].take() {
            Some(shared) => (unshare(shared, self.pool)?, true),
            None => (self.pool.take(self.nodes[var.0].shape.iter().product())?, false),
        })
    }

    /// Like [`BackwardCtx::take`], zeros when there is no gradient yet.
    pub fn take_to_add(&mut self, var: Var) -> Result<Buffer<'a>> {
        let (mut buffer, started) = self.take(var)?;
        if !started {
            buffer.fill(0.0);
        }
        Ok(buffer)
    }

    /// Stores the gradient of `var` after [`BackwardCtx::take`].
    pub fn put(&mut self, var: Var, gradient: Buffer<'a>) {
        self.gradients[var.0] = Some(Rc::new(gradient));
    }

    /// Adds a whole gradient to `var`. Where it is the first, nothing is copied: several variables may share it.
    pub fn add(&mut self, var: Var, gradient: Rc<Buffer<'a>>) -> Result<()> {
        if !self.needs(var) {
            return Ok(());
        }
        match self.gradients[var.0].take() {
            None => self.gradients[var.0] = Some(gradient),
            Some(before) => {
                let mut sum = unshare(before, self.pool)?;
                add_into(&gradient, &mut sum);
                self.put(var, sum);
            }
        }
        Ok(())
    }

    /// Adds `factor * gradient` to `var`.
    pub fn add_scaled(&mut self, var: Var, factor: f32, mut gradient: Buffer<'a>) -> Result<()> {
        if !self.needs(var) {
            return Ok(());
        }
        if factor != 1.0 {
            regimen_kernels::scale(factor, &mut gradient);
        }
        self.add(var, Rc::new(gradient))
    }

    /// Adds `factor * gradient` to the gradient of a parameter.
    pub fn add_to_parameter(&mut self, handle: Handle, factor: f32, gradient: &[f32]) {
        axpy(factor, gradient, self.grads.slice_mut(handle));
    }

    /// A gradient to change in place.
    pub fn own(&self, gradient: Rc<Buffer<'a>>) -> Result<Buffer<'a>> {
        unshare(gradient, self.pool)
    }
}

fn check_len(op: &'static str, shape: &[usize], len: usize) -> Result<()> {
    if shape.iter().product::<usize>() == len {
        Ok(())
    } else {
        Err(Error::Shape { op, problem: format!("{len} floats for shape {shape:?}") })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::layout::{Init, LayoutBuilder};
    use crate::ops::{self, Activation};

    fn params() -> (Params, Handle) {
        let mut builder = LayoutBuilder::new();
        let w = builder.segment("w", &[2, 3], true, Init::Normal { std: 1.0 }).unwrap();
        (Params::init(Arc::new(builder.build()), 1), w)
    }

    #[test]
    fn freed_values_come_back_and_the_gradient_is_the_same() {
        let (params, w) = params();
        let run = |free: bool, pool: &Pool| {
            let mut grads = Grads::zeros(params.layout.clone());
            let mut tape = Tape::new(&params, pool, true);
            let x = tape.input(&[4, 3], (0..12).map(|i| i as f32 / 7.0).collect()).unwrap();
            let y = ops::linear(&mut tape, x, w, None, Activation::Silu).unwrap();
            let z = ops::mul(&mut tape, y, y).unwrap();
            let s = ops::softmax(&mut tape, z).unwrap();
            let p = ops::mul(&mut tape, s, z).unwrap();
            if free {
                [x, y, z, s].into_iter().for_each(|v| tape.free(v));
            }
            let loss = ops::sum(&mut tape, p).unwrap();
            tape.backward(loss, &mut grads).unwrap();
            grads.data
        };
        let pool = Pool::new();
        let expected = run(false, &pool);
        let held = pool.free_floats();
        assert!(expected.iter().any(|&g| g != 0.0));
        // All buffers are dirty by now, which must not show.
        assert_eq!(run(true, &pool), expected);
        assert_eq!(pool.free_floats(), held);
    }

    #[test]
    fn without_gradients_a_freed_value_is_gone_at_once() {
        let (params, w) = params();
        let pool = Pool::new();
        let mut tape = Tape::new(&params, &pool, false);
        let x = tape.input(&[1, 3], vec![1.0; 3]).unwrap();
        let y = ops::linear(&mut tape, x, w, None, Activation::Relu).unwrap();
        let z = ops::scale(&mut tape, y, 2.0).unwrap();
        tape.free(y);
        assert_eq!(pool.free_floats(), 2);
        assert!(matches!(ops::scale(&mut tape, y, 2.0), Err(Error::Freed { op: "scale", .. })));
        let loss = ops::sum(&mut tape, z).unwrap();
        let mut grads = Grads::zeros(params.layout.clone());
        assert!(matches!(tape.backward(loss, &mut grads), Err(Error::NoGradients)));
    }

    #[test]
    fn gradients_of_values_are_handed_out() {
        let (params, _) = params();
        let pool = Pool::new();
        let mut grads = Grads::zeros(params.layout.clone());
        let mut tape = Tape::new(&params, &pool, true);
        let x = tape.leaf(&[2], vec![3.0, -1.0]).unwrap();
        let unused = tape.leaf(&[1], vec![3.0]).unwrap();
        let constant = tape.input(&[2], vec![2.0, 5.0]).unwrap();
        let product = ops::mul(&mut tape, x, constant).unwrap();
        let both = ops::add(&mut tape, product, x).unwrap();
        // A branch that the loss does not depend on.
        ops::scale(&mut tape, both, 9.0).unwrap();
        let loss = ops::sum(&mut tape, both).unwrap();
        let found = tape.backward_with(loss, &mut grads, &[x, product, unused]).unwrap();
        assert_eq!(found, [vec![3.0, 6.0], vec![1.0, 1.0], vec![0.0]]);
        assert!(grads.data.iter().all(|&g| g == 0.0));
    }

    #[test]
    fn a_walk_may_begin_at_any_value() {
        let (params, w) = params();
        let pool = Pool::new();
        let weights = vec![0.5, -1.0, 2.0, 0.25];
        let start = |tape: &mut Tape<'_>| {
            let x = tape.input(&[2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.0]).unwrap();
            let y = ops::linear(tape, x, w, None, Activation::Silu).unwrap();
            // What comes after the value has no part in it.
            (y, ops::scale(tape, y, 3.0).unwrap())
        };
        let mut whole = Grads::zeros(params.layout.clone());
        let mut tape = Tape::new(&params, &pool, true);
        let (y, _) = start(&mut tape);
        let constant = tape.input(&[2, 2], weights.clone()).unwrap();
        let product = ops::mul(&mut tape, y, constant).unwrap();
        let loss = ops::sum(&mut tape, product).unwrap();
        tape.backward(loss, &mut whole).unwrap();
        let mut from = Grads::zeros(params.layout.clone());
        let mut tape = Tape::new(&params, &pool, true);
        let (y, _) = start(&mut tape);
        tape.backward_from(y, Buffer::owned(&weights), &mut from).unwrap();
        assert!(whole.data.iter().any(|&g| g != 0.0));
        assert_eq!(from.data, whole.data);
        let mut tape = Tape::new(&params, &pool, true);
        let (y, _) = start(&mut tape);
        let error = tape.backward_from(y, Buffer::owned(&[1.0]), &mut from).unwrap_err().to_string();
        assert_eq!(error, "backward: 1 floats for shape [2, 2]");
        let mut tape = Tape::new(&params, &pool, false);
        let (y, _) = start(&mut tape);
        assert!(matches!(tape.backward_from(y, Buffer::owned(&weights), &mut from), Err(Error::NoGradients)));
    }

    #[test]
    fn a_part_that_is_computed_again_gives_the_same_gradient_and_keeps_its_input_alone() {
        let (params, w) = params();
        let part = move |tape: &mut Tape<'_>, x: Var| {
            let y = ops::linear(tape, x, w, None, Activation::Silu)?;
            tape.free(x);
            let z = ops::mul(tape, y, y)?;
            tape.free(y);
            ops::softmax(tape, z)
        };
        let run = |nested: usize, pool: &Pool| {
            let mut grads = Grads::zeros(params.layout.clone());
            let mut tape = Tape::new(&params, pool, true);
            let x = tape.leaf(&[4, 3], (0..12).map(|i| i as f32 / 7.0).collect()).unwrap();
            let s = match nested {
                0 => part(&mut tape, x),
                1 => tape.recompute(x, part),
                _ => tape.recompute(x, move |tape, x| tape.recompute(x, part)),
            };
            let s = s.unwrap();
            let kept = pool.held() - pool.free_floats();
            let p = ops::mul(&mut tape, s, s).unwrap();
            let loss = ops::sum(&mut tape, p).unwrap();
            let dx = tape.backward_with(loss, &mut grads, &[x]).unwrap();
            (grads.data, dx, kept)
        };
        let pool = Pool::new();
        let (plain, once, twice) = (run(0, &pool), run(1, &pool), run(2, &pool));
        assert!(plain.0.iter().any(|&g| g != 0.0) && plain.1[0].iter().any(|&g| g != 0.0));
        assert_eq!((&plain.0, &plain.1), (&once.0, &once.1));
        assert_eq!((&plain.0, &plain.1), (&twice.0, &twice.1));
        assert!(plain.2 >= 4 * 8 && once.2 == 8 && twice.2 == 8, "{} {} {}", plain.2, once.2, twice.2);
    }

    #[test]
    fn memory_that_runs_out_in_the_backward_pass_is_an_error() {
        let (params, w) = params();
        let pool = Pool::new();
        let mut tape = Tape::new(&params, &pool, true);
        let x = tape.leaf(&[1, 3], vec![1.0; 3]).unwrap();
        let y = tape
            .recompute(x, move |tape, x| match tape.grad() {
                false => ops::linear(tape, x, w, None, Activation::Relu),
                true => Err(Error::Memory { what: "activations", bytes: 8, held: 0 }),
            })
            .unwrap();
        let loss = ops::sum(&mut tape, y).unwrap();
        let error = tape.backward(loss, &mut Grads::zeros(params.layout.clone())).unwrap_err();
        assert!(matches!(error, Error::Memory { bytes: 8, .. }), "{error}");
        assert_eq!(pool.free_floats(), pool.held(), "everything came back");
    }

    #[test]
    fn misuse_is_refused() {
        let (params, _) = params();
        let pool = Pool::new();
        let mut tape = Tape::new(&params, &pool, true);
        let x = tape.leaf(&[2], vec![3.0, -1.0]).unwrap();
        let error = tape.backward(x, &mut Grads::zeros(params.layout.clone())).unwrap_err();
        assert_eq!(error.to_string(), "backward: the loss has shape [2], not one element");
        let mut tape = Tape::new(&params, &pool, true);
        let loss = tape.leaf(&[], vec![3.0]).unwrap();
        let mut other = Grads::zeros(params.layout.clone());
        other.data = regimen_kernels::Floats::zeros(other.data.len() - 1);
        assert!(matches!(tape.backward(loss, &mut other), Err(Error::LayoutMismatch { .. })));
    }
}
