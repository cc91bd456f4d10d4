//! A curve as one line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The mean of the points in each of `columns` equal parts of `x`, as bars between the least and the greatest of
/// `y`. A column without points is a space.
pub fn sparkline(
    points: impl Iterator<Item = (u64, f64)>,
    x: (u64, u64),
    y: (f64, f64),
    columns: usize,
) -> String {
    let mut sums = vec![(0.0, 0u32); columns.max(1)];
    let width = (x.1.saturating_sub(x.0) + 1) as f64 / sums.len() as f64;
    let last = sums.len() - 1;
    for (step, value) in points.filter(|(step, _)| (x.0..=x.1).contains(step)) {
        let column = (((step - x.0) as f64 / width) as usize).min(last);
        sums[column].0 += value;
        sums[column].1 += 1;
    }
    let bar = |(sum, count): &(f64, u32)| {
        if *count == 0 {
            return ' ';
        }
        let mean = sum / f64::from(*count);
        let height = if y.1 > y.0 { (mean - y.0) / (y.1 - y.0) } else { 0.0 };
        BARS[((height * 8.0) as usize).min(7)]
    };
    sums.iter().map(bar).collect::<String>().trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_become_bars() {
        let line = |columns| sparkline((1..=8).map(|n| (n, n as f64)), (1, 8), (1.0, 8.0), columns);
        assert_eq!(line(8), "▁▂▃▄▅▆▇█");
        assert_eq!(line(4), "▁▃▆█");
        assert_eq!(sparkline([(2, 1.0), (6, 1.0)].into_iter(), (1, 8), (1.0, 1.0), 8), " ▁   ▁");
        assert_eq!(sparkline([].into_iter(), (1, 1), (0.0, 0.0), 0), "");
    }
}
