//! Deciding, in document order, what came before.

use std::path::Path;

use regimen_base::Cancel;

use super::copies::Copies;
use super::frames::{Parts, Records};
use super::record::Record;
use super::{By, Found, Options};
use crate::dedup::{Batch, Bloom, Budget, ExactKeys, ExactParagraphs, Facts, Kept, Lsh, Sizing};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// Keys that are looked up in a Bloom filter at once.
const BATCH: usize = 1 << 18;

/// What came before, in document order.
pub(super) enum Marks {
    /// Whole documents.
    Documents(Copies),
    /// Ordinal and number of the paragraph or n-gram, sorted.
    Exact { all: Box<crate::dedup::Paragraphs>, next: Option<(u32, Vec<u32>)> },
    /// A bit for each paragraph or n-gram.
    Bits { bits: Vec<u64>, at: usize },
}

/// Bytes that are held of a document when documents are compared: what stays instead of it, and tables of clusters.
const HELD: u64 = 16;
/// The same of what a policy may ask about it.
const FACTS: u64 = size_of::<Facts>() as u64;

/// Decide about the `compared` things that the records in `parts` hold.
pub(super) fn decide(
    parts: &Parts,
    options: &Options,
    memory: &Memory,
    work: &Path,
    found: &mut Found,
    cancel: &Cancel,
) -> Result<Marks> {
    let (documents, compared) = (parts.all.documents, parts.all.compared);
    let budget = |memory| Budget { memory, dir: work.join("spill") };
    let count = u32::try_from(documents)
        .ok()
        .filter(|&n| n < u32::MAX)
        .ok_or(Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
    let each = |then: &mut dyn FnMut(u32, &Record) -> Result<()>| -> Result<()> {
        let (mut ordinal, mut records) = (0, Records::new(&parts.paths, options.by.width()));
        while let Some(record) = records.next()? {
            cancel.check()?;
            then(ordinal, &record)?;
            ordinal += 1;
        }
        Ok(())
    };
    let words = |record: &Record| {
        record.compared.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect::<Vec<u64>>()
    };
    match &options.by {
        By::Document { keep, .. } | By::Url { keep } | By::Near { keep, .. } => {
            let keep = *keep;
            let asked = if keep.asks() { FACTS } else { 0 };
            let left = memory.for_documents(documents, HELD + asked, asked)?;
            let mut facts = Vec::with_capacity(if keep.asks() { count as usize } else { 0 });
            let mut note = |record: &Record| {
                found.compared += u64::from(!record.compared.is_empty());
                if keep.asks() {
                    facts.push(Facts { bytes: record.bytes, day: record.day, rank: 0 });
                }
            };
            let clusters = if let By::Near { .. } = options.by {
                let mut lsh = Lsh::new(&budget(left))?;
                each(&mut |ordinal, record| {
                    note(record);
                    Ok(lsh.push(ordinal, &words(record))?)
                })?;
                lsh.finish(count)?
            } else {
                let mut keys = ExactKeys::new("keys", &budget(left))?;
                each(&mut |ordinal, record| {
                    note(record);
                    match record.compared.first_chunk::<16>() {
                        Some(key) => Ok(keys.push(ordinal, u128::from_le_bytes(*key))?),
                        None => Ok(()),
                    }
                })?;
                keys.finish(count)?
            };
            let kept = Kept::new(&clusters, keep, |ordinal| facts[ordinal as usize]);
            drop(clusters);
            found.duplicates = kept.dropped();
            Ok(Marks::Documents(Copies::new(kept, parts, options.by.width(), left / 4, work, cancel)?))
        }
        By::Paragraph { bloom: None, .. } | By::Ngram { bloom: None, .. } => {
            let mut all = ExactParagraphs::new(&budget(options.memory))?;
            each(&mut |ordinal, record| {
                for (index, paragraph) in (0u32..).zip(record.compared.chunks(16)) {
                    if let Some(hash) = paragraph.first_chunk::<8>() {
                        all.push(ordinal, index, u64::from_le_bytes(*hash))?;
                    }
                }
                Ok(())
            })?;
            found.compared = all.paragraphs();
            let mut all = Box::new(all.finish()?);
            found.duplicates = all.duplicates();
            let next = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
            Ok(Marks::Exact { all, next })
        }
        By::Paragraph { bloom: Some((expected, rate)), .. }
        | By::Ngram { bloom: Some((expected, rate)), .. } => {
            let sizing = Sizing::new(*expected, *rate)?;
            // A bit tells of each one whether it came before.
            let marks = compared.div_ceil(64) * 8;
            if sizing.bytes() + marks > options.memory {
                let things = options.by.things();
                let what = format!("a Bloom filter of {expected} keys beside {compared} {things}");
                let instead = "compare them without --bloom, which takes files where memory ends";
                let (needed, allowed) = (sizing.bytes() + marks, options.memory);
                return Err(Error::StepMemory { what, needed, allowed, instead });
            }
            let mut bloom = Bloom::new(sizing, options.memory - marks)?;
            let mut hashes = Hashes { records: Records::new(&parts.paths, options.by.width()) };
            let mut bits =
                Bits { words: Vec::with_capacity(compared.div_ceil(64) as usize), ..Bits::default() };
            let mut keys = Vec::new();
            let (mut seen, mut before) = (Vec::new(), Vec::new());
            let mut batch = hashes.batch(&sizing, &mut keys)?;
            if batch.len() >= BATCH {
                bloom.touch();
            }
            // While some are looked up, the next ones are gathered.
            while !batch.is_empty() {
                cancel.check()?;
                let look = || bloom.insert_batch(batch, &mut seen);
                let gather = || {
                    bits.extend(&before);
                    hashes.batch(&sizing, &mut keys)
                };
                batch = rayon::join(look, gather).1?;
                std::mem::swap(&mut seen, &mut before);
            }
            bits.extend(&before);
            (found.compared, found.duplicates) = (bits.length, bits.set);
            bloom.check::<Error>(|all| {
                let mut hashes = Hashes { records: Records::new(&parts.paths, options.by.width()) };
                while !hashes.batch(&sizing, &mut keys)?.is_empty() {
                    keys.iter().for_each(|&key| all.add(key));
                }
                Ok(())
            })?;
            Ok(Marks::Bits { bits: bits.words, at: 0 })
        }
    }
}

/// Bits one after the other.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    length: u64,
    /// How many of them are set.
    set: u64,
}

impl Bits {
    fn extend(&mut self, bits: &[bool]) {
        self.words.resize((self.length as usize + bits.len()).div_ceil(64), 0);
        for &bit in bits {
            self.words[(self.length / 64) as usize] |= u64::from(bit) << (self.length % 64);
            self.length += 1;
            self.set += u64::from(bit);
        }
    }
}

/// The hashes of all paragraphs or n-grams, in document order.
struct Hashes<'h> {
    records: Records<'h>,
}

impl Hashes<'_> {
    /// The next [`BATCH`] or a few more; none at the end. `keys` is room for them.
    fn batch(&mut self, sizing: &Sizing, keys: &mut Vec<u128>) -> Result<Batch> {
        keys.clear();
        while keys.len() < BATCH {
            let Some(record) = self.records.next()? else { break };
            let hashes = record.compared.chunks(16).filter_map(|p| p.first_chunk::<8>());
            keys.extend(hashes.map(|hash| u128::from(u64::from_le_bytes(*hash))));
        }
        Ok(Batch::new(sizing, keys))
    }
}

impl Marks {
    /// Which of the `count` things compared of document `ordinal` came before; documents are asked for in order.
    pub(super) fn of(&mut self, ordinal: u32, count: usize, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        match self {
            Marks::Documents(copies) => {
                if copies.is_copy(ordinal) {
                    out.push(0);
                }
            }
            Marks::Exact { all, next } => {
                if next.as_ref().is_some_and(|(of, _)| *of == ordinal) {
                    let following = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
                    if let Some((_, list)) = std::mem::replace(next, following) {
                        *out = list;
                    }
                }
            }
            Marks::Bits { bits, at } => {
                out.extend(
                    (0..count)
                        .filter(|i| bits[(*at + i) / 64] >> ((*at + i) % 64) & 1 != 0)
                        .map(|i| i as u32),
                );
                *at += count;
            }
        }
        Ok(())
    }
}
