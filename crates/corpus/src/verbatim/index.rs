//! Searching an index.
//!
//! Suffixes are in the order of their bytes, and a document's end sorts behind every byte; so all places where a text occurs are
//! neighbours, and the place where it would stand lies between the two suffixes that share most with it. Binary search keeps what
//! the suffixes at both ends of the range share with the text: all between them share the lesser of the two at least, and the
//! comparison begins behind it (Manber and Myers, "Suffix arrays: a new method for on-line string searches", 1993).

use std::ops::Range;
use std::path::Path;

use regimen_base::fs;
use regimen_ledger::{Artifact, Store};

use super::file::{Head, Pointers, VERSION};
use super::make::{ABOUT, About, find, shard_name};
use super::places::{Documents, Places};
use crate::corpus::Corpus;
use crate::error::{Error, Result};

/// The index of a corpus, open. Files are memory-mapped; 20 bytes of memory a document.
pub struct Index<'c> {
    corpus: &'c Corpus,
    documents: Documents,
    shards: Vec<Shard>,
}

struct Shard {
    pointers: Pointers,
    places: Places,
}

/// Where a text occurs: a range of pointers in each shard.
pub(crate) struct Occurrences(Vec<Range<usize>>);

impl Occurrences {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|range| range.len() as u64).sum()
    }
}

/// A place where a text occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Number among the documents that have a text.
    pub document: usize,
    /// Offset in the texts.
    pub text: u64,
}

impl<'c> Index<'c> {
    /// Open the index in the folder `dir` of the corpus in the artifact `of`.
    ///
    /// # Errors
    /// [`Error::Index`] if it was made of another corpus, or is damaged.
    pub fn open(dir: &Path, corpus: &'c Corpus, of: &Artifact) -> Result<Index<'c>> {
        let path = dir.join(ABOUT);
        let about: About = fs::read_json(&path).map_err(|e| Error::index(&path, e.to_string()))?;
        if about.version != VERSION {
            let what = format!("it has version {}, this program reads version {VERSION}", about.version);
            return Err(Error::index(&path, what));
        }
        if about.payload != of.manifest.payload {
            return Err(Error::index(&path, "it was made of another corpus"));
        }
        let documents = Documents::of(corpus);
        let ranges = documents
            .shards(about.shard_bytes)
            .map_err(|_| Error::index(&path, "its shards are smaller than a document of the corpus"))?;
        let open = |(number, range): (usize, Range<usize>)| -> Result<Shard> {
            let head = Head::of(&documents, range.clone(), about.payload);
            let pointers = Pointers::open(&dir.join(shard_name(number)), &head)?;
            Ok(Shard { pointers, places: Places::new(&documents, range) })
        };
        let shards = ranges.into_iter().enumerate().map(open).collect::<Result<_>>()?;
        Ok(Index { corpus, documents, shards })
    }

    /// The index that the store has of the corpus in the artifact `of`; none if it was not made.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn of(store: &Store, corpus: &'c Corpus, of: &Artifact) -> Result<Option<Index<'c>>> {
        find(store, of)?.map(|index| Index::open(&index.path, corpus, of)).transpose()
    }

    /// The corpus.
    pub fn corpus(&self) -> &'c Corpus {
        self.corpus
    }

    /// Bytes of text.
    pub fn bytes(&self) -> u64 {
        let text = self.documents.texts(&(0..self.documents.len()));
        text.end - text.start
    }

    /// Documents that have a text.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// The number in the corpus of a document that has a text.
    pub(crate) fn ordinal(&self, document: usize) -> u32 {
        self.documents.ordinal(document)
    }

    /// Where the text of a document lies in the texts.
    pub(crate) fn text(&self, document: usize) -> Range<u64> {
        self.documents.text(document)
    }

    fn locate(&self, shard: &Shard, place: u64) -> Result<At> {
        let found = shard.places.locate(&self.documents, place);
        let (document, text) =
            found.ok_or_else(|| Error::index(shard.pointers.path(), "a pointer leads to no text"))?;
        Ok(At { document, text })
    }

    /// The suffix with a number, up to the end of its document.
    fn suffix(&self, shard: &Shard, number: usize) -> Result<&'c [u8]> {
        let at = self.locate(shard, shard.pointers.get(number)?)?;
        let end = self.documents.text(at.document).end;
        Ok(&self.corpus.texts()[at.text as usize..end as usize])
    }

    /// How much of `text` the suffix shares, of which `known` bytes are known, and whether it stands before `text`.
    fn compare(&self, shard: &Shard, number: usize, text: &[u8], known: usize) -> Result<(usize, bool)> {
        let suffix = self.suffix(shard, number)?;
        let rest = suffix
            .get(known..)
            .ok_or_else(|| Error::index(shard.pointers.path(), "its pointers are in no order"))?;
        let shared = known + common(&text[known..], rest);
        // A suffix that ends here stands behind, for the end of a document does.
        let before = shared < text.len() && shared < suffix.len() && suffix[shared] < text[shared];
        Ok((shared, before))
    }

    /// The first suffix that does not stand before `text`, and how much of `text` any suffix shares; with `enough` the search
    /// ends as soon as all of it is.
    fn lower(&self, shard: &Shard, text: &[u8], enough: bool) -> Result<(usize, usize)> {
        let (mut low, mut high) = (0, shard.pointers.len());
        let (mut left, mut right) = (0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let (shared, before) = self.compare(shard, middle, text, left.min(right))?;
            if before {
                (low, left) = (middle + 1, shared);
            } else {
                (high, right) = (middle, shared);
                if enough && shared == text.len() {
                    break;
                }
            }
        }
        Ok((low, left.max(right)))
    }

    /// Bytes at the beginning of `text` that occur somewhere, in one document.
    pub(crate) fn longest(&self, text: &[u8]) -> Result<usize> {
        let mut longest = 0;
        for shard in &self.shards {
            longest = longest.max(self.lower(shard, text, true)?.1);
            if longest == text.len() {
                break;
            }
        }
        Ok(longest)
    }

    /// All places where `text` occurs, which must not be empty.
    pub(crate) fn occurrences(&self, text: &[u8]) -> Result<Occurrences> {
        let range = |shard: &Shard| -> Result<Range<usize>> {
            let (first, shared) = self.lower(shard, text, false)?;
            if shared < text.len() {
                return Ok(first..first);
            }
            // Those that begin with it follow each other: gallop, then halve.
            let begins =
                |number| -> Result<bool> { Ok(self.compare(shard, number, text, 0)?.0 == text.len()) };
            let (mut low, mut step) = (first, 1);
            while low + step < shard.pointers.len() && begins(low + step)? {
                low += step;
                step *= 2;
            }
            let mut high = (low + step).min(shard.pointers.len());
            while low + 1 < high {
                let middle = low + (high - low) / 2;
                if begins(middle)? {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            Ok(first..low + 1)
        };
        Ok(Occurrences(self.shards.iter().map(range).collect::<Result<_>>()?))
    }

    /// Each place of some occurrences, shard by shard and in no order within a shard.
    pub(crate) fn each(&self, places: &Occurrences, mut then: impl FnMut(At) -> Result<()>) -> Result<()> {
        for (shard, range) in self.shards.iter().zip(&places.0) {
            shard.pointers.each(range.clone(), |place| then(self.locate(shard, place)?))?;
        }
        Ok(())
    }

    /// The first documents, `most` of them, with the first place in each and the number of places there.
    pub(crate) fn first(&self, places: &Occurrences, most: usize) -> Result<Vec<(At, u64)>> {
        let mut found: Vec<(At, u64)> = Vec::new();
        for (shard, range) in self.shards.iter().zip(&places.0) {
            // Documents of later shards come later.
            if found.len() >= most {
                break;
            }
            shard.pointers.each(range.clone(), |place| {
                let at = self.locate(shard, place)?;
                match found.binary_search_by_key(&at.document, |(at, _)| at.document) {
                    Ok(i) => {
                        found[i].1 += 1;
                        found[i].0.text = found[i].0.text.min(at.text);
                    }
                    Err(i) if i < most => {
                        found.insert(i, (at, 1));
                        // A document that is pushed out here never comes back: the last one only moves forward.
                        found.truncate(most);
                    }
                    Err(_) => {}
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

/// Bytes at the beginning that both have.
#[inline]
fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in words {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn common_bytes_are_counted(a in "[ab]{0,40}", b in "[ab]{0,40}", same in "[ab]{0,40}") {
            let (a, b) = (format!("{same}{a}"), format!("{same}{b}"));
            let naive = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common(a.as_bytes(), b.as_bytes()), naive);
        }
    }
}
