//! The second pass of a build: records are read and cut on all threads, and written in document order, each as its fate
//! says.

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::build::Given;
use crate::edit::{self, Cut};
use crate::error::{Error, Result};
use crate::part::Reader;
use crate::pipeline::paragraphs;
use crate::resolve::{Gone, Part, Resolved};
use crate::write::{Incoming, Writer};

/// Bytes of records that are read and cut at once.
const BATCH: usize = 8 << 20;

/// The second pass.
pub(crate) struct Second<'s> {
    pub writer: Writer,
    pub in_file: Vec<u64>,
    pub rules: usize,
    /// Least bytes of a paragraph that is compared.
    pub paragraphs: u32,
    pub replacements: &'s [String],
    pub reasons: Given,
    pub cancel: &'s Cancel,
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
    pub fn take(&mut self, part: &Part, mut resolved: Option<&mut Resolved>) -> Result<()> {
        let mut reader = Reader(&part.docs);
        let mut ordinal = self.writer.documents() as u32;
        loop {
            self.cancel.check()?;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < BATCH {
                let Some(record) = reader.record()? else { break };
                bytes += record.0.len();
                let mut job = Decided { record, gone: None, again: Vec::new(), copies: 1 };
                if let Some(resolved) = resolved.as_deref_mut() {
                    let gone = resolved.gone[ordinal as usize];
                    job.gone = (gone.reason > 0).then_some((ordinal, gone));
                    resolved.paragraphs(ordinal, &mut job.again);
                    job.copies = resolved.copies(ordinal);
                }
                batch.push(job);
                ordinal += 1;
            }
            if batch.is_empty() {
                return Ok(());
            }
            let ready: Vec<Result<Ready>> = batch.into_par_iter().map(|job| self.ready(job)).collect();
            for ready in ready {
                if self.writer.full() {
                    return Ok(());
                }
                let Ready { mut document, licence, values } = ready?;
                document.licence = self.writer.licence(&licence)?;
                self.in_file[document.file as usize] += 1;
                self.writer.push(&document, &values)?;
            }
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
        } else if document.dropped.is_none() && !job.again.is_empty() {
            self.cut(&mut document, &job.again)?;
        }
        Ok(Ready { document, licence, values })
    }

    /// Cut out the paragraphs with these numbers among those that count.
    fn cut(&self, document: &mut Incoming, numbers: &[u32]) -> Result<()> {
        let mut wanted = numbers.iter().copied().peekable();
        let mut cuts = Vec::with_capacity(numbers.len());
        for (number, (start, end)) in (0u32..).zip(paragraphs(&document.text, self.paragraphs)) {
            if wanted.next_if_eq(&number).is_some() {
                cuts.push(Cut { start: start as u32, end: end as u32, replacement: 0 });
            }
        }
        if let Some((text, map)) = edit::apply(&document.text, &mut cuts, &[]) {
            let before = edit::decode(&document.keep)?;
            let map = if before.is_empty() { map } else { edit::compose(&before, &map, self.replacements) };
            document.keep.clear();
            edit::encode(&map, &mut document.keep);
            if text.trim().is_empty() {
                document.dropped = Some(self.reasons.paragraphs);
            }
            document.text = text;
        }
        Ok(())
    }
}
