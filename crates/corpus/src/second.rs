//! The second pass of a build: records are read and cut on all threads, and written in document order, each as its fate
//! says. While one batch is written the next one is read and cut.

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::build::Given;
use crate::error::{Error, Result};
use crate::part::{Reader, Records};
use crate::repeats::{cut, paragraph_cuts, span_cuts};
use crate::resolve::{Gone, Part, Resolved};
use crate::write::{Incoming, Writer};

/// Bytes of records that are read and cut at once.
const BATCH: usize = 4 << 20;

/// The second pass.
pub(crate) struct Second<'s> {
    pub rules: usize,
    /// Least bytes of a paragraph that is compared.
    pub paragraphs: u32,
    pub replacements: &'s [String],
    pub reasons: Given,
    pub cancel: &'s Cancel,
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
struct Decided<'r> {
    record: Reader<'r>,
    /// Its ordinal and what drops it.
    gone: Option<(u32, Gone)>,
    /// Its paragraphs that came before.
    again: Vec<u32>,
    /// How often it is taken.
    copies: u16,
    /// Where stretches that came before begin and end in what these leave.
    repeats: Vec<u32>,
}

/// A document that can be written.
struct Ready {
    document: Incoming,
    licence: String,
    values: Vec<f32>,
}

impl Second<'_> {
    /// Write the documents of a part, each as its fate says. Records are read and cut on all threads, batch by batch, and
    /// written in order.
    pub fn take(&self, part: &Part, mut resolved: Option<&mut Resolved>, target: &mut Target) -> Result<()> {
        let mut records = Records::open(&part.docs)?;
        let mut ordinal = target.writer.documents() as u32;
        let mut waiting = Vec::new();
        loop {
            self.cancel.check()?;
            let bytes = records.batch(BATCH)?;
            let (mut reader, mut batch) = (Reader(&bytes), Vec::new());
            while let Some(record) = reader.record()? {
                let mut job =
                    Decided { record, gone: None, again: Vec::new(), copies: 1, repeats: Vec::new() };
                if let Some(resolved) = resolved.as_deref_mut() {
                    let gone = resolved.gone[ordinal as usize];
                    job.gone = (gone.reason > 0).then_some((ordinal, gone));
                    resolved.paragraphs(ordinal, &mut job.again);
                    job.copies = resolved.copies(ordinal);
                    resolved.repeats(ordinal, &mut job.repeats);
                }
                batch.push(job);
                ordinal += 1;
            }
            let last = batch.is_empty();
            let ready = || batch.into_par_iter().map(|job| self.ready(job)).collect();
            let (full, ready) = rayon::join(|| target.put(waiting), ready);
            if full? || last {
                return Ok(());
            }
            waiting = ready;
        }
    }

    /// Read a record and do to it what was decided.
    fn ready(&self, mut job: Decided) -> Result<Ready> {
        let mut values = Vec::with_capacity(self.rules);
        let found = job.record.document(self.rules, &mut values)?;
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
