//! Our side of benches/peers/train_step.sh: `train_step SPEC THREADS`.
//!
//! SPEC is a row of benches/peers/train_step.py as JSON. After one line that says it is ready, every line `go N` on stdin
//! makes N steps and is answered with seconds, loss and peak memory.
#![allow(clippy::print_stdout)]

mod alone;
mod decoder;
mod vit;

use std::io::BufRead;
use std::time::Instant;

use regimen_kernels::AdamW;
use serde::Deserialize;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Something that makes steps.
trait Work {
    /// One step; its loss, where there is one.
    fn step(&mut self) -> Result<Option<f64>>;

    /// Trainable numbers.
    fn parameters(&self) -> usize {
        0
    }

    /// What it measured besides the seconds of the last steps.
    fn details(&mut self) -> Vec<f64> {
        Vec::new()
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Spec {
    Decoder(decoder::Spec),
    Vit(vit::Spec),
    Attention(alone::AttentionSpec),
    AdamW { parameters: usize, adamw: Rule },
    Copy { floats: usize },
    Products { shapes: Vec<[usize; 4]> },
}

/// Settings of AdamW.
#[derive(Clone, Copy, Deserialize)]
struct Rule {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
}

impl Rule {
    fn kernel(self) -> AdamW {
        let Rule { lr, beta1, beta2, eps, weight_decay } = self;
        AdamW { lr, beta1, beta2, eps, weight_decay }
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [spec, threads] = &args[..] else {
        return Err("two arguments: SPEC THREADS".into());
    };
    regimen_kernels::set_threads(threads.parse()?);
    let mut work: Box<dyn Work> = match serde_json::from_str(spec)? {
        Spec::Decoder(spec) => Box::new(decoder::Training::new(&spec)?),
        Spec::Vit(spec) => Box::new(vit::Training::new(&spec)?),
        Spec::Attention(spec) => Box::new(alone::Attention::new(&spec)),
        Spec::AdamW { parameters, adamw } => Box::new(alone::Optimizer::new(parameters, adamw.kernel())),
        Spec::Copy { floats } => Box::new(alone::Copy::new(floats)),
        Spec::Products { shapes } => Box::new(alone::Products::new(&shapes)),
    };
    println!("{}", json!({ "name": "Regimen", "parameters": work.parameters() }));
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(work.as_mut(), &line?)?);
    }
    Ok(())
}

/// Makes the steps of a line `go N`.
fn answer(work: &mut dyn Work, line: &str) -> Result<Value> {
    let steps: usize = line.strip_prefix("go ").ok_or("a line is `go N`")?.parse()?;
    let (begin, mut loss) = (Instant::now(), None);
    for _ in 0..steps {
        loss = work.step()?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(json!({ "seconds": seconds, "loss": loss, "mib": peak_mib()?, "products": work.details() }))
}

/// Most memory this process has had.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
