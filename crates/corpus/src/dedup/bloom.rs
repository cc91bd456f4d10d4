//! A blocked Bloom filter: sets of keys in little memory, with a stated rate of false positives.
//!
//! Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 1970; blocks after Putze, Sanders, Singler,
//! "Cache-, hash- and space-efficient Bloom filters", WEA 2007. A key touches one line of 64 bytes: `j` bits in each of its
//! eight words, so one cache miss instead of `k`.
//!
//! The rate of a plain filter of `m` bits for `n` keys is `p = (1 - e^(-kn/m))^k`, smallest at `m = -n ln p / (ln 2)^2`. Blocks fill
//! unevenly: with `B` of them a block holds `i` keys with the probability of Poisson's law of mean `n / B`, and then
//!
//! `p = sum over i of Poisson(i; n / B) * hit(i)^8`, where `hit(i)` is the probability that `j` random bits of a word of 64 all
//! hit bits that `i j` random bits before them have set.
//!
//! [`Sizing`] solves this for the smallest number of blocks over `j` = 1 to 4. Bits a key, plain and blocked: 9.6 and 10.3 at
//! 1e-2, 19.2 and 23.2 at 1e-4, 28.8 and 39.5 at 1e-6, 71.9 and 330 at 1e-15 (there the exact way by fingerprints takes less).
//! Filters are sized for nine tenths of the rate that was asked for, so that a measured rate stays below it.

use rayon::prelude::*;
use regimen_kernels::prefetch;

use super::blocks::Blocks;
use super::distinct::Distinct;
use super::error::{Error, Result};
use super::hash::mix;

/// Words of a block.
pub(super) const WORDS: usize = 8;
/// Bytes of a block.
pub const BLOCK_BYTES: u64 = 64;
/// Most bits a word that a key sets.
const MOST_PER_WORD: u32 = 4;
/// A filter is sized for this share of the rate.
const MARGIN: f64 = 0.9;
/// Parts of a filter that threads work on.
const PARTS: usize = 256;
/// A block is asked for so many keys before it is looked up.
const AHEAD: usize = 16;

/// How large a filter is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizing {
    /// Keys it is made for.
    pub expected: u64,
    /// The rate of false positives at that many keys; the true one is at most this.
    pub rate: f64,
    /// Blocks of 64 bytes.
    pub blocks: u64,
    /// Bits that a key sets in each word of its block.
    pub per_word: u32,
}

impl Sizing {
    /// The smallest filter for `expected` keys at false positive rate `rate`, between 1e-15 and 0.5.
    pub fn new(expected: u64, rate: f64) -> Result<Sizing> {
        if !(1e-15..=0.5).contains(&rate) {
            return Err(Error::option("false_positive_rate", rate, "1e-15 to 0.5"));
        }
        if expected > 1 << 48 {
            return Err(Error::TooMany { what: "keys of a Bloom filter", most: 1 << 48 });
        }
        let target = rate * MARGIN;
        let (load, per_word) = (1..=MOST_PER_WORD)
            .map(|per_word| (load(target, per_word), per_word))
            .fold((0.0, 1), |best, this| if this.0 > best.0 { this } else { best });
        let blocks = ((expected.max(1) as f64 / load).ceil() as u64).max(1);
        Ok(Sizing { expected, rate, blocks, per_word })
    }

    /// Bytes of memory of the filter.
    pub fn bytes(&self) -> u64 {
        self.blocks * BLOCK_BYTES
    }

    /// An error if the filter, or a part of it that takes `needed` bytes, would take more than `memory` bytes.
    pub(crate) fn fits(&self, needed: u64, memory: u64) -> Result<()> {
        if needed > memory {
            let what = format!("a Bloom filter for {} keys at a rate of {:e}", self.expected, self.rate);
            return Err(Error::Memory { what, needed, allowed: memory });
        }
        Ok(())
    }

    /// Whether a filter that told so many `keys` apart has a rate above the one asked for.
    fn is_overfull_with(&self, keys: u64) -> bool {
        keys > self.expected && self.rate_at(keys) > self.rate
    }

    /// An error if a filter that told so many `keys` apart is overfull: see [`Bloom::check`].
    pub(crate) fn check<E: From<Error>>(
        &self,
        keys: u64,
        inside: u64,
        count: impl FnOnce(&mut Distinct) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.is_overfull_with(keys) {
            return Ok(());
        }
        let mut all = Distinct::default();
        count(&mut all)?;
        let keys = (all.estimate() + inside).max(keys);
        let Sizing { expected, rate: configured, .. } = *self;
        let (enough, rate) = ((all.at_most() + inside).max(keys), self.rate_at(keys));
        Err(Error::OverFull { keys, enough, expected, rate, configured }.into())
    }

    /// The rate of false positives with `keys` different keys inside.
    pub fn rate_at(&self, keys: u64) -> f64 {
        rate(keys as f64 / self.blocks as f64, self.per_word)
    }
}

/// The largest mean number of keys a block at which the rate is at most `target`.
fn load(target: f64, per_word: u32) -> f64 {
    let (mut low, mut high) = (1e-9, 512.0);
    // 60 halvings: to the last bits of the mantissa.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if rate(middle, per_word) <= target { low = middle } else { high = middle }
    }
    low
}

/// The rate at a mean of `load` keys a block.
fn rate(load: f64, per_word: u32) -> f64 {
    // So many keys set every bit; the sum would be long.
    if load > 4096.0 {
        return 1.0;
    }
    // Beyond 20 deviations and 60 keys the tail of Poisson's law is below 1e-60.
    let most = (load + 20.0 * load.sqrt() + 60.0) as u32;
    let mut sum = 0.0;
    // In logarithms: e^-load alone may be zero.
    let mut log = -load;
    for keys in 1..=most {
        log += load.ln() - f64::from(keys).ln();
        sum += log.exp() * hit(keys * per_word, per_word).powi(WORDS as i32);
    }
    sum.min(1.0)
}

/// The probability that `fresh` random bits of 64 hit only bits that `thrown` random bits before them set. `d` different
/// bits are all set with probability `sum over m of (-1)^m C(d, m) (1 - m/64)^thrown`.
fn hit(thrown: u32, fresh: u32) -> f64 {
    // How likely the fresh bits are d different ones.
    let mut different = [0.0f64; MOST_PER_WORD as usize + 1];
    different[0] = 1.0;
    for _ in 0..fresh {
        for d in (0..different.len()).rev() {
            let same = different[d] * d as f64 / 64.0;
            let one_more = if d > 0 { different[d - 1] * (65 - d) as f64 / 64.0 } else { 0.0 };
            different[d] = same + one_more;
        }
    }
    let set = |d: usize| {
        let mut choose = 1.0;
        let mut sum = 0.0;
        for m in 0..=d {
            sum += choose * (1.0 - m as f64 / 64.0).powf(f64::from(thrown));
            choose *= -((d - m) as f64) / (m + 1) as f64;
        }
        sum.max(0.0)
    };
    different.iter().enumerate().map(|(d, probability)| probability * set(d)).sum()
}

/// A set of 128-bit keys, which must be well mixed in their lower half at least ([`hash128`](super::hash::hash128), a document
/// key, or a 64-bit fingerprint: then two different paragraphs share one once in 2^64).
#[derive(Clone, Debug, PartialEq)]
pub struct Bloom {
    sizing: Sizing,
    pub(super) blocks: Blocks,
    pub(super) keys: u64,
}

/// A key of a batch that waits for its part of the filter; afterwards `block` says whether it was there before.
#[derive(Clone, Copy, Default)]
struct Visit {
    hash: u64,
    block: u32,
    key: u32,
}

/// The block of a key, and the start of its bits.
#[inline(always)]
pub(super) fn place(key: u128, blocks: u64) -> (usize, u64) {
    let low = mix(key as u64);
    let block = ((u128::from(low) * u128::from(blocks)) >> 64) as usize;
    (block, mix(low ^ mix((key >> 64) as u64)) ^ low.rotate_left(32))
}

/// The bits of a key in each word: six bits of its hash say which, and the hash is mixed again for every further bit.
#[inline(always)]
fn bits(mut hash: u64, per_word: u32) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for _ in 0..per_word {
        for (i, word) in words.iter_mut().enumerate() {
            *word |= 1 << ((hash >> (6 * i)) & 63);
        }
        hash = mix(hash.wrapping_add(0x9E37_79B9_7F4A_7C15));
    }
    words
}

/// Keys in the order of the filter that they will be inserted into.
pub struct Batch {
    blocks: u64,
    /// By part of the filter, in the order of the keys within each.
    visits: Vec<Visit>,
    /// How many of them each part has.
    counts: Vec<usize>,
}

/// Blocks of a part of a filter.
fn part(blocks: u64) -> usize {
    (blocks as usize).div_ceil(PARTS).max(1)
}

impl Batch {
    /// Keys for a filter of this size; making it does not touch the filter.
    ///
    /// # Panics
    /// With 2^32 keys or more.
    pub fn new(sizing: &Sizing, keys: &[u128]) -> Batch {
        assert!(keys.len() < u32::MAX as usize, "a batch has less than 2^32 keys");
        let (blocks, length) = (sizing.blocks, part(sizing.blocks));
        let places: Vec<(usize, u64)> = keys.par_iter().map(|&key| place(key, blocks)).collect();
        let mut next = vec![0usize; (blocks as usize).div_ceil(length) + 1];
        places.iter().for_each(|(block, _)| next[block / length + 1] += 1);
        let counts: Vec<usize> = next[1..].to_vec();
        for part in 1..next.len() {
            next[part] += next[part - 1];
        }
        let mut visits = vec![Visit::default(); keys.len()];
        for (key, &(block, hash)) in (0u32..).zip(&places) {
            let at = &mut next[block / length];
            visits[*at] = Visit { hash, block: (block % length) as u32, key };
            *at += 1;
        }
        Batch { blocks, visits, counts }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.visits.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.visits.is_empty()
    }
}

impl Bloom {
    /// An empty filter. An error if it would take more than `memory` bytes.
    pub fn new(sizing: Sizing, memory: u64) -> Result<Bloom> {
        sizing.fits(sizing.bytes(), memory)?;
        let blocks = usize::try_from(sizing.blocks).unwrap_or(usize::MAX);
        Ok(Bloom { sizing, blocks: Blocks::zeros(blocks), keys: 0 })
    }

    /// Writes over an empty filter, which changes nothing but takes all of its memory now. Worth it where most pages will be
    /// used: a page that is read first is that of zeros which all processes share, and its first write has the system copy it
    /// and interrupt every core.
    pub fn touch(&mut self) {
        if self.keys == 0 {
            self.blocks.par_chunks_mut(1 << 14).for_each(|blocks| blocks.fill([0; WORDS]));
        }
    }

    /// Its size and what it was made for.
    pub fn sizing(&self) -> &Sizing {
        &self.sizing
    }

    /// Different keys inside, as far as the filter could tell them apart.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Whether `key` was inserted: true for all that were, and for others at the false positive rate. Changes nothing: this is
    /// the whole of a read-only filter.
    #[inline]
    pub fn contains(&self, key: u128) -> bool {
        let (block, hash) = place(key, self.sizing.blocks);
        let bits = bits(hash, self.sizing.per_word);
        self.blocks[block].iter().zip(bits).fold(0, |missing, (word, bit)| missing | bit & !word) == 0
    }

    /// Inserts `key` and says whether it was there before.
    #[inline]
    pub fn insert(&mut self, key: u128) -> bool {
        let (block, hash) = place(key, self.sizing.blocks);
        let seen = insert(&mut self.blocks[block], hash, self.sizing.per_word);
        self.keys += u64::from(!seen);
        seen
    }

    /// Inserts all `keys` in their order and says of each whether it was there before, itself inserted earlier in the same call
    /// included: the same as [`Bloom::insert`] one by one, on all threads. Each thread takes keys of its own part of the filter,
    /// in their order, so the result does not depend on threads.
    ///
    /// # Panics
    /// With 2^32 keys or more at once. Some 10 000 to 100 000 are a good number.
    pub fn insert_all(&mut self, keys: &[u128], seen: &mut Vec<bool>) {
        let batch = Batch::new(&self.sizing, keys);
        self.insert_batch(batch, seen);
    }

    /// The same for keys that are in the order of the filter already.
    ///
    /// # Panics
    /// If the batch was made for a filter of another size.
    pub fn insert_batch(&mut self, mut batch: Batch, seen: &mut Vec<bool>) {
        assert_eq!(batch.blocks, self.sizing.blocks, "the batch is for this filter");
        let per_word = self.sizing.per_word;
        let mut rest = &mut batch.visits[..];
        let mut parts = Vec::with_capacity(batch.counts.len());
        for (blocks, &count) in self.blocks.chunks_mut(part(batch.blocks)).zip(&batch.counts) {
            let (visits, others) = std::mem::take(&mut rest).split_at_mut(count);
            rest = others;
            parts.push((blocks, visits));
        }
        parts.into_par_iter().for_each(|(blocks, visits)| {
            for i in 0..visits.len() {
                if let Some(coming) = visits.get(i + AHEAD) {
                    prefetch(blocks, coming.block as usize);
                }
                let visit = &mut visits[i];
                let old = insert(&mut blocks[visit.block as usize], visit.hash, per_word);
                visit.block = u32::from(old);
            }
        });
        seen.clear();
        seen.resize(batch.visits.len(), false);
        for visit in &batch.visits {
            seen[visit.key as usize] = visit.block == 1;
            self.keys += u64::from(visit.block == 0);
        }
    }

    /// The rate of false positives by now, from the keys inside.
    pub fn rate(&self) -> f64 {
        self.sizing.rate_at(self.keys)
    }

    /// Whether so many keys are inside that the rate is above the one asked for.
    pub fn is_overfull(&self) -> bool {
        self.sizing.is_overfull_with(self.keys)
    }

    /// An error if it is overfull. A full filter takes most keys for such that were there before, so `count` counts them
    /// all once more, to say how many there are; so many were `inside` before them.
    ///
    /// # Errors
    /// [`Error::OverFull`], and what `count` says.
    pub fn check<E: From<Error>>(
        &self,
        inside: u64,
        count: impl FnOnce(&mut Distinct) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.sizing.check(self.keys, inside, count)
    }
}

#[inline(always)]
pub(super) fn insert(block: &mut [u64; WORDS], hash: u64, per_word: u32) -> bool {
    let mut missing = 0;
    for (word, bit) in block.iter_mut().zip(bits(hash, per_word)) {
        missing |= bit & !*word;
        *word |= bit;
    }
    missing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> u128 {
        u128::from(mix(i)) | u128::from(mix(i ^ 1 << 60)) << 64
    }

    #[test]
    fn hits_are_those_of_thrown_bits() {
        for (thrown, fresh) in [(1, 1), (5, 2), (40, 3), (70, 4), (0, 1)] {
            let mut state = 1u64;
            let mut random = || {
                state += 1;
                mix(state)
            };
            let rounds = 200_000;
            let mut hits = 0;
            for _ in 0..rounds {
                let mut word = 0u64;
                (0..thrown).for_each(|_| word |= 1 << (random() & 63));
                hits += u32::from((0..fresh).all(|_| word >> (random() & 63) & 1 == 1));
            }
            let (got, want) = (f64::from(hits) / f64::from(rounds), hit(thrown, fresh));
            // Four deviations.
            let deviation = (want * (1.0 - want) / f64::from(rounds)).sqrt();
            assert!((got - want).abs() <= 4.0 * deviation + 1e-9, "{thrown} {fresh}: {got} {want}");
        }
    }

    #[test]
    fn the_measured_rate_is_at_most_the_one_asked_for() {
        for (expected, rate) in [(200_000, 1e-1), (200_000, 1e-2), (100_000, 1e-3), (20_000, 1e-4)] {
            let mut bloom = Bloom::new(Sizing::new(expected, rate).unwrap(), 1 << 30).unwrap();
            let mut early = 0;
            for i in 0..expected {
                early += u64::from(bloom.insert(key(i)));
            }
            // While it fills the rate is lower.
            assert!((early as f64) < rate * expected as f64, "{early} at {rate}");
            assert!((0..expected).all(|i| bloom.contains(key(i))));
            let probes = 4_000_000;
            let wrong = (0..probes).filter(|i| bloom.contains(key(1 << 40 | i))).count();
            let measured = wrong as f64 / probes as f64;
            assert!(measured <= rate, "{measured} for {rate}");
            // The formula is not only a bound.
            let formula = bloom.sizing().rate_at(expected);
            let deviation = (formula / probes as f64).sqrt();
            assert!((measured - formula).abs() < 4.0 * deviation + 0.02 * formula, "{measured} {formula}");
            assert!(!bloom.is_overfull() && bloom.rate() <= rate);
        }
    }

    #[test]
    fn sizes_are_those_of_the_table() {
        for (rate, bits) in [(1e-2, 10.3), (1e-4, 23.2), (1e-6, 39.5), (1e-15, 330.0)] {
            let sizing = Sizing::new(1_000_000, rate).unwrap();
            let found = sizing.bytes() as f64 * 8.0 / 1e6;
            assert!((found / bits - 1.0).abs() < 0.02, "{found} bits at {rate}");
            assert!(sizing.rate_at(1_000_000) <= rate);
        }
        assert!(
            Sizing::new(10, 0.9).is_err()
                && Sizing::new(10, 1e-16).is_err()
                && Sizing::new(10, f64::NAN).is_err()
        );
        assert!(Sizing::new(u64::MAX, 0.1).is_err());
        assert_eq!(Sizing::new(1000, 0.1).unwrap().rate_at(u64::MAX), 1.0);
        assert_eq!(Sizing::new(0, 0.1).unwrap().blocks, 1);
    }

    #[test]
    fn a_filter_that_is_too_full_says_so_and_one_too_large_too() {
        let mut bloom = Bloom::new(Sizing::new(1000, 1e-3).unwrap(), 1 << 20).unwrap();
        (0..80_000).for_each(|i| {
            bloom.insert(key(i));
        });
        // It knows the least of them itself.
        assert!(bloom.keys() < 40_000 && bloom.rate() > 0.01, "{}", bloom.keys());
        let all = |set: &mut Distinct| {
            (0..80_000).for_each(|i| set.add(key(i)));
            Ok(())
        };
        let error = bloom.check::<Error>(0, all).unwrap_err();
        let Error::OverFull { keys, enough, expected: 1000, .. } = error else { panic!("{error}") };
        assert!((78_000..82_000).contains(&keys) && (80_000..90_000).contains(&enough), "{keys} {enough}");
        let hint = regimen_base::Hint::hint(&error).unwrap();
        for part in [&format!("--bloom {enough}"), "leave out --bloom", "`dedup = \"exact\"`"] {
            assert!(hint.contains(part), "{hint}");
        }
        let error = Bloom::new(Sizing::new(1 << 40, 1e-6).unwrap(), 1 << 30).unwrap_err();
        assert!(matches!(error, Error::Memory { .. }));
    }

    #[test]
    fn all_at_once_is_one_by_one_at_any_number_of_threads() {
        let keys: Vec<u128> = (0..50_000).map(|i| key(mix(i) % 30_000)).collect();
        for expected in [1, 40, 30_000] {
            let sizing = Sizing::new(expected, 1e-3).unwrap();
            let mut one = Bloom::new(sizing, 1 << 30).unwrap();
            let want: Vec<bool> = keys.iter().map(|&key| one.insert(key)).collect();
            for threads in [1, 2, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut all = Bloom::new(sizing, 1 << 30).unwrap();
                let mut seen = Vec::new();
                let mut got = Vec::new();
                pool.install(|| {
                    for batch in keys.chunks(7001) {
                        all.insert_all(batch, &mut seen);
                        got.extend_from_slice(&seen);
                    }
                });
                assert!(got == want && all == one, "{threads} threads");
            }
        }
    }
}
