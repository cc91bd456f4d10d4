//! Whether two texts are near copies, by their shingles themselves.
//!
//! Texts that share a band ([`super::lsh`]) are candidates: with `b` bands of `r` rows a pair of similarity `s` is one with probability
//! `1 - (1 - s^r)^b`, so some pairs are that are less alike than wanted. Here their similarity is counted, not estimated from
//! signatures: `J(A, B) = |A and B| / |A or B|` of the sets `A` and `B` of all their shingles (Jaccard; Broder, "On the resemblance
//! and containment of documents", SEQUENCES 1997). Shingles are compared by their 64-bit hashes, of which two different ones are equal
//! with probability 2^-64.
//!
//! A long text is gone through several times, for a share of its shingles each, by the remainder of their hashes: so sets stay
//! within their room. What was found of a pair is remembered, as far as there is room: most pairs share several bands.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::{Error, Result};
use super::hash::mix;
use super::minhash::common;
use super::shingle::Shingles;

/// Bytes of a set for a byte of text, at most: each may begin a shingle, and a list grows to twice of what it holds.
const WEIGHT: u64 = 16;

/// Tells whether two texts are as alike as wanted. It is shared by threads.
#[derive(Debug)]
pub struct Verify {
    shingles: Shingles,
    least: f64,
    /// Bytes for the sets of one thread, and of the one that has long texts.
    room: u64,
    room_of_long: u64,
    known: Known,
}

impl Verify {
    /// Texts are near copies from a similarity of `least` on, above 0 and at most 1. Sets and what is remembered of the pairs of so
    /// many documents stay within `memory` bytes, if all threads of the pool work with it.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn new(shingles: Shingles, least: f64, documents: u32, memory: u64) -> Result<Verify> {
        if !(least > 0.0 && least <= 1.0) {
            return Err(Error::option("verify", least, "above 0, at most 1"));
        }
        let room_of_long = memory / 4;
        let room = room_of_long / rayon::current_num_threads().max(1) as u64;
        let known = Known::new(documents, memory / 2);
        Ok(Verify { shingles: shingles.check()?, least, room, room_of_long, known })
    }

    /// What was found of a pair of documents, unless it was forgotten.
    pub fn known(&self, a: u32, b: u32) -> Option<bool> {
        self.known.get(a.min(b), a.max(b))
    }

    /// Whether the texts of documents `a` and `b` are as alike as wanted; none if `stop` says so on the way. Only one thread at a
    /// time may say that its texts are `long`: it has more room.
    pub fn alike(
        &self,
        (a, one): (u32, &str),
        (b, other): (u32, &str),
        long: bool,
        stop: impl Fn() -> bool,
    ) -> Option<bool> {
        let room = if long { self.room_of_long } else { self.room };
        let alike = self.similarity(one, other, room, stop)? >= self.least;
        self.known.put(a.min(b), a.max(b), alike);
        Some(alike)
    }

    /// The similarity of two texts; 0 if neither has a shingle. None if `stop` says so.
    fn similarity(&self, one: &str, other: &str, room: u64, stop: impl Fn() -> bool) -> Option<f64> {
        let needed = WEIGHT.saturating_mul((one.len() + other.len()) as u64);
        let parts = needed.div_ceil(room.max(1)).max(1);
        let (mut a, mut b) = (Set::default(), Set::default());
        let (mut both, mut all) = (0, 0);
        for part in 0..parts {
            if stop() {
                return None;
            }
            a.fill(self.shingles, one, part, parts);
            b.fill(self.shingles, other, part, parts);
            let found = common(&a.hashes, &b.hashes);
            (both, all) = (both + found.0, all + found.1);
        }
        Some(if all == 0 { 0.0 } else { both as f64 / all as f64 })
    }
}

/// Shingles of a text, sorted, without repeats.
#[derive(Default)]
struct Set {
    hashes: Vec<u64>,
    units: Vec<u64>,
    shingles: Vec<u64>,
}

/// Hashes that are held before repeats are looked for.
const LEAST: usize = 1 << 16;

impl Set {
    /// Those of `text` whose hash leaves the remainder `part` when it is divided by `parts`.
    fn fill(&mut self, kind: Shingles, text: &str, part: u64, parts: u64) {
        let hashes = &mut self.hashes;
        hashes.clear();
        let mut most = LEAST;
        kind.each(text, &mut self.units, &mut self.shingles, |some| {
            hashes.extend(some.iter().filter(|&hash| parts == 1 || hash % parts == part));
            if hashes.len() >= most {
                hashes.sort_unstable();
                hashes.dedup();
                most = LEAST.max(2 * hashes.len());
            }
        });
        hashes.sort_unstable();
        hashes.dedup();
    }
}

/// What was found of pairs: each has one place, and the last one that came there has it.
#[derive(Debug)]
struct Known {
    /// The smaller ordinal above the larger one if they are alike, below it if not; 0 where none came yet.
    slots: Vec<AtomicU64>,
}

impl Known {
    fn new(documents: u32, memory: u64) -> Known {
        let wanted = 2 * u64::from(documents);
        let slots = wanted.min(memory / 8).max(2).next_power_of_two() / 2;
        Known { slots: (0..slots).map(|_| AtomicU64::new(0)).collect() }
    }

    fn slot(&self, low: u32, high: u32) -> &AtomicU64 {
        // A power of two, at least 1.
        &self.slots[mix(pair(low, high)) as usize & (self.slots.len() - 1)]
    }

    fn get(&self, low: u32, high: u32) -> Option<bool> {
        let found = self.slot(low, high).load(Relaxed);
        if found == pair(low, high) {
            Some(true)
        } else if found == pair(high, low) {
            Some(false)
        } else {
            None
        }
    }

    fn put(&self, low: u32, high: u32, alike: bool) {
        let value = if alike { pair(low, high) } else { pair(high, low) };
        self.slot(low, high).store(value, Relaxed);
    }
}

fn pair(above: u32, below: u32) -> u64 {
    u64::from(above) << 32 | u64::from(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::minhash::jaccard;

    fn words(seed: u64, count: u64) -> String {
        (0..count).map(|i| format!("w{} ", char::from(b'a' + (mix(seed ^ i << 9) % 20) as u8))).collect()
    }

    #[test]
    fn similarities_are_those_of_the_whole_sets_whatever_the_room() {
        let one = words(1, 1000);
        let other = format!("{} {}", &one[..2000], words(2, 400));
        let texts = [
            String::new(),
            "a b".into(),
            one,
            other,
            "a ".repeat(6000),
            "漢字 三".repeat(4000),
            "字".repeat(7000),
        ];
        for kind in [Shingles::Words(3), Shingles::Spaced(5), Shingles::Characters(12)] {
            let set = |text: &str| {
                let mut out = Vec::new();
                kind.of(text, &mut Vec::new(), &mut out);
                out
            };
            for memory in [1 << 18, 1 << 26] {
                let verify = Verify::new(kind, 0.5, 10, memory).unwrap();
                for (i, a) in texts.iter().enumerate() {
                    for b in &texts[..=i] {
                        let expected = jaccard(&mut set(a), &mut set(b));
                        let found = verify.similarity(a, b, verify.room, || false);
                        assert_eq!(found, Some(expected), "{kind:?} {memory}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_threshold_is_met_by_what_equals_it() {
        let alike = |least, one, other| {
            let verify = Verify::new(Shingles::Words(1), least, 2, 1 << 20).unwrap();
            assert_eq!(verify.alike((0, one), (1, other), false, || true), None);
            verify.alike((0, one), (1, other), true, || false).unwrap()
        };
        // Two of three words are in both.
        assert!(alike(2.0 / 3.0, "a b", "a b c") && !alike(0.67, "a b", "a b c"));
        assert!(alike(1.0, "a b b", "B, a") && !alike(0.01, "a", "b") && !alike(0.01, "", ""));
        for wrong in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(matches!(Verify::new(Shingles::Words(1), wrong, 2, 1 << 20), Err(Error::Option { .. })));
        }
    }

    #[test]
    fn what_is_remembered_of_a_pair_is_its_own() {
        let known = Known::new(1000, 1 << 10);
        assert_eq!(known.slots.len(), 64);
        let alike = |a: u32, b: u32| (a * 7 + b).is_multiple_of(3);
        let mut right = 0;
        for b in 1..60 {
            for a in 0..b {
                assert_eq!(known.get(a, b), None);
                known.put(a, b, alike(a, b));
                assert_eq!(known.get(a, b), Some(alike(a, b)));
            }
            (0..b).filter_map(|a| Some((a, known.get(a, b)?))).for_each(|(a, found)| {
                assert_eq!(found, alike(a, b));
                right += 1;
            });
        }
        assert!(right > 500, "{right}");
        assert_eq!(Known::new(0, 0).slots.len(), 1);
    }
}
