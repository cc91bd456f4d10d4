//! Curves: gathered in little memory, smoothed for the eye, thinned for the page.

mod bucket;

pub(crate) use bucket::Series;

/// Points `(x, y)`, sorted by `x`; `y` may be NaN where the curve has a hole.
pub(crate) type Points = Vec<(f64, f64)>;

/// Weight of the past in smoothed curves, TensorBoard's default.
pub(crate) const PAST: f64 = 0.6;
/// Points after which the smoothing grows with the length of the curve: TensorBoard, too, smooths about as many.
const SMOOTHED_POINTS: f64 = 1000.0;

/// Debiased exponential moving average (the debiasing of Adam, Kingma and Ba 2015): m = u m + (1 - u) y and
/// s = u s + (1 - u), shown is m / s. The weight u of the past is 0.6^(dx / unit), where the unit is the median
/// distance of points, or a thousandth of the whole curve if that is more. Holes stay holes.
pub(crate) fn smooth(points: &[(f64, f64)]) -> Points {
    let mut gaps: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).collect();
    if gaps.is_empty() {
        return points.to_vec();
    }
    let middle = gaps.len() / 2;
    let median = *gaps.select_nth_unstable_by(middle, f64::total_cmp).1;
    let span = points[points.len() - 1].0 - points[0].0;
    let unit = median.max(span / SMOOTHED_POINTS);
    let (mut mean, mut weight, mut before) = (0.0, 0.0, None);
    let follow = |&(x, y): &(f64, f64)| {
        if !y.is_finite() {
            return (x, f64::NAN);
        }
        let past = before.map_or(0.0, |b: f64| PAST.powf((x - b) / unit));
        before = Some(x);
        // The first point counts as one unit old, as in the even case.
        let past = if weight == 0.0 { PAST } else { past };
        mean = past * mean + (1.0 - past) * y;
        weight = past * weight + (1.0 - past);
        (x, mean / weight)
    };
    points.iter().map(follow).collect()
}

/// Thin a curve to `columns` columns between its ends, keeping first, least, greatest and last point of each (so no
/// spike is lost), in order. A hole in a column stays as one NaN point.
pub(crate) fn thin(points: &[(f64, f64)], columns: usize) -> Points {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let width = (last.0 - first.0) / columns.max(1) as f64;
    if points.len() <= 2 * columns || width <= 0.0 {
        return points.to_vec();
    }
    let column = |p: &(f64, f64)| (((p.0 - first.0) / width) as usize).min(columns - 1);
    let mut kept = Vec::with_capacity(4 * columns);
    let mut start = 0;
    while start < points.len() {
        let here = column(&points[start]);
        let length = points[start..].partition_point(|p| column(p) <= here);
        keep_column(&points[start..start + length], &mut kept);
        start += length;
    }
    kept
}

fn keep_column(points: &[(f64, f64)], kept: &mut Points) {
    let mut chosen = [None; 5]; // first, least, greatest, last, hole
    for (i, p) in points.iter().enumerate() {
        if p.1.is_nan() {
            chosen[4] = Some(i);
            continue;
        }
        chosen[0] = chosen[0].or(Some(i));
        if chosen[1].is_none_or(|j: usize| p.1 < points[j].1) {
            chosen[1] = Some(i);
        }
        if chosen[2].is_none_or(|j: usize| p.1 > points[j].1) {
            chosen[2] = Some(i);
        }
        chosen[3] = Some(i);
    }
    chosen.sort_unstable();
    let mut before = None;
    for i in chosen.into_iter().flatten() {
        if before != Some(i) {
            kept.push(points[i]);
        }
        before = Some(i);
    }
}

/// At most `most` indices below `n`, evenly spread, with the first and the last.
pub(crate) fn spread(n: usize, most: usize) -> Vec<usize> {
    if n <= most || most < 2 {
        return (0..n).collect();
    }
    (0..most).map(|i| (i * (n - 1) + (most - 1) / 2) / (most - 1)).collect()
}

/// The middle of the finite values.
pub(crate) fn median(points: &[(f64, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = points.iter().map(|p| p.1).filter(|y| y.is_finite()).collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_matches_the_formula_and_is_unbiased() {
        let flat: Points = (0..20).map(|i| (f64::from(i), 5.0)).collect();
        assert!(smooth(&flat).iter().all(|p| (p.1 - 5.0).abs() < 1e-12));

        let smoothed = smooth(&[(1.0, 1.0), (2.0, 2.0), (3.0, 4.0)]);
        let by_hand = (0.4 * 0.36 * 1.0 + 0.4 * 0.6 * 2.0 + 0.4 * 4.0) / (1.0 - 0.6f64.powi(3));
        assert!((smoothed[2].1 - by_hand).abs() < 1e-12);
    }

    #[test]
    fn smoothing_steps_over_holes() {
        let smoothed = smooth(&[(1.0, 3.0), (2.0, f64::NAN), (3.0, 3.0)]);
        assert!(smoothed[1].1.is_nan());
        assert!((smoothed[2].1 - 3.0).abs() < 1e-12);
        assert!(smooth(&[]).is_empty());
        assert!(smooth(&[(1.0, f64::NAN), (2.0, 7.0)])[1].1 == 7.0);
    }

    #[test]
    fn thinning_keeps_spikes_ends_and_holes() {
        let mut points: Points = (0..100_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        points[12_345].1 = 900.0;
        points[77_777].1 = -900.0;
        points[50_000].1 = f64::NAN;
        let thinned = thin(&points, 500);
        assert!(thinned.len() <= 500 * 5 && thinned.len() > 900, "{}", thinned.len());
        assert!(thinned.contains(&(12_345.0, 900.0)) && thinned.contains(&(77_777.0, -900.0)));
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[99_999]));
        assert_eq!(thinned.iter().filter(|p| p.1.is_nan()).count(), 1);
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(thin(&points[..10], 500).len(), 10);
    }

    #[test]
    fn spreads_hold_both_ends() {
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert_eq!(spread(100, 3), [0, 50, 99]);
        assert_eq!(spread(0, 3), [0usize; 0]);
        assert_eq!(median(&[(0.0, 3.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]), Some(2.0));
    }
}
