//! How the stream is cut into instances: fixed once and for all by the context length.

use std::ops::Range;

/// Instance `i` is the slots `[i * context, (i + 1) * context)` of the train stream; the last one may be short and is
/// padded in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Slots an instance.
    pub context: usize,
    /// Slots in the stream.
    pub slots: u64,
    /// Instances: `ceil(slots / context)`.
    pub n: u64,
}

impl Packing {
    /// Cut `slots` slots into instances of `context`.
    ///
    /// # Panics
    /// If `context` is 0.
    pub fn new(slots: u64, context: usize) -> Packing {
        assert!(context > 0, "a context of 0");
        Packing { context, slots, n: slots.div_ceil(context as u64) }
    }

    /// The slots of an instance that exist; shorter than `context` only for the last one.
    pub fn slots_of(&self, instance: u64) -> Range<u64> {
        let start = instance * self.context as u64;
        start.min(self.slots)..(start + self.context as u64).min(self.slots)
    }

    /// The instances that hold any of these slots.
    pub fn instances_of(&self, slots: Range<u64>) -> Range<u64> {
        if slots.is_empty() {
            return 0..0;
        }
        slots.start / self.context as u64..(slots.end - 1) / self.context as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn instances_tile_the_stream(slots in 0u64..500, context in 1usize..70, a in 0u64..500, b in 0u64..500) {
            let packing = Packing::new(slots, context);
            let mut next = 0;
            for i in 0..packing.n {
                let range = packing.slots_of(i);
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                next = range.end;
            }
            prop_assert_eq!(next, slots);
            let wanted = a.min(b).min(slots)..a.max(b).min(slots);
            let overlapping: Vec<u64> = (0..packing.n)
                .filter(|&i| {
                    let r = packing.slots_of(i);
                    r.start.max(wanted.start) < r.end.min(wanted.end)
                })
                .collect();
            prop_assert_eq!(packing.instances_of(wanted).collect::<Vec<_>>(), overlapping);
        }
    }
}
