//! Curves that grow while they are looked at: a series of any length in bounded memory, and smoothing.

use std::collections::VecDeque;

/// Buckets of the whole history at most; from half as many on while a series is long.
pub const BUCKETS: usize = 1024;
/// Points that are kept as they are.
pub const RECENT: usize = 1024;
/// Points after which the smoothing grows with the length of the curve: TensorBoard, too, smooths about as many.
const SMOOTHED_POINTS: f64 = 1000.0;
/// Sums and spans of larger values would overflow.
const LARGEST: f64 = 1e300;

/// Some neighbouring points of a series, with their extremes, so that no spike is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// `x` of the first and of the last point.
    pub first: f64,
    /// See `first`.
    pub last: f64,
    /// The least finite value, and where it is; NaN if there is none.
    pub low: (f64, f64),
    /// The greatest one.
    pub high: (f64, f64),
    /// Sum of the finite values.
    pub sum: f64,
    /// How many they are.
    pub count: u64,
    /// Points without a finite value.
    pub holes: u64,
}

impl Bucket {
    fn of(x: f64, y: f64) -> Bucket {
        let finite = y.is_finite();
        Bucket {
            first: x,
            last: x,
            low: (x, y),
            high: (x, y),
            sum: if finite { y } else { 0.0 },
            count: u64::from(finite),
            holes: u64::from(!finite),
        }
    }

    fn add(&mut self, next: &Bucket) {
        self.last = next.last;
        if !self.low.1.is_finite() || next.low.1 < self.low.1 {
            self.low = next.low;
        }
        if !self.high.1.is_finite() || next.high.1 > self.high.1 {
            self.high = next.high;
        }
        self.sum += next.sum;
        self.count += next.count;
        self.holes += next.holes;
    }

    /// Points in it.
    pub fn len(&self) -> u64 {
        self.count + self.holes
    }

    /// Whether it holds none, which none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean of its finite values; NaN if there is none.
    pub fn mean(&self) -> f64 {
        if self.count == 1 { self.low.1 } else { self.sum / self.count as f64 }
    }

    /// The middle between its ends.
    pub fn middle(&self) -> f64 {
        0.5 * (self.first + self.last)
    }
}

/// A series of points with growing `x`: all of it as buckets of equally many points, and its end as it is.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// A full bucket holds two to the power of this many points.
    level: u32,
    buckets: Vec<Bucket>,
    recent: VecDeque<(f64, f64)>,
    last: Option<f64>,
    count: u64,
}

impl Series {
    /// Add a point. One whose `x` is not beyond the end takes the place of what is there from `x` on: the run did these
    /// steps anew. A point without a place is left out.
    pub fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() {
            return;
        }
        if self.recent.back().is_some_and(|end| x <= end.0) {
            self.cut(x);
        }
        let y = if y.abs() <= LARGEST { y } else { f64::NAN };
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((x, y));
        self.count += 1;
        if y.is_finite() {
            self.last = Some(y);
        }
        let bucket = Bucket::of(x, y);
        match self.buckets.last_mut() {
            Some(end) if end.len() < 1 << self.level => end.add(&bucket),
            _ => {
                if self.buckets.len() == BUCKETS {
                    self.halve();
                }
                self.buckets.push(bucket);
            }
        }
    }

    /// Join every two buckets.
    fn halve(&mut self) {
        self.level += 1;
        let pairs = self.buckets.chunks(2).map(|pair| {
            let mut joined = pair[0];
            pair[1..].iter().for_each(|next| joined.add(next));
            joined
        });
        self.buckets = pairs.collect();
    }

    /// Forget what is at `x` and beyond. A bucket that reaches over it stays as it is, up to there.
    fn cut(&mut self, x: f64) {
        while self.recent.back().is_some_and(|point| point.0 >= x) {
            self.recent.pop_back();
        }
        while let Some(end) = self.buckets.pop_if(|bucket| bucket.first >= x) {
            self.count = self.count.saturating_sub(end.len());
        }
        if let Some(end) = self.buckets.last_mut().filter(|bucket| bucket.last >= x) {
            end.last = self.recent.back().map_or(end.first, |point| point.0).max(end.first);
        }
    }

    /// The whole history.
    pub fn whole(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The points at the end.
    pub fn recent(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.recent.iter().copied()
    }

    /// Points in all.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The last finite value.
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    /// Place and value of the least point.
    pub fn low(&self) -> Option<(f64, f64)> {
        let lows = self.buckets.iter().map(|bucket| bucket.low);
        lows.filter(|low| low.1.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The value at `x` of a series that only grows, between points in proportion; outside of it that of its nearer end.
    pub fn rising_at(&self, x: f64) -> Option<f64> {
        let at = self.buckets.partition_point(|bucket| bucket.last < x);
        let between = |(x0, y0): (f64, f64), (x1, y1): (f64, f64)| {
            let share = if x1 > x0 { ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { 1.0 };
            y0 + share * (y1 - y0)
        };
        let start = |bucket: &Bucket| (bucket.first, bucket.low.1);
        let end = |bucket: &Bucket| (bucket.last, bucket.high.1);
        let before = at.checked_sub(1).and_then(|i| self.buckets.get(i));
        let found = match (before, self.buckets.get(at)) {
            (_, Some(bucket)) if x >= bucket.first => between(start(bucket), end(bucket)),
            (Some(before), Some(bucket)) => between(end(before), start(bucket)),
            (None, Some(bucket)) => bucket.low.1,
            (Some(before), None) => before.high.1,
            (None, None) => return None,
        };
        found.is_finite().then_some(found)
    }
}

/// Debiased exponential moving average (the debiasing of Adam, Kingma and Ba 2015): m = u m + (1 - u) y and
/// s = u s + (1 - u), shown is m / s. The weight u of the past is `past`^(dx / unit), where the unit is the median
/// distance of points, or a thousandth of the whole curve if that is more; on evenly spaced points this is TensorBoard's
/// smoothing. Points must be sorted by `x`; holes (NaN) stay holes. `past` lies in 0..1.
pub fn smooth(points: &[(f64, f64)], past: f64) -> Vec<(f64, f64)> {
    let mut gaps: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if gaps.is_empty() || past <= 0.0 {
        return points.to_vec();
    }
    let middle = gaps.len() / 2;
    let median = *gaps.select_nth_unstable_by(middle, f64::total_cmp).1;
    let unit = median.max((last.0 - first.0) / SMOOTHED_POINTS);
    let (mut mean, mut weight, mut before) = (0.0, 0.0, None);
    let follow = |&(x, y): &(f64, f64)| {
        if !y.is_finite() {
            return (x, f64::NAN);
        }
        let kept = before.map_or(0.0, |b: f64| past.powf((x - b) / unit));
        before = Some(x);
        // The first point counts as one unit old, as in the even case.
        let kept = if weight == 0.0 { past } else { kept };
        mean = kept * mean + (1.0 - kept) * y;
        weight = kept * weight + (1.0 - kept);
        (x, mean / weight)
    };
    points.iter().map(follow).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_million_points_take_bounded_memory_and_no_spike_is_lost() {
        let mut series = Series::default();
        for i in 0..10_000_000u32 {
            let y = match i {
                3_141_592 => 900.0,
                7_777_777 => -900.0,
                _ => f64::from(i % 7),
            };
            series.push(f64::from(i), y);
        }
        assert_eq!(series.len(), 10_000_000);
        assert!(series.buckets.len() <= BUCKETS && series.buckets.capacity() <= 2 * BUCKETS);
        assert!(series.buckets.len() >= BUCKETS / 2, "{}", series.buckets.len());
        assert!(series.recent.len() == RECENT && series.recent.capacity() <= 2 * RECENT);
        let high = |bucket: &Bucket| bucket.high == (3_141_592.0, 900.0);
        assert!(series.whole().iter().any(high));
        assert_eq!(series.low(), Some((7_777_777.0, -900.0)));
        assert_eq!(series.last(), Some(f64::from(9_999_999 % 7)));
        assert_eq!(series.whole().iter().map(Bucket::len).sum::<u64>(), 10_000_000);
    }

    #[test]
    fn steps_that_are_done_anew_take_the_place_of_the_first_ones() {
        let mut series = Series::default();
        (0..100).for_each(|i| series.push(f64::from(i), 1.0));
        (50..60).for_each(|i| series.push(f64::from(i), 2.0));
        assert_eq!((series.len(), series.last()), (60, Some(2.0)));
        assert_eq!(series.recent().len(), 60);
        assert!(series.whole().windows(2).all(|w| w[0].last < w[1].first));
    }

    #[test]
    fn holes_are_counted_and_told() {
        let mut series = Series::default();
        for (x, y) in [(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 4.0), (f64::NAN, 0.0)] {
            series.push(x, y);
        }
        assert_eq!((series.len(), series.last(), series.low()), (3, Some(4.0), Some((3.0, 4.0))));
        assert!(series.whole()[0].mean().is_nan());
    }

    #[test]
    fn a_rising_series_is_read_between_its_points() {
        let mut series = Series::default();
        assert_eq!(series.rising_at(1.0), None);
        (1..=10).for_each(|i| series.push(f64::from(10 * i), f64::from(100 * i)));
        assert_eq!(series.rising_at(55.0), Some(550.0));
        assert_eq!(series.rising_at(50.0), Some(500.0));
        assert_eq!((series.rising_at(0.0), series.rising_at(1e9)), (Some(100.0), Some(1000.0)));
        (11..=100_000).for_each(|i| series.push(f64::from(10 * i), f64::from(100 * i)));
        let found = series.rising_at(555_555.0).unwrap();
        assert!((found / 5_555_550.0 - 1.0).abs() < 1e-3, "{found}");
    }

    #[test]
    fn smoothing_is_tensorboard_s() {
        let flat: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), 5.0)).collect();
        assert!(smooth(&flat, 0.9).iter().all(|p| (p.1 - 5.0).abs() < 1e-12));
        let smoothed = smooth(&[(1.0, 1.0), (2.0, 2.0), (3.0, 4.0)], 0.6);
        let by_hand = (0.4 * 0.36 * 1.0 + 0.4 * 0.6 * 2.0 + 0.4 * 4.0) / (1.0 - 0.6f64.powi(3));
        assert!((smoothed[2].1 - by_hand).abs() < 1e-12);
        assert_eq!(smooth(&[(1.0, 1.0), (2.0, 2.0)], 0.0)[1].1, 2.0);
        let holes = smooth(&[(1.0, f64::NAN), (2.0, 7.0), (3.0, f64::NAN)], 0.6);
        assert!(holes[0].1.is_nan() && holes[1].1 == 7.0 && holes[2].1.is_nan());
        assert!(smooth(&[], 0.6).is_empty());
    }

    proptest! {
        #[test]
        fn any_points_keep_order_extremes_and_bounds(
            points in proptest::collection::vec((0u32..3000, prop_oneof![4 => -1e3f64..1e3, 1 => Just(f64::NAN)]), 0..4000)
        ) {
            let mut series = Series::default();
            let mut sorted = points.clone();
            sorted.sort_by_key(|point| point.0);
            sorted.dedup_by_key(|point| point.0);
            sorted.iter().for_each(|&(x, y)| series.push(f64::from(x), y));
            let least = sorted.iter().map(|p| p.1).filter(|y| y.is_finite()).min_by(f64::total_cmp);
            prop_assert_eq!(series.low().map(|low| low.1), least);
            prop_assert_eq!(series.len(), sorted.len() as u64);
            // In any order it stays sorted and bounded.
            let mut series = Series::default();
            points.iter().for_each(|&(x, y)| series.push(f64::from(x), y));
            prop_assert!(series.whole().len() <= BUCKETS);
            prop_assert!(series.whole().windows(2).all(|w| w[0].last < w[1].first));
            prop_assert!(series.whole().iter().all(|b| b.first <= b.last));
        }
    }
}
