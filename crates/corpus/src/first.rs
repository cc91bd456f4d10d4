//! The first pass of a build: groups of files become parts on all threads. A part that is whole is not made again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Cancel, Hash256};

use crate::build::{Planned, Progress};
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::memory::is_long;
use crate::output::{Note, Output, done, note};
use crate::part;
use crate::pipeline::Room;
use crate::read::chunk::Chunk;
use crate::read::document::{self, Reading};
use crate::read::open::Opened;
use crate::resolve::Part;

/// The first pass over groups of files.
pub(crate) struct First<'f> {
    /// The files of the groups that are read.
    pub plan: &'f [Planned<'f>],
    /// Number of the first of them.
    pub from: usize,
    pub groups: &'f [std::ops::Range<usize>],
    pub reading: &'f Reading<'f>,
    pub identity: blake3::Hasher,
    pub parts: &'f Path,
    pub read: Arc<AtomicU64>,
    pub documents: AtomicU64,
    pub total: u64,
    /// Number of the group that the flow calls 0.
    pub offset: usize,
    pub cancel: &'f Cancel,
    pub progress: Mutex<&'f mut Progress<'f>>,
}

/// The files of a group, one after the other.
pub(crate) struct Group<'f> {
    left: std::slice::Iter<'f, Planned<'f>>,
    reading: &'f Reading<'f>,
    /// Number of the next file.
    number: usize,
    open: Option<Opened>,
    read: Arc<AtomicU64>,
}

impl flow::Source for Group<'_> {
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(chunks) = &mut self.open {
                if let Some(chunk) = chunks.next()? {
                    return Ok(Some(chunk));
                }
                self.open = None;
            }
            let Some(file) = self.left.next() else { return Ok(None) };
            let (read, number) = (Arc::clone(&self.read), self.number as u32);
            self.number += 1;
            let opened = Opened::open(self.reading, file.input, file.how, file.source, number, read)?;
            self.open = Some(opened);
        }
    }
}

/// The files that a group becomes.
pub(crate) struct Outputs {
    docs: Output,
    hashes: Output,
}

/// What a chunk becomes.
pub(crate) struct Piece {
    docs: Vec<u8>,
    hashes: Vec<u8>,
    documents: u64,
}

/// Stands for a config and the files of a group, of which come path and hash.
pub(crate) fn key<'p>(identity: &blake3::Hasher, files: impl Iterator<Item = (&'p str, Hash256)>) -> Hash256 {
    let mut hasher = identity.clone();
    for (path, hash) in files {
        hasher.update(path.as_bytes());
        hasher.update(&hash.0);
    }
    Hash256(*hasher.finalize().as_bytes())
}

impl<'f> First<'f> {
    /// A file of a group.
    pub fn path(&self, group: usize, what: &str) -> PathBuf {
        self.parts.join(format!("{group:06}.{what}"))
    }

    /// What is noted of the hashes of a finished group.
    pub fn note(&self, group: usize) -> Result<Note> {
        note(&self.path(group, "hashes"))
    }

    /// The files of a group.
    fn files(&self, group: usize) -> &'f [Planned<'f>] {
        let files = &self.groups[group];
        &self.plan[files.start - self.from..files.end - self.from]
    }

    /// Stands for the config and the files of a group.
    pub fn key(&self, group: usize) -> Hash256 {
        key(&self.identity, self.files(group).iter().map(|file| (&*file.input.path, file.input.blake3)))
    }

    /// The finished part of a group.
    pub fn part(&self, group: usize) -> Part {
        Part { docs: self.path(group, "docs"), hashes: self.path(group, "hashes") }
    }

    fn show(&self) -> Result<()> {
        let read = self.read.load(Ordering::Relaxed).min(self.total);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.cancel.check()?;
        progress(read, self.total, self.documents.load(Ordering::Relaxed))
    }
}

impl<'f> Job for First<'f> {
    type Source = Group<'f>;
    type Scratch = Room;
    type Part = Piece;
    type Sink = Outputs;

    fn open(&self, number: usize) -> Result<Option<(Group<'f>, Outputs)>> {
        let number = self.offset + number;
        let (files, key) = (self.files(number), self.key(number));
        let (docs, hashes) = (self.path(number, "docs"), self.path(number, "hashes"));
        // A process may have been killed between the two: a part is both.
        if done(&docs, key)?.is_some() && done(&hashes, key)?.is_some() {
            let bytes = files.iter().map(|file| file.input.bytes).sum();
            self.read.fetch_add(bytes, Ordering::Relaxed);
            return Ok(None);
        }
        let (docs, hashes) = (Output::anew(&docs, key)?, Output::anew(&hashes, key)?);
        let read = Arc::clone(&self.read);
        let (left, number) = (files.iter(), self.groups[number].start);
        let group = Group { left, reading: self.reading, number, open: None, read };
        Ok(Some((group, Outputs { docs, hashes })))
    }

    fn in_flight(&self) -> u64 {
        self.reading.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, piece: &Piece) -> u64 {
        (piece.docs.len() + piece.hashes.len()) as u64
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Piece> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = Room::default();
        let room = if is_long(chunk.bytes() as usize) { &mut own } else { room };
        let parsed = document::documents(self.reading, chunk, long.is_some(), room)?;
        let rules = self.reading.rules.rules.len();
        let text: usize = parsed.documents.iter().map(|d| d.text.len() + 200).sum();
        let mut docs = Vec::with_capacity(text + 16 * parsed.values.len());
        for (i, document) in parsed.documents.iter().enumerate() {
            let licence = &parsed.licences[usize::from(document.licence)];
            let values = &parsed.values[i * rules..][..rules];
            if let Err(bytes) = part::put(document, licence, values, &mut docs) {
                let file = &self.reading.files[document.file as usize];
                return Err(Error::TooLong { place: Place::of(file, document.line), bytes });
            }
        }
        Ok(Piece { docs, hashes: parsed.hashes, documents: parsed.documents.len() as u64 })
    }

    fn take(&self, sink: &mut Outputs, piece: Piece) -> Result<()> {
        sink.docs.put(&piece.docs, piece.documents)?;
        sink.hashes.put(&piece.hashes, piece.documents)?;
        self.documents.fetch_add(piece.documents, Ordering::Relaxed);
        self.show()
    }

    fn close(&self, _: usize, sink: Outputs) -> Result<()> {
        sink.docs.close()?;
        sink.hashes.close()?;
        Ok(())
    }
}
