//! A folder as an object store.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use regimen_base::fs;

use crate::error::{Error, Result};
use crate::{Entry, PIECE};

/// Objects are the files below it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub fn new(path: &Path) -> Folder {
        Folder(path.into())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn missing(&self, name: &str) -> Error {
        Error::Missing { url: self.path(name).display().to_string() }
    }

    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let base = self.0.join(prefix);
        if !base.is_dir() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for file in fs::files_below(&base)? {
            // Files that are being written are not there yet.
            let being_written =
                file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let Some(name) = file.to_str().filter(|_| !being_written) else { continue };
            found.extend(self.look(&format!("{prefix}{name}"))?);
        }
        Ok(found)
    }

    pub fn holds(&self, prefix: &str) -> Result<bool> {
        Ok(!self.list(prefix)?.is_empty())
    }

    pub fn look(&self, name: &str) -> Result<Option<Entry>> {
        let path = self.path(name);
        match std::fs::metadata(&path) {
            Ok(about) if about.is_file() => {
                let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let tag = changed.map_or(String::new(), |time| time.as_nanos().to_string());
                Ok(Some(Entry { name: name.into(), bytes: about.len(), tag }))
            }
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(fs::Error::new("look at", &path, error).into()),
        }
    }

    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let path = self.path(name);
        if self.look(name)?.is_none() {
            return Err(self.missing(name));
        }
        let mut file = fs::open(&path)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(range.end - range.start).read_to_end(&mut bytes))
            .map_err(|e| fs::Error::new("read", &path, e))?;
        Ok(bytes)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = beside(&path);
        fs::write(&temporary, bytes)?;
        Ok(fs::rename(&temporary, &path)?)
    }

    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let path = self.path(name);
        if path.exists() {
            return Ok(false);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = beside(&path);
        fs::write(&temporary, bytes)?;
        // A link is made or not: of several at once one makes it.
        let linked = std::fs::hard_link(&temporary, &path);
        fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(fs::Error::new("create", &path, error).into()),
        }
    }

    pub fn fetch(&self, entry: &Entry, path: &Path, came: &mut dyn FnMut(u64)) -> Result<()> {
        let from = self.path(&entry.name);
        let now = self.look(&entry.name)?.ok_or_else(|| self.missing(&entry.name))?;
        if now.bytes != entry.bytes || (!entry.tag.is_empty() && now.tag != entry.tag) {
            return Err(Error::Changed { url: from.display().to_string() });
        }
        copy(&from, path, came)
    }

    pub fn send(&self, path: &Path, name: &str) -> Result<()> {
        copy(path, &self.path(name), &mut |_| ())
    }
}

/// Copy a file piece by piece; the copy is there once it is whole.
fn copy(from: &Path, to: &Path, came: &mut dyn FnMut(u64)) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = beside(to);
    let mut source = fs::open(from)?;
    let mut copy = std::fs::File::create(&temporary).map_err(|e| fs::Error::new("create", &temporary, e))?;
    loop {
        let piece = std::io::copy(&mut (&mut source).take(PIECE), &mut copy);
        match piece.map_err(|e| fs::Error::new("copy", from, e))? {
            0 => break,
            bytes => came(bytes),
        }
    }
    Ok(fs::rename(&temporary, to)?)
}

/// A name for what is being written, which no two writers share.
pub(crate) fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{count}.{}", fs::temporary()))
}

#[cfg(test)]
mod tests {
    use crate::{Error, Objects};

    #[test]
    fn objects_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let store = Objects::open(dir.path().to_str().unwrap()).unwrap();
        assert!(store.list("").unwrap().is_empty() && store.read("a/b").unwrap().is_none());
        assert!(store.write_new("a/b", b"one").unwrap() && !store.write_new("a/b", b"two").unwrap());
        store.write("a/c", b"three").unwrap();
        let names: Vec<String> = store.list("a/").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a/b", "a/c"]);
        assert_eq!(store.read("a/b").unwrap().unwrap(), b"one");
        assert_eq!(store.read_range("a/c", 1..3).unwrap(), b"hr");
        assert!(store.read_range("a/c", 2..2).unwrap().is_empty());
        assert!(matches!(store.read_range("a/c", 3..9), Err(Error::Short { end: 9, .. })));
        assert!(matches!(store.read_range("a/x", 0..1), Err(Error::Missing { .. })));
        let entry = store.look("a/c").unwrap().unwrap();
        let copy = dir.path().join("copy");
        store.fetch(&entry, &copy, &mut |_| ()).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), b"three");
        store.send(&copy, "d").unwrap();
        assert_eq!(store.read("d").unwrap().unwrap(), b"three");
        store.write("a/c", b"other").unwrap();
        let changed = store.fetch(&crate::Entry { bytes: 4, ..entry }, &copy, &mut |_| ());
        assert!(matches!(changed, Err(Error::Changed { .. })));
    }

    #[test]
    fn a_large_file_is_seen_to_come() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        let bytes: Vec<u8> = (0..20_000_003u32).map(|i| (i >> 7) as u8).collect();
        std::fs::write(dir.path().join("store/big"), &bytes).unwrap();
        let store = Objects::open(dir.path().join("store").to_str().unwrap()).unwrap();
        let entry = store.look("big").unwrap().unwrap();
        let (copy, mut seen) = (dir.path().join("copy"), Vec::new());
        store.fetch(&entry, &copy, &mut |more| seen.push((more, copy.exists()))).unwrap();
        assert!(std::fs::read(&copy).unwrap() == bytes);
        assert!(seen.len() > 2 && seen.iter().all(|(_, whole)| !whole), "{seen:?}");
        assert_eq!(seen.iter().map(|(more, _)| more).sum::<u64>(), entry.bytes);
    }

    #[test]
    fn of_many_writers_one_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Objects::open(dir.path().to_str().unwrap()).unwrap();
        let wrote = std::thread::scope(|scope| {
            let one = |i: u8| {
                scope.spawn({
                    let store = &store;
                    move || store.write_new("x", &[i; 1000]).unwrap()
                })
            };
            let all: Vec<_> = (0..8).map(one).collect();
            all.into_iter()
                .filter(|_| true)
                .map(|thread| thread.join().unwrap())
                .filter(|wrote| *wrote)
                .count()
        });
        assert_eq!(wrote, 1);
        let bytes = store.read("x").unwrap().unwrap();
        assert!(bytes.len() == 1000 && bytes.iter().all(|&b| b == bytes[0]));
        assert_eq!(store.list("").unwrap().len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_store_says_so() {
        use regimen_base::Hint;
        let error = Objects::open("ftp://host/x").unwrap_err();
        assert!(error.to_string().contains("ftp://host/x") && error.hint().unwrap().contains("s3://"));
        if cfg!(not(feature = "cloud")) {
            let error = Objects::open("s3://bucket/x").unwrap_err();
            assert!(error.hint().unwrap().contains("--features cloud"));
        }
    }
}
