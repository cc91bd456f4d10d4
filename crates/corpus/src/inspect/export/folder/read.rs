//! Documents of a folder with the values and spans of their attributes, one after the other.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::DocKey;

use super::Attributes;
use super::write::Writer;
use crate::author::Author;
use crate::dolma::aligned::Aligned;
use crate::dolma::known::shape_of;
use crate::dolma::row::Row;
use crate::dolma::said::Said;
use crate::dolma::stats::Sheaves;
use crate::dolma::tag::Progress;
use crate::error::{Place, Result};
use crate::flow::Job;
use crate::licence::UNKNOWN;
use crate::memory::Memory;
use crate::read::attribute_row::{Beside, Room, read};
use crate::read::chunk::Chunk;
use crate::tag::Shape;

/// A document as the tables have it.
pub(super) struct Document {
    pub key: DocKey,
    pub id: String,
    pub source: Option<String>,
    pub licence: String,
    pub author: Author,
    pub created: Option<i32>,
    pub url: Option<String>,
    pub file: String,
    pub line: u64,
    pub bytes: u64,
    /// Values and marks by column.
    pub values: Vec<Option<f64>>,
    /// If texts are written.
    pub text: Option<String>,
}

/// A span: number of the document, of the attribute, first byte, byte behind it, score.
pub(super) type Span = (u64, usize, u32, u32, f64);

/// The pass over all files.
pub(super) struct Reading<'r> {
    pub sheaves: &'r Sheaves,
    pub attributes: &'r Attributes,
    pub texts: bool,
    pub progress: &'r Progress,
    /// Taken when the work begins.
    pub writer: Mutex<Option<Writer<'r>>>,
    /// Documents, and the files of texts.
    pub done: Mutex<(u64, Vec<String>)>,
    pub memory: Arc<Memory>,
}

/// The documents of a chunk, and their spans by the number of the document in it.
pub(super) struct Part {
    pub documents: Vec<Document>,
    pub spans: Vec<Span>,
    held: u64,
}

impl<'r> Job for Reading<'r> {
    type Source = Aligned<'r>;
    type Scratch = Room;
    type Part = Part;
    type Sink = Writer<'r>;

    fn open(&self, _: usize) -> Result<Option<(Aligned<'r>, Writer<'r>)>> {
        let read = Arc::clone(&self.progress.read);
        let all = Aligned::new(&self.sheaves.files, 0, 1, read, &self.memory);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(writer.map(|writer| (all, writer)))
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        part.held
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Part> {
        let _long = chunk.long.take();
        let number = chunk.file as usize;
        let (file, experiments) = (&self.sheaves.files[number], &self.sheaves.of[number]);
        let mut rows: Vec<_> = chunk.paired.iter().map(Chunk::lines).collect();
        let mut part = Part { documents: Vec::new(), spans: Vec::new(), held: 0 };
        let columns: Vec<Option<f64>> =
            self.attributes.columns().map(|attribute| attribute.mark.then_some(0.0)).collect();
        chunk.rows(&file.documents.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let (text, said) = (row.text(), Said::parse(line, place)?);
            let (id, called) = (row.id_text(), || format!("the document at {}", place()));
            let beside = Beside { id: &id, text: Some(text), called: &called };
            let (mut values, at_part) = (columns.clone(), part.documents.len() as u64);
            room.begin();
            for ((rows, of), &experiment) in rows.iter_mut().zip(&file.attributes).zip(experiments) {
                // There is one for every document: the source saw to it.
                let Some((number, line)) = rows.next() else { continue };
                let at = || Place { file: of.path.clone(), unit: "line", number };
                let experiment = &self.sheaves.experiments[experiment as usize];
                let find = |name: &str| {
                    let found = self.attributes.find(experiment, name);
                    Ok(found.map(|slot| (slot as u32, shape_of(name).unwrap_or(Shape::Spans))))
                };
                read(line, &at, &beside, &find, room, &mut |slot, span| {
                    let slot = slot as usize;
                    match self.attributes.all[slot].column {
                        Some(column) if self.attributes.all[slot].mark => values[column] = Some(1.0),
                        Some(column) => values[column] = Some(span.score).filter(|x| x.is_finite()),
                        None => part.spans.push((at_part, slot, span.start, span.end, span.score)),
                    }
                })?;
            }
            part.documents.push(Document {
                key: DocKey::new(said.source.as_deref().unwrap_or_default(), &id),
                id: id.into_owned(),
                source: said.source,
                licence: said.licence.unwrap_or_else(|| UNKNOWN.into()),
                author: said.author,
                created: said.created,
                url: said.url,
                file: file.documents.path.clone(),
                line: place().number,
                bytes: text.len() as u64,
                values,
                text: self.texts.then(|| text.to_string()),
            });
            Ok(())
        })?;
        let texts: u64 = part.documents.iter().map(|document| document.bytes).sum();
        part.held = part.documents.len() as u64 * (512 + 16 * columns.len() as u64)
            + 40 * part.spans.len() as u64
            + if self.texts { texts } else { 0 };
        self.progress.documents.fetch_add(part.documents.len() as u64, Ordering::Relaxed);
        self.progress.text.fetch_add(texts, Ordering::Relaxed);
        Ok(part)
    }

    fn take(&self, writer: &mut Writer<'r>, part: Part) -> Result<()> {
        writer.take(part)
    }

    fn close(&self, _: usize, writer: Writer<'r>) -> Result<()> {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = writer.finish()?;
        Ok(())
    }
}
