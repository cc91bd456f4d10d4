//! Questions to 64 bytes at a time: which of them are of a kind, as the bits of one number. The question is asked of
//! whole vectors of bytes; what is rare is then found by looking at set bits alone.

/// Bytes that are asked at once.
pub(super) const BLOCK: usize = 64;

/// Whether each byte of a block is of a kind; the first byte is the lowest bit.
#[inline(always)]
pub(super) fn which(block: &[u8; BLOCK], kind: impl Fn(u8) -> bool) -> u64 {
    let mut answers = [0u8; BLOCK];
    for (answer, &byte) in answers.iter_mut().zip(block) {
        *answer = u8::from(kind(byte));
    }
    let mut bits = 0;
    for (i, eight) in answers.as_chunks::<8>().0.iter().enumerate() {
        // The product moves the lowest bit of the k-th byte to bit 56 + k; no two parts of it meet.
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= gathered << (8 * i);
    }
    bits
}

/// Whether any byte of a block is of a kind.
#[inline(always)]
pub(super) fn has(block: &[u8; BLOCK], kind: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(0u8, |seen, &byte| seen | u8::from(kind(byte))) != 0
}

/// The block that begins at a place, filled up with spaces behind the end.
#[inline(always)]
pub(super) fn block(bytes: &[u8], start: usize) -> [u8; BLOCK] {
    let rest = &bytes[start..];
    match rest.first_chunk() {
        Some(block) => *block,
        None => {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block
        }
    }
}

/// Looks for bytes of a kind, forwards, a block at a time.
pub(super) struct Finder<'b, K> {
    bytes: &'b [u8],
    kind: K,
    /// Start of the block looked at last, and its bytes of the kind.
    at: usize,
    bits: u64,
}

impl<'b, K: Fn(u8) -> bool> Finder<'b, K> {
    /// For bytes for which `kind` holds; it must not hold for a space.
    pub fn new(bytes: &'b [u8], kind: K) -> Finder<'b, K> {
        let mut finder = Finder { bytes, kind, at: 0, bits: 0 };
        finder.look(0);
        finder
    }

    #[inline(always)]
    fn look(&mut self, at: usize) {
        self.at = at;
        self.bits = if at < self.bytes.len() { which(&block(self.bytes, at), &self.kind) } else { 0 };
    }

    /// The first one at `from` or behind it, which must not lie before the one found last.
    #[inline]
    pub fn next(&mut self, from: usize) -> Option<usize> {
        let start = from / BLOCK * BLOCK;
        if start > self.at {
            self.look(start);
        }
        let mut bits = if from > self.at { self.bits & (u64::MAX << (from - self.at)) } else { self.bits };
        while bits == 0 {
            let next = self.at + BLOCK;
            if next >= self.bytes.len() {
                return None;
            }
            self.look(next);
            bits = self.bits;
        }
        Some(self.at + bits.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), steps in prop::collection::vec(0usize..90, 0..40)) {
            let kind = |b: u8| b % 5 == 3;
            for start in (0..bytes.len()).step_by(BLOCK) {
                let block = block(&bytes, start);
                let bits = which(&block, kind);
                for i in 0..BLOCK {
                    prop_assert_eq!(bits >> i & 1 == 1, bytes.get(start + i).is_some_and(|b| kind(*b)));
                }
                prop_assert_eq!(has(&block, kind), bits != 0);
            }
            let mut finder = Finder::new(&bytes, kind);
            let mut from = 0;
            for step in steps {
                let naive = (from..bytes.len()).find(|&i| kind(bytes[i]));
                prop_assert_eq!(finder.next(from), naive);
                let Some(at) = naive else { break };
                from = at + step;
            }
        }
    }
}
