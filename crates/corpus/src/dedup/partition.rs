//! Records of a fixed width, collected by key within a budget of memory.
//!
//! The leading byte of a record's hash says which of 256 partitions it belongs to, so equal keys always meet, and each
//! partition is small enough to be looked at alone. When the buffers reach their half of the budget, all of them are
//! appended to one file a partition. The number of partitions never changes and records keep their order within one, so
//! nothing that is computed from them depends on the budget. The other half of the budget is for the tables that look
//! at partitions; where one is too small for that, the partition is read several times, for a share of its keys each.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::fs;

use super::distinct::Distinct;
use super::error::{Error, Result};
use super::hash::mix;

/// Partitions of every collection.
pub const PARTITIONS: usize = 256;
/// The least memory that a collection can work in, in bytes.
pub const LEAST_MEMORY: u64 = 1 << 16;
/// Most records of a buffer.
const CHUNK: u64 = 4096;
/// Bytes read from a file at once.
const READ: usize = 1 << 18;

/// How much memory a collection may take, and where it goes beyond that.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Bytes for records and tables; at least 64 KiB. What is stated as "a document" (4 bytes of a disjoint set) comes on top.
    pub memory: u64,
    /// A folder for spilled records; made when it is needed. Two collections in one folder need different names.
    pub dir: PathBuf,
}

/// Records of `W` bytes by partition.
#[derive(Debug)]
pub struct Partitions<const W: usize> {
    name: String,
    dir: PathBuf,
    /// Bytes that buffers may take.
    most: u64,
    /// Bytes that they take.
    taken: u64,
    /// Records of a buffer.
    chunk: usize,
    parts: Vec<Part<W>>,
}

#[derive(Debug)]
struct Part<const W: usize> {
    /// In order; all but the last are full.
    chunks: Vec<Vec<[u8; W]>>,
    /// Records in the file, which come before those in memory.
    spilled: u64,
    records: u64,
}

/// Records of neighbouring documents, collected on whatever thread.
#[derive(Debug)]
pub(crate) struct Gathered<const W: usize> {
    pushed: Vec<(u64, [u8; W])>,
    ordinals: Option<(u32, u32)>,
}

impl<const W: usize> Default for Gathered<W> {
    fn default() -> Gathered<W> {
        Gathered { pushed: Vec::new(), ordinals: None }
    }
}

impl<const W: usize> Gathered<W> {
    /// Add a record of document `ordinal` to the partition that the leading byte of `hash` names. Documents come in document
    /// order.
    #[inline]
    pub fn push(&mut self, ordinal: u32, hash: u64, record: [u8; W]) {
        let (first, last) = self.ordinals.unwrap_or((ordinal, ordinal));
        debug_assert!(ordinal >= last);
        self.ordinals = Some((first, ordinal));
        self.pushed.push((hash, record));
    }

    /// Sort them by partition.
    pub fn sorted(self) -> Block<W> {
        let mut ends = [0; PARTITIONS];
        self.pushed.iter().for_each(|(hash, _)| ends[(hash >> 56) as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            // Where it begins, until its records are there.
            sum += std::mem::replace(end, sum);
        }
        let mut records = vec![[0; W]; self.pushed.len()];
        for (hash, record) in &self.pushed {
            let at = &mut ends[(hash >> 56) as usize];
            records[*at] = *record;
            *at += 1;
        }
        Block { records, ends, ordinals: self.ordinals }
    }
}

/// The same, sorted by partition, in their order within each.
#[derive(Debug)]
pub(crate) struct Block<const W: usize> {
    records: Vec<[u8; W]>,
    /// Where the records of each partition end.
    ends: [usize; PARTITIONS],
    /// The first document that has some, and the last one.
    pub ordinals: Option<(u32, u32)>,
}

impl<const W: usize> Block<W> {
    fn of(&self, part: usize) -> &[[u8; W]] {
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.records[start..self.ends[part]]
    }
}

impl<const W: usize> Part<W> {
    /// Append records; gives back how many buffers that took.
    fn append(&mut self, mut records: &[[u8; W]], chunk: usize) -> u64 {
        let mut fresh = 0;
        self.records += records.len() as u64;
        while !records.is_empty() {
            let last = match self.chunks.last_mut() {
                Some(last) if last.len() < chunk => last,
                _ => {
                    fresh += 1;
                    self.chunks.push(Vec::with_capacity(chunk));
                    continue;
                }
            };
            let (now, later) = records.split_at(records.len().min(chunk - last.len()));
            last.extend_from_slice(now);
            records = later;
        }
        fresh
    }
}

impl<const W: usize> Partitions<W> {
    /// An empty collection whose files are called `NAME.PARTITION.spill`. Its buffers take at most `memory` bytes.
    pub fn new(name: &str, memory: u64, dir: &Path) -> Partitions<W> {
        let chunk = (memory / (4 * (PARTITIONS * W) as u64)).clamp(4, CHUNK);
        let part = || Part { chunks: Vec::new(), spilled: 0, records: 0 };
        Partitions {
            name: name.into(),
            dir: dir.into(),
            most: memory,
            taken: 0,
            chunk: usize::try_from(chunk).unwrap_or(4),
            parts: std::iter::repeat_with(part).take(PARTITIONS).collect(),
        }
    }

    /// Add a record to the partition that the leading byte of `hash` names.
    #[inline]
    pub fn push(&mut self, hash: u64, record: [u8; W]) -> Result<()> {
        self.push_to((hash >> 56) as usize, record)
    }

    /// Add a record to partition `part`.
    #[inline]
    pub(crate) fn push_to(&mut self, part: usize, record: [u8; W]) -> Result<()> {
        let chunk = self.chunk;
        let part = &mut self.parts[part % PARTITIONS];
        part.records += 1;
        if let Some(last) = part.chunks.last_mut()
            && last.len() < chunk
        {
            last.push(record);
            return Ok(());
        }
        let mut fresh = Vec::with_capacity(chunk);
        fresh.push(record);
        part.chunks.push(fresh);
        self.taken += (chunk * W) as u64;
        if self.taken > self.most { self.spill() } else { Ok(()) }
    }

    /// Append the records of blocks, in their order, on all threads. What it takes beyond the memory is for as long as it
    /// works only.
    pub(crate) fn append(&mut self, blocks: &[Block<W>]) -> Result<()> {
        let chunk = self.chunk;
        let parts = self.parts.par_iter_mut().enumerate();
        let fresh: u64 = parts
            .map(|(number, part)| {
                blocks.iter().map(|block| part.append(block.of(number), chunk)).sum::<u64>()
            })
            .sum();
        self.taken += fresh * (chunk * W) as u64;
        if self.taken > self.most { self.spill() } else { Ok(()) }
    }

    /// Append all buffers to the files.
    fn spill(&mut self) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        for number in 0..PARTITIONS {
            let path = self.path(number);
            let part = &mut self.parts[number];
            if part.chunks.is_empty() {
                continue;
            }
            let mut file = fs::append_at(&path, part.spilled * W as u64)?;
            for chunk in &part.chunks {
                file.put(chunk.as_flattened())?;
            }
            file.push()?;
            part.spilled = part.records;
            part.chunks = Vec::new();
        }
        self.taken = 0;
        Ok(())
    }

    fn path(&self, part: usize) -> PathBuf {
        self.dir.join(format!("{}.{part:03}.spill", self.name))
    }

    /// Where files are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file of its own for those who go through it.
    pub(crate) fn beside(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{}.{what}.spill", self.name))
    }

    /// Records of all partitions.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| part.records).sum()
    }

    /// Records of a partition.
    pub fn records_of(&self, part: usize) -> u64 {
        self.parts[part].records
    }

    /// Different keys of a partition at most: a table has room for each once, however often it occurs. They are counted only where
    /// slots for all records do not fit into `memory`.
    pub(crate) fn keys_of(
        &self,
        part: usize,
        slot: u64,
        memory: u64,
        key: impl Fn(&[u8; W]) -> u128,
    ) -> Result<u64> {
        let records = self.records_of(part);
        if passes(records, slot, memory) == 1 {
            return Ok(records);
        }
        let mut different = Distinct::default();
        self.for_each(part, |record| {
            different.add(key(record));
            Ok(())
        })?;
        Ok(records.min(different.at_most()))
    }

    /// All partitions, the largest ones first: threads that take them one by one end at the same time, however often one key
    /// occurs.
    pub fn by_size(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..PARTITIONS).collect();
        all.sort_by_key(|&part| std::cmp::Reverse(self.records_of(part)));
        all
    }

    /// Whether any record went to a file.
    pub fn spilled(&self) -> bool {
        self.parts.iter().any(|part| part.spilled > 0)
    }

    /// All records of a partition, in the order in which they were pushed.
    pub fn for_each(&self, part: usize, f: impl FnMut(&[u8; W]) -> Result<()>) -> Result<()> {
        self.try_each(part, f)
    }

    /// The same for work that fails in its own ways.
    pub fn try_each<E: From<Error>>(
        &self,
        part: usize,
        mut f: impl FnMut(&[u8; W]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let Part { chunks, spilled, .. } = &self.parts[part];
        if *spilled > 0 {
            let path = self.path(part);
            let cannot = |e| Error::File(fs::Error::new("read", &path, e));
            let mut file = BufReader::with_capacity(READ, fs::open(&path).map_err(Error::File)?);
            let mut record = [0; W];
            for _ in 0..*spilled {
                file.read_exact(&mut record).map_err(cannot)?;
                f(&record)?;
            }
        }
        chunks.iter().flatten().try_for_each(f)
    }
}

impl<const W: usize> Drop for Partitions<W> {
    fn drop(&mut self) {
        for number in 0..PARTITIONS {
            if self.parts[number].spilled > 0 {
                // What cannot be removed does no harm.
                let _ = std::fs::remove_file(self.path(number));
            }
        }
    }
}

/// Bytes of memory for tables of one thread, of those `all` threads may take.
pub(crate) fn share(all: u64) -> u64 {
    all / rayon::current_num_threads().max(1) as u64
}

/// In how many passes `records` keys can be put into tables of `slot` bytes a slot within `memory` bytes. A table is at least
/// three eighths full, so a key takes at most 8/3 slots.
pub(crate) fn passes(records: u64, slot: u64, memory: u64) -> u64 {
    (records.saturating_mul(slot) / 3).saturating_mul(8).div_ceil(memory.max(1)).max(1)
}

/// What a table is asked for.
pub(crate) trait Key: Copy + PartialEq + Default {
    /// A well-mixed hash. Its leading byte chooses the partition, the bits after it the slot.
    fn hash(self) -> u64;
}

impl Key for u64 {
    /// The key itself, which is mixed already.
    #[inline(always)]
    fn hash(self) -> u64 {
        self
    }
}

impl Key for u128 {
    #[inline(always)]
    fn hash(self) -> u64 {
        mix(self as u64 ^ mix((self >> 64) as u64))
    }
}

/// A hash table from keys to the number that came with each first; open addressing, at most three quarters full.
pub(crate) struct Firsts<K> {
    keys: Vec<K>,
    values: Vec<u32>,
    shift: u32,
    used: usize,
}

/// Marks a free slot; no ordinal has this value.
pub(crate) const NONE: u32 = u32::MAX;

impl<K: Key> Firsts<K> {
    /// Room for `keys` keys; it grows if there are more.
    pub fn new(keys: u64) -> Firsts<K> {
        Firsts::with_slots((keys.saturating_mul(4) / 3 + 2).next_power_of_two())
    }

    fn with_slots(slots: u64) -> Firsts<K> {
        let length = usize::try_from(slots).unwrap_or(usize::MAX);
        Firsts {
            keys: vec![K::default(); length],
            values: vec![NONE; length],
            shift: 64 - slots.trailing_zeros(),
            used: 0,
        }
    }

    /// The value that came first with `key`, which is now `value` if the key is new, and whether it is.
    #[inline]
    pub fn entry(&mut self, key: K, value: u32) -> (&mut u32, bool) {
        if self.used * 4 >= self.keys.len() * 3 {
            self.grow();
        }
        let mask = self.keys.len() - 1;
        let mut slot = ((key.hash() << 8) >> self.shift) as usize & mask;
        loop {
            if self.values[slot] == NONE {
                self.keys[slot] = key;
                self.values[slot] = value;
                self.used += 1;
                return (&mut self.values[slot], true);
            }
            if self.keys[slot] == key {
                return (&mut self.values[slot], false);
            }
            slot = (slot + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Firsts::with_slots(2 * self.keys.len() as u64);
        for (&key, &value) in self.keys.iter().zip(&self.values) {
            if value != NONE {
                larger.entry(key, value);
            }
        }
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_in_memory_and_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let collect = |memory| {
            let mut all = Partitions::<12>::new("t", memory, &dir.path().join("spill"));
            for i in 0..50_000u64 {
                let mut record = [0; 12];
                record[..8].copy_from_slice(&i.to_le_bytes());
                all.push(mix(i), record).unwrap();
            }
            let mut seen = Vec::new();
            for part in 0..PARTITIONS {
                all.for_each(part, |r| {
                    seen.push((part, *r));
                    Ok(())
                })
                .unwrap();
            }
            assert_eq!(all.records(), 50_000);
            (all.spilled(), seen)
        };
        let blocks = |memory| {
            let mut all = Partitions::<12>::new("b", memory, &dir.path().join("spill"));
            let record = |i: u64| {
                let mut record = [0; 12];
                record[..8].copy_from_slice(&i.to_le_bytes());
                (mix(i), record)
            };
            let records: Vec<(u64, [u8; 12])> = (0..50_000).map(record).collect();
            for window in records.chunks(7000) {
                let block = |records: &[(u64, [u8; 12])]| {
                    let mut gathered = Gathered::default();
                    records.iter().for_each(|&(hash, record)| gathered.push(7, hash, record));
                    gathered.sorted()
                };
                let blocks: Vec<Block<12>> = window.chunks(999).map(block).collect();
                all.append(&blocks).unwrap();
            }
            let mut seen = Vec::new();
            for part in 0..PARTITIONS {
                all.for_each(part, |r| {
                    seen.push((part, *r));
                    Ok(())
                })
                .unwrap();
            }
            assert_eq!(all.records(), 50_000);
            (all.spilled(), seen)
        };
        let (no, whole) = collect(1 << 30);
        let (yes, spilled) = collect(1 << 16);
        assert_eq!(blocks(1 << 30), (false, whole.clone()));
        assert_eq!(blocks(1 << 16), (true, whole.clone()));
        assert!(!no && yes && whole == spilled);
        assert!(whole.is_sorted_by_key(|(part, r)| (*part, u64::from_le_bytes(r[..8].try_into().unwrap()))));
        // The files go with the collection.
        assert!(fs::list(&dir.path().join("spill")).unwrap().is_empty());
    }

    #[test]
    fn a_table_finds_all_whatever_its_size() {
        for (n, room) in [(1, 0), (2, 2), (3, 3), (100, 100), (1000, 1000), (1000, 1)] {
            let mut table = Firsts::<u64>::new(room);
            // All begin with the same bits, so that they collide.
            let key = |i: u64| i << 3;
            for i in 0..n {
                assert!(table.entry(key(i), i as u32).1);
            }
            for i in 0..n {
                assert_eq!(*table.entry(key(i), 7).0, i as u32);
            }
        }
    }

    #[test]
    fn small_memory_takes_more_passes() {
        assert_eq!(passes(0, 12, 100), 1);
        assert_eq!(passes(1000, 12, 32_000), 1);
        assert_eq!(passes(1000, 12, 3200), 10);
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut all = Partitions::<8>::new("t", 1 << 16, dir.path());
        for i in 0..100_000u64 {
            all.push(mix(i), i.to_le_bytes()).unwrap();
        }
        std::fs::write(dir.path().join("t.000.spill"), b"123").unwrap();
        let error = all.for_each(0, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("t.000.spill"), "{error}");
    }
}
