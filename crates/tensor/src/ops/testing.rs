//! The bench on which operations are tested: an f32 gradient against central differences of a naive f64 formula.

use std::collections::BTreeMap;
use std::sync::Arc;

use regimen_base::Philox;

use crate::{Grads, Handle, Init, Layout, LayoutBuilder, Params, Pool, Result, Tape, Var, ops};

/// Parameters of the formula by name.
pub type Named = BTreeMap<String, Vec<f64>>;

/// Random parameters and inputs for one operation.
pub struct Bench {
    layout: Arc<Layout>,
    params: Params,
    pool: Pool,
    leaves: Vec<(Vec<usize>, Vec<f32>)>,
}

impl Bench {
    pub fn new(params: &[(&str, &[usize])]) -> Bench {
        let mut builder = LayoutBuilder::new();
        for (name, shape) in params {
            builder.segment(name, shape, true, Init::Uniform { bound: 1.0 }).unwrap();
        }
        let layout = Arc::new(builder.build());
        Bench { params: Params::init(layout.clone(), 5), layout, pool: Pool::new(), leaves: Vec::new() }
    }

    pub fn handle(&self, name: &str) -> Handle {
        self.layout.expect(name).unwrap()
    }

    pub fn params(&self) -> &Params {
        &self.params
    }

    pub fn tape(&self) -> Tape<'_> {
        Tape::new(&self.params, &self.pool, true)
    }

    /// Gradients of the parameters, all 0.
    pub fn grads(&self) -> Grads {
        Grads::zeros(self.layout.clone())
    }

    /// A random input; returns its index.
    pub fn leaf(&mut self, name: &str, shape: &[usize]) -> usize {
        let mut random = Philox::new(9, &["leaf", name]);
        let data = (0..shape.iter().product()).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
        self.leaves.push((shape.to_vec(), data));
        self.leaves.len() - 1
    }

    /// Compares value and gradients of `ours` with those of `formula`, for a random weighting of the result.
    pub fn check(
        &self,
        leaves: &[usize],
        ours: impl for<'t> Fn(&mut Tape<'t>, &[Var]) -> Result<Var>,
        formula: impl Fn(&Named, &[&[f64]]) -> Vec<f64>,
    ) {
        let mut tape = self.tape();
        let vars: Vec<Var> =
            leaves.iter().map(|&i| tape.leaf(&self.leaves[i].0, self.leaves[i].1.clone()).unwrap()).collect();
        let y = ours(&mut tape, &vars).unwrap();
        let mut random = Philox::new(11, &["weights"]);
        let weights: Vec<f32> = tape.value(y).iter().map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
        let value = tape.value(y).to_vec();
        let shape = tape.shape(y).to_vec();
        let constant = tape.input(&shape, weights.clone()).unwrap();
        let product = ops::mul(&mut tape, y, constant).unwrap();
        let loss = ops::sum(&mut tape, product).unwrap();
        // Gradients add to what is there.
        let mut grads = Grads::zeros(self.layout.clone());
        grads.data.fill(1.0);
        let by_leaf = tape.backward_with(loss, &mut grads, &vars).unwrap();

        let wide = |x: &[f32]| x.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        let mut named: Named = self
            .layout
            .handles()
            .map(|h| (self.layout.segment(h).name.clone(), wide(self.params.slice(h))))
            .collect();
        let mut inputs: Vec<Vec<f64>> = leaves.iter().map(|&i| wide(&self.leaves[i].1)).collect();
        let eval = |named: &Named, inputs: &[Vec<f64>]| {
            formula(named, &inputs.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        close("value", &value, &eval(&named, &inputs), 1e-5);
        let scalar = |named: &Named, inputs: &[Vec<f64>]| -> f64 {
            eval(named, inputs).iter().zip(&weights).map(|(y, &w)| y * f64::from(w)).sum()
        };
        let step = 1e-5;
        for (i, found) in by_leaf.iter().enumerate() {
            let expected: Vec<f64> = (0..found.len())
                .map(|j| {
                    let x = inputs[i][j];
                    let [up, down] = [x + step, x - step].map(|moved| {
                        inputs[i][j] = moved;
                        scalar(&named, &inputs)
                    });
                    inputs[i][j] = x;
                    (up - down) / (2.0 * step)
                })
                .collect();
            close(&format!("gradient of input {i}"), found, &expected, 1e-4);
        }
        for handle in self.layout.handles() {
            let name = self.layout.segment(handle).name.clone();
            let found: Vec<f32> = grads.slice(handle).iter().map(|g| g - 1.0).collect();
            let expected: Vec<f64> = (0..found.len())
                .map(|j| {
                    let [up, down] = [step, -2.0 * step].map(|by| {
                        named.get_mut(&name).unwrap()[j] += by;
                        scalar(&named, &inputs)
                    });
                    named.get_mut(&name).unwrap()[j] += step;
                    (up - down) / (2.0 * step)
                })
                .collect();
            close(&format!("gradient of {name}"), &found, &expected, 1e-4);
        }
    }
}

/// Relative to the largest expected value (or 0.1, where all are small).
pub fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.1f64, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * scale, "{what} [{i}]: {f} instead of {e}");
    }
}

/// The formulas, written as plainly as possible.
pub mod naive {
    use crate::ops::{Activation, AttentionShape, NormKind};

    pub fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    pub fn activation(act: Activation, x: f64) -> f64 {
        match act {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    pub fn linear(x: &[f64], w: &[f64], b: &[f64], n_in: usize, n_out: usize, act: Activation) -> Vec<f64> {
        let cell = |row: &[f64], o: usize| -> f64 {
            activation(act, b[o] + row.iter().zip(&w[o * n_in..][..n_in]).map(|(x, w)| x * w).sum::<f64>())
        };
        x.chunks(n_in).flat_map(|row| (0..n_out).map(|o| cell(row, o)).collect::<Vec<_>>()).collect()
    }

    pub fn norm(x: &[f64], gain: &[f64], bias: &[f64], d: usize, kind: NormKind, eps: f32) -> Vec<f64> {
        let eps = f64::from(eps);
        let row = |x: &[f64]| -> Vec<f64> {
            let mean = if kind == NormKind::Layer { x.iter().sum::<f64>() / d as f64 } else { 0.0 };
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / d as f64;
            (0..d).map(|i| (x[i] - mean) / (variance + eps).sqrt() * gain[i] + bias[i]).collect()
        };
        x.chunks(d).flat_map(row).collect()
    }

    pub fn softmax(x: &[f64]) -> Vec<f64> {
        let max = x.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        let sum: f64 = x.iter().map(|v| (v - max).exp()).sum();
        x.iter().map(|v| (v - max).exp() / sum).collect()
    }

    /// (`-ln p(target)`, log-sum-exp).
    pub fn nll(hidden: &[f64], weight: &[f64], target: u32) -> (f64, f64) {
        let logit = |w: &[f64]| w.iter().zip(hidden).map(|(a, b)| a * b).sum::<f64>();
        let logits: Vec<f64> = weight.chunks(hidden.len()).map(logit).collect();
        let lse = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
        (lse - logits[target as usize], lse)
    }

    fn rotate(x: &mut [f64], position: f64, base: f64) {
        let half = x.len() / 2;
        for i in 0..half {
            let angle = position * base.powf(-(i as f64) / half as f64);
            let (a, b) = (x[i], x[i + half]);
            x[i] = a * angle.cos() - b * angle.sin();
            x[i + half] = b * angle.cos() + a * angle.sin();
        }
    }

    pub fn attention(
        qkv: &[f64],
        shape: AttentionShape,
        starts: &[u32],
        ends: &dyn Fn(usize) -> usize,
        rope: Option<f64>,
    ) -> Vec<f64> {
        let AttentionShape { batch, time, heads, kv_heads, head_dim: d } = shape;
        let stride = (heads + 2 * kv_heads) * d;
        let mut qkv = qkv.to_vec();
        if let Some(base) = rope {
            for (i, row) in qkv.chunks_mut(stride).enumerate() {
                let position = (i % time) as f64 - f64::from(starts[i]);
                row[..(heads + kv_heads) * d].chunks_mut(d).for_each(|head| rotate(head, position, base));
            }
        }
        let mut out = Vec::new();
        for b in 0..batch {
            let at = |row: usize, head: usize| &qkv[(b * time + row) * stride + head * d..][..d];
            for i in 0..time {
                for h in 0..heads {
                    let kv = h / (heads / kv_heads);
                    let keys = starts[b * time + i] as usize..ends(b * time + i);
                    let dot = |j| at(i, h).iter().zip(at(j, heads + kv)).map(|(q, k)| q * k).sum::<f64>();
                    let p = softmax(&keys.clone().map(|j| dot(j) / (d as f64).sqrt()).collect::<Vec<_>>());
                    out.extend((0..d).map(|c| {
                        keys.clone().zip(&p).map(|(j, p)| p * at(j, heads + kv_heads + kv)[c]).sum::<f64>()
                    }));
                }
            }
        }
        out
    }
}
