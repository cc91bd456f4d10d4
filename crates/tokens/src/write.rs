//! Writing the shards and the fragment table of one split.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regimen_base::fs;

use crate::Split;
use crate::error::{Error, Result};
use crate::fragment::{Fragment, MAX_COPIES, MAX_SLOTS};
use crate::index::{Counts, Dtype, Index, LENGTHS, fragments_name, shard_name};

/// Takes the documents of a split, pass by pass in the order of their ordinals.
struct SplitWriter {
    dir: PathBuf,
    name: &'static str,
    dtype: Dtype,
    shard_slots: u64,
    end_id: u32,
    lengths: Arc<[u32]>,
    shard: Option<fs::File>,
    table: fs::File,
    buffer: Vec<u8>,
    counts: Counts,
    /// Ordinal of the last document, and the number of the pass.
    last: Option<u32>,
    copy: u16,
}

impl SplitWriter {
    /// Start the files of `split` under `dir`; `lengths` are the bytes of each token.
    fn create(dir: &Path, index: &Index, split: Split, lengths: Arc<[u32]>) -> Result<SplitWriter> {
        let name = split.name();
        Ok(SplitWriter {
            dir: dir.into(),
            name,
            dtype: index.dtype,
            shard_slots: index.shard_slots,
            end_id: index.end_id,
            lengths,
            shard: None,
            table: fs::create(&dir.join(fragments_name(name)))?,
            buffer: Vec::new(),
            counts: Counts::default(),
            last: None,
            copy: 0,
        })
    }

    /// Append a document: its tokens and the end token, cut where a shard is full.
    fn document(&mut self, ordinal: u32, tokens: &[u32]) -> Result<()> {
        // An ordinal that does not rise begins the next pass: copies of documents that were there before.
        if self.last.replace(ordinal).is_some_and(|last| ordinal <= last) {
            self.copy += 1;
            if self.copy >= MAX_COPIES {
                return Err(Error::TooManyCopies);
            }
        }
        let total = tokens.len() + 1;
        if self.counts.slots + total as u64 > MAX_SLOTS {
            return Err(Error::TooManyTokens);
        }
        let (mut done, mut byte) = (0, 0);
        while done < total {
            let room = self.shard_slots - self.counts.slots % self.shard_slots;
            let take = (total - done).min(room.min(usize::MAX as u64) as usize);
            let piece = &tokens[done..(done + take).min(tokens.len())];
            let last = done + take == total;
            let (start, first, copy) = (self.counts.slots, done == 0, self.copy);
            let fragment = Fragment { start, ordinal, byte, first, last, copy };
            self.table.put(&fragment.encode())?;
            self.put(piece, last)?;
            byte += piece.iter().map(|&token| self.lengths[token as usize]).sum::<u32>();
            self.counts.fragments += 1;
            self.counts.slots += take as u64;
            done += take;
            if self.counts.slots.is_multiple_of(self.shard_slots) {
                self.close_shard()?;
            }
        }
        self.counts.documents += 1;
        self.counts.bytes += u64::from(byte);
        Ok(())
    }

    fn put(&mut self, tokens: &[u32], end: bool) -> Result<()> {
        self.buffer.clear();
        let all = tokens.iter().copied().chain(end.then_some(self.end_id));
        self.dtype.encode(all, &mut self.buffer);
        let shard = match &mut self.shard {
            Some(shard) => shard,
            none => {
                let path = self.dir.join(shard_name(self.name, self.counts.shards));
                self.counts.shards += 1;
                none.insert(fs::create(&path)?.ahead()?)
            }
        };
        Ok(shard.put(&self.buffer)?)
    }

    /// What is not on the disk then is brought there when the artifact is committed.
    fn close_shard(&mut self) -> Result<()> {
        match self.shard.take() {
            Some(shard) => Ok(shard.close()?),
            None => Ok(()),
        }
    }

    /// Write what is left and give back the counts for the index.
    fn finish(mut self) -> Result<Counts> {
        self.close_shard()?;
        self.table.close()?;
        Ok(self.counts)
    }

    /// Take all documents that `next` gives: while some are written it makes the next ones.
    fn all(mut self, next: &mut Next) -> Result<Counts> {
        let mut batch = next()?;
        while !batch.is_empty() {
            let write =
                || batch.into_iter().try_for_each(|(ordinal, tokens)| self.document(ordinal, &tokens));
            let (written, following) = rayon::join(write, &mut *next);
            written?;
            batch = following?;
        }
        self.finish()
    }
}

/// A document on its way into a split: ordinal and tokens, without the end token.
pub type Encoded = (u32, Vec<u32>);

/// Write a whole tokens artifact into the folder `dir`. `lengths` are the bytes of each token by id; the documents of
/// each split come in the order of their ordinals. Where the order begins again, a new pass begins: in it come, in the same
/// order, some of the documents of the pass before it once more, each as its next copy.
pub fn write_set(
    dir: &Path,
    lengths: &[u32],
    end_id: u32,
    shard_slots: u64,
    train: impl IntoIterator<Item = Result<Encoded>, IntoIter: Send>,
    validation: impl IntoIterator<Item = Result<Encoded>, IntoIter: Send>,
) -> Result<Index> {
    // A document is made while the one before it is written.
    fn one_by_one(
        documents: impl IntoIterator<Item = Result<Encoded>, IntoIter: Send>,
    ) -> impl FnMut() -> Result<Vec<Encoded>> + Send {
        let mut documents = documents.into_iter();
        move || Ok(documents.next().transpose()?.into_iter().collect())
    }
    write_batches(dir, lengths, end_id, shard_slots, [&mut one_by_one(train), &mut one_by_one(validation)])
}

/// Gives some documents at a time, none at the end.
pub(crate) type Next<'n> = dyn FnMut() -> Result<Vec<Encoded>> + Send + 'n;

/// The same, of documents that come many at a time, training and validation.
pub(crate) fn write_batches(
    dir: &Path,
    lengths: &[u32],
    end_id: u32,
    shard_slots: u64,
    [train, validation]: [&mut Next; 2],
) -> Result<Index> {
    let mut index = Index::new(lengths.len(), end_id, shard_slots);
    let shared: Arc<[u32]> = lengths.into();
    index.train = SplitWriter::create(dir, &index, Split::Train, shared.clone())?.all(train)?;
    index.validation = SplitWriter::create(dir, &index, Split::Validation, shared)?.all(validation)?;
    let bytes: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
    fs::write(&dir.join(LENGTHS), &bytes)?;
    index.write(dir)?;
    Ok(index)
}
