//! Making the index of a corpus. It is an artifact of the kind `verbatim` whose input is the corpus, so it is found again by the
//! corpus' key, verified with all others, and of no use to a corpus that differs. A shard that is whole is not made again after a stop.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, Key, fs};
use regimen_ledger::{Artifact, Begin, Draft, Manifest, Store, key_of};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::file::{self, Head, Pointers, VERSION};
use super::places::{Documents, END};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::verbatim::suffixes::{NARROW, Position, memory_for, text_in};

/// Kind of the artifact.
pub const KIND: &str = "verbatim";
/// Name of the file that says how the index was made.
pub(crate) const ABOUT: &str = "index.json";
/// Bytes of memory besides a shard's text and suffix array: what is being written, and the table of documents.
const SPARE: u64 = 16 << 20;

/// What `index.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub version: u32,
    /// Bytes of text in a shard at most, an end of each document included.
    pub shard_bytes: u64,
    /// Payload hash of the corpus.
    pub payload: Hash256,
}

/// How far the work is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of text whose pointers are written.
    pub done: AtomicU64,
    /// Shards that are whole.
    pub whole: AtomicU64,
    /// Shards in all.
    pub shards: AtomicU64,
}

/// A finished index.
#[derive(Debug)]
pub struct Made {
    /// Its artifact.
    pub artifact: Artifact,
    /// Whether it was there before.
    pub existed: bool,
    /// Shards that were made now.
    pub made: usize,
}

pub(crate) fn shard_name(number: usize) -> String {
    format!("shard-{number:05}.sa")
}

/// The index of a corpus, if it was made.
///
/// # Errors
/// [`Error::Index`] if it is damaged.
pub fn find(store: &Store, corpus: &Artifact) -> Result<Option<Artifact>> {
    let folder = store.dir().join("artifacts").join(KIND);
    for dir in fs::list(&folder)?.into_iter().filter(|dir| dir.is_dir()) {
        let path = dir.join("manifest.json");
        // What is left of a removal that was stopped is no index, and stands in nobody's way.
        if !path.exists() {
            continue;
        }
        let manifest: Manifest = fs::read_json(&path).map_err(|e| Error::index(&path, e.to_string()))?;
        if manifest.inputs.get("corpus") == Some(&corpus.key()) {
            return match Artifact::open(&dir) {
                Ok(artifact) => Ok(Some(artifact)),
                Err(regimen_ledger::Error::Incomplete { path, why, .. }) => Err(Error::index(&path, why)),
                Err(other) => Err(other.into()),
            };
        }
    }
    Ok(None)
}

/// What an index may take while it is made.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory: the texts and suffix arrays of the shards that are made at once fit in it, with 16 MiB to spare.
    pub memory: u64,
    /// Shards that are made at once, on threads of their own.
    pub at_once: usize,
}

/// Make the index of a corpus, unless it exists. The limits decide how large its shards are, threads decide nothing. `fingerprint`
/// is of the program that works.
///
/// # Errors
/// [`Error::IndexMemory`] for a document that is too long for the memory by itself, [`Error::Interrupted`] when asked to stop; the
/// shards that are whole are kept for the next call with the same limits.
pub fn make(
    store: &Store,
    of: &Artifact,
    limits: Limits,
    fingerprint: &str,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Made> {
    if let Some(artifact) = find(store, of)? {
        return Ok(Made { artifact, existed: true, made: 0 });
    }
    let corpus = Corpus::open(of)?;
    let documents = Documents::of(&corpus);
    let at_once = limits.at_once.max(1);
    let shard_bytes = text_in(limits.memory.saturating_sub(SPARE) / at_once as u64);
    let shards = documents.shards(shard_bytes).map_err(|long| {
        let text = documents.text(long);
        let bytes = text.end - text.start;
        let needed = memory_for(bytes + 1) * at_once as u64 + SPARE;
        let document = corpus.name(documents.ordinal(long));
        let least = memory_for(2) * at_once as u64 + SPARE;
        Error::IndexMemory { document, bytes, needed, allowed: limits.memory, least }
    })?;
    progress.shards.store(shards.len() as u64, Relaxed);
    let config = json!({ "shard_bytes": shard_bytes });
    let inputs: BTreeMap<String, Key> = [("corpus".to_string(), of.key())].into();
    let key = key_of(KIND, VERSION, &config, 0, &inputs);
    let work = match store.begin(KIND, key)? {
        Begin::Done(artifact) => return Ok(Made { artifact, existed: true, made: 0 }),
        Begin::Work(work) => work,
    };
    let payload = of.manifest.payload;
    let made = AtomicUsize::new(0);
    let make = |(number, shard): &(usize, Range<usize>)| -> Result<()> {
        cancel.check()?;
        let path = work.dir.join(shard_name(*number));
        let head = Head::of(&documents, shard.clone(), payload);
        if path.exists() && Pointers::open(&path, &head).is_ok() {
            progress.done.fetch_add(head.text.end - head.text.start, Relaxed);
        } else {
            let job = Shard { corpus: &corpus, documents: &documents, head, path, progress, cancel };
            job.make(shard)?;
            made.fetch_add(1, Relaxed);
        }
        progress.whole.fetch_add(1, Relaxed);
        Ok(())
    };
    let numbered: Vec<(usize, Range<usize>)> = shards.iter().cloned().enumerate().collect();
    for group in numbered.chunks(at_once) {
        group.par_iter().map(make).collect::<Result<Vec<()>>>()?;
    }
    fs::write_json(&work.dir.join(ABOUT), &About { version: VERSION, shard_bytes, payload })?;
    let text = documents.texts(&(0..documents.len()));
    let summary =
        json!({"shards": shards.len(), "documents": documents.len(), "bytes": text.end - text.start});
    let artifact = work.commit(Draft {
        stage_version: VERSION,
        // A name of its own: the corpus' name goes on to mean the corpus.
        stage: format!("{}.{KIND}", of.manifest.stage),
        config,
        inputs,
        fingerprint: fingerprint.into(),
        bit_exact: true,
        summary,
        ..Draft::default()
    })?;
    Ok(Made { artifact, existed: false, made: made.into_inner() })
}

/// A shard on its way.
struct Shard<'s> {
    corpus: &'s Corpus,
    documents: &'s Documents,
    head: Head,
    path: PathBuf,
    progress: &'s Progress,
    cancel: &'s Cancel,
}

impl Shard<'_> {
    fn make(&self, documents: &Range<usize>) -> Result<()> {
        let joined = self.joined(documents)?;
        if joined.len() as u64 > NARROW { self.sort::<i64>(joined) } else { self.sort::<i32>(joined) }
    }

    /// The texts, each with its end.
    fn joined(&self, documents: &Range<usize>) -> Result<Vec<u8>> {
        let bytes = (self.head.text.end - self.head.text.start) as usize;
        let mut joined = Vec::with_capacity(bytes + documents.len());
        for i in documents.clone() {
            let ordinal = self.documents.ordinal(i);
            let text = self.corpus.bytes(ordinal);
            if let Some(at) = memchr::memchr(END, text) {
                let what = format!("document {ordinal} is invalid UTF-8 at its byte {at}");
                return Err(Error::damaged(&self.corpus.dir().join("text.bin"), what));
            }
            joined.extend_from_slice(text);
            joined.push(END);
        }
        Ok(joined)
    }

    fn sort<P: Position>(&self, joined: Vec<u8>) -> Result<()> {
        let suffixes = P::suffixes(&joined)?;
        drop(joined);
        self.cancel.check()?;
        // What begins with the end of a document is behind all that begins with a byte of it.
        let bytes = (self.head.text.end - self.head.text.start) as usize;
        let mut written = |bytes| {
            self.progress.done.fetch_add(bytes, Relaxed);
            Ok(self.cancel.check()?)
        };
        file::write(&self.path, &self.head, &suffixes[..bytes], &mut written)
    }
}
