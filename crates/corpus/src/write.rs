//! Writing a corpus: documents come in document order, are numbered, compared with those before them, and written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};

use regimen_base::{DocKey, fs};

use crate::arena;
use crate::author::Author;
use crate::corpus::place;
use crate::error::{Error, Result};
use crate::names::{Names, Reason};
use crate::split::Split;
use crate::table::{self, ROW, Row};
use crate::tally::Tally;

/// A document on its way into the corpus: what it is made of lies where it was read, or is its own. Its text is bytes where it
/// is known to be one.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<'t, T = Cow<'t, str>> {
    pub id: Cow<'t, str>,
    /// Whether the source gave the id.
    pub own_id: bool,
    pub key: DocKey,
    pub content: DocKey,
    /// The text as it is kept; may be empty for a dropped document.
    pub text: T,
    /// Bytes of text that the row had.
    pub bytes: u32,
    pub source: u16,
    pub file: u32,
    pub line: u32,
    /// Number in the dictionary of the writer.
    pub licence: u16,
    pub author: Author,
    pub created: Option<i32>,
    pub repaired: bool,
    /// Whether the text was brought into Unicode NFC.
    pub normalised: bool,
    /// Number of the reason, from 1.
    pub dropped: Option<u16>,
    /// The document that stays in its place, if it is dropped for that.
    pub representative: Option<u32>,
    /// How often it is taken, if it is kept for training.
    pub copies: u16,
    /// Its tags as bytes.
    pub tags: Cow<'t, [u8]>,
    /// Its keep map as bytes; empty if its text is the source's.
    pub keep: Cow<'t, [u8]>,
    /// Where it lies in its file as bytes; empty where only the number of its row is known.
    pub place: Cow<'t, [u8]>,
    /// What is kept of its metadata: a JSON object, or nothing.
    pub metadata: Cow<'t, str>,
}

/// Name of the reason for documents whose text came before.
pub(crate) const DUPLICATE: &str = "duplicate";

/// That reason.
pub(crate) fn duplicate() -> Reason {
    Reason { name: DUPLICATE.into(), text: "same text as a document before it".into() }
}

/// What the writer decides by itself.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Drop documents whose text came before.
    pub dedup: bool,
    /// Whether the split goes by the documents' keys; by their texts otherwise.
    pub by_key: bool,
    /// Share of documents for validation.
    pub validation: f64,
    /// Take no more documents once the kept text has this many bytes; 0 takes all.
    pub limit: u64,
}

/// Keys are hashes already: their own bits choose the place in the map.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.0 = self.0.rotate_left(8) ^ u64::from(b));
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

type ByKey = HashMap<u128, u32, BuildHasherDefault<KeyHasher>>;

/// A corpus being written into a folder.
pub(crate) struct Writer {
    dir: PathBuf,
    names: Names,
    options: Options,
    duplicate: u16,
    rows: Vec<[u8; ROW]>,
    text: arena::Writer,
    ids: arena::Writer,
    rules: fs::File,
    by_key: ByKey,
    by_content: ByKey,
    tags: Option<arena::Writer>,
    keep: Option<arena::Writer>,
    place: Option<arena::Writer>,
    metadata: Option<arena::Writer>,
    licences: HashMap<String, u16>,
    tally: Tally,
}

impl Writer {
    /// Begin a corpus in `dir`. The names hold sources, files, rules and reasons; the reason for duplicates is added
    /// as the last one.
    pub fn create(dir: &Path, mut names: Names, options: Options) -> Result<Writer> {
        let duplicate = match names.reasons.iter().position(|reason| reason.name == DUPLICATE) {
            Some(known) => known + 1,
            None => {
                names.reasons.push(duplicate());
                names.reasons.len()
            }
        } as u16;
        let arena = |wanted: bool, name: &str| wanted.then(|| arena::Writer::create(dir, name)).transpose();
        let (tags, keep) = (arena(!names.attributes.is_empty(), "tags")?, arena(names.edited, "keep")?);
        let place = arena(names.placed, "place")?;
        let metadata = arena(!names.metadata.is_empty(), "meta")?;
        let tally = Tally::new(names.reasons.len(), names.sources.len());
        Ok(Writer {
            dir: dir.into(),
            names,
            options,
            duplicate,
            rows: Vec::new(),
            text: arena::Writer::create(dir, "text")?,
            ids: arena::Writer::create(dir, "ids")?,
            rules: fs::create(&dir.join("rules.bin"))?,
            by_key: ByKey::default(),
            by_content: ByKey::default(),
            tags,
            keep,
            place,
            metadata,
            licences: HashMap::new(),
            tally,
        })
    }

    /// The number of a licence.
    pub fn licence(&mut self, expression: &str) -> Result<u16> {
        if let Some(&number) = self.licences.get(expression) {
            return Ok(number);
        }
        let number = u16::try_from(self.licences.len())
            .map_err(|_| Error::TooMany { what: "licences", most: 1 << 16 })?;
        self.licences.insert(expression.into(), number);
        self.names.licences.push(expression.into());
        Ok(number)
    }

    /// Whether it compares texts by itself.
    pub fn compares(&self) -> bool {
        self.options.dedup
    }

    /// Whether the kept text has reached the limit: then no more documents are taken.
    pub fn full(&self) -> bool {
        self.options.limit > 0 && self.text.length() >= self.options.limit
    }

    /// Documents and bytes read so far.
    pub fn documents(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Take the next document. `values` holds one number for each rule.
    pub fn push(&mut self, document: &Incoming<'_, &[u8]>, values: &[f32]) -> Result<()> {
        debug_assert_eq!(values.len(), self.names.rules.len());
        let ordinal = self.rows.len() as u32;
        if ordinal == u32::MAX {
            return Err(Error::TooMany { what: "documents", most: u64::from(u32::MAX) });
        }
        let mut row = Row {
            key: document.key,
            content: document.content,
            source: document.source,
            licence: document.licence,
            author: document.author,
            // Texts that are kept twice would else lie on both sides.
            split: Split::of(
                if self.options.by_key { document.key } else { document.content },
                self.options.validation,
            ),
            repaired: document.repaired,
            normalised: document.normalised,
            own_id: document.own_id,
            file: document.file,
            line: document.line,
            bytes: if document.dropped.is_none() { document.text.len() as u32 } else { document.bytes },
            representative: document.representative,
            created: document.created,
            dropped: document.dropped,
            copies: document.copies,
        };
        match self.by_key.entry(u128::from_le_bytes(row.key.0)) {
            Entry::Vacant(free) => drop(free.insert(ordinal)),
            Entry::Occupied(taken) => {
                let first = Row::decode(&self.rows[*taken.get() as usize]);
                return Err(Error::DuplicateId {
                    source_name: self.names.sources[usize::from(row.source)].name.clone(),
                    id: document.id.clone().into_owned(),
                    first: place(&self.names, &first),
                    second: place(&self.names, &row),
                });
            }
        }
        if self.options.dedup && row.kept() {
            match self.by_content.entry(u128::from_le_bytes(row.content.0)) {
                Entry::Vacant(free) => drop(free.insert(ordinal)),
                Entry::Occupied(taken) => {
                    let first = *taken.get();
                    row.split = Row::decode(&self.rows[first as usize]).split;
                    row.representative = Some(first);
                    row.dropped = Some(self.duplicate);
                }
            }
        }
        if !row.kept() || row.split == Split::Validation {
            // What is held out is scored once.
            row.copies = 1;
        }
        if let Some(tags) = &mut self.tags {
            tags.push(&document.tags)?;
        }
        if let Some(keep) = &mut self.keep {
            keep.push(if row.kept() { &document.keep } else { &[] })?;
        }
        if let Some(place) = &mut self.place {
            place.push(&document.place)?;
        }
        if let Some(metadata) = &mut self.metadata {
            metadata.push(document.metadata.as_bytes())?;
        }
        self.text.push(if row.kept() { document.text } else { b"" })?;
        self.ids.push(document.id.as_bytes())?;
        if !values.is_empty() {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.rules.put(&bytes)?;
        }
        self.tally.count(&row);
        self.rows.push(row.encode());
        Ok(())
    }

    /// Write what is left. Gives back the summary of the corpus, and the files that the disk may still be busy with. The
    /// artifact's commit makes all of it durable.
    pub fn finish(self) -> Result<(Summary, Closing)> {
        let limited = self.full();
        let funnel = self.tally.funnel(&self.names, limited);
        if self.tally.kept().documents == 0 {
            let advice = funnel.advice(|step| self.names.rules.iter().any(|rule| rule.name == step));
            let documents = self.rows.len() as u64;
            return Err(Error::NothingLeft { documents, funnel: funnel.to_string(), advice });
        }
        if self.tally.split(Split::Train).documents == 0 {
            return Err(Error::NoTraining {
                documents: self.tally.kept().documents,
                share: self.options.validation,
            });
        }
        let mut files = Vec::new();
        let arenas = [Some(self.text), self.tags, self.keep, self.place, self.metadata, Some(self.ids)];
        for arena in arenas.into_iter().flatten() {
            files.push(arena.finish()?);
        }
        self.rules.close()?;
        let mut table = fs::create(&self.dir.join("docs.tbl"))?;
        table.put(&table::header(self.rows.len() as u64))?;
        for rows in self.rows.chunks(1 << 12) {
            table.put(rows.as_flattened())?;
        }
        table.close()?;
        fs::write_json(&self.dir.join("names.json"), &self.names)?;
        fs::write_json(&self.dir.join("funnel.json"), &funnel)?;
        let summary = Summary {
            value: self.tally.summary(&self.names, &funnel),
            no_validation: self.options.validation > 0.0
                && self.tally.split(Split::Validation).documents == 0,
        };
        Ok((summary, Closing(files)))
    }
}

/// Files that are written and that the disk may be busy with.
pub(crate) struct Closing(Vec<fs::File>);

impl Closing {
    /// Wait for the disk.
    pub fn wait(self) -> Result<()> {
        Ok(self.0.into_iter().try_for_each(fs::File::close)?)
    }
}

/// What the stage tells of a finished corpus.
pub(crate) struct Summary {
    /// For the manifest.
    pub value: serde_json::Value,
    /// Whether a validation share was asked for and no document fell into it.
    pub no_validation: bool,
}
