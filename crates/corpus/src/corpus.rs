//! A finished corpus, open for reading.

use std::path::{Path, PathBuf};

use memmap2::Mmap;
use regimen_base::{DocKey, fs};
use regimen_ledger::Artifact;

use crate::arena::{Index, map};
use crate::edit::{self, KeptRange};
use crate::error::{Error, Place, Result};
use crate::funnel::Funnel;
use crate::names::{AttributeName, Names};
use crate::split::Split;
use crate::table::{self, Row};
use crate::tag::{Shape, Span, Tags, label_of, stored};
use crate::warc;

/// The value of one rule for one document, beside its threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleValue<'a> {
    /// Name of the rule: its config field in the `filter` table.
    pub name: &'a str,
    /// What the document has.
    pub value: f32,
    /// The threshold in words, such as `at least 50`.
    pub threshold: String,
    /// Whether the document passed.
    pub passed: bool,
}

/// An ordered set of documents: texts, table and dictionaries. Texts and table are memory maps, so opening is quick
/// and reading is shared between processes. Documents are numbered from 0 in document order (source, file, row); the
/// dropped ones keep their numbers.
pub struct Corpus {
    dir: PathBuf,
    table: Mmap,
    text: Mmap,
    text_index: Index,
    ids: String,
    id_index: Index,
    rules: Mmap,
    tags: Option<(Mmap, Index)>,
    keep: Option<(Mmap, Index)>,
    place: Option<(Mmap, Index)>,
    metadata: Option<(Mmap, Index)>,
    names: Names,
}

/// What a tagger gave a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged<'a> {
    /// The attribute.
    pub attribute: &'a AttributeName,
    /// Its spans; a value is one span of the whole source text, a mark that is absent is none.
    pub spans: Vec<Span>,
}

impl Tagged<'_> {
    /// The label that was found, of a [`Shape::Label`].
    pub fn label(&self) -> Option<&str> {
        label_of(&self.spans, &self.attribute.labels)
    }
}

impl Corpus {
    /// Open the corpus in an artifact.
    pub fn open(artifact: &Artifact) -> Result<Corpus> {
        Corpus::open_dir(&artifact.path)
    }

    /// Open the corpus in the folder `dir`. Lengths, offsets and dictionary numbers are checked; the texts are
    /// checked when they are read.
    pub fn open_dir(dir: &Path) -> Result<Corpus> {
        let names: Names = fs::read_json(&dir.join("names.json"))?;
        let table_path = dir.join("docs.tbl");
        let table = map(&table_path)?;
        let rows = table::rows(&table).map_err(|what| Error::damaged(&table_path, what))?;
        let count = rows.len();
        let text = map(&dir.join("text.bin"))?;
        let text_index = Index::open(dir, "text", count, text.len() as u64)?;
        for (i, bytes) in rows.iter().enumerate() {
            let row = Row::decode(bytes);
            let length = if row.kept() { row.bytes as usize } else { 0 };
            if usize::from(row.source) >= names.sources.len()
                || usize::from(row.licence) >= names.licences.len()
                || usize::from(row.dropped.unwrap_or(0)) > names.reasons.len()
                || row.file as usize >= names.files.len()
                || row.representative.is_some_and(|r| r as usize >= count || r as usize == i)
                || text_index.range(i).len() != length
            {
                return Err(Error::damaged(&table_path, format!("row {i} does not fit the other files")));
            }
        }
        let ids_path = dir.join("ids.bin");
        let ids = String::from_utf8(fs::read(&ids_path)?)
            .map_err(|_| Error::damaged(&ids_path, "it is not UTF-8 text".to_string()))?;
        let id_index = Index::open(dir, "ids", count, ids.len() as u64)?;
        if let Some(i) = (0..count).find(|&i| ids.get(id_index.range(i)).is_none()) {
            return Err(Error::damaged(&dir.join("ids.idx"), format!("it cuts the id of document {i}")));
        }
        let rules_path = dir.join("rules.bin");
        let rules = map(&rules_path)?;
        let expected = 4 * names.rules.len() * count;
        if rules.len() != expected {
            let what = format!("it should have {expected} bytes, it has {}", rules.len());
            return Err(Error::damaged(&rules_path, what));
        }
        let arena = |wanted: bool, name: &str| -> Result<Option<(Mmap, Index)>> {
            if !wanted {
                return Ok(None);
            }
            let data = map(&dir.join(format!("{name}.bin")))?;
            let index = Index::open(dir, name, count, data.len() as u64)?;
            Ok(Some((data, index)))
        };
        let (tags, keep) = (arena(!names.attributes.is_empty(), "tags")?, arena(names.edited, "keep")?);
        let place = arena(names.placed, "place")?;
        let metadata = arena(!names.metadata.is_empty(), "meta")?;
        Ok(Corpus {
            dir: dir.into(),
            table,
            text,
            text_index,
            ids,
            id_index,
            rules,
            tags,
            keep,
            place,
            metadata,
            names,
        })
    }

    fn rows(&self) -> &[[u8; table::ROW]] {
        // The header was checked when the table was opened.
        &self.table.as_chunks().0[1..]
    }

    /// Number of documents, the dropped ones too.
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether there is no document (no finished corpus is empty).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folder it was opened from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The row of a document. Panics if `ordinal` is not below [`Corpus::len`], as all that take an ordinal do.
    pub fn row(&self, ordinal: u32) -> Row {
        Row::decode(&self.rows()[ordinal as usize])
    }

    /// The source's own id of a document, or its path and line where it has none.
    pub fn id(&self, ordinal: u32) -> &str {
        &self.ids[self.id_index.range(ordinal as usize)]
    }

    /// `source:id` of a document.
    pub fn name(&self, ordinal: u32) -> String {
        format!("{}:{}", self.source_name(self.row(ordinal).source), self.id(ordinal))
    }

    /// The text of a document; none if it was dropped. An error means that the artifact is damaged.
    pub fn text(&self, ordinal: u32) -> Result<Option<&str>> {
        if self.row(ordinal).dropped.is_some() {
            return Ok(None);
        }
        let bytes = &self.text[self.text_index.range(ordinal as usize)];
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Error::damaged(
                &self.dir.join("text.bin"),
                format!("document {ordinal} is invalid UTF-8 at its byte {}", error.valid_up_to()),
            )),
        }
    }

    /// The text as bytes, unchecked; empty if the document was dropped.
    pub fn bytes(&self, ordinal: u32) -> &[u8] {
        &self.text[self.text_index.range(ordinal as usize)]
    }

    /// Where the text of a document lies in `text.bin`, the kept texts one after the other in document order.
    pub fn range(&self, ordinal: u32) -> std::ops::Range<u64> {
        let range = self.text_index.range(ordinal as usize);
        range.start as u64..range.end as u64
    }

    /// All kept texts, one after the other, unchecked.
    pub(crate) fn texts(&self) -> &[u8] {
        &self.text
    }

    /// Bytes of all kept texts.
    pub fn text_bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// Name of a source.
    pub fn source_name(&self, source: u16) -> &str {
        &self.names.sources[usize::from(source)].name
    }

    /// Number of the source called `name`.
    pub fn source(&self, name: &str) -> Option<u16> {
        self.names.sources.iter().position(|source| source.name == name).map(|i| i as u16)
    }

    /// SPDX expression of a licence.
    pub fn licence_name(&self, licence: u16) -> &str {
        &self.names.licences[usize::from(licence)]
    }

    /// Name of a reason for a drop, such as `duplicate` or `min_words`.
    pub fn reason_name(&self, reason: u16) -> &str {
        &self.names.reasons[usize::from(reason) - 1].name
    }

    /// A reason for a drop in words, such as `fewer than 50 words`.
    pub fn reason_text(&self, reason: u16) -> &str {
        &self.names.reasons[usize::from(reason) - 1].text
    }

    /// All dictionaries.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Where a document came from: file and line.
    pub fn place(&self, ordinal: u32) -> Place {
        let row = self.row(ordinal);
        place(&self.names, &row)
    }

    /// The bytes of its file in which a record of a crawl lies, as they are on the disk; none for documents of other files,
    /// and in corpora of programs that did not keep them.
    ///
    /// # Errors
    /// [`Error::Record`] if the artifact is damaged.
    pub fn span(&self, ordinal: u32) -> Result<Option<warc::Span>> {
        match &self.place {
            None => Ok(None),
            Some((data, index)) => warc::Span::decode(&data[index.range(ordinal as usize)]),
        }
    }

    /// What is kept of the metadata of a document's row: a JSON object; none if it had none of the keys.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the artifact is damaged.
    pub fn metadata(&self, ordinal: u32) -> Result<Option<&str>> {
        let Some((data, index)) = &self.metadata else { return Ok(None) };
        let bytes = &data[index.range(ordinal as usize)];
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Error::damaged(&self.dir.join("meta.bin"), format!("that of document {ordinal} is not UTF-8"))
        })?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Bytes of the id and the metadata of a document.
    pub(crate) fn words(&self, ordinal: u32) -> u64 {
        let length = |range: std::ops::Range<usize>| range.len() as u64;
        let metadata = self.metadata.as_ref().map(|(_, index)| length(index.range(ordinal as usize)));
        length(self.id_index.range(ordinal as usize)) + metadata.unwrap_or_default()
    }

    /// The kept documents of one split, in document order.
    pub fn split(&self, split: Split) -> impl Iterator<Item = u32> + Clone + '_ {
        self.kept().filter(move |&ordinal| self.row(ordinal).split == split)
    }

    /// All kept documents, in document order.
    pub fn kept(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        (0..self.len() as u32).filter(|&ordinal| self.row(ordinal).kept())
    }

    /// Every rule's value for a document against its threshold; empty if no quality filter was used or the row had
    /// no text.
    pub fn rules(&self, ordinal: u32) -> Vec<RuleValue<'_>> {
        let width = self.names.rules.len();
        let values = &self.rules.as_chunks::<4>().0[ordinal as usize * width..][..width];
        let each = self.names.rules.iter().zip(values).map(|(rule, value)| {
            let value = f32::from_le_bytes(*value);
            RuleValue { name: &rule.name, value, threshold: rule.limit(), passed: rule.passes(value) }
        });
        each.filter(|rule| !rule.value.is_nan()).collect()
    }

    /// The value of one rule for a document, by its place in the dictionary; none if the document was not judged.
    pub(crate) fn rule(&self, ordinal: u32, rule: usize) -> Option<f32> {
        let place = ordinal as usize * self.names.rules.len() + rule;
        let value = f32::from_le_bytes(*self.rules.as_chunks::<4>().0.get(place)?);
        (!value.is_nan()).then_some(value)
    }

    /// What the taggers gave a document, by slot; none if none ran or it had no text.
    pub(crate) fn slots(&self, ordinal: u32) -> Result<Option<Tags>> {
        let Some((data, index)) = &self.tags else { return Ok(None) };
        let bytes = &data[index.range(ordinal as usize)];
        if bytes.is_empty() {
            return Ok(None);
        }
        let shapes: Vec<Shape> = self.names.attributes.iter().map(|a| a.shape).collect();
        stored::decode(&shapes, bytes, u32::MAX).map(Some)
    }

    /// What the taggers gave a document, attribute by attribute; empty if none ran or it had no text.
    ///
    /// # Errors
    /// [`Error::Record`] if the artifact is damaged.
    pub fn tags(&self, ordinal: u32) -> Result<Vec<Tagged<'_>>> {
        let Some(tags) = self.slots(ordinal)? else { return Ok(Vec::new()) };
        let each = self.names.attributes.iter().enumerate();
        Ok(each.map(|(slot, attribute)| Tagged { attribute, spans: tags.spans(slot).to_vec() }).collect())
    }

    /// The ranges of the source text that a document's text is made of; none if it is the source's text.
    ///
    /// # Errors
    /// [`Error::Record`] if the artifact is damaged.
    pub fn keep_map(&self, ordinal: u32) -> Result<Option<Vec<KeptRange>>> {
        let Some((data, index)) = &self.keep else { return Ok(None) };
        let bytes = &data[index.range(ordinal as usize)];
        if bytes.is_empty() { Ok(None) } else { edit::decode(bytes).map(Some) }
    }

    /// What each step of the build left over.
    pub fn funnel(&self) -> Result<Funnel> {
        Ok(fs::read_json(&self.dir.join("funnel.json"))?)
    }

    /// The document called `text`: its key or the beginning of it (at least 4 digits), `source:id`, or an id that
    /// only one source has.
    pub fn find(&self, text: &str) -> Result<u32> {
        let named: Vec<DocKey> = self
            .names
            .sources
            .iter()
            .flat_map(|source| {
                let own = text.strip_prefix(source.name.as_str()).and_then(|rest| rest.strip_prefix(':'));
                [Some(text), own].into_iter().flatten().map(|id| DocKey::new(&source.name, id))
            })
            .collect();
        let mut found = self.matching(|key| named.contains(key));
        if found.is_empty() && text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let digits = text.to_ascii_lowercase();
            found = self.matching(|key| starts_with(key, digits.as_bytes()));
        }
        match found[..] {
            [] => {
                let example = self.kept().next().map(|ordinal| self.name(ordinal));
                Err(Error::NotFound { text: text.into(), example })
            }
            [one] => Ok(one),
            _ => {
                let show = |&o: &u32| format!("{} ({})", self.name(o), self.row(o).key);
                Err(Error::Ambiguous {
                    text: text.into(),
                    candidates: found.iter().take(4).map(show).collect(),
                })
            }
        }
    }

    fn matching(&self, fits: impl Fn(&DocKey) -> bool) -> Vec<u32> {
        let key = |bytes: &[u8; table::ROW]| {
            let mut key = [0u8; 16];
            key.copy_from_slice(&bytes[..16]);
            DocKey(key)
        };
        (0u32..).zip(self.rows()).filter(|(_, bytes)| fits(&key(bytes))).map(|(ordinal, _)| ordinal).collect()
    }
}

/// Whether the hexadecimal form of a key begins with these lower-case digits.
fn starts_with(key: &DocKey, digits: &[u8]) -> bool {
    let digit = |i: usize| {
        let byte = key.0[i / 2];
        b"0123456789abcdef"[usize::from(if i.is_multiple_of(2) { byte >> 4 } else { byte & 15 })]
    };
    digits.len() <= 32 && digits.iter().enumerate().all(|(i, &d)| digit(i) == d)
}

/// Where the document of a row came from.
pub(crate) fn place(names: &Names, row: &Row) -> Place {
    Place::of(&names.files[row.file as usize], row.line)
}
