//! How much of each source is taken: weights, temperature, and a budget.
//!
//! Of the n_s bytes that deduplication leaves of source s, the share p_s of the corpus is w_s n_s^(1/T), scaled to sum to
//! one: temperature 1 takes sources as they are, a higher one flattens them (Conneau and Lample 2019, "Cross-lingual language
//! model pretraining", equation 1, with exponent 1/T). With a budget of B bytes the fraction B p_s / n_s of a source is
//! taken, at most all of it; without one the largest B for which no source falls short. Documents are taken in the order of
//! the hash of their keys until they have the bytes wanted, so that a greater fraction only adds.
//!
//! With `max_copies` above 1 a fraction may be above 1 too, up to it: of a fraction f every document is taken floor(f) times,
//! and those that have the share f - floor(f) of the bytes once more. Without a budget B is then as small as can be for every
//! source to be taken whole, and no source more often than it may be.
//!
//! The documents are not sorted for it: a [`Spread`] counts bytes by the first bits of that hash, so a source is taken to
//! within one document, or a part in [`STEPS`] of it.

use regimen_base::DocKey;
use serde::{Deserialize, Serialize};

/// The table `mix`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Mix {
    /// T.
    pub temperature: f64,
    /// B; 0 for as much as there is.
    pub budget_bytes: u64,
    /// Times that a document is taken at most.
    #[serde(default = "once")]
    pub max_copies: u32,
}

fn once() -> u32 {
    1
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { temperature: 1.0, budget_bytes: 0, max_copies: 1 }
    }
}

impl Mix {
    /// Whether anything is left out or repeated by it, with these weights.
    pub fn wanted(&self, weights: impl IntoIterator<Item = f64>) -> bool {
        let mut weights = weights.into_iter();
        let first = weights.next();
        self.temperature != 1.0 || self.budget_bytes > 0 || weights.any(|weight| Some(weight) != first)
    }

    /// Up to which place documents of each source are taken, for [`copies`], and behind it the fraction of its bytes that is
    /// wanted.
    pub fn limits(&self, sources: &[(f64, &Spread)]) -> Vec<(f64, f64)> {
        let bytes: Vec<(f64, u64)> =
            sources.iter().map(|(weight, spread)| (*weight, spread.bytes())).collect();
        let wanted = self.fractions(&bytes);
        sources.iter().zip(wanted).map(|((_, spread), wanted)| (spread.limit(wanted), wanted)).collect()
    }

    /// The fraction of each source that is wanted, from its weight and its bytes; at most `max_copies`.
    pub fn fractions(&self, sources: &[(f64, u64)]) -> Vec<f64> {
        let shares = self.shares(sources);
        let sum: f64 = shares.iter().sum();
        // Bytes of the whole for which a source would be taken whole.
        let counts = sources.iter().zip(&shares).filter(|(source, _)| counts(source));
        let whole = counts.map(|(&(_, bytes), share)| bytes as f64 * sum / share);
        let most = f64::from(self.max_copies);
        let budget = match self.budget_bytes {
            0 => {
                let whole: Vec<f64> = whole.collect();
                let least = whole.iter().copied().fold(f64::INFINITY, f64::min);
                (most * least).min(whole.into_iter().fold(0.0, f64::max))
            }
            bytes => bytes as f64,
        };
        let fraction = |(&(_, bytes), share): (&(f64, u64), &f64)| {
            if bytes == 0 || sum == 0.0 { 0.0 } else { (budget * share / sum / bytes as f64).min(most) }
        };
        sources.iter().zip(&shares).map(fraction).collect()
    }

    /// w n^(1/T) of each source; of numbers that grow beyond bounds, their ratio to the greatest.
    fn shares(&self, sources: &[(f64, u64)]) -> Vec<f64> {
        let share = |source: &(f64, u64)| {
            if counts(source) { source.0 * (source.1 as f64).powf(1.0 / self.temperature) } else { 0.0 }
        };
        let shares: Vec<f64> = sources.iter().map(share).collect();
        // They are multiplied by so many bytes at most.
        let reach = match self.budget_bytes {
            0 => {
                sources.iter().map(|&(_, bytes)| bytes as f64).fold(0.0, f64::max)
                    * f64::from(self.max_copies)
            }
            bytes => bytes as f64,
        };
        if (shares.iter().sum::<f64>() * reach).is_finite() {
            return shares;
        }
        let logarithms =
            |source: &(f64, u64)| counts(source).then(|| (source.0.ln(), (source.1 as f64).ln()));
        let logarithms: Vec<Option<(f64, f64)>> = sources.iter().map(logarithms).collect();
        let greatest = |of: &dyn Fn(&(f64, f64)) -> f64| {
            logarithms.iter().flatten().map(of).fold(f64::NEG_INFINITY, f64::max)
        };
        let (weight, bytes) = (greatest(&|of| of.0), greatest(&|of| of.1));
        let power = |of: &(f64, f64)| (of.0 - weight) + (of.1 - bytes) / self.temperature;
        let first = greatest(&power);
        logarithms.iter().map(|of| of.as_ref().map_or(0.0, |of| (power(of) - first).exp())).collect()
    }
}

/// Whether a source has any share.
fn counts(&(weight, bytes): &(f64, u64)) -> bool {
    weight != 0.0 && bytes != 0
}

/// How many steps the places of a [`Spread`] have.
const STEPS: usize = 1 << 14;

/// Bytes of text of a source by the places of its documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub(crate) struct Spread {
    /// By step; none as long as there are no bytes.
    steps: Vec<u64>,
}

impl Spread {
    /// Count the bytes of the document with this key.
    pub fn add(&mut self, key: DocKey, bytes: u64) {
        self.put((place(key) * STEPS as f64) as usize, bytes);
    }

    /// Count what another one has.
    pub fn merge(&mut self, other: &Spread) {
        other.steps().for_each(|(step, bytes)| self.put(step.into(), bytes));
    }

    fn put(&mut self, step: usize, bytes: u64) {
        if self.steps.is_empty() {
            self.steps.resize(STEPS, 0);
        }
        if let Some(sum) = self.steps.get_mut(step) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// The steps that have bytes, rising.
    pub fn steps(&self) -> impl Iterator<Item = (u16, u64)> {
        (0..).zip(self.steps.iter().copied()).filter(|&(_, bytes)| bytes > 0)
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// The first place up to which documents have at least that `fraction` of the bytes.
    fn limit(&self, fraction: f64) -> f64 {
        let whole = fraction.floor();
        // A fraction of a byte is none: it comes of rounding.
        let wanted = ((fraction - whole) * self.bytes() as f64).round() as u64;
        let mut sum = 0u64;
        for (step, bytes) in self.steps().take_while(|_| wanted > 0) {
            sum = sum.saturating_add(bytes);
            if sum >= wanted {
                return whole + f64::from(u32::from(step) + 1) / STEPS as f64;
            }
        }
        whole
    }
}

impl From<Vec<(u16, u64)>> for Spread {
    fn from(steps: Vec<(u16, u64)>) -> Spread {
        let mut spread = Spread::default();
        steps.into_iter().for_each(|(step, bytes)| spread.put(step.into(), bytes));
        spread
    }
}

impl From<Spread> for Vec<(u16, u64)> {
    fn from(spread: Spread) -> Vec<(u16, u64)> {
        spread.steps().collect()
    }
}

/// Whether the document with this key is among those up to the place `limit`.
fn takes(key: DocKey, limit: f64) -> bool {
    place(key) < limit
}

/// How often the document with this key is taken if its source is taken up to `limit`.
pub(crate) fn copies(key: DocKey, limit: f64) -> u32 {
    let whole = limit.floor();
    whole as u32 + u32::from(takes(key, limit - whole))
}

/// Where a document stands among all, from 0 to 1.
fn place(key: DocKey) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mix\0");
    hasher.update(&key.0);
    let mut head = [0u8; 8];
    head.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_be_bytes(head) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(temperature: f64, budget_bytes: u64) -> Mix {
        Mix { temperature, budget_bytes, max_copies: 1 }
    }

    #[test]
    fn sources_may_be_taken_more_than_once() {
        let mix = |temperature, budget_bytes, max_copies| Mix { temperature, budget_bytes, max_copies };
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        // Every source whole, the first twice; no more than that, though it may.
        near(mix(1.0, 0, 2).fractions(&[(2.0, 100), (1.0, 900)]), &[2.0, 1.0]);
        near(mix(1.0, 0, 9).fractions(&[(2.0, 100), (1.0, 900)]), &[2.0, 1.0]);
        // Not whole, where another one would be taken too often.
        near(mix(1.0, 0, 2).fractions(&[(4.0, 100), (1.0, 900), (0.0, 5)]), &[2.0, 0.5, 0.0]);
        near(mix(2.0, 0, 4).fractions(&[(1.0, 100), (1.0, 900)]), &[3.0, 1.0]);
        near(mix(1.0, 2500, 3).fractions(&[(1.0, 100), (1.0, 900)]), &[2.5, 2.5]);
        near(mix(1.0, 9999, 3).fractions(&[(1.0, 100), (1.0, 900)]), &[3.0, 3.0]);
        near(mix(1.0, 0, 3).fractions(&[(0.0, 100), (1.0, 0)]), &[0.0, 0.0]);
        let keys: Vec<DocKey> = (0..10_000).map(|i| DocKey::new("s", &i.to_string())).collect();
        let sum = |fraction| keys.iter().map(|&key| copies(key, fraction)).sum::<u32>();
        assert_eq!((sum(0.0), sum(1.0), sum(3.0)), (0, 10_000, 30_000));
        assert!((24_500..25_500).contains(&sum(2.5)), "{}", sum(2.5));
        for (less, more) in [(0.3, 0.9), (0.9, 1.0), (1.0, 1.2), (1.2, 2.1), (2.1, 2.9)] {
            assert!(keys.iter().all(|&key| copies(key, less) <= copies(key, more)), "{less} and {more}");
        }
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
    fn shares_beyond_all_numbers_keep_the_budget_and_their_order() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        };
        let cold = |budget_bytes, max_copies| Mix { temperature: 0.01, budget_bytes, max_copies };
        // (1e7)^100 is no number; 2^-100 is as good as nothing.
        let (some, half) = (10_000_000, 5_000_000);
        near(cold(1_000_000, 1).fractions(&[(1.0, some), (1.0, half)]), &[0.1, 0.0]);
        near(cold(0, 1).fractions(&[(1.0, some), (1.0, half)]), &[1.0, 0.0]);
        // Without a budget the first as often as it may be, for the second is never taken whole.
        near(cold(0, 3).fractions(&[(1.0, some), (1.0, half)]), &[3.0, 0.0]);
        near(cold(0, 3).fractions(&[(1.0, some), (1.0, 7), (0.0, some)]), &[3.0, 0.0, 0.0]);
        near(cold(30_000_000, 4).fractions(&[(1.0, some), (1.0, half)]), &[3.0, 0.0]);
        near(cold(1_000_000, 1).fractions(&[(1.0, half), (2.0, some), (2.0, some)]), &[0.0, 0.05, 0.05]);
        near(
            cold(1_000_000, 1).fractions(&[(1.0, half), (0.0, some), (3.0, half), (3.0, 0)]),
            &[0.05, 0.0, 0.15, 0.0],
        );
        near(cold(1_000_000, 1).fractions(&[(0.0, some), (0.0, half)]), &[0.0, 0.0]);
        for temperature in [f64::MIN_POSITIVE, 0.0001, 0.02, 0.023, 0.05] {
            for budget in [1, 500_000, some] {
                let found = mix(temperature, budget).fractions(&[(1.0, 9_000_000), (1.0, some), (1e100, 7)]);
                let taken = found[0] * 9e6 + found[1] * some as f64 + found[2] * 7.0;
                assert!(
                    (taken - budget as f64).abs() < 7.5 && found[0] < found[1],
                    "{temperature}: {found:?}"
                );
            }
        }
        // Weights whose sum, or product with the bytes, is no number.
        near(mix(1.0, 100).fractions(&[(1e308, 100), (1e308, 100), (1e308, 100)]), &[1.0 / 3.0; 3]);
        near(mix(1.0, 500).fractions(&[(1e308, 1000), (1.0, 1000)]), &[0.5, 0.0]);
        near(mix(1.0, 0).fractions(&[(1e308, 1000), (0.5e308, 1000)]), &[1.0, 0.5]);
        near(mix(1.0, u64::MAX).fractions(&[(1e290, 1000), (1e290, 1000)]), &[1.0, 1.0]);
        near(mix(1.0, 1000).fractions(&[(1e304, 1000), (1e304, 1000)]), &[0.5, 0.5]);
    }

    #[test]
    fn as_many_bytes_are_taken_as_are_wanted() {
        // Documents of very different lengths, where a share of their number says little.
        let documents: Vec<(DocKey, u64)> =
            (0..500u64).map(|i| (DocKey::new("s", &i.to_string()), 10 + (i % 37).pow(3))).collect();
        let longest = 10 + 36u64.pow(3);
        let mut spread = Spread::default();
        documents.iter().for_each(|&(key, bytes)| spread.add(key, bytes));
        let all = spread.bytes();
        assert_eq!(all, documents.iter().map(|(_, bytes)| bytes).sum::<u64>());
        let mut before = vec![0; documents.len()];
        for budget in [1, 700, all / 10, all / 3, all - 1, all, all + 9, 2 * all, 3 * all - 5, 3 * all] {
            let mix = Mix { temperature: 1.0, budget_bytes: budget, max_copies: 3 };
            let (limit, wanted) = mix.limits(&[(1.0, &spread)])[0];
            assert!((wanted - budget as f64 / all as f64).abs() < 1e-9);
            let now: Vec<u32> = documents.iter().map(|&(key, _)| copies(key, limit)).collect();
            let taken: u64 = now.iter().zip(&documents).map(|(&n, (_, bytes))| u64::from(n) * bytes).sum();
            // Two documents may share a step.
            assert!((budget..budget + 2 * longest).contains(&taken), "{taken} of {budget}");
            assert!(now.iter().zip(&before).all(|(now, before)| now >= before), "more only adds");
            before = now;
        }
        let text = serde_json::to_string(&spread).unwrap();
        assert_eq!(serde_json::from_str::<Spread>(&text).unwrap(), spread);
        let (mut left, mut right) = (Spread::default(), Spread::default());
        for (i, &(key, bytes)) in documents.iter().enumerate() {
            if i % 3 == 0 { left.add(key, bytes) } else { right.add(key, bytes) }
        }
        left.merge(&right);
        assert_eq!(left, spread);
        assert_eq!(Spread::default().limit(0.0), 0.0);
        assert!(serde_json::from_str::<Spread>("[[65535,7]]").unwrap().bytes() == 0);
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
