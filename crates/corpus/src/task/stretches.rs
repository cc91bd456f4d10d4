//! Stretches that came before, found by tasks: their anchors are dealt first, by the hashes of their grams, and those that occur
//! more than once are known to all afterwards; then the windows at these, by their keys ([`crate::dedup::substring`]). Texts stay
//! where they are.
//!
//! A record of an anchor is its key (`u64`), ordinal and byte (`u32` each); one of a window the same with a key of 16 bytes.

use rayon::prelude::*;

use crate::arena;
use crate::dedup::Budget;
use crate::dedup::substring::again::Windows;
use crate::dedup::substring::batch::{Batch, Piece};
use crate::dedup::substring::repeated::Anchors;
use crate::dedup::substring::shape::{Room, Shape};
use crate::dedup::substring::{Spans, check};
use crate::error::{Error, Result};
use crate::repeats::{kept_texts, numbers_of, put_span};
use crate::resolve::Standing;
use crate::rounds::{self, Pairs, Stored, pairs_from};
use crate::task::dealer::Dealer;
use crate::task::shuffle::{Buckets, Round, Take, in_order};
use crate::task::{Task, Work, docs_of};

impl Work<'_> {
    fn shape(&self) -> Shape {
        Shape::new(self.ground.config.substrings.min_bytes as usize)
    }

    /// Deal the anchors of a group, or the windows of those that occur more than once. The texts are brought here for it.
    pub(super) fn deal_stretches(
        &self,
        task: &Task,
        (round, group): (Round, usize),
        all: &Standing,
        buckets: &Buckets,
        dealer: &mut Dealer,
    ) -> Result<()> {
        let (shape, config) = (self.shape(), self.ground.config);
        let found = |wanted: bool, file| -> Result<_> {
            let path = self.parts().join(file);
            if !wanted {
                return Ok(None);
            }
            self.depot.bring(file, &path, &mut |_| ())?;
            Ok(Some(arena::map(&path)?))
        };
        let again = found(config.paragraphs.wanted(), rounds::PARAGRAPHS)?;
        let repeated = found(round == Round::Substrings, rounds::ANCHORS)?;
        let repeated = repeated.as_deref().map(|file| pairs_from(file, all.start));
        if repeated.is_some_and(|repeated| {
            rounds::pairs(repeated).next().is_none_or(|(ordinal, _)| !all.has(ordinal))
        }) {
            return Ok(());
        }
        let docs = self.parts().join(format!("{group:06}.docs"));
        self.depot.bring(&docs_of(group), &docs, &mut |_| ())?;
        let (mut read, mut places, mut batch) = (0, Vec::new(), Batch::default());
        let again = pairs_from(again.as_deref().unwrap_or_default(), all.start);
        let mut work = |pieces: &[Piece]| -> Result<()> {
            task.cancel.check()?;
            let records = |room: &mut Room, piece: &Piece| records_of(&shape, round, piece, room);
            let made: Vec<Vec<u8>> = pieces.par_iter().map_init(Room::default, records).collect();
            made.iter().flat_map(|some| some.chunks_exact(round.width())).try_for_each(|record| {
                let key = record[..round.width() - 8].as_chunks::<8>().0;
                let key = key.iter().fold(0, |all, part| all ^ u64::from_le_bytes(*part));
                dealer.put(buckets.of(key), record)
            })
        };
        kept_texts([&docs], all, again, &config.paragraphs.compared(), &mut |ordinal, text| {
            check(text)?;
            places.clear();
            if let Some(repeated) = repeated {
                read += numbers_of(repeated, read, ordinal, &mut places);
                if places.is_empty() {
                    return Ok(());
                }
            }
            batch.take(&shape, (ordinal, text, &places), &mut work)
        })?;
        batch.flush(&shape, &mut work)?;
        if task.share.is_some() {
            self.depot.forget(&docs)?;
        }
        Ok(())
    }

    /// Find the anchors of a bucket that occur more than once, or the windows that came before, whose records `records` gives in
    /// document order.
    pub(super) fn meet_stretches(
        &self,
        round: Round,
        budget: &Budget,
        records: &mut dyn FnMut(&mut Take) -> Result<()>,
        found: &mut Pairs,
    ) -> Result<()> {
        let place = |bytes: &[u8]| {
            let number = |bytes: &[u8]| bytes.first_chunk().map(|n| u32::from_le_bytes(*n));
            number(bytes).zip(bytes.get(4..).and_then(number)).ok_or(Error::Record { what: "a stretch" })
        };
        let sorted = if round == Round::Anchors {
            let mut anchors = Anchors::new(budget)?;
            records(&mut |record| {
                let (ordinal, at) = place(&record[8..])?;
                let key = record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key));
                Ok(anchors.push(ordinal, at, key)?)
            })?;
            anchors.finish()?
        } else {
            let mut windows = Windows::new(self.shape().least, budget)?;
            records(&mut |record| {
                let (ordinal, at) = place(&record[16..])?;
                let key = record.first_chunk().map_or(0, |key| u128::from_le_bytes(*key));
                Ok(windows.push(ordinal, at, key)?)
            })?;
            windows.finish()?
        };
        sorted.each(|ordinal, at| found.put(ordinal, at))
    }

    /// Put the windows of all buckets together to stretches.
    pub(super) fn join_windows(&self, buckets: Vec<Stored>, found: &mut Pairs) -> Result<()> {
        let mut spans = Spans::new(self.shape().least);
        in_order(buckets, |ordinal, at| {
            spans.mark(ordinal, at).map_or(Ok(()), |span| put_span(span, found))
        })?;
        spans.end().map_or(Ok(()), |span| put_span(span, found))
    }
}

/// The records of a piece of a text.
fn records_of(shape: &Shape, round: Round, piece: &Piece, room: &mut Room) -> Vec<u8> {
    let (mut out, windows) = (Vec::new(), piece.windows.clone());
    let mut put = |key: &[u8], at: u32| {
        [key, &piece.ordinal.to_le_bytes(), &at.to_le_bytes()]
            .iter()
            .for_each(|part| out.extend_from_slice(part));
    };
    match round {
        Round::Anchors => shape.each_anchor(piece.text, windows, room, |at, key| put(&key.to_le_bytes(), at)),
        _ => shape
            .each_window(piece.text, windows, piece.repeated, room, |at, key| put(&key.to_le_bytes(), at)),
    }
    out
}
