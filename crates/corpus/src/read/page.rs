//! Documents that are not lines: records of WARC files, rows of Parquet files, HTML pages, files of source code. A thread reads them raw, in chunks
//! of about a megabyte; taking text out of them is the work of all threads.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::fs;
use regimen_recipe::InputFile;
use serde_json::{Map, Value, json};

use crate::code::{self, Content, Files, Licence, Step, Why};
use crate::config::MissingText;
use crate::error::{Error, Place, Result};
use crate::memory::{LONG, Long, Memory, is_long};
use crate::read::chunk::{CHUNK, Chunk};
use crate::read::document::Reading;
use crate::read::row::mend_surrogates;
use crate::read::stream::Stream;
use crate::{html, parquet, warc};

/// Bytes of one document at most.
const MOST: u64 = 64 << 20;

/// A document as it was read.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its own id.
    pub id: Option<String>,
    /// When it was made, as it says.
    pub date: Option<String>,
    pub body: Body,
    /// The bytes of the file that it is read from.
    pub span: Option<warc::Span>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
    /// The first column of a table's row that was not UTF-8 and was repaired, and the byte at which.
    pub invalid: Option<(String, u64)>,
}

impl Raw {
    /// With a body, and nothing else known.
    fn new(body: Body) -> Raw {
        Raw { id: None, date: None, body, span: None, metadata: Map::new(), invalid: None }
    }
}

/// What its text is in.
#[derive(Debug)]
pub(crate) enum Body {
    /// The text itself, and whether it had to be repaired.
    Text(String, bool),
    /// An answer over HTTP as it came.
    Http(Vec<u8>),
    /// The same unpacked.
    Answer(Box<warc::Response>),
    /// An HTML page, and the character set that what brought it names.
    Html(Vec<u8>, Option<String>),
    /// What a WAT file says of a page, as JSON.
    Wat(Vec<u8>),
    /// A file of a tree of source code.
    Code(Step),
    /// Nothing that can be read.
    None,
}

/// Gives the documents of a file.
pub(crate) struct Pages {
    reader: Reader,
    source: u16,
    file: u32,
    next: u64,
    /// What bounds its documents, with the path of the file and what it calls them.
    within: (Arc<Memory>, String, &'static str),
}

enum Reader {
    Warc(Box<warc::Reader<Counting>>),
    Parquet(Box<parquet::Reader>),
    Html(Option<Box<Stream>>),
    Code(Option<(InputFile, Option<Licence>)>),
    Tree(Box<Files>),
}

/// Counts what is read from the disk.
struct Counting {
    inner: std::fs::File,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// What kind of file gives pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    Warc,
    Parquet,
    Html,
    /// A file of source code.
    Code,
    /// An archive of source code.
    Tree,
}

impl Pages {
    /// Open a file.
    pub fn open(
        reading: &Reading,
        kind: PageKind,
        input: &InputFile,
        number: u16,
        file: u32,
        read: Arc<AtomicU64>,
    ) -> Result<Pages> {
        let source = &reading.sources[usize::from(number)];
        let reader = match kind {
            PageKind::Warc => {
                let damaged = match reading.missing_text {
                    MissingText::Error => warc::Damaged::Error,
                    MissingText::Drop => warc::Damaged::Skip,
                };
                let counting = Counting { inner: fs::open(&input.full)?, read };
                let options = warc::Options { max_bytes: MOST, damaged };
                Reader::Warc(Box::new(warc::Reader::new(input.path.clone(), counting, options)?))
            }
            PageKind::Parquet => {
                let columns = [&*source.text_field, &source.id_field];
                return Pages::table(input, columns, number, file, &read, reading.memory);
            }
            PageKind::Html => {
                let window_log = reading.memory.window_log(rayon::current_num_threads());
                Reader::Html(Some(Box::new(Stream::open_within(input, read, window_log)?)))
            }
            PageKind::Code => {
                read.fetch_add(input.bytes, Ordering::Relaxed);
                let nearest = reading.beside.licences(number).and_then(|all| all.nearest(&input.path));
                Reader::Code(Some((input.clone(), nearest)))
            }
            PageKind::Tree => {
                read.fetch_add(input.bytes, Ordering::Relaxed);
                let files = Files::open(input.path.clone(), &input.full, code::Options::default())?;
                Reader::Tree(Box::new(files))
            }
        };
        let unit = match kind {
            PageKind::Warc => "record",
            PageKind::Parquet => "row",
            PageKind::Tree => "entry",
            PageKind::Html | PageKind::Code => "",
        };
        let within = (Arc::clone(reading.memory), input.path.clone(), unit);
        Ok(Pages { reader, source: number, file, next: 1, within })
    }

    /// Open a table whose texts and ids are in these columns. A text that is too long for the memory is an error.
    fn table(
        input: &InputFile,
        [text, id]: [&str; 2],
        number: u16,
        file: u32,
        read: &AtomicU64,
        memory: &Arc<Memory>,
    ) -> Result<Pages> {
        read.fetch_add(input.bytes, Ordering::Relaxed);
        let options = parquet::Options {
            text: text.into(),
            id: Some(id.into()),
            other: parquet::Other::All,
            max_bytes: memory.longest(),
            max_page: memory.page(),
        };
        let opened = match parquet::Reader::open(input.path.clone(), &input.full, options.clone()) {
            // A table need not have ids.
            Err(Error::Column { column, .. }) if column == id => {
                let options = parquet::Options { id: None, ..options };
                parquet::Reader::open(input.path.clone(), &input.full, options)
            }
            opened => opened,
        };
        let within = (Arc::clone(memory), input.path.clone(), "row");
        Ok(Pages { reader: Reader::Parquet(Box::new(opened?)), source: number, file, next: 1, within })
    }

    /// The next chunk; none at the end.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        let mut chunk = Chunk { source: self.source, file: self.file, first: self.next, ..Chunk::default() };
        let mut bytes = 0;
        while bytes < CHUNK {
            let number = self.next + chunk.pages.len() as u64;
            let Some((raw, size)) = self.page(number)? else { break };
            bytes += size + 64;
            chunk.pages.push(raw);
            let memory = &self.within.0;
            if size as u64 > memory.longest() {
                return Err(self.too_long(number, size as u64));
            }
            if is_long(size) && chunk.long.is_none() {
                chunk.long = Some(memory.long());
            }
        }
        chunk.pages_bytes = bytes;
        self.next += chunk.pages.len() as u64;
        Ok((!chunk.pages.is_empty()).then_some(chunk))
    }

    /// The error about a document of so many bytes.
    fn too_long(&self, number: u64, bytes: u64) -> Error {
        let (memory, path, unit) = &self.within;
        let number = if unit.is_empty() { 0 } else { number };
        Error::LongDocument {
            place: Place { file: path.clone(), unit, number },
            bytes,
            most: memory.longest(),
        }
    }

    /// The document with this number, and its bytes.
    fn page(&mut self, number: u64) -> Result<Option<(Raw, usize)>> {
        match &mut self.reader {
            Reader::Warc(reader) => loop {
                let record = match warc::Reader::next(reader)? {
                    None => return Ok(None),
                    Some(warc::Item::Record(record)) => record,
                    Some(warc::Item::Skipped(skipped)) => {
                        let warc::Skipped { offset, length, within, reason, .. } = skipped;
                        let length = Some(length).filter(|&length| length > 0);
                        let metadata =
                            json!({"warc_offset": offset, "warc_length": length, "reason": reason});
                        let metadata = metadata.as_object().cloned().unwrap_or_default();
                        let span = Some(warc::Span { offset, length, within });
                        return Ok(Some((Raw { span, metadata, ..Raw::new(Body::None) }, 0)));
                    }
                };
                let size = record.payload.len();
                let http = record.is_http();
                let text = if http { None } else { record.text() };
                let wat = record.is_wat();
                let resource = record.kind == warc::Kind::Resource;
                // What wget says of itself comes as resources of this scheme.
                let about_crawl =
                    record.target_uri.as_deref().is_some_and(|uri| uri.starts_with("metadata://"));
                if (!http && !wat && !resource && text.is_none()) || (resource && about_crawl) {
                    // Requests, descriptions of the crawl, metadata: no documents.
                    continue;
                }
                let mut metadata = Map::new();
                metadata.insert("url".into(), record.target_uri.clone().into());
                metadata.insert("warc_offset".into(), record.span.offset.into());
                metadata.insert("warc_length".into(), record.span.length.into());
                let body = match text {
                    Some((text, repaired)) => Body::Text(text, repaired),
                    None if wat => Body::Wat(record.payload),
                    None if record.is_page() => {
                        let charset = record.charset().map(String::from);
                        Body::Html(record.payload, charset)
                    }
                    // An image or the like, which has no text.
                    None if resource => Body::None,
                    None => Body::Http(record.payload),
                };
                let span = Some(record.span);
                let raw = Raw { id: Some(record.id), date: record.date, span, metadata, ..Raw::new(body) };
                return Ok(Some((raw, size)));
            },
            Reader::Parquet(reader) => Ok(match parquet::Reader::next(reader)? {
                None => None,
                Some(parquet::Item::TooLarge { bytes, .. }) => return Err(self.too_long(number, bytes)),
                Some(parquet::Item::Row(row)) => {
                    let other = row.other.values().map(bytes_of).sum::<usize>();
                    let size = row.text.as_ref().map_or(0, String::len) + other;
                    let date = row.other.get("created").and_then(Value::as_str).map(Into::into);
                    let repaired = row.invalid.is_some();
                    let body = row.text.map_or(Body::None, |text| Body::Text(text, repaired));
                    let (metadata, invalid) = (flat(row.other), row.invalid);
                    Some((Raw { id: row.id, date, metadata, invalid, ..Raw::new(body) }, size))
                }
            }),
            Reader::Html(file) => Ok(match file.take() {
                None => None,
                Some(mut stream) => {
                    let (mut bytes, most) = (Vec::new(), self.within.0.longest());
                    stream.append(&mut bytes, usize::try_from(most).unwrap_or(usize::MAX - 1) + 1)?;
                    if bytes.len() as u64 > most {
                        // How long it is, without holding it.
                        let mut all = bytes.len() as u64;
                        loop {
                            bytes.clear();
                            match stream.append(&mut bytes, CHUNK)? {
                                0 => return Err(self.too_long(number, all)),
                                more => all += more as u64,
                            }
                        }
                    }
                    // Most pages are smaller than the room that was made.
                    bytes.shrink_to_fit();
                    let size = bytes.len();
                    Some((Raw::new(Body::Html(bytes, None)), size))
                }
            }),
            Reader::Code(file) => match file.take() {
                None => Ok(None),
                Some((file, nearest)) => {
                    let step = step(&file, nearest)?;
                    let size = file.bytes.min(MOST) as usize;
                    Ok(Some((Raw::new(Body::Code(step)), size)))
                }
            },
            Reader::Tree(files) => Ok(files.raw()?.map(|step| {
                let size = if let Step::Content(content) = &step { content.bytes.len() } else { 0 };
                let id = Some(format!("{}/{}", files.name(), step.path()));
                (Raw { id, ..Raw::new(Body::Code(step)) }, size)
            })),
        }
    }
}

/// Bytes that a value takes, about.
fn bytes_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(all) => all.iter().map(bytes_of).sum(),
            Value::Object(all) => all.iter().map(|(name, value)| name.len() + bytes_of(value)).sum(),
            _ => 0,
        }
}

/// The columns of a row with what its column `metadata` holds, be it a group or an object as text, as rows of JSON have it.
pub(crate) fn flat(mut columns: Map<String, Value>) -> Map<String, Value> {
    let inner = match columns.get("metadata") {
        Some(Value::Object(inner)) => Some(inner.clone()),
        Some(Value::String(text)) if text.trim_start().starts_with('{') => serde_json::from_str(text).ok(),
        _ => None,
    };
    if let Some(inner) = inner {
        columns.remove("metadata");
        // A group has all its fields in every row; what is null says nothing.
        columns.extend(inner.into_iter().filter(|(_, value)| !value.is_null()));
    }
    columns
}

/// A file of a tree that is a folder.
fn step(file: &InputFile, nearest: Option<Licence>) -> Result<Step> {
    let path = file.path.clone();
    let skipped = |path, why| Step::Skipped { path, why, bytes: file.bytes };
    let about =
        std::fs::symlink_metadata(&file.full).map_err(|e| fs::Error::new("look at", &file.full, e))?;
    Ok(if code::is_licence_file(&path) {
        Step::Licence { path }
    } else if code::is_repository(&path) {
        skipped(path, Why::Repository)
    } else if about.is_symlink() {
        skipped(path, Why::NoFile)
    } else {
        let mut bytes = Vec::new();
        let most = code::Options::default().max_bytes;
        let read = fs::open(&file.full)?.take(most).read_to_end(&mut bytes);
        read.map_err(|e| fs::Error::new("read", &file.full, e))?;
        Step::Content(Content { path, bytes, size: file.bytes, nearest })
    })
}

impl Raw {
    /// Unpack an answer over HTTP, of which the file says little: one that becomes long is for one thread at a time, which holds
    /// what is given back while it works on it, unless it has the turn already (`long`).
    ///
    /// # Errors
    /// [`Error::LongDocument`] for a body that the memory does not allow.
    pub fn unpack(
        &mut self,
        memory: &Memory,
        long: bool,
        place: impl FnOnce() -> Place,
    ) -> Result<Option<Long>> {
        let Body::Http(block) = &self.body else { return Ok(None) };
        let too_large = |answer: &std::result::Result<_, warc::Unreadable>| {
            matches!(answer, Err(warc::Unreadable::TooLarge { .. }))
        };
        let most = memory.longest().min(MOST);
        let mut turn = None;
        let mut answer = warc::Response::parse(block, if long { most } else { most.min(LONG as u64) });
        if !long && too_large(&answer) {
            turn = Some(memory.long());
            answer = warc::Response::parse(block, most);
        }
        if too_large(&answer) && most < MOST {
            return Err(Error::LongDocument { place: place(), bytes: MOST, most });
        }
        self.body = answer.map_or(Body::None, |answer| Body::Answer(Box::new(answer)));
        Ok(turn)
    }

    /// The text, and whether it had to be repaired; none if there is none to be read. What a page says of itself goes into
    /// its metadata.
    ///
    /// # Errors
    /// Why a block that says it is JSON is none.
    pub fn text(&mut self) -> std::result::Result<Option<(String, bool)>, String> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::Wat(block) => self.wat(&block),
            other => Ok(self.plain(other)),
        }
    }

    fn wat(&mut self, block: &[u8]) -> std::result::Result<Option<(String, bool)>, String> {
        let json = String::from_utf8_lossy(block);
        let mut repaired = matches!(json, Cow::Owned(_));
        let parsed = warc::Wat::parse(&json).or_else(|_| {
            // Pages have halves of pairs in their texts.
            repaired = true;
            warc::Wat::parse(&mend_surrogates(&json))
        });
        let Some(wat) = parsed.map_err(|error| error.to_string())? else { return Ok(None) };
        let (file, offset) = wat.of.clone().unzip();
        for (key, value) in [
            ("http_status", wat.status.map(Value::from)),
            ("content_type", wat.content_type.clone().map(Value::from)),
            ("title", wat.title.clone().map(Value::from)),
            ("description", wat.description.clone().map(Value::from)),
            ("links", Some(wat.links.len().into())),
            ("warc_file", file.map(Value::from)),
            ("warc_file_offset", offset.map(Value::from)),
        ] {
            if let Some(value) = value {
                self.metadata.insert(key.into(), value);
            }
        }
        Ok(wat.text().map(|text| (text, repaired)))
    }

    fn plain(&mut self, body: Body) -> Option<(String, bool)> {
        match body {
            Body::Text(text, repaired) => Some((text, repaired)),
            // An answer that is still packed is none: see `unpack`.
            Body::None | Body::Http(_) | Body::Wat(_) | Body::Code(_) => None,
            Body::Html(bytes, charset) => self.page(&bytes, charset.as_deref()),
            Body::Answer(response) => {
                self.metadata.insert("http_status".into(), response.status.into());
                let media = response.media_type();
                match media.as_deref() {
                    Some("text/plain") => {
                        let decoded = html::decode(&response.body, response.charset());
                        Some((decoded.text, decoded.replaced))
                    }
                    Some("text/html" | "application/xhtml+xml") | None => {
                        self.page(&response.body, response.charset())
                    }
                    Some(_) => None,
                }
            }
        }
    }

    fn page(&mut self, bytes: &[u8], charset: Option<&str>) -> Option<(String, bool)> {
        let decoded = html::decode(bytes, charset);
        let page = html::extract(&decoded.text, html::Options::default());
        for (key, value) in
            [("title", page.title), ("language", page.language), ("page_licence", page.licence)]
        {
            if let Some(value) = value {
                self.metadata.insert(key.into(), value.into());
            }
        }
        if page.cut {
            // Half of a page is not its main text.
            self.metadata.insert("reason".into(), "more elements than a page may have".into());
            return None;
        }
        Some((page.text, decoded.replaced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_page_of_nothing_but_elements_has_no_text() {
        let mut raw = Raw::new(Body::Html(b"x<b>".repeat(1 << 20), None));
        assert_eq!(raw.text(), Ok(None));
        assert_eq!(raw.metadata["reason"], "more elements than a page may have");
    }

    #[test]
    fn an_answer_that_becomes_long_waits_for_its_turn_or_is_refused() {
        let answer = |bytes: usize| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&vec![b'a'; bytes]).unwrap();
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n";
            Raw::new(Body::Http([&head[..], &encoder.finish().unwrap()].concat()))
        };
        let place = || Place { file: "a.warc".into(), unit: "record", number: 3 };
        let (small, large) = (Arc::new(Memory::new(1)), Arc::new(Memory::new(1 << 30)));
        let mut raw = answer(1000);
        assert!(raw.unpack(&small, false, place).unwrap().is_none());
        assert_eq!(raw.text().unwrap().unwrap().0.len(), 1000);
        for long in [false, true] {
            let mut raw = answer(LONG + 1);
            let turn = raw.unpack(&large, long, place).unwrap();
            assert_eq!(turn.is_some(), !long, "the turn is taken once");
            assert_eq!(raw.text().unwrap().unwrap().0.len(), LONG + 1);
            // No more than 4 MiB fit here.
            let error = answer(5 << 20).unpack(&small, long, place).unwrap_err();
            assert!(matches!(error, Error::LongDocument { .. }), "{error}");
            assert!(error.to_string().starts_with("`a.warc`, record 3: longer than"), "{error}");
        }
        // What no record may have is no text.
        let mut raw = answer(MOST as usize + 1);
        raw.unpack(&large, false, place).unwrap();
        assert!(raw.text().unwrap().is_none());
    }
}
