//! Which instances a step trains on, and which steps train on an instance.

use crate::order::Order;

/// The plan of a run over `n` instances: step `s` (from 0) takes the global positions `[s * batch, (s + 1) * batch)` of
/// the epochs laid end to end, each epoch in an order of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The seed of the run.
    pub seed: u64,
    /// Instances in the stream ([`crate::Packing::n`]).
    pub n: u64,
    /// Instances a step.
    pub batch: u64,
}

impl Schedule {
    /// A plan of steps of `batch` instances over `n`.
    ///
    /// # Panics
    /// If `n` or `batch` is 0.
    pub fn new(seed: u64, n: u64, batch: u64) -> Schedule {
        assert!(n > 0 && batch > 0, "a schedule of {n} instances, {batch} a step");
        Schedule { seed, n, batch }
    }

    /// Write the instances of `step` into `out`, in the order in which they enter the batch.
    pub fn instances_into(&self, step: u64, out: &mut Vec<u64>) {
        out.clear();
        let (mut position, end) = (step * self.batch, (step + 1) * self.batch);
        while position < end {
            let epoch = position / self.n;
            let order = Order::new(self.seed, epoch, self.n);
            let stop = end.min((epoch + 1) * self.n);
            out.extend((position..stop).map(|p| order.at(p - epoch * self.n)));
            position = stop;
        }
    }

    /// The instances of `step`.
    pub fn instances(&self, step: u64) -> Vec<u64> {
        let mut out = Vec::with_capacity(self.batch as usize);
        self.instances_into(step, &mut out);
        out
    }

    /// The steps below `steps` that use `instance`, ascending.
    pub fn steps_of(&self, instance: u64, steps: u64) -> Vec<u64> {
        let positions = steps * self.batch;
        let mut found: Vec<u64> = (0..positions.div_ceil(self.n))
            .map(|epoch| epoch * self.n + Order::new(self.seed, epoch, self.n).position_of(instance))
            .filter(|&position| position < positions)
            .map(|position| position / self.batch)
            .collect();
        found.dedup();
        found
    }

    /// How many epochs `steps` steps make.
    pub fn epochs(&self, steps: u64) -> f64 {
        (steps * self.batch) as f64 / self.n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_directions_agree(seed: u64, n in 1u64..40, batch in 1u64..60, steps in 0u64..30) {
            let schedule = Schedule::new(seed, n, batch);
            let batches: Vec<Vec<u64>> = (0..steps).map(|s| schedule.instances(s)).collect();
            prop_assert!(batches.iter().all(|b| b.len() as u64 == batch));
            for instance in 0..n {
                let expected: Vec<u64> =
                    (0..steps).filter(|&s| batches[s as usize].contains(&instance)).collect();
                prop_assert_eq!(schedule.steps_of(instance, steps), expected);
            }
            let all: Vec<u64> = batches.concat();
            for epoch in all.chunks_exact(n as usize) {
                let mut sorted = epoch.to_vec();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            }
        }
    }
}
