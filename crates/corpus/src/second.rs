//! The second pass of a build: texts are cut on all threads, and records written in document order, each as its fate
//! says. While one batch is written the next one is cut and the one after it is read.

use std::ops::Range;

use rayon::prelude::*;
use regimen_base::Cancel;

use crate::build::Given;
use crate::edit::{self, Cut, KeptRange};
use crate::error::{Error, Result};
use crate::paragraphs::Compared;
use crate::part::{Reader, Records};
use crate::repeats::span_cuts;
use crate::resolve::{Gone, Part, Resolved};
use crate::write::{Incoming, Writer};

/// The second pass.
pub(crate) struct Second<'s> {
    pub rules: usize,
    /// How paragraphs are compared.
    pub paragraphs: Compared,
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
    fn put(&mut self, batch: &Batch, edits: Vec<Edits>, rules: usize) -> Result<bool> {
        let mut values = Vec::with_capacity(rules);
        for (jobs, edits) in batch.records.chunks(RUN).zip(edits) {
            for (job, edit) in jobs.iter().zip(edits.each) {
                if self.writer.full() {
                    return Ok(true);
                }
                let (mut document, licence) = batch.head(job, rules, &mut values)?;
                document.copies = job.copies;
                if let Some((ordinal, gone)) = job.gone {
                    document.dropped = Some(gone.reason);
                    document.representative = Some(gone.representative).filter(|&of| of != ordinal);
                }
                if let Some(edit) = edit? {
                    document.text = &edits.text.as_bytes()[edit.text];
                    document.keep = edits.keep[edit.keep].into();
                    document.dropped = document.dropped.or(edit.dropped);
                }
                document.licence = self.writer.licence(licence)?;
                self.in_file[document.file as usize] += 1;
                self.writer.push(&document, &values)?;
            }
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
    /// How often it is taken.
    copies: u16,
    /// Where the numbers of the batch say which of its paragraphs, or of their n-grams, came before.
    again: Range<usize>,
    /// Where they say between which bytes of what these leave stretches came before.
    repeats: Range<usize>,
}

/// Neighbouring records.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Decided>,
    /// Paragraphs and stretches that come again, of all of them.
    numbers: Vec<u32>,
}

impl Batch {
    fn record(&self, job: &Decided) -> Reader<'_> {
        Reader(&self.bytes[job.record.clone()])
    }

    /// A document whose text is known to be one, its licence, and the values of so many rules.
    fn head(
        &self,
        job: &Decided,
        rules: usize,
        values: &mut Vec<f32>,
    ) -> Result<(Incoming<'_, &[u8]>, &str)> {
        let found = self.record(job).document(rules, values)?;
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
            let (mut reader, mut records, mut numbers) = (Reader(&bytes), Vec::new(), Vec::new());
            while let Some(record) = reader.record()? {
                let end = bytes.len() - reader.0.len();
                records.push(self.decided(end - record.0.len()..end, &mut numbers)?);
            }
            return Ok(Batch { bytes, records, numbers });
        }
    }

    fn decided(&mut self, record: Range<usize>, numbers: &mut Vec<u32>) -> Result<Decided> {
        let mut job = Decided { record, gone: None, copies: 1, again: 0..0, repeats: 0..0 };
        let ordinal = self.next;
        self.next += 1;
        if let Some(resolved) = &mut self.resolved {
            let gone = resolved.gone[ordinal as usize];
            job.gone = (gone.reason > 0).then_some((ordinal, gone));
            job.copies = resolved.copies(ordinal);
            let start = numbers.len();
            resolved.paragraphs(ordinal, numbers)?;
            let middle = numbers.len();
            resolved.repeats(ordinal, numbers)?;
            (job.again, job.repeats) = (start..middle, middle..numbers.len());
        }
        Ok(job)
    }
}

/// Documents that are cut one after the other. What cuts make of them lies together: memory that one thread takes and another
/// one frees, text by text, makes both wait.
const RUN: usize = 32;

/// What cuts make of the documents of a run.
#[derive(Default)]
struct Edits {
    text: String,
    keep: Vec<u8>,
    each: Vec<Result<Option<Edit>>>,
}

/// What they make of one: where its text and its keep map lie.
struct Edit {
    text: Range<usize>,
    keep: Range<usize>,
    /// Why it goes, if they leave nothing.
    dropped: Option<u16>,
}

/// Room for the work on a run.
#[derive(Default)]
struct Room {
    cuts: Vec<Cut>,
    map: Vec<KeptRange>,
    left: Left,
}

/// What the first cuts left of a text.
#[derive(Default)]
struct Left {
    text: String,
    keep: Vec<u8>,
}

impl Left {
    fn replace(&mut self, text: &str, keep: &[u8]) {
        self.text.clear();
        self.text.push_str(text);
        self.keep.clear();
        self.keep.extend_from_slice(keep);
    }
}

impl Room {
    /// Make the cuts in a text with this keep map, and append what is left of both; gives back whether anything was cut. The
    /// replacements are those of the map.
    fn cut(&mut self, text: &str, keep: &[u8], replacements: &[String], out: &mut Edits) -> Result<bool> {
        self.map.clear();
        if !edit::apply_to(text, &mut self.cuts, &[], &mut out.text, &mut self.map) {
            return Ok(false);
        }
        match edit::decode(keep)?.as_slice() {
            [] => edit::encode(&self.map, &mut out.keep),
            before => edit::encode(&edit::compose(before, &self.map, replacements), &mut out.keep),
        }
        Ok(true)
    }
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
            let runs = this.records.par_chunks(RUN).with_max_len(1);
            let cut = || runs.map(|jobs| self.edits(&this, jobs)).collect();
            let put = || target.put(&before, edits, self.rules);
            // What one thread must do alone comes first; the cuts fill what is left.
            let (full, (next, edits)) = rayon::join(put, || rayon::join(|| input.batch(), cut));
            if full? || this.records.is_empty() {
                return Ok(());
            }
            (waiting, batch) = ((this, edits), next);
        }
    }

    /// Cut the documents of a run as was decided.
    fn edits(&self, batch: &Batch, jobs: &[Decided]) -> Edits {
        let cut = jobs.iter().filter(|job| !job.again.is_empty() || !job.repeats.is_empty());
        let most = cut.map(|job| job.record.len()).sum();
        let (mut out, mut room) = (Edits::default(), Room::default());
        out.text.reserve(most);
        out.each.reserve(jobs.len());
        for job in jobs {
            let edit = self.edit(batch, job, &mut room, &mut out);
            out.each.push(edit);
        }
        out
    }

    /// Cut a document as was decided; most are left as they are.
    fn edit(&self, batch: &Batch, job: &Decided, room: &mut Room, out: &mut Edits) -> Result<Option<Edit>> {
        if job.gone.is_some() {
            return Ok(None);
        }
        let text = batch.record(job).text_alone()?;
        if job.again.is_empty() && job.repeats.is_empty() {
            return Ok(None);
        }
        let (document, _) = batch.head(job, self.rules, &mut Vec::new())?;
        if document.dropped.is_some() {
            return Ok(None);
        }
        let (start, keep) = (out.text.len(), out.keep.len());
        let ends =
            |out: &Edits, dropped| Edit { text: start..out.text.len(), keep: keep..out.keep.len(), dropped };
        let nothing = |out: &Edits| out.text[start..].trim().is_empty();
        room.cuts.clear();
        self.paragraphs.cuts(text, &batch.numbers[job.again.clone()], &mut room.cuts);
        let cut = room.cut(text, &document.keep, self.replacements, out)?;
        if cut && nothing(out) {
            return Ok(Some(ends(out, Some(self.reasons.paragraphs))));
        }
        let repeats = &batch.numbers[job.repeats.clone()];
        let again = if repeats.is_empty() {
            false
        } else if cut {
            // What the paragraphs left is the text to be cut.
            let mut left = std::mem::take(&mut room.left);
            left.replace(&out.text[start..], &out.keep[keep..]);
            out.text.truncate(start);
            out.keep.truncate(keep);
            room.cuts.clear();
            span_cuts(repeats, &left.text, &mut room.cuts)?;
            let again = room.cut(&left.text, &left.keep, self.replacements, out)?;
            if !again {
                out.text.push_str(&left.text);
                out.keep.extend_from_slice(&left.keep);
            }
            room.left = left;
            again
        } else {
            room.cuts.clear();
            span_cuts(repeats, text, &mut room.cuts)?;
            room.cut(text, &document.keep, self.replacements, out)?
        };
        let dropped = (again && nothing(out)).then_some(self.reasons.substrings);
        Ok((cut || again).then(|| ends(out, dropped)))
    }
}
