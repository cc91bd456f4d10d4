//! What is known of documents between the pass that reads them and the pass that writes them: two files for each group of
//! input files, `N.docs` with a record for each document in order, and `N.hashes` with what deduplication compares, so
//! that it never looks at texts.
//!
//! Records are little endian and begin with their length, so that texts can be skipped. The files are gone once the corpus
//! is whole.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::author::Author;
use crate::error::{Error, Result};
use crate::write::Incoming;
use regimen_base::{DocKey, fs};

/// What deduplication compares of one document. A document that is not kept has nothing to compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hashes {
    /// Hash of its normalised URL.
    pub url: Option<u128>,
    /// Its MinHash bands.
    pub bands: Vec<u64>,
    /// Fingerprints of its paragraphs, or of their n-grams, those that count.
    pub paragraphs: Vec<u64>,
}

const NO_DAY: i32 = i32::MIN;

/// Append the record of a document with its rules' values.
///
/// # Errors
/// Its length, if that is more than 32 bits count.
pub(crate) fn put(
    document: &Incoming,
    licence: &str,
    values: &[f32],
    out: &mut Vec<u8>,
) -> std::result::Result<(), u64> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&document.key.0);
    out.extend_from_slice(&document.content.0);
    for number in [document.bytes, document.file, document.line, document.text.len() as u32] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&document.source.to_le_bytes());
    out.extend_from_slice(&document.dropped.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&document.created.unwrap_or(NO_DAY).to_le_bytes());
    out.push(document.author.code());
    let (repaired, normalised) = (u8::from(document.repaired), u8::from(document.normalised));
    out.push(u8::from(document.own_id) | repaired << 1 | normalised << 2);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    for bytes in [
        document.id.as_bytes(),
        licence.as_bytes(),
        &document.tags,
        &document.keep,
        &document.place,
        document.metadata.as_bytes(),
        document.text.as_bytes(),
    ] {
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    // No part of it is longer than the whole.
    let length = out.len() - start - 4;
    let length = u32::try_from(length).map_err(|_| length as u64)?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Append what deduplication asks of a document, and its hashes.
pub(crate) fn put_hashes(fate: &Fate, hashes: &Hashes, out: &mut Vec<u8>) {
    out.extend_from_slice(&fate.key.0);
    out.extend_from_slice(&fate.content.to_le_bytes());
    out.extend_from_slice(&fate.bytes.to_le_bytes());
    out.extend_from_slice(&fate.source.to_le_bytes());
    out.extend_from_slice(&fate.day.unwrap_or(NO_DAY).to_le_bytes());
    out.push(u8::from(fate.kept));
    out.push(u8::from(hashes.url.is_some()));
    out.extend_from_slice(
        &hashes.url.unwrap_or(0).to_le_bytes()[..if hashes.url.is_some() { 16 } else { 0 }],
    );
    for list in [&hashes.bands, &hashes.paragraphs] {
        out.extend_from_slice(&(list.len() as u32).to_le_bytes());
        list.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
    }
}

/// Reads a file of records a batch at a time, so that no more of it is in memory.
pub(crate) struct Records {
    file: std::fs::File,
    path: PathBuf,
    /// The beginning of a record that the batch before did not hold whole.
    rest: Vec<u8>,
    /// Bytes of the file that are not read yet.
    left: u64,
}

impl Records {
    /// Open a file of records.
    pub fn open(path: &Path) -> Result<Records> {
        let left = fs::size(path)?;
        Ok(Records { file: fs::open(path)?, path: path.into(), rest: Vec::new(), left })
    }

    /// The next whole records, at least so many bytes of them if there are as many; empty at the end.
    ///
    /// # Errors
    /// [`Error::Record`] if the last one is not whole.
    pub fn batch(&mut self, bytes: usize) -> Result<Vec<u8>> {
        self.batch_of(bytes, |rest| {
            let end = 4 + u32::from_le_bytes(*rest.first_chunk()?) as usize;
            (end <= rest.len()).then_some(end)
        })
    }

    /// The same of a file of hashes; `then` gets what deduplication asks of each document in it.
    pub fn hashes(&mut self, bytes: usize, mut then: impl FnMut(Fate)) -> Result<Vec<u8>> {
        self.batch_of(bytes, |rest| {
            let mut reader = Reader(rest);
            then(reader.fate().ok()??);
            Some(rest.len() - reader.0.len())
        })
    }

    /// `first` tells how long the first record of some bytes is, if it is whole.
    fn batch_of(&mut self, bytes: usize, mut first: impl FnMut(&[u8]) -> Option<usize>) -> Result<Vec<u8>> {
        let bytes = bytes.max(1);
        let mut out = std::mem::take(&mut self.rest);
        let mut whole = 0;
        loop {
            while let Some(length) = out.get(whole..).and_then(&mut first) {
                whole += length;
            }
            if whole >= bytes || self.left == 0 {
                break;
            }
            let (before, more) = (out.len(), (bytes as u64).min(self.left));
            // Without zeros that are written over at once.
            out.reserve(more as usize);
            let read = self.file.by_ref().take(more).read_to_end(&mut out);
            read.map_err(|e| fs::Error::new("read", &self.path, e))?;
            if ((out.len() - before) as u64) < more {
                return Err(Error::Record { what: "a file between two passes" });
            }
            self.left -= more;
        }
        if self.left == 0 && whole < out.len() && whole < bytes {
            return Err(Error::Record { what: "a record between two passes" });
        }
        self.rest = out.split_off(whole);
        Ok(out)
    }
}

/// Append the bytes at which the records of a file begin.
pub(crate) fn record_starts(path: &Path, out: &mut Vec<u64>) -> Result<()> {
    let (mut at, end) = (0, fs::size(path)?);
    let mut file = BufReader::new(fs::open(path)?);
    let mut length = [0; 4];
    while at < end {
        out.push(at);
        let passed = file
            .read_exact(&mut length)
            .and_then(|()| file.seek_relative(i64::from(u32::from_le_bytes(length))));
        passed.map_err(|e| fs::Error::new("read", path, e))?;
        at += 4 + u64::from(u32::from_le_bytes(length));
    }
    if at == end { Ok(()) } else { Err(Error::Record { what: "a record between two passes" }) }
}

/// Reads what [`put`] and [`put_hashes`] wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, bytes: usize) -> Result<&'b [u8]> {
        let (head, rest) =
            self.0.split_at_checked(bytes).ok_or(Error::Record { what: "a record between two passes" })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn number(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn short(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<&'b [u8]> {
        let length = self.number()? as usize;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'b str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::Record { what: "a text between two passes" })
    }

    /// The next record as it is, to be read by a reader of its own; none at the end.
    pub fn record(&mut self) -> Result<Option<Reader<'b>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let all = self.0;
        let length = self.bytes()?.len() + 4;
        Ok(Some(Reader(&all[..length])))
    }

    /// The next document with its text as it lies there, its licence, and the values of so many rules; none at the end.
    pub fn document(
        &mut self,
        rules: usize,
        values: &mut Vec<f32>,
    ) -> Result<Option<(Incoming<'b, &'b [u8]>, &'b str)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut record = Reader(self.bytes()?);
        let r = &mut record;
        let (key, content) = (DocKey(r.array()?), DocKey(r.array()?));
        let (bytes, file, line, _) = (r.number()?, r.number()?, r.number()?, r.number()?);
        let (source, dropped) = (r.short()?, r.short()?);
        let created = i32::from_le_bytes(r.array()?);
        let [author, flags] = r.array()?;
        values.clear();
        for _ in 0..rules {
            values.push(f32::from_le_bytes(r.array()?));
        }
        let (id, licence) = (r.text()?, r.text()?);
        let (tags, keep, place) = (r.bytes()?.into(), r.bytes()?.into(), r.bytes()?.into());
        let metadata = r.text()?.into();
        let text = r.bytes()?;
        let document = Incoming {
            id: id.into(),
            own_id: flags & 1 != 0,
            key,
            content,
            text,
            bytes,
            source,
            file,
            line,
            licence: 0,
            author: Author::from_code(author),
            created: (created != NO_DAY).then_some(created),
            repaired: flags & 2 != 0,
            normalised: flags & 4 != 0,
            dropped: (dropped != 0).then_some(dropped),
            representative: None,
            copies: 1,
            tags,
            keep,
            place,
            metadata,
        };
        Ok(Some((document, licence)))
    }

    /// The text alone of the next document: its record ends with it.
    pub fn text_alone(&mut self) -> Result<&'b str> {
        let broken = || Error::Record { what: "a text between two passes" };
        let mut record = Reader(self.bytes()?);
        // Two keys and three numbers stand before its length.
        record.take(2 * 16 + 3 * 4)?;
        let length = record.number()? as usize;
        let start = record.0.len().checked_sub(length).ok_or_else(broken)?;
        std::str::from_utf8(&record.0[start..]).map_err(|_| broken())
    }

    /// What deduplication asks of the next document, and its hashes; none at the end.
    pub fn hashes(&mut self, out: &mut Hashes) -> Result<Option<Fate>> {
        let Some(fate) = self.fate_alone(&mut out.url)? else { return Ok(None) };
        for list in [&mut out.bands, &mut out.paragraphs] {
            let bytes = self.list()?;
            list.clear();
            list.extend(bytes.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        }
        Ok(Some(fate))
    }

    /// What deduplication asks of the next document, without its hashes; none at the end.
    pub fn fate(&mut self) -> Result<Option<Fate>> {
        let fate = self.fate_alone(&mut None)?;
        if fate.is_some() {
            self.list()?;
            self.list()?;
        }
        Ok(fate)
    }

    /// Hashes as bytes.
    fn list(&mut self) -> Result<&'b [u8]> {
        let count = self.number()? as usize;
        self.take(count.saturating_mul(8))
    }

    fn fate_alone(&mut self, at: &mut Option<u128>) -> Result<Option<Fate>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = DocKey(self.array()?);
        let content = u128::from_le_bytes(self.array()?);
        let bytes = self.number()?;
        let source = self.short()?;
        let created = i32::from_le_bytes(self.array()?);
        let day = (created != NO_DAY).then_some(created);
        let [kept] = self.array()?;
        let [url] = self.array()?;
        *at = if url == 0 { None } else { Some(u128::from_le_bytes(self.array()?)) };
        Ok(Some(Fate { key, content, kept: kept != 0, source, day, bytes }))
    }
}

/// What deduplication asks of a document besides its hashes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fate {
    pub key: DocKey,
    pub content: u128,
    pub kept: bool,
    pub source: u16,
    pub day: Option<i32>,
    /// Bytes of the text as it is kept.
    pub bytes: u32,
}

impl Fate {
    /// That of a document as it comes out of the first pass.
    pub fn of(document: &Incoming) -> Fate {
        Fate {
            key: document.key,
            content: u128::from_le_bytes(document.content.0),
            kept: document.dropped.is_none(),
            source: document.source,
            day: document.created,
            bytes: document.text.len() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_document()(
            key: [u8; 16], content: [u8; 16], bytes: u32, file: u32, line: u32, source: u16, dropped in prop::option::of(1u16..),
            created in prop::option::of(NO_DAY + 1..), author in 0u8..4, own_id: bool, repaired: bool, normalised: bool, id: String, text: String,
            tags in prop::collection::vec(any::<u8>(), 0..9), keep in prop::collection::vec(any::<u8>(), 0..9),
            (place, metadata) in (prop::collection::vec(any::<u8>(), 0..9), any::<String>()),
        ) -> Incoming<'static> {
            let (id, text) = (id.into(), text.into());
            let (tags, keep, place, metadata) = (tags.into(), keep.into(), place.into(), metadata.into());
            Incoming {
                id, own_id, key: DocKey(key), content: DocKey(content), text, bytes, source, file, line, licence: 0,
                author: Author::from_code(author), created, repaired, normalised, dropped, representative: None, copies: 1, tags,
                keep, place, metadata,
            }
        }
    }

    proptest! {
        #[test]
        fn documents_come_back(documents in prop::collection::vec(any_document(), 0..5), licence: String) {
            let mut out = Vec::new();
            for (i, document) in documents.iter().enumerate() {
                put(document, &licence, &[i as f32, 0.5], &mut out).unwrap();
            }
            let (mut records, mut values) = (Reader(&out), Vec::new());
            for (i, document) in documents.iter().enumerate() {
                let mut reader = records.record().unwrap().unwrap();
                prop_assert_eq!(reader.clone().text_alone().unwrap(), &document.text);
                let (back, of) = reader.document(2, &mut values).unwrap().unwrap();
                prop_assert!(reader.document(2, &mut values.clone()).unwrap().is_none());
                // The same, with the text as bytes.
                let [text, bytes] =
                    [format!("text: {:?}", document.text), format!("text: {:?}", document.text.as_bytes())];
                prop_assert_eq!(format!("{back:?}"), format!("{document:?}").replace(&text, &bytes));
                prop_assert_eq!((of, &values[..]), (&licence[..], &[i as f32, 0.5][..]));
            }
            prop_assert!(records.record().unwrap().is_none());
        }

        #[test]
        fn records_come_in_batches(lengths in prop::collection::vec(0usize..50, 0..30), batch in 0usize..120, cut in 1usize..5) {
            let mut all = Vec::new();
            for (i, &length) in lengths.iter().enumerate() {
                all.extend_from_slice(&(length as u32).to_le_bytes());
                all.extend(vec![i as u8; length]);
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x");
            std::fs::write(&path, &all).unwrap();
            let (mut records, mut found) = (Records::open(&path).unwrap(), Vec::new());
            loop {
                let some = records.batch(batch).unwrap();
                if some.is_empty() {
                    break;
                }
                prop_assert!(some.len() >= batch.max(1) || found.len() + some.len() == all.len());
                let mut reader = Reader(&some);
                while let Some(record) = reader.record().unwrap() {
                    found.extend_from_slice(record.0);
                }
            }
            prop_assert_eq!(&found, &all);
            if !all.is_empty() {
                std::fs::write(&path, &all[..all.len() - cut.min(lengths[lengths.len() - 1] + 3)]).unwrap();
                let mut records = Records::open(&path).unwrap();
                let fault = (0..=lengths.len()).find_map(|_| records.batch(batch).err());
                prop_assert!(fault.is_some());
            }
        }

        #[test]
        fn hashes_come_back(document in any_document(), url in prop::option::of(any::<u128>()),
            bands in prop::collection::vec(any::<u64>(), 0..5), paragraphs in prop::collection::vec(any::<u64>(), 0..5)) {
            let hashes = Hashes { url, bands, paragraphs };
            let fate = Fate::of(&document);
            let mut out = Vec::new();
            put_hashes(&fate, &hashes, &mut out);
            put_hashes(&fate, &Hashes::default(), &mut out);
            let (mut reader, mut back) = (Reader(&out), Hashes::default());
            prop_assert_eq!(reader.hashes(&mut back).unwrap(), Some(fate));
            prop_assert_eq!(&back, &hashes);
            prop_assert!(reader.hashes(&mut back).unwrap() == Some(fate) && back == Hashes::default());
            prop_assert!(reader.hashes(&mut back).unwrap().is_none());
            let mut reader = Reader(&out);
            prop_assert_eq!([reader.fate().unwrap(), reader.fate().unwrap()], [Some(fate); 2]);
            prop_assert!(reader.fate().unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader(&bytes).document(1, &mut Vec::new());
            let _ = Reader(&bytes).text_alone();
            let _ = Reader(&bytes).hashes(&mut Hashes::default());
        }
    }
}
