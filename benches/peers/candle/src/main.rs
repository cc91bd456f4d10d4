//! Candle's side of `train_step.sh`: `train-step-candle SPEC THREADS`, a GPT-2 decoder on one fixed batch.
//!
//! SPEC is the row as JSON (see `train_step.py`). After one line that says it is ready, every line `go N` on stdin makes
//! N steps and is answered with seconds, loss and peak memory. The layer norm is written out: `candle_nn`'s own takes a
//! path without gradients, and what lies before it would not learn.

use std::io::BufRead;
use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss, ops};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Trainable variables as they are made.
#[derive(Default)]
struct Variables {
    matrices: Vec<Var>,
    vectors: Vec<Var>,
}

impl Variables {
    fn matrix(&mut self, rows: usize, cols: usize) -> Result<Tensor> {
        let var = Var::randn(0f32, 0.02, (rows, cols), &Device::Cpu)?;
        self.matrices.push(var.clone());
        Ok(var.as_tensor().clone())
    }

    fn vector(&mut self, value: f32, len: usize) -> Result<Tensor> {
        let var = Var::from_tensor(&Tensor::full(value, len, &Device::Cpu)?)?;
        self.vectors.push(var.clone());
        Ok(var.as_tensor().clone())
    }
}

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(variables: &mut Variables, n_in: usize, n_out: usize) -> Result<Linear> {
        Ok(Linear { weight: variables.matrix(n_out, n_in)?, bias: variables.vector(0.0, n_out)? })
    }

    /// x `[rows, n_in]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

struct Norm {
    gain: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(variables: &mut Variables, width: usize, eps: f64) -> Result<Norm> {
        Ok(Norm { gain: variables.vector(1.0, width)?, bias: variables.vector(0.0, width)?, eps })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        normed.broadcast_mul(&self.gain)?.broadcast_add(&self.bias)
    }
}

struct Block {
    attention_norm: Norm,
    qkv: Linear,
    out: Linear,
    mlp_norm: Norm,
    up: Linear,
    down: Linear,
}

struct Decoder {
    embed: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Tensor,
    heads: usize,
    /// `[time, time]`, minus infinity above the diagonal.
    mask: Tensor,
}

impl Decoder {
    fn new(variables: &mut Variables, c: &Value) -> std::result::Result<Decoder, Failure> {
        let size = |name: &str| c[name].as_u64().map(|v| v as usize).ok_or(format!("no {name}"));
        let (vocab, time, width, ff) = (size("vocab")?, size("context")?, size("width")?, size("ff")?);
        let eps = c["norm_eps"].as_f64().ok_or("no norm_eps")?;
        let mut blocks = Vec::new();
        for _ in 0..size("layers")? {
            blocks.push(Block {
                attention_norm: Norm::new(variables, width, eps)?,
                qkv: Linear::new(variables, width, 3 * width)?,
                out: Linear::new(variables, width, width)?,
                mlp_norm: Norm::new(variables, width, eps)?,
                up: Linear::new(variables, width, ff)?,
                down: Linear::new(variables, ff, width)?,
            });
        }
        let above = |i: usize| if i % time > i / time { f32::NEG_INFINITY } else { 0.0 };
        let mask = Tensor::from_vec((0..time * time).map(above).collect(), (time, time), &Device::Cpu)?;
        Ok(Decoder {
            embed: variables.matrix(vocab, width)?,
            positions: variables.matrix(time, width)?,
            blocks,
            norm: Norm::new(variables, width, eps)?,
            head: variables.matrix(vocab, width)?,
            heads: size("heads")?,
            mask,
        })
    }

    /// Mean loss of ids `[batch, time]` and targets `[batch * time]`.
    fn loss(&self, ids: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let (batch, time) = ids.dims2()?;
        let width = self.embed.dim(1)?;
        let mut x = self.embed.index_select(&ids.flatten_all()?, 0)?;
        x = x.reshape((batch, time, width))?.broadcast_add(&self.positions)?.reshape((batch * time, width))?;
        for block in &self.blocks {
            let qkv = block.qkv.forward(&block.attention_norm.forward(&x)?)?;
            let heads = |i: usize| {
                let part = qkv.narrow(1, i * width, width)?.reshape((batch, time, self.heads, width / self.heads))?;
                part.transpose(1, 2)?.contiguous()
            };
            let (q, k, v) = (heads(0)?, heads(1)?, heads(2)?);
            let scale = 1.0 / ((width / self.heads) as f64).sqrt();
            let scores = (q.matmul(&k.t()?)? * scale)?.broadcast_add(&self.mask)?;
            let y = ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
            let y = y.transpose(1, 2)?.reshape((batch * time, width))?;
            x = (x + block.out.forward(&y)?)?;
            let inner = block.up.forward(&block.mlp_norm.forward(&x)?)?.gelu()?;
            x = (x + block.down.forward(&inner)?)?;
        }
        loss::cross_entropy(&self.norm.forward(&x)?.matmul(&self.head.t()?)?, targets)
    }
}

fn main() -> std::result::Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [spec, _threads] = &args[..] else {
        return Err("two arguments: SPEC THREADS (and RAYON_NUM_THREADS in the environment)".into());
    };
    let spec: Value = serde_json::from_str(spec)?;
    let c = &spec["model"];
    let wanted = json!({ "norm": "layer", "positions": "learned", "mlp": "gelu", "bias": true, "tied": false });
    if let Some((name, _)) = wanted.as_object().into_iter().flatten().find(|(name, value)| c[*name] != **value) {
        return Err(format!("{name} = {}: only a GPT-2 without tied weights is written here", c[name]).into());
    }
    let mut variables = Variables::default();
    let decoder = Decoder::new(&mut variables, c)?;
    let number = |name: &str| spec["adamw"][name].as_f64().ok_or(format!("no {name}"));
    let rule = ParamsAdamW {
        lr: number("lr")?,
        beta1: number("beta1")?,
        beta2: number("beta2")?,
        eps: number("eps")?,
        weight_decay: number("weight_decay")?,
    };
    let all = variables.matrices.iter().chain(&variables.vectors);
    let parameters: usize = all.map(|var| var.as_tensor().elem_count()).sum();
    let mut optimizers = [
        AdamW::new(variables.matrices, rule.clone())?,
        AdamW::new(variables.vectors, ParamsAdamW { weight_decay: 0.0, ..rule })?,
    ];
    let (batch, time, vocab) = (&spec["batch"], &c["context"], &c["vocab"]);
    let [batch, time, vocab] = [batch, time, vocab].map(|value| value.as_u64().unwrap_or(0) as usize);
    let tokens = |factor: usize| {
        let ids: Vec<u32> = (0..batch * time).map(|i| (i * factor % vocab) as u32).collect();
        Tensor::from_vec(ids, batch * time, &Device::Cpu)?.to_dtype(DType::U32)
    };
    let (ids, targets) = (tokens(7919)?.reshape((batch, time))?, tokens(104_729)?);

    println!("{}", json!({ "name": "Candle 0.11.1", "parameters": parameters, "imported_mib": peak_mib()? }));
    for line in std::io::stdin().lock().lines() {
        let steps: usize = line?.strip_prefix("go ").ok_or("a line is `go N`")?.parse()?;
        let (begin, mut last) = (Instant::now(), 0.0);
        for _ in 0..steps {
            let loss = decoder.loss(&ids, &targets)?;
            let grads = loss.backward()?;
            for optimizer in &mut optimizers {
                optimizer.step(&grads)?;
            }
            last = loss.to_scalar::<f32>()?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!("{}", json!({ "seconds": seconds, "loss": last, "mib": peak_mib()? }));
    }
    Ok(())
}

/// Most memory this process has had.
fn peak_mib() -> std::result::Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
