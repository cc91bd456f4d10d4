//! N-grams of characters of many words at once, where every character is a byte.

use regimen_kernels::{FNV_START, fnv_next};

use super::hash::Remainder;

/// Bytes of words that are gathered: their hashes stay in the first cache.
const BYTES: usize = 512;
/// N-grams are shorter: so much is known of what is left of a word.
pub(crate) const LONGEST: i32 = 255;

/// Words that wait for their n-grams.
#[derive(Debug, Default)]
pub(crate) struct Ascii {
    /// `<word>` after `<word>`.
    text: Vec<u8>,
    /// How many bytes there are from each to the end of its word, that byte included; 255 for more.
    left: Vec<u8>,
    /// Of the n-grams of each length, from the shortest, that begin at each byte, the rows of the matrix.
    rows: Vec<u32>,
    hashes: Vec<u32>,
}

impl Ascii {
    /// Whether it takes a word: all of ASCII, and not longer than what is gathered.
    pub fn takes(word: &[u8]) -> bool {
        word.len() + 2 <= BYTES && word.is_ascii()
    }

    /// Whether a word still fits beside those that wait.
    pub fn fits(&self, word: &[u8]) -> bool {
        self.text.len() + word.len() + 2 <= BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Let a word wait.
    pub fn push(&mut self, word: &[u8]) {
        self.text.push(b'<');
        self.text.extend_from_slice(word);
        self.text.push(b'>');
        self.left.extend((1..=word.len() + 2).rev().map(|left| left.min(255) as u8));
    }

    /// Append the rows of the n-grams of all words that wait to `out`, by where they begin and then by length: `N` lengths from
    /// `shortest`, which is 2 or more, in a table of which they are the rows from `first` on.
    pub fn finish<const N: usize>(
        &mut self,
        shortest: usize,
        bucket: Remainder,
        first: u32,
        out: &mut Vec<u32>,
    ) {
        let count = self.text.len();
        let longest = shortest + N - 1;
        // Stretches that would run over the end of their word are not taken.
        self.text.resize(count + longest, 0);
        self.hashes.clear();
        self.hashes.resize(count, FNV_START);
        self.rows.clear();
        for length in 1..=longest {
            fnv_next(&mut self.hashes, &self.text[length - 1..][..count]);
            if length >= shortest {
                match bucket.mask() {
                    Some(mask) => self.rows.extend(self.hashes.iter().map(|hash| first + (hash & mask))),
                    None => self.rows.extend(self.hashes.iter().map(|&hash| first + bucket.of(hash))),
                }
            }
        }
        let start = out.len();
        out.resize(start + N * count, 0);
        let mut at = start;
        let lengths: [&[u32]; N] = std::array::from_fn(|i| &self.rows[i * count..][..count]);
        for (i, &left) in self.left.iter().enumerate() {
            let place = &mut out[at..][..N];
            (0..N).for_each(|n| place[n] = lengths[n][i]);
            at += usize::from(left).min(longest).saturating_sub(shortest - 1);
        }
        out.truncate(at);
        self.text.clear();
        self.left.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Fnv;
    use super::*;
    use proptest::prelude::*;

    /// Rows in the order in which fastText makes them, one n-gram after the other.
    fn one_by_one(words: &[String], lengths: std::ops::RangeInclusive<usize>, bucket: u32) -> Vec<u32> {
        let mut rows = Vec::new();
        for word in words {
            let word = format!("<{word}>");
            for start in 0..word.len() {
                for end in lengths.clone().map(|length| start + length).filter(|&end| end <= word.len()) {
                    rows.push(7 + Fnv::of(&word.as_bytes()[start..end]) % bucket);
                }
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn rows_are_those_of_one_word_after_the_other(
            words in prop::collection::vec("[ -;=?-~]{1,9}|[a-c]{240,270}", 1..20), shortest in 2usize..7, bucket in 1u32..5000,
            power in 0u32..20, even: bool,
        ) {
            let bucket = if even { 1 << power } else { bucket };
            let (mut ascii, mut rows) = (Ascii::default(), vec![1]);
            let mut wanted = vec![1];
            let of = Remainder::new(bucket).unwrap();
            let mut waiting = Vec::new();
            for word in words {
                prop_assert!(Ascii::takes(word.as_bytes()));
                if !ascii.fits(word.as_bytes()) {
                    ascii.finish::<3>(shortest, of, 7, &mut rows);
                    wanted.extend(one_by_one(&waiting, shortest..=shortest + 2, bucket));
                    waiting.clear();
                }
                ascii.push(word.as_bytes());
                waiting.push(word);
            }
            ascii.finish::<3>(shortest, of, 7, &mut rows);
            wanted.extend(one_by_one(&waiting, shortest..=shortest + 2, bucket));
            prop_assert_eq!(rows, wanted);
            prop_assert!(ascii.is_empty());
        }
    }

    #[test]
    fn words_of_other_characters_and_long_ones_are_not_taken() {
        assert!(Ascii::takes(b"whale") && !Ascii::takes("naïve".as_bytes()));
        assert!(Ascii::takes(&[b'a'; BYTES - 2]) && !Ascii::takes(&[b'a'; BYTES - 1]));
    }
}
