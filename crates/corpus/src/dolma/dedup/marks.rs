//! Deciding, in document order, what came before.

use std::path::Path;

use regimen_base::{Cancel, Hash256};

use super::copies::Copies;
use super::frames::{Parts, Records};
use super::record::{Record, text_of};
use super::{By, Found, Options};
use crate::candidates::{Candidates, PLACE, Places};
use crate::dedup::{Budget, ExactKeys, ExactParagraphs, Facts, Kept, Lsh, Substrings};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::repeats::put_span;
use crate::rounds::{Numbers, Pairs};

/// Name of the file with the stretches that came before.
const SPANS: &str = "spans";

/// What came before, in document order.
pub(super) enum Marks {
    /// Whole documents.
    Documents(Box<Copies>),
    /// Ordinal and number of the paragraph or n-gram, sorted.
    Exact { all: Box<crate::dedup::Sorted>, next: Option<(u32, Vec<u32>)> },
    /// A bit for each paragraph or n-gram.
    Bits { bits: Vec<u64>, at: usize },
    /// Ordinal and first or last byte of a stretch, sorted.
    Spans(Numbers),
}

/// Bytes that are held of a document when documents are compared: what stays instead of it, and tables of clusters.
const HELD: u64 = 16;
/// The same of the set of those that are one, beside records and tables.
const FOREST: u64 = 4;
/// The same of what a policy may ask about it.
const FACTS: u64 = size_of::<Facts>() as u64;

/// Decide about all things that the records in `parts` hold.
pub(super) fn decide(
    parts: &Parts,
    options: &Options,
    memory: &Memory,
    work: &Path,
    found: &mut Found,
    cancel: &Cancel,
) -> Result<Marks> {
    let documents = parts.all.documents;
    let budget = |memory| Budget { memory, dir: work.join("spill") };
    let count = u32::try_from(documents)
        .ok()
        .filter(|&n| n < u32::MAX)
        .ok_or(Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
    let each = |then: &mut dyn FnMut(u32, &Record) -> Result<()>| -> Result<()> {
        let (mut ordinal, mut records) = (0, Records::new(&parts.paths, options.by.layout()));
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
            let placed = if options.by.layout().text { PLACE } else { 0 };
            let left = memory.for_documents(documents, HELD + asked + placed, FOREST + asked + placed)?;
            let mut facts = Vec::with_capacity(if keep.asks() { count as usize } else { 0 });
            let mut note = |record: &Record| {
                found.compared += u64::from(!record.compared.is_empty());
                if keep.asks() {
                    facts.push(Facts { bytes: record.bytes, day: record.day, rank: 0 });
                }
            };
            let clusters = if let By::Near { minhash, verify, .. } = &options.by {
                let half = if verify.is_some() { 2 } else { 1 };
                let (mut lsh, mut starts) = (Lsh::new(&budget(left / half))?, Vec::new());
                if verify.is_some() {
                    starts.reserve_exact(count as usize);
                }
                each(&mut |ordinal, record| {
                    note(record);
                    if verify.is_some() {
                        starts.push(record.start);
                    }
                    Ok(lsh.push(ordinal, &words(record))?)
                })?;
                match verify {
                    None => lsh.finish(count)?,
                    Some(least) => {
                        let places = Places { files: parts.firsts(), starts };
                        let candidates =
                            Candidates::new(minhash.shingles, *least, places, text_of, left / 2, cancel)?;
                        lsh.finish_verified(count, |a, b| candidates.alike(a, b))?
                    }
                }
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
            let copies = Copies::new(kept, parts, options.by.layout(), left / 4, work, cancel)?;
            Ok(Marks::Documents(Box::new(copies)))
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
            found.duplicates = all.count();
            let next = all.next()?;
            Ok(Marks::Exact { all, next })
        }
        By::Paragraph { bloom: Some(filter), .. } | By::Ngram { bloom: Some(filter), .. } => {
            let bits = filter.look(parts, options, cancel)?;
            (found.compared, found.duplicates) = (bits.length, bits.set);
            Ok(Marks::Bits { bits: bits.words, at: 0 })
        }
        By::Substring { least } => {
            let substrings = Substrings::new(*least as usize, &budget(options.memory))?;
            found.compared = parts.all.text;
            let mut pairs = Pairs::begin(&work.join(SPANS), Hash256::of(b"spans"))?;
            substrings.find(
                |take| each(&mut |ordinal, record| take(ordinal, record.text.as_bytes())),
                |span| put_span(span, &mut pairs),
            )?;
            pairs.close()?;
            Ok(Marks::Spans(Numbers::open(&work.join(SPANS))?))
        }
    }
}

impl Marks {
    /// Which of the `count` things compared of document `ordinal` came before, or the first and last bytes of the stretches
    /// that did, in turn; documents are asked for in order.
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
                    let following = all.next()?;
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
            Marks::Spans(numbers) => numbers.of(ordinal, out)?,
        }
        Ok(())
    }
}
