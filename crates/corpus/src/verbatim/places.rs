//! The documents that have a text, side by side. In a shard every document is followed by one byte [`END`], so the place of a byte in
//! a shard is its offset in the texts plus the number of documents before it there.

use std::ops::Range;

use crate::corpus::Corpus;

/// Stands behind every document. No UTF-8 text has it, and it sorts behind all bytes that one has.
pub(crate) const END: u8 = 0xFF;

/// The documents of a corpus that have a text, in document order.
pub(crate) struct Documents {
    /// Where each begins in the texts, and where the last ends.
    starts: Vec<u64>,
    ordinals: Vec<u32>,
}

impl Documents {
    pub fn of(corpus: &Corpus) -> Documents {
        let (mut starts, mut ordinals) = (Vec::new(), Vec::new());
        let mut end = 0;
        for ordinal in 0..corpus.len() as u32 {
            let range = corpus.range(ordinal);
            if !range.is_empty() {
                starts.push(range.start);
                ordinals.push(ordinal);
                end = range.end;
            }
        }
        starts.push(end);
        Documents { starts, ordinals }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ordinals.len()
    }

    /// Where the text of number `i` lies.
    pub fn text(&self, i: usize) -> Range<u64> {
        self.starts[i]..self.starts[i + 1]
    }

    /// Where the texts of some neighbours lie.
    pub fn texts(&self, range: &Range<usize>) -> Range<u64> {
        self.starts[range.start]..self.starts[range.end]
    }

    /// The number in the corpus of number `i`.
    pub fn ordinal(&self, i: usize) -> u32 {
        self.ordinals[i]
    }

    /// Neighbours whose texts, each with its end, have at most `limit` bytes together; as many as fit, from the first on.
    ///
    /// # Errors
    /// The number of a document that is longer by itself.
    pub fn shards(&self, limit: u64) -> Result<Vec<Range<usize>>, usize> {
        let mut shards = Vec::new();
        let (mut start, mut bytes) = (0, 0u64);
        for i in 0..self.len() {
            let text = self.text(i);
            let more = text.end - text.start + 1;
            if more > limit {
                return Err(i);
            }
            if bytes.saturating_add(more) > limit {
                shards.push(start..i);
                (start, bytes) = (i, 0);
            }
            bytes += more;
        }
        if start < self.len() {
            shards.push(start..self.len());
        }
        Ok(shards)
    }
}

/// A shard's documents, found by place.
pub(crate) struct Places {
    documents: Range<usize>,
    /// Where their texts begin.
    text: u64,
    /// Bytes of all, with their ends.
    length: u64,
    /// The first documents of blocks of `1 << shift` places, and the last document.
    table: Vec<u32>,
    shift: u32,
}

impl Places {
    /// Of these neighbours. The table has about two entries a document.
    pub fn new(all: &Documents, documents: Range<usize>) -> Places {
        let text = all.texts(&documents);
        let count = documents.len() as u64;
        let length = text.end - text.start + count;
        let shift = (length / (2 * count).max(1)).max(1).ilog2();
        let mut places =
            Places { documents: documents.clone(), text: text.start, length, table: Vec::new(), shift };
        let mut i = documents.start;
        for block in 0..=length >> shift {
            while i + 1 < documents.end && places.start(all, i + 1) <= block << shift {
                i += 1;
            }
            places.table.push((i - documents.start) as u32);
        }
        places.table.push(documents.len().saturating_sub(1) as u32);
        places
    }

    fn start(&self, all: &Documents, i: usize) -> u64 {
        all.starts[i] - self.text + (i - self.documents.start) as u64
    }

    /// Places of the documents, one behind the last too.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The document that a place lies in and its offset in the texts; none for the end of a document and for what lies beyond.
    #[inline]
    pub fn locate(&self, all: &Documents, place: u64) -> Option<(usize, u64)> {
        if place >= self.length {
            return None;
        }
        let block = (place >> self.shift) as usize;
        let (mut low, mut high) = (self.table[block] as usize, self.table[block + 1] as usize);
        // The last one that begins at or before the place.
        while low < high {
            let middle = (low + high).div_ceil(2);
            if self.start(all, self.documents.start + middle) <= place {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let document = self.documents.start + low;
        let at = all.starts[document] + place - self.start(all, document);
        (at < all.starts[document + 1]).then_some((document, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn documents(lengths: &[u64]) -> Documents {
        let mut starts = vec![3];
        for length in lengths {
            starts.push(starts.last().unwrap() + length);
        }
        Documents { starts, ordinals: (0..lengths.len() as u32).collect() }
    }

    proptest! {
        #[test]
        fn every_place_has_its_document(lengths in prop::collection::vec(prop_oneof![1u64..4, 1u64..300], 1..40), limit in 301u64..900) {
            let all = documents(&lengths);
            let shards = all.shards(limit).unwrap();
            prop_assert_eq!(shards.first().unwrap().start, 0);
            prop_assert_eq!(shards.last().unwrap().end, lengths.len());
            for (k, shard) in shards.iter().enumerate() {
                prop_assert!(k == 0 || shards[k - 1].end == shard.start);
                let places = Places::new(&all, shard.clone());
                prop_assert!(places.length() <= limit);
                let mut place = 0;
                for i in shard.clone() {
                    for at in all.text(i) {
                        prop_assert_eq!(places.locate(&all, place), Some((i, at)));
                        place += 1;
                    }
                    prop_assert_eq!(places.locate(&all, place), None, "the end of a document");
                    place += 1;
                }
                prop_assert_eq!(place, places.length());
                prop_assert_eq!(places.locate(&all, place), None);
                prop_assert_eq!(places.locate(&all, u64::MAX), None);
            }
        }
    }

    #[test]
    fn a_document_that_is_too_long_is_named() {
        assert_eq!(documents(&[3, 9, 4]).shards(9), Err(1));
        assert_eq!(documents(&[3, 9, 4]).shards(10), Ok(vec![0..1, 1..2, 2..3]));
        assert_eq!(documents(&[3, 4, 4]).shards(10), Ok(vec![0..2, 2..3]));
        assert_eq!(documents(&[]).shards(1), Ok(Vec::new()));
    }
}
