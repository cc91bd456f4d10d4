//! The hashes by which KenLM names words and n-grams.

/// MurmurHash64A (Appleby, public domain) with seed 0.
pub(crate) fn word_hash(word: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = (word.len() as u64).wrapping_mul(M);
    let (blocks, rest) = word.as_chunks::<8>();
    for block in blocks {
        let mut k = u64::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> 47;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 47)
}

/// Whether a word stands for all unknown ones; it has the index 0.
pub(crate) fn is_unknown(word: &[u8]) -> bool {
    matches!(word, b"<unk>" | b"<UNK>")
}

/// The key of an n-gram from that of the n-gram without its first word, which is `word`. The key of one word is its index.
pub(crate) fn extend(key: u64, word: u32) -> u64 {
    key.wrapping_mul(8_978_948_897_894_561_157)
        ^ u64::from(word.wrapping_add(1)).wrapping_mul(17_894_857_484_156_487_943)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_the_format() {
        // From KenLM's own binary files: see also the peer test, which reads whole models.
        assert_eq!(word_hash(b""), 0);
        assert_ne!(word_hash(b"12345678"), word_hash(b"123456789"));
        assert_eq!(extend(0, 0), 17_894_857_484_156_487_943);
    }
}
