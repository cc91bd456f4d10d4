//! The stream of one split: all its documents end to end, each followed by the end token.
//!
//! Every position is a slot, and every slot is a target. Its input is the token before it in the same document, or the
//! end token for a document's first slot. As each document ends with that very token, inputs are the stream moved by
//! one; only the attention mask has to know the boundaries.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::Split;
use crate::error::{Error, Result};
use crate::fragment::{FRAGMENT_BYTES, Fragment, start_of};
use crate::index::{Counts, Dtype, Index, fragments_name, shard_name};
use crate::map::Map;

/// The tokens of one split, memory-mapped.
#[derive(Debug)]
pub struct Stream {
    counts: Counts,
    vocab: usize,
    end_id: u32,
    dtype: Dtype,
    shard_slots: u64,
    shards: Vec<Map>,
    table: Map,
    /// Rows of the table with which passes begin: the first pass has every document, each later one the next copy of some.
    passes: Vec<usize>,
    lengths: Arc<[u32]>,
}

/// Where the text of a slot lies: bytes `byte_start..byte_end` of the kept text of document `ordinal`. The end token
/// has an empty range at the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Ordinal of the document in its corpus.
    pub ordinal: u32,
    /// First byte.
    pub byte_start: u32,
    /// The byte behind the last.
    pub byte_end: u32,
}

/// A document in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its ordinal in the corpus.
    pub ordinal: u32,
    /// Its slots: tokens and end token.
    pub slots: Range<u64>,
    /// Which copy of it this is, from 0.
    pub copy: u16,
}

impl Stream {
    pub(crate) fn open(dir: &Path, index: &Index, split: Split, lengths: Arc<[u32]>) -> Result<Stream> {
        let counts = match split {
            Split::Train => index.train.clone(),
            Split::Validation => index.validation.clone(),
        };
        let name = split.name();
        let width = index.dtype.bytes() as u64;
        let mut shards = Vec::new();
        for shard in 0..counts.slots.div_ceil(index.shard_slots) {
            let map = Map::open(&dir.join(shard_name(name, shard)))?;
            let slots = (counts.slots - shard * index.shard_slots).min(index.shard_slots);
            if map.bytes().len() as u64 != slots * width {
                let what = format!("{} bytes instead of {}", map.bytes().len(), slots * width);
                return Err(Error::damaged(map.path(), what));
            }
            shards.push(map);
        }
        let mut stream = Stream {
            vocab: index.vocab,
            end_id: index.end_id,
            dtype: index.dtype,
            shard_slots: index.shard_slots,
            shards,
            table: Map::open(&dir.join(fragments_name(name)))?,
            passes: Vec::new(),
            lengths,
            counts,
        };
        stream.passes = stream.check()?;
        Ok(stream)
    }

    /// The fragment table must tile the stream in order, or nothing said from it can be trusted. Gives back the rows with
    /// which passes begin.
    fn check(&self) -> Result<Vec<usize>> {
        let bad = |what: String| Error::damaged(self.table.path(), what);
        let size = self.counts.fragments.checked_mul(FRAGMENT_BYTES as u64);
        if size != Some(self.table.bytes().len() as u64) {
            return Err(bad(format!(
                "{} bytes for {} fragments",
                self.table.bytes().len(),
                self.counts.fragments
            )));
        }
        if (self.counts.slots == 0) != (self.counts.fragments == 0) {
            return Err(bad(format!("{} fragments for {} slots", self.counts.fragments, self.counts.slots)));
        }
        let (mut before, mut passes): (Option<Fragment>, Vec<usize>) = (None, Vec::new());
        for (i, row) in self.rows().iter().enumerate() {
            let fragment = Fragment::decode(row).ok_or_else(|| bad(format!("row {i} has unknown bits")))?;
            let fits = match before {
                None => fragment.start == 0 && fragment.first && fragment.copy == 0,
                Some(b) => {
                    fragment.start > b.start
                        && fragment.first == b.last
                        && match (fragment.first, fragment.copy.checked_sub(b.copy)) {
                            (true, Some(0)) => fragment.ordinal > b.ordinal,
                            (true, Some(1)) => fragment.ordinal <= b.ordinal,
                            (false, Some(0)) => fragment.ordinal == b.ordinal,
                            _ => false,
                        }
                }
            };
            if before.is_none_or(|before| before.copy != fragment.copy) {
                passes.push(i);
            }
            if !fits || fragment.start >= self.counts.slots || (fragment.first && fragment.byte != 0) {
                return Err(bad(format!("row {i} does not follow from the row before it")));
            }
            before = Some(fragment);
        }
        match before {
            Some(fragment) if !fragment.last => Err(bad("the last document has no end".into())),
            _ => Ok(passes),
        }
    }

    fn rows(&self) -> &[[u8; FRAGMENT_BYTES]] {
        self.table.bytes().as_chunks().0
    }

    /// Slots.
    pub fn len(&self) -> u64 {
        self.counts.slots
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.counts.slots == 0
    }

    /// How tokens are stored.
    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The fragment table is not what it should be.
    pub(crate) fn damaged_table(&self, what: String) -> Error {
        Error::damaged(self.table.path(), what)
    }

    /// The token between documents.
    pub fn end_id(&self) -> u32 {
        self.end_id
    }

    /// Token ids.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The tokens of `slots`.
    ///
    /// # Panics
    /// If the slots are not all in the stream.
    pub fn tokens(&self, slots: Range<u64>) -> Result<Vec<u32>> {
        let mut out = vec![0; (slots.end - slots.start) as usize];
        self.tokens_into(slots.start, &mut out)?;
        Ok(out)
    }

    /// Fill `out` with the tokens from slot `start` on. A token outside the vocabulary is an error.
    ///
    /// # Panics
    /// If the slots are not all in the stream.
    pub fn tokens_into(&self, start: u64, out: &mut [u32]) -> Result<()> {
        assert!(start + out.len() as u64 <= self.len(), "slots {start}+{} of {}", out.len(), self.len());
        let mut slot = start;
        let mut rest = &mut *out;
        while !rest.is_empty() {
            let (shard, at) = ((slot / self.shard_slots) as usize, (slot % self.shard_slots) as usize);
            let take = rest.len().min(self.shard_slots as usize - at);
            let (now, later) = rest.split_at_mut(take);
            let width = self.dtype.bytes();
            let bytes = &self.shards[shard].bytes()[at * width..(at + take) * width];
            let greatest = match self.dtype {
                Dtype::U16 => widen(bytes.as_chunks().0, now, |b| u32::from(u16::from_le_bytes(b))),
                Dtype::U32 => widen(bytes.as_chunks().0, now, u32::from_le_bytes),
            };
            if greatest as usize >= self.vocab {
                let what = format!("it holds token {greatest}, the vocabulary has {}", self.vocab);
                return Err(Error::damaged(self.shards[shard].path(), what));
            }
            slot += take as u64;
            rest = later;
        }
        Ok(())
    }

    /// Rows of the fragment table.
    pub fn fragments(&self) -> usize {
        self.rows().len()
    }

    /// A row of the fragment table.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn fragment(&self, index: usize) -> Fragment {
        Fragment::decode_known(&self.rows()[index])
    }

    /// The slots of a fragment.
    ///
    /// # Panics
    /// If there are not that many fragments.
    pub fn fragment_slots(&self, index: usize) -> Range<u64> {
        let rows = self.rows();
        start_of(&rows[index])..rows.get(index + 1).map_or(self.len(), start_of)
    }

    /// The fragment that holds a slot, and its index in the table.
    ///
    /// # Panics
    /// If the slot is not in the stream.
    pub fn fragment_of(&self, slot: u64) -> (Fragment, usize) {
        assert!(slot < self.len(), "slot {slot} of {}", self.len());
        let index = self.rows().partition_point(|row| start_of(row) <= slot) - 1;
        (self.fragment(index), index)
    }

    /// The fragments of a document in one of the passes, as a range of the table; empty if it is not in this split.
    fn fragments_in(&self, pass: usize, ordinal: u32) -> Range<usize> {
        let of = |pass: usize| self.passes.get(pass).copied().unwrap_or(self.fragments());
        let start = of(pass);
        let rows = &self.rows()[start..of(pass + 1)];
        let first = rows.partition_point(|row| Fragment::decode_known(row).ordinal < ordinal);
        let more =
            rows[first..].iter().take_while(|row| Fragment::decode_known(row).ordinal == ordinal).count();
        start + first..start + first + more
    }

    /// The slots of a document, of its first copy if there are several; none if it is not in this split.
    pub fn slots_of(&self, ordinal: u32) -> Option<Range<u64>> {
        self.slots_in(0, ordinal)
    }

    fn slots_in(&self, pass: usize, ordinal: u32) -> Option<Range<u64>> {
        let range = self.fragments_in(pass, ordinal);
        let (first, last) = (range.start, range.end.checked_sub(1).filter(|&last| last >= range.start)?);
        Some(self.fragment_slots(first).start..self.fragment_slots(last).end)
    }

    /// The slots of every copy of a document, with the number of the copy, from 0.
    pub fn copies_of(&self, ordinal: u32) -> impl Iterator<Item = (u16, Range<u64>)> + '_ {
        // There are no more passes than the number of a copy can count.
        (0..self.passes.len()).filter_map(move |pass| Some((pass as u16, self.slots_in(pass, ordinal)?)))
    }

    /// All documents, in the order of their ordinals; then those with a second copy in the same order, and so on.
    pub fn documents(&self) -> impl Iterator<Item = Document> + '_ {
        let mut index = 0;
        std::iter::from_fn(move || {
            let fragment = (index < self.fragments()).then(|| self.fragment(index))?;
            while !self.fragment(index).last {
                index += 1;
            }
            let end = self.fragment_slots(index).end;
            index += 1;
            Some(Document { ordinal: fragment.ordinal, slots: fragment.start..end, copy: fragment.copy })
        })
    }

    /// The pieces of documents that lie in `slots`, in order.
    ///
    /// # Panics
    /// If the slots are not all in the stream.
    pub fn parts(&self, slots: Range<u64>) -> impl Iterator<Item = (Range<u64>, Fragment)> + '_ {
        assert!(slots.end <= self.len(), "slots {slots:?} of {}", self.len());
        let mut index = if slots.is_empty() { 0 } else { self.fragment_of(slots.start).1 };
        let mut next = slots.start;
        std::iter::from_fn(move || {
            (next < slots.end).then(|| {
                let end = self.fragment_slots(index).end.min(slots.end);
                let part = (next..end, self.fragment(index));
                (next, index) = (end, index + 1);
                part
            })
        })
    }

    /// The address of every slot of `slots`.
    ///
    /// # Panics
    /// If the slots are not all in the stream.
    pub fn addresses(&self, slots: Range<u64>) -> Result<Vec<Address>> {
        let mut found = Vec::with_capacity((slots.end - slots.start) as usize);
        for (part, fragment) in self.parts(slots) {
            // Token lengths add up from the fragment's first byte. Damaged ones lead past the text's end, no further.
            let mut byte = fragment.byte;
            for token in self.tokens(fragment.start..part.start)? {
                byte = byte.saturating_add(self.lengths[token as usize]);
            }
            for token in self.tokens(part)? {
                let byte_start = byte;
                byte = byte.saturating_add(self.lengths[token as usize]);
                found.push(Address { ordinal: fragment.ordinal, byte_start, byte_end: byte });
            }
        }
        Ok(found)
    }
}

/// Convert and find the greatest on the way; one loop that vectorises.
fn widen<const N: usize>(from: &[[u8; N]], to: &mut [u32], convert: impl Fn([u8; N]) -> u32) -> u32 {
    let mut greatest = 0;
    for (to, &from) in to.iter_mut().zip(from) {
        *to = convert(from);
        greatest = greatest.max(*to);
    }
    greatest
}
