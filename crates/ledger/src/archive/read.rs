//! Artifacts out of a file, none of whose bytes are believed before they are checked.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, Key, events, fs};

use crate::archive::tar::{self, BLOCK};
use crate::archive::{
    HEAD, Head, LONGEST, Listed, Listing, STAGING, STAGING_LOCK, Unpacked, flaw_of_list, flaw_of_manifest,
};
use crate::error::{Error, Result};
use crate::labels::{LABELS, Labels};
use crate::lock::{Asked, Lock};
use crate::manifest::{FileEntry, MANIFEST, Manifest};
use crate::runs::{RunInfo, Status, run_id};
use crate::store::Store;

/// The tag of a run that stands for something imported.
const IMPORTED: &str = "imported";

/// The largest window of zstd that is taken, as a power of two: 8 MiB. [`Store::export`] needs 2 MiB.
const WINDOW: u32 = 23;

/// Check every byte of a file and say what it holds. Nothing is written.
///
/// # Errors
/// [`Error::Archive`] for the first thing that is wrong; [`Error::Interrupted`] once `progress` says no.
pub(crate) fn look_into(from: &Path, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Listing> {
    In::open(from, progress)?.all(&mut |_| Ok(None))
}

impl Store {
    /// Check every byte of a file of artifacts and say what it holds; no store is needed and nothing is written.
    ///
    /// # Errors
    /// [`Error::Archive`] for the first thing that is wrong; [`Error::Interrupted`] once `progress`, which is told bytes of the file
    /// read and in all, says no.
    pub fn list_file(from: &Path, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Listing> {
        look_into(from, progress)
    }

    /// Take in the artifacts of a file that [`Store::export`] wrote. All of it is checked before any of it gets its place;
    /// what the store has already stays as it is. After a kill the same call ends what was begun.
    ///
    /// # Errors
    /// [`Error::Archive`] for a file that is damaged, cut or forged, [`Error::NoData`] for one without data: nothing is
    /// imported then. [`Error::Busy`] while another process imports.
    pub fn import(&self, from: &Path, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Unpacked> {
        self.share()?;
        let lock = match Lock::ask(&self.dir().join(STAGING_LOCK))? {
            Asked::Held(lock) => lock,
            Asked::Busy(pid) => {
                return Err(Error::Busy { kind: "an import of".into(), key: "artifacts".into(), pid });
            }
        };
        let staging = self.dir().join(STAGING);
        fs::remove_dir_all(&staging)?;
        let taken = self.take(from, &staging, progress);
        let cleared = fs::remove_dir_all(&staging);
        lock.retire();
        let taken = taken?;
        cleared?;
        Ok(taken)
    }

    fn take(
        &self,
        from: &Path,
        staging: &Path,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Unpacked> {
        let mut new = BTreeSet::new();
        let listing = In::open(from, progress)?.all(&mut |manifest| {
            // One that is there is looked at by `verify`, not here.
            if self.artifact_dir(&manifest.kind, manifest.key).exists() {
                Lock::tidy(&self.lock_path(manifest.key));
                return Ok(None);
            }
            let folder = staging.join(&manifest.kind).join(manifest.key.to_string());
            fs::create_dir_all(&folder)?;
            new.insert(manifest.key);
            Ok(Some(folder))
        })?;
        if !listing.data {
            return Err(Error::NoData { path: from.into() });
        }
        for manifest in listing.artifacts.iter().filter(|manifest| new.contains(&manifest.key)) {
            self.place(manifest, &staging.join(&manifest.kind).join(manifest.key.to_string()))?;
        }
        if let Some(root) = listing.artifacts.last() {
            self.record(root, !new.is_empty())?;
        }
        Ok(Unpacked { listing, new })
    }

    /// A run for the artifact that was asked for, so that it is listed, and a tag, so that it is kept.
    fn record(&self, root: &Manifest, new: bool) -> Result<()> {
        let tag = |labels: &mut Labels| {
            labels.tags.insert(IMPORTED.into());
        };
        let id = run_id(&root.stage, root.key);
        if self.find_run(&id)?.is_some() {
            return if new { self.label(&id, tag).map(drop) } else { Ok(()) };
        }
        let mut labels = Labels::default();
        tag(&mut labels);
        let dir = self.run_dir(&id);
        fs::create_dir_all(&dir)?;
        // The record comes last: without it the call after a kill writes both.
        fs::write_json(&dir.join(LABELS), &labels)?;
        self.write_run(&RunInfo {
            id,
            stage: root.stage.clone(),
            kind: root.kind.clone(),
            key: root.key,
            recipe: PathBuf::new(),
            recipe_name: IMPORTED.into(),
            command: std::env::args().collect(),
            status: Status::Cached,
            started: events::now(),
            seconds: 0.0,
            pid: std::process::id(),
            fingerprint: root.fingerprint.clone(),
            config: root.config.clone(),
            inputs: root.inputs.clone(),
        })
    }

    /// Give a checked artifact its place, unless somebody has made it meanwhile.
    fn place(&self, manifest: &Manifest, folder: &Path) -> Result<()> {
        let lock = match Lock::ask(&self.lock_path(manifest.key))? {
            Asked::Held(lock) => lock,
            Asked::Busy(pid) => {
                return Err(Error::Busy { kind: manifest.kind.clone(), key: manifest.key.short(), pid });
            }
        };
        let target = self.artifact_dir(&manifest.kind, manifest.key);
        if !target.exists() {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
                fs::sync_dir(&self.dir().join("artifacts"))?;
            }
            fs::rename(folder, &target)?;
        }
        lock.retire();
        Ok(())
    }
}

/// A file that is read front to back.
struct In<'i> {
    zstd: zstd::Decoder<'static, BufReader<Counted>>,
    from: PathBuf,
    total: u64,
    progress: &'i mut dyn FnMut(u64, u64) -> bool,
    buffer: Vec<u8>,
}

/// A file that knows how far it was read.
struct Counted(std::fs::File, u64);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1 += n as u64;
        Ok(n)
    }
}

/// Where an artifact goes that the file holds; none if it is only to be checked.
type Place<'p> = dyn FnMut(&Manifest) -> Result<Option<PathBuf>> + 'p;

impl<'i> In<'i> {
    fn open(from: &Path, progress: &'i mut dyn FnMut(u64, u64) -> bool) -> Result<In<'i>> {
        let file = BufReader::new(Counted(fs::open(from)?, 0));
        let broken = |e| fs::Error::new("read", from, e);
        let mut zstd = zstd::Decoder::with_buffer(file).map_err(broken)?;
        zstd.window_log_max(WINDOW).map_err(broken)?;
        Ok(In { zstd, from: from.into(), total: fs::size(from)?, progress, buffer: vec![0; 1 << 18] })
    }

    fn all(mut self, place: &mut Place) -> Result<Listing> {
        let head: Head = self.json(HEAD, None)?;
        if let Some(why) = flaw_of_list(&head) {
            return Err(self.bad(why));
        }
        let mut before = BTreeSet::new();
        let mut artifacts = Vec::new();
        let mut bytes = 0u64;
        for listed in &head.artifacts {
            let manifest = self.artifact(listed, head.data, &before, place)?;
            bytes = manifest.files.iter().fold(bytes, |sum, file| sum.saturating_add(file.bytes));
            before.insert(listed.key);
            artifacts.push(manifest);
        }
        for _ in 0..2 {
            if let Some(entry) = self.header()? {
                return Err(self.bad(format!("`{}` is more than it lists", entry.path.escape_default())));
            }
        }
        if self.some()? > 0 {
            return Err(self.bad("it goes on behind its end".into()));
        }
        Ok(Listing { root: head.root, artifacts, data: head.data, bytes })
    }

    fn artifact(
        &mut self,
        listed: &Listed,
        data: bool,
        before: &BTreeSet<Key>,
        place: &mut Place,
    ) -> Result<Manifest> {
        let folder = format!("{}/{}", listed.kind, listed.key);
        let path = format!("{folder}/{MANIFEST}");
        let text = self.whole(&path, Some(listed.manifest))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| self.bad(format!("`{path}`: {e}")))?;
        if let Some(why) = flaw_of_manifest(&manifest, listed, before) {
            return Err(self.bad(format!("`{path}`: {why}")));
        }
        if !data {
            return Ok(manifest);
        }
        let to = place(&manifest)?;
        for entry in &manifest.files {
            self.file(&folder, entry, to.as_deref())?;
        }
        if let Some(to) = to {
            let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
            for file in &manifest.files {
                folders.extend(to.join(&file.path).parent().map(Path::to_path_buf));
            }
            folders.iter().try_for_each(|folder| fs::sync_dir(folder))?;
            // The manifest comes last, as in every artifact that is made here.
            fs::write(&to.join(MANIFEST), &text)?;
        }
        Ok(manifest)
    }

    fn file(&mut self, folder: &str, entry: &FileEntry, to: Option<&Path>) -> Result<()> {
        let path = format!("{folder}/{}", entry.path);
        let size = self.expect(&path)?;
        if size != entry.bytes {
            return Err(self.bad(format!("`{path}` has {size} bytes instead of {}", entry.bytes)));
        }
        let mut out = match to {
            Some(to) => {
                let to = to.join(&entry.path);
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                Some(fs::create(&to)?)
            }
            None => None,
        };
        let mut hasher = blake3::Hasher::new();
        let mut left = size;
        while left > 0 {
            let n = (self.buffer.len() as u64).min(left) as usize;
            self.fill(n)?;
            hasher.update(&self.buffer[..n]);
            if let Some(out) = &mut out {
                out.put(&self.buffer[..n])?;
            }
            left -= n as u64;
        }
        self.skip_padding(size)?;
        if Hash256(*hasher.finalize().as_bytes()) != entry.blake3 {
            return Err(self.bad(format!("`{path}` has another hash than its manifest says")));
        }
        out.map_or(Ok(()), |out| Ok(out.finish()?))
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, path: &str, hash: Option<Hash256>) -> Result<T> {
        let text = self.whole(path, hash)?;
        serde_json::from_slice(&text).map_err(|e| self.bad(format!("`{path}`: {e}")))
    }

    /// The next file, which must be called so and have this hash, and is not long.
    fn whole(&mut self, path: &str, hash: Option<Hash256>) -> Result<Vec<u8>> {
        let size = self.expect(path)?;
        if size > LONGEST {
            return Err(self.bad(format!("`{path}` is longer than {LONGEST} bytes")));
        }
        // It grows with what is really there, not with what the file says is.
        let mut text = Vec::new();
        let mut left = size;
        while left > 0 {
            let n = (self.buffer.len() as u64).min(left) as usize;
            self.fill(n)?;
            text.extend_from_slice(&self.buffer[..n]);
            left -= n as u64;
        }
        self.skip_padding(size)?;
        match hash {
            Some(hash) if Hash256::of(&text) != hash => {
                Err(self.bad(format!("`{path}` has another hash than `{HEAD}` says")))
            }
            _ => Ok(text),
        }
    }

    /// Length of the next file, which must be called so.
    fn expect(&mut self, path: &str) -> Result<u64> {
        match self.header()? {
            Some(entry) if entry.path == path => Ok(entry.size),
            Some(entry) => {
                Err(self.bad(format!("`{}` stands where `{path}` should", entry.path.escape_default())))
            }
            None => Err(self.bad(format!("it ends before `{path}`"))),
        }
    }

    fn header(&mut self) -> Result<Option<tar::Entry>> {
        self.fill(BLOCK)?;
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.buffer[..BLOCK]);
        tar::parse(&block).map_err(|why| self.bad(why))
    }

    fn skip_padding(&mut self, size: u64) -> Result<()> {
        let n = tar::padding(size);
        self.fill(n)?;
        match self.buffer[..n].iter().all(|&b| b == 0) {
            true => Ok(()),
            false => Err(self.bad("there is something between two files".into())),
        }
    }

    /// Read exactly `n` bytes into the buffer.
    fn fill(&mut self, n: usize) -> Result<()> {
        if !(self.progress)(self.zstd.get_ref().get_ref().1, self.total) {
            return Err(Error::Interrupted);
        }
        let read = self.zstd.read_exact(&mut self.buffer[..n]);
        read.map_err(|e| self.unreadable(&e))
    }

    /// Whether anything is left.
    fn some(&mut self) -> Result<usize> {
        let read = self.zstd.read(&mut self.buffer[..1]);
        read.map_err(|e| self.unreadable(&e))
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        self.bad(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it is cut off".into(),
            _ => format!("it cannot be unpacked: {error}"),
        })
    }

    fn bad(&self, why: String) -> Error {
        Error::Archive { path: self.from.clone(), why }
    }
}
