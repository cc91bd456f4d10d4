//! Objects with notes: what an item made counts once its note is there, and is held against the note when it is read.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, fs};
use regimen_objects::Objects;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::output::{Note, Output, done, note};

/// The place between the tasks.
pub(crate) struct Depot<'d> {
    pub store: &'d Objects,
    /// Stands for the plan.
    pub key: Hash256,
    /// Files that were brought here and are whole.
    here: RefCell<HashSet<PathBuf>>,
}

/// The note of a part, and the hashes of the files that it was made from, in document order. Notes of before had none.
#[derive(Serialize, Deserialize)]
pub(crate) struct Made {
    #[serde(flatten)]
    pub note: Note,
    #[serde(default)]
    pub files: Vec<Hash256>,
    /// The plan under which they were read. Notes of before name none.
    #[serde(default)]
    pub plan: Option<Hash256>,
}

/// How hard zstd tries for texts on their way.
const LEVEL: i32 = 1;

impl<'d> Depot<'d> {
    pub fn new(store: &'d Objects, key: Hash256) -> Depot<'d> {
        Depot { store, key, here: RefCell::default() }
    }

    /// The objects that have notes, among those in the folder of `object`.
    pub fn notes(&self, object: Option<String>) -> Result<HashSet<String>> {
        let object = object.unwrap_or_default();
        match object.rsplit_once('/') {
            Some((folder, _)) => {
                let listed = self.store.list(&format!("{folder}/"))?;
                Ok(listed
                    .iter()
                    .filter_map(|entry| Some(entry.name.strip_suffix(".note")?.to_string()))
                    .collect())
            }
            // Beside the folders there may be many: the one is looked at.
            None => Ok(HashSet::from([object])),
        }
    }

    /// The note of an object, if the object is there for `key`, or for any key.
    pub fn done(&self, name: &str, key: Option<Hash256>) -> Result<Option<Note>> {
        let Some(bytes) = self.store.read(&note_of(name))? else { return Ok(None) };
        // A note that cannot be read is no reason to fail: the item is made again.
        let note: Option<Note> = serde_json::from_slice(&bytes).ok();
        Ok(note.filter(|note| key.is_none_or(|key| note.key == key)))
    }

    /// The note of an object that must be there.
    pub fn noted(&self, name: &str) -> Result<Note> {
        self.done(name, None)?
            .ok_or_else(|| Error::Plan { reason: format!("`{}` is gone", self.store.url_of(name)) })
    }

    /// What the note of a part says, if there is one that can be read.
    pub fn made(&self, name: &str) -> Result<Option<Made>> {
        Ok(self.store.read(&note_of(name))?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn put_note(&self, name: &str, note: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(note).map_err(|e| Error::Plan { reason: e.to_string() })?;
        Ok(self.store.write(&note_of(name), &text)?)
    }

    /// Write bytes as the object of an item.
    pub fn put(&self, name: &str, bytes: &[u8], rows: u64) -> Result<()> {
        self.store.write(name, bytes)?;
        self.put_note(
            name,
            &Note { key: self.key, rows, bytes: bytes.len() as u64, blake3: Hash256::of(bytes) },
        )
    }

    /// The object of an item, whole.
    pub fn get(&self, name: &str) -> Result<Vec<u8>> {
        let note = self.noted(name)?;
        let bytes = self.store.read(name)?.unwrap_or_default();
        if Hash256::of(&bytes) != note.blake3 {
            return Err(Error::DamagedObject { url: self.store.url_of(name) });
        }
        Ok(bytes)
    }

    /// Some of its bytes, which the caller holds against a hash that it knows.
    pub fn range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        match self.store.read_range(name, range) {
            Err(regimen_objects::Error::Short { .. }) => {
                Err(Error::DamagedObject { url: self.store.url_of(name) })
            }
            read => Ok(read?),
        }
    }

    /// Write a finished file as an object, its note last.
    pub fn send(&self, path: &Path, name: &str) -> Result<()> {
        self.store.send(path, name)?;
        self.put_note(name, &note(path)?)
    }

    /// The same, packed, of a part that was made from files with these hashes. The note is of what is in it.
    pub fn send_packed(&self, path: &Path, name: &str, files: Vec<Hash256>) -> Result<()> {
        let packed = path.with_extension("packed");
        let (mut from, mut to) = (fs::open(path)?, fs::create(&packed)?);
        let mut encoder =
            zstd::stream::Encoder::new(Vec::new(), LEVEL).map_err(|e| fs::Error::new("pack", path, e))?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read =
                std::io::Read::read(&mut from, &mut buffer).map_err(|e| fs::Error::new("read", path, e))?;
            std::io::Write::write_all(&mut encoder, &buffer[..read])
                .map_err(|e| fs::Error::new("pack", path, e))?;
            if read == 0 {
                break;
            }
            to.put(encoder.get_ref())?;
            encoder.get_mut().clear();
        }
        to.put(&encoder.finish().map_err(|e| fs::Error::new("pack", path, e))?)?;
        to.push()?;
        drop(to);
        self.store.send(&packed, name)?;
        fs::remove_file(&packed)?;
        self.put_note(name, &Made { note: note(path)?, files, plan: Some(self.key) })
    }

    /// Bring an object and its note to the file `path`, unless it is there. Packed texts are unpacked. `came` is told of the
    /// bytes of each piece as it comes.
    pub fn bring(&self, name: &str, path: &Path, came: &mut dyn FnMut(u64)) -> Result<()> {
        if self.here.borrow().contains(path) {
            return Ok(());
        }
        let told = self.noted(name)?;
        if done(path, told.key)?.is_some_and(|here| here == told) {
            self.here.borrow_mut().insert(path.into());
            return Ok(());
        }
        let damaged = || Error::DamagedObject { url: self.store.url_of(name) };
        let entry = self.store.look(name)?.ok_or_else(damaged)?;
        let coming = path.with_extension("coming");
        self.store.fetch(&entry, &coming, came)?;
        let mut output = Output::anew(path, told.key)?;
        let file = fs::open(&coming)?;
        let mut source: Box<dyn std::io::Read> = match name.ends_with(".docs") {
            true => Box::new(zstd::stream::Decoder::new(file).map_err(|_| damaged())?),
            false => Box::new(file),
        };
        let (mut buffer, mut left) = (vec![0; 1 << 20], told.bytes);
        loop {
            let read = source.read(&mut buffer).map_err(|_| damaged())?;
            if read == 0 {
                // With them the note says all as soon as it is there.
                output.put(&[], told.rows)?;
                break;
            }
            left = left.checked_sub(read as u64).ok_or_else(damaged)?;
            output.put(&buffer[..read], 0)?;
        }
        fs::remove_file(&coming)?;
        let here = output.close()?;
        if here.blake3 != told.blake3 {
            fs::remove_file(path)?;
            return Err(damaged());
        }
        self.here.borrow_mut().insert(path.into());
        Ok(())
    }

    /// Remove a file that was brought here.
    pub fn forget(&self, path: &Path) -> Result<()> {
        self.here.borrow_mut().remove(path);
        Ok(fs::remove_file(path)?)
    }
}

fn note_of(name: &str) -> String {
    format!("{name}.note")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_brought_has_its_rows_in_the_note() {
        let dir = tempfile::tempdir().unwrap();
        let store = Objects::open(&dir.path().join("store").display().to_string()).unwrap();
        let (key, path) = (Hash256::of(b"plan"), dir.path().join("here/000000.hashes"));
        Depot::new(&store, key).put("x.hashes", b"content", 7).unwrap();
        // Of a process that was killed, whose note lacks them, and of one that began with nothing.
        let mut killed = Output::anew(&path, key).unwrap();
        killed.put(b"content", 0).unwrap();
        killed.close().unwrap();
        for _ in 0..2 {
            // One that has brought nothing yet.
            let depot = Depot::new(&store, key);
            depot.bring("x.hashes", &path, &mut |_| ()).unwrap();
            assert_eq!(note(&path).unwrap(), depot.noted("x.hashes").unwrap());
            assert_eq!((note(&path).unwrap().rows, std::fs::read(&path).unwrap()), (7, b"content".to_vec()));
            fs::remove_file(&path).unwrap();
        }
    }
}
