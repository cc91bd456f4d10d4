//! Deduplication between the two passes: from the hashes of all documents in document order to the fate of each.
//!
//! In this order: documents of one URL, of one text, near duplicates, the mix of sources, then paragraphs of what is left, then stretches of bytes of what that leaves of the
//! texts. Each step sees only
//! what those before it kept, so that no document stands in for another that it was dropped before. Representatives are
//! documents that are kept, unless the mix left them out. What stays is decided by document order and the stated policy, never by time.

use std::path::PathBuf;

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::candidates::{Candidates, PLACE, Places};
use crate::config::{Config, Dedup as Whole, ParagraphDedup};
use crate::dedup::{Bloom, Budget, Clusters, ExactKeys, ExactParagraphs, Facts, Keep, Kept, Lsh, Sizing};
use crate::error::{Error, Result};
use crate::mix::{self, Spread};
use crate::part::{Fate, Hashes, Reader, Records, record_starts};
use crate::repeats::substrings;
use crate::rounds::{self, Numbers, Pairs, Rounds, pairs};
use crate::stretches::Stretches;

/// The files of one part. They are open only while they are read, so that no more than one of them is in memory.
pub(crate) struct Part {
    pub docs: PathBuf,
    pub hashes: PathBuf,
}

/// Numbers of the reasons for which documents are dropped here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reasons {
    pub url: u16,
    pub text: u16,
    pub near: u16,
    pub mixed: u16,
}

/// Why a document goes and which one stays in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Gone {
    /// Number of the reason; 0 if it stays, or went before.
    pub reason: u16,
    pub representative: u32,
}

/// Bytes that are held of a document while its fate is decided: what is known of it, what was decided, and its place in two
/// lists of clusters.
pub(crate) const STANDING: u64 = (size_of::<Fate>() + size_of::<Gone>() + 8) as u64;

/// Neighbouring documents and what is decided of them so far.
pub(crate) struct Standing {
    /// Ordinal of the first.
    pub start: u32,
    pub fates: Vec<Fate>,
    pub gone: Vec<Gone>,
}

impl Standing {
    /// The documents of some files of hashes, the first of which is document `start`.
    pub fn new<'h>(start: u32, files: impl IntoIterator<Item = &'h [u8]>) -> Result<Standing> {
        let files: Vec<&[u8]> = files.into_iter().collect();
        let read: Vec<Result<Vec<Fate>>> = files.into_par_iter().with_max_len(1).map(fates_of).collect();
        let mut fates = Vec::new();
        for file in read {
            fates.append(&mut file?);
        }
        Standing::all(start, fates)
    }

    fn all(start: u32, fates: Vec<Fate>) -> Result<Standing> {
        u32::try_from(fates.len() as u64 + u64::from(start))
            .map_err(|_| Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
        Ok(Standing { start, gone: vec![Gone::default(); fates.len()], fates })
    }

    fn at(&self, ordinal: u32) -> Option<usize> {
        let at = ordinal.checked_sub(self.start)? as usize;
        (at < self.fates.len()).then_some(at)
    }

    /// Whether a document is among them.
    pub fn has(&self, ordinal: u32) -> bool {
        self.at(ordinal).is_some()
    }

    /// Whether a document is kept so far.
    pub fn stays(&self, ordinal: u32) -> bool {
        self.at(ordinal).is_some_and(|at| self.fates[at].kept && self.gone[at].reason == 0)
    }

    /// All documents with their ordinals.
    fn documents(&self) -> impl Iterator<Item = (u32, &Fate)> {
        (self.start..).zip(&self.fates)
    }

    /// Drop copies: pairs of a document and the one that stays. Those elsewhere are passed over.
    pub fn drop_copies(&mut self, copies: &[u8], reason: u16) {
        for (ordinal, representative) in pairs(copies) {
            if let Some(at) = self.at(ordinal) {
                self.gone[at] = Gone { reason, representative };
            }
        }
    }

    /// Bytes of text that are kept so far, by source.
    pub fn spreads(&self, sources: usize) -> Vec<Spread> {
        let mut spreads = vec![Spread::default(); sources];
        for (ordinal, fate) in self.documents() {
            if self.stays(ordinal) {
                spreads[usize::from(fate.source)].add(fate.key, fate.bytes.into());
            }
        }
        spreads
    }

    /// Leave documents out or take them more than once, so that each source is taken up to its place. Gives back how often
    /// each is taken, or nothing if none is taken more than once.
    pub fn take(&mut self, limits: &[f64], reason: u16) -> Vec<u16> {
        let mut taken = Vec::new();
        if limits.iter().any(|&limit| limit > 1.0) {
            taken.resize(self.fates.len(), 1);
        }
        for (at, (ordinal, fate)) in (self.start..).zip(&self.fates).enumerate() {
            if !fate.kept || self.gone[at].reason != 0 {
                continue;
            }
            match mix::copies(fate.key, limits[usize::from(fate.source)]) {
                0 => self.gone[at] = Gone { reason, representative: ordinal },
                1 => {}
                // The config allows no more than the type can count.
                more => taken[at] = more as u16,
            }
        }
        taken
    }

    /// What is to be known of a document to choose between copies.
    fn facts(&self, ordinal: u32) -> Facts {
        let fate = &self.fates[(ordinal - self.start) as usize];
        Facts { bytes: fate.bytes, day: fate.day, rank: u32::from(fate.source) }
    }
}

fn fates_of(hashes: &[u8]) -> Result<Vec<Fate>> {
    let (mut reader, mut fates) = (Reader(hashes), Vec::new());
    while let Some(fate) = reader.fate()? {
        fates.push(fate);
    }
    Ok(fates)
}

/// Up to which place the mix takes each source.
pub(crate) fn limits(config: &Config, spreads: &[Spread]) -> Vec<f64> {
    let sources: Vec<(f64, &Spread)> =
        config.sources.iter().zip(spreads).map(|(source, spread)| (source.weight, spread)).collect();
    config.mix.limits(&sources).into_iter().map(|(limit, _)| limit).collect()
}

/// The fate of all documents.
pub(crate) struct Resolved {
    /// By ordinal.
    pub gone: Vec<Gone>,
    /// How often each document is taken, by ordinal; empty if none is taken more than once.
    taken: Vec<u16>,
    /// Paragraphs that came before, by document.
    again: Option<Numbers>,
    /// Stretches that came before, by document.
    repeats: Option<Numbers>,
}

/// Decide the fate of all documents of `parts`, round by round.
pub(crate) fn resolve(
    parts: &[Part],
    config: &Config,
    keep: Keep,
    reasons: Reasons,
    rounds: &Rounds,
    cancel: &Cancel,
) -> Result<Resolved> {
    let (stretches, fates) = Stretches::scan(parts, config.memory)?;
    let mut all = Standing::all(0, fates)?;
    let count = all.fates.len() as u32;
    let budget = Budget { memory: config.memory, dir: rounds.dir.join("spill") };
    if config.dedup_url {
        let copies = rounds.round(rounds::URL, |found| {
            let mut keys = ExactKeys::new("url", &budget)?;
            each(parts, |ordinal, hashes| match hashes.url {
                Some(url) if all.stays(ordinal) => Ok(keys.push(ordinal, url)?),
                _ => Ok(()),
            })?;
            copies(&keys.finish(count)?, found)
        })?;
        all.drop_copies(&copies, reasons.url);
    }
    if config.dedup == Whole::Exact {
        let copies = rounds.round(rounds::TEXT, |found| {
            let mut keys = ExactKeys::new("text", &budget)?;
            for (ordinal, fate) in all.documents() {
                if all.stays(ordinal) {
                    keys.push(ordinal, fate.content)?;
                }
            }
            copies(&keys.finish(count)?, found)
        })?;
        all.drop_copies(&copies, reasons.text);
    }
    if config.near.preset != "none" {
        let copies = rounds.round(rounds::NEAR, |found| {
            near_copies(&near(parts, &stretches, config, &all, &budget, cancel)?, keep, &all, found)
        })?;
        all.drop_copies(&copies, reasons.near);
    }
    let mut taken = Vec::new();
    if config.mixes() {
        let limits = limits(config, &all.spreads(config.sources.len()));
        taken = all.take(&limits, reasons.mixed);
    }
    follow(&mut all.gone)?;
    let again = match config.paragraphs.dedup {
        ParagraphDedup::None => None,
        ParagraphDedup::Exact => Some(rounds.round(rounds::PARAGRAPHS, |found| {
            let mut paragraphs = ExactParagraphs::new(&budget)?;
            let gather = |ordinal, hashes: &Hashes, to: &mut _| {
                if all.stays(ordinal) {
                    ExactParagraphs::gather(to, ordinal, &hashes.paragraphs);
                }
            };
            stretches.blocks(gather, |blocks| Ok(paragraphs.append(blocks)?))?;
            paragraphs.finish()?.each(|ordinal, index| found.put(ordinal, index))
        })?),
        ParagraphDedup::Bloom => Some(rounds.round(rounds::PARAGRAPHS, |found| {
            let sizing = Sizing::new(config.paragraphs.expected, config.paragraphs.rate)?;
            let mut bloom = Bloom::new(sizing, config.memory)?;
            each_paragraph(parts, &all, |ordinal, index, hash| match bloom.insert(u128::from(hash)) {
                true => found.put(ordinal, index),
                false => Ok(()),
            })?;
            bloom.check(0, |keys| {
                each_paragraph(parts, &all, |_, _, hash| {
                    keys.add(u128::from(hash));
                    Ok(())
                })
            })
        })?),
    };
    let repeats = match config.substrings.wanted() {
        false => None,
        true => Some(rounds.round(rounds::SUBSTRINGS, |found| {
            substrings(parts, &all, again.as_deref().unwrap_or_default(), config, &budget, cancel, found)
        })?),
    };
    let begin = |found: bool, name| found.then(|| Numbers::open(&rounds.path(name))).transpose();
    Ok(Resolved {
        taken,
        again: begin(again.is_some(), rounds::PARAGRAPHS)?,
        repeats: begin(repeats.is_some(), rounds::SUBSTRINGS)?,
        gone: all.gone,
    })
}

/// Which documents that are kept so far are nearly the same.
fn near(
    parts: &[Part],
    stretches: &Stretches,
    config: &Config,
    all: &Standing,
    budget: &Budget,
    cancel: &Cancel,
) -> Result<Clusters> {
    let count = all.fates.len() as u32;
    let verified = config.near.minhash()?.zip(config.near.verify);
    // What is counted for a document leaves more than this of the memory.
    let left = budget.memory.saturating_sub(PLACE * u64::from(count));
    let memory = if verified.is_some() { left / 2 } else { budget.memory };
    let mut lsh = Lsh::new(&Budget { memory, ..budget.clone() })?;
    let gather = |ordinal, hashes: &Hashes, to: &mut _| {
        if all.stays(ordinal) {
            Lsh::gather(to, ordinal, &hashes.bands);
        }
    };
    stretches.blocks(gather, |blocks| Ok(lsh.append(blocks)?))?;
    let Some((minhash, least)) = verified else { return Ok(lsh.finish(count)?) };
    let candidates = Candidates::new(minhash.shingles, least, places(parts, count)?, text, left / 2, cancel)?;
    lsh.finish_verified(count, |a, b| candidates.alike(a, b))
}

/// The text of a record.
fn text(record: &[u8]) -> Result<&str> {
    Reader(record).text_alone()
}

/// Where the records of all documents lie.
fn places(parts: &[Part], documents: u32) -> Result<Places> {
    let (files, starts) = (Vec::with_capacity(parts.len()), Vec::with_capacity(documents as usize));
    let mut places = Places { files, starts };
    for part in parts {
        places.files.push((places.starts.len() as u32, part.docs.clone()));
        record_starts(&part.docs, &mut places.starts)?;
    }
    Ok(places)
}

/// Bytes of hashes that are read at a time.
const BATCH: usize = 1 << 20;

/// All documents with their hashes, in document order.
fn each(parts: &[Part], mut then: impl FnMut(u32, &Hashes) -> Result<()>) -> Result<()> {
    let (mut ordinal, mut hashes) = (0, Hashes::default());
    for part in parts {
        let mut records = Records::open(&part.hashes)?;
        loop {
            let bytes = records.hashes(BATCH, |_| {})?;
            if bytes.is_empty() {
                break;
            }
            let mut reader = Reader(&bytes);
            while reader.hashes(&mut hashes)?.is_some() {
                then(ordinal, &hashes)?;
                ordinal += 1;
            }
        }
    }
    Ok(())
}

/// The paragraphs of what stays: ordinal, index, fingerprint.
fn each_paragraph(
    parts: &[Part],
    all: &Standing,
    mut then: impl FnMut(u32, u32, u64) -> Result<()>,
) -> Result<()> {
    each(parts, |ordinal, hashes| {
        if all.stays(ordinal) {
            for (index, &hash) in (0u32..).zip(&hashes.paragraphs) {
                then(ordinal, index, hash)?;
            }
        }
        Ok(())
    })
}

/// Of each cluster the first stays.
pub(crate) fn copies(clusters: &Clusters, found: &mut Pairs) -> Result<()> {
    listed(clusters.firsts(), found)
}

/// Of each cluster the one that the policy names stays.
pub(crate) fn near_copies(clusters: &Clusters, keep: Keep, all: &Standing, found: &mut Pairs) -> Result<()> {
    listed(Kept::new(clusters, keep, |ordinal| all.facts(ordinal)).representatives(), found)
}

fn listed(representatives: &[u32], found: &mut Pairs) -> Result<()> {
    for (ordinal, &representative) in (0u32..).zip(representatives) {
        if representative != ordinal {
            found.put(ordinal, representative)?;
        }
    }
    Ok(())
}

/// A copy of what was dropped later stands behind what stayed instead.
fn follow(gone: &mut [Gone]) -> Result<()> {
    for ordinal in 0..gone.len() {
        let mut at = gone[ordinal];
        if at.reason == 0 {
            continue;
        }
        loop {
            let next = *gone
                .get(at.representative as usize)
                .ok_or(Error::Record { what: "a representative between two passes" })?;
            if next.reason == 0 || next.representative == at.representative {
                // The other case: left out of the mix, nothing stayed.
                break;
            }
            at = next;
        }
        gone[ordinal].representative = at.representative;
    }
    Ok(())
}

impl Resolved {
    /// How often document `ordinal` is taken, if it stays.
    pub fn copies(&self, ordinal: u32) -> u16 {
        self.taken.get(ordinal as usize).copied().unwrap_or(1)
    }

    /// Append the paragraphs of document `ordinal` that came before, as numbers among those that count, rising. Documents are asked
    /// for in order, each that has some.
    pub fn paragraphs(&mut self, ordinal: u32, out: &mut Vec<u32>) -> Result<()> {
        self.again.as_mut().map_or(Ok(()), |file| file.of(ordinal, out))
    }

    /// Append where stretches that came before begin and end in what the paragraphs leave, in turn. Asked for as paragraphs are.
    pub fn repeats(&mut self, ordinal: u32, out: &mut Vec<u32>) -> Result<()> {
        self.repeats.as_mut().map_or(Ok(()), |file| file.of(ordinal, out))
    }
}
