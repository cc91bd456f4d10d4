//! Writing the tables of a folder, a row group of bounded size after the other.

use std::path::Path;

use super::read::{Document, Part, Span};
use super::{Attributes, FolderOptions, document_columns, text_columns};
use crate::error::Result;
use crate::inspect::export::parquet::{ATTRIBUTES, DOCUMENTS, finish, span_columns};
use crate::inspect::export::table::{Column, Table};
use crate::inspect::export::texts::{GROUP_BYTES, GROUP_ROWS, name};

/// Bytes of words with which a row group ends, too.
const WORDS: usize = 32 << 20;
/// Bytes of a row group of documents, about, and rows at most.
const GROUP: usize = 32 << 20;
const ROWS: usize = 1 << 17;

/// Where documents and spans go.
pub(super) struct Writer<'w> {
    dir: &'w Path,
    attributes: &'w Attributes,
    tables: Option<(Table, Table)>,
    documents: Vec<Document>,
    spans: Vec<Span>,
    texts: Option<Texts<'w>>,
    /// Documents so far, and those that are in the table.
    count: u64,
    written: u64,
    /// Documents of a row group.
    most: usize,
    /// Bytes of words in those that wait for one.
    words: usize,
}

impl<'w> Writer<'w> {
    /// Tables go into `dir`, files of texts below `texts`.
    pub fn new(
        dir: &'w Path,
        texts: Option<&'w Path>,
        options: &FolderOptions,
        attributes: &'w Attributes,
    ) -> Result<Writer<'w>> {
        let columns = document_columns(attributes);
        let most = (GROUP / (256 + 24 * columns.len())).clamp(1 << 10, ROWS);
        let tables = match options.tables {
            true => Some((
                Table::create(&dir.join(DOCUMENTS), &columns)?,
                Table::create(&dir.join(ATTRIBUTES), &span_columns())?,
            )),
            false => None,
        };
        let texts = texts.zip(options.texts).map(|(dir, shard)| Texts::new(dir, shard.max(1)));
        let (documents, spans) = (Vec::new(), Vec::new());
        Ok(Writer { dir, attributes, tables, documents, spans, texts, count: 0, written: 0, most, words: 0 })
    }

    /// The documents of a chunk.
    pub fn take(&mut self, part: Part) -> Result<()> {
        let first = self.count;
        for mut document in part.documents {
            self.count += 1;
            if let Some(texts) = &mut self.texts {
                texts.take(&mut document)?;
            }
            if self.tables.is_some() {
                let words =
                    [&document.source, &document.url].into_iter().flatten().map(String::len).sum::<usize>();
                self.words += words + document.id.len() + document.licence.len() + document.file.len();
                self.documents.push(document);
                if self.documents.len() == self.most || self.words >= WORDS {
                    self.words = 0;
                    self.flush_documents()?;
                }
            }
        }
        if self.tables.is_some() {
            for (document, slot, start, end, score) in part.spans {
                self.spans.push((first + document, slot, start, end, score));
                if self.spans.len() == ROWS {
                    self.flush_spans()?;
                }
            }
        }
        Ok(())
    }

    /// All documents are there: how many, and the files of texts.
    pub fn finish(mut self) -> Result<(u64, Vec<String>)> {
        self.flush_documents()?;
        self.flush_spans()?;
        if let Some((documents, spans)) = self.tables.take() {
            finish(self.dir, documents, spans)?;
        }
        let texts = self.texts.map(Texts::finish).transpose()?.unwrap_or_default();
        Ok((self.count, texts))
    }

    fn flush_documents(&mut self) -> Result<()> {
        let (some, first) = (std::mem::take(&mut self.documents), self.written as i64);
        let Some((table, _)) = self.tables.as_mut().filter(|_| !some.is_empty()) else { return Ok(()) };
        self.written += some.len() as u64;
        let long = |of: &dyn Fn(&Document) -> u64| {
            Column::Long(some.iter().map(|document| i64::try_from(of(document)).ok()).collect())
        };
        let mut group = vec![
            Column::Long((first..first + some.len() as i64).map(Some).collect()),
            text(&some, &|d| Some(d.key.to_string())),
            text(&some, &|d| Some(d.id.clone())),
            text(&some, &|d| d.source.clone()),
            text(&some, &|d| Some(d.licence.clone())),
            text(&some, &|d| Some(d.author.name().into())),
            text(&some, &|d| Some(d.file.clone())),
            long(&|d| d.line),
            long(&|d| d.bytes),
            Column::Day(some.iter().map(|d| d.created).collect()),
        ];
        let columns = self.attributes.columns().count();
        group.extend((0..columns).map(|n| Column::Number(some.iter().map(|d| d.values[n]).collect())));
        table.group(group)
    }

    fn flush_spans(&mut self) -> Result<()> {
        let some = std::mem::take(&mut self.spans);
        let Some((_, table)) = self.tables.as_mut().filter(|_| !some.is_empty()) else { return Ok(()) };
        let long = |of: &dyn Fn(&Span) -> i64| Column::Long(some.iter().map(|span| Some(of(span))).collect());
        let parts = |of: fn((&str, &str)) -> String| {
            let all = &self.attributes.all;
            Column::Text(some.iter().map(|span| Some(of(all[span.1].parted()))).collect())
        };
        table.group(vec![
            long(&|span| span.0 as i64),
            parts(|(tagger, _)| tagger.into()),
            parts(|(_, attribute)| attribute.into()),
            long(&|span| span.2.into()),
            long(&|span| span.3.into()),
            Column::Number(some.iter().map(|span| span.4.is_finite().then_some(span.4)).collect()),
        ])
    }
}

fn text(some: &[Document], of: &dyn Fn(&Document) -> Option<String>) -> Column {
    Column::Text(some.iter().map(of).collect())
}

/// The files of texts.
struct Texts<'t> {
    dir: &'t Path,
    shard: u64,
    files: Vec<String>,
    table: Option<Table>,
    rows: Vec<Document>,
    texts: Vec<Option<String>>,
    /// Bytes of text in the row group, and in the file.
    group: u64,
    file: u64,
}

impl<'t> Texts<'t> {
    fn new(dir: &'t Path, shard: u64) -> Texts<'t> {
        let (files, rows, texts) = (Vec::new(), Vec::new(), Vec::new());
        Texts { dir, shard, files, table: None, rows, texts, group: 0, file: 0 }
    }

    /// Take the text of a document.
    fn take(&mut self, document: &mut Document) -> Result<()> {
        self.texts.push(document.text.take());
        self.rows.push(Document {
            key: document.key,
            id: document.id.clone(),
            source: document.source.clone(),
            licence: document.licence.clone(),
            url: document.url.take(),
            file: String::new(),
            values: Vec::new(),
            text: None,
            ..*document
        });
        let words = [&document.source, &document.url].into_iter().flatten().map(String::len).sum::<usize>();
        self.group += document.bytes + (document.id.len() + document.licence.len() + words) as u64;
        self.file += document.bytes;
        if self.group >= GROUP_BYTES || self.rows.len() == GROUP_ROWS {
            self.flush()?;
        }
        if self.file >= self.shard {
            self.end()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.table.is_none() {
            let file = name(self.files.len());
            self.table = Some(Table::create(&self.dir.join(&file), &text_columns())?);
            self.files.push(file);
        }
        let (rows, texts) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.texts));
        self.group = 0;
        let group = vec![
            text(&rows, &|d| Some(d.id.clone())),
            Column::Text(texts),
            text(&rows, &|d| d.source.clone()),
            text(&rows, &|d| Some(d.licence.clone())),
            text(&rows, &|d| Some(d.author.name().into())),
            Column::Day(rows.iter().map(|d| d.created).collect()),
            text(&rows, &|d| d.url.clone()),
            text(&rows, &|d| Some(d.key.to_string())),
        ];
        self.table.as_mut().map_or(Ok(()), |table| table.group(group))
    }

    /// The file is whole.
    fn end(&mut self) -> Result<()> {
        self.flush()?;
        self.file = 0;
        self.table.take().map_or(Ok(()), Table::finish)
    }

    fn finish(mut self) -> Result<Vec<String>> {
        self.end()?;
        Ok(self.files)
    }
}
