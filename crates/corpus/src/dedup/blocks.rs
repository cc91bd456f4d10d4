//! Blocks of 64 bytes that lie on cache lines: looking one up is one access to memory.

use std::ops::{Deref, DerefMut};

use super::bloom::WORDS;

/// As many blocks as were asked for. Pages of them that were never written take no memory.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The blocks, with room to shift them.
    words: Vec<u64>,
    /// Words before the first block.
    start: usize,
}

impl Blocks {
    /// Blocks of zeros.
    pub fn zeros(number: usize) -> Blocks {
        let words = vec![0u64; number.saturating_mul(WORDS).saturating_add(WORDS - 1)];
        // Without an answer they lie as they do, which is only slower.
        let start = words.as_ptr().align_offset(WORDS * size_of::<u64>()).min(WORDS - 1);
        Blocks { words, start }
    }
}

impl Clone for Blocks {
    fn clone(&self) -> Blocks {
        let mut blocks = Blocks::zeros(self.len());
        blocks.copy_from_slice(self);
        blocks
    }
}

impl PartialEq for Blocks {
    fn eq(&self, other: &Blocks) -> bool {
        self[..] == other[..]
    }
}

impl Deref for Blocks {
    type Target = [[u64; WORDS]];

    fn deref(&self) -> &[[u64; WORDS]] {
        self.words[self.start..].as_chunks().0
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut [[u64; WORDS]] {
        self.words[self.start..].as_chunks_mut().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lie_on_cache_lines() {
        for number in [0, 1, 2, 7, 100, 100_000] {
            let mut blocks = Blocks::zeros(number);
            assert_eq!(blocks.len(), number);
            assert!(blocks.iter().all(|block| *block == [0; WORDS]));
            assert_eq!(blocks.as_ptr().addr() % 64, 0);
            if let Some(last) = blocks.last_mut() {
                *last = [7; WORDS];
                assert_ne!(blocks, Blocks::zeros(number));
            }
            let same = blocks.clone();
            assert_eq!((same.as_ptr().addr() % 64, &same), (0, &blocks));
        }
    }
}
