//! A feed-forward layer as one operation: `act(x w_up^T + b_up) w_down^T + b_down`, or gated,
//! `(silu(x w_gate^T) * (x w_up^T)) w_down^T + b_down` (Shazeer 2020) with gate and up in one weight.
//!
//! Saves x and what goes into the activation. What comes out of it is computed again in the backward pass, inside the
//! product that makes its gradient, so it costs no memory; the gradient takes the place of what was saved.

use regimen_kernels::{
    Activation, linear_backward_activated, linear_backward_gated, linear_backward_input,
    linear_backward_weight, linear_forward, linear_swiglu_forward,
};

use super::{check_vector, matrix_of, misfit, rows_of, with_last};
use crate::error::Result;
use crate::layout::{Handle, Layout};
use crate::profile::Work;
use crate::tape::{BackwardCtx, Tape, Var};

const OP: &str = "mlp";
/// What the two products in it are called in a profile.
const PART: &str = "linear";

/// What stands between the two weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// An activation of each element.
    Activation(Activation),
    /// `silu(gate) * up`, the first half of the columns being the gate.
    Swiglu,
}

/// The parameters of the layer.
#[derive(Clone, Copy, Debug)]
pub struct Mlp {
    /// `[ff, d]`, or `[2 ff, d]` when gated.
    pub up: Handle,
    /// Its bias.
    pub up_bias: Option<Handle>,
    /// `[d_out, ff]`.
    pub down: Handle,
    /// Its bias `[d_out]`.
    pub down_bias: Option<Handle>,
    /// What stands between them.
    pub inner: Inner,
}

/// The layer applied to x `[.., d]`; result `[.., d_out]`.
///
/// # Errors
/// Shapes that do not fit.
pub fn mlp(tape: &mut Tape<'_>, x: Var, layer: Mlp) -> Result<Var> {
    let (rows, d) = rows_of(OP, tape, x)?;
    let (wide, width) = matrix_of(OP, tape, layer.up)?;
    let (d_out, ff) = matrix_of(OP, tape, layer.down)?;
    let gates = if layer.inner == Inner::Swiglu { 2 } else { 1 };
    if width != d || wide != gates * ff {
        let shape = tape.shape(x);
        return misfit(
            OP,
            format!("input {shape:?} and weights [{wide}, {width}], [{d_out}, {ff}] do not fit"),
        );
    }
    for (bias, len) in [(layer.up_bias, wide), (layer.down_bias, d_out)] {
        if let Some(bias) = bias {
            check_vector(OP, tape, bias, len)?;
        }
    }
    let _span = tape.span(OP, || Work::on(&[rows, d, ff, d_out]));
    let (params, pool, input) = (tape.params(), tape.pool(), tape.read(OP, x)?);
    let of = |handle: Option<Handle>| handle.map(|h| params.slice(h));
    let (up, up_bias) = (params.slice(layer.up), of(layer.up_bias));
    let (down, down_bias) = (params.slice(layer.down), of(layer.down_bias));
    let mut z = pool.take(rows * ff)?;
    let part = tape.span(PART, || up_work(&params.layout, &layer, rows));
    let pre = match layer.inner {
        Inner::Swiglu => {
            let mut pre = pool.take(rows * wide)?;
            linear_swiglu_forward(rows, d, ff, &input, up, up_bias, &mut pre, &mut z);
            Some(pre)
        }
        Inner::Activation(act) => {
            let mut pre = tape.grad().then(|| pool.take(rows * wide)).transpose()?;
            linear_forward(rows, d, ff, &input, up, up_bias, act, &mut z, pre.as_deref_mut());
            pre
        }
    };
    drop(part);
    let mut y = pool.take(rows * d_out)?;
    let part = tape.span(PART, || down_work(&params.layout, &layer, rows));
    linear_forward(rows, ff, d_out, &z, down, down_bias, Activation::None, &mut y, None);
    drop((part, z));
    let shape = with_last(tape, x, d_out);
    let Some(mut pre) = pre.filter(|_| tape.grad()) else {
        return Ok(tape.node(shape, y, None));
    };
    Ok(tape.node(
        shape,
        y,
        Some(Box::new(move |ctx, dy| {
            let mut z = ctx.pool.take(rows * ff)?;
            let part = ctx.span(PART, || down_work(&params.layout, &layer, rows));
            match layer.inner {
                Inner::Swiglu => linear_backward_gated(rows, ff, d_out, &dy, down, &mut pre, &mut z),
                Inner::Activation(act) => {
                    linear_backward_activated(rows, ff, d_out, &dy, down, act, &mut pre, &mut z);
                }
            }
            weight_gradient(ctx, (rows, ff, d_out), &dy, &z, layer.down, layer.down_bias);
            drop((part, z, dy));
            let _part = ctx.span(PART, || up_work(&params.layout, &layer, rows));
            weight_gradient(ctx, (rows, d, wide), &pre, &input, layer.up, layer.up_bias);
            drop(input);
            if ctx.needs(x) {
                let (mut dx, accumulate) = ctx.take(x)?;
                linear_backward_input(rows, d, wide, &pre, up, &mut dx, accumulate);
                ctx.put(x, dx);
            }
            Ok(())
        })),
    ))
}

/// Adds the gradients of a weight and its bias.
fn weight_gradient(
    ctx: &mut BackwardCtx<'_, '_>,
    (rows, n_in, n_out): (usize, usize, usize),
    dy: &[f32],
    x: &[f32],
    weight: Handle,
    bias: Option<Handle>,
) {
    match bias {
        Some(bias) => {
            let (dw, db) = ctx.grads.pair_mut(weight, bias);
            linear_backward_weight(rows, n_in, n_out, dy, x, dw, Some(db));
        }
        None => linear_backward_weight(rows, n_in, n_out, dy, x, ctx.grads.slice_mut(weight), None),
    }
}

/// The product into the activation, and the gradients of its weight and input.
fn up_work(layout: &Layout, layer: &Mlp, rows: usize) -> Work {
    let (up, down) = (layout.segment(layer.up), layout.segment(layer.down));
    let (wide, d, ff) = (up.shape[0], up.shape[1], down.shape[1]);
    let (product, input, pre) = (2 * rows * d * wide, rows * d, rows * wide);
    Work::on(&[rows, d, wide])
        .role(&up.name)
        .forward(product, input + up.len + pre + rows * ff)
        .backward(2 * product, pre + 2 * input + 3 * up.len)
}

/// The product out of the activation, and the gradients of its weight and of what went into the activation.
fn down_work(layout: &Layout, layer: &Mlp, rows: usize) -> Work {
    let (up, down) = (layout.segment(layer.up), layout.segment(layer.down));
    let (wide, d_out, ff) = (up.shape[0], down.shape[0], down.shape[1]);
    let (product, z, y) = (2 * rows * ff * d_out, rows * ff, rows * d_out);
    Work::on(&[rows, ff, d_out])
        .role(&down.name)
        .forward(product, z + down.len + y)
        .backward(2 * product, y + 3 * down.len + 2 * rows * wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;
    use crate::ops::testing::{Bench, naive};
    use crate::{Grads, Pool, Tape};

    fn layer(bench: &Bench, inner: Inner, biases: bool) -> Mlp {
        let bias = |name: &str| biases.then(|| bench.handle(name));
        let (up, down) = (bench.handle("up"), bench.handle("down"));
        Mlp { up, up_bias: bias("up bias"), down, down_bias: bias("down bias"), inner }
    }

    fn bench(gates: usize, d: usize, ff: usize, d_out: usize) -> Bench {
        let (up, down) = ([gates * ff, d], [d_out, ff]);
        Bench::new(&[("up", &up), ("up bias", &[gates * ff]), ("down", &down), ("down bias", &[d_out])])
    }

    #[test]
    fn gradients_match_the_formula() {
        let (d, ff, d_out) = (3, 5, 4);
        for inner in [Inner::Activation(Activation::Gelu), Inner::Activation(Activation::Silu), Inner::Swiglu]
        {
            let gates = if inner == Inner::Swiglu { 2 } else { 1 };
            let mut bench = bench(gates, d, ff, d_out);
            let layer = layer(&bench, inner, true);
            let x = bench.leaf("x", &[6, d]);
            bench.check(
                &[x],
                |tape, v| mlp(tape, v[0], layer),
                |p, v| {
                    let plain = naive::linear(v[0], &p["up"], &p["up bias"], d, gates * ff, Activation::None);
                    let z: Vec<f64> = plain
                        .chunks(gates * ff)
                        .flat_map(|row| match inner {
                            Inner::Activation(act) => {
                                row.iter().map(|&x| naive::activation(act, x)).collect()
                            }
                            Inner::Swiglu => {
                                let (gate, up) = row.split_at(ff);
                                let silu = |x| naive::activation(Activation::Silu, x);
                                gate.iter().zip(up).map(|(&g, &u)| silu(g) * u).collect::<Vec<f64>>()
                            }
                        })
                        .collect();
                    naive::linear(&z, &p["down"], &p["down bias"], ff, d_out, Activation::None)
                },
            );
        }
    }

    #[test]
    fn it_is_the_two_layers_and_what_stands_between() {
        let (rows, d, ff) = (70, 48, 160);
        for inner in [Inner::Activation(Activation::GeluTanh), Inner::Swiglu] {
            let gates = if inner == Inner::Swiglu { 2 } else { 1 };
            let bench = bench(gates, d, ff, d);
            let layer = layer(&bench, inner, false);
            let run = |fused: bool| {
                let (params, pool) = (bench.params(), Pool::new());
                let mut grads = Grads::zeros(params.layout.clone());
                let mut tape = Tape::new(params, &pool, true);
                let data = (0..rows * d).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0).collect();
                let x = tape.leaf(&[rows, d], data).unwrap();
                let y = if fused {
                    mlp(&mut tape, x, layer).unwrap()
                } else {
                    let z = match inner {
                        Inner::Activation(act) => ops::linear(&mut tape, x, layer.up, None, act).unwrap(),
                        Inner::Swiglu => {
                            let both = ops::linear(&mut tape, x, layer.up, None, Activation::None).unwrap();
                            ops::swiglu(&mut tape, both).unwrap()
                        }
                    };
                    ops::linear(&mut tape, z, layer.down, None, Activation::None).unwrap()
                };
                let squares = ops::mul(&mut tape, y, y).unwrap();
                let loss = ops::sum(&mut tape, squares).unwrap();
                let value = tape.value(y).to_vec();
                let dx = tape.backward_with(loss, &mut grads, &[x]).unwrap();
                [value, dx.concat(), grads.data.to_vec()]
            };
            for (got, want) in run(true).iter().zip(run(false)) {
                let size = want.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
                assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-5 * size));
            }
        }
    }

    #[test]
    fn misfits_are_named() {
        let bench = bench(1, 3, 5, 4);
        let mut tape = bench.tape();
        let x = tape.input(&[2, 3], vec![0.0; 6]).unwrap();
        let error = mlp(&mut tape, x, layer(&bench, Inner::Swiglu, true)).unwrap_err().to_string();
        assert_eq!(error, "mlp: input [2, 3] and weights [5, 3], [4, 5] do not fit");
        let y = tape.input(&[2, 4], vec![0.0; 8]).unwrap();
        let plain = layer(&bench, Inner::Activation(Activation::Relu), true);
        assert!(mlp(&mut tape, y, plain).unwrap_err().to_string().contains("input [2, 4]"));
    }
}
