//! The second pass of a build: texts are cut on all threads, and records written in document order, each as its fate
//! says. While one batch is written the next one is cut and the one after it is read.

use std::borrow::Cow;
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
    /// Write the documents of a batch, with so many rules each, until the corpus is full; gives back whether it is.
    fn put(&mut self, batch: &Batch, edits: Vec<Result<Option<Edit>>>, rules: usize) -> Result<bool> {
        let mut values = Vec::with_capacity(rules);
        for (job, edit) in batch.records.iter().zip(edits) {
            if self.writer.full() {
                return Ok(true);
            }
            let (mut document, licence) = batch.document(job, rules, &mut values)?;
            document.copies = job.copies;
            if let Some((ordinal, gone)) = job.gone {
                document.dropped = Some(gone.reason);
                document.representative = Some(gone.representative).filter(|&of| of != ordinal);
            }
            if let Some(edit) = edit? {
                (document.text, document.keep) = (edit.text.into(), edit.keep.into());
                document.dropped = document.dropped.or(edit.dropped);
            }
            document.licence = self.writer.licence(licence)?;
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

impl Batch {
    /// A document, its licence, and the values of so many rules.
    fn document(&self, job: &Decided, rules: usize, values: &mut Vec<f32>) -> Result<(Incoming<'_>, &str)> {
        let found = Reader(&self.bytes[job.record.clone()]).document(rules, values)?;
        found.ok_or(Error::Record { what: "a record between two passes" })
    }
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

/// What cuts make of a document.
struct Edit {
    text: String,
    keep: Vec<u8>,
    /// Why it goes, if they leave nothing.
    dropped: Option<u16>,
}

impl Second<'_> {
    /// Write the documents of parts, each as its fate says. Texts are cut on all threads, batch by batch, and records
    /// written in order: while one batch is written the next is cut and the one after it is read.
    pub fn take(&self, parts: &[Part], resolved: Option<&mut Resolved>, target: &mut Target) -> Result<()> {
        let next = target.writer.documents() as u32;
        let mut input = Input { parts: parts.iter(), open: None, resolved, next, bytes: self.batch };
        // Inside of the pool, where nothing waits for a thread outside of it.
        rayon::scope(|_| self.flow(&mut input, target))
    }

    fn flow(&self, input: &mut Input, target: &mut Target) -> Result<()> {
        let (mut waiting, mut batch) = ((Batch::default(), Vec::new()), input.batch());
        loop {
            self.cancel.check()?;
            let (before, edits) = waiting;
            // What lies before a fault is written first: it may hold an earlier one.
            let this = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    return if target.put(&before, edits, self.rules)? { Ok(()) } else { Err(error) };
                }
            };
            let cut = || this.records.par_iter().map(|job| self.edit(&this, job)).collect();
            let put = || target.put(&before, edits, self.rules);
            // What one thread must do alone comes first; the cuts fill what is left.
            let (full, (next, edits)) = rayon::join(put, || rayon::join(|| input.batch(), cut));
            if full? || this.records.is_empty() {
                return Ok(());
            }
            (waiting, batch) = ((this, edits), next);
        }
    }

    /// Cut a document as was decided; most are left as they are.
    fn edit(&self, batch: &Batch, job: &Decided) -> Result<Option<Edit>> {
        if job.gone.is_some() || (job.again.is_empty() && job.repeats.is_empty()) {
            return Ok(None);
        }
        let (mut document, _) = batch.document(job, self.rules, &mut Vec::new())?;
        if document.dropped.is_some() {
            return Ok(None);
        }
        let mut dropped = None;
        let mut cuts = paragraph_cuts(&document.text, self.paragraphs, &job.again);
        if cut(&mut document, &mut cuts, self.replacements)? {
            dropped = Some(self.reasons.paragraphs);
        } else if cut(&mut document, &mut span_cuts(&job.repeats)?, self.replacements)? {
            dropped = Some(self.reasons.substrings);
        }
        Ok(match (document.text, document.keep) {
            (Cow::Owned(text), Cow::Owned(keep)) => Some(Edit { text, keep, dropped }),
            // Nothing was cut.
            _ => None,
        })
    }
}
