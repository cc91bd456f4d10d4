//! Documents that are not lines: records of WARC files, rows of Parquet files, HTML pages. A thread reads them raw, in chunks
//! of about a megabyte; taking text out of them is the work of all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::fs;
use regimen_recipe::InputFile;
use serde_json::{Map, Value, json};

use crate::config::{MissingText, Source};
use crate::error::Result;
use crate::read::chunk::{CHUNK, Chunk};
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
    /// What else is known of it.
    pub metadata: Map<String, Value>,
}

/// What its text is in.
#[derive(Debug)]
pub(crate) enum Body {
    /// The text itself, and whether it had to be repaired.
    Text(String, bool),
    /// An answer over HTTP.
    Http(Vec<u8>),
    /// An HTML page.
    Html(Vec<u8>),
    /// Nothing that can be read.
    None,
}

/// Gives the documents of a file.
pub(crate) struct Pages {
    reader: Reader,
    source: u16,
    file: u32,
    next: u64,
}

enum Reader {
    Warc(Box<warc::Reader<Counting>>),
    Parquet(Box<parquet::Reader>),
    Html(Option<InputFile>),
}

/// Counts what is read from the disk.
struct Counting {
    inner: std::fs::File,
    read: Arc<AtomicU64>,
}

impl std::io::Read for Counting {
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
}

impl Pages {
    /// Open a file.
    pub fn open(
        kind: PageKind,
        input: &InputFile,
        source: &Source,
        number: u16,
        file: u32,
        missing: MissingText,
        read: Arc<AtomicU64>,
    ) -> Result<Pages> {
        let reader = match kind {
            PageKind::Warc => {
                let damaged = match missing {
                    MissingText::Error => warc::Damaged::Error,
                    MissingText::Drop => warc::Damaged::Skip,
                };
                let counting = Counting { inner: fs::open(&input.full)?, read };
                let options = warc::Options { max_bytes: MOST, damaged };
                Reader::Warc(Box::new(warc::Reader::new(input.path.clone(), counting, options)?))
            }
            PageKind::Parquet => {
                read.fetch_add(input.bytes, Ordering::Relaxed);
                let text = source.text_field.clone();
                let id = Some(source.id_field.clone());
                let options = parquet::Options { text, id, other: parquet::Other::All, max_bytes: MOST };
                let opened = match parquet::Reader::open(input.path.clone(), &input.full, options.clone()) {
                    // A table need not have ids.
                    Err(crate::error::Error::Column { column, .. }) if column == source.id_field => {
                        let options = parquet::Options { id: None, ..options };
                        parquet::Reader::open(input.path.clone(), &input.full, options)
                    }
                    opened => opened,
                };
                Reader::Parquet(Box::new(opened?))
            }
            PageKind::Html => {
                read.fetch_add(input.bytes, Ordering::Relaxed);
                Reader::Html(Some(input.clone()))
            }
        };
        Ok(Pages { reader, source: number, file, next: 1 })
    }

    /// The next chunk; none at the end.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        let mut chunk = Chunk { source: self.source, file: self.file, first: self.next, ..Chunk::default() };
        let mut bytes = 0;
        while bytes < CHUNK {
            let Some((raw, size)) = self.page()? else { break };
            bytes += size + 64;
            chunk.pages.push(raw);
        }
        self.next += chunk.pages.len() as u64;
        Ok((!chunk.pages.is_empty()).then_some(chunk))
    }

    fn page(&mut self) -> Result<Option<(Raw, usize)>> {
        match &mut self.reader {
            Reader::Warc(reader) => loop {
                let record = match warc::Reader::next(reader)? {
                    None => return Ok(None),
                    Some(warc::Item::Record(record)) => record,
                    Some(warc::Item::Skipped(skipped)) => {
                        let metadata = json!({"warc_offset": skipped.offset, "reason": skipped.reason});
                        let metadata = metadata.as_object().cloned().unwrap_or_default();
                        return Ok(Some((Raw { id: None, date: None, body: Body::None, metadata }, 0)));
                    }
                };
                let size = record.payload.len();
                let http = record.is_http();
                let text = if http { None } else { record.text() };
                if !http && text.is_none() {
                    // Requests, descriptions of the crawl, metadata: no documents.
                    continue;
                }
                let mut metadata = Map::new();
                metadata.insert("url".into(), record.target_uri.clone().into());
                metadata.insert("warc_offset".into(), record.span.offset.into());
                metadata.insert("warc_length".into(), record.span.length.into());
                let body = match text {
                    Some((text, repaired)) => Body::Text(text, repaired),
                    None => Body::Http(record.payload),
                };
                return Ok(Some((Raw { id: Some(record.id), date: record.date, body, metadata }, size)));
            },
            Reader::Parquet(reader) => Ok(match parquet::Reader::next(reader)? {
                None => None,
                Some(parquet::Item::TooLarge { id, bytes, .. }) => {
                    let mut metadata = Map::new();
                    metadata.insert("bytes".into(), bytes.into());
                    Some((Raw { id, date: None, body: Body::None, metadata }, 0))
                }
                Some(parquet::Item::Row(row)) => {
                    let size = row.text.as_ref().map_or(0, String::len);
                    let date = row.other.get("created").and_then(Value::as_str).map(Into::into);
                    let body = row.text.map_or(Body::None, |text| Body::Text(text, false));
                    Some((Raw { id: row.id, date, body, metadata: row.other }, size))
                }
            }),
            Reader::Html(file) => Ok(match file.take() {
                None => None,
                Some(file) => {
                    let bytes = fs::read(&file.full)?;
                    let size = bytes.len();
                    Some((Raw { id: None, date: None, body: Body::Html(bytes), metadata: Map::new() }, size))
                }
            }),
        }
    }
}

impl Raw {
    /// The text, and whether it had to be repaired; none if there is none to be read. What a page says of itself goes into
    /// its metadata.
    pub fn text(&mut self) -> Option<(String, bool)> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::Text(text, repaired) => Some((text, repaired)),
            Body::None => None,
            Body::Html(bytes) => Some(self.page(&bytes, None)),
            Body::Http(block) => {
                let response = warc::Response::parse(&block, MOST).ok()?;
                self.metadata.insert("http_status".into(), response.status.into());
                let media = response.media_type();
                match media.as_deref() {
                    Some("text/plain") => {
                        let decoded = html::decode(&response.body, response.charset());
                        Some((decoded.text, decoded.replaced))
                    }
                    Some("text/html" | "application/xhtml+xml") | None => {
                        Some(self.page(&response.body, response.charset()))
                    }
                    Some(_) => None,
                }
            }
        }
    }

    fn page(&mut self, bytes: &[u8], charset: Option<&str>) -> (String, bool) {
        let decoded = html::decode(bytes, charset);
        let page = html::extract(&decoded.text, html::Options::default());
        for (key, value) in
            [("title", page.title), ("language", page.language), ("page_licence", page.licence)]
        {
            if let Some(value) = value {
                self.metadata.insert(key.into(), value.into());
            }
        }
        (page.text, decoded.replaced)
    }
}
