//! Distillation from a teacher's hidden states and output layer: neither model's logits ever exist as a whole.
//!
//! Hinton et al. 2015 minimise the cross-entropy to the teacher's distribution `q` at a temperature; this is the
//! divergence itself, `KL(q || p) = sum of q (ln q - ln p)`, which differs from it by the teacher's entropy and has the
//! same gradient, `p - q`. The reverse, `KL(p || q)`, is that of Gu et al. 2023 (MiniLLM), with the gradient
//! `p (ln p - ln q - KL)`. The factor of temperature squared that keeps gradients comparable is the caller's.

use super::LmHead;
use super::backward::backward_rows;
use super::stat::weighed;
use super::tiles::{Grid, Logits, par_lines, with_rows};
use crate::isa::fma;
use crate::math::{LANES, exp, fold_lanes, max};

/// Rows that are worked on at a time.
const ROWS: usize = 4096;

/// Which way a divergence is taken; `p` is the student, `q` the teacher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Divergence {
    /// `KL(q || p)`: the student covers all that the teacher does.
    Forward,
    /// `KL(p || q)`: the student keeps to what the teacher does.
    Reverse,
}

/// For each row the divergence `kl` between the teacher's distribution and the student's, and both log-sum-exps
/// (`lse` `[rows, 2]`, the student's first), which the gradient needs. Rows that the student skips are 0. The two may
/// differ in width, not in vocabulary.
pub fn distill_forward(
    student: &LmHead<'_>,
    teacher: &LmHead<'_>,
    divergence: Divergence,
    kl: &mut [f32],
    lse: &mut [f32],
) {
    check(student, teacher);
    assert_eq!(
        (kl.len(), lse.len()),
        (student.rows(), 2 * student.rows()),
        "kl or lse does not fit the rows"
    );
    kl.fill(0.0);
    lse.fill(0.0);
    for active in student.active().chunks(ROWS) {
        let found = with_both(student, teacher, active, |ours, theirs| {
            pairs(ours, theirs, active.len(), student.vocab, divergence)
        });
        for (pair, &r) in found.iter().zip(active) {
            kl[r] = pair.divergence(divergence);
            lse[2 * r] = (pair.top[0] + pair.sum[0].ln()) as f32;
            lse[2 * r + 1] = (pair.top[1] + pair.sum[1].ln()) as f32;
        }
    }
}

/// Gradients of `kl` of [`distill_forward`] for the student, given `dkl` `[rows]`: `dhidden += ...`, `dweight += ...`.
/// `kl` and `lse` are what the forward pass wrote; the logits are computed again.
pub fn distill_backward(
    student: &LmHead<'_>,
    teacher: &LmHead<'_>,
    divergence: Divergence,
    kl: &[f32],
    lse: &[f32],
    dkl: &[f32],
    dhidden: &mut [f32],
    dweight: &mut [f32],
) {
    check(student, teacher);
    let rows = student.rows();
    assert_eq!(
        (kl.len(), lse.len(), dkl.len()),
        (rows, 2 * rows, rows),
        "kl, lse or dkl does not fit the rows"
    );
    let mut active = student.active();
    active.retain(|&r| dkl[r] != 0.0);
    backward_rows(student, &active, dhidden, dweight, |step| {
        let part = &active[step.rows.clone()];
        let col = step.cols.start;
        let ours = step.logits();
        with_rows(teacher.hidden, teacher.d, part, |states| {
            let theirs = of(teacher, states);
            step.tiles(|grid, rows, cols, lines| {
                let cols = cols.start + col..cols.end + col;
                with_tiles(grid, |p, q| {
                    let stride = grid.stride();
                    ours.tile(&rows, &cols, p, stride);
                    theirs.tile(&rows, &cols, q, stride);
                    let both = p.chunks(stride).zip(q.chunks(stride));
                    for ((at, (p, q)), out) in rows.zip(both).zip(lines) {
                        let r = part[at];
                        let (p, q) = (&p[..cols.len()], &q[..cols.len()]);
                        let reverse = (divergence == Divergence::Reverse).then_some(kl[r]);
                        gradient(p, q, lse[2 * r], lse[2 * r + 1], dkl[r], reverse, out);
                    }
                });
            });
        });
    });
}

fn check(student: &LmHead<'_>, teacher: &LmHead<'_>) {
    student.check();
    teacher.check();
    assert_eq!(student.vocab, teacher.vocab, "student and teacher differ in vocabulary");
    assert_eq!(student.rows(), teacher.rows(), "student and teacher differ in rows");
}

fn of<'a>(head: &LmHead<'a>, states: &'a [f32]) -> Logits<'a> {
    Logits { d: head.d, states, weight: head.weight, factor: 1.0 / head.temperature }
}

/// Runs `f` with the active rows of both.
fn with_both<R>(
    student: &LmHead<'_>,
    teacher: &LmHead<'_>,
    active: &[usize],
    f: impl FnOnce(Logits<'_>, Logits<'_>) -> R,
) -> R {
    with_rows(student.hidden, student.d, active, |ours| {
        with_rows(teacher.hidden, teacher.d, active, |theirs| f(of(student, ours), of(teacher, theirs)))
    })
}

fn with_tiles<R>(grid: Grid, f: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> R {
    grid.with_tile(|p| grid.with_tile(|q| f(p, q)))
}

/// Sums over a part of a row of both, student first, relative to their largest logits `top`.
#[derive(Clone, Copy, Debug)]
struct Pair {
    top: [f64; 2],
    /// `sum of e^(z - top)`.
    sum: [f64; 2],
    /// `sum of e^(z - top)` of the one whose expectation it is, times the difference of the two `z - top`.
    gap: f64,
}

/// Which of the two the expectation is taken over.
fn side(divergence: Divergence) -> usize {
    usize::from(divergence == Divergence::Forward)
}

impl Pair {
    const EMPTY: Pair = Pair { top: [f64::NEG_INFINITY; 2], sum: [0.0; 2], gap: 0.0 };

    fn and(self, other: Pair, divergence: Divergence) -> Pair {
        if self.top == Pair::EMPTY.top {
            return other;
        }
        let top = [self.top[0].max(other.top[0]), self.top[1].max(other.top[1])];
        let (a, b) = (self.moved(top, side(divergence)), other.moved(top, side(divergence)));
        Pair { top, sum: [a.sum[0] + b.sum[0], a.sum[1] + b.sum[1]], gap: a.gap + b.gap }
    }

    fn moved(self, top: [f64; 2], of: usize) -> Pair {
        let by = [self.top[0] - top[0], self.top[1] - top[1]];
        let sum = [by[0].exp() * self.sum[0], by[1].exp() * self.sum[1]];
        let gap = by[of].exp() * (self.gap + (by[of] - by[1 - of]) * self.sum[of]);
        Pair { top, sum, gap }
    }

    fn divergence(&self, divergence: Divergence) -> f32 {
        let of = side(divergence);
        (self.gap / self.sum[of] - self.sum[of].ln() + self.sum[1 - of].ln()) as f32
    }
}

fn pairs(
    ours: Logits<'_>,
    theirs: Logits<'_>,
    rows: usize,
    vocab: usize,
    divergence: Divergence,
) -> Vec<Pair> {
    let grid = Grid::new(rows, vocab);
    let task = |rows: std::ops::Range<usize>, tiles: std::ops::Range<usize>| {
        let mut found = vec![Pair::EMPTY; rows.len()];
        with_tiles(grid, |p, q| {
            let stride = grid.stride();
            for cols in tiles.map(|j| grid.cols(j)) {
                ours.tile(&rows, &cols, p, stride);
                theirs.tile(&rows, &cols, q, stride);
                for ((pair, p), q) in found.iter_mut().zip(p.chunks(stride)).zip(q.chunks(stride)) {
                    let (p, q) = (&p[..cols.len()], &q[..cols.len()]);
                    let top = [finite_top(p), finite_top(q)];
                    let (ps, qs, gap) = sums(p, q, top[0], top[1], divergence == Divergence::Forward);
                    let [top, sum] = [top, [ps, qs]].map(|pair| pair.map(f64::from));
                    *pair = pair.and(Pair { top, sum, gap: f64::from(gap) }, divergence);
                }
            }
        });
        found
    };
    par_lines(grid, task, |pair, other| *pair = pair.and(other, divergence))
}

/// The largest logit; 0 where all are minus infinity.
fn finite_top(x: &[f32]) -> f32 {
    let top = max(x);
    if top == f32::NEG_INFINITY { 0.0 } else { top }
}

simd! {
    /// `sum of e^s`, `sum of e^t` and `sum of e^s (s - t)`, or of `e^t (t - s)` when `forward`, with `s` and `t` the logits
    /// relative to the largest.
    fn sums<FMA>(p: &[f32], q: &[f32], p_top: f32, q_top: f32, forward: bool) -> (f32, f32, f32) {
        let (mut ps, mut qs, mut gaps) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        let mut add = |l: usize, p: f32, q: f32| {
            let (s, t) = (p - p_top, q - q_top);
            let (es, et) = (exp::<FMA>(s), exp::<FMA>(t));
            ps[l] += es;
            qs[l] += et;
            let (e, gap) = if forward { (et, t - s) } else { (es, s - t) };
            gaps[l] = fma::<FMA>(e, weighed(e, gap), gaps[l]);
        };
        let ((p, p_rest), (q, q_rest)) = (p.as_chunks::<LANES>(), q.as_chunks::<LANES>());
        for (p, q) in p.iter().zip(q) {
            for l in 0..LANES {
                add(l, p[l], q[l]);
            }
        }
        for (l, (&p, &q)) in p_rest.iter().zip(q_rest).enumerate() {
            add(l, p, q);
        }
        (fold_lanes(ps), fold_lanes(qs), fold_lanes(gaps))
    }

    /// `out = g (p - q)`, or with the divergence of a reverse one `g p (ln p - ln q - kl)`, from logits.
    fn gradient<FMA>(
        p: &[f32], q: &[f32], p_lse: f32, q_lse: f32, g: f32, reverse: Option<f32>, out: &mut [f32],
    ) {
        let logits = p.iter().zip(q);
        match reverse {
            None => out.iter_mut().zip(logits).for_each(|(out, (&p, &q))| {
                *out = g * (exp::<FMA>(p - p_lse) - exp::<FMA>(q - q_lse));
            }),
            Some(kl) => out.iter_mut().zip(logits).for_each(|(out, (&p, &q))| {
                let (s, t) = (p - p_lse, q - q_lse);
                let e = exp::<FMA>(s);
                *out = g * e * weighed(e, s - t - kl);
            }),
        }
    }
}
