//! Byte spans that occur more than once, wherever they lie in their documents.
//!
//! Lee, Ippolito, Nystrom, Zhang, Eck, Callison-Burch, Carlini, "Deduplicating training data makes language models better",
//! ACL 2022: every span of at least 500 bytes (their 50 tokens are of the same order) that occurs elsewhere is found by
//! a suffix array over all documents. Here all occurrences but the first are marked.
//!
//! All documents lie in one text. Suffixes that begin with the same `N` bytes are neighbours in its suffix array, so each is
//! compared with the one before it, from the last bytes of the `N` to the first: nearly all differ there at once. Of each group of
//! equal ones the positions with fewer than `N` bytes before the end of their document are left out, so no span crosses a
//! border and no separators are needed; the smallest position `f` is the first occurrence, and every other position from
//! `f + N` on starts `N` marked bytes. (An occurrence that overlaps the first one is not marked, so that the first stays
//! whole: of a run of one character `N` stay.) Marked bytes that touch make one span. A span never begins or ends within
//! a UTF-8 character: it is cut to whole ones.
//!
//! The suffix array is made in linear time on one thread; the comparisons run on all of them, and take at most `N` bytes for a
//! byte of text. Memory a byte of text: 5.25 bytes below 2 GiB of text, 9.25 above. Longest common prefixes would need no comparisons but another 4 or 8 bytes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::error::{Error, Result};
use super::lsh::in_order;
use super::suffixes::{self, NARROW, Position};

/// The least span of Lee et al., in bytes.
pub const LEAST: usize = 500;
/// The longest span that can be asked for.
const LONGEST: usize = 1 << 16;
/// Positions of the suffix array that a thread goes through at once.
const CHUNK: usize = 1 << 20;

/// A byte span of a document that occurred before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The document.
    pub ordinal: u32,
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// Collects documents and finds spans that occur twice.
#[derive(Debug)]
pub struct Substrings {
    least: usize,
    memory: u64,
    text: Vec<u8>,
    /// Ordinal and end in the text of each document.
    documents: Vec<(u32, usize)>,
    last: u32,
    any: bool,
}

impl Substrings {
    /// Spans of at least `least` bytes ([`LEAST`] by default), within `memory` bytes.
    pub fn new(least: usize, memory: u64) -> Result<Substrings> {
        if !(1..=LONGEST).contains(&least) {
            return Err(Error::option("span", least, "1 to 65536 bytes"));
        }
        Ok(Substrings { least, memory, text: Vec::new(), documents: Vec::new(), last: 0, any: false })
    }

    /// Bytes of memory for `text` bytes in `documents` documents.
    pub fn memory_for(text: u64, documents: u64) -> u64 {
        // Text, suffix array; two bit sets; documents.
        suffixes::memory_for(text).saturating_add(text / 4 + 16).saturating_add(documents.saturating_mul(16))
    }

    /// Bytes of text for which `memory` bytes suffice, but for 16 a document.
    pub fn text_in(memory: u64) -> u64 {
        let memory = memory.saturating_sub(16);
        let narrow = (memory / 21 * 4).min(NARROW);
        if narrow < NARROW { narrow } else { narrow.max(memory / 37 * 4) }
    }

    /// Make room for so many bytes of text, or for what the memory allows, so that the text is not moved as it grows.
    pub fn reserve(&mut self, text: u64) {
        // A request that cannot be met is told when the bytes come.
        let _ = self.text.try_reserve_exact(text.min(suffixes::text_in(self.memory)) as usize);
    }

    /// The text of document `ordinal`. Documents come in document order, each at most once. An error if all so far would take more
    /// memory than allowed.
    pub fn push(&mut self, ordinal: u32, text: &[u8]) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, true)?;
        if text.len() > u32::MAX as usize {
            return Err(Error::TooMany { what: "bytes in a document", most: u64::from(u32::MAX) });
        }
        let bytes = self.text.len() + text.len();
        let needed = Substrings::memory_for(bytes as u64, self.documents.len() as u64 + 1);
        if needed > self.memory {
            let what = format!("the suffix array of {bytes} bytes of text");
            return Err(Error::Memory { what, needed, allowed: self.memory });
        }
        self.text.extend_from_slice(text);
        self.documents.push((ordinal, self.text.len()));
        Ok(())
    }

    /// Bytes of text so far.
    pub fn bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// All spans but the first occurrences, by document and place.
    pub fn finish(self) -> Result<Vec<Span>> {
        if self.text.len() as u64 > NARROW { self.spans_by::<i64>() } else { self.spans_by::<i32>() }
    }

    fn spans_by<P: Position>(mut self) -> Result<Vec<Span>> {
        self.text.shrink_to_fit();
        if self.text.len() < 2 {
            return Ok(Vec::new());
        }
        let starts = self.starts(&P::suffixes(&self.text)?);
        Ok(self.spans(&starts))
    }

    /// A bit for every position that starts an occurrence other than the first.
    fn starts<P: Position>(&self, suffixes: &[P]) -> Bits {
        let inside = Bits::new(self.text.len());
        for (_, document) in self.ranges() {
            (document.start..(document.end + 1).saturating_sub(self.least)).for_each(|at| inside.set(at));
        }
        let starts = Bits::new(self.text.len());
        let long = |place: usize| self.alike(suffixes[place - 1].at(), suffixes[place].at());
        (0..suffixes.len().div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            // Groups that begin in this chunk; the last may end in a later one.
            let end = (chunk * CHUNK + CHUNK).min(suffixes.len());
            let mut begin = chunk * CHUNK;
            while begin < end && begin > 0 && long(begin) {
                begin += 1;
            }
            while begin < end {
                let mut next = begin + 1;
                while next < suffixes.len() && long(next) {
                    next += 1;
                }
                if next > begin + 1 {
                    let group = || suffixes[begin..next].iter().map(|p| p.at()).filter(|&at| inside.get(at));
                    if let Some(first) = group().min() {
                        group().filter(|&at| at >= first + self.least).for_each(|at| starts.set(at));
                    }
                }
                begin = next;
            }
        });
        starts
    }

    /// Whether the same `least` bytes begin at both positions.
    #[inline]
    fn alike(&self, a: usize, b: usize) -> bool {
        let window = |at: usize| self.text.get(at..at + self.least);
        let (Some(a), Some(b)) = (window(a), window(b)) else { return false };
        match (a.split_last_chunk::<8>(), b.split_last_chunk::<8>()) {
            (Some((a, last)), Some((b, other))) => last == other && a == b,
            _ => a == b,
        }
    }

    fn spans(&self, starts: &Bits) -> Vec<Span> {
        let mut spans = Vec::new();
        for (ordinal, document) in self.ranges() {
            let mut open: Option<Range<usize>> = None;
            let mut close = |span: Range<usize>| {
                let span = self.whole_characters(span, document.end);
                if !span.is_empty() {
                    let place = |at: usize| (at - document.start) as u32;
                    spans.push(Span { ordinal, start: place(span.start), end: place(span.end) });
                }
            };
            for at in starts.ones(document.clone()) {
                match &mut open {
                    Some(span) if at <= span.end => span.end = at + self.least,
                    _ => open.replace(at..at + self.least).into_iter().for_each(&mut close),
                }
            }
            open.into_iter().for_each(close);
        }
        spans
    }

    /// Ordinals and places of the documents in the text.
    fn ranges(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        let mut start = 0;
        self.documents.iter().map(move |&(ordinal, end)| (ordinal, std::mem::replace(&mut start, end)..end))
    }

    /// The span without the parts of characters at its ends.
    fn whole_characters(&self, mut span: Range<usize>, end: usize) -> Range<usize> {
        let inner = |at: usize| at < end && self.text[at] & 0xC0 == 0x80;
        // A character has at most three bytes that do not begin it.
        for _ in 0..3 {
            span.start += usize::from(inner(span.start));
            span.end -= usize::from(inner(span.end));
        }
        span
    }
}

/// A set of positions that threads can add to.
struct Bits(Vec<AtomicU64>);

impl Bits {
    fn new(length: usize) -> Bits {
        Bits((0..length.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline]
    fn set(&self, at: usize) {
        self.0[at / 64].fetch_or(1 << (at % 64), Relaxed);
    }

    #[inline]
    fn get(&self, at: usize) -> bool {
        self.0[at / 64].load(Relaxed) >> (at % 64) & 1 == 1
    }

    /// Positions of a range that are in the set, rising.
    fn ones(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        (range.start / 64..range.end.div_ceil(64)).flat_map(move |word| {
            let mut bits = self.0[word].load(Relaxed);
            if word * 64 < range.start {
                bits &= u64::MAX << (range.start % 64);
            }
            if word * 64 + 64 > range.end {
                bits &= u64::MAX >> (64 - range.end % 64);
            }
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn collected(least: usize, documents: &[&[u8]]) -> Substrings {
        let mut all = Substrings::new(least, 1 << 30).unwrap();
        for (i, document) in (0..).zip(documents) {
            all.push(2 * i, document).unwrap();
        }
        all
    }

    fn spans(least: usize, documents: &[&[u8]]) -> Vec<(u32, u32, u32)> {
        let found = collected(least, documents).finish().unwrap();
        found.iter().map(|s| (s.ordinal / 2, s.start, s.end)).collect()
    }

    /// Windows in a map, byte by byte.
    fn naive(least: usize, documents: &[&[u8]]) -> Vec<(u32, u32, u32)> {
        let mut firsts: HashMap<&[u8], usize> = HashMap::new();
        let (mut out, mut before) = (Vec::new(), 0);
        for (i, document) in (0..).zip(documents) {
            let mut marked = vec![false; document.len() + 1];
            for (at, window) in document.windows(least).enumerate() {
                let first = *firsts.entry(window).or_insert(before + at);
                if before + at >= first + least {
                    marked[at..at + least].fill(true);
                }
            }
            let mut start = None;
            for (at, &mark) in marked.iter().enumerate() {
                match (mark, start) {
                    (true, None) => start = Some(at),
                    (false, Some(from)) => {
                        out.push((i, from as u32, at as u32));
                        start = None;
                    }
                    _ => {}
                }
            }
            before += document.len();
        }
        out
    }

    #[test]
    fn later_copies_are_marked_and_borders_hold() {
        assert_eq!(spans(4, &[b"xabcdefy", b"zzabcdefzz", b"abcd"]), [(1, 2, 8), (2, 0, 4)]);
        // The same bytes across a border are no copy.
        assert_eq!(spans(4, &[b"ab", b"cdxxabcd", b"abcd"]), [(2, 0, 4)]);
        // Within a document too; the first occurrence stays whole although it overlaps others.
        assert_eq!(spans(3, &[b"aaaaaaaaaa"]), [(0, 3, 10)]);
        assert!(spans(5, &[b"abcdabcd", b"", b"x"]).is_empty());
    }

    #[test]
    fn spans_hold_whole_characters() {
        // Two-byte characters that share their second byte's neighbours: the copy begins within one.
        let (a, b) = ("é1234567", "ĩ1234567");
        assert_eq!(spans(6, &[a.as_bytes(), b.as_bytes()]), [(1, 2, 9)]);
        let (a, b) = ("1234567é", "1234567è");
        assert_eq!(spans(6, &[a.as_bytes(), b.as_bytes()]), [(1, 0, 7)]);
    }

    #[test]
    fn too_much_text_and_wrong_order_are_errors_before_the_work() {
        let mut all = Substrings::new(LEAST, 10_000).unwrap();
        all.push(0, &[b'x'; 1800]).unwrap();
        let error = all.push(1, &[b'x'; 100]).unwrap_err();
        assert!(matches!(error, Error::Memory { allowed: 10_000, .. }), "{error}");
        assert!(matches!(all.push(1, b""), Err(Error::Order { .. })));
        assert!(Substrings::new(0, 1).is_err());
        assert!(Substrings::memory_for(3 << 30, 0) > 9 * (3 << 30));
    }

    #[test]
    fn threads_and_width_of_positions_change_nothing() {
        let text: Vec<u8> =
            (0..3_000_000u64).map(|i| b'a' + (super::super::hash::mix(i / 9) % 20) as u8).collect();
        let documents: Vec<&[u8]> =
            [&text[..1_000_000], &text[500_000..900_000], &text[1_000_000..], &text[200..2_000_000]].to_vec();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| collected(500, &documents).finish().unwrap())
        };
        let one = with(1);
        assert!(one == with(2) && one == with(4) && one.len() >= 2);
        assert_eq!(one, collected(500, &documents).spans_by::<i64>().unwrap());
    }

    proptest! {
        #[test]
        fn spans_are_those_of_all_windows(texts in prop::collection::vec("[ab]{0,40}|[a-d]{0,60}|(abcab){0,9}", 0..8), least in 1usize..9) {
            let documents: Vec<&[u8]> = texts.iter().map(|t| t.as_bytes()).collect();
            prop_assert_eq!(spans(least, &documents), naive(least, &documents));
        }
    }
}
