//! A 64-bit hash of short pieces of text, the same on every machine.

const FACTORS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];

/// Both halves of a 128-bit product, folded.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Hash of `bytes[start..end]`: eight bytes at a time, each folded in by a 128-bit product (the construction of wyhash),
/// the length at the end.
#[inline]
pub(crate) fn hash(bytes: &[u8], start: usize, end: usize) -> u64 {
    let mut state = FACTORS[0];
    let mut i = start;
    while i + 8 < end {
        state = fold(state ^ word(bytes, i), FACTORS[1]);
        i += 8;
    }
    let rest = end - i;
    let last = if i + 8 <= bytes.len() {
        // Bytes behind the end are read and cut off.
        word(bytes, i) & mask(rest)
    } else {
        let mut last = [0; 8];
        last[..rest].copy_from_slice(&bytes[i..end]);
        u64::from_le_bytes(last)
    };
    fold(state ^ last, FACTORS[1] ^ (end - start) as u64)
}

/// The lowest `bytes` of a word, of 1 to 8; none of 0.
#[inline]
fn mask(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { u64::MAX >> (64 - 8 * bytes) }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes[at..].first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_lies_around_a_piece_does_not_matter(
            before in prop::collection::vec(any::<u8>(), 0..20), piece in prop::collection::vec(any::<u8>(), 0..40),
            after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let all = [before.clone(), piece.clone(), after].concat();
            let alone = hash(&piece, 0, piece.len());
            prop_assert_eq!(alone, hash(&all, before.len(), before.len() + piece.len()));
        }
    }

    #[test]
    fn lengths_and_single_bits_make_a_difference() {
        let mut seen = std::collections::HashSet::new();
        for length in 0..40 {
            let mut bytes = vec![0u8; length];
            assert!(seen.insert(hash(&bytes, 0, length)));
            for bit in 0..8 * length {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(seen.insert(hash(&bytes, 0, length)), "bit {bit} of {length} bytes");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
