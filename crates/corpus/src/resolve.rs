//! Deduplication between the two passes: from the hashes of all documents in document order to the fate of each.
//!
//! In this order: documents of one URL, of one text, near duplicates, the mix of sources, then paragraphs of what is left. Each step sees only
//! what those before it kept, so that no document stands in for another that it was dropped before. Representatives are
//! documents that are kept, unless the mix left them out. What stays is decided by document order and the stated policy, never by time.

use std::path::Path;

use memmap2::Mmap;
use regimen_base::fs;

use crate::arena::map;
use crate::config::{Config, Dedup as Whole, ParagraphDedup};
use crate::dedup::{
    Bloom, Budget, Clusters, ExactKeys, ExactParagraphs, Facts, Keep, Kept, Lsh, Paragraphs, Sizing,
};
use crate::error::{Error, Result};
use crate::mix;
use crate::part::{Hashes, Reader};

/// The files of one part.
pub(crate) struct Part {
    pub docs: Mmap,
    pub hashes: Mmap,
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

/// The fate of all documents.
pub(crate) struct Resolved {
    /// By ordinal.
    pub gone: Vec<Gone>,
    duplicates: Duplicates,
}

/// Duplicate paragraphs in document order.
enum Duplicates {
    None,
    Exact {
        all: Box<Paragraphs>,
        next: Option<(u32, Vec<u32>)>,
    },
    /// Pairs of ordinal and index in a file.
    Listed {
        file: Mmap,
        at: usize,
    },
}

/// Decide the fate of all documents of `parts`. Work files go into `dir`.
pub(crate) fn resolve(
    parts: &[Part],
    config: &Config,
    keep: Keep,
    reasons: Reasons,
    dir: &Path,
) -> Result<Resolved> {
    let mut documents = Vec::new();
    for part in parts {
        let mut reader = Reader(&part.docs);
        while let Some(fate) = reader.fate()? {
            documents.push(fate);
        }
    }
    let count = u32::try_from(documents.len())
        .map_err(|_| Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
    let budget = Budget { memory: config.memory, dir: dir.join("spill") };
    let mut gone = vec![Gone::default(); documents.len()];
    let stays =
        |gone: &[Gone], ordinal: u32| documents[ordinal as usize].kept && gone[ordinal as usize].reason == 0;

    if config.dedup_url {
        let mut keys = ExactKeys::new("url", &budget)?;
        each(parts, |ordinal, hashes| match hashes.url {
            Some(url) if stays(&gone, ordinal) => Ok(keys.push(ordinal, url)?),
            _ => Ok(()),
        })?;
        drop_copies(&keys.finish(count)?, reasons.url, &mut gone);
    }
    if config.dedup == Whole::Exact {
        let mut keys = ExactKeys::new("text", &budget)?;
        for (ordinal, document) in (0u32..).zip(&documents) {
            if stays(&gone, ordinal) {
                keys.push(ordinal, document.content)?;
            }
        }
        drop_copies(&keys.finish(count)?, reasons.text, &mut gone);
    }
    if config.near.preset != "none" {
        let mut lsh = Lsh::new(&budget)?;
        each(parts, |ordinal, hashes| match stays(&gone, ordinal) {
            true => Ok(lsh.push(ordinal, &hashes.bands)?),
            false => Ok(()),
        })?;
        let facts = |ordinal: u32| {
            let document = &documents[ordinal as usize];
            Facts { bytes: document.bytes, day: document.day, rank: u32::from(document.source) }
        };
        let kept = Kept::new(&lsh.finish(count)?, keep, facts);
        for (ordinal, &representative) in (0u32..).zip(kept.representatives()) {
            if representative != ordinal {
                gone[ordinal as usize] = Gone { reason: reasons.near, representative };
            }
        }
    }
    if config.mixes() {
        let mut sources: Vec<(f64, u64)> = config.sources.iter().map(|source| (source.weight, 0)).collect();
        for (ordinal, document) in (0u32..).zip(&documents) {
            if stays(&gone, ordinal) {
                sources[usize::from(document.source)].1 += u64::from(document.bytes);
            }
        }
        let fractions = config.mix.fractions(&sources);
        for (ordinal, document) in (0u32..).zip(&documents) {
            if stays(&gone, ordinal) && !mix::takes(document.key, fractions[usize::from(document.source)]) {
                gone[ordinal as usize] = Gone { reason: reasons.mixed, representative: ordinal };
            }
        }
    }
    // A copy of what was dropped later stands behind what stayed instead.
    for ordinal in 0..gone.len() {
        let mut representative = gone[ordinal].representative;
        while gone[ordinal].reason != 0 && gone[representative as usize].reason != 0 {
            let next = gone[representative as usize].representative;
            if next == representative {
                // Left out of the mix: nothing stayed.
                break;
            }
            representative = next;
        }
        gone[ordinal].representative = representative;
    }
    let duplicates = match config.paragraphs.dedup {
        ParagraphDedup::None => Duplicates::None,
        ParagraphDedup::Exact => {
            let mut all = ExactParagraphs::new(&budget)?;
            each(parts, |ordinal, hashes| {
                if stays(&gone, ordinal) {
                    for (index, &hash) in (0u32..).zip(&hashes.paragraphs) {
                        all.push(ordinal, index, hash)?;
                    }
                }
                Ok(())
            })?;
            let mut all = Box::new(all.finish()?);
            let next = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
            Duplicates::Exact { all, next }
        }
        ParagraphDedup::Bloom => {
            let sizing = Sizing::new(config.paragraphs.expected, config.paragraphs.rate)?;
            let mut bloom = Bloom::new(sizing, config.memory)?;
            let path = dir.join("duplicates");
            let mut file = fs::create(&path)?;
            each(parts, |ordinal, hashes| {
                if stays(&gone, ordinal) {
                    for (index, &hash) in (0u32..).zip(&hashes.paragraphs) {
                        if bloom.insert(u128::from(hash)) {
                            file.put(&(u64::from(ordinal) | u64::from(index) << 32).to_le_bytes())?;
                        }
                    }
                }
                Ok(())
            })?;
            bloom.check()?;
            file.push()?;
            drop(file);
            Duplicates::Listed { file: map(&path)?, at: 0 }
        }
    };
    Ok(Resolved { gone, duplicates })
}

/// All documents with their hashes, in document order.
fn each(parts: &[Part], mut then: impl FnMut(u32, &Hashes) -> Result<()>) -> Result<()> {
    let (mut ordinal, mut hashes) = (0, Hashes::default());
    for part in parts {
        let mut reader = Reader(&part.hashes);
        while reader.hashes(&mut hashes)? {
            then(ordinal, &hashes)?;
            ordinal += 1;
        }
    }
    Ok(())
}

/// Of each cluster the first stays.
fn drop_copies(clusters: &Clusters, reason: u16, gone: &mut [Gone]) {
    for (ordinal, &first) in clusters.firsts().iter().enumerate() {
        if first as usize != ordinal {
            gone[ordinal] = Gone { reason, representative: first };
        }
    }
}

impl Resolved {
    /// The paragraphs of document `ordinal` that came before, as numbers among those that count, rising. Documents are asked
    /// for in order, each that has some.
    pub fn paragraphs(&mut self, ordinal: u32, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        match &mut self.duplicates {
            Duplicates::None => {}
            Duplicates::Exact { all, next } => {
                if next.as_ref().is_some_and(|(of, _)| *of == ordinal) {
                    let following = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
                    if let Some((_, list)) = std::mem::replace(next, following) {
                        *out = list;
                    }
                }
            }
            Duplicates::Listed { file, at } => {
                let (pairs, _) = file.as_chunks::<8>();
                while let Some(pair) = pairs.get(*at).map(|pair| u64::from_le_bytes(*pair)) {
                    if pair as u32 != ordinal {
                        break;
                    }
                    out.push((pair >> 32) as u32);
                    *at += 1;
                }
            }
        }
        Ok(())
    }
}
