//! What is kept of a row of logits while its tiles come and go: the softmax's sum relative to the largest logit so far
//! (Milakov and Gimelshein 2018), the sum that its entropy needs, and the largest logits.

use crate::isa::fma;
use crate::math::{LANES, exp, fold, fold_lanes, max};
use std::cmp::Ordering;

/// Sums over a part of a row, relative to the largest logit `top` of that part; sums of parts are kept in `f64`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    top: f64,
    /// `sum of e^(z - top)`.
    sum: f64,
    /// `sum of e^(z - top) (z - top)`.
    lean: f64,
}

impl Stat {
    /// Of no logits.
    pub const EMPTY: Stat = Stat { top: f64::NEG_INFINITY, sum: 0.0, lean: 0.0 };

    /// Of the logits `x`; with `lean` also what the entropy needs. Returns the largest logit as well.
    pub fn of(x: &[f32], lean: bool) -> (Stat, f32) {
        let top = max(x);
        // A part whose logits are all minus infinity has no weight, and must not become NaN.
        let base = if top == f32::NEG_INFINITY { 0.0 } else { top };
        let (sum, lean) = if lean { exp_sums(x, base) } else { (exp_sum(x, base), 0.0) };
        (Stat { top: f64::from(base), sum: f64::from(sum), lean: f64::from(lean) }, top)
    }

    /// Of two parts together.
    pub fn and(self, other: Stat) -> Stat {
        if self.sum == 0.0 {
            return other;
        }
        if other.sum == 0.0 {
            return self;
        }
        let top = self.top.max(other.top);
        let (a, b) = (self.moved(top), other.moved(top));
        Stat { top, sum: a.sum + b.sum, lean: a.lean + b.lean }
    }

    /// The same, relative to another logit.
    fn moved(self, top: f64) -> Stat {
        let by = self.top - top;
        let factor = by.exp();
        Stat { top, sum: factor * self.sum, lean: factor * (self.lean + by * self.sum) }
    }

    /// `ln(sum of e^z)`.
    pub fn lse(&self) -> f32 {
        (self.top + self.sum.ln()) as f32
    }

    /// Log-probability of the logit `z`; exact where logits are large and close to each other.
    pub fn log_probability(&self, z: f32) -> f32 {
        ((f64::from(z) - self.top) - self.sum.ln()) as f32
    }

    /// Entropy in nats.
    pub fn entropy(&self) -> f32 {
        (self.sum.ln() - self.lean / self.sum) as f32
    }
}

/// The `k` largest logits of a row with their numbers; of equal ones those with lower numbers.
///
/// Candidates are collected until there are twice as many, or a few more, than are wanted; then all but the largest `k` are
/// thrown away, and only what lies above the least of them is a candidate from then on.
#[derive(Clone, Debug)]
pub(crate) struct Top {
    k: usize,
    /// What a candidate must exceed, once there were `k`.
    least: Option<f32>,
    list: Vec<(f32, u32)>,
}

impl Top {
    /// Of no logits.
    pub fn new(k: usize) -> Top {
        Top { k, least: None, list: Vec::new() }
    }

    /// Takes note of the logits `x`, the largest of which is `top`, with numbers from `first` on, which is above all
    /// numbers before. NaN is never among the largest.
    pub fn see(&mut self, x: &[f32], first: usize, top: f32) {
        if self.k == 0 || !self.admits(top) {
            return;
        }
        for (i, part) in x.chunks(LANES).enumerate() {
            if self.least.is_none_or(|least| any_above(part, least)) {
                for (j, &z) in part.iter().enumerate() {
                    self.offer(z, (first + i * LANES + j) as u32);
                }
            }
        }
    }

    /// Takes note of a list over higher numbers.
    pub fn merge(&mut self, other: &Top) {
        if self.list.is_empty() {
            return self.clone_from(other);
        }
        let mut list = other.list.clone();
        // Of equal ones the lower number has to come first.
        list.sort_unstable_by_key(|&(_, id)| id);
        list.iter().for_each(|&(z, id)| self.offer(z, id));
    }

    /// The list, the largest first, of equal ones the lower number first.
    pub fn into_list(mut self) -> Vec<(f32, u32)> {
        self.list.sort_unstable_by(before);
        self.list.truncate(self.k);
        self.list
    }

    fn admits(&self, z: f32) -> bool {
        self.least.map_or(!z.is_nan(), |least| z > least)
    }

    fn offer(&mut self, z: f32, id: u32) {
        if self.admits(z) {
            self.list.push((z, id));
            if self.list.len() == 2 * self.k + 14 {
                self.list.select_nth_unstable_by(self.k - 1, before);
                self.list.truncate(self.k);
                self.least = self.list.last().map(|&(z, _)| z);
            }
        }
    }
}

/// The order in which logits, none of them NaN, are listed.
fn before(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}

simd! {
    /// Whether any number is above `least`.
    fn any_above<FMA>(x: &[f32], least: f32) -> bool {
        let _ = FMA;
        x.iter().fold(false, |any, &v| any | (v > least))
    }

    /// `sum of e^(x - base)`.
    fn exp_sum<FMA>(x: &[f32], base: f32) -> f32 {
        fold(x, |x, s| s + exp::<FMA>(x - base))
    }

    /// `sum of e^(x - base)` and `sum of e^(x - base) (x - base)`.
    fn exp_sums<FMA>(x: &[f32], base: f32) -> (f32, f32) {
        let (mut sums, mut leans) = ([0.0f32; LANES], [0.0f32; LANES]);
        let mut add = |l: usize, x: f32| {
            let t = x - base;
            let e = exp::<FMA>(t);
            sums[l] += e;
            leans[l] = fma::<FMA>(e, weighed(e, t), leans[l]);
        };
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (l, &x) in chunk.iter().enumerate() {
                add(l, x);
            }
        }
        for (l, &x) in rest.iter().enumerate() {
            add(l, x);
        }
        (fold_lanes(sums), fold_lanes(leans))
    }
}

/// `t`, or 0 where its weight `e` is 0: an infinite `t` then has no part in their product.
#[inline(always)]
pub(crate) fn weighed(e: f32, t: f32) -> f32 {
    if e == 0.0 { 0.0 } else { t }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn parts_make_the_whole() {
        for n in [1, 2, 31, 97, 1009] {
            let x: Vec<f32> = values(n, 3).iter().map(|v| v * 20.0).collect();
            let lse = x.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln();
            let entropy: f64 = x.iter().map(|&v| (f64::from(v) - lse).exp() * (lse - f64::from(v))).sum();
            for cut in [0, 1, n / 2, n] {
                let stat = Stat::of(&x[..cut], true).0.and(Stat::of(&x[cut..], true).0);
                assert!((f64::from(stat.lse()) - lse).abs() < 1e-5, "{n} {cut}");
                assert!((f64::from(stat.entropy()) - entropy).abs() < 1e-5, "{n} {cut}");
                assert!((f64::from(stat.log_probability(x[0])) - (f64::from(x[0]) - lse)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn infinities_have_no_weight_and_nan_shows() {
        let none = [f32::NEG_INFINITY; 3];
        let some = Stat::of(&[2.0, f32::NEG_INFINITY, 2.0], true).0;
        let stat = Stat::of(&none, true).0.and(some).and(Stat::of(&none, true).0).and(Stat::EMPTY);
        assert!((stat.lse() - (2.0 + 2f32.ln())).abs() < 1e-6 && (stat.entropy() - 2f32.ln()).abs() < 1e-6);
        let bad = Stat::of(&[1.0, f32::NAN], true).0;
        assert!(some.and(bad).lse().is_nan() && bad.and(some).entropy().is_nan());
        assert!(Stat::of(&[f32::NAN; 2], true).0.and(some).lse().is_nan());
        assert!(Stat::of(&[f32::INFINITY, 1.0], true).0.lse().is_nan());
    }

    #[test]
    fn the_largest_are_sorted_and_ties_go_to_the_lower_number() {
        let x: Vec<f32> = (0..200).map(|i| ((i * 37) % 23) as f32 - 11.0).collect();
        let mut order: Vec<u32> = (0..200).collect();
        order.sort_by(|&a, &b| x[b as usize].total_cmp(&x[a as usize]).then(a.cmp(&b)));
        for k in [0, 1, 5, 60, 200] {
            let (mut whole, mut later) = (Top::new(k), Top::new(k));
            whole.see(&x[..70], 0, max(&x[..70]));
            later.see(&x[70..150], 70, max(&x[70..150]));
            later.see(&x[150..], 150, max(&x[150..]));
            whole.merge(&later);
            assert!(whole.into_list().iter().map(|&(_, id)| id).eq(order[..k].iter().copied()), "{k}");
        }
        let mut top = Top::new(2);
        top.see(&[f32::NAN, f32::NEG_INFINITY, f32::NAN], 0, f32::NEG_INFINITY);
        assert_eq!(top.into_list(), [(f32::NEG_INFINITY, 1)]);
    }
}
