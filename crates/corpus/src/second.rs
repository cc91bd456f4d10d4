//! The second pass of a build: records are read and cut on all threads, and written in document order, each as its fate
//! says. While one batch is written the next one is cut and the one after it is read.

use std::ops::Range;

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::build::Given;
use crate::error::{Error, Result};
use crate::part::{Reader, Records};
use crate::repeats::{cut, paragraph_cuts, span_cuts};
use crate::resolve::{Gone, Part, Resolved};
use crate::write::{Incoming, Writer};

/// The second pass.
pub(crate) struct Second<'s> {
    pub rules: usize,
    /// Least bytes of a paragraph that is compared.
    pub paragraphs: u32,
    pub replacements: &'s [String],
    pub reasons: Given,
    pub cancel: &'s Cancel,
    /// Bytes of records that are read and cut at once.
    pub batch: usize,
}

/// Where the documents go.
pub(crate) struct Target {
    pub writer: Writer,
    /// Documents of each file.
    pub in_file: Vec<u64>,
}

impl Target {
    /// Write documents until the corpus is full; gives back whether it is.
    fn put(&mut self, documents: Vec<Result<Ready>>) -> Result<bool> {
        for ready in documents {
            if self.writer.full() {
                return Ok(true);
            }
            let Ready { mut document, licence, values } = ready?;
            document.licence = self.writer.licence(&licence)?;
            self.in_file[document.file as usize] += 1;
            self.writer.push(&document, &values)?;
        }
        Ok(false)
    }
}

/// A record on its way through the second pass.
struct Decided {
    /// Where it lies in its batch.
    record: Range<usize>,
    /// Its ordinal and what drops it.
    gone: Option<(u32, Gone)>,
    /// Its paragraphs that came before.
    again: Vec<u32>,
    /// How often it is taken.
    copies: u16,
    /// Where stretches that came before begin and end in what these leave.
    repeats: Vec<u32>,
}

/// Neighbouring records.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Decided>,
}

/// Reads the records of parts, batch by batch, with what was decided of them.
struct Input<'i> {
    parts: std::slice::Iter<'i, Part>,
    open: Option<Records>,
    resolved: Option<&'i mut Resolved>,
    /// Ordinal of the next record.
    next: u32,
    bytes: usize,
}

impl Input<'_> {
    /// The next records; none at the end.
    fn batch(&mut self) -> Result<Batch> {
        loop {
            let records = match &mut self.open {
                Some(records) => records,
                none => match self.parts.next() {
                    Some(part) => none.insert(Records::open(&part.docs)?),
                    None => return Ok(Batch::default()),
                },
            };
            let bytes = records.batch(self.bytes)?;
            if bytes.is_empty() {
                self.open = None;
                continue;
            }
            let (mut reader, mut records) = (Reader(&bytes), Vec::new());
            while let Some(record) = reader.record()? {
                let end = bytes.len() - reader.0.len();
                records.push(self.decided(end - record.0.len()..end)?);
            }
            return Ok(Batch { bytes, records });
        }
    }

    fn decided(&mut self, record: Range<usize>) -> Result<Decided> {
        let mut job = Decided { record, gone: None, again: Vec::new(), copies: 1, repeats: Vec::new() };
        let ordinal = self.next;
        self.next += 1;
        if let Some(resolved) = &mut self.resolved {
            let gone = resolved.gone[ordinal as usize];
            job.gone = (gone.reason > 0).then_some((ordinal, gone));
            resolved.paragraphs(ordinal, &mut job.again)?;
            job.copies = resolved.copies(ordinal);
            resolved.repeats(ordinal, &mut job.repeats)?;
        }
        Ok(job)
    }
}

/// A document that can be written.
struct Ready {
    document: Incoming,
    licence: String,
    values: Vec<f32>,
}

impl Second<'_> {
    /// Write the documents of parts, each as its fate says. Records are read and cut on all threads, batch by batch, and
    /// written in order: while one batch is written the next is cut and the one after it is read.
    pub fn take(&self, parts: &[Part], resolved: Option<&mut Resolved>, target: &mut Target) -> Result<()> {
        let next = target.writer.documents() as u32;
        let mut input = Input { parts: parts.iter(), open: None, resolved, next, bytes: self.batch };
        // Inside of the pool, where nothing waits for a thread outside of it.
        rayon::scope(|_| self.flow(&mut input, target))
    }

    fn flow(&self, input: &mut Input, target: &mut Target) -> Result<()> {
        let (mut waiting, mut batch) = (Vec::new(), input.batch());
        loop {
            self.cancel.check()?;
            // What lies before a fault is written first: it may hold an earlier one.
            let Batch { bytes, records } = match batch {
                Ok(batch) => batch,
                Err(error) => return if target.put(waiting)? { Ok(()) } else { Err(error) },
            };
            let last = records.is_empty();
            let ready = || records.par_iter().map(|job| self.ready(&bytes, job)).collect();
            let (full, (ready, next)) =
                rayon::join(|| target.put(waiting), || rayon::join(ready, || input.batch()));
            if full? || last {
                return Ok(());
            }
            (waiting, batch) = (ready, next);
        }
    }

    /// Read a record and do to it what was decided.
    fn ready(&self, bytes: &[u8], job: &Decided) -> Result<Ready> {
        let mut values = Vec::with_capacity(self.rules);
        let found = Reader(&bytes[job.record.clone()]).document(self.rules, &mut values)?;
        let (mut document, licence) = found.ok_or(Error::Record { what: "a record between two passes" })?;
        document.copies = job.copies;
        if let Some((ordinal, gone)) = job.gone {
            document.dropped = Some(gone.reason);
            document.representative = Some(gone.representative).filter(|&of| of != ordinal);
        } else if document.dropped.is_none() {
            let mut cuts = paragraph_cuts(&document.text, self.paragraphs, &job.again);
            if cut(&mut document, &mut cuts, self.replacements)? {
                document.dropped = Some(self.reasons.paragraphs);
            } else if cut(&mut document, &mut span_cuts(&job.repeats)?, self.replacements)? {
                document.dropped = Some(self.reasons.substrings);
            }
        }
        Ok(Ready { document, licence, values })
    }
}
