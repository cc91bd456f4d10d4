//! The hashes of all documents, read and worked on in stretches of neighbouring documents by all threads at once.

use std::io::{Read, Seek, SeekFrom};

use rayon::prelude::*;
use regimen_base::fs;

use crate::dedup::partition::{Block, Gathered};
use crate::error::{Error, Result};
use crate::part::{Fate, Hashes, Reader, Records};
use crate::resolve::Part;

/// Bytes of hashes in a stretch, but for one longer record, at most; less where the memory is small.
const MOST: u64 = 1 << 20;

/// Stretches that are worked on before the results of any of them are taken.
fn at_once() -> usize {
    4 * rayon::current_num_threads().max(1)
}

/// Where the hashes of neighbouring documents lie.
struct Stretch {
    part: usize,
    start: u64,
    bytes: usize,
    /// Ordinal of the first document.
    first: u32,
}

/// All stretches in document order.
pub(crate) struct Stretches<'p> {
    parts: &'p [Part],
    all: Vec<Stretch>,
}

/// What the hashes of a part begin with, and how they can be cut.
struct Scanned {
    fates: Vec<Fate>,
    /// Bytes and documents of each stretch.
    cuts: Vec<(usize, usize)>,
}

impl<'p> Stretches<'p> {
    /// Those of `parts`, and what is known of each document. What is held of them on the way takes a small part of `memory`.
    ///
    /// # Errors
    /// [`Error::TooMany`] for more documents than ordinals can count, [`Error::Record`] for a damaged file.
    pub fn scan(parts: &'p [Part], memory: u64) -> Result<(Stretches<'p>, Vec<Fate>)> {
        // Of two lots there are the records, each about five times as long as what it is gathered from.
        let bytes = (memory / (64 * at_once() as u64)).clamp(1 << 10, MOST) as usize;
        let scanned: Vec<Result<Scanned>> =
            parts.par_iter().with_max_len(1).map(|part| scan(part, bytes)).collect();
        let (mut all, mut fates) = (Vec::new(), Vec::new());
        for (part, scanned) in scanned.into_iter().enumerate() {
            let mut scanned = scanned?;
            let (mut start, mut ordinal) = (0, fates.len());
            for (bytes, documents) in scanned.cuts {
                let first = u32::try_from(ordinal)
                    .map_err(|_| Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
                all.push(Stretch { part, start, bytes, first });
                start += bytes as u64;
                ordinal += documents;
            }
            fates.append(&mut scanned.fates);
        }
        Ok((Stretches { parts, all }, fates))
    }

    fn read(&self, stretch: &Stretch) -> Result<Vec<u8>> {
        let path = &self.parts[stretch.part].hashes;
        let mut file = fs::open(path)?;
        let mut out = Vec::with_capacity(stretch.bytes);
        file.seek(SeekFrom::Start(stretch.start))
            .and_then(|_| file.take(stretch.bytes as u64).read_to_end(&mut out))
            .map_err(|e| fs::Error::new("read", path, e))?;
        if out.len() < stretch.bytes {
            return Err(Error::Record { what: "a file between two passes" });
        }
        Ok(out)
    }

    /// Work on the hashes of all documents on all threads, each stretch with the ordinal of its first document, and take what
    /// comes of them in document order. While some is taken, the next ones are worked on.
    fn each<T: Send>(
        &self,
        work: impl Fn(u32, &[u8]) -> Result<T> + Sync,
        mut take: impl FnMut(Vec<T>) -> Result<()> + Send,
    ) -> Result<()> {
        let mut before = Vec::new();
        for some in self.all.chunks(at_once()) {
            let each = |stretch: &Stretch| work(stretch.first, &self.read(stretch)?);
            let work = || some.par_iter().with_max_len(1).map(each).collect::<Vec<Result<T>>>();
            let (taken, worked) = rayon::join(|| take(before), work);
            taken?;
            before = worked.into_iter().collect::<Result<Vec<T>>>()?;
        }
        take(before)
    }

    /// Gather records of all documents on all threads, and take them in document order.
    pub fn blocks<const W: usize>(
        &self,
        gather: impl Fn(u32, &Hashes, &mut Gathered<W>) + Sync,
        mut take: impl FnMut(&[Block<W>]) -> Result<()> + Send,
    ) -> Result<()> {
        let work = |mut ordinal: u32, bytes: &[u8]| {
            let (mut reader, mut hashes, mut gathered) =
                (Reader(bytes), Hashes::default(), Gathered::default());
            while reader.hashes(&mut hashes)?.is_some() {
                gather(ordinal, &hashes, &mut gathered);
                ordinal += 1;
            }
            Ok(gathered.sorted())
        };
        self.each(work, |blocks| take(&blocks))
    }
}

fn scan(part: &Part, bytes: usize) -> Result<Scanned> {
    let mut records = Records::open(&part.hashes)?;
    let mut scanned = Scanned { fates: Vec::new(), cuts: Vec::new() };
    loop {
        let before = scanned.fates.len();
        let read = records.hashes(bytes, |fate| scanned.fates.push(fate))?;
        if read.is_empty() {
            return Ok(scanned);
        }
        scanned.cuts.push((read.len(), scanned.fates.len() - before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::put_hashes;
    use proptest::prelude::*;
    use regimen_base::DocKey;

    fn fate(number: u32) -> Fate {
        let key = DocKey(u128::from(number).to_le_bytes());
        Fate { key, content: 0, kept: !number.is_multiple_of(3), source: 0, day: None, bytes: number }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn all_documents_come_in_order(
            parts in prop::collection::vec(prop::collection::vec(0usize..400, 0..40), 0..6),
            memory in prop::sample::select(vec![0u64, 1 << 20, 1 << 40]),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (mut files, mut expected) = (Vec::new(), Vec::new());
            for (number, part) in parts.iter().enumerate() {
                let mut bytes = Vec::new();
                for &bands in part {
                    let ordinal = expected.len() as u32;
                    let hashes = Hashes { bands: vec![u64::from(ordinal) << 40; bands], ..Hashes::default() };
                    put_hashes(&fate(ordinal), &hashes, &mut bytes);
                    expected.push((fate(ordinal), bands));
                }
                let (docs, hashes) = (dir.path().join("none"), dir.path().join(number.to_string()));
                fs::write(&hashes, &bytes).unwrap();
                files.push(Part { docs, hashes });
            }
            let (stretches, fates) = Stretches::scan(&files, memory).unwrap();
            prop_assert_eq!(&fates, &expected.iter().map(|(fate, _)| *fate).collect::<Vec<_>>());
            let mut found = Vec::new();
            let work = |first: u32, bytes: &[u8]| {
                let (mut reader, mut hashes, mut out) = (Reader(bytes), Hashes::default(), Vec::new());
                while let Some(fate) = reader.hashes(&mut hashes)? {
                    assert!(hashes.bands.iter().all(|&band| band == u64::from(fate.bytes) << 40));
                    out.push((first + out.len() as u32, fate.bytes, hashes.bands.len()));
                }
                Ok(out)
            };
            stretches.each(work, |some| {
                found.extend(some.into_iter().flatten());
                Ok(())
            }).unwrap();
            let all: Vec<_> = expected.iter().map(|(fate, bands)| (fate.bytes, fate.bytes, *bands)).collect();
            prop_assert_eq!(found, all);
            if let Some(stretch) = stretches.all.last() {
                let path = &files[stretch.part].hashes;
                std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(stretch.start).unwrap();
                let cut = stretches.each(|_, _| Ok(()), |_| Ok(()));
                let told = matches!(cut, Err(Error::Record { .. }));
                prop_assert!(told);
            }
        }
    }
}
