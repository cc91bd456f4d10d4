//! Learning-rate schedules.
//!
//! Cosine: Loshchilov and Hutter, "SGDR", 2017, one cycle. WSD (warm-up, stable, decay): Hu et al., "MiniCPM", 2024,
//! with a linear decay; its stable part does not depend on where training ends, so a run can be extended.

use serde::{Deserialize, Serialize};

/// The shape after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Half a cosine from the peak to `min_ratio` of it.
    Cosine,
    /// The peak, then a straight line to `min_ratio` of it over the last `decay` share of the steps.
    Wsd,
    /// The peak to the end.
    Constant,
}

/// A learning rate for every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// The shape after the warm-up.
    pub shape: Shape,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// The last rate as a share of the peak.
    pub min_ratio: f64,
    /// Share of all steps over which WSD decays.
    pub decay: f64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// The rate of `step`, counted from 0. The warm-up reaches the peak at step `warmup - 1`.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let fall = |done: f64| match self.shape {
            Shape::Constant => 0.0,
            Shape::Wsd => done,
            Shape::Cosine => 0.5 - 0.5 * (std::f64::consts::PI * done).cos(),
        };
        let start = match self.shape {
            Shape::Wsd => self.warmup.max(self.steps - (self.steps as f64 * self.decay).round() as u64),
            _ => self.warmup,
        };
        let length = self.steps.saturating_sub(start).max(1);
        let done = (step.saturating_sub(start) as f64 / length as f64).clamp(0.0, 1.0);
        self.peak * (1.0 - (1.0 - self.min_ratio) * fall(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: Shape) -> Schedule {
        Schedule { peak: 1.0, shape, warmup: 10, min_ratio: 0.1, decay: 0.2, steps: 110 }
    }

    #[test]
    fn warm_up_is_linear_and_reaches_the_peak() {
        for shape in [Shape::Cosine, Shape::Wsd, Shape::Constant] {
            let s = schedule(shape);
            assert!((s.rate(0) - 0.1).abs() < 1e-12 && (s.rate(9) - 1.0).abs() < 1e-12);
            assert!((s.rate(10) - 1.0).abs() < 1e-12, "{shape:?}");
        }
    }

    #[test]
    fn cosine_passes_the_middle_and_ends_at_the_minimum() {
        let s = schedule(Shape::Cosine);
        assert!((s.rate(60) - 0.55).abs() < 1e-12);
        assert!((s.rate(110) - 0.1).abs() < 1e-12 && (s.rate(500) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn wsd_is_flat_until_its_decay_whatever_the_end() {
        let s = schedule(Shape::Wsd);
        assert_eq!(s.rate(87), 1.0);
        assert!((s.rate(88 + 11) - 0.55).abs() < 1e-12);
        let longer = Schedule { steps: 1000, ..schedule(Shape::Wsd) };
        assert!((0..88).all(|step| s.rate(step) == longer.rate(step)));
    }

    #[test]
    fn degenerate_lengths_do_not_divide_by_zero() {
        for shape in [Shape::Cosine, Shape::Wsd, Shape::Constant] {
            let s = Schedule { warmup: 0, steps: 1, decay: 1.0, ..schedule(shape) };
            assert!(s.rate(0).is_finite() && s.rate(1).is_finite());
        }
    }
}
