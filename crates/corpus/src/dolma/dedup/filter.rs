//! What came before by a Bloom filter: a new one, or one that an earlier run left in a file.
//!
//! A filter is read from one file and written to another one, never to the same: a run that is repeated starts from what the
//! first one started from, and marks the same.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::Cancel;
use regimen_recipe::InputFile;

use super::Options;
use super::frames::{Parts, Records};
use crate::dedup::{Batch, Bloom, Sizing};
use crate::dolma::folder::spares;
use crate::error::{Error, Result};
use crate::output::Output;

/// Keys that are looked up at once.
const BATCH: usize = 1 << 18;

/// What a filter holds before the first document.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Nothing; it is made for so many keys with this rate of false positives.
    New {
        /// Keys.
        expected: u64,
        /// The rate.
        rate: f64,
    },
    /// What an earlier run left in this file.
    File(PathBuf),
}

/// A Bloom filter for paragraphs or n-grams.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What it holds before the first document.
    pub origin: Origin,
    /// The file that it goes to in the end.
    pub to: Option<PathBuf>,
    /// Nothing comes into it: only what it held before is marked, not what comes twice.
    pub read_only: bool,
}

impl Filter {
    /// An empty one for so many keys, which is not kept.
    pub fn new(expected: u64, rate: f64) -> Filter {
        Filter { origin: Origin::New { expected, rate }, to: None, read_only: false }
    }

    /// Whether it writes over nothing that is read or written beside it.
    pub(super) fn check(&self, files: &[InputFile], outputs: &[PathBuf]) -> Result<()> {
        let from = match &self.origin {
            Origin::New { .. } => None,
            Origin::File(path) => Some(path.as_path()),
        };
        if let Some(path) = self.to.as_deref().filter(|path| path.is_file()) {
            // What is there must be a filter, of whatever keys.
            Bloom::check_magic(path)?;
        }
        let read = files.iter().map(|file| file.full.as_path()).chain(from);
        spares(read.chain(outputs.iter().map(PathBuf::as_path)), self.to.as_deref())
    }

    /// Its size. Its keys must be what `label` says.
    pub(super) fn sizing(&self, label: &str) -> Result<Sizing> {
        Ok(match &self.origin {
            Origin::New { expected, rate } => Sizing::new(*expected, *rate)?,
            Origin::File(path) => Bloom::sizing_of(path, label)?,
        })
    }

    fn open(&self, sizing: Sizing, label: &str, memory: u64) -> Result<Bloom> {
        Ok(match &self.origin {
            Origin::New { .. } => Bloom::new(sizing, memory)?,
            Origin::File(path) => Bloom::load(path, label, memory)?,
        })
    }

    /// Look all keys up, in document order, and write the filter to its file.
    pub(super) fn look(&self, parts: &Parts, options: &Options, cancel: &Cancel) -> Result<Bits> {
        let (compared, label) = (parts.all.compared, options.by.keys());
        let sizing = self.sizing(&label)?;
        // A bit tells of each one whether it came before.
        let marks = compared.div_ceil(64) * 8;
        if sizing.bytes() + marks > options.memory {
            let things = options.by.things();
            let what = format!("a Bloom filter of {} keys beside {compared} {things}", sizing.expected);
            let instead = "compare them without --bloom, which takes files where memory ends";
            let (needed, allowed) = (sizing.bytes() + marks, options.memory);
            return Err(Error::StepMemory { what, needed, allowed, instead });
        }
        let mut bloom = self.open(sizing, &label, options.memory - marks)?;
        let keys = || Keys { records: Records::new(&parts.paths, options.by.layout()), keys: Vec::new() };
        let words = Vec::with_capacity(compared.div_ceil(64) as usize);
        let mut bits = Bits { words, ..Bits::default() };
        if self.read_only {
            let mut keys = keys();
            while keys.next()? {
                cancel.check()?;
                let held: Vec<bool> = keys.keys.par_iter().map(|&key| bloom.contains(key)).collect();
                bits.extend(&held);
            }
            return Ok(bits);
        }
        let inside = bloom.keys();
        insert(&mut bloom, &mut keys(), &mut bits, cancel)?;
        bloom.check::<Error>(inside, |all| {
            let mut keys = keys();
            while keys.next()? {
                keys.keys.iter().for_each(|&key| all.add(key));
            }
            Ok(())
        })?;
        if let Some(path) = &self.to {
            save(&bloom, path, &label)?;
        }
        Ok(bits)
    }
}

/// Put all keys into the filter; which of them were there before go to `bits`.
fn insert(bloom: &mut Bloom, keys: &mut Keys, bits: &mut Bits, cancel: &Cancel) -> Result<()> {
    let sizing = *bloom.sizing();
    let (mut seen, mut before) = (Vec::new(), Vec::new());
    keys.next()?;
    let mut batch = Batch::new(&sizing, &keys.keys);
    if batch.len() >= BATCH {
        bloom.touch();
    }
    // While some are looked up, the next ones are gathered.
    while !batch.is_empty() {
        cancel.check()?;
        let look = || bloom.insert_batch(batch, &mut seen);
        let gather = || {
            bits.extend(&before);
            keys.next().map(|_| Batch::new(&sizing, &keys.keys))
        };
        batch = rayon::join(look, gather).1?;
        std::mem::swap(&mut seen, &mut before);
    }
    bits.extend(&before);
    Ok(())
}

/// Write the filter to its file: whole, or not at all.
fn save(bloom: &Bloom, path: &Path, label: &str) -> Result<()> {
    let mut output = Output::lone(path)?;
    bloom.write::<Error>(label, |bytes| output.put(bytes, 0))?;
    output.finish().map(drop)
}

/// Bits one after the other.
#[derive(Default)]
pub(super) struct Bits {
    pub words: Vec<u64>,
    pub length: u64,
    /// How many of them are set.
    pub set: u64,
}

impl Bits {
    fn extend(&mut self, bits: &[bool]) {
        self.words.resize((self.length as usize + bits.len()).div_ceil(64), 0);
        for &bit in bits {
            self.words[(self.length / 64) as usize] |= u64::from(bit) << (self.length % 64);
            self.length += 1;
            self.set += u64::from(bit);
        }
    }
}

/// The keys of all paragraphs or n-grams, in document order.
struct Keys<'h> {
    records: Records<'h>,
    /// Those at hand.
    keys: Vec<u128>,
}

impl Keys<'_> {
    /// Go to the next [`BATCH`] or a few more; whether there are any.
    fn next(&mut self) -> Result<bool> {
        self.keys.clear();
        while self.keys.len() < BATCH {
            let Some(record) = self.records.next()? else { break };
            let hashes = record.compared.chunks(16).filter_map(|p| p.first_chunk::<8>());
            self.keys.extend(hashes.map(|hash| u128::from(u64::from_le_bytes(*hash))));
        }
        Ok(!self.keys.is_empty())
    }
}
