//! The loops agree whatever instruction set they were compiled for: this test runs itself once for each value of
//! `REGIMEN_ISA` and compares what comes out.

use regimen_kernels as k;
use regimen_kernels::{Activation, Adafactor, AdamW, AttentionShape, Isa, Lion, Muon, NormKind};
use std::process::Command;

/// Where a child process writes its results.
const DUMP: &str = "REGIMEN_KERNELS_TEST_DUMP";

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Results of about every kernel on one odd shape.
fn results() -> Vec<Vec<f32>> {
    let (rows, d, ff, vocab) = (67, 48, 101, 203);
    let (x, w, bias) = (values(rows * d, 1), values(ff * d, 2), values(ff, 3));
    let mut all = Vec::new();
    for act in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        let (mut y, mut pre) = (vec![0.0; rows * ff], vec![0.0; rows * ff]);
        k::linear_forward(rows, d, ff, &x, &w, Some(&bias), act, &mut y, Some(&mut pre));
        let mut dy = values(y.len(), 4);
        k::activation_backward(act, &pre, &mut dy);
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; ff]);
        k::linear_backward_input(rows, d, ff, &dy, &w, &mut dx, false);
        k::linear_backward_weight(rows, d, ff, &dy, &x, &mut dw, Some(&mut db));
        all.extend([y, dy, dx, dw, db]);
    }
    for kind in [NormKind::Rms, NormKind::Layer] {
        let (gain, mut y, mut st) = (values(d, 5), vec![0.0; x.len()], vec![0.0; rows * 2]);
        k::norm_forward(kind, rows, d, &x, None, &gain, None, 1e-5, None, &mut y, &mut st);
        let (dy, mut ds, mut dgain) = (values(x.len(), 6), vec![0.0; x.len()], vec![0.0; d]);
        k::norm_backward(kind, rows, d, &x, &gain, &st, &dy, &mut ds, &mut dgain, None);
        all.extend([y, st, ds, dgain]);
    }
    let gate_up = values(rows * 2 * ff, 7);
    let (mut y, mut dg) = (vec![0.0; rows * ff], vec![0.0; gate_up.len()]);
    let wide = values(2 * 96 * d, 17);
    let (mut fused, mut z) = (vec![0.0; rows * 2 * 96], vec![0.0; rows * 96]);
    k::linear_swiglu_forward(rows, d, 96, &x, &wide, None, &mut fused, &mut z);
    all.extend([fused, z]);
    k::swiglu_forward(rows, ff, &gate_up, &mut y);
    k::swiglu_backward(rows, ff, &gate_up, &y, &mut dg);
    all.extend([y, dg]);

    let shape = AttentionShape { batch: 1, time: rows, heads: 4, kv_heads: 2, head_dim: 12 };
    let qkv = values(rows * shape.qkv_width(), 8);
    let mut apart = qkv.clone();
    let positions: Vec<u32> = (0..rows as u32).collect();
    let table = k::RopeTable::new(12, 10_000.0, rows);
    k::rope_apply(rows, shape.qkv_width(), 6, 12, &mut apart, &positions, &table, false);
    let starts = vec![0; rows];
    let seen = k::AttentionRows { rope: Some((&table, &positions)), ..k::AttentionRows::causal(&starts) };
    let (mut out, mut lse, mut dqkv) =
        (vec![0.0; rows * shape.out_width()], vec![0.0; shape.lse_len()], vec![0.0; qkv.len()]);
    k::attention_forward(shape, &qkv, seen, &mut out, Some(&mut lse));
    k::attention_backward(shape, &qkv, seen, &out, &lse, &values(out.len(), 9), &mut dqkv);
    all.extend([apart, out, lse, dqkv]);

    let (head, targets) = (values(vocab * d, 10), (0..rows as u32).map(|i| i * 3).collect::<Vec<_>>());
    let (mut logp, mut lse, mut entropy) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
    let model = k::LmHead { d, vocab, hidden: &x, weight: &head, temperature: 0.8, keep: None };
    let (mut ids, mut best) = (vec![0; rows * 3], vec![0.0; rows * 3]);
    let top = Some(k::TopOut { ids: &mut ids, logp: &mut best });
    let out = k::LogprobOut { logp: &mut logp, lse: &mut lse, entropy: Some(&mut entropy), top };
    k::logprob_forward(&model, &targets, out);
    let (mut dx, mut dhead) = (vec![0.0; x.len()], vec![0.0; head.len()]);
    let grad = k::LogprobGrad { logp: &logp, entropy: Some((&entropy, &logp)) };
    k::logprob_backward(&model, &targets, &lse, grad, &mut dx, &mut dhead);
    all.extend([ids.iter().map(|&id| id as f32).collect(), best, dx, dhead]);
    let teacher = k::LmHead { temperature: 1.1, ..model };
    for way in [k::Divergence::Forward, k::Divergence::Reverse] {
        let (mut kl, mut both, mut dx, mut dhead) =
            (vec![0.0; rows], vec![0.0; 2 * rows], vec![0.0; x.len()], vec![0.0; head.len()]);
        k::distill_forward(&model, &teacher, way, &mut kl, &mut both);
        k::distill_backward(&model, &teacher, way, &kl, &both, &bias[..rows], &mut dx, &mut dhead);
        all.extend([kl, both, dx, dhead]);
    }
    let (mut dh, mut dw, mut nll) = (vec![0.0; x.len()], vec![0.0; head.len()], vec![0.0; rows]);
    let weights = vec![0.1; rows];
    let grads = Some((&mut dh[..], &mut dw[..]));
    let (loss, z) = k::cross_entropy(rows, d, vocab, &x, &head, &targets, &weights, 1e-3, grads, &mut nll);
    all.extend([logp, lse, entropy, dh, dw, nll, vec![loss as f32, z as f32]]);

    let (mut p, mut m, mut v, g) = (values(999, 11), vec![0.0; 999], vec![0.0; 999], values(999, 12));
    let cfg = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    k::adamw_step(&mut p, &mut m, &mut v, &g, &cfg, 1, 0.7);
    let lion = Lion { lr: 1e-2, beta1: 0.9, beta2: 0.99, weight_decay: 0.1 };
    k::lion_step(&mut p, &mut m, &mut g.clone(), &lion, 0.7);
    let muon =
        Muon { lr: 1e-2, momentum: 0.95, nesterov: true, iterations: 5, scale: 1.0, weight_decay: 0.1 };
    k::muon_step(&mut p, &mut m, &mut g.clone(), (27, 37), &muon, 0.7, &mut Vec::new());
    let factored = Adafactor {
        lr: 1e-2,
        beta2_decay: 0.8,
        eps: 1e-30,
        clip: 1.0,
        relative: true,
        least: 1e-3,
        weight_decay: 0.1,
    };
    let (mut row, mut col) = (vec![0.0; 27], vec![0.0; 37]);
    k::adafactor_matrix_step(&mut p, &mut row, &mut col, &mut g.clone(), &factored, 1, 0.7);
    k::adafactor_vector_step(&mut p, &mut v, &mut g.clone(), &factored, 2, 0.7);
    all.extend([row, col]);
    let mut soft = vec![0.0; 999];
    k::softmax_rows(3, 333, &p, &mut soft);
    all.extend([p, m, v, soft, vec![k::sum_f64(&g) as f32, k::norm_sq_f64(&g) as f32]]);
    all
}

#[test]
fn instruction_sets_agree() {
    if let Ok(path) = std::env::var(DUMP) {
        let mut bytes = k::isa().to_string().into_bytes();
        bytes.resize(16, b' ');
        bytes.extend(results().concat().iter().flat_map(|v| v.to_le_bytes()));
        std::fs::write(path, bytes).unwrap();
        return;
    }
    let here = results();
    for wanted in [Isa::Avx512, Isa::Avx2, Isa::Portable] {
        let path = std::env::temp_dir().join(format!("regimen-kernels-{wanted}-{}", std::process::id()));
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["instruction_sets_agree", "--exact", "--nocapture"])
            .env("REGIMEN_ISA", wanted.to_string())
            .env(DUMP, &path)
            .output()
            .unwrap();
        assert!(status.status.success(), "{wanted}: {}", String::from_utf8_lossy(&status.stderr));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // The variable lowers what the machine has; a higher one than this process has may or may not be there.
        let got = String::from_utf8_lossy(&bytes[..16]).trim().to_string();
        if wanted <= k::isa() {
            assert_eq!(got, wanted.to_string());
        }
        let mut there = bytes[16..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        for (number, part) in here.iter().enumerate() {
            let size = part.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
            for (i, &v) in part.iter().enumerate() {
                let other = there.next().unwrap();
                assert!((v - other).abs() <= 1e-5 * size, "{wanted}: result {number}[{i}]: {v} {other}");
            }
        }
        assert_eq!(there.next(), None);
    }
}
