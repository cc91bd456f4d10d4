//! Axes: which numbers stand beside a chart, and where a value lies between its ends.

use crate::words::grouped;

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// From 0 at the low end to 1 at the high end.
    pub(crate) at: f64,
    /// The number.
    pub(crate) label: String,
}

/// An axis from `low` to `high`.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    /// Whether equal lengths are equal ratios.
    pub(crate) log: bool,
    /// Its ticks, from low to high.
    pub(crate) ticks: Vec<Tick>,
}

impl Axis {
    /// A linear axis over `low..=high` with about `count` ticks at 1, 2 or 5 times a power of ten. With `round` its
    /// ends are ticks as well, else they are `low` and `high`.
    pub(crate) fn linear(low: f64, high: f64, count: usize, round: bool) -> Axis {
        let (mut low, mut high) = widen(low, high);
        let step = nice_step((high - low) / count.max(1) as f64);
        if round {
            (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        }
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let label = labels(low.abs().max(high.abs()), step);
        let ticks = (first..=last)
            .map(|i| i as f64 * step)
            .map(|value| Tick { at: ((value - low) / (high - low)).clamp(0.0, 1.0), label: label(value) })
            .collect();
        Axis { low, high, log: false, ticks }
    }

    /// A logarithmic axis over `low..=high`, both above zero, that ends at 1, 2 or 5 times a power of ten.
    pub(crate) fn log(low: f64, high: f64) -> Axis {
        let (low, high) = if low < high { (low, high) } else { (low / 2.0, high * 2.0) };
        let stops: Vec<f64> = (low.log10().floor() as i32..=high.log10().ceil() as i32)
            .flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e)))
            .collect();
        let low = *stops.iter().rfind(|&&s| s <= low * (1.0 + 1e-9)).unwrap_or(&low);
        let high = *stops.iter().find(|&&s| s >= high * (1.0 - 1e-9)).unwrap_or(&high);
        let mut axis = Axis { low, high, log: true, ticks: Vec::new() };
        let decades = high.log10() - low.log10();
        let every = (decades / 5.0).ceil().max(1.0) as i32;
        for &stop in stops.iter().filter(|&&s| s >= low * (1.0 - 1e-9) && s <= high * (1.0 + 1e-9)) {
            let power = stop.log10();
            let whole = (power - power.round()).abs() < 1e-9;
            if decades <= 2.8 || whole && (power.round() as i32).rem_euclid(every) == 0 {
                axis.ticks.push(Tick { at: axis.place(stop), label: labels(stop, stop)(stop) });
            }
        }
        axis
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// A range that has a length.
fn widen(low: f64, high: f64) -> (f64, f64) {
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    let around = low.abs().max(high.abs());
    if high - low > around * 1e-9 && high - low > 1e-300 {
        return (low, high);
    }
    let margin = if around > 1e-290 { around * 0.1 } else { 1.0 };
    (low - margin, high + margin)
}

/// The least of 1, 2, 5, 10 times a power of ten that is at least `raw`, give or take a rounding error.
fn nice_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|m| raw <= m * power * (1.0 + 1e-9)).unwrap_or(10.0);
    times * power
}

/// How the ticks of an axis are written, given its largest value and its step: all with the same decimals.
fn labels(largest: f64, step: f64) -> impl Fn(f64) -> String {
    let (unit, suffix) = match largest {
        x if x >= 1e16 => (1.0, ""),
        x if x >= 1e10 => (1e9, "G"),
        x if x >= 1e7 => (1e6, "M"),
        x if x >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let exponent = (step.log10() + 1e-9).floor() as i32;
    let decimals = (-((step / unit).log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    move |value| {
        if value.abs() < step * 1e-6 {
            return "0".into();
        }
        if !(2e-3..1e16).contains(&largest) {
            // Counted in the step's power of ten: 1e-4, 2e-4, 10e-4.
            let times = value / 10f64.powi(exponent);
            return format!("{times:.0}e{exponent}").replace('-', "\u{2212}");
        }
        let shown = value / unit;
        let text = if decimals == 0 { grouped(shown) } else { format!("{shown:.decimals$}") };
        format!("{}{suffix}", text.replace('-', "\u{2212}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_nice() {
        assert_eq!(shown(&Axis::linear(2.9, 8.4, 5, true)), ["2", "4", "6", "8", "10"]);
        assert_eq!(shown(&Axis::linear(1.52, 1.87, 4, true)), ["1.5", "1.6", "1.7", "1.8", "1.9"]);
        assert_eq!(shown(&Axis::linear(1.0, 600.0, 6, false)), ["100", "200", "300", "400", "500", "600"]);
        assert_eq!(shown(&Axis::linear(0.0, 100_000.0, 5, false)), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(
            shown(&Axis::linear(0.0, 3e-4, 4, true)),
            ["0", "1e\u{2212}4", "2e\u{2212}4", "3e\u{2212}4"]
        );
        assert_eq!(shown(&Axis::linear(-0.5, 0.5, 2, true)), ["\u{2212}0.5", "0", "0.5"]);
    }

    #[test]
    fn places_follow_the_values() {
        let axis = Axis::linear(0.0, 10.0, 5, true);
        assert_eq!(axis.place(2.5), 0.25);
        assert_eq!((axis.ticks[0].at, axis.ticks[5].at), (0.0, 1.0));
        let axis = Axis::log(0.2, 63.0);
        assert_eq!(shown(&axis), ["0.2", "0.5", "1", "2", "5", "10", "20", "50", "100"]);
        assert!((axis.place(0.2)).abs() < 1e-12 && (axis.place(100.0) - 1.0).abs() < 1e-12);
        assert_eq!(shown(&Axis::log(0.5, 2.0)), ["0.5", "1", "2"]);
    }

    #[test]
    fn odd_ranges_still_have_a_length() {
        for (low, high) in [
            (3.0, 3.0),
            (0.0, 0.0),
            (f64::INFINITY, f64::NEG_INFINITY),
            (-2.0, -2.0),
            (1e-310, 1e-309),
            (-1e300, 1e300),
            (1.0, 1.0 + 1e-15),
            (5e299, 1e300),
        ] {
            for round in [false, true] {
                let axis = Axis::linear(low, high, 5, round);
                assert!(axis.low < axis.high && axis.ticks.len() < 20, "{low} {high} {axis:?}");
                assert!(axis.ticks.iter().all(|t| (0.0..=1.0).contains(&t.at)), "{low} {high} {axis:?}");
            }
        }
        assert_eq!(shown(&Axis::log(0.2, 500.0)), ["1", "10", "100"]);
        for (low, high) in [(1.0, 1.0), (1e-12, 1e12), (1e-300, 1e300)] {
            let axis = Axis::log(low, high);
            assert!((1..=14).contains(&axis.ticks.len()), "{axis:?}");
            assert!(axis.place(low) >= -1e-9 && axis.place(high) <= 1.0 + 1e-9);
        }
    }
}
