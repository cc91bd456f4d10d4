//! How much of each source is taken: weights, temperature, and a budget.
//!
//! Of the n_s bytes that deduplication leaves of source s, the share p_s of the corpus is w_s n_s^(1/T), scaled to sum to
//! one: temperature 1 takes sources as they are, a higher one flattens them (Conneau and Lample 2019, "Cross-lingual language
//! model pretraining", equation 1, with exponent 1/T). With a budget of B bytes the fraction B p_s / n_s of a source is
//! taken, at most all of it; without one the largest B for which no source falls short. A document is taken or left by the
//! hash of its key alone, so that it stays taken when others come or go and when fractions rise.

use regimen_base::DocKey;
use serde::Deserialize;

/// The table `mix`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Mix {
    /// T.
    pub temperature: f64,
    /// B; 0 for as much as there is.
    pub budget_bytes: u64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { temperature: 1.0, budget_bytes: 0 }
    }
}

impl Mix {
    /// Whether anything is left out by it, with these weights.
    pub fn wanted(&self, weights: impl IntoIterator<Item = f64>) -> bool {
        let mut weights = weights.into_iter();
        let first = weights.next();
        self.temperature != 1.0 || self.budget_bytes > 0 || weights.any(|weight| Some(weight) != first)
    }

    /// The fraction of each source that is taken, from its weight and its bytes.
    pub fn fractions(&self, sources: &[(f64, u64)]) -> Vec<f64> {
        let shares: Vec<f64> = sources
            .iter()
            .map(
                |&(weight, bytes)| {
                    if bytes == 0 { 0.0 } else { weight * (bytes as f64).powf(1.0 / self.temperature) }
                },
            )
            .collect();
        let sum: f64 = shares.iter().sum();
        // Bytes of the whole for which a source would be taken whole.
        let whole = sources.iter().zip(&shares).map(|(&(_, bytes), share)| bytes as f64 * sum / share);
        let budget = match self.budget_bytes {
            0 => whole.filter(|bytes| bytes.is_finite()).fold(f64::INFINITY, f64::min),
            bytes => bytes as f64,
        };
        let fraction = |(&(_, bytes), share): (&(f64, u64), &f64)| {
            if bytes == 0 || sum == 0.0 { 0.0 } else { (budget * share / sum / bytes as f64).min(1.0) }
        };
        sources.iter().zip(&shares).map(fraction).collect()
    }
}

/// Whether the document with this key is among the `fraction` that is taken.
pub(crate) fn takes(key: DocKey, fraction: f64) -> bool {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mix\0");
    hasher.update(&key.0);
    let mut head = [0u8; 8];
    head.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    ((u64::from_be_bytes(head) >> 11) as f64 / (1u64 << 53) as f64) < fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(temperature: f64, budget_bytes: u64) -> Mix {
        Mix { temperature, budget_bytes }
    }

    #[test]
    fn fractions_follow_weights_temperature_and_budget() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        near(mix(1.0, 0).fractions(&[(1.0, 100), (1.0, 900)]), &[1.0, 1.0]);
        // Twice the share for the first: all of it, and half of the second.
        near(mix(1.0, 0).fractions(&[(2.0, 100), (1.0, 900)]), &[1.0, 0.5]);
        near(mix(1.0, 500).fractions(&[(1.0, 100), (1.0, 900)]), &[0.5, 0.5]);
        // Square roots: 10 and 30 of 40 parts.
        near(mix(2.0, 0).fractions(&[(1.0, 100), (1.0, 900)]), &[1.0, 1.0 / 3.0]);
        near(mix(1.0, 5000).fractions(&[(1.0, 100), (0.0, 900), (1.0, 0)]), &[1.0, 0.0, 0.0]);
        assert!(!mix(1.0, 0).wanted([1.0, 1.0]) && !mix(1.0, 0).wanted([]));
        assert!(mix(1.0, 0).wanted([1.0, 2.0]) && mix(2.0, 0).wanted([1.0]) && mix(1.0, 7).wanted([1.0]));
    }

    #[test]
    fn a_greater_fraction_only_adds() {
        let keys: Vec<DocKey> = (0..20_000).map(|i| DocKey::new("s", &i.to_string())).collect();
        let taken = |fraction| keys.iter().map(|&key| takes(key, fraction)).collect::<Vec<_>>();
        let (third, half) = (taken(0.3), taken(0.5));
        let count = third.iter().filter(|&&t| t).count();
        assert!((5700..6300).contains(&count), "{count} of 20000 at 30 %");
        assert!(third.iter().zip(&half).all(|(&a, &b)| !a || b));
        assert!(taken(0.0).iter().all(|&t| !t) && taken(1.0).iter().all(|&t| t));
    }
}
