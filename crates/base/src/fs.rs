//! The one layer through which files are touched: every error names the operation and the path, every change of the
//! file system passes [`crate::fault::point`]`("write")`, and whole files appear by rename or not at all.

use std::fs as std_fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::fault;
use crate::hint::Hint;

mod temporary;

pub use temporary::{is_leftover, is_temporary, remove_leftovers, temporary};

/// A file operation that failed, with its path. Its message says all: the system's error is no cause of its own.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`: {}", path.display(), plain(inner))]
pub struct Error {
    action: &'static str,
    path: PathBuf,
    inner: io::Error,
    hint: Option<String>,
}

/// The system's words without its error number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl Error {
    /// Wrap the system's error; `action` is a verb such as `read`.
    pub fn new(action: &'static str, path: &Path, inner: io::Error) -> Error {
        Error { action, path: path.into(), inner, hint: None }
    }

    /// The content of a file is not what it should be.
    fn content(action: &'static str, path: &Path, inner: io::Error, hint: String) -> Error {
        Error { hint: Some(hint), ..Error::new(action, path, inner) }
    }

    /// The kind of the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.inner.kind()
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        if self.hint.is_some() {
            return self.hint.clone();
        }
        Some(match self.inner.kind() {
            // Paths in recipes come here whole.
            io::ErrorKind::NotFound if self.path.is_absolute() => {
                "check the path; relative paths in a recipe start at the project root".into()
            }
            io::ErrorKind::NotFound => "check the path; relative paths start at the current folder".into(),
            io::ErrorKind::PermissionDenied => "check who owns it and its permissions".into(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space and run the same command again; finished work is kept".into()
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "the file system is read-only; use a project folder on a writable one".into()
            }
            io::ErrorKind::IsADirectory => "a file is needed here, not a folder".into(),
            io::ErrorKind::NotADirectory => "a folder is needed here, not a file".into(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                "the file is damaged, or is something else than it should be; `regimen ledger verify` looks at all of \
                 the store"
                    .into()
            }
            io::ErrorKind::ResourceBusy => "another program uses it; close that, or choose another path".into(),
            _ => return None,
        })
    }
}

/// What the functions here give back.
pub type Result<T> = std::result::Result<T, Error>;

fn boundary(action: &'static str, path: &Path) -> Result<()> {
    fault::point("write").map_err(|e| Error::new(action, path, e))
}

/// A file being written, buffered in 256 KiB; [`File::finish`] makes it durable.
#[derive(Debug)]
pub struct File {
    inner: BufWriter<std_fs::File>,
    path: PathBuf,
    ahead: Option<Ahead>,
}

impl File {
    /// Bring what is written to the disk at once, on a thread of its own, so that nobody waits for all of it at the end.
    pub fn ahead(mut self) -> Result<File> {
        let file = self.inner.get_ref().try_clone().map_err(|e| Error::new("open", &self.path, e))?;
        self.ahead = Some(Ahead::new(file));
        Ok(self)
    }

    /// Flush and fsync. Without it the content may be incomplete after a crash.
    pub fn finish(mut self) -> Result<()> {
        self.sync()?;
        self.joined()
    }

    /// Flush, for a file that is made durable later, by whoever takes it over: its content may be incomplete after a crash
    /// until then.
    pub fn close(mut self) -> Result<()> {
        self.push()?;
        self.joined()
    }

    /// The system tells of a fault of the disk once: what the other thread was told counts here.
    fn joined(&mut self) -> Result<()> {
        let joined = self.ahead.take().map_or(Ok(()), Ahead::end);
        joined.map_err(|e| Error::new("sync", &self.path, e))
    }

    /// Flush and fsync, and go on writing.
    pub fn sync(&mut self) -> Result<()> {
        boundary("sync", &self.path)?;
        self.inner.flush().map_err(|e| Error::new("write", &self.path, e))?;
        self.inner.get_ref().sync_all().map_err(|e| Error::new("sync", &self.path, e))
    }

    /// Flush, cut the file to `length` bytes, and go on writing from there.
    pub fn cut(&mut self, length: u64) -> Result<()> {
        boundary("cut", &self.path)?;
        self.inner.flush().map_err(|e| Error::new("write", &self.path, e))?;
        self.inner.get_ref().set_len(length).map_err(|e| Error::new("cut", &self.path, e))?;
        self.inner.seek(SeekFrom::End(0)).map(drop).map_err(|e| Error::new("cut", &self.path, e))
    }

    /// Hand the buffer to the system, without waiting for the disk.
    pub fn push(&mut self) -> Result<()> {
        self.inner.flush().map_err(|e| Error::new("write", &self.path, e))
    }

    /// Write all of `bytes`, with the path in the error.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        boundary("write", &self.path)?;
        self.inner.write_all(bytes).map_err(|e| Error::new("write", &self.path, e))?;
        if let Some(ahead) = &mut self.ahead {
            ahead.written(bytes.len());
        }
        Ok(())
    }

    /// The path given at creation.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Bytes that are written before the disk is asked for them.
const AHEAD: usize = 16 << 20;

/// A thread that brings a file to the disk while more of it is written.
#[derive(Debug)]
struct Ahead {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
    /// Bytes since it was asked.
    since: usize,
}

impl Ahead {
    fn new(file: std_fs::File) -> Ahead {
        let (ask, asked) = sync_channel(1);
        let thread = std::thread::spawn(move || asked.iter().try_for_each(|()| file.sync_data()));
        Ahead { ask, thread, since: 0 }
    }

    fn written(&mut self, bytes: usize) {
        self.since += bytes;
        if self.since >= AHEAD {
            self.since = 0;
            // A disk that is behind is not asked twice; a thread that ended tells why at the end.
            let _ = self.ask.try_send(());
        }
    }

    fn end(self) -> io::Result<()> {
        drop(self.ask);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point("write")?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Create or empty a file for writing.
pub fn create(path: &Path) -> Result<File> {
    boundary("create", path)?;
    let file = std_fs::File::create(path).map_err(|e| Error::new("create", path, e))?;
    Ok(File { inner: BufWriter::with_capacity(1 << 18, file), path: path.into(), ahead: None })
}

/// Open a file for appending after cutting it to `length` bytes (created if it is absent).
pub fn append_at(path: &Path, length: u64) -> Result<File> {
    boundary("open", path)?;
    let mut file = std_fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::new("open", path, e))?;
    file.set_len(length).map_err(|e| Error::new("cut", path, e))?;
    file.seek(SeekFrom::End(0)).map_err(|e| Error::new("open", path, e))?;
    Ok(File { inner: BufWriter::with_capacity(1 << 16, file), path: path.into(), ahead: None })
}

/// Open a file for reading.
pub fn open(path: &Path) -> Result<std_fs::File> {
    std_fs::File::open(path).map_err(|e| Error::new("open", path, e))
}

/// A whole file as bytes.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std_fs::read(path).map_err(|e| Error::new("read", path, e))
}

/// A whole file as UTF-8 text. Other text is an error of kind `InvalidData`.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|e| {
        let place = e.utf8_error().valid_up_to();
        let inner = io::Error::new(io::ErrorKind::InvalidData, format!("byte {place} is not UTF-8 text"));
        Error::content("read", path, inner, format!("save `{}` as UTF-8", path.display()))
    })
}

/// Whether what is at `path` is neither a file nor a folder: a device such as `/dev/null`, a terminal, a pipe, or a link to
/// what a process has open, such as `/dev/stdout`, whatever that is.
fn is_device(path: &Path) -> bool {
    let of_process = |path: &Path| {
        path.parent()
            .and_then(|dir| std_fs::canonicalize(dir).ok())
            .is_some_and(|dir| dir.starts_with("/proc"))
    };
    let leads_there = || of_process(path) || std_fs::read_link(path).is_ok_and(|to| of_process(&to));
    std_fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) || (path.is_symlink() && leads_there())
}

/// Refuse to put a file in the place of a device such as `/dev/null`: every other program would write into that one.
pub fn no_device(path: &Path) -> Result<()> {
    if !is_device(path) {
        return Ok(());
    }
    let inner = io::Error::new(io::ErrorKind::InvalidInput, "it is a device or a pipe");
    Err(Error::content("write", path, inner, "name a file; it is written whole or not at all".into()))
}

/// Write a whole file durably: a temporary neighbour, fsync, rename. A crash leaves the old file or the new one. A device
/// such as `/dev/null` stays what it is: the bytes go to it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_device(path) {
        let mut device = create(path)?;
        device.put(bytes)?;
        return device.push();
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", temporary()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = create(&temporary)?;
        file.put(bytes)?;
        file.finish()?;
        rename(&temporary, path)
    })();
    written.map_err(|error| {
        let _ = std_fs::remove_file(&temporary);
        // The reader knows the file that was to be written, not its neighbour.
        Error { path: path.into(), ..error }
    })
}

/// A value as pretty JSON with a final line feed, written as [`write()`] does.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::new("encode", path, e.into()))?;
    text.push(b'\n');
    write(path, &text)
}

/// A JSON file as a value.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|e| {
        let hint = format!("the file `{}` is damaged; put a whole one in its place", path.display());
        Error::content("decode", path, e.into(), hint)
    })
}

/// Make a folder and those above it.
pub fn create_dir_all(path: &Path) -> Result<()> {
    boundary("create folder", path)?;
    std_fs::create_dir_all(path).map_err(|e| Error::new("create folder", path, e))
}

/// Rename within one file system and make the entry durable. What [`no_device`] refuses is never replaced.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    boundary("rename to", to)?;
    no_device(to)?;
    std_fs::rename(from, to).map_err(|e| Error::new("rename to", to, e))?;
    match to.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Make the entries of a folder durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std_fs::File::open(path).and_then(|f| f.sync_all()).map_err(|e| Error::new("sync", path, e))
}

/// Remove a file; it is fine if there is none.
pub fn remove_file(path: &Path) -> Result<()> {
    boundary("remove", path)?;
    absent_is_fine(std_fs::remove_file(path)).map_err(|e| Error::new("remove", path, e))
}

/// Remove a folder with all in it; it is fine if there is none.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    boundary("remove", path)?;
    absent_is_fine(std_fs::remove_dir_all(path)).map_err(|e| Error::new("remove", path, e))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The entries of a folder by name, sorted; an absent folder has none.
pub fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std_fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::new("list", path, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry.map_err(|e| Error::new("list", path, e))?.path());
    }
    found.sort();
    Ok(found)
}

/// All files below a folder, as sorted paths relative to it. Links to folders are followed, unless they lead back to a
/// folder that they lie in: there would be no end.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![path.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in list(&folder)? {
            if entry.is_dir() {
                if !(entry.is_symlink() && leads_back(&entry, path)?) {
                    open.push(entry);
                }
            } else if let Ok(relative) = entry.strip_prefix(path) {
                found.push(relative.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a link leads to one of the folders on the way to it from `top`, or to one that holds such a folder.
pub fn leads_back(link: &Path, top: &Path) -> Result<bool> {
    let real = |path: &Path| std_fs::canonicalize(path).map_err(|e| Error::new("look at", path, e));
    let target = real(link)?;
    for folder in link.ancestors().skip(1) {
        if real(folder)?.starts_with(&target) {
            return Ok(true);
        }
        if folder == top {
            break;
        }
    }
    Ok(false)
}

/// Length of a file in bytes.
pub fn size(path: &Path) -> Result<u64> {
    std_fs::metadata(path).map(|m| m.len()).map_err(|e| Error::new("look at", path, e))
}

/// Free bytes on the disk that holds `path`.
pub fn free_space(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|e| Error::new("look at", path, e.into()))?;
    Ok(stat.f_bavail * stat.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_action_path_and_a_way_out() {
        let error = read(Path::new("no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `no/such/file`: no such file or directory");
        assert!(error.hint().unwrap().contains("check the path"));
        assert!(std::error::Error::source(&error).is_none(), "it would say the same again");
    }

    #[test]
    fn a_device_is_written_to_and_never_replaced() {
        use std::os::unix::fs::FileTypeExt;

        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || read(&pipe).unwrap()
        });
        write(&pipe, b"all of it").unwrap();
        assert_eq!(reader.join().unwrap(), b"all of it");

        let file = dir.path().join("file");
        write(&file, b"a").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for to in [&pipe, &link] {
            let error = rename(&file, to).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot write `{}`: it is a device or a pipe", to.display())
            );
        }
        assert!(std_fs::metadata(&pipe).unwrap().file_type().is_fifo() && link.is_symlink());
        // What this process has open, though it is a file.
        let open = std_fs::File::open(&file).unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        let out = dir.path().join("out");
        std::os::unix::fs::symlink(&name, &out).unwrap();
        if Path::new("/proc/self/fd").exists() {
            assert!(no_device(&out).is_err() && no_device(Path::new(&name)).is_err());
            write(&out, b"by the link").unwrap();
            assert_eq!((read(&file).unwrap(), out.is_symlink()), (b"by the link".to_vec(), true));
        }
        std_fs::remove_file(&out).unwrap();
        assert!(no_device(&file).is_ok() && no_device(&dir.path().join("absent")).is_ok());
        assert_eq!(list(dir.path()).unwrap(), [file, link, pipe], "nothing was left beside them");
    }

    #[test]
    fn content_that_is_not_as_it_should_be_is_told_by_file_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write(&path, b"{\"a\": ").unwrap();
        let error = read_json::<serde_json::Value>(&path).unwrap_err();
        assert!(error.to_string().contains("a.json`: EOF while parsing"), "{error}");
        assert!(error.hint().unwrap().contains("a.json` is damaged"), "{error}");
        write(&path, b"caf\xe9").unwrap();
        let error = read_text(&path).unwrap_err();
        assert!(error.to_string().ends_with("a.json`: byte 3 is not UTF-8 text"), "{error}");
        assert!(error.hint().unwrap().contains("as UTF-8"), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn links_to_folders_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        for folder in ["a", "b/c"] {
            create_dir_all(&top.join(folder)).unwrap();
        }
        create_dir_all(&dir.path().join("outside")).unwrap();
        write(&dir.path().join("outside/o"), b"").unwrap();
        write(&top.join("a/x"), b"").unwrap();
        write(&top.join("b/c/y"), b"").unwrap();
        symlink(dir.path().join("outside"), top.join("a/out")).unwrap();
        symlink("..", top.join("a/up")).unwrap();
        symlink("../..", top.join("a/above")).unwrap();
        symlink(".", top.join("b/c/self")).unwrap();
        let found = |wanted: &[&str]| {
            let wanted: Vec<PathBuf> = wanted.iter().map(PathBuf::from).collect();
            assert_eq!(files_below(&top).unwrap(), wanted);
        };
        found(&["a/out/o", "a/x", "b/c/y"]);
        // Two links, each to where the other lies.
        symlink("../b", top.join("a/to_b")).unwrap();
        symlink("../a", top.join("b/to_a")).unwrap();
        found(&["a/out/o", "a/to_b/c/y", "a/x", "b/c/y", "b/to_a/out/o", "b/to_a/x"]);
    }

    #[test]
    fn whole_files_replace_each_other_and_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(list(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn what_cannot_take_its_name_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        create_dir_all(&path.join("inside")).unwrap();
        let error = write(&path, b"x").unwrap_err();
        assert_eq!(error.path(), path);
        assert_eq!(list(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn what_is_brought_to_the_disk_ahead_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let piece: Vec<u8> = (0..5 << 20).map(|i: u32| (i % 251) as u8).collect();
        for durable in [true, false] {
            let path = dir.path().join("x");
            let mut file = create(&path).unwrap().ahead().unwrap();
            (0..9).for_each(|_| file.put(&piece).unwrap());
            if durable { file.finish() } else { file.close() }.unwrap();
            assert_eq!(read(&path).unwrap(), piece.repeat(9));
        }
    }

    #[test]
    fn appending_cuts_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write(&path, b"one\ntwo\nthr").unwrap();
        let mut file = append_at(&path, 4).unwrap();
        file.put(b"2\n").unwrap();
        file.finish().unwrap();
        assert_eq!(read(&path).unwrap(), b"one\n2\n");
    }

    #[test]
    fn folders_list_in_order() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(&dir.path().join("b/c")).unwrap();
        write(&dir.path().join("b/c/x"), b"").unwrap();
        write(&dir.path().join("a"), b"").unwrap();
        assert_eq!(files_below(dir.path()).unwrap(), [Path::new("a"), Path::new("b/c/x")]);
        assert!(list(&dir.path().join("none")).unwrap().is_empty());
    }
}
