//! Tokens in the form that Dolma's `dolma tokens` writes and OLMo-core reads: a folder for each split.
//!
//! `part-0-00000.npy` and those after it hold token ids and nothing else, little endian: no numpy header. Every document is
//! followed by the end token. Beside each lies `part-0-00000.csv.gz` with a row `start,end,id,src,loc` for every document and
//! no header: the document's tokens, the end token among them, as `start..end` of the file; its own id; its source file; and
//! its line or row there, counted from 1.
//!
//! As in Dolma a document lies in one file, and one that does not fit begins the next. Only what is longer than a whole file is
//! cut (`dolma tokens` never ends with such a document); it has a row in each of its files, and the last piece has the end
//! token. A document that is taken several times has a row for each copy.

mod part;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use regimen_base::{Cancel, fs};
use regimen_corpus::Corpus;
use serde::Serialize;

use crate::Split;
use crate::error::{Error, Result};
use crate::set::TokenSet;
use crate::stream::Stream;
use part::{Named, Part};

/// Tokens in a file if nothing else is said: those of Dolma's writer.
pub const MAX_TOKENS: u64 = 512 << 20;

/// Tokens that are copied at a time.
const PIECE: u64 = 1 << 20;

/// How far an export is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Documents written.
    pub documents: AtomicU64,
    /// Tokens written, end tokens among them.
    pub tokens: AtomicU64,
}

/// What an export wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exported {
    /// `uint16` or `uint32`, as numpy calls the type of a token.
    pub dtype: &'static str,
    /// Token ids.
    pub vocab: usize,
    /// The token behind every document.
    pub end_id: u32,
    /// The splits that have documents.
    pub splits: Vec<ExportedSplit>,
}

/// What an export wrote of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportedSplit {
    /// `train` or `validation`; the folder has this name.
    pub split: Split,
    /// Files of tokens, below the folder of the export; each has a `.csv.gz` beside it.
    pub files: Vec<String>,
    /// Documents, each copy counted.
    pub documents: u64,
    /// Tokens, end tokens among them.
    pub tokens: u64,
    /// Documents that are longer than a file and were cut.
    pub cut: u64,
}

/// Write the tokens of `splits` below the folder `dir`, each into a folder of its name, in files of at most `max_tokens` tokens.
/// `corpus` is the one that the tokens were made from. The folders appear once all are whole; a split without documents has none.
///
/// # Errors
/// [`Error::NotEmpty`] if there is something in such a folder already, [`Error::Damaged`], [`Error::Interrupted`],
/// [`Error::File`].
pub fn export(
    tokens: &TokenSet,
    corpus: &Corpus,
    dir: &Path,
    splits: &[Split],
    max_tokens: u64,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Exported> {
    let streams: Vec<(Split, &Stream)> = splits
        .iter()
        .map(|&split| (split, tokens.split(split)))
        .filter(|(_, stream)| !stream.is_empty())
        .collect();
    for (split, _) in &streams {
        let folder = dir.join(split.name());
        if let Some(file) = fs::list(&folder)?.into_iter().next() {
            return Err(Error::NotEmpty { folder, file });
        }
    }
    let temporary = |split: Split| dir.join(format!(".{split}.{}", fs::temporary()));
    let write = |&(split, stream): &(Split, &Stream)| -> Result<ExportedSplit> {
        sweep(dir, split)?;
        let dir = &temporary(split);
        if dir.exists() {
            // Of a process that had this one's number.
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        Writer { stream, corpus, dir, max: max_tokens.max(1), progress, cancel }.all(split)
    };
    let done: Result<Vec<ExportedSplit>> = streams.iter().map(write).collect();
    let named = done.and_then(|done| {
        for (split, _) in &streams {
            fs::rename(&temporary(*split), &dir.join(split.name()))?;
        }
        Ok(done)
    });
    if named.is_err() {
        for (split, _) in &streams {
            // The error that is on its way counts more than one of tidying up.
            let _ = fs::remove_dir_all(&temporary(*split));
        }
    }
    let dtype = tokens.dtype().numpy();
    Ok(Exported { dtype, vocab: tokens.vocab(), end_id: tokens.end_id(), splits: named? })
}

/// Remove what exports of this split into the folder left that were killed.
fn sweep(dir: &Path, split: Split) -> Result<()> {
    let start = format!(".{split}.tmp");
    for path in fs::list(dir)? {
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
        if ours && fs::is_leftover(&path) {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Writes one split.
struct Writer<'e> {
    stream: &'e Stream,
    corpus: &'e Corpus,
    dir: &'e Path,
    max: u64,
    progress: &'e Progress,
    cancel: &'e Cancel,
}

impl Writer<'_> {
    fn all(&self, split: Split) -> Result<ExportedSplit> {
        let mut written = ExportedSplit { split, files: Vec::new(), documents: 0, tokens: 0, cut: 0 };
        let mut open: Option<Part> = None;
        for document in self.stream.documents() {
            if document.ordinal as usize >= self.corpus.len() {
                let what =
                    format!("it names document {}, the corpus has {}", document.ordinal, self.corpus.len());
                return Err(self.stream.damaged_table(what));
            }
            let named = Named::new(self.corpus, document.ordinal);
            let mut slots = document.slots;
            written.documents += 1;
            written.tokens += slots.end - slots.start;
            written.cut += u64::from(slots.end - slots.start > self.max);
            while !slots.is_empty() {
                let length = slots.end - slots.start;
                if let Some(full) =
                    open.take_if(|part| part.tokens() > 0 && part.tokens() + length > self.max)
                {
                    full.finish()?;
                }
                let part = match &mut open {
                    Some(part) => part,
                    none => {
                        let part = Part::create(self.dir, written.files.len())?;
                        written.files.push(format!("{split}/{}", part.name()));
                        none.insert(part)
                    }
                };
                let end = slots.start + length.min(self.max);
                part.name_next(&named, end - slots.start)?;
                while slots.start < end {
                    self.cancel.check()?;
                    let take = (end - slots.start).min(PIECE);
                    part.put(self.stream, slots.start..slots.start + take)?;
                    slots.start += take;
                    self.progress.tokens.fetch_add(take, Relaxed);
                }
            }
            self.progress.documents.fetch_add(1, Relaxed);
        }
        if let Some(last) = open {
            last.finish()?;
        }
        fs::sync_dir(self.dir)?;
        Ok(written)
    }
}
