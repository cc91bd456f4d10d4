//! Windows of a text and where they are anchored.
//!
//! A window is a stretch of the least length, `N` bytes. Its anchor is that of its `k`-grams, `k = N / 2`, whose hash is the
//! smallest (the leftmost of equal ones): the minimizer of Roberts, Hayes, Hunt, Mount, Yorke, "Reducing storage requirements for
//! biological sequence comparison", Bioinformatics 2004, also the winnowing of Schleimer, Wilkerson, Aiken, SIGMOD 2003. It depends
//! on the bytes of the window alone, so equal windows have equal anchors at equal places in them; and of the `w = N - k + 1`
//! `k`-grams about 2 in `w + 1` are anchors, each of a run of neighbouring windows.
//!
//! Hashes roll (Karp, Rabin 1987). That of a `k`-gram is a polynomial modulo 2^64: that two different ones share it costs time and
//! nothing else. That of a window is one modulo the prime 2^61 - 1, beside the hash of its anchor
//! and where that lies in it.

use std::convert::Infallible;
use std::ops::Range;

use crate::dedup::hash::mix;

/// Where polynomials are evaluated: an odd number for those modulo 2^64.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
/// The same modulo [`PRIME`].
const PRIME_BASE: u64 = 0x0B7E_1516_28AE_D2A7;
const PRIME: u64 = (1 << 61) - 1;
/// Spreads the hashes of `k`-grams over the order of anchors.
const SPREAD: u64 = 0xD6E8_FEB8_6659_FD93;

/// The least length, and what depends on it alone.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Bytes of a window.
    pub least: usize,
    /// Bytes of the grams among which the anchor is.
    gram: usize,
    /// For each byte that leaves a gram, what is added.
    leaves_gram: Box<[u64; 256]>,
    /// For each byte that leaves a window.
    leaves_window: Box<[u64; 256]>,
}

/// Buffers of one thread: 16 bytes for each window that is looked at in one call, and for each byte of a window.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Hashes of the grams.
    hashes: Vec<u64>,
    /// What they are ordered by, above their places; then the least of these up to the end of the block.
    ranks: Vec<u64>,
}

/// An anchor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anchor {
    /// Its first byte.
    pub at: u32,
    /// The hash of its gram.
    pub key: u64,
    /// The windows that have it, by their first bytes.
    pub windows: Range<u32>,
}

impl Shape {
    /// For windows of `least` bytes, at least 1.
    pub fn new(least: usize) -> Shape {
        let gram = (least / 2).max(1);
        let power = (0..gram).fold(1u64, |power, _| power.wrapping_mul(BASE));
        let leaves_gram =
            Box::new(std::array::from_fn(|byte| (byte as u64).wrapping_mul(power).wrapping_neg()));
        let power = (0..least).fold(1, |power, _| times(power, PRIME_BASE));
        let leaves_window = Box::new(std::array::from_fn(|byte| PRIME - times(byte as u64 + 1, power)));
        Shape { least, gram, leaves_gram, leaves_window }
    }

    /// Windows of a text of so many bytes.
    pub fn windows(&self, bytes: usize) -> usize {
        (bytes + 1).saturating_sub(self.least)
    }

    /// The anchors of the windows `range` of a text, in order, each with those windows of the range that have it.
    pub fn anchors<E>(
        &self,
        text: &[u8],
        range: Range<usize>,
        Room { hashes, ranks }: &mut Room,
        mut then: impl FnMut(Anchor) -> Result<(), E>,
    ) -> Result<(), E> {
        let (start, end) = (range.start, range.end.min(self.windows(text.len())));
        if start >= end {
            return Ok(());
        }
        self.hash_grams(&text[start..end - 1 + self.least], hashes);
        // Grams of a window. The least of them is that of the rest of a block of so many and of the begin of the next one (van
        // Herk; Gil, Werman, "Computing 2-D min, median, and max filters", 1993).
        let width = self.least - self.gram + 1;
        ranks.clear();
        ranks.extend((0u64..).zip(&*hashes).map(|(at, hash)| hash.wrapping_mul(SPREAD) & !PLACE | at));
        let mut anchor = |rank: u64, from: usize, to: usize| {
            let at = (rank & PLACE) as usize;
            let windows = (start + from) as u32..(start + to) as u32;
            then(Anchor { at: (start + at) as u32, key: mix(hashes[at]), windows })
        };
        let (mut run, mut from) = (u64::MAX, 0);
        let blocks = ranks.len().div_ceil(width);
        let mut window = 0;
        for block in 0..blocks {
            let cut = ((block + 1) * width).min(ranks.len());
            let (whole, behind) = ranks.split_at_mut(cut);
            let rests = &mut whole[block * width..];
            let mut least = u64::MAX;
            for rank in rests.iter_mut().rev() {
                least = least.min(*rank);
                *rank = least;
            }
            // Windows that begin in this block: each ends one gram further in the next one.
            let mut begun = u64::MAX;
            let ends = std::iter::once(u64::MAX).chain(behind.iter().copied());
            for (&rest, end) in rests.iter().zip(ends).take(end - start - window) {
                begun = begun.min(end);
                let least = rest.min(begun);
                if least != run {
                    if window > 0 {
                        anchor(run, from, window)?;
                    }
                    (run, from) = (least, window);
                }
                window += 1;
            }
        }
        anchor(run, from, window)
    }

    /// Place and key of the anchors of the windows `range` of a text, without that of the window before them.
    pub fn each_anchor(
        &self,
        text: &[u8],
        range: Range<usize>,
        room: &mut Room,
        mut then: impl FnMut(u32, u64),
    ) {
        let known = range.start.checked_sub(1);
        let mut first = known.is_some();
        let all = self.anchors(text, known.unwrap_or(0)..range.end, room, |anchor| {
            if !std::mem::take(&mut first) {
                then(anchor.at, anchor.key);
            }
            Ok::<(), Infallible>(())
        });
        let Ok(()) = all;
    }

    /// Place and key of those of the windows `range` of a text whose anchors are among the `repeated`, which rise.
    pub fn each_window(
        &self,
        text: &[u8],
        range: Range<usize>,
        repeated: &[u32],
        room: &mut Room,
        mut then: impl FnMut(u32, u128),
    ) {
        let mut repeated = &repeated[repeated.partition_point(|&at| (at as usize) < range.start)..];
        let mut rolled = None;
        let all = self.anchors(text, range, room, |anchor| {
            while let Some((&at, rest)) = repeated.split_first().filter(|(at, _)| **at <= anchor.at) {
                repeated = rest;
                if at == anchor.at {
                    self.keys(text, &anchor, &mut rolled, &mut then);
                }
            }
            Ok::<(), Infallible>(())
        });
        let Ok(()) = all;
    }

    /// The hashes of all grams of a text.
    fn hash_grams(&self, text: &[u8], hashes: &mut Vec<u64>) {
        let (first, rest) = text.split_at(self.gram.min(text.len()));
        let mut hash =
            first.iter().fold(0u64, |hash, &byte| hash.wrapping_mul(BASE).wrapping_add(byte.into()));
        hashes.clear();
        hashes.reserve(rest.len() + 1);
        hashes.push(hash);
        hashes.extend(text.iter().zip(rest).map(|(&leaves, &comes)| {
            let change = self.leaves_gram[usize::from(leaves)].wrapping_add(comes.into());
            hash = hash.wrapping_mul(BASE).wrapping_add(change);
            hash
        }));
    }

    /// The keys of the windows of an anchor in a text: two are equal if the windows are. `rolled` is the window before and its
    /// hash, if that is known: neighbours cost less than a first one.
    pub fn keys(
        &self,
        text: &[u8],
        anchor: &Anchor,
        rolled: &mut Option<(u32, u64)>,
        mut then: impl FnMut(u32, u128),
    ) {
        for window in anchor.windows.clone() {
            let at = window as usize;
            let hash = match *rolled {
                Some((before, hash)) if before.checked_add(1) == Some(window) => {
                    let (leaves, comes) = (text[at - 1], text[at - 1 + self.least]);
                    let change = self.leaves_window[usize::from(leaves)] + u64::from(comes) + 1;
                    reduced(times(hash, PRIME_BASE) + change)
                }
                _ => {
                    let all = text[at..at + self.least].iter();
                    all.fold(0, |hash, &byte| reduced(times(hash, PRIME_BASE) + u64::from(byte) + 1))
                }
            };
            *rolled = Some((window, hash));
            // Equal windows have their anchors at equal places.
            let anchored = mix(anchor.key ^ u64::from(anchor.at - window).wrapping_mul(SPREAD));
            then(window, u128::from(anchored) << 64 | u128::from(mix(hash)));
        }
    }
}

/// The bits of a rank that are the place of its gram.
const PLACE: u64 = 0xFFFF_FFFF;

/// A product modulo [`PRIME`] of numbers below it.
#[inline(always)]
fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    reduced((product as u64 & PRIME) + (product >> 61) as u64)
}

/// A number below 2^63 modulo [`PRIME`].
#[inline(always)]
fn reduced(x: u64) -> u64 {
    let x = (x & PRIME) + (x >> 61);
    if x >= PRIME { x - PRIME } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn anchors(shape: &Shape, text: &[u8], range: Range<usize>) -> Vec<Anchor> {
        let mut found = Vec::new();
        let put = |anchor| {
            found.push(anchor);
            Ok::<(), ()>(())
        };
        shape.anchors(text, range, &mut Room::default(), put).unwrap();
        found
    }

    #[test]
    fn sums_and_products_are_those_of_the_prime() {
        for (a, b) in [(PRIME - 1, PRIME - 1), (1, PRIME - 1), (0, 5), (1 << 60, 1 << 60), (PRIME_BASE, 3)] {
            assert_eq!(u128::from(times(a, b)), u128::from(a) * u128::from(b) % u128::from(PRIME));
        }
        assert_eq!((reduced(PRIME), reduced(PRIME - 1), reduced(2 * PRIME + 7)), (0, PRIME - 1, 7));
    }

    #[test]
    fn few_grams_are_anchors() {
        let text: Vec<u8> = (0..100_000u64).map(|i| b'a' + (mix(i) % 26) as u8).collect();
        let shape = Shape::new(500);
        let found = anchors(&shape, &text, 0..text.len());
        let expected = 2.0 * text.len() as f64 / 252.0;
        assert!((found.len() as f64 - expected).abs() < 0.1 * expected, "{} of {expected}", found.len());
    }

    proptest! {
        #[test]
        fn equal_windows_have_equal_anchors_and_keys(text in "[ab]{0,60}|[a-d]{0,80}|(abcab){0,12}", least in 1usize..12, cut in 0usize..80) {
            let (text, shape) = (text.as_bytes(), Shape::new(least));
            let windows = shape.windows(text.len());
            prop_assert_eq!(windows, text.windows(least).count());
            let whole = anchors(&shape, text, 0..windows);
            prop_assert!(whole.windows(2).all(|two| two[0].at < two[1].at && two[0].windows.end == two[1].windows.start));
            let mut keys: HashMap<&[u8], (u32, u128)> = HashMap::new();
            let mut texts: HashMap<u128, &[u8]> = HashMap::new();
            let (mut count, mut rolled) = (0, None);
            for (number, anchor) in whole.iter().enumerate() {
                if number % 3 == 0 {
                    rolled = None;
                }
                shape.keys(text, anchor, &mut rolled, |at, key| {
                    let window = &text[at as usize..][..least];
                    assert_eq!(*keys.entry(window).or_insert((anchor.at - at, key)), (anchor.at - at, key));
                    assert_eq!(*texts.entry(key).or_insert(window), window);
                    assert_eq!(at, count);
                    count += 1;
                });
            }
            prop_assert_eq!(count as usize, windows);
            // In two pieces the same, but for the anchor of the windows on both sides of the cut.
            let cut = cut.min(windows);
            let mut both = anchors(&shape, text, 0..cut);
            for anchor in anchors(&shape, text, cut..windows + 9) {
                match both.last_mut() {
                    Some(last) if last.at == anchor.at => last.windows.end = anchor.windows.end,
                    _ => both.push(anchor),
                }
            }
            prop_assert_eq!(both, whole);
        }
    }
}
