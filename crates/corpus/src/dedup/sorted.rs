//! Places that many threads find in any order, handed on in document order within a budget of memory.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::error::Result;
use super::partition::{PARTITIONS, Partitions, share};

/// Places that a thread holds before it hands them over.
const HELD: usize = 1 << 12;
/// So many places are sorted at once, whatever the number of threads.
const FEW: u64 = 1 << 18;
/// Places are sorted in pieces of at least so many.
const LEAST: u64 = 1 << 13;

/// Takes places: a document and a number there.
#[derive(Debug)]
pub(crate) struct Sorter {
    found: Mutex<Partitions<8>>,
    /// Ordinals that there may be.
    span: u64,
    memory: u64,
}

impl Sorter {
    /// Of documents up to `last`, within `memory` bytes and files that are called like `name`.
    pub fn new(name: &str, last: u32, memory: u64, dir: &Path) -> Sorter {
        let found = Mutex::new(Partitions::new(name, memory / 2, dir));
        Sorter { found, span: u64::from(last) + 1, memory: memory / 2 }
    }

    /// What one thread hands over.
    pub fn hand(&self) -> Hand<'_> {
        Hand { sorter: self, held: Vec::with_capacity(HELD) }
    }

    /// All of them in order.
    pub fn sorted(self) -> Sorted {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let most = (share(self.memory) / 16).max(LEAST);
        let pieces = |part: usize| {
            let of = found.records_of(part).div_ceil(most).clamp(1, u64::from(u32::MAX)) as u32;
            (0..of).map(move |number| Piece { part, number, of })
        };
        let pieces: Vec<Piece> = (0..PARTITIONS).flat_map(pieces).collect();
        let count = found.records();
        Sorted {
            found,
            span: self.span,
            pieces,
            next: 0,
            places: Vec::new(),
            at: 0,
            numbers: Vec::new(),
            count,
        }
    }
}

/// Places of one thread on their way.
#[derive(Debug)]
pub(crate) struct Hand<'s> {
    sorter: &'s Sorter,
    held: Vec<u64>,
}

impl Hand<'_> {
    /// Add number `number` of document `ordinal`.
    #[inline]
    pub fn put(&mut self, ordinal: u32, number: u32) -> Result<()> {
        self.held.push(u64::from(ordinal) << 32 | u64::from(number));
        if self.held.len() == HELD { self.push() } else { Ok(()) }
    }

    /// Hand over what is left.
    pub fn push(&mut self) -> Result<()> {
        let mut found = self.sorter.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.held.drain(..).try_for_each(|place| {
            // Documents by 256 ranges of ordinals.
            let part = ((place >> 32) * PARTITIONS as u64 / self.sorter.span) as usize;
            found.push_to(part, place.to_le_bytes())
        })
    }
}

/// Some of the documents of a partition: the piece `number` of `of` equal ranges of ordinals.
#[derive(Clone, Copy, Debug)]
struct Piece {
    part: usize,
    number: u32,
    of: u32,
}

/// Places in document order: each a document and a number there. A large corpus is sorted piece by piece, so that no more of
/// it is in memory than was allowed, but for the places of one document.
#[derive(Debug)]
pub struct Sorted {
    found: Partitions<8>,
    span: u64,
    pieces: Vec<Piece>,
    next: usize,
    places: Vec<u64>,
    at: usize,
    numbers: Vec<u32>,
    count: u64,
}

impl Sorted {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// About how many places a piece has.
    fn places_of(&self, piece: &Piece) -> u64 {
        self.found.records_of(piece.part) / u64::from(piece.of)
    }

    /// The end of the pieces that are sorted at once: one a thread, and more of small ones.
    fn some(&self) -> usize {
        let least = self.pieces.len().min(self.next + rayon::current_num_threads().max(1));
        let places =
            |end: usize| self.pieces[self.next..end].iter().map(|piece| self.places_of(piece)).sum::<u64>();
        (least + 1..=self.pieces.len()).take_while(|&end| places(end) <= FEW).last().unwrap_or(least)
    }

    /// The places of a piece.
    fn piece(&self, piece: &Piece) -> Result<Vec<u64>> {
        // Those whose ordinals fall to the partition: `ordinal * PARTITIONS / span` is its number.
        let begin = |part: usize| (part as u64 * self.span).div_ceil(PARTITIONS as u64);
        let (from, to) = (begin(piece.part), begin(piece.part + 1));
        let cut =
            |number: u32| from + ((to - from) as u128 * u128::from(number) / u128::from(piece.of)) as u64;
        let (from, to) = (cut(piece.number) << 32, cut(piece.number + 1) << 32);
        let mut places = Vec::with_capacity(self.places_of(piece) as usize);
        self.found.for_each(piece.part, |record| {
            let place = u64::from_le_bytes(*record);
            if (from..to).contains(&place) {
                places.push(place);
            }
            Ok(())
        })?;
        places.sort_unstable();
        Ok(places)
    }

    /// The places of some more pieces, in order; none if there are no more.
    fn sorted(&mut self) -> Result<Option<Vec<u64>>> {
        if self.next == self.pieces.len() {
            return Ok(None);
        }
        let end = self.some();
        let some = &self.pieces[self.next..end];
        let sorted: Vec<Result<Vec<u64>>> =
            some.par_iter().with_max_len(1).map(|piece| self.piece(piece)).collect();
        self.next = end;
        let mut all = Vec::new();
        for places in sorted {
            all.append(&mut places?);
        }
        Ok(Some(all))
    }

    /// Hand every place to `each`, in document order. Meanwhile the next ones are sorted.
    pub fn each<E: From<super::error::Error> + Send>(
        mut self,
        mut each: impl FnMut(u32, u32) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<(), E> {
        let mut sorted = self.sorted()?;
        while let Some(places) = sorted {
            let mut hand = || places.iter().try_for_each(|&place| each((place >> 32) as u32, place as u32));
            let (handed, next) = rayon::join(&mut hand, || self.sorted());
            handed?;
            sorted = next?;
        }
        Ok(())
    }

    /// The next document that has some, in document order, with its numbers, rising.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(u32, &[u32])>> {
        while self.at == self.places.len() {
            match self.sorted()? {
                Some(places) => (self.places, self.at) = (places, 0),
                None => return Ok(None),
            }
        }
        let rest = &self.places[self.at..];
        let ordinal = (rest[0] >> 32) as u32;
        self.numbers.clear();
        self.numbers.extend(
            rest.iter().take_while(|&&place| (place >> 32) as u32 == ordinal).map(|&place| place as u32),
        );
        self.at += self.numbers.len();
        Ok(Some((ordinal, &self.numbers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::hash::mix;

    #[test]
    fn places_come_in_order_whatever_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut all: Vec<(u32, u32)> = (0..60_000u64).map(|i| (mix(i) as u32 % 777, i as u32)).collect();
        // One document has more than any piece.
        all.extend((0..40_000).map(|i| (500, 70_000 + i)));
        let mut expected = all.clone();
        expected.sort_unstable();
        for (memory, last) in [(1 << 16, 776), (1 << 24, 776), (1 << 16, u32::MAX - 1)] {
            let sorter = Sorter::new("t", last, memory, &dir.path().join("spill"));
            all.par_chunks(999).for_each(|some| {
                let mut hand = sorter.hand();
                some.iter().for_each(|&(ordinal, number)| hand.put(ordinal, number).unwrap());
                hand.push().unwrap();
            });
            let sorted = sorter.sorted();
            assert_eq!(sorted.pieces.len() > PARTITIONS, memory == 1 << 16);
            assert_eq!(sorted.count(), all.len() as u64);
            let mut found = Vec::new();
            let put = |ordinal, number| {
                found.push((ordinal, number));
                Ok::<(), crate::dedup::Error>(())
            };
            sorted.each(put).unwrap();
            assert!(found == expected, "{memory} {last}");
        }
    }
}
