//! Fingerprints of bytes: fast, 64 or 128 bits, the same on every machine and in every version that does not say
//! otherwise in its change log.
//!
//! Eight bytes at a time are mixed by a product of 64 x 64 bits whose halves are folded together (the step of wyhash, Wang
//! Yi, and of the "folded multiply"). They are no cryptographic hashes: who chooses the text can make two texts collide. For
//! honest text two of `n` things share a fingerprint with probability `n^2 / 2^65`: 3e-8 for a million, 3e-2 for a
//! billion. The identity of documents is blake3 (`DocKey`).

/// Odd constants without structure: the fraction of the golden ratio, and primes near the fractions of square roots.
const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xD6E8_FEB8_6659_FD93;
const K2: u64 = 0xA076_1D64_78BD_642F;
const K3: u64 = 0xE703_7ED1_A0B4_28DB;

/// The two halves of the product, folded.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A bijection of 64 bits in which every bit of the input moves every bit of the output (the finaliser of splitmix64, Steele,
/// Lea, Flood 2014, with Stafford's constants).
#[inline(always)]
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// One step of a hash over 64-bit words.
#[inline(always)]
pub(crate) fn step(state: u64, word: u64) -> u64 {
    fold(state ^ word, K1).wrapping_add(K0) ^ state.rotate_left(29)
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    let mut buffer = [0u8; 8];
    buffer[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(buffer)
}

/// Two independent states over the words of `bytes`.
#[inline]
fn states(bytes: &[u8], seed: u64) -> (u64, u64) {
    let length = bytes.len() as u64;
    let (mut a, mut b) = (mix(seed ^ K2).wrapping_add(length), mix(seed ^ K3) ^ length.wrapping_mul(K0));
    let (pairs, rest) = bytes.as_chunks::<16>();
    for pair in pairs {
        let (x, y) = (word(&pair[..8]), word(&pair[8..]));
        a = fold(a ^ x, y ^ K1).wrapping_add(b);
        b = fold(b ^ y, x ^ K2).wrapping_add(K0) ^ a.rotate_left(17);
    }
    if !rest.is_empty() {
        let (x, y) = (word(&rest[..rest.len().min(8)]), word(&rest[rest.len().min(8)..]));
        a = fold(a ^ x, y ^ K1).wrapping_add(b);
        b = fold(b ^ y, x ^ K2).wrapping_add(K0) ^ a.rotate_left(17);
    }
    (a, b)
}

/// 64-bit fingerprint of `bytes` under `seed`.
#[inline]
pub fn hash64(bytes: &[u8], seed: u64) -> u64 {
    let (a, b) = states(bytes, seed);
    mix(fold(a ^ K3, b ^ K0))
}

/// 128-bit fingerprint of `bytes` under `seed`.
#[inline]
pub fn hash128(bytes: &[u8], seed: u64) -> u128 {
    let (a, b) = states(bytes, seed);
    u128::from(mix(fold(a ^ K3, b ^ K0))) | u128::from(mix(fold(a ^ K1, b.rotate_left(32) ^ K2))) << 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn short_texts_and_lengths_do_not_collide() {
        let mut seen = HashSet::new();
        for length in 0..200 {
            assert!(seen.insert(hash64(&vec![0; length], 0)), "{length} zeros");
        }
        for a in 0..=255u8 {
            assert!(seen.insert(hash64(&[a, 7], 0)));
            for b in 1..=255u8 {
                assert!(seen.insert(hash64(&[a, b, 1], 0)));
            }
        }
        assert_ne!(hash64(b"a", 0), hash64(b"a", 1));
    }

    #[test]
    fn every_bit_moves_half_of_the_result() {
        for length in [1usize, 5, 8, 9, 16, 17, 40] {
            let text: Vec<u8> = (0..length as u8).map(|i| i.wrapping_mul(37)).collect();
            let plain = hash128(&text, 0);
            for bit in 0..8 * length {
                let mut other = text.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let moved = (hash128(&other, 0) ^ plain).count_ones();
                assert!((32..96).contains(&moved), "bit {bit} of {length} bytes moves {moved} bits");
            }
        }
    }

    #[test]
    fn the_bytes_of_a_fingerprint_are_fixed() {
        let text = b"the same on every machine";
        assert_eq!(hash64(b"", 0), 5_280_141_089_279_701_000);
        assert_eq!(hash64(text, 1), 7_261_565_690_089_036_365);
        assert_eq!(hash128(text, 0), 107_720_115_575_068_098_846_170_906_239_225_808_132);
        assert_eq!(hash128(text, 0) as u64, hash64(text, 0));
    }
}
