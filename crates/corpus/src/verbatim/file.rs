//! A shard's file, little endian: a header of 128 bytes, the pointers, then 16 bytes of blake3 for each block of 4096 pointers.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | `RGMNSUFA` |
//! | 8..12 | version of the layout |
//! | 12..16 | bytes of a pointer: 4 or 5 |
//! | 16..24, 24..32 | first of the documents with a text, how many |
//! | 32..40, 40..48 | where their texts begin and end in `text.bin` |
//! | 48..56 | pointers: one for each byte of the texts |
//! | 56..64 | 0 |
//! | 64..96 | payload hash of the corpus |
//! | 96..128 | blake3 of what stands before |
//!
//! Pointers are places in the shard in the order of the suffixes that begin there. A block is compared with its hash when it is
//! first looked at, so that a changed file is noticed by who reads it, for a hash of 16 kB and not of the whole file.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use memmap2::Mmap;
use rayon::prelude::*;
use regimen_base::{Hash256, fs};

use super::places::{Documents, Places};
use crate::arena::map;
use crate::error::{Error, Result};
use crate::verbatim::suffixes::Position;

const MAGIC: &[u8; 8] = b"RGMNSUFA";
/// Version of the layout.
pub(crate) const VERSION: u32 = 1;
const HEAD: usize = 128;
/// Pointers of a block.
const BLOCK: usize = 4096;
const HASH: usize = 16;
/// Blocks that are encoded at once.
const BATCH: usize = 256;

/// What a shard's file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub width: usize,
    pub documents: Range<usize>,
    pub text: Range<u64>,
    pub payload: Hash256,
}

impl Head {
    /// Of the shard with these documents of the corpus with this payload.
    pub fn of(all: &Documents, documents: Range<usize>, payload: Hash256) -> Head {
        let places = Places::new(all, documents.clone()).length();
        let width = if places > u64::from(u32::MAX) { 5 } else { 4 };
        Head { width, text: all.texts(&documents), documents, payload }
    }

    fn pointers(&self) -> usize {
        (self.text.end - self.text.start) as usize
    }

    fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&(self.width as u32).to_le_bytes());
        let numbers = [
            self.documents.start as u64,
            self.documents.len() as u64,
            self.text.start,
            self.text.end,
            self.pointers() as u64,
        ];
        for (place, number) in out[16..56].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        out[64..96].copy_from_slice(&self.payload.0);
        let hash = blake3::hash(&out[..96]);
        out[96..].copy_from_slice(hash.as_bytes());
        out
    }
}

/// Write a shard's file, whole or not at all. `progress` is told the bytes of text whose pointers are written.
pub(crate) fn write<P: Position>(
    path: &Path,
    head: &Head,
    suffixes: &[P],
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let hidden = path.with_file_name(format!(".{}", path.file_name().unwrap_or_default().display()));
    let mut file = fs::create(&hidden)?;
    file.put(&head.encode())?;
    let mut hashes = Vec::with_capacity(suffixes.len().div_ceil(BLOCK) * HASH);
    for batch in suffixes.chunks(BLOCK * BATCH) {
        let blocks: Vec<(Vec<u8>, [u8; HASH])> = batch
            .par_chunks(BLOCK)
            .map(|block| {
                let mut bytes = Vec::with_capacity(block.len() * head.width);
                for position in block {
                    bytes.extend_from_slice(&(position.at() as u64).to_le_bytes()[..head.width]);
                }
                let hash = hash(&bytes);
                (bytes, hash)
            })
            .collect();
        for (bytes, hash) in blocks {
            file.put(&bytes)?;
            hashes.extend_from_slice(&hash);
        }
        progress(batch.len() as u64)?;
    }
    file.put(&hashes)?;
    file.finish()?;
    Ok(fs::rename(&hidden, path)?)
}

fn hash(block: &[u8]) -> [u8; HASH] {
    let mut out = [0; HASH];
    out.copy_from_slice(&blake3::hash(block).as_bytes()[..HASH]);
    out
}

/// A shard's file, open.
pub(crate) struct Pointers {
    map: Mmap,
    path: PathBuf,
    width: usize,
    count: usize,
    /// A bit for each block that was compared with its hash.
    seen: Vec<AtomicU64>,
}

impl Pointers {
    /// Open the file of a shard that should have this head.
    ///
    /// # Errors
    /// [`Error::Index`] for a file of another corpus, another version, another length, or a changed header.
    pub fn open(path: &Path, expected: &Head) -> Result<Pointers> {
        let map = map(path)?;
        let bad = |what: String| Err(Error::index(path, what));
        let Some(head) = map.get(..HEAD) else {
            return bad(format!("it has {} bytes, less than its header", map.len()));
        };
        if head[..8] != *MAGIC {
            return bad("it does not begin as the shard of an index".into());
        }
        let word = |from: usize| head[from..from + 4].iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
        if word(8) != VERSION {
            return bad(format!("it has version {}, this program reads version {VERSION}", word(8)));
        }
        if blake3::hash(&head[..96]).as_bytes()[..] != head[96..] {
            return bad("its header was changed".into());
        }
        if head[64..96] != expected.payload.0 {
            return bad("it was made of another corpus".into());
        }
        if head[..] != expected.encode()[..] {
            return bad("its header does not fit the documents of the corpus".into());
        }
        let count = expected.pointers();
        let blocks = count.div_ceil(BLOCK);
        let length = HEAD + count * expected.width + blocks * HASH;
        if map.len() != length {
            return bad(format!("it should have {length} bytes, it has {}", map.len()));
        }
        let seen = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Pointers { map, path: path.into(), width: expected.width, count, seen })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The file's path, for errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn block(&self, number: usize) -> Result<&[u8]> {
        let first = number * BLOCK;
        let end = (first + BLOCK).min(self.count);
        let bytes = &self.map[HEAD + first * self.width..HEAD + end * self.width];
        let (word, bit) = (&self.seen[number / 64], 1 << (number % 64));
        if word.load(Relaxed) & bit == 0 {
            let hashes = HEAD + self.count * self.width + number * HASH;
            if self.map[hashes..hashes + HASH] != hash(bytes) {
                let what = format!("pointers {first} to {} were changed", end - 1);
                return Err(Error::index(&self.path, what));
            }
            word.fetch_or(bit, Relaxed);
        }
        Ok(bytes)
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        match self.width {
            4 => bytes.first_chunk().map_or(0, |b| u64::from(u32::from_le_bytes(*b))),
            _ => bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)),
        }
    }

    /// Pointer `i`, which must be below [`Pointers::len`].
    #[inline]
    pub fn get(&self, i: usize) -> Result<u64> {
        let block = self.block(i / BLOCK)?;
        Ok(self.number(&block[i % BLOCK * self.width..][..self.width]))
    }

    /// The pointers of a range, one after the other.
    pub fn each(&self, range: Range<usize>, mut then: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min((at / BLOCK + 1) * BLOCK);
            let block = self.block(at / BLOCK)?;
            for i in at..end {
                then(self.number(&block[i % BLOCK * self.width..][..self.width]))?;
            }
            at = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn head(width: usize, count: usize) -> Head {
        Head { width, documents: 2..5, text: 7..7 + count as u64, payload: Hash256::of(b"corpus") }
    }

    fn written(dir: &Path, width: usize, numbers: &[i64]) -> PathBuf {
        let path = dir.join("x.sa");
        let mut told = 0;
        let mut progress = |bytes| {
            told += bytes;
            Ok(())
        };
        write(&path, &head(width, numbers.len()), numbers, &mut progress).unwrap();
        assert_eq!(told, numbers.len() as u64);
        path
    }

    #[test]
    fn pointers_come_back_in_both_widths() {
        let dir = tempfile::tempdir().unwrap();
        for (width, most) in [(4, i64::from(u32::MAX)), (5, (1 << 40) - 1)] {
            for count in [1, BLOCK, BLOCK + 1, 3 * BLOCK - 1] {
                let numbers: Vec<i64> = (0..count as i64).map(|i| (i * 7_368_787_367) & most).collect();
                let path = written(dir.path(), width, &numbers);
                let pointers = Pointers::open(&path, &head(width, count)).unwrap();
                assert_eq!(pointers.len(), count);
                let one = |i: usize| pointers.get(i).unwrap() as i64;
                assert!((0..count).all(|i| one(i) == numbers[i]));
                let (from, to) = (count / 3, count - count / 5);
                let mut got = Vec::new();
                pointers
                    .each(from..to, |p| {
                        got.push(p as i64);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(got, numbers[from..to]);
            }
        }
        assert_eq!(fs::list(dir.path()).unwrap().len(), 1, "nothing hidden is left");
    }

    #[test]
    fn what_was_changed_is_told_by_file_with_a_way_out() {
        use regimen_base::Hint;
        let dir = tempfile::tempdir().unwrap();
        let numbers: Vec<i64> = (0..9000).collect();
        let path = written(dir.path(), 4, &numbers);
        let whole = fs::read(&path).unwrap();
        let open = |bytes: &[u8], expected: &Head| {
            fs::write(&path, bytes).unwrap();
            Pointers::open(&path, expected)
        };
        let fault = |bytes: &[u8], expected: &Head| match open(bytes, expected) {
            Err(error @ Error::Index { .. }) => {
                assert!(error.to_string().contains("x.sa"), "{error}");
                assert!(error.hint().unwrap().contains("regimen corpus index"), "{error}");
                error.to_string()
            }
            other => panic!("{:?}", other.err()),
        };
        let right = head(4, 9000);
        assert!(fault(&whole[..60], &right).contains("60 bytes"));
        assert!(fault(b"", &right).contains("0 bytes"));
        assert!(fault(&whole[..whole.len() - 1], &right).contains("it should have"));
        assert!(fault(&[&whole[..], b"x"].concat(), &right).contains("it should have"));
        let with = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        };
        assert!(fault(&with(3), &right).contains("does not begin"));
        assert!(fault(&with(8), &right).contains("version 5"));
        assert!(fault(&with(17), &right).contains("header was changed"));
        assert!(fault(&with(100), &right).contains("header was changed"));
        let other = Head { payload: Hash256::of(b"other"), ..right.clone() };
        assert!(fault(&whole, &other).contains("another corpus"));
        assert!(fault(&whole, &Head { documents: 2..6, ..right.clone() }).contains("does not fit"));
        // A changed pointer, or a changed hash, is seen where it is read and nowhere else.
        for at in [HEAD + 4 * 5000, whole.len() - 20] {
            let pointers = open(&with(at), &right).unwrap();
            assert_eq!(pointers.get(10).unwrap(), 10);
            let error = pointers.get(5001).unwrap_err();
            assert!(error.to_string().contains("pointers 4096 to 8191 were changed"), "{error}");
            assert!(pointers.each(0..9000, |_| Ok(())).is_err());
        }
    }
}
