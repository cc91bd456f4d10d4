//! Byte spans that occur more than once, wherever they lie in their documents.
//!
//! Lee, Ippolito, Nystrom, Zhang, Eck, Callison-Burch, Carlini, "Deduplicating training data makes language models better",
//! ACL 2022: every span of at least `N` = 500 bytes (their 50 tokens are of the same order) that occurs elsewhere is found. Here
//! all occurrences but the first are marked: of each window of `N` bytes in a document the first one, at `f`, stays, and every
//! other at `p` marks its bytes unless it overlaps that (in one document with `p < f + N`), so that the first stays whole: of a
//! run of one character `N` stay. Marked bytes that touch make one span. No window crosses the border of a document.
//!
//! Lee et al. sort all suffixes. Here two passes over the texts do, and memory is bounded: the first collects the anchors of all
//! windows ([`shape`]), one of some 125 bytes of usual text at `N` = 500, by their hashes, which tells those that occur more than once
//! ([`repeated`]). A window can come again only if its anchor does, so the second pass collects the windows of these alone, by
//! hashes of 125 bits ([`again`]). Records go to files where the memory does not hold them: 16 bytes an anchor, 24 a window.
//!
//! Two different windows with equal anchors at equal places are taken for one with a probability of about 2^-61, and others with one
//! of about 2^-125: among the windows of a passage that 100,000 documents share, each between other texts, once in two million such
//! passages. That is so of texts that nobody made for it: the numbers by which hashes are made are fixed.
//!
//! Of a run of one character, or of a text that repeats itself every few bytes, each of these begins an anchor: such texts take as
//! much as 40 bytes for a byte.

pub(crate) mod again;
pub(crate) mod batch;
pub(crate) mod repeated;
pub(crate) mod shape;

use std::ops::Range;

use again::Windows;
use batch::{Batch, Piece, blocks};
use repeated::Anchors;
use shape::Shape;

use super::error::{Error, Result};
use super::lsh::in_order;
use super::partition::Budget;

/// The least span of Lee et al., in bytes.
pub const LEAST: usize = 500;
/// The longest span that can be asked for.
const LONGEST: usize = 1 << 16;

/// A byte span of a document that occurred before. It may begin and end within a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The document.
    pub ordinal: u32,
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

impl Span {
    /// What it holds of whole characters of the document's text, if that is anything.
    pub fn of_characters(self, text: &str) -> Option<Range<usize>> {
        let inside = |at: u32| (at as usize).min(text.len());
        let range = text.ceil_char_boundary(inside(self.start))..text.floor_char_boundary(inside(self.end));
        (!range.is_empty()).then_some(range)
    }
}

/// Finds spans that occur twice.
#[derive(Clone, Debug)]
pub struct Substrings {
    shape: Shape,
    budget: Budget,
}

impl Substrings {
    /// Spans of at least `least` bytes ([`LEAST`] by default), within a budget of at least 64 KiB.
    pub fn new(least: usize, budget: &Budget) -> Result<Substrings> {
        if !(1..=LONGEST).contains(&least) {
            return Err(Error::option("span", least, "1 to 65536 bytes"));
        }
        Ok(Substrings { shape: Shape::new(least), budget: budget.clone() })
    }

    /// Hand all spans but the first occurrences to `found`, by document and place. `texts` hands all documents over, by ordinal and
    /// text, in document order; it is asked to do so twice, unless nothing comes again.
    ///
    /// # Errors
    /// Documents out of order, or one of 4 GiB; files that cannot be written; what `texts` and `found` say.
    pub fn find<E: From<Error> + Send>(
        &self,
        mut texts: impl FnMut(&mut Take<'_, E>) -> std::result::Result<(), E>,
        mut found: impl FnMut(Span) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<(), E> {
        let shape = &self.shape;
        let (mut anchors, mut batch) = (Anchors::new(&self.budget)?, Batch::default());
        let mut work = |pieces: &[Piece]| {
            anchors.append(&blocks(pieces, |piece, room, gathered| {
                shape.each_anchor(piece.text, piece.windows.clone(), room, |at, key| {
                    Anchors::gather(gathered, piece.ordinal, at, key);
                });
            }))
        };
        let (mut last, mut any) = (0, false);
        texts(&mut |ordinal, text| {
            check(text)?;
            in_order(&mut last, &mut any, ordinal, true)?;
            Ok(batch.take(shape, (ordinal, text, &[]), &mut work)?)
        })?;
        batch.flush(shape, &mut work)?;
        let mut repeated = anchors.finish()?;
        let mut next = repeated.next()?;
        if next.is_none() {
            return Ok(());
        }
        let mut windows = Windows::new(shape.least, &self.budget)?;
        let mut work = |pieces: &[Piece]| {
            windows.append(&blocks(pieces, |piece, room, gathered| {
                let Piece { text, repeated, ordinal, .. } = *piece;
                shape.each_window(text, piece.windows.clone(), repeated, room, |at, key| {
                    Windows::gather(gathered, ordinal, at, key);
                });
            }))
        };
        texts(&mut |ordinal, text| {
            if let Some((_, places)) = next.take_if(|(of, _)| *of == ordinal) {
                batch.take(shape, (ordinal, text, &places), &mut work)?;
                next = repeated.next()?;
            }
            Ok(())
        })?;
        batch.flush(shape, &mut work)?;
        drop(repeated);
        let mut spans = Spans::new(shape.least);
        windows.finish()?.each(|ordinal, at| spans.mark(ordinal, at).map_or(Ok(()), &mut found))?;
        spans.end().map_or(Ok(()), found)
    }
}

/// Takes documents, by ordinal and text.
pub type Take<'t, E> = dyn FnMut(u32, &[u8]) -> std::result::Result<(), E> + 't;

/// Refuse a text whose bytes cannot be numbered.
pub(crate) fn check(text: &[u8]) -> Result<()> {
    match text.len() < u32::MAX as usize {
        true => Ok(()),
        false => Err(Error::TooMany { what: "bytes in a document", most: u64::from(u32::MAX) - 1 }),
    }
}

/// Puts windows that are marked together to spans.
#[derive(Debug)]
pub(crate) struct Spans {
    least: u32,
    open: Option<Span>,
}

impl Spans {
    /// Of windows of `least` bytes.
    pub fn new(least: usize) -> Spans {
        Spans { least: least as u32, open: None }
    }

    /// The next window, in document order, by its first byte. Gives back the span before it, if it does not touch that.
    pub fn mark(&mut self, ordinal: u32, at: u32) -> Option<Span> {
        let end = at.saturating_add(self.least);
        match &mut self.open {
            Some(span) if span.ordinal == ordinal && at <= span.end => {
                span.end = end;
                None
            }
            open => open.replace(Span { ordinal, start: at, end }),
        }
    }

    /// The last span.
    pub fn end(self) -> Option<Span> {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Documents by every other ordinal.
    fn found(least: usize, memory: u64, documents: &[&[u8]]) -> Vec<Span> {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { memory, dir: dir.path().join("spill") };
        let mut spans = Vec::new();
        let texts = |take: &mut Take<'_, Error>| {
            (0..).zip(documents).try_for_each(|(i, document)| take(2 * i, document))
        };
        let put = |span| {
            spans.push(span);
            Ok::<(), Error>(())
        };
        Substrings::new(least, &budget).unwrap().find(texts, put).unwrap();
        assert!(std::fs::read_dir(dir.path().join("spill")).map_or(0, |left| left.count()) == 0);
        spans
    }

    fn spans(least: usize, documents: &[&[u8]]) -> Vec<(u32, u32, u32)> {
        let found = found(least, 1 << 20, documents);
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
        let whole = |a: &str, b: &str| {
            let found = found(6, 1 << 20, &[a.as_bytes(), b.as_bytes()]);
            found.iter().map(|span| span.of_characters(b)).collect::<Vec<_>>()
        };
        assert_eq!(whole("é1234567", "ĩ1234567"), [Some(2..9)]);
        assert_eq!(whole("1234567é", "1234567è"), [Some(0..7)]);
        let span = |start, end| Span { ordinal: 0, start, end };
        assert_eq!((span(1, 2).of_characters("漢"), span(0, 3).of_characters("漢")), (None, Some(0..3)));
        assert_eq!(span(1, 9).of_characters("é"), None);
    }

    #[test]
    fn wrong_order_and_lengths_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let budget = |memory| Budget { memory, dir: dir.path().join("spill") };
        let all = Substrings::new(LEAST, &budget(1 << 20)).unwrap();
        let long = [b'x'; 70_000];
        for (ordinals, text) in [([5, 4], &long[..]), ([5, 4], &long[..900]), ([3, 3], &long[..900])] {
            let wrong =
                |take: &mut Take<'_, Error>| ordinals.iter().try_for_each(|&ordinal| take(ordinal, text));
            assert!(matches!(all.find(wrong, |_| Ok(())), Err(Error::Order { .. })));
        }
        for least in [0, LONGEST + 1] {
            assert!(matches!(Substrings::new(least, &budget(1 << 20)), Err(Error::Option { .. })));
        }
        let few = Substrings::new(LEAST, &budget(100)).unwrap();
        assert!(few.find(|_| Ok::<(), Error>(()), |_| Ok(())).is_err());
    }

    #[test]
    fn threads_and_memory_change_nothing() {
        let text: Vec<u8> =
            (0..1_000_000u64).map(|i| b'a' + (super::super::hash::mix(i / 9) % 20) as u8).collect();
        let short: Vec<&[u8]> = text.chunks(700).step_by(3).collect();
        let long = [&text[..400_000], &text[200_000..350_000], &text[400_000..], &text[200..700_000]];
        let documents: Vec<&[u8]> = long.into_iter().chain(short).collect();
        let with = |threads, memory| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| found(500, memory, &documents))
        };
        let one = with(1, 1 << 30);
        let lengths = |document: u32| {
            one.iter()
                .filter(|span| span.ordinal == 2 * document)
                .map(|s| (s.start, s.end))
                .collect::<Vec<_>>()
        };
        assert_eq!((lengths(0), lengths(1), lengths(3)), (vec![], vec![(0, 150_000)], vec![(0, 699_800)]));
        assert!(one.len() > 400);
        for (threads, memory) in [(2, 1 << 30), (4, 1 << 16), (1, 1 << 20)] {
            assert!(with(threads, memory) == one, "{threads} threads, {memory} bytes");
        }
    }

    #[test]
    fn spans_are_those_of_all_windows_where_pieces_meet() {
        use super::super::hash::mix;
        for (least, letters, length) in [(1, 200, 70_000), (2, 90, 70_000), (500, 2, 70_000)] {
            let text = |seed: u64, period: u64| -> Vec<u8> {
                (0..length)
                    .map(|i| b'a'.wrapping_add((mix(i % period + (seed << 32)) % letters) as u8))
                    .collect()
            };
            let (a, b) = (text(1, 1 << 40), text(2, 333));
            let mut c = a[1000..].to_vec();
            c[40_000] ^= 1;
            let d = [&b[..20_000], &a[30_000..]].concat();
            let documents =
                [&a[..], b"", &b, &c, &d, &a[..least], &b[..32_768 + least - 1], &a[7..][..32_768]];
            assert!(spans(least, &documents) == naive(least, &documents), "{least}");
        }
    }

    #[test]
    fn a_run_takes_linear_time_in_little_memory() {
        let run = vec![b' '; 3_000_000];
        assert_eq!(spans(500, &[&run, b"", &run[..1000]]), [(0, 500, 3_000_000), (2, 0, 1000)]);
    }

    proptest! {
        #[test]
        fn spans_are_those_of_all_windows(texts in prop::collection::vec("[ab]{0,40}|[a-d]{0,60}|(abcab){0,9}", 0..8), least in 1usize..9) {
            let documents: Vec<&[u8]> = texts.iter().map(|t| t.as_bytes()).collect();
            prop_assert_eq!(spans(least, &documents), naive(least, &documents));
        }
    }
}
