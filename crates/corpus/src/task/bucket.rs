//! The records that a *map* dealt into one bucket ([`super::dealer`]), read piece by piece and held against their hashes.

use regimen_base::Cancel;

use crate::error::{Error, Result};
use crate::task::Work;
use crate::task::dealer::LINE;
use crate::task::shuffle::{Round, Take};

/// Bytes that are read at a time, within a 64th of the memory: each time is a request to the store.
const PIECE: std::ops::RangeInclusive<u64> = 64 << 10..=4 << 20;

/// The length of the first record of some bytes, if so much of it is there that it tells. All of it may not be.
pub(super) type Whole<'w> = dyn Fn(&[u8]) -> Option<usize> + 'w;

impl Work<'_> {
    /// The records of a bucket in document order, whose lengths `whole` tells.
    ///
    /// # Errors
    /// [`Error::DamagedObject`] for records that are not those that were dealt, once all of an object were taken: until this gives
    /// back what is good, nothing that came of them counts.
    pub(super) fn records(
        &self,
        round: Round,
        bucket: usize,
        whole: &Whole,
        cancel: &Cancel,
        take: &mut Take,
    ) -> Result<()> {
        (0..self.ground.groups.len())
            .try_for_each(|group| self.records_of(&dealt(round, group), bucket, whole, cancel, take))
    }

    /// Those of one object.
    fn records_of(
        &self,
        name: &str,
        bucket: usize,
        whole: &Whole,
        cancel: &Cancel,
        take: &mut Take,
    ) -> Result<()> {
        let damaged = || Error::DamagedObject { url: self.depot.store.url_of(name) };
        // Its line of the table, and the one before it.
        let first = LINE * bucket.saturating_sub(1);
        let lines = self.depot.range(name, first as u64..(LINE * (bucket + 1)) as u64)?;
        let (before, line) = lines.split_at(lines.len() - LINE);
        let end_of = |line: &[u8]| line.first_chunk().map(|end| u64::from_le_bytes(*end));
        let mut at = end_of(before).unwrap_or((LINE * self.plan.tasks as usize) as u64);
        let end = end_of(line).filter(|&end| end >= at).ok_or_else(damaged)?;
        let piece = (self.ground.config.memory / 64).clamp(*PIECE.start(), *PIECE.end());
        let (mut hasher, mut rest, mut taken) = (blake3::Hasher::new(), Vec::new(), Ok(()));
        while at < end {
            cancel.check()?;
            let bytes = self.depot.range(name, at..end.min(at + piece))?;
            at += bytes.len() as u64;
            hasher.update(&bytes);
            if taken.is_ok() {
                taken = hand(&mut rest, bytes, whole, take);
            }
            // What is damaged may say that it is longer than all that is left.
            if whole(&rest).is_some_and(|length| length as u64 > rest.len() as u64 + end - at) {
                return Err(damaged());
            }
        }
        // What damaged records brought about is not the fault to be told.
        if hasher.finalize().as_bytes()[..] != line[8..] || taken.is_ok() && !rest.is_empty() {
            return Err(damaged());
        }
        taken
    }
}

/// The object of a map.
pub(super) fn dealt(round: Round, group: usize) -> String {
    format!("{}/map/{group:06}", round.name())
}

/// Hand over the records that are whole among `rest` and the bytes behind it; `rest` becomes what is behind them.
fn hand(rest: &mut Vec<u8>, bytes: Vec<u8>, whole: &Whole, take: &mut Take) -> Result<()> {
    match rest.is_empty() {
        true => *rest = bytes,
        false => rest.extend_from_slice(&bytes),
    }
    let mut at = 0;
    while let Some(length) = whole(&rest[at..]).filter(|&length| length <= rest.len() - at) {
        take(&rest[at..at + length])?;
        at += length;
    }
    rest.drain(..at);
    Ok(())
}

/// The length of records of one width.
pub(super) fn wide(width: usize) -> impl Fn(&[u8]) -> Option<usize> {
    move |bytes| (!bytes.is_empty()).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_handed_over_whole_however_they_are_cut() {
        // The first byte tells how many follow.
        let whole = |bytes: &[u8]| Some(1 + usize::from(*bytes.first()?));
        let records: Vec<Vec<u8>> = (0..60u8).map(|n| vec![n % 7; 1 + usize::from(n % 7)]).collect();
        let all = records.concat();
        for piece in [1, 2, 3, 8, 50, 1000] {
            let (mut rest, mut found) = (Vec::new(), Vec::new());
            for bytes in all.chunks(piece) {
                hand(&mut rest, bytes.to_vec(), &whole, &mut |record| {
                    found.push(record.to_vec());
                    Ok(())
                })
                .unwrap();
                assert!(rest.len() < 7);
            }
            assert!(rest.is_empty() && found == records, "{piece}");
        }
    }
}
