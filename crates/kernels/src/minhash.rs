//! MinHash signatures: the smallest value of each of many hash functions over a set of 64-bit hashes.
//!
//! Broder, "On the resemblance and containment of documents", SEQUENCES 1997: for a random function `h`, the smallest
//! `h` over two sets is the same with probability `|A ∩ B| / |A ∪ B|`.
//!
//! Two families of functions of a 64-bit hash `x`, which must itself be well mixed:
//! - [`minhash_u32`]: `h_i(x) = (a_i * low(x) + b_i) xor high(x)` in 32 bits, `a_i` odd. One product of 32 bits a function; the
//!   upper half breaks up the lattice in which all pairs of linear functions of one 32-bit number lie.
//! - [`minhash_m61`]: `h_i(x) = (a_i * x + b_i) mod (2^61 - 1)`, universal in the sense of Carter and Wegman, "Universal
//!   classes of hash functions", JCSS 1979.

/// The prime of [`minhash_m61`].
pub const M61: u64 = (1 << 61) - 1;

/// Functions whose minima are kept in registers at once in [`minhash_u32`]: four vectors of 512 bits, or eight of 256.
const LANES: usize = 64;
/// Functions of a vector of 512 bits; fewer take as long.
const VECTOR: usize = 16;
/// Functions that [`minhash_m61`] takes at once.
const WIDE_LANES: usize = 8;

simd! {
    /// `out[i] = min over x of (a[i] * low(x) + b[i]) xor high(x)`, where low and high are the halves of `x`; `u32::MAX` where
    /// `hashes` is empty. The `a[i]` should be odd.
    ///
    /// # Panics
    /// If the lengths of `a`, `b` and `out` differ.
    pub fn minhash_u32<_FMA>(hashes: &[u64], a: &[u32], b: &[u32], out: &mut [u32]) {
        assert!(a.len() == out.len() && b.len() == out.len(), "one factor and one term a function");
        for ((a, b), out) in a.chunks(LANES).zip(b.chunks(LANES)).zip(out.chunks_mut(LANES)) {
            match out.len().div_ceil(VECTOR) {
                1 => narrow::<VECTOR>(hashes, a, b, out),
                2 => narrow::<{ 2 * VECTOR }>(hashes, a, b, out),
                3 => narrow::<{ 3 * VECTOR }>(hashes, a, b, out),
                _ => narrow::<LANES>(hashes, a, b, out),
            }
        }
    }

    /// `out[i] = min over x of (a[i] * x + b[i]) mod (2^61 - 1)`, where `x` is taken modulo `2^61 - 1` first; `u64::MAX` where
    /// `hashes` is empty.
    ///
    /// # Panics
    /// If the lengths of `a`, `b` and `out` differ.
    pub fn minhash_m61<_FMA>(hashes: &[u64], a: &[u64], b: &[u64], out: &mut [u64]) {
        assert!(a.len() == out.len() && b.len() == out.len(), "one factor and one term a function");
        for ((a, b), out) in a.chunks(WIDE_LANES).zip(b.chunks(WIDE_LANES)).zip(out.chunks_mut(WIDE_LANES)) {
            wide(hashes, a, b, out);
        }
    }
}

/// At most `N` functions of 32 bits.
#[inline(always)]
fn narrow<const N: usize>(hashes: &[u64], a: &[u32], b: &[u32], out: &mut [u32]) {
    let (mut factor, mut term, mut least) = ([1u32; N], [0u32; N], [u32::MAX; N]);
    factor[..a.len()].copy_from_slice(a);
    term[..b.len()].copy_from_slice(b);
    for &x in hashes {
        let (low, high) = (x as u32, (x >> 32) as u32);
        for i in 0..N {
            let value = factor[i].wrapping_mul(low).wrapping_add(term[i]) ^ high;
            least[i] = least[i].min(value);
        }
    }
    out.copy_from_slice(&least[..out.len()]);
}

/// At most `WIDE_LANES` functions modulo `2^61 - 1`. Products are made of halves of 32 and 29 bits, which vectors can
/// multiply: with `a = a1 2^32 + a0` and `x` alike, `a x = 8 a1 x1 + (a1 x0 + a0 x1) 2^32 + a0 x0` modulo the prime, as
/// `2^64 = 8`.
#[inline(always)]
fn wide(hashes: &[u64], a: &[u64], b: &[u64], out: &mut [u64]) {
    let (mut low, mut high, mut term) = ([0u64; WIDE_LANES], [0u64; WIDE_LANES], [0u64; WIDE_LANES]);
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        let a = a % M61;
        (low[i], high[i], term[i]) = (a & 0xFFFF_FFFF, a >> 32, b % M61);
    }
    let mut least = [u64::MAX; WIDE_LANES];
    for &x in hashes {
        let x = fold(x);
        let x = x.min(x.wrapping_sub(M61));
        let (x0, x1) = (x & 0xFFFF_FFFF, x >> 32);
        for i in 0..WIDE_LANES {
            let bottom = low[i] * x0;
            let middle = high[i] * x0 + low[i] * x1;
            let top = (high[i] * x1) << 3;
            // middle * 2^32 = (middle / 2^29) * 2^61 + (middle mod 2^29) * 2^32. The sum is below 2^63.1.
            let sum = top
                + (middle >> 29)
                + ((middle & 0x1FFF_FFFF) << 32)
                + (bottom & M61)
                + (bottom >> 61)
                + term[i];
            let value = fold(sum);
            // Below the prime the difference wraps to something larger.
            least[i] = least[i].min(value.min(value.wrapping_sub(M61)));
        }
    }
    if !hashes.is_empty() {
        out.iter_mut().zip(least).for_each(|(out, least)| *out = least);
    } else {
        out.fill(u64::MAX);
    }
}

/// Congruent modulo `2^61 - 1` and at most `2^61 + 6`.
#[inline(always)]
fn fold(x: u64) -> u64 {
    (x & M61) + (x >> 61)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: usize, seed: u64) -> Vec<u64> {
        let mut s = seed | 1;
        (0..n)
            .map(|_| {
                s = s.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let z = (s ^ (s >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^ (z >> 31)
            })
            .collect()
    }

    fn naive_u32(hashes: &[u64], a: u32, b: u32) -> u32 {
        hashes
            .iter()
            .map(|&x| ((u64::from(a) * (x & 0xFFFF_FFFF) + u64::from(b)) as u32) ^ (x >> 32) as u32)
            .min()
            .unwrap_or(u32::MAX)
    }

    fn naive_m61(hashes: &[u64], a: u64, b: u64) -> u64 {
        let p = u128::from(M61);
        hashes
            .iter()
            .map(|&x| ((u128::from(a) * (u128::from(x) % p) + u128::from(b)) % p) as u64)
            .min()
            .unwrap_or(u64::MAX)
    }

    #[test]
    fn any_number_of_functions_and_hashes_agrees_with_the_formula() {
        for functions in [0, 1, 7, 16, 17, 64, 65, 100, 112, 260, 286] {
            let (a, b) = (numbers(functions, 1), numbers(functions, 2));
            let (a32, b32): (Vec<u32>, Vec<u32>) =
                a.iter().zip(&b).map(|(&a, &b)| (a as u32 | 1, b as u32)).unzip();
            for n in [0, 1, 2, 33] {
                let hashes = numbers(n, 3);
                let mut out = vec![0; functions];
                minhash_u32(&hashes, &a32, &b32, &mut out);
                for i in 0..functions {
                    assert_eq!(out[i], naive_u32(&hashes, a32[i], b32[i]), "{functions} {n} {i}");
                }
                let mut out = vec![0; functions];
                minhash_m61(&hashes, &a, &b, &mut out);
                for i in 0..functions {
                    assert_eq!(out[i], naive_m61(&hashes, a[i], b[i]), "{functions} {n} {i}");
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_reduced_exactly() {
        let ends = [0, 1, M61 - 1, M61, M61 + 1, 2 * M61, u64::MAX - 1, u64::MAX, 1 << 32, (1 << 32) - 1];
        for &x in &ends {
            let (a, b): (Vec<u64>, Vec<u64>) =
                ends.iter().flat_map(|&a| ends.iter().map(move |&b| (a, b))).unzip();
            let mut out = vec![0; a.len()];
            minhash_m61(&[x], &a, &b, &mut out);
            for i in 0..a.len() {
                assert_eq!(out[i], naive_m61(&[x], a[i], b[i]), "{} * {x} + {}", a[i], b[i]);
            }
        }
    }

    proptest! {
        #[test]
        fn all_numbers_agree_with_the_formula(hashes in prop::collection::vec(any::<u64>(), 0..20), a: u64, b: u64) {
            let mut wide = [0];
            minhash_m61(&hashes, &[a], &[b], &mut wide);
            prop_assert_eq!(wide[0], naive_m61(&hashes, a, b));
            let mut narrow = [0];
            minhash_u32(&hashes, &[a as u32 | 1], &[b as u32], &mut narrow);
            prop_assert_eq!(narrow[0], naive_u32(&hashes, a as u32 | 1, b as u32));
        }
    }
}
