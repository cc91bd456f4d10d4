//! Kernels alone: attention, AdamW, the matrix products of linear layers, and a copy to compare memory speed with.

use std::time::Instant;

use regimen_kernels::{
    Activation, AdamW, AttentionRows, AttentionShape, adamw_step, attention_backward, attention_forward,
    linear_backward_input, linear_backward_weight, linear_forward, par_rows,
};
use serde::Deserialize;

use crate::{Result, Work};

/// `n` values in [-1, 1) (xorshift).
fn values(n: usize) -> Vec<f32> {
    let mut s = 0x1234_5678_9abc_def1u64;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

#[derive(Deserialize)]
pub struct AttentionSpec {
    batch: usize,
    heads: usize,
    time: usize,
    head_dim: usize,
}

/// Causal attention, forward and backward, on queries, keys and values packed as a model has them.
pub struct Attention {
    shape: AttentionShape,
    qkv: Vec<f32>,
    starts: Vec<u32>,
    out: Vec<f32>,
    lse: Vec<f32>,
    dout: Vec<f32>,
    dqkv: Vec<f32>,
}

impl Attention {
    pub fn new(spec: &AttentionSpec) -> Attention {
        let &AttentionSpec { batch, heads, time, head_dim } = spec;
        let shape = AttentionShape { batch, time, heads, kv_heads: heads, head_dim };
        let rows = batch * time;
        let qkv = values(rows * shape.qkv_width());
        Attention {
            starts: vec![0; rows],
            out: vec![0.0; rows * shape.out_width()],
            lse: vec![0.0; shape.lse_len()],
            dout: values(rows * shape.out_width()),
            dqkv: vec![0.0; qkv.len()],
            qkv,
            shape,
        }
    }
}

impl Work for Attention {
    fn step(&mut self) -> Result<Option<f64>> {
        let rows = AttentionRows::causal(&self.starts);
        attention_forward(self.shape, &self.qkv, rows, &mut self.out, Some(&mut self.lse));
        attention_backward(self.shape, &self.qkv, rows, &self.out, &self.lse, &self.dout, &mut self.dqkv);
        Ok(None)
    }
}

/// AdamW on one flat array.
pub struct Optimizer {
    rule: AdamW,
    arrays: [Vec<f32>; 3],
    gradient: Vec<f32>,
    steps: u64,
}

impl Optimizer {
    pub fn new(parameters: usize, rule: AdamW) -> Optimizer {
        let arrays = [values(parameters), vec![0.0; parameters], vec![0.0; parameters]];
        Optimizer { rule, arrays, gradient: values(parameters), steps: 0 }
    }
}

impl Work for Optimizer {
    fn step(&mut self) -> Result<Option<f64>> {
        self.steps += 1;
        let [p, m, v] = &mut self.arrays;
        adamw_step(p, m, v, &self.gradient, &self.rule, self.steps, 1.0);
        Ok(None)
    }

    fn parameters(&self) -> usize {
        self.gradient.len()
    }
}

/// A copy on all threads.
pub struct Copy {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Copy {
    pub fn new(floats: usize) -> Copy {
        Copy { from: values(floats), to: vec![0.0; floats] }
    }
}

impl Work for Copy {
    fn step(&mut self) -> Result<Option<f64>> {
        // Blocks large enough for stores that bypass the cache.
        let from = &self.from;
        par_rows(&mut self.to, 1, from.len().div_ceil(8), |first, to| {
            to.copy_from_slice(&from[first..first + to.len()]);
        });
        Ok(None)
    }
}

/// One linear layer `[rows, n_in] -> [rows, n_out]`.
struct Layer {
    sizes: [usize; 3],
    x: Vec<f32>,
    w: Vec<f32>,
    dy: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
    /// How often a training step has it.
    times: f64,
}

/// The three products of each linear layer of a model, as the model calls them.
pub struct Products {
    layers: Vec<Layer>,
    /// Seconds of each product in the last pass, times how often a step needs it.
    seconds: Vec<f64>,
}

impl Products {
    /// Layers from rows, outputs, inputs, and how often a step has them.
    pub fn new(shapes: &[[usize; 4]]) -> Products {
        let layer = |&[rows, n_out, n_in, times]: &[usize; 4]| Layer {
            sizes: [rows, n_in, n_out],
            x: values(rows * n_in),
            w: values(n_out * n_in),
            dy: values(rows * n_out),
            dx: vec![0.0; rows * n_in],
            dw: vec![0.0; n_out * n_in],
            times: times as f64,
        };
        Products { layers: shapes.iter().map(layer).collect(), seconds: Vec::new() }
    }
}

impl Work for Products {
    fn step(&mut self) -> Result<Option<f64>> {
        self.seconds.clear();
        for layer in &mut self.layers {
            let [rows, n_in, n_out] = layer.sizes;
            let Layer { x, w, dy, dx, dw, times, .. } = layer;
            let mut time = |product: &mut dyn FnMut()| {
                let begin = Instant::now();
                product();
                self.seconds.push(*times * begin.elapsed().as_secs_f64());
            };
            time(&mut || linear_forward(rows, n_in, n_out, x, w, None, Activation::None, dy, None));
            time(&mut || linear_backward_input(rows, n_in, n_out, dy, w, dx, false));
            dw.fill(0.0);
            time(&mut || linear_backward_weight(rows, n_in, n_out, dy, x, dw, None));
        }
        Ok(None)
    }

    fn details(&mut self) -> Vec<f64> {
        self.seconds.clone()
    }
}
