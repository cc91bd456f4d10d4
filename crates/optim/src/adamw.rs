//! AdamW over groups of one flat arena (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
//!
//! Defaults are those of language-model pretraining (GPT-3, Llama): betas 0.9 and 0.95, epsilon 1e-8, decay 0.1 on
//! matrices alone.

use regimen_kernels::adamw::{AdamW as Step, adamw_step};

use crate::Group;

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Decay rate of the mean of gradients.
    pub beta1: f64,
    /// Decay rate of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay, for groups that decay.
    pub weight_decay: f64,
}

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct AdamW {
    hyper: Hyper,
    /// Runs of neighbouring groups with the same treatment: start, end, decay.
    runs: Vec<(usize, usize, bool)>,
    /// Mean of gradients, laid out as the parameters are.
    pub mean: Vec<f32>,
    /// Mean of squared gradients, laid out likewise.
    pub square: Vec<f32>,
    /// Steps taken; the bias correction needs it.
    pub steps: u64,
}

impl AdamW {
    /// A fresh optimizer for an arena of `length` floats. Floats outside every group (padding) are never touched.
    ///
    /// # Panics
    /// If a group reaches beyond `length` or groups overlap.
    pub fn new(hyper: Hyper, groups: &[Group], length: usize) -> AdamW {
        let mut sorted: Vec<&Group> = groups.iter().collect();
        sorted.sort_by_key(|group| group.range.start);
        let mut runs: Vec<(usize, usize, bool)> = Vec::new();
        for group in sorted {
            let (start, end) = (group.range.start, group.range.end);
            assert!(end <= length, "group `{}` reaches beyond the arena", group.name);
            match runs.last_mut() {
                Some(last) if last.1 == start && last.2 == group.decay => last.1 = end,
                Some(last) => {
                    assert!(last.1 <= start, "group `{}` overlaps another", group.name);
                    runs.push((start, end, group.decay));
                }
                None => runs.push((start, end, group.decay)),
            }
        }
        AdamW { hyper, runs, mean: vec![0.0; length], square: vec![0.0; length], steps: 0 }
    }

    /// One step with learning rate `rate` on gradients multiplied by `scale` (the clipping factor).
    pub fn step(&mut self, params: &mut [f32], grads: &[f32], rate: f64, scale: f64) {
        self.steps += 1;
        for &(start, end, decay) in &self.runs {
            let step = Step {
                lr: rate,
                beta1: self.hyper.beta1,
                beta2: self.hyper.beta2,
                eps: self.hyper.eps,
                weight_decay: if decay { self.hyper.weight_decay } else { 0.0 },
            };
            adamw_step(
                &mut params[start..end],
                &mut self.mean[start..end],
                &mut self.square[start..end],
                &grads[start..end],
                &step,
                self.steps,
                scale as f32,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

    fn group(name: &str, range: std::ops::Range<usize>, decay: bool) -> Group {
        Group { name: name.into(), range, decay }
    }

    #[test]
    fn follows_the_formula_and_spares_norms_from_decay() {
        let groups = [group("norm", 16..18, false), group("matrix", 0..3, true)];
        let mut params = vec![1.0f32; 32];
        let mut optimizer = AdamW::new(HYPER, &groups, 32);
        let grads: Vec<f32> = (0..32).map(|i| 0.1 * (i as f32 - 8.0)).collect();
        let mut expected = vec![1.0f64; 32];
        let (mut m, mut v) = (vec![0.0f64; 32], vec![0.0f64; 32]);
        for t in 1..=3 {
            optimizer.step(&mut params, &grads, 0.01, 0.5);
            for i in (0..3).chain(16..18) {
                let g = f64::from(grads[i]) * 0.5;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                let (mh, vh) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.95f64.powi(t)));
                let decay = if i < 3 { 0.1 } else { 0.0 };
                expected[i] -= 0.01 * decay * expected[i];
                expected[i] -= 0.01 * mh / (vh.sqrt() + 1e-8);
            }
        }
        for i in 0..32 {
            assert!((f64::from(params[i]) - expected[i]).abs() < 1e-6, "{i}: {} {}", params[i], expected[i]);
        }
        assert_eq!(params[10], 1.0, "padding stays");
    }

    #[test]
    fn neighbours_of_one_kind_are_one_pass() {
        let groups = [group("a", 0..16, true), group("b", 16..32, true), group("c", 32..33, false)];
        assert_eq!(AdamW::new(HYPER, &groups, 48).runs, [(0, 32, true), (32, 33, false)]);
    }

    #[test]
    #[should_panic(expected = "overlaps")]
    fn overlapping_groups_are_refused() {
        AdamW::new(HYPER, &[group("a", 0..16, true), group("b", 8..32, true)], 48);
    }
}
