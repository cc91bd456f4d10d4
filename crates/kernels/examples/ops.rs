//! Times each kernel on shapes of small training runs: `cargo run --release -p regimen-kernels --example ops`.
//! Best of several calls; GFLOP/s for products, milliseconds for the rest. An argument keeps the lines that contain it.
#![allow(clippy::print_stdout)]

use regimen_kernels as k;
use regimen_kernels::{Activation, Adafactor, AdamW, AttentionShape, Lion, Mat, MatMut, Muon, NormKind};
use std::time::Instant;

struct Bench {
    filter: String,
}

impl Bench {
    /// Prints the best time of `f`, and its rate when it does `flop` floating-point operations.
    fn time(&self, name: &str, flop: f64, mut f: impl FnMut()) {
        if !name.contains(&self.filter) {
            return;
        }
        f();
        let (mut best, begin, mut calls) = (f64::INFINITY, Instant::now(), 0);
        while calls < 5 || begin.elapsed().as_secs_f64() < 0.4 {
            let t = Instant::now();
            f();
            best = best.min(t.elapsed().as_secs_f64());
            calls += 1;
        }
        let rate = if flop > 0.0 { format!("{:8.1} GFLOP/s", flop / best * 1e-9) } else { String::new() };
        println!("{name:<52} {:9.3} ms {rate}", best * 1e3);
    }
}

fn values(n: usize) -> Vec<f32> {
    let mut s = 0x1234_5678_9abc_def1u64;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn products(b: &Bench) {
    for (m, n, kk) in [
        (2048, 576, 192),
        (4096, 1024, 192),
        (4096, 192, 512),
        (2048, 1536, 384),
        (2048, 384, 1536),
        (2048, 1152, 384),
        (4096, 384, 384),
        (2048, 2048, 192),
        (512, 8192, 384),
        (384, 1536, 2048),
        (8192, 384, 512),
        (1024, 1024, 1024),
    ] {
        let (x, w, mut c) = (values(m * kk), values(n * kk), vec![0.0; m * n]);
        let flop = 2.0 * (m * n * kk) as f64;
        b.time(&format!("gemm nt {m} x {n} x {kk}"), flop, || {
            k::sgemm(1.0, Mat::new(&x, m, kk), Mat::new(&w, n, kk).t(), 0.0, MatMut::new(&mut c, m, n));
        });
        b.time(&format!("gemm nn {m} x {n} x {kk}"), flop, || {
            k::sgemm(1.0, Mat::new(&x, m, kk), Mat::new(&w, kk, n), 0.0, MatMut::new(&mut c, m, n));
        });
        b.time(&format!("gemm tn {m} x {n} x {kk}"), flop, || {
            k::sgemm(1.0, Mat::new(&x, kk, m).t(), Mat::new(&w, kk, n), 1.0, MatMut::new(&mut c, m, n));
        });
    }
}

fn layers(b: &Bench) {
    for (rows, d, ff) in [(2048, 192, 512), (4096, 192, 512), (2048, 384, 1536)] {
        let (x, w, bias) = (values(rows * d), values(ff * d), values(ff));
        let (mut y, mut pre, mut dx) = (vec![0.0; rows * ff], vec![0.0; rows * ff], vec![0.0; rows * d]);
        let (mut dw, mut db) = (vec![0.0; ff * d], vec![0.0; ff]);
        let flop = 2.0 * (rows * d * ff) as f64;
        b.time(&format!("linear gelu fwd {rows} {d} -> {ff}"), flop, || {
            k::linear_forward(rows, d, ff, &x, &w, Some(&bias), Activation::Gelu, &mut y, Some(&mut pre));
        });
        b.time(&format!("linear bwd input {rows} {d} -> {ff}"), flop, || {
            k::linear_backward_input(rows, d, ff, &y, &w, &mut dx, true);
        });
        b.time(&format!("linear bwd weight {rows} {d} -> {ff}"), flop, || {
            k::linear_backward_weight(rows, d, ff, &y, &x, &mut dw, Some(&mut db));
        });
        for act in [Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
            b.time(&format!("{act:?} fwd {rows} x {ff}"), 0.0, || k::activation_forward(act, &pre, &mut y));
            b.time(&format!("{act:?} bwd {rows} x {ff}"), 0.0, || k::activation_backward(act, &pre, &mut y));
        }
        let gate_up = values(rows * 2 * ff);
        let mut dgate_up = vec![0.0; rows * 2 * ff];
        b.time(&format!("swiglu fwd {rows} x {ff}"), 0.0, || k::swiglu_forward(rows, ff, &gate_up, &mut y));
        b.time(&format!("swiglu bwd {rows} x {ff}"), 0.0, || {
            k::swiglu_backward(rows, ff, &gate_up, &y, &mut dgate_up);
        });
        let (gain, mut s, mut st) = (values(d), vec![0.0; rows * d], vec![0.0; rows * 2]);
        let (mut out, mut dgain) = (vec![0.0; rows * d], vec![0.0; d]);
        b.time(&format!("norm fwd {rows} x {d}"), 0.0, || {
            let sum = Some(&mut s[..]);
            k::norm_forward(NormKind::Rms, rows, d, &x, Some(&dx), &gain, None, 1e-5, sum, &mut out, &mut st);
        });
        b.time(&format!("norm bwd {rows} x {d}"), 0.0, || {
            k::norm_backward(NormKind::Rms, rows, d, &s, &gain, &st, &x, &mut out, &mut dgain, None);
        });
        let table = k::RopeTable::new(64, 10_000.0, 256);
        let positions: Vec<u32> = (0..rows as u32).map(|i| i % 256).collect();
        b.time(&format!("rope {rows} x {d}"), 0.0, || {
            k::rope_apply(rows, d, d / 64, 64, &mut out, &positions, &table, false);
        });
    }
}

fn attention(b: &Bench) {
    for (batch, time, heads, kv_heads, head_dim, causal) in [
        (16, 256, 4, 4, 48, true),
        (16, 256, 6, 6, 64, true),
        (16, 256, 6, 2, 64, true),
        (8, 1024, 6, 6, 64, true),
        (64, 144, 3, 3, 64, false),
    ] {
        let shape = AttentionShape { batch, time, heads, kv_heads, head_dim };
        let rows = shape.batch * shape.time;
        let (qkv, starts) = (values(rows * shape.qkv_width()), vec![0; rows]);
        let ends = vec![time as u32; rows];
        let seen = k::AttentionRows { starts: &starts, ends: (!causal).then_some(&ends), rope: None };
        let (mut out, mut lse) = (vec![0.0; rows * shape.out_width()], vec![0.0; shape.lse_len()]);
        let mut dqkv = vec![0.0; qkv.len()];
        // Counted as the whole square; of a causal one half is never needed.
        let flop = 4.0 * (rows * shape.time * shape.out_width()) as f64;
        let kind = if causal { "causal" } else { "both ways" };
        b.time(&format!("attention fwd {batch}x{time} {heads}/{kv_heads} x {head_dim} {kind}"), flop, || {
            k::attention_forward(shape, &qkv, seen, &mut out, Some(&mut lse));
        });
        let dout = values(out.len());
        b.time(
            &format!("attention bwd {batch}x{time} {heads}/{kv_heads} x {head_dim} {kind}"),
            2.5 * flop,
            || {
                k::attention_backward(shape, &qkv, seen, &out, &lse, &dout, &mut dqkv);
            },
        );
    }
}

fn head(b: &Bench) {
    for (rows, d, vocab) in [(4096, 192, 2048), (2048, 384, 8192), (2048, 384, 49_152)] {
        let (h, mut w) = (values(rows * d), values(vocab * d));
        w.iter_mut().for_each(|w| *w *= 0.1);
        let targets: Vec<u32> = (0..rows).map(|i| (i * 7919 % vocab) as u32).collect();
        let (weights, mut nll) = (vec![1.0 / rows as f32; rows], vec![0.0; rows]);
        let (mut dh, mut dw, mut lse) = (vec![0.0; h.len()], vec![0.0; w.len()], vec![0.0; rows]);
        let flop = 2.0 * (rows * d * vocab) as f64;
        let shape = format!("{rows} {d} -> {vocab}");
        // The three products alone, on as many rows as fit in 8 MiB of logits, which is what the loss is measured by.
        let n = rows.min((2 << 20) / vocab).max(128);
        let mut z = vec![0.0; n * vocab];
        b.time(&format!("head products alone {shape}"), 3.0 * flop, || {
            for first in (0..rows).step_by(n) {
                let n = n.min(rows - first);
                let (h, dh) = (&h[first * d..(first + n) * d], &mut dh[first * d..(first + n) * d]);
                let (h, w) = (Mat::new(h, n, d), Mat::new(&w, vocab, d));
                k::sgemm(1.0, h, w.t(), 0.0, MatMut::new(&mut z[..n * vocab], n, vocab));
                let z = Mat::new(&z[..n * vocab], n, vocab);
                k::sgemm(1.0, z, w, 0.0, MatMut::new(dh, n, d));
                k::sgemm(1.0, z.t(), h, 1.0, MatMut::new(&mut dw, vocab, d));
            }
        });
        drop(z);
        b.time(&format!("cross entropy fwd {shape}"), flop, || {
            k::cross_entropy(rows, d, vocab, &h, &w, &targets, &weights, 1e-4, None, &mut nll);
        });
        b.time(&format!("cross entropy fwd+bwd {shape}"), 3.0 * flop, || {
            let grads = Some((&mut dh[..], &mut dw[..]));
            k::cross_entropy(rows, d, vocab, &h, &w, &targets, &weights, 1e-4, grads, &mut nll);
        });
        let model = k::LmHead { d, vocab, hidden: &h, weight: &w, temperature: 1.0, keep: None };
        b.time(&format!("logprob fwd {shape}"), flop, || {
            let out = k::LogprobOut { logp: &mut nll, lse: &mut lse, ..Default::default() };
            k::logprob_forward(&model, &targets, out);
        });
        let (mut entropy, mut ids, mut best) = (vec![0.0; rows], vec![0; rows * 64], vec![0.0; rows * 64]);
        b.time(&format!("logprob fwd, entropy, top 64 {shape}"), flop, || {
            let top = Some(k::TopOut { ids: &mut ids, logp: &mut best });
            let out = k::LogprobOut { logp: &mut nll, lse: &mut lse, entropy: Some(&mut entropy), top };
            k::logprob_forward(&model, &targets, out);
        });
        b.time(&format!("logprob bwd {shape}"), 3.0 * flop, || {
            let grad = k::LogprobGrad { logp: &weights, entropy: Some((&entropy, &weights)) };
            k::logprob_backward(&model, &targets, &lse, grad, &mut dh, &mut dw);
        });
        let (teacher, mut both) = (k::LmHead { temperature: 1.5, ..model }, vec![0.0; 2 * rows]);
        b.time(&format!("distill fwd {shape}"), 2.0 * flop, || {
            k::distill_forward(&model, &teacher, k::Divergence::Forward, &mut nll, &mut both);
        });
        b.time(&format!("distill bwd {shape}"), 4.0 * flop, || {
            let way = k::Divergence::Forward;
            k::distill_backward(&model, &teacher, way, &nll, &both, &weights, &mut dh, &mut dw);
        });
        let mut out = vec![0.0; vocab];
        b.time(&format!("logits last {d} -> {vocab}"), 2.0 * (d * vocab) as f64, || {
            k::logits_last(d, vocab, &h[..d], &w, &mut out);
        });
        let (mut table, mut rows_out) = (vec![0.0; vocab * d], vec![0.0; rows * d]);
        b.time(&format!("embedding fwd {rows} x {d} of {vocab}"), 0.0, || {
            k::embedding_forward(&targets, d, &w, &mut rows_out);
        });
        b.time(&format!("embedding bwd {rows} x {d} of {vocab}"), 0.0, || {
            k::embedding_backward(&targets, d, &h, &mut table);
        });
        // Words of a language: half of them are among the most frequent one in a hundred.
        let skewed: Vec<u32> =
            targets.iter().map(|&t| (t as usize * t as usize / vocab) as u32 * t / vocab as u32).collect();
        b.time(&format!("embedding bwd {rows} x {d} of {vocab}, skewed"), 0.0, || {
            k::embedding_backward(&skewed, d, &h, &mut table);
        });
    }
}

const FACTORED: Adafactor = Adafactor {
    lr: 1e-2,
    beta2_decay: 0.8,
    eps: 1e-30,
    clip: 1.0,
    relative: true,
    least: 1e-3,
    weight_decay: 0.0,
};
const MUON: Muon =
    Muon { lr: 1e-3, momentum: 0.95, nesterov: true, iterations: 5, scale: 1.0, weight_decay: 0.1 };

fn flat(b: &Bench) {
    let n = 4 << 20;
    let (mut p, mut m, mut v, g) = (values(n), vec![0.0; n], vec![0.0; n], values(n));
    let cfg = AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    b.time("adamw 4 Mi", 0.0, || k::adamw_step(&mut p, &mut m, &mut v, &g, &cfg, 10, 1.0));
    let mut g = g;
    b.time("adamw 4 Mi, zeroing", 0.0, || {
        k::adamw_step_zeroing(&mut p, &mut m, &mut v, &mut g, &cfg, 10, 1.0);
    });
    let cfg = Lion { lr: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 1.0 };
    b.time("lion 4 Mi", 0.0, || k::lion_step(&mut p, &mut m, &mut g, &cfg, 1.0));
    let (shape, cfg) = ((1024, 4096), FACTORED);
    let (mut row, mut col) = (vec![0.1; shape.0], vec![0.1; shape.1]);
    b.time("adafactor 1024 x 4096", 0.0, || {
        k::adafactor_matrix_step(&mut p, &mut row, &mut col, &mut g, &cfg, 10, 1.0);
    });
    let (mut work, square) = (Vec::new(), (1024usize, 1024usize));
    for (rows, cols) in [square, shape] {
        let n = rows * cols;
        let (side, area) = (rows.min(cols) as f64, n as f64);
        let flop = 5.0 * (4.0 * side * area + 2.0 * side.powi(3));
        g[..n].copy_from_slice(&values(n));
        b.time(&format!("muon {rows} x {cols}"), flop, || {
            let (p, m, g) = (&mut p[..n], &mut m[..n], &mut g[..n]);
            k::muon_step(p, m, g, (rows, cols), &MUON, 1.0, &mut work);
        });
    }
    b.time("norm_sq 4 Mi", 0.0, || {
        std::hint::black_box(k::norm_sq_f64(&g));
    });
    b.time("all_finite 4 Mi", 0.0, || {
        std::hint::black_box(k::all_finite(&g));
    });
    b.time("axpy 4 Mi", 0.0, || k::axpy(0.5, &g, &mut p));
}

fn main() {
    if let Some(threads) = std::env::var("REGIMEN_THREADS").ok().and_then(|n| n.parse().ok()) {
        k::set_threads(threads);
    }
    let b = Bench { filter: std::env::args().nth(1).unwrap_or_default() };
    println!("{} on {} threads", k::isa(), k::threads());
    products(&b);
    layers(&b);
    attention(&b);
    head(&b);
    flat(&b);
}
