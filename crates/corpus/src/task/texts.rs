//! Near copies that are verified between tasks: candidates are compared by their texts, so a text must be where those are with
//! which it is compared.
//!
//! The round before has told which documents are connected by bands that they share, and the first document of each such set. A text
//! travels with its bands to the bucket of that first document. So a set is in one bucket as a whole, and all documents that
//! share a band with one of its own. There the documents are numbered anew in document order, and candidates are compared as
//! one machine compares them: what it finds depends on nothing beyond such a set, and on the order within it.
//!
//! A record is the ordinal, how many bands there are and how long the text is (`u32` each), the bands, and the text.

use std::io::{BufReader, Read};
use std::path::PathBuf;

use regimen_base::{Cancel, fs};

use crate::arena;
use crate::candidates::{Candidates, PLACE, Places};
use crate::dedup::{Budget, Lsh};
use crate::error::{Error, Result};
use crate::part::{Hashes, Reader, Records};
use crate::resolve::Standing;
use crate::rounds::{self, Pairs, pairs, pairs_from};
use crate::task::dealer::Dealer;
use crate::task::shuffle::{Buckets, Round, Take};
use crate::task::{Task, Work, docs_of};

/// Bytes of a record before the bands.
const HEAD: usize = 12;
/// Bytes of memory that are held of a document of a bucket: where its record lies, its ordinal, and its place in two lists of
/// clusters.
const HELD: u64 = PLACE + 4 + 8;

/// After so many documents it is seen whether they fit.
const CHECKED: usize = 1 << 16;

/// What a record begins with.
struct Head {
    ordinal: u32,
    bands: usize,
    text: usize,
}

impl Head {
    fn of(record: &[u8]) -> Option<Head> {
        let ([ordinal, bands, text], _) = record.first_chunk::<HEAD>()?.as_chunks::<4>() else { return None };
        let [ordinal, bands, text] = [ordinal, bands, text].map(|bytes| u32::from_le_bytes(*bytes));
        Some(Head { ordinal, bands: bands as usize, text: text as usize })
    }

    /// Bytes of the record.
    fn length(&self) -> usize {
        HEAD.saturating_add(8usize.saturating_mul(self.bands)).saturating_add(self.text)
    }
}

/// The length of the first record of some bytes, if its head is there.
pub(super) fn whole(bytes: &[u8]) -> Option<usize> {
    Head::of(bytes).map(|head| head.length())
}

fn broken() -> Error {
    Error::Record { what: "a candidate for near copies" }
}

/// The text of a record.
fn text(record: &[u8]) -> Result<&str> {
    let head = Head::of(record).ok_or_else(broken)?;
    let start = record.len().checked_sub(head.text).ok_or_else(broken)?;
    std::str::from_utf8(&record[start..]).map_err(|_| broken())
}

/// A file that is gone in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed goes with the folder.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Work<'_> {
    /// Whether the texts of a round are compared.
    pub(super) fn compares_texts(&self, round: Round) -> bool {
        round == Round::Near && self.ground.config.near.verify.is_some()
    }

    /// Deal the candidates of a group, whose texts are brought here for it.
    pub(super) fn deal_texts(
        &self,
        task: &Task,
        group: usize,
        all: &Standing,
        buckets: &Buckets,
        dealer: &mut Dealer,
    ) -> Result<()> {
        let path = self.parts().join(rounds::CANDIDATES);
        self.depot.bring(rounds::CANDIDATES, &path, &mut |_| ())?;
        let map = arena::map(&path)?;
        let end = u64::from(all.start) + all.fates.len() as u64;
        let mut wanted = pairs(pairs_from(&map, all.start))
            .take_while(|&(ordinal, _)| u64::from(ordinal) < end)
            .peekable();
        if wanted.peek().is_none() {
            return Ok(());
        }
        let docs = self.parts().join(format!("{group:06}.docs"));
        self.depot.bring(&docs_of(group), &docs, &mut |_| ())?;
        let hashes_of_all = arena::map(&self.hashes(group)?)?;
        let (mut hashes_of_next, mut hashes) = (Reader(&hashes_of_all), Hashes::default());
        let (mut records, mut ordinal) = (Records::open(&docs)?, all.start);
        while wanted.peek().is_some() {
            task.cancel.check()?;
            let bytes = records.batch(self.ground.memory.batch())?;
            if bytes.is_empty() {
                return Err(broken());
            }
            let mut reader = Reader(&bytes);
            while let Some(mut record) = reader.record()? {
                hashes_of_next.hashes(&mut hashes)?;
                if let Some((_, root)) = wanted.next_if(|&(next, _)| next == ordinal)
                    && all.stays(ordinal)
                {
                    let (bucket, text) = (buckets.of(root.into()), record.text_alone()?);
                    for number in [ordinal, hashes.bands.len() as u32, text.len() as u32] {
                        dealer.put(bucket, &number.to_le_bytes())?;
                    }
                    hashes.bands.iter().try_for_each(|band| dealer.put(bucket, &band.to_le_bytes()))?;
                    dealer.put(bucket, text.as_bytes())?;
                }
                ordinal += 1;
            }
        }
        if task.share.is_some() {
            self.depot.forget(&docs)?;
        }
        Ok(())
    }

    /// Find near copies in a bucket, whose candidates `records` gives in document order: pairs of a document and the first one
    /// of its cluster.
    pub(super) fn meet_texts(
        &self,
        budget: &Budget,
        records: &mut dyn FnMut(&mut Take) -> Result<()>,
        cancel: &Cancel,
        found: &mut Pairs,
    ) -> Result<()> {
        let near = &self.ground.config.near;
        let Some((minhash, least)) = near.minhash()?.zip(near.verify) else { return Ok(()) };
        let scratch = Scratch(budget.dir.with_extension("texts"));
        let mut file = fs::create(&scratch.0)?;
        let (mut starts, mut ordinals, mut end) = (Vec::new(), Vec::new(), 0);
        records(&mut |record| {
            if ordinals.len() % CHECKED == 0 {
                self.ground.memory.for_documents(ordinals.len() as u64, HELD, HELD)?;
            }
            ordinals.push(Head::of(record).ok_or_else(broken)?.ordinal);
            starts.push(end);
            end += record.len() as u64;
            Ok(file.put(record)?)
        })?;
        file.close()?;
        // No more than there are ordinals.
        let count = ordinals.len() as u32;
        let left = self.ground.memory.for_documents(count.into(), HELD, HELD)?;
        let mut lsh = Lsh::new(&Budget { memory: left / 2, ..budget.clone() })?;
        push_bands(&scratch, count, &mut lsh, cancel)?;
        let places = Places { files: vec![(0, scratch.0.clone())], starts };
        let candidates = Candidates::new(minhash.shingles, least, places, text, left / 2, cancel)?;
        let clusters = lsh.finish_verified(count, |a, b| candidates.alike(a, b))?;
        for (&ordinal, &first) in ordinals.iter().zip(clusters.firsts()) {
            let first = ordinals.get(first as usize).copied().ok_or_else(broken)?;
            if first != ordinal {
                found.put(ordinal, first)?;
            }
        }
        Ok(())
    }
}

/// The bands of the records in a file, which are numbered from 0.
fn push_bands(scratch: &Scratch, count: u32, lsh: &mut Lsh, cancel: &Cancel) -> Result<()> {
    let unread = |e| fs::Error::new("read", &scratch.0, e);
    let mut file = BufReader::new(fs::open(&scratch.0)?);
    let (mut head, mut bands) = ([0; HEAD], Vec::new());
    for number in 0..count {
        cancel.check()?;
        file.read_exact(&mut head).map_err(unread)?;
        let Head { bands: some, text, .. } = Head::of(&head).ok_or_else(broken)?;
        bands.clear();
        for _ in 0..some {
            let mut band = [0; 8];
            file.read_exact(&mut band).map_err(unread)?;
            bands.push(u64::from_le_bytes(band));
        }
        file.seek_relative(text as i64).map_err(unread)?;
        lsh.push(number, &bands)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_with_its_bands_and_text() {
        let mut record = Vec::new();
        [7u32, 2, 5].iter().for_each(|number| record.extend_from_slice(&number.to_le_bytes()));
        [1u64, 2].iter().for_each(|band| record.extend_from_slice(&band.to_le_bytes()));
        record.extend_from_slice("four ".as_bytes());
        assert_eq!((whole(&record), text(&record).unwrap()), (Some(33), "four "));
        assert!((0..record.len()).all(|end| whole(&record[..end]) == (end >= HEAD).then_some(33)));
        let more = [&record[..], b"more"].concat();
        assert_eq!(whole(&more), Some(33));
        record[32] = 0xFF;
        assert!(text(&record).is_err() && text(&record[..8]).is_err());
        record[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(whole(&record) > Some(record.len()) && text(&record).is_err());
    }
}
