//! From a chunk of a file to documents: UTF-8, fields, licence and author kind, quality, hashes. Chunks are independent
//! of each other, so this runs on all cores.

use std::borrow::Cow;
use std::sync::Arc;

use regimen_base::DocKey;

use crate::author::Author;
use crate::config::{
    Config, Format, InvalidLicence, InvalidRow, InvalidUtf8, MissingText, Normalise, Source,
};
use crate::date;
use crate::error::{Error, Place, Result};
use crate::licence::{self, UNKNOWN};
use crate::memory::Memory;
use crate::names::{FileName, Reason};
use crate::normal::nfc;
use crate::paragraphs::ngrams;
use crate::part::{Fate, Hashes, put_hashes};
use crate::pipeline::{Given, Outcome, Pipeline, Room};
use crate::quality::Rules;
use crate::read::attribute_row;
use crate::read::attributes::missing_row;
use crate::read::beside::Beside;
use crate::read::chunk::{Chunk, lines};
use crate::read::front_matter;
use crate::read::metadata;
use crate::read::page::Body;
use crate::read::row::Scalar;
use crate::read::source_code;
use crate::tag;
use crate::warc::Span;
use crate::write::Incoming;

/// The mark of the byte order at the begin of a file in UTF-8, which is no part of its text.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// Numbers of the reasons that come before the rules.
pub(super) const INVALID_UTF8: u16 = 1;
pub(super) const MISSING_TEXT: u16 = 2;
pub(super) const EMPTY: u16 = 3;
/// Only where such rows are dropped.
pub(super) const INVALID_ROW: u16 = 4;

/// The reasons for which a document can be dropped here, in the order of their numbers from 1.
pub(crate) fn reasons(rules: &Rules, pipeline: &Pipeline, config: &Config) -> Vec<Reason> {
    let reason = |name: &str, text: &str| Reason { name: name.into(), text: text.into() };
    let mut all = vec![
        reason("invalid_utf8", "text that is not UTF-8"),
        reason("missing_text", "row without a text"),
        reason("empty", "text of no length"),
    ];
    if config.invalid_row == InvalidRow::Drop {
        all.push(reason("invalid_row", "row that cannot be read"));
    }
    all.extend(rules.reasons());
    all.extend(pipeline.reasons());
    if config.sources.iter().any(|source| source.format == Format::Code) {
        all.extend(source_code::reasons());
    }
    all
}

/// What all chunks are read with.
pub(crate) struct Reading<'r> {
    pub sources: &'r [Source],
    pub files: &'r [FileName],
    pub rules: &'r Rules,
    pub pipeline: &'r Pipeline,
    pub beside: &'r Beside,
    pub invalid_utf8: InvalidUtf8,
    pub missing_text: MissingText,
    pub invalid_row: InvalidRow,
    pub invalid_licence: InvalidLicence,
    /// Keys of the metadata that are kept.
    pub metadata: &'r [String],
    pub memory: &'r Arc<Memory>,
}

impl Reading<'_> {
    /// Number of the reason that the first rule gives.
    pub(super) fn first_rule(&self) -> u16 {
        if self.invalid_row == InvalidRow::Drop { INVALID_ROW + 1 } else { INVALID_ROW }
    }
}

/// The documents of one chunk.
#[derive(Default)]
pub(crate) struct Parsed {
    /// In order; their licences are numbers in `licences`.
    pub documents: Vec<Incoming<'static>>,
    /// A number for each rule, document by document.
    pub values: Vec<f32>,
    /// What deduplication compares, document by document, as bytes.
    pub hashes: Vec<u8>,
    /// The licences that were met, by number.
    pub licences: Vec<String>,
}

/// What is known of a document besides its text.
#[derive(Default)]
pub(super) struct About<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) author: Author,
    pub(super) licence: Cow<'a, str>,
    pub(super) created: Option<i32>,
    pub(super) repaired: bool,
    pub(super) metadata: &'a str,
    /// The bytes of the file in which it lies.
    pub(super) span: Option<Span>,
    /// What its attribute files say of it, by number of the attribute.
    pub(super) attributes: Vec<(u32, tag::Span)>,
}

/// The documents in a chunk. `long` says that this thread has the turn of long documents.
pub(crate) fn documents(reading: &Reading, mut chunk: Chunk, long: bool, room: &mut Room) -> Result<Parsed> {
    let beside = std::mem::take(&mut chunk.beside);
    let attributes = beside.iter().map(|rows| AttributeRows {
        file: &rows.file,
        left: Box::new(lines(&rows.data, rows.first, rows.first == 1)),
    });
    let mut maker = Maker {
        reading,
        source: &reading.sources[usize::from(chunk.source)],
        file: &reading.files[chunk.file as usize],
        source_number: chunk.source,
        file_number: chunk.file,
        room,
        unknown: Vec::new(),
        attributes: attributes.collect(),
        beside: attribute_row::Room::default(),
        out: Parsed::default(),
    };
    match chunk.ends {
        _ if !chunk.pages.is_empty() => maker.pages(chunk, long)?,
        _ if chunk.header.is_some() => maker.table(&chunk)?,
        Some(_) => maker.texts(chunk)?,
        None => maker.rows(&chunk)?,
    }
    Ok(maker.out)
}

/// The rows of an attribute file that are still to come, with their numbers.
struct AttributeRows<'m> {
    file: &'m Arc<str>,
    left: Box<dyn Iterator<Item = (u64, &'m [u8])> + 'm>,
}

/// Makes documents of one chunk.
pub(super) struct Maker<'r, 'm> {
    pub(super) reading: &'r Reading<'r>,
    pub(super) source: &'r Source,
    pub(super) file: &'r FileName,
    source_number: u16,
    file_number: u32,
    room: &'m mut Room,
    /// Licences that are not SPDX expressions and the number that they have got.
    unknown: Vec<(String, u16)>,
    /// The attribute files of the documents.
    attributes: Vec<AttributeRows<'m>>,
    beside: attribute_row::Room,
    out: Parsed,
}

impl<'r> Maker<'r, '_> {
    pub(super) fn place(&self, number: u64) -> Place {
        let unit = if self.file.unit == "row" { "row" } else { "line" };
        Place { file: self.file.path.clone(), unit, number }
    }

    fn texts(&mut self, chunk: Chunk) -> Result<()> {
        let Chunk { data, ends, first, offset, .. } = chunk;
        let ends = ends.unwrap_or_default();
        if let [_] = ends[..] {
            return self.text(first, offset, data);
        }
        let mut start = 0;
        for (number, end) in (first..).zip(ends) {
            self.text(number, offset + start as u64, data[start..end].to_vec())?;
            start = end;
        }
        Ok(())
    }

    /// One file or block of plain text.
    fn text(&mut self, number: u64, mut offset: u64, mut data: Vec<u8>) -> Result<()> {
        if offset == 0 && data.starts_with(BOM) {
            data.drain(..BOM.len());
            offset = BOM.len() as u64;
        }
        let licence = Cow::Borrowed(self.source.licence.as_str());
        let mut about = About { author: self.source.author, licence, ..About::default() };
        let mut text = match String::from_utf8(data) {
            Ok(text) => text,
            Err(error) => match self.reading.invalid_utf8 {
                InvalidUtf8::Error => {
                    let byte = offset + error.utf8_error().valid_up_to() as u64;
                    let start = if offset == 0 { error.as_bytes() } else { &[] };
                    return Err(Error::encoding(self.place(0), byte, start));
                }
                InvalidUtf8::Replace => {
                    about.repaired = true;
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                }
                InvalidUtf8::Drop => {
                    let length = error.as_bytes().len();
                    return self.add(number, about, String::new(), length, Some(INVALID_UTF8));
                }
            },
        };
        let matter;
        if self.source.format == Format::Markdown
            && let Some((found, length)) = front_matter::split(&text)
        {
            text.drain(..length);
            matter = found;
            about.metadata = &matter.metadata;
            about.created = matter.created.as_deref().and_then(date::days);
            about.author = self.author(0, &Scalar::of(matter.author.as_deref()))?;
            about.licence = self.licence(0, Scalar::of(matter.licence.as_deref()))?;
        }
        let length = text.len();
        self.add(number, about, text, length, None)
    }

    fn pages(&mut self, chunk: Chunk, long: bool) -> Result<()> {
        for (number, mut raw) in (chunk.first..).zip(chunk.pages) {
            let place = || Place::of(self.file, number as u32);
            let _long = raw.unpack(self.reading.memory, long, place)?;
            if let Body::Code(step) = raw.body {
                self.code(number, raw.id, step)?;
                continue;
            }
            let invalid = raw.invalid.take();
            if let (Some((column, byte)), InvalidUtf8::Error) = (&invalid, self.reading.invalid_utf8) {
                let (place, column) = (self.place(number), column.clone());
                return Err(Error::ColumnEncoding { place, column, byte: *byte });
            }
            let text = match raw.text() {
                Ok(text) => text,
                Err(_) if self.reading.missing_text == MissingText::Drop => None,
                Err(reason) => {
                    return Err(Error::Foreign {
                        file: self.file.path.clone(),
                        format: "WARC",
                        offset: raw.span.map_or(0, |span| span.offset),
                        field: "block".into(),
                        reason,
                    });
                }
            };
            let (mut author, mut licence) = (Scalar::Null, Scalar::Null);
            if self.file.unit == "row" {
                // Of a table; what pages say of themselves is no declaration.
                author = Scalar::owned(raw.metadata.get("author_kind"));
                let named = raw.metadata.get("license").filter(|value| !value.is_null());
                licence = Scalar::owned(named.or_else(|| raw.metadata.get("licence")));
            }
            let metadata = serde_json::Value::Object(std::mem::take(&mut raw.metadata)).to_string();
            let about = About {
                id: raw.id.map(Cow::Owned),
                author: self.author(number, &author)?,
                licence: self.licence(number, licence)?,
                created: raw.date.as_deref().and_then(date::days),
                repaired: text.as_ref().is_some_and(|text| text.1),
                metadata: &metadata,
                span: raw.span,
                attributes: Vec::new(),
            };
            match text {
                Some((text, _)) if invalid.is_some() && self.reading.invalid_utf8 == InvalidUtf8::Drop => {
                    self.add(number, about, String::new(), text.len(), Some(INVALID_UTF8))?;
                }
                Some((text, _)) => {
                    let length = text.len();
                    self.add(number, about, text, length, None)?;
                }
                // A record of a crawl has none at times; a row of a table is to have one, as a row of JSON is.
                None if self.file.unit == "row" && self.reading.missing_text == MissingText::Error => {
                    let field = self.source.text_field.clone();
                    return Err(Error::MissingText { place: self.place(number), field });
                }
                None => self.add(number, about, String::new(), 0, Some(MISSING_TEXT))?,
            }
        }
        Ok(())
    }

    /// What the next row of each attribute file says of the document with this id and text.
    pub(super) fn attributes(&mut self, id: &str, text: Option<&str>) -> Result<Vec<(u32, tag::Span)>> {
        let mut found = Vec::new();
        self.beside.begin();
        for rows in &mut self.attributes {
            let Some((line, row)) = rows.left.next() else { return Err(missing_row(rows.file, id)) };
            let row = (rows.file, line, row);
            self.reading.beside.attributes.row(
                self.source_number,
                row,
                id,
                text,
                &mut self.beside,
                &mut found,
            )?;
        }
        Ok(found)
    }

    /// The next row of each attribute file is that of a document of which nothing is known.
    pub(super) fn pass_attributes(&mut self, number: u64) -> Result<()> {
        for rows in &mut self.attributes {
            if rows.left.next().is_none() {
                return Err(missing_row(rows.file, &format!("{}:{number}", self.file.path)));
            }
        }
        Ok(())
    }

    pub(super) fn id<'a>(&self, number: u64, id: Scalar<'a>) -> Result<Option<Cow<'a, str>>> {
        let field = &self.source.id_field;
        match id {
            Scalar::Text(id) if !id.is_empty() => Ok(Some(id)),
            Scalar::Integer(id) => Ok(Some(id.into())),
            Scalar::Text(_) | Scalar::Null if self.source.format == Format::Dolma => {
                Err(Error::MissingId { place: self.place(number), field: field.clone() })
            }
            Scalar::Text(_) | Scalar::Null => Ok(None),
            Scalar::Other(found) => Err(self.wrong(number, field, "a text or a whole number", found)),
        }
    }

    pub(super) fn author(&self, number: u64, author: &Scalar) -> Result<Author> {
        let expected = "one of human, machine, mixed, unknown";
        match author {
            Scalar::Null => Ok(self.source.author),
            Scalar::Text(name) => Author::parse(name)
                .ok_or_else(|| self.wrong(number, "author_kind", expected, &format!("`{name}`"))),
            other => Err(self.wrong(number, "author_kind", expected, other.kind())),
        }
    }

    pub(super) fn licence<'a>(&self, number: u64, licence: Scalar<'a>) -> Result<Cow<'a, str>>
    where
        'r: 'a,
    {
        let source: &'r Source = self.source;
        match licence {
            Scalar::Null => Ok(Cow::Borrowed(&source.licence)),
            Scalar::Text(licence) => Ok(licence),
            other => Err(self.wrong(number, "license", "an SPDX expression", other.kind())),
        }
    }

    pub(super) fn wrong(&self, number: u64, field: &str, expected: &'static str, found: &str) -> Error {
        Error::FieldType { place: self.place(number), field: field.into(), expected, found: found.into() }
    }

    pub(super) fn add(
        &mut self,
        number: u64,
        about: About,
        mut text: String,
        length: usize,
        dropped: Option<u16>,
    ) -> Result<()> {
        let mut normalised = false;
        let mut length = length;
        if self.source.normalise == Normalise::Nfc
            && let Cow::Owned(normal) = nfc(&text)
        {
            // All offsets and hashes from here on are those of the text in this form.
            (text, normalised) = (normal, true);
            length = text.len();
        }
        let bytes = u32::try_from(length)
            .map_err(|_| Error::TooLong { place: self.place(number), bytes: length as u64 })?;
        let line = u32::try_from(number)
            .map_err(|_| Error::TooMany { what: "lines in a file", most: u64::from(u32::MAX) })?;
        let own_id = about.id.is_some();
        let path = &self.file.path;
        let id = match about.id {
            Some(id) => id.into_owned(),
            None if self.file.unit.is_empty() => path.clone(),
            None => format!("{path}:{number}"),
        };
        let licence = self.licence_number(number, &about.licence)?;
        let content = DocKey::of_content(text.as_bytes());
        let mut dropped = dropped.or((length == 0).then_some(EMPTY));
        let rules = self.reading.rules.rules.len();
        let mut outcome = Outcome::default();
        self.room.hashes = Hashes::default();
        if dropped.is_some() {
            self.out.values.extend(std::iter::repeat_n(f32::NAN, rules));
        } else {
            let failed = self.reading.rules.judge(&text, &mut self.out.values);
            let first = self.reading.first_rule();
            dropped = failed.map(|rule| first + rule as u16);
            let given = Given {
                source: &self.source.name,
                id: &id,
                licence: &about.licence,
                author: about.author.name(),
                metadata: about.metadata,
                attributes: &about.attributes,
            };
            outcome = self.reading.pipeline.run(&given, &mut text, failed.is_some(), self.room);
            if let Some((found, most)) = outcome.crowded {
                let (place, weight) = (self.place(number), ngrams::WEIGHT);
                return Err(Error::Crowded { place, what: "n-grams", number: found, most, weight });
            }
            let first = first + rules as u16;
            let emptied = first + self.reading.pipeline.rules() as u16;
            let here = outcome.dropped.map(|rule| first + rule as u16);
            dropped = dropped.or(here).or(outcome.emptied.then_some(emptied));
        }
        if dropped.is_some() {
            text = String::new();
        }
        let mut place = Vec::new();
        if let Some(span) = about.span {
            span.encode(&mut place);
        }
        let elsewhere = [self.source.text_field.as_str(), &self.source.id_field];
        let metadata = metadata::kept(about.metadata, self.reading.metadata, elsewhere);
        let document = Incoming {
            key: DocKey::new(&self.source.name, &id),
            content,
            id: id.into(),
            own_id,
            text: text.into(),
            bytes,
            source: self.source_number,
            file: self.file_number,
            line,
            licence,
            author: about.author,
            created: about.created,
            repaired: about.repaired,
            normalised,
            dropped,
            representative: None,
            copies: 1,
            tags: outcome.tags.into(),
            keep: outcome.keep.into(),
            place: place.into(),
            metadata: metadata.into(),
        };
        put_hashes(&Fate::of(&document), &self.room.hashes, &mut self.out.hashes);
        self.out.documents.push(document);
        Ok(())
    }

    /// The number of a licence in this chunk. Each is checked once.
    fn licence_number(&mut self, number: u64, licence: &str) -> Result<u16> {
        if let Some(known) = self.out.licences.iter().rposition(|known| known == licence) {
            return Ok(known as u16);
        }
        if let Some((_, known)) = self.unknown.iter().find(|(unknown, _)| unknown == licence) {
            return Ok(*known);
        }
        if self.reading.invalid_licence == InvalidLicence::Noassertion && !licence::is_expression(licence) {
            let known = self.licence_number(number, UNKNOWN)?;
            self.unknown.push((licence.into(), known));
            return Ok(known);
        }
        if let Err((reason, near)) = licence::check(licence) {
            return Err(Error::Licence {
                source_name: self.source.name.clone(),
                place: self.place(number),
                value: licence.into(),
                reason,
                near,
            });
        }
        self.out.licences.push(licence.into());
        u16::try_from(self.out.licences.len() - 1)
            .map_err(|_| Error::TooMany { what: "licences", most: 1 << 16 })
    }
}
