//! How the numbers of kept and of dropped documents spread.

use rayon::prelude::*;

use super::error::Result;
use super::measure::{Measure, values};
use super::stats::at_once;
use super::task::Task;
use crate::corpus::Corpus;

/// Documents that are looked at between two words on how far the work is.
const PIECE: usize = 1 << 13;

/// Counts of kept and of dropped documents in bars of one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What the bars stand for.
    pub scale: Scale,
    /// Kept documents in each bar; what lies beyond the scale is in the first and the last.
    pub kept: Vec<u64>,
    /// Dropped ones.
    pub dropped: Vec<u64>,
    /// For each limit of the measure the documents, kept and dropped, on the side that is dropped.
    pub falls: Vec<u64>,
}

/// The scale of a histogram: the middle 99 % of the numbers and the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Where the first bar begins.
    pub low: f64,
    /// Where the last one ends.
    pub high: f64,
    /// Whether bars are equally wide in log10(1 + x): for counts that spread over orders of magnitude.
    pub log: bool,
}

impl Scale {
    fn new(numbers: &[&Vec<f64>], limits: impl Iterator<Item = f64>) -> Option<Scale> {
        let mut all: Vec<f64> = numbers.iter().copied().flatten().copied().collect();
        all.par_sort_unstable_by(f64::total_cmp);
        let last = all.len().checked_sub(1)?;
        let at = |share: f64| all[(share * last as f64).round() as usize];
        let ends = [at(0.005), at(0.995)].into_iter().chain(limits);
        let (mut low, mut high) = ends.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
        let log = low >= 0.0 && high >= 100.0 && high > 20.0 * at(0.5).max(1.0);
        if high <= low {
            (low, high) = (low - 0.5, low + 0.5);
        }
        Some(Scale { low, high, log })
    }

    /// Place of a number, from 0 to 1.
    pub fn place(&self, x: f64) -> f64 {
        let f = |x: f64| if self.log { (1.0 + x.max(0.0)).log10() } else { x };
        let place = (f(x) - f(self.low)) / (f(self.high) - f(self.low));
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// The number at a place.
    pub fn at(&self, place: f64) -> f64 {
        if self.log {
            let (low, high) = ((1.0 + self.low).log10(), (1.0 + self.high).log10());
            10f64.powf(low + place * (high - low)) - 1.0
        } else {
            self.low + place * (self.high - self.low)
        }
    }
}

impl Histogram {
    /// Of the numbers of kept and of dropped documents; none if there is no number.
    fn new(measure: &Measure, kept: &Vec<f64>, dropped: &Vec<f64>, bars: usize) -> Option<Histogram> {
        let scale = Scale::new(&[kept, dropped], measure.limits.iter().map(|limit| limit.at))?;
        let counts = |numbers: &[f64]| {
            let mut counts = vec![0u64; bars.max(1)];
            let last = counts.len() - 1;
            for &x in numbers {
                counts[((scale.place(x) * (last + 1) as f64) as usize).min(last)] += 1;
            }
            counts
        };
        let falls = measure
            .limits
            .iter()
            .map(|limit| kept.iter().chain(dropped).filter(|&&x| limit.falls(x)).count() as u64);
        Some(Histogram { scale, kept: counts(kept), dropped: counts(dropped), falls: falls.collect() })
    }
}

/// The histograms of some measures, with `bars` bars each. `take` gets them in order, with their numbers; none for a
/// measure that no document has a number for.
///
/// # Errors
/// Those of `take`, [`super::Error::Stopped`], and [`super::Error::Corpus`] for a damaged corpus.
pub fn histograms(
    corpus: &Corpus,
    measures: &[Measure],
    bars: usize,
    task: &Task,
    take: &mut dyn FnMut(usize, Option<Histogram>) -> Result<()>,
) -> Result<()> {
    let ordinals: Vec<u32> = (0..corpus.len() as u32).collect();
    let at_once = at_once(corpus.len());
    task.expect(corpus.len() * measures.len().div_ceil(at_once));
    for (group, some) in measures.chunks(at_once).enumerate() {
        let mut kept = vec![Vec::new(); some.len()];
        let mut dropped = vec![Vec::new(); some.len()];
        for piece in ordinals.chunks(PIECE) {
            let rows: Vec<Vec<Option<f64>>> =
                piece.par_iter().map(|&ordinal| values(corpus, some, ordinal)).collect::<Result<_>>()?;
            for (&ordinal, row) in piece.iter().zip(rows) {
                let side = if corpus.row(ordinal).kept() { &mut kept } else { &mut dropped };
                for (numbers, value) in side.iter_mut().zip(row) {
                    numbers.extend(value);
                }
            }
            task.did(piece.len())?;
        }
        for (i, measure) in some.iter().enumerate() {
            take(group * at_once + i, Histogram::new(measure, &kept[i], &dropped[i], bars))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_always_on_the_scale() {
        let scale = Scale::new(&[&vec![200.0, 300.0], &vec![60.0]], [50.0].into_iter()).unwrap();
        assert_eq!((scale.low, scale.high, scale.log), (50.0, 300.0, false));
        assert_eq!((scale.place(50.0), scale.place(175.0), scale.place(9e9)), (0.0, 0.5, 1.0));
        assert_eq!(scale.at(0.5), 175.0);
        assert!(Scale::new(&[&Vec::new()], [3.0].into_iter()).is_none());
        let equal = Scale::new(&[&vec![3.0; 5]], std::iter::empty()).unwrap();
        assert_eq!((equal.low, equal.high, equal.place(3.0)), (2.5, 3.5, 0.5));
        let wide: Vec<f64> = (0..1000).map(|i| if i < 900 { f64::from(i % 7) } else { 1e6 }).collect();
        let wide = Scale::new(&[&wide], std::iter::empty()).unwrap();
        assert!(wide.log && (wide.at(wide.place(1234.0)) - 1234.0).abs() < 1e-6);
    }
}
