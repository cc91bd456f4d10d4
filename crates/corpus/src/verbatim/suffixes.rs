//! The suffix array of a text, by libsais (Grebnov; induced sorting after Nong, Zhang, Chan, "Linear suffix array construction by
//! almost pure induced-sorting", 2009): linear time on one thread, and next to no memory but the array itself.

use libsais::{OutputElement, SuffixArrayConstruction};

use crate::dedup::{Error, Result};

/// The longest text whose positions are 32 bits wide.
pub(super) const NARROW: u64 = i32::MAX as u64;

/// A place in the text: 32 or 64 bits.
pub(super) trait Position: Copy + Send + Sync + OutputElement {
    fn at(self) -> usize;

    /// The suffix array of `text`.
    fn suffixes(text: &[u8]) -> Result<Vec<Self>>;
}

macro_rules! position {
    ($($int:ty, $owned:ident;)+) => {$(
        impl Position for $int {
            #[inline(always)]
            fn at(self) -> usize {
                self as usize
            }

            fn suffixes(text: &[u8]) -> Result<Vec<$int>> {
                let suffixes = SuffixArrayConstruction::for_text(text).$owned().single_threaded().run();
                // It fails only for want of memory.
                let what = || format!("the suffix array of {} bytes of text", text.len());
                let needed = memory_for(text.len() as u64);
                Ok(suffixes.map_err(|_| Error::Memory { what: what(), needed, allowed: 0 })?.into_vec())
            }
        }
    )+};
}

position! {
    i32, in_owned_buffer32;
    i64, in_owned_buffer64;
}

/// Bytes of memory for a text and its suffix array: 5 a byte of text up to 2 GiB, 9 above.
pub(super) fn memory_for(text: u64) -> u64 {
    text.saturating_mul(if text > NARROW { 9 } else { 5 })
}

/// The longest text for which `memory` bytes suffice.
pub(super) fn text_in(memory: u64) -> u64 {
    (memory / 5).min(NARROW).max(memory / 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_fits_and_one_byte_more_does_not() {
        for memory in [0, 4, 5, 1000, 1_000_000_000, 5 * NARROW, 5 * NARROW + 4, 9 * NARROW, 40_000_000_000] {
            let text = text_in(memory);
            assert!(memory_for(text) <= memory, "{memory}");
            assert!(memory_for(text + 1) > memory, "{memory}");
        }
    }

    #[test]
    fn both_widths_sort_alike() {
        let narrow: Vec<usize> = i32::suffixes(b"banana\xffband").unwrap().iter().map(|p| p.at()).collect();
        let wide: Vec<usize> = i64::suffixes(b"banana\xffband").unwrap().iter().map(|p| p.at()).collect();
        assert_eq!(narrow, wide);
        assert_eq!(narrow, [1, 3, 8, 5, 0, 7, 10, 2, 4, 9, 6]);
    }
}
