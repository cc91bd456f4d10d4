//! Places that many threads find in any order, handed on in document order within a budget of memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use regimen_base::fs;

use super::error::{Error, Result};
use super::partition::{PARTITIONS, Partitions};

/// Places that a thread holds before it hands them over.
const HELD: usize = 1 << 12;
/// So many places are sorted at once, whatever the number of threads.
const FEW: u64 = 1 << 18;
/// At least so many may be.
const LEAST: u64 = 1 << 13;
/// Bytes of a place.
const PLACE: u64 = 8;

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
        // Some are handed on while the next ones are sorted.
        let most = (self.memory / (2 * PLACE)).max(LEAST);
        let count = found.records();
        Sorted { found, most, next: 0, runs: None, some: Vec::new(), at: 0, count }
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

/// Places in document order: each a document and a number there. A large corpus is sorted part by part, so that no more of it is
/// in memory than was allowed.
#[derive(Debug)]
pub struct Sorted {
    found: Partitions<8>,
    /// Places that are sorted at once.
    most: u64,
    /// The next partition.
    next: usize,
    /// What is left of one that is larger.
    runs: Option<Runs>,
    /// Places in order, of which so many were given.
    some: Vec<u64>,
    at: usize,
    count: u64,
}

impl Sorted {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The end of the partitions that are sorted at once: one a thread, and more of small ones, as far as they fit.
    fn end(&self) -> usize {
        let threads = rayon::current_num_threads().max(1);
        let (mut end, mut places) = (self.next, 0);
        while end < PARTITIONS {
            places += self.found.records_of(end);
            let most = if end < self.next + threads { self.most } else { FEW.min(self.most) };
            if places > most {
                break;
            }
            end += 1;
        }
        end
    }

    /// The places of a partition that fits.
    fn part(&self, part: usize) -> Result<Vec<u64>> {
        let mut places = Vec::with_capacity(self.found.records_of(part) as usize);
        self.found.for_each(part, |record| {
            places.push(u64::from_le_bytes(*record));
            Ok(())
        })?;
        places.sort_unstable();
        Ok(places)
    }

    /// Some more places, in order, in lists of which all come before those of the next one; none if there are no more.
    fn sorted(&mut self) -> Result<Option<Vec<Vec<u64>>>> {
        if let Some(runs) = &mut self.runs {
            let some = runs.some(self.most.min(FEW) as usize)?;
            if !some.is_empty() {
                return Ok(Some(vec![some]));
            }
            self.runs = None;
        }
        if self.next == PARTITIONS {
            return Ok(None);
        }
        let end = self.end();
        if end == self.next {
            self.runs = Some(Runs::new(&self.found, self.next, self.most as usize)?);
            self.next += 1;
            return Ok(Some(Vec::new()));
        }
        let sorted = (self.next..end).into_par_iter().with_max_len(1).map(|part| self.part(part));
        let sorted = sorted.collect::<Vec<_>>().into_iter().collect::<Result<_>>()?;
        self.next = end;
        Ok(Some(sorted))
    }

    /// Hand every place to `each`, in document order. Meanwhile the next ones are sorted.
    pub fn each<E: From<Error> + Send>(
        mut self,
        mut each: impl FnMut(u32, u32) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<(), E> {
        let mut sorted = self.sorted()?;
        while let Some(some) = sorted {
            let mut hand =
                || some.iter().flatten().try_for_each(|&place| each((place >> 32) as u32, place as u32));
            let (handed, next) = rayon::join(&mut hand, || self.sorted());
            handed?;
            sorted = next?;
        }
        Ok(())
    }

    /// The next document that has some, in document order, with its numbers, rising.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(u32, Vec<u32>)>> {
        let (mut found, mut numbers) = (None, Vec::new());
        loop {
            while self.at == self.some.len() {
                match self.sorted()? {
                    Some(some) => (self.some, self.at) = (some.concat(), 0),
                    None => return Ok(found.map(|ordinal| (ordinal, numbers))),
                }
            }
            let rest = &self.some[self.at..];
            let ordinal = *found.get_or_insert((rest[0] >> 32) as u32);
            let before = numbers.len();
            numbers.extend(
                rest.iter().take_while(|&&place| (place >> 32) as u32 == ordinal).map(|&place| place as u32),
            );
            self.at += numbers.len() - before;
            // A document may go on in the next part.
            if self.at < self.some.len() {
                return Ok(Some((ordinal, numbers)));
            }
        }
    }
}

/// The places of a partition that does not fit, as runs in a file, each of which is sorted. The file is gone in the end.
#[derive(Debug)]
struct Runs {
    path: PathBuf,
    file: File,
    runs: Vec<Run>,
    /// Places that are held of each run.
    chunk: usize,
    /// The next place of each run.
    least: BinaryHeap<Reverse<(u64, usize)>>,
}

/// What is left of a run.
#[derive(Debug)]
struct Run {
    /// Where it goes on in the file, and where it ends.
    at: u64,
    end: u64,
    held: std::vec::IntoIter<u64>,
}

impl Runs {
    /// Those of partition `part` in runs of `most` places.
    fn new(found: &Partitions<8>, part: usize, most: usize) -> Result<Runs> {
        let (path, mut places) = (found.beside("runs"), Vec::with_capacity(most));
        fs::create_dir_all(found.dir())?;
        let mut out = fs::create(&path)?;
        let (mut runs, mut at) = (Vec::new(), 0);
        let mut put = |places: &mut Vec<u64>| -> Result<()> {
            places.par_sort_unstable();
            for some in places.chunks(HELD) {
                let bytes: Vec<[u8; 8]> = some.iter().map(|place| place.to_le_bytes()).collect();
                out.put(bytes.as_flattened())?;
            }
            let end = at + PLACE * places.len() as u64;
            runs.push(Run { at, end, held: Vec::new().into_iter() });
            at = end;
            places.clear();
            Ok(())
        };
        found.for_each(part, |record| {
            places.push(u64::from_le_bytes(*record));
            if places.len() == most { put(&mut places) } else { Ok(()) }
        })?;
        put(&mut places)?;
        out.close()?;
        let chunk = (most / (2 * runs.len())).max(HELD / 64);
        let file = fs::open(&path)?;
        let mut all = Runs { path, file, runs, chunk, least: BinaryHeap::new() };
        for run in 0..all.runs.len() {
            all.step(run)?;
        }
        Ok(all)
    }

    /// Bring the next place of a run to the others.
    fn step(&mut self, number: usize) -> Result<()> {
        let run = &mut self.runs[number];
        if run.held.len() == 0 && run.at < run.end {
            let bytes = (run.end - run.at).min(PLACE * self.chunk as u64);
            let mut read = vec![0; bytes as usize];
            let cannot = |e| Error::File(fs::Error::new("read", &self.path, e));
            self.file
                .seek(SeekFrom::Start(run.at))
                .and_then(|_| self.file.read_exact(&mut read))
                .map_err(cannot)?;
            run.at += bytes;
            run.held = read
                .as_chunks()
                .0
                .iter()
                .map(|place| u64::from_le_bytes(*place))
                .collect::<Vec<_>>()
                .into_iter();
        }
        self.least.extend(run.held.next().map(|place| Reverse((place, number))));
        Ok(())
    }

    /// The next places, so many at most; none at the end.
    fn some(&mut self, most: usize) -> Result<Vec<u64>> {
        let mut some = Vec::new();
        while some.len() < most
            && let Some(Reverse((place, run))) = self.least.pop()
        {
            some.push(place);
            self.step(run)?;
        }
        Ok(some)
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        // What cannot be removed does no harm.
        let _ = std::fs::remove_file(&self.path);
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
        // One document has more than is sorted at once.
        all.extend((0..40_000).map(|i| (500, 70_000 + i)));
        let mut expected = all.clone();
        expected.sort_unstable();
        for (memory, last) in [(1 << 16, 776), (1 << 24, 776), (1 << 16, u32::MAX - 1)] {
            let sorted = || {
                let sorter = Sorter::new("t", last, memory, &dir.path().join("spill"));
                all.par_chunks(999).for_each(|some| {
                    let mut hand = sorter.hand();
                    some.iter().for_each(|&(ordinal, number)| hand.put(ordinal, number).unwrap());
                    hand.push().unwrap();
                });
                sorter.sorted()
            };
            let mut found = Vec::new();
            let put = |ordinal, number| {
                found.push((ordinal, number));
                Ok::<(), Error>(())
            };
            assert_eq!(sorted().count(), all.len() as u64);
            sorted().each(put).unwrap();
            assert!(found == expected, "{memory} {last}");
            let (mut documents, mut found) = (sorted(), Vec::new());
            let mut last = None;
            while let Some((ordinal, numbers)) = documents.next().unwrap() {
                assert!(last < Some(ordinal), "each document comes once");
                last = Some(ordinal);
                found.extend(numbers.iter().map(|&number| (ordinal, number)));
            }
            assert!(found == expected, "{memory} {last:?}");
            drop(documents);
            assert_eq!(std::fs::read_dir(dir.path().join("spill")).map_or(0, |left| left.count()), 0);
        }
    }

    #[test]
    fn no_more_is_sorted_at_once_than_fits() {
        let dir = tempfile::tempdir().unwrap();
        let memory = 1 << 20;
        let sorter = Sorter::new("t", 10_000_000, memory, &dir.path().join("spill"));
        let mut hand = sorter.hand();
        // 50 documents with 20,000 places each, of ten million: all are in one partition.
        (0..1_000_000).for_each(|i| hand.put(i / 20_000, i % 20_000).unwrap());
        hand.push().unwrap();
        let mut sorted = sorter.sorted();
        let (mut places, mut largest) = (0, 0);
        while let Some(some) = sorted.sorted().unwrap() {
            let here = some.iter().map(|some| some.len() as u64).sum::<u64>();
            (places, largest) = (places + here, here.max(largest));
            let held = sorted.runs.iter().flat_map(|runs| &runs.runs).map(|run| run.held.len() as u64);
            assert!(held.sum::<u64>() <= sorted.most);
        }
        assert_eq!(places, 1_000_000);
        assert!(largest <= sorted.most && sorted.most * PLACE * 2 <= memory, "{largest} {}", sorted.most);
    }
}
