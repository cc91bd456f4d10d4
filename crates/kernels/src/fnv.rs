//! Hashes of the stretches of a text, many at once.
//!
//! FNV-1a (Fowler, Noll, Vo) takes a byte at a time, `h = (h xor byte) * 16777619` modulo 2^32, and each step waits for the one
//! before. The stretches that begin at neighbouring bytes do not wait for each other: those of `n + 1` bytes come of those of `n`
//! bytes, one step for all of them.

/// The hash of no bytes.
pub const FNV_START: u32 = 2_166_136_261;
/// The factor of a step.
pub const FNV_PRIME: u32 = 16_777_619;

simd! {
    /// `hashes[i]` is that of a stretch before `bytes[i]`, and becomes that with it. Bytes above 127 are taken as negative numbers of
    /// 32 bits, as fastText takes them.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn fnv_next<_FMA>(hashes: &mut [u32], bytes: &[u8]) {
        assert_eq!(hashes.len(), bytes.len(), "one byte a hash");
        for (hash, &byte) in hashes.iter_mut().zip(bytes) {
            *hash = (*hash ^ byte as i8 as u32).wrapping_mul(FNV_PRIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_all_stretches_are_those_of_one() {
        let text: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37)).collect();
        let mut hashes = vec![FNV_START; 90];
        for length in 1..=10 {
            fnv_next(&mut hashes, &text[length - 1..][..90]);
            for (start, &hash) in hashes.iter().enumerate() {
                let one = |hash: u32, byte: &u8| (hash ^ *byte as i8 as u32).wrapping_mul(FNV_PRIME);
                assert_eq!(hash, text[start..start + length].iter().fold(FNV_START, one));
            }
        }
        // As published for "foobar".
        let mut whole = [FNV_START];
        b"foobar".iter().for_each(|&byte| fnv_next(&mut whole, &[byte]));
        assert_eq!(whole, [0xbf9c_f968]);
    }
}
