//! How numbers spread, in memory that is bounded and the same whatever the order in which they came.
//!
//! Up to [`EXACT`] different numbers are kept as they are, with how often each came: quantiles and mean are exact then.
//! Beyond that every number is rounded to eleven binary digits, so they are off by 0.05 % at most; the least and the
//! greatest number stay exact.

use std::collections::BTreeMap;

use crate::inspect::{Numbers, Quantiles};

/// Different numbers that are kept as they are: more than there are shares of five digits.
const EXACT: usize = 1 << 17;
/// Binary digits of a number that are rounded away beyond that.
const ROUNDED: u32 = 42;
/// Bytes of memory for a number and its count.
pub(super) const EACH: u64 = 32;

/// Numbers and how often each came.
#[derive(Debug, Default)]
pub(super) struct Spread {
    counts: BTreeMap<u64, u64>,
    coarse: bool,
    ends: Option<(f64, f64)>,
}

/// Whole numbers in the order of the finite numbers.
fn key(x: f64) -> u64 {
    // Both zeros are one.
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

fn rounded(x: f64) -> f64 {
    let bits = x.to_bits();
    let magnitude = (bits & !(1 << 63)) + (1 << (ROUNDED - 1));
    let round = f64::from_bits((magnitude >> ROUNDED << ROUNDED) | (bits & 1 << 63));
    if round.is_finite() { round } else { x }
}

impl Spread {
    /// Add a number that came so often; what is no number is left out.
    pub fn add(&mut self, x: f64, times: u64) {
        if !x.is_finite() || times == 0 {
            return;
        }
        // Of the two zeros one, whichever comes first.
        let x = x + 0.0;
        self.ends = Some(self.ends.map_or((x, x), |(least, greatest)| (least.min(x), greatest.max(x))));
        *self.counts.entry(key(if self.coarse { rounded(x) } else { x })).or_default() += times;
        if !self.coarse && self.counts.len() > EXACT {
            self.coarse = true;
            for (k, times) in std::mem::take(&mut self.counts) {
                *self.counts.entry(key(rounded(number(k)))).or_default() += times;
            }
        }
    }

    /// Numbers in all.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether all of them are this one.
    pub fn is_only(&self, x: f64) -> bool {
        !self.counts.is_empty() && self.counts.keys().all(|&k| k == key(x))
    }

    /// Bytes of memory.
    pub fn held(&self) -> u64 {
        self.counts.len() as u64 * EACH
    }

    /// The spread, of things of which `absent` have no number.
    pub fn numbers(&self, name: &str, what: &'static str, absent: u64) -> Numbers {
        let count = self.count();
        let sum: f64 = self.counts.iter().map(|(&k, &times)| number(k) * times as f64).sum();
        Numbers {
            name: name.into(),
            what,
            count,
            mean: if count == 0 { 0.0 } else { sum / count as f64 },
            quantiles: self.quantiles(count),
            absent: absent as f64 / (count + absent).max(1) as f64,
        }
    }

    fn quantiles(&self, count: u64) -> Option<Quantiles> {
        let (least, greatest) = self.ends?;
        Some(Quantiles::of(count, least, greatest, &|places| self.at(places)))
    }

    /// The numbers at some places of the sorted row, which come in order.
    fn at(&self, places: &[u64]) -> Vec<f64> {
        let mut found = Vec::with_capacity(places.len());
        let (mut before, mut all) = (0, self.counts.iter());
        let mut now = all.next();
        for &place in places {
            while let Some((_, times)) = now.filter(|(_, times)| before + **times <= place) {
                before += times;
                now = all.next();
            }
            found.push(now.map_or(f64::NAN, |(&k, _)| number(k)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_and_zero_is_one() {
        let all = [-1e300, -2.0, -0.5, 0.0, 1e-300, 0.5, 3.0, 1e300];
        assert!(all.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(all.iter().all(|&x| number(key(x)) == x));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut spread = Spread::default();
        // numpy.quantile([1, 2, 4, 8, 16], [.01, .05, .25, .5, .75, .95, .99])
        for x in [16.0, 2.0, 8.0, 1.0, 4.0, f64::NAN] {
            spread.add(x, 1);
        }
        let numbers = spread.numbers("x", "value", 5);
        assert_eq!((numbers.count, numbers.mean, numbers.absent), (5, 6.2, 0.5));
        let q = numbers.quantiles.unwrap();
        assert_eq!((q.least, q.q25, q.median, q.q75, q.greatest), (1.0, 2.0, 4.0, 8.0, 16.0));
        for (found, expected) in [(q.q01, 1.04), (q.q05, 1.2), (q.q95, 14.4), (q.q99, 15.68)] {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(Spread::default().numbers("x", "value", 0).quantiles, None);
        // How often a number came counts.
        spread.add(4.0, 95);
        let q = spread.numbers("x", "value", 0).quantiles.unwrap();
        assert_eq!((q.q05, q.median, q.q95, q.greatest), (4.0, 4.0, 4.0, 16.0));
    }

    #[test]
    fn too_many_numbers_are_rounded_in_any_order() {
        let numbers: Vec<f64> = (0..200_000).map(|i| f64::from(i) / 7.0).collect();
        let of = |all: &mut dyn Iterator<Item = &f64>| {
            let mut spread = Spread::default();
            all.for_each(|&x| spread.add(x, 1));
            assert!(spread.coarse && spread.held() < 20_000 * EACH);
            spread.numbers("x", "value", 0)
        };
        let found = of(&mut numbers.iter());
        assert_eq!(found, of(&mut numbers.iter().rev()));
        let q = found.quantiles.unwrap();
        assert_eq!((q.least, q.greatest), (0.0, numbers[199_999]));
        for (found, expected) in [(q.q01, 0.01), (q.median, 0.5), (q.q99, 0.99), (found.mean, 0.5)] {
            let expected = expected * numbers[199_999];
            assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
        }
        // What is short in binary digits stays as it is.
        assert_eq!((rounded(2047.0), rounded(-0.5), rounded(f64::MAX)), (2047.0, -0.5, f64::MAX));
    }
}
