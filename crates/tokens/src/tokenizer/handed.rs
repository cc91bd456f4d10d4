//! A tokenizer that one stage read and the next one takes over: reading a large `tokenizer.json` costs a quarter of a second on
//! one thread.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use regimen_base::{Hash256, fs};

use super::{BESIDE, JSON, Tokenizer};
use crate::error::Result;

/// The tokenizer that was left last, and the hash of its files.
static LEFT: Mutex<Option<(Hash256, Tokenizer)>> = Mutex::new(None);

/// Stands for all files that decide over a tokenizer.
fn identity(dir: &Path) -> Result<Hash256> {
    let mut all = Vec::new();
    for name in [&[JSON][..], &BESIDE].concat() {
        let path = dir.join(name);
        let bytes = if path.is_file() { Some(fs::read(&path)?) } else { None };
        all.push(bytes.map(|bytes| Hash256::of(&bytes)));
    }
    Ok(Hash256::of(format!("{all:?}").as_bytes()))
}

impl Tokenizer {
    /// Leave it, which is that of the folder `dir`, to whoever opens it next in this process.
    pub(crate) fn leave(self, dir: &Path) -> Result<()> {
        let identity = identity(dir)?;
        *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some((identity, self));
        Ok(())
    }

    /// The tokenizer in the folder `dir`: the one that was left, if it has the same files, or else read anew.
    pub(crate) fn take_over(dir: &Path) -> Result<Tokenizer> {
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).take();
        match left {
            Some((known, tokenizer)) if known == identity(dir)? => {
                Ok(Tokenizer { path: dir.join(JSON), ..tokenizer })
            }
            _ => Tokenizer::open(dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CONFIG, Learned, byte_level, byte_order, save};
    use super::*;

    #[test]
    fn only_the_same_files_are_taken_over() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tokens = byte_order().iter().map(|&byte| vec![byte]).collect();
        save(&byte_level(&Learned { tokens, merges: Vec::new() }).unwrap(), a.path()).unwrap();
        for entry in fs::list(a.path()).unwrap() {
            fs::write(&b.path().join(entry.file_name().unwrap()), &fs::read(&entry).unwrap()).unwrap();
        }
        assert_eq!(identity(a.path()).unwrap(), identity(b.path()).unwrap());
        Tokenizer::open(a.path()).unwrap().leave(a.path()).unwrap();
        let taken = Tokenizer::take_over(b.path()).unwrap();
        assert_eq!(taken.path(), b.path().join(JSON));
        assert_eq!(taken.encode("ab").unwrap(), Tokenizer::open(b.path()).unwrap().encode("ab").unwrap());
        fs::write(&b.path().join(CONFIG), b"{\"eos_token\": \"none\"}").unwrap();
        assert_ne!(identity(a.path()).unwrap(), identity(b.path()).unwrap());
        Tokenizer::open(a.path()).unwrap().leave(a.path()).unwrap();
        assert!(Tokenizer::take_over(b.path()).is_err());
    }
}
