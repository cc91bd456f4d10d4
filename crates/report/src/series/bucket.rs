//! A curve of any length in little memory: neighbouring points share a bucket that remembers its ends, extremes and
//! mean, and whenever there are too many buckets, each takes in its neighbour.

use super::Points;

/// Buckets that a series holds at most. A curve of no more points is kept exactly.
pub(crate) const BUCKETS: usize = 4096;
/// Greatest value that is drawn; sums and spans of larger ones would overflow.
const GREATEST: f64 = 1e300;

/// Some neighbouring points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// Where the first of them lies.
    pub(crate) x: f64,
    /// Where the last of them lies.
    pub(crate) end: f64,
    /// How many there are, holes among them.
    pub(crate) count: u64,
    /// How many have a value.
    pub(crate) finite: u64,
    /// The first value; NaN if there is none.
    pub(crate) first: f64,
    /// The least value.
    pub(crate) low: f64,
    /// The greatest value.
    pub(crate) high: f64,
    /// The last value.
    pub(crate) last: f64,
    sum: f64,
}

impl Bucket {
    fn of(x: f64, y: f64) -> Bucket {
        let finite = u64::from(!y.is_nan());
        let sum = if finite == 1 { y } else { 0.0 };
        Bucket { x, end: x, count: 1, finite, first: y, low: y, high: y, last: y, sum }
    }

    /// Take in the bucket that follows. Comparisons with NaN lose, so holes give way to numbers.
    fn take(&mut self, next: &Bucket) {
        self.end = next.end;
        self.count += next.count;
        self.finite += next.finite;
        self.first = if self.first.is_nan() { next.first } else { self.first };
        self.last = if next.last.is_nan() { self.last } else { next.last };
        self.low = self.low.min(next.low);
        self.high = self.high.max(next.high);
        self.sum += next.sum;
    }

    /// The mean of the values; NaN if there is none.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 1 { self.first } else { self.sum / self.finite as f64 }
    }

    /// The middle of its ends.
    pub(crate) fn middle(&self) -> f64 {
        self.x + (self.end - self.x) / 2.0
    }
}

/// A curve, in order of `x`.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    buckets: Vec<Bucket>,
    /// Points in a full bucket, a power of two.
    per: u64,
}

impl Default for Series {
    fn default() -> Series {
        Series::EMPTY
    }
}

impl Series {
    /// No points.
    pub(crate) const EMPTY: Series = Series { buckets: Vec::new(), per: 1 };

    /// Append a point. One that lies before others begins them anew: a run that went back did those steps again.
    pub(crate) fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() {
            return;
        }
        self.go_back(x);
        let point = Bucket::of(x, if y.abs() <= GREATEST { y } else { f64::NAN });
        match self.buckets.last_mut().filter(|b| b.count < self.per) {
            Some(bucket) => bucket.take(&point),
            None => self.buckets.push(point),
        }
        if self.buckets.len() > BUCKETS {
            self.halve();
        }
    }

    /// Drop what lies at `x` or behind it. A bucket that begins before stays whole: its points are told apart no more.
    fn go_back(&mut self, x: f64) {
        while self.buckets.last().is_some_and(|b| b.x >= x) {
            self.buckets.pop();
        }
        if let Some(bucket) = self.buckets.last_mut().filter(|b| b.end >= x) {
            bucket.end = bucket.x;
        }
    }

    fn halve(&mut self) {
        let pairs = self.buckets.chunks(2).map(|pair| {
            let mut bucket = pair[0].clone();
            pair[1..].iter().for_each(|next| bucket.take(next));
            bucket
        });
        self.buckets = pairs.collect();
        self.per *= 2;
    }

    /// The same curve in at most `most` buckets.
    pub(crate) fn within(&self, most: usize) -> Series {
        let mut series = self.clone();
        while series.buckets.len() > most.max(1) {
            series.halve();
        }
        series
    }

    /// The buckets, in order.
    pub(crate) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Whether no point was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Points taken, holes among them.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|b| b.count).sum()
    }

    /// Whether every point is kept as it was.
    pub(crate) fn is_exact(&self) -> bool {
        self.per == 1
    }

    /// The curve for the eye: each bucket by its first, least, greatest and last value, so that no spike is lost.
    pub(crate) fn points(&self) -> Points {
        let mut points = Points::with_capacity(self.buckets.len());
        for b in &self.buckets {
            if b.count == 1 || b.finite == 0 {
                points.push((b.x, b.first));
                continue;
            }
            let third = (b.end - b.x) / 3.0;
            points.push((b.x, b.first));
            for (i, y) in [(1.0, b.low), (2.0, b.high)] {
                if y != b.first && y != b.last {
                    points.push((b.x + i * third, y));
                }
            }
            points.push((b.end, b.last));
        }
        points.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
        points
    }

    /// The mean of each bucket at its middle: what is smoothed.
    pub(crate) fn means(&self) -> Points {
        self.buckets.iter().map(|b| (b.middle(), b.mean())).collect()
    }

    /// The first value with its place.
    pub(crate) fn first(&self) -> Option<(f64, f64)> {
        self.buckets.iter().find(|b| b.finite > 0).map(|b| (b.x, b.first))
    }

    /// The last value with its place.
    pub(crate) fn last(&self) -> Option<(f64, f64)> {
        self.buckets.iter().rfind(|b| b.finite > 0).map(|b| (b.end, b.last))
    }

    /// Least and greatest value.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let finite = self.buckets.iter().filter(|b| b.finite > 0);
        finite.map(|b| (b.low, b.high)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The first value of the bucket that begins at `x`.
    pub(crate) fn at(&self, x: f64) -> Option<f64> {
        let found = self.buckets.binary_search_by(|b| b.x.total_cmp(&x));
        found.ok().map(|i| self.buckets[i].first)
    }
}

impl FromIterator<(f64, f64)> for Series {
    fn from_iter<T: IntoIterator<Item = (f64, f64)>>(points: T) -> Series {
        let mut series = Series::default();
        points.into_iter().for_each(|(x, y)| series.push(x, y));
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_curves_are_kept_as_they_are() {
        let points: Points = (0..4096).map(|i| (f64::from(i), f64::from(i % 5))).collect();
        let series: Series = points.iter().copied().collect();
        assert!(series.is_exact());
        assert_eq!(series.points(), points);
        assert_eq!(series.means(), points);
        assert_eq!((series.count(), series.at(7.0), series.at(7.5)), (4096, Some(2.0), None));
    }

    #[test]
    fn a_million_points_keep_ends_extremes_and_mean_in_little_room() {
        let value = |i: u32| match i {
            123_456 => 900.0,
            765_432 => -900.0,
            500_000 => f64::NAN,
            _ => f64::from(i % 7),
        };
        let series: Series = (0..1_000_000).map(|i| (f64::from(i), value(i))).collect();
        assert!(series.buckets().len() <= BUCKETS && series.buckets.capacity() <= 2 * BUCKETS);
        assert_eq!(series.count(), 1_000_000);
        assert_eq!(series.range(), Some((-900.0, 900.0)));
        assert_eq!(
            (series.first(), series.last()),
            (Some((0.0, 0.0)), Some((999_999.0, f64::from(999_999 % 7))))
        );
        let sum: f64 = series.buckets().iter().map(|b| b.sum).sum();
        let exact: f64 = (0..1_000_000).map(value).filter(|y| y.is_finite()).sum();
        assert!((sum - exact).abs() < 1e-3);
        assert!(series.points().iter().any(|p| p.1 == 900.0 && (p.0 - 123_456.0).abs() < 512.0));
        let coarse = series.within(100);
        assert!(coarse.buckets().len() <= 100);
        assert_eq!((coarse.range(), coarse.count()), (series.range(), series.count()));
    }

    #[test]
    fn what_is_done_again_counts_once() {
        let series: Series =
            [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (2.0, 7.0), (3.0, 8.0)].into_iter().collect();
        assert_eq!(series.points(), [(1.0, 1.0), (2.0, 7.0), (3.0, 8.0)]);
        let mut long: Series = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        long.push(5_001.0, 2.0);
        assert!(long.buckets().windows(2).all(|w| w[0].end < w[1].x || w[0].x < w[1].x));
        assert_eq!(long.last(), Some((5_001.0, 2.0)));
    }

    #[test]
    fn what_is_no_number_is_a_hole() {
        let mut series: Series =
            [(1.0, 1.0), (f64::NAN, 5.0), (2.0, f64::INFINITY), (3.0, 1e301), (4.0, 2.0)]
                .into_iter()
                .collect();
        assert_eq!((series.count(), series.range()), (4, Some((1.0, 2.0))));
        assert!(series.at(2.0).is_some_and(f64::is_nan) && series.at(3.0).is_some_and(f64::is_nan));
        assert!(Series::default().range().is_none());
        series = [(1.0, f64::NAN)].into_iter().collect();
        assert!(series.first().is_none() && series.last().is_none() && series.range().is_none());
    }
}
