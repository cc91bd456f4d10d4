//! Files that steps write beside their input: whole or not at all, packed as their name says, and with a note of what
//! made them, by which a second run knows that they are done.

use std::io::Write;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, fs};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::read::stream::Packing;

/// The hidden folder beside the files of a step that holds their notes, its lock, and what it needs to go on. It is called
/// otherwise than a store, which marks the root of a project.
pub(crate) const NOTES: &str = ".regimen-notes";

/// How hard gzip tries (of 1 to 9): attributes pack well anyhow, and time counts.
const GZIP: u32 = 1;
/// The same for zstd.
const ZSTD: i32 = 1;

/// Pack a piece of a file as a member or frame of its own: pieces one after the other are the file.
pub(crate) fn pack(packing: Packing, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    match packing {
        Packing::Plain => Ok(bytes),
        Packing::Gzip => {
            let room = Vec::with_capacity(bytes.len() / 4 + 64);
            let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::new(GZIP));
            encoder.write_all(&bytes)?;
            encoder.finish()
        }
        Packing::Zstd => zstd::bulk::compress(&bytes, ZSTD),
    }
}

/// What made a file, and what the file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Hash of the step, its config, and its input.
    pub key: Hash256,
    /// Rows in the file.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Hash of its content.
    pub blake3: Hash256,
}

/// A file being written under another name.
pub(crate) struct Output {
    path: PathBuf,
    temporary: PathBuf,
    file: fs::File,
    hasher: blake3::Hasher,
    /// None of a file that is written anew each time.
    noted: Option<PathBuf>,
    note: Note,
    /// Whether the file has its name.
    closed: bool,
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.closed && self.noted.is_none() {
            // The fault that is on its way counts more than one of tidying up.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Output {
    /// Begin the file at `path`, made from what `key` stands for. None if it is there already, whole.
    pub fn begin(path: &Path, key: Hash256) -> Result<Option<Output>> {
        if done(path, key)?.is_some() {
            return Ok(None);
        }
        Output::anew(path, key).map(Some)
    }

    /// The same, whatever is there.
    pub fn anew(path: &Path, key: Hash256) -> Result<Output> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let note = note_path(path);
        if let Some(folder) = note.parent() {
            fs::create_dir_all(folder)?;
        }
        // No two tasks share a temporary file, so that two that write the same output both write it whole.
        let temporary = note.with_extension(fs::temporary());
        Output::create(path, temporary, Some(note), key)
    }

    /// Begin a file that is written anew each time: it has no note, and nothing stays beside it.
    pub fn lone(path: &Path) -> Result<Output> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        tidy_lone(path)?;
        // Hidden, so that no folder of documents has what a killed process leaves.
        let mut temporary = hidden(path);
        temporary.push(format!(".{}", fs::temporary()));
        Output::create(path, path.with_file_name(temporary), None, Hash256::of(&[]))
    }

    fn create(path: &Path, temporary: PathBuf, noted: Option<PathBuf>, key: Hash256) -> Result<Output> {
        let file = fs::create(&temporary)?;
        let note = Note { key, rows: 0, bytes: 0, blake3: Hash256::of(&[]) };
        let hasher = blake3::Hasher::new();
        Ok(Output { path: path.into(), temporary, file, hasher, noted, note, closed: false })
    }

    /// Append a packed piece with so many rows.
    pub fn put(&mut self, piece: &[u8], rows: u64) -> Result<()> {
        self.file.put(piece)?;
        self.hasher.update(piece);
        self.note.bytes += piece.len() as u64;
        self.note.rows += rows;
        Ok(())
    }

    /// Make the file durable and give it its name.
    pub fn finish(mut self) -> Result<Note> {
        self.file.sync()?;
        self.close()
    }

    /// Give the file its name without waiting for the disk: if the machine fails, its note tells that it is not whole.
    pub fn close(mut self) -> Result<Note> {
        self.note.blake3 = Hash256(*self.hasher.finalize().as_bytes());
        self.file.push()?;
        // The note comes first, so that whoever is stopped in between knows the file again.
        if let Some(noted) = &self.noted {
            fs::write_json(noted, &self.note)?;
        }
        fs::rename(&self.temporary, &self.path)?;
        self.closed = true;
        Ok(self.note.clone())
    }
}

/// The note of the file at `path`, if the file is whole and was made from what `key` stands for.
pub(crate) fn done(path: &Path, key: Hash256) -> Result<Option<Note>> {
    whole(path, |note| note.key == key)
}

/// Whether the file at `path` is as a step wrote it, whatever it was made from.
pub(crate) fn is_whole(path: &Path) -> Result<bool> {
    Ok(whole(path, |_| true)?.is_some())
}

fn whole(path: &Path, wanted: impl Fn(&Note) -> bool) -> Result<Option<Note>> {
    let at = note_path(path);
    if !at.exists() || !path.exists() {
        return Ok(None);
    }
    // A note that cannot be read is no reason to fail: the work is done again.
    let Ok(note) = fs::read_json::<Note>(&at) else { return Ok(None) };
    if !wanted(&note) || fs::size(path)? != note.bytes {
        return Ok(None);
    }
    let (hash, _) = Hash256::of_file_shared(path)?;
    Ok((hash == note.blake3).then_some(note))
}

/// The note of a file that was finished.
pub(crate) fn note(path: &Path) -> Result<Note> {
    Ok(fs::read_json(&note_path(path))?)
}

/// Take away what killed processes left of the files at `paths`.
pub(crate) fn tidy(paths: &[PathBuf]) {
    let mut folders: Vec<PathBuf> = paths.iter().map(|path| path.with_file_name(NOTES)).collect();
    folders.sort();
    folders.dedup();
    folders.iter().filter(|folder| folder.is_dir()).for_each(|folder| fs::remove_leftovers(folder));
}

/// The name of a file with a point before it.
fn hidden(path: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name
}

/// Remove what processes that were killed left of the lone file at `path`.
fn tidy_lone(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for other in fs::list(folder)? {
        if other.file_stem() == Some(&hidden(path)) && fs::is_leftover(&other) {
            fs::remove_file(&other)?;
        }
    }
    Ok(())
}

/// Where the note of a file lies: `.regimen-notes/NAME.json` beside it, which no pattern for documents meets.
fn note_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".json");
    path.with_file_name(NOTES).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_whole_and_only_for_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.jsonl.gz");
        let (key, other) = (Hash256::of(b"1"), Hash256::of(b"2"));
        let mut output = Output::begin(&path, key).unwrap().unwrap();
        output.put(b"piece", 3).unwrap();
        assert!(!path.exists());
        let note = output.finish().unwrap();
        assert_eq!((note.rows, note.bytes), (3, 5));
        assert_eq!(done(&path, key).unwrap(), Some(note));
        assert!(Output::begin(&path, key).unwrap().is_none());
        assert_eq!(done(&path, other).unwrap(), None);
        assert!(is_whole(&path).unwrap());
        std::fs::write(&path, b"piecf").unwrap();
        assert!(!is_whole(&path).unwrap());
        assert_eq!(done(&path, key).unwrap(), None, "a changed file is made again");
        std::fs::write(dir.path().join("a/.regimen-notes/b.jsonl.gz.json"), b"{").unwrap();
        assert_eq!(done(&path, key).unwrap(), None);
    }

    #[test]
    fn nothing_stays_beside_a_lone_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.jsonl.gz");
        let (left, other) =
            (dir.path().join(".b.jsonl.gz.tmp99999999"), dir.path().join(".c.gz.tmp99999999"));
        for path in [&left, &other] {
            std::fs::write(path, "half").unwrap();
        }
        drop(Output::lone(&path).unwrap());
        assert!(!left.exists() && other.exists() && !path.exists());
        let mut output = Output::lone(&path).unwrap();
        output.put(b"piece", 3).unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"piece");
        assert_eq!(fs::list(dir.path()).unwrap(), [other, path]);
    }

    #[test]
    fn nothing_is_left_of_dead_processes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(NOTES)).unwrap();
        // No process has this number: the greatest that Linux gives is 2^22.
        let left = dir.path().join(NOTES).join("b.gz.tmp99999999");
        std::fs::write(&left, "half").unwrap();
        tidy(&[dir.path().join("b.gz")]);
        assert!(!left.exists());
    }

    #[test]
    fn pieces_one_after_the_other_are_a_file() {
        use std::io::Read;
        let pieces = [b"one\n".to_vec(), Vec::new(), b"two\n".to_vec()];
        let packed =
            |packing| pieces.iter().flat_map(|p| pack(packing, p.clone()).unwrap()).collect::<Vec<u8>>();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&packed(Packing::Gzip)[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        assert_eq!(zstd::decode_all(&packed(Packing::Zstd)[..]).unwrap(), b"one\ntwo\n");
    }
}
