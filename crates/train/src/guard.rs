//! The guard against steps that would harm the model: a loss or gradient that is not finite, or a gradient norm far
//! above what was usual lately.
//!
//! A guarded step updates nothing and says so; its data is passed over. The statistics are part of every checkpoint,
//! so that a resumed run guards as an uninterrupted one does.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many accepted norms the guard remembers.
const WINDOW: usize = 64;
/// How many it needs before it judges.
const ENOUGH: usize = 16;

/// The guard's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// A norm above this many times the recent median is a spike; 0 turns the test off.
    pub spike: f64,
    norms: VecDeque<f64>,
    /// Steps skipped so far.
    pub skipped: u64,
    /// Steps skipped since the last accepted one.
    pub in_a_row: u64,
}

/// Why a step is skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// The loss is NaN or infinite.
    Loss,
    /// The gradient has a NaN or an infinity in it.
    Gradient,
    /// The gradient norm is this many times the recent median.
    Spike(f64),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Loss => write!(f, "the loss is not a finite number"),
            Reason::Gradient => write!(f, "the gradient is not finite"),
            Reason::Spike(times) => write!(f, "the gradient norm is {times:.0} times its recent median"),
        }
    }
}

impl Guard {
    /// A guard without memory.
    pub fn new(spike: f64) -> Guard {
        Guard { spike, ..Guard::default() }
    }

    /// Judge a step by its loss and its gradient norm: `None` lets it pass and remembers its norm.
    pub fn judge(&mut self, loss: f64, norm: f64) -> Option<Reason> {
        let reason = self.reason(loss, norm);
        if reason.is_some() {
            self.skipped += 1;
            self.in_a_row += 1;
        } else {
            self.in_a_row = 0;
            self.norms.push_back(norm);
            if self.norms.len() > WINDOW {
                self.norms.pop_front();
            }
        }
        reason
    }

    fn reason(&self, loss: f64, norm: f64) -> Option<Reason> {
        if !loss.is_finite() {
            return Some(Reason::Loss);
        }
        if !norm.is_finite() {
            return Some(Reason::Gradient);
        }
        if self.spike > 0.0 && self.norms.len() >= ENOUGH {
            let mut sorted: Vec<f64> = self.norms.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[sorted.len() / 2];
            if norm > self.spike * median && median > 0.0 {
                return Some(Reason::Spike(norm / median));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_never_passes() {
        let mut guard = Guard::new(0.0);
        assert_eq!(guard.judge(f64::NAN, 1.0), Some(Reason::Loss));
        assert_eq!(guard.judge(1.0, f64::INFINITY), Some(Reason::Gradient));
        assert_eq!((guard.skipped, guard.in_a_row), (2, 2));
        assert_eq!(guard.judge(1.0, 1e9), None);
        assert_eq!((guard.skipped, guard.in_a_row), (2, 0));
    }

    #[test]
    fn a_spike_is_judged_by_the_recent_median_and_not_remembered() {
        let mut guard = Guard::new(10.0);
        for i in 0..ENOUGH {
            assert_eq!(guard.judge(1.0, 1.0 + 0.01 * i as f64), None);
        }
        assert!(matches!(guard.judge(1.0, 50.0), Some(Reason::Spike(_))));
        assert!(matches!(guard.judge(1.0, 50.0), Some(Reason::Spike(_))));
        assert_eq!(guard.judge(1.0, 5.0), None);
    }

    #[test]
    fn memory_survives_a_checkpoint() {
        let mut guard = Guard::new(3.0);
        for i in 0..100 {
            assert_eq!(guard.judge(1.0, 1.0 + 1.0 / f64::from(i + 3)), None);
        }
        let text = serde_json::to_string(&guard).unwrap();
        assert_eq!(serde_json::from_str::<Guard>(&text).unwrap(), guard);
    }
}
