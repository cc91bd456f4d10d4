use super::*;
use crate::testing::{assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide};

/// Logits of each row in f64.
fn logits(d: usize, h: &[f64], w: &[f64], t: f64) -> Vec<Vec<f64>> {
    h.chunks(d).map(|row| w.chunks(d).map(|w| dot64(row, w) / t).collect()).collect()
}

/// Log-probabilities of a row.
fn log_softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lse = top + z.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
    z.iter().map(|v| v - lse).collect()
}

fn entropy(logp: &[f64]) -> f64 {
    -logp.iter().map(|&v| if v == f64::NEG_INFINITY { 0.0 } else { v.exp() * v }).sum::<f64>()
}

struct Found {
    logp: Vec<f32>,
    lse: Vec<f32>,
    entropy: Vec<f32>,
    ids: Vec<u32>,
    best: Vec<f32>,
}

fn forward(head: &LmHead<'_>, targets: &[u32], most: usize) -> Found {
    let rows = head.rows();
    let mut f = Found {
        logp: vec![9.0; targets.len()],
        lse: vec![9.0; rows],
        entropy: vec![9.0; rows],
        ids: vec![9; rows * most],
        best: vec![9.0; rows * most],
    };
    logprob_forward(
        head,
        targets,
        LogprobOut {
            logp: &mut f.logp,
            lse: &mut f.lse,
            entropy: Some(&mut f.entropy),
            top: Some(TopOut { ids: &mut f.ids, logp: &mut f.best }),
        },
    );
    f
}

/// Hidden states, weight and `k` targets a row; one row in four is skipped and holds NaN when there are several.
struct Case {
    d: usize,
    vocab: usize,
    t: f32,
    hidden: Vec<f32>,
    weight: Vec<f32>,
    targets: Vec<u32>,
    keep: Vec<bool>,
}

impl Case {
    fn new(rows: usize, d: usize, vocab: usize, k: usize, t: f32) -> Case {
        let keep: Vec<bool> = (0..rows).map(|r| r % 4 != 1).collect();
        let mut hidden = values(rows * d, 1);
        let mut targets: Vec<u32> = (0..rows * k).map(|i| (i * 13 % vocab) as u32).collect();
        for r in (0..rows).filter(|&r| !keep[r]) {
            hidden[r * d..(r + 1) * d].fill(f32::NAN);
            targets[r * k..(r + 1) * k].fill(u32::MAX);
        }
        Case { d, vocab, t, hidden, weight: values(vocab * d, 2), targets, keep }
    }

    fn head(&self) -> LmHead<'_> {
        LmHead {
            d: self.d,
            vocab: self.vocab,
            hidden: &self.hidden,
            weight: &self.weight,
            temperature: self.t,
            keep: Some(&self.keep),
        }
    }

    /// `f(row, its log-probabilities)` for the rows that are kept.
    fn each(&self, h: &[f64], w: &[f64], mut f: impl FnMut(usize, Vec<f64>)) {
        for (r, z) in
            logits(self.d, h, w, f64::from(self.t)).iter().enumerate().filter(|(r, _)| self.keep[*r])
        {
            f(r, log_softmax(z));
        }
    }
}

const SHAPES: [(usize, usize, usize, usize, f32); 6] = [
    (1, 1, 1, 1, 1.0),
    (1, 7, 13, 2, 0.5),
    (3, 5, 7, 1, 1.0),
    (6, 16, 33, 3, 0.7),
    (9, 3, 53, 0, 2.0),
    (2, 4, 131, 1, 1.3),
];

#[test]
fn forward_matches_f64() {
    for (rows, d, vocab, k, t) in SHAPES {
        let case = Case::new(rows, d, vocab, k, t);
        let most = vocab.min(5);
        let found = forward(&case.head(), &case.targets, most);
        let (mut logp, mut h, mut best) = (vec![0.0; rows * k], vec![0.0; rows], vec![0.0; rows * most]);
        case.each(&wide(&case.hidden), &wide(&case.weight), |r, p| {
            for (to, &target) in logp[r * k..].iter_mut().zip(&case.targets[r * k..(r + 1) * k]) {
                *to = p[target as usize];
            }
            h[r] = entropy(&p);
            let mut order: Vec<usize> = (0..vocab).collect();
            order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
            for i in 0..most {
                assert_eq!(found.ids[r * most + i] as usize, order[i]);
                best[r * most + i] = p[order[i]];
            }
        });
        assert_close(&found.logp, &logp, 1e-5);
        assert_close(&found.entropy, &h, 1e-5);
        assert_close(&found.best, &best, 1e-5);
        for r in (0..rows).filter(|&r| !case.keep[r]) {
            assert!(found.lse[r] == 0.0 && found.ids[r * most..(r + 1) * most].iter().all(|&id| id == 0));
        }
    }
}

#[test]
fn gradients_match_f64() {
    for (rows, d, vocab, k, t) in SHAPES {
        let case = Case::new(rows, d, vocab, k, t);
        let found = forward(&case.head(), &case.targets, 0);
        let (up, dh) = (values(rows * k, 3), values(rows, 4));
        let (mut dhidden, mut dweight) = (vec![1.0; case.hidden.len()], vec![2.0; case.weight.len()]);
        let grad = LogprobGrad { logp: &up, entropy: Some((&found.entropy, &dh)) };
        logprob_backward(&case.head(), &case.targets, &found.lse, grad, &mut dhidden, &mut dweight);
        let loss = |h: &[f64], w: &[f64]| {
            let mut sum = 0.0;
            case.each(h, w, |r, p| {
                sum += f64::from(dh[r]) * entropy(&p);
                for (&target, &g) in case.targets[r * k..(r + 1) * k].iter().zip(&up[r * k..]) {
                    sum += f64::from(g) * p[target as usize];
                }
            });
            sum
        };
        // Rows that are skipped have no gradient; numbers in their place let the differences be taken.
        let h: Vec<f64> = wide(&case.hidden).iter().map(|v| if v.is_nan() { 0.5 } else { *v }).collect();
        let w = wide(&case.weight);
        let want = numeric_gradient(&h, |h| loss(h, &w));
        assert_close(&dhidden, &want.iter().map(|v| v + 1.0).collect::<Vec<_>>(), 1e-4);
        let want = numeric_gradient(&w, |w| loss(&h, w));
        assert_close(&dweight, &want.iter().map(|v| v + 2.0).collect::<Vec<_>>(), 1e-4);
    }
}

#[test]
fn many_rows_and_blocks_give_the_same_as_a_plain_loop() {
    // Several lines of tiles, several chunks of rows, several blocks of the vocabulary.
    let (rows, d, vocab) = (2300, 3, 2003);
    let case = Case::new(rows, d, vocab, 1, 0.9);
    let found = forward(&case.head(), &case.targets, 2);
    let up = values(rows, 3);
    let (mut dhidden, mut dweight) = (vec![0.0; case.hidden.len()], vec![0.0; case.weight.len()]);
    let grad = LogprobGrad { logp: &up, entropy: None };
    logprob_backward(&case.head(), &case.targets, &found.lse, grad, &mut dhidden, &mut dweight);
    let (h, w) = (wide(&case.hidden), wide(&case.weight));
    let (mut logp, mut dh, mut dw) = (vec![0.0; rows], vec![0.0; h.len()], vec![0.0; w.len()]);
    case.each(&h, &w, |r, p| {
        let target = case.targets[r] as usize;
        logp[r] = p[target];
        for (j, p) in p.iter().enumerate() {
            let dz = f64::from(up[r]) * (f64::from(u8::from(j == target)) - p.exp()) / f64::from(case.t);
            for c in 0..d {
                dh[r * d + c] += dz * w[j * d + c];
                dw[j * d + c] += dz * h[r * d + c];
            }
        }
    });
    assert_close(&found.logp, &logp, 1e-5);
    assert_close(&dhidden, &dh, 1e-4);
    assert_close(&dweight, &dw, 1e-4);
}

#[test]
fn large_logits_stay_finite_and_infinite_ones_have_no_weight() {
    let (hidden, weight) = ([1.0f32], [1e4, 1e4 - 1.0, -1e4, f32::NEG_INFINITY, 0.0]);
    let head = LmHead { d: 1, vocab: 5, hidden: &hidden, weight: &weight, temperature: 1.0, keep: None };
    let found = forward(&head, &[1, 2], 2);
    let p = log_softmax(&[1e4, 1e4 - 1.0]);
    assert!((f64::from(found.logp[0]) - p[1]).abs() < 1e-6 && (found.logp[1] + 2e4).abs() < 1.0);
    assert!((f64::from(found.entropy[0]) - entropy(&p)).abs() < 1e-6);
    assert_eq!(found.ids, [0, 1]);
    assert!((f64::from(found.best[0]) - p[0]).abs() < 1e-6);
    let (mut dhidden, mut dweight) = ([0.0], [0.0; 4]);
    let head = LmHead { vocab: 4, weight: &[1e4, 1e4 - 1.0, -1e4, 0.0], ..head };
    let found = forward(&head, &[1], 0);
    let grad = LogprobGrad { logp: &[1.0], entropy: Some((&found.entropy, &[1.0])) };
    logprob_backward(&head, &[1], &found.lse, grad, &mut dhidden, &mut dweight);
    assert!(dhidden[0].is_finite() && dweight.iter().all(|g| g.is_finite()));
}

#[test]
fn nan_shows() {
    let mut case = Case::new(2, 3, 70, 1, 1.0);
    case.hidden[1] = f32::NAN;
    let found = forward(&case.head(), &case.targets, 1);
    assert!(found.logp[0].is_nan() && found.entropy[0].is_nan() && found.lse[0].is_nan());
    assert!(found.best[0].is_nan() && found.ids[0] == 0);
    let (mut dhidden, mut dweight) = (vec![0.0; 6], vec![0.0; 210]);
    let grad = LogprobGrad { logp: &[1.0, 0.0], entropy: None };
    logprob_backward(&case.head(), &case.targets, &found.lse, grad, &mut dhidden, &mut dweight);
    assert!(dhidden[..3].iter().all(|g| g.is_nan()) && dhidden[3..] == [0.0; 3]);
}

#[test]
#[should_panic(expected = "4 tokens are asked for out of 3")]
fn more_than_all_tokens_are_refused() {
    forward(&Case::new(1, 2, 3, 1, 1.0).head(), &[0], 4);
}

#[test]
#[should_panic(expected = "a target is outside the vocabulary")]
fn targets_outside_are_refused() {
    forward(&Case::new(1, 2, 3, 1, 1.0).head(), &[3], 0);
}

#[test]
fn nothing_to_do() {
    let head = LmHead { d: 2, vocab: 3, hidden: &[], weight: &[1.0; 6], temperature: 1.0, keep: None };
    assert!(forward(&head, &[], 0).logp.is_empty());
    let mut dweight = [1.0; 6];
    let grad = LogprobGrad { logp: &[], entropy: None };
    logprob_backward(&head, &[], &[], grad, &mut [], &mut dweight);
    assert_eq!(dweight, [1.0; 6]);
}

#[test]
fn the_last_position_has_plain_logits() {
    let (d, vocab) = (5, 1009);
    let (h, w) = (values(d, 1), values(vocab * d, 2));
    let mut out = vec![0.0; vocab];
    logits_last(d, vocab, &h, &w, &mut out);
    assert_close(&out, &logits(d, &wide(&h), &wide(&w), 1.0)[0], 1e-5);
}

#[test]
fn threads_do_not_change_bits() {
    let case = Case::new(600, 24, 1501, 1, 1.0);
    same_bits_at_any_thread_count(|| {
        let mut found = forward(&case.head(), &case.targets, 3);
        let (mut dh, mut dw) = (vec![0.0; case.hidden.len()], vec![0.0; case.weight.len()]);
        let grad = LogprobGrad { logp: &found.logp, entropy: Some((&found.entropy, &found.entropy)) };
        logprob_backward(&case.head(), &case.targets, &found.lse, grad, &mut dh, &mut dw);
        found.best.extend(found.ids.iter().map(|&id| id as f32));
        [found.logp, found.lse, found.entropy, found.best, dh, dw].concat()
    });
}

const DIVERGENCES: [Divergence; 2] = [Divergence::Forward, Divergence::Reverse];

/// Divergences of each row, 0 where it is skipped.
fn divergences(case: &Case, teacher: &[Vec<f64>], way: Divergence, h: &[f64], w: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; case.keep.len()];
    case.each(h, w, |r, p| {
        let q = &teacher[r];
        let term = |(&p, &q): (&f64, &f64)| match way {
            Divergence::Forward => q.exp() * (q - p),
            Divergence::Reverse => p.exp() * (p - q),
        };
        out[r] = p.iter().zip(q).map(term).sum();
    });
    out
}

#[test]
fn distillation_matches_f64() {
    for (rows, d, vocab, wide_d, t) in
        [(1, 1, 1, 1, 1.0), (3, 5, 7, 4, 2.0), (6, 4, 33, 9, 0.8), (2, 3, 131, 2, 1.0)]
    {
        let case = Case::new(rows, d, vocab, 0, t);
        let (h2, w2) = (values(rows * wide_d, 7), values(vocab * wide_d, 8));
        let teacher = LmHead { d: wide_d, vocab, hidden: &h2, weight: &w2, temperature: 1.5, keep: None };
        let q: Vec<Vec<f64>> =
            logits(wide_d, &wide(&h2), &wide(&w2), 1.5).iter().map(|z| log_softmax(z)).collect();
        for way in DIVERGENCES {
            let (mut kl, mut lse, up) = (vec![9.0; rows], vec![9.0; 2 * rows], values(rows, 3));
            distill_forward(&case.head(), &teacher, way, &mut kl, &mut lse);
            let h: Vec<f64> = wide(&case.hidden).iter().map(|v| if v.is_nan() { 0.5 } else { *v }).collect();
            let w = wide(&case.weight);
            assert_close(&kl, &divergences(&case, &q, way, &h, &w), 1e-5);
            let (mut dh, mut dw) = (vec![1.0; h.len()], vec![2.0; w.len()]);
            distill_backward(&case.head(), &teacher, way, &kl, &lse, &up, &mut dh, &mut dw);
            let up = wide(&up);
            let loss = |h: &[f64], w: &[f64]| dot64(&divergences(&case, &q, way, h, w), &up);
            let want = numeric_gradient(&h, |h| loss(h, &w));
            assert_close(&dh, &want.iter().map(|v| v + 1.0).collect::<Vec<_>>(), 1e-4);
            let want = numeric_gradient(&w, |w| loss(&h, w));
            assert_close(&dw, &want.iter().map(|v| v + 2.0).collect::<Vec<_>>(), 1e-4);
        }
    }
}

#[test]
fn a_model_does_not_diverge_from_itself_even_at_large_logits() {
    let (hidden, weight) = ([1.0f32, 0.5], [1e4, 1e4 - 1.0, -1e4, 1.0]);
    let same = LmHead { d: 1, vocab: 4, hidden: &hidden, weight: &weight, temperature: 1.0, keep: None };
    // The same but for a constant.
    let moved: Vec<f32> = weight.iter().map(|v| v - 5e3).collect();
    let moved = LmHead { weight: &moved, ..same };
    // A token that the teacher rules out, and one that the student does.
    let without = [f32::NEG_INFINITY, 1e4, 1e4, 1e4];
    let without = LmHead { weight: &without, ..same };
    for way in DIVERGENCES {
        for teacher in [&same, &moved] {
            let (mut kl, mut lse, mut dh, mut dw) = ([9.0; 2], [9.0; 4], [0.0; 2], [0.0; 4]);
            distill_forward(&same, teacher, way, &mut kl, &mut lse);
            assert!(kl.iter().all(|v| v.abs() < 1e-3), "{kl:?}");
            distill_backward(&same, teacher, way, &kl, &lse, &[1.0; 2], &mut dh, &mut dw);
            assert!(dh.iter().chain(&dw).all(|v| v.is_finite()));
        }
        let (mut there, mut back, mut lse) = ([9.0; 2], [9.0; 2], [9.0; 4]);
        distill_forward(&same, &without, way, &mut there, &mut lse);
        distill_forward(&without, &same, way, &mut back, &mut lse);
        let (infinite, finite) = if way == Divergence::Reverse { (there, back) } else { (back, there) };
        assert!(infinite[0] == f32::INFINITY && finite[0].is_finite(), "{way:?} {there:?} {back:?}");
    }
}

#[test]
fn threads_do_not_change_bits_of_distillation() {
    let (rows, d, vocab) = (500, 8, 1501);
    let case = Case::new(rows, d, vocab, 0, 1.0);
    let (h2, w2) = (values(rows * 6, 7), values(vocab * 6, 8));
    let teacher = LmHead { d: 6, vocab, hidden: &h2, weight: &w2, temperature: 1.0, keep: None };
    same_bits_at_any_thread_count(|| {
        let (mut kl, mut lse) = (vec![0.0; rows], vec![0.0; 2 * rows]);
        let (mut dh, mut dw) = (vec![0.0; case.hidden.len()], vec![0.0; case.weight.len()]);
        distill_forward(&case.head(), &teacher, Divergence::Reverse, &mut kl, &mut lse);
        distill_backward(
            &case.head(),
            &teacher,
            Divergence::Reverse,
            &kl,
            &lse,
            &vec![0.1; rows],
            &mut dh,
            &mut dw,
        );
        [kl, lse, dh, dw].concat()
    });
}
