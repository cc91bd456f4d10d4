//! The order of instances in an epoch: a keyed permutation that is computed, not stored.
//!
//! A Feistel network over the smallest square of powers of two that holds `0..n`, with cycle walking (Black and
//! Rogaway: "Ciphers with arbitrary finite domains", CT-RSA 2002) back into `0..n`; Philox is the round function. Both
//! directions cost O(1), so "which position holds instance i" needs no table.

use regimen_base::Philox;

/// Rounds of the network. Four are enough for pseudo-randomness (Luby and Rackoff 1988); more even out small domains.
const ROUNDS: u64 = 6;

/// A permutation of `0..n`, fixed by seed and epoch.
#[derive(Clone, Debug)]
pub struct Order {
    n: u64,
    half: u32,
    mask: u64,
    key: Philox,
}

impl Order {
    /// The permutation of `0..n` for an epoch (from 0).
    ///
    /// # Panics
    /// If `n` is 0 or above 2^62.
    pub fn new(seed: u64, epoch: u64, n: u64) -> Order {
        assert!(n > 0 && n <= 1 << 62, "an order of {n} instances");
        let bits = u64::BITS - (n - 1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let key = Philox::new(seed, &["order", &epoch.to_string()]);
        Order { n, half, mask: (1 << half) - 1, key }
    }

    /// The instance at a position.
    ///
    /// # Panics
    /// If `position` is not below `n`.
    pub fn at(&self, position: u64) -> u64 {
        assert!(position < self.n, "position {position} of {}", self.n);
        let mut x = position;
        loop {
            x = self.forward(x);
            if x < self.n {
                return x;
            }
        }
    }

    /// The position of an instance: the inverse of [`Order::at`].
    ///
    /// # Panics
    /// If `instance` is not below `n`.
    pub fn position_of(&self, instance: u64) -> u64 {
        assert!(instance < self.n, "instance {instance} of {}", self.n);
        let mut x = instance;
        loop {
            x = self.backward(x);
            if x < self.n {
                return x;
            }
        }
    }

    fn forward(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half, x & self.mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right));
        }
        (left << self.half) | right
    }

    fn backward(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half, x & self.mask);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        (left << self.half) | right
    }

    /// `half` random bits for a half of at most 31 bits; the round takes the upper word of the counter.
    fn round(&self, round: u64, x: u64) -> u64 {
        u64::from(self.key.block((round << 32) | x)[0]) & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_orders_are_permutations() {
        for n in 1..200u64 {
            let order = Order::new(17, n % 3, n);
            let mut seen: Vec<u64> = (0..n).map(|p| order.at(p)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_and_epochs_give_other_orders_and_no_position_is_favoured() {
        let n = 64;
        let mut counts = vec![0u32; (n * n) as usize];
        for epoch in 0..2000 {
            let order = Order::new(5, epoch, n);
            for position in 0..n {
                counts[(position * n + order.at(position)) as usize] += 1;
            }
        }
        // Each of the n * n cells expects 2000 / 64 = 31.25 hits; chi-square with (n - 1)^2 = 3969 degrees of freedom
        // has standard deviation 89.
        let expected = 2000.0 / n as f64;
        let chi: f64 = counts.iter().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
        assert!((3969.0 - 450.0..3969.0 + 450.0).contains(&chi), "{chi}");
        let list = |seed| (0..n).map(|p| Order::new(seed, 0, n).at(p)).collect::<Vec<_>>();
        assert_ne!(list(1), list(2));
    }

    #[test]
    fn the_order_is_pinned() {
        let order = Order::new(17, 0, 10);
        let list: Vec<u64> = (0..10).map(|p| order.at(p)).collect();
        assert_eq!(list, PINNED, "another order would train other models under the same key");
    }
    const PINNED: [u64; 10] = [0, 2, 6, 7, 4, 9, 1, 3, 8, 5];

    proptest! {
        #[test]
        fn forward_and_back_agree(seed: u64, epoch in 0u64..100, n in 1u64..1 << 62, x: u64) {
            let order = Order::new(seed, epoch, n);
            let x = x % n;
            prop_assert!(order.at(x) < n);
            prop_assert_eq!(order.position_of(order.at(x)), x);
            prop_assert_eq!(order.at(order.position_of(x)), x);
        }
    }
}
