//! Artifacts into a file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path;

use regimen_base::{Hash256, Key, fs};

use crate::archive::tar::{self, BLOCK};
use crate::archive::{FORMAT, HEAD, Head, Listed, Listing};
use crate::error::{Error, Result};
use crate::manifest::{Artifact, FileEntry, MANIFEST};
use crate::store::Store;

/// How hard zstd tries: weights and token ids hardly get smaller.
const LEVEL: i32 = 3;

impl Store {
    /// Write an artifact and everything that it was made from to the file `to`, which must not exist; without `data`
    /// the manifests alone. Every file is hashed on the way. `progress` is told bytes done and in all, and says whether
    /// to go on. A file that cannot be finished is removed.
    ///
    /// # Errors
    /// [`Error::Exists`]; [`Error::Unfit`] if an artifact is missing or damaged; [`Error::Interrupted`].
    pub fn export(
        &self,
        artifact: &Artifact,
        to: &Path,
        data: bool,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Listing> {
        if to.exists() {
            return Err(Error::Exists { path: to.into() });
        }
        let family = self.family(artifact)?;
        let mut manifests = Vec::with_capacity(family.len());
        for member in &family {
            manifests.push(fs::read(&member.file(MANIFEST))?);
        }
        let bytes = family.iter().flat_map(|a| &a.manifest.files).map(|f| f.bytes).sum();
        let listed = family.iter().zip(&manifests).map(|(member, bytes)| Listed {
            kind: member.manifest.kind.clone(),
            key: member.key(),
            manifest: Hash256::of(bytes),
        });
        let head = Head { format: FORMAT, data, root: artifact.key(), artifacts: listed.collect() };

        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let temporary = to.with_file_name(format!("{name}.{}", fs::temporary()));
        let written = (|| {
            let file = fs::create(&temporary)?;
            let broken = |e| fs::Error::new("write", &temporary, e);
            let mut zstd = zstd::Encoder::new(file, LEVEL).map_err(broken)?;
            zstd.include_checksum(true).map_err(broken)?;
            let mut out =
                Out { zstd, path: &temporary, done: 0, total: if data { bytes } else { 0 }, progress };
            out.all(&head, &family, &manifests)?;
            let file = out.zstd.finish().map_err(broken)?;
            file.finish()?;
            Ok(fs::rename(&temporary, to)?)
        })();
        if let Err(error) = written {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        let artifacts = family.into_iter().map(|member| member.manifest).collect();
        Ok(Listing { root: artifact.key(), artifacts, data, bytes })
    }

    /// An artifact and all that it was made from, inputs before what uses them, in an order that depends on keys alone.
    fn family(&self, artifact: &Artifact) -> Result<Vec<Artifact>> {
        let kinds: BTreeMap<Key, String> = {
            let present = self.artifact_dirs()?;
            present.iter().filter_map(|dir| Some((crate::store::dir_key(dir)?, kind_of(dir)))).collect()
        };
        let mut waiting: BTreeMap<Key, Artifact> = BTreeMap::new();
        let mut open = vec![(artifact.key(), artifact.key())];
        while let Some((key, user)) = open.pop() {
            if waiting.contains_key(&key) {
                continue;
            }
            let member = if key == artifact.key() {
                Artifact::open(&artifact.path)?
            } else {
                let kind = kinds.get(&key).ok_or_else(|| Error::Unfit {
                    what: format!("artifact {}", user.short()),
                    why: format!("{}, which it was made from, is not in the store", key.short()),
                })?;
                Artifact::open(&self.artifact_dir(kind, key))?
            };
            open.extend(member.manifest.inputs.values().map(|input| (*input, key)));
            waiting.insert(key, member);
        }
        let mut placed = BTreeSet::new();
        let mut family = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let ready = |a: &Artifact| a.manifest.inputs.values().all(|input| placed.contains(input));
            // Keys are hashes of the inputs' keys, so there is no cycle; a store that was tampered with may have one.
            let Some(key) = waiting.iter().find(|(_, a)| ready(a)).map(|(key, _)| *key) else {
                return Err(Error::Unfit {
                    what: format!("artifact {}", artifact.key().short()),
                    why: "it was made from itself".into(),
                });
            };
            placed.insert(key);
            family.extend(waiting.remove(&key));
        }
        Ok(family)
    }
}

fn kind_of(dir: &Path) -> String {
    dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

struct Out<'o> {
    zstd: zstd::Encoder<'static, fs::File>,
    path: &'o Path,
    done: u64,
    total: u64,
    progress: &'o mut dyn FnMut(u64, u64) -> bool,
}

impl Out<'_> {
    fn all(&mut self, head: &Head, family: &[Artifact], manifests: &[Vec<u8>]) -> Result<()> {
        let list = serde_json::to_vec(head).map_err(|e| fs::Error::new("encode", self.path, e.into()))?;
        self.bytes(HEAD, &list)?;
        for (member, manifest) in family.iter().zip(manifests) {
            let folder = format!("{}/{}", member.manifest.kind, member.key());
            self.bytes(&format!("{folder}/{MANIFEST}"), manifest)?;
            if head.data {
                for entry in &member.manifest.files {
                    self.file(&folder, member, entry)?;
                }
            }
        }
        self.put(&[0; 2 * BLOCK])
    }

    fn begin(&mut self, path: &str, size: u64) -> Result<()> {
        let header = tar::header(path, size)
            .ok_or_else(|| Error::Unfit { what: format!("`{path}`"), why: "its path is too long".into() })?;
        self.put(&header)
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.begin(path, bytes.len() as u64)?;
        self.put(bytes)?;
        self.put(&[0; BLOCK][..tar::padding(bytes.len() as u64)])
    }

    fn file(&mut self, folder: &str, member: &Artifact, entry: &FileEntry) -> Result<()> {
        let path = member.file(&entry.path);
        let changed = || Error::Unfit {
            what: format!("`{}`", path.display()),
            why: "its content is not what the manifest says".into(),
        };
        self.begin(&format!("{folder}/{}", entry.path), entry.bytes)?;
        let mut file = fs::open(&path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut left = entry.bytes;
        loop {
            let n = file.read(&mut buffer).map_err(|e| fs::Error::new("read", &path, e))?;
            if n == 0 {
                break;
            }
            left = left.checked_sub(n as u64).ok_or_else(changed)?;
            hasher.update(&buffer[..n]);
            self.put(&buffer[..n])?;
            self.done += n as u64;
            if !(self.progress)(self.done, self.total) {
                return Err(Error::Interrupted);
            }
        }
        if left > 0 || Hash256(*hasher.finalize().as_bytes()) != entry.blake3 {
            return Err(changed());
        }
        self.put(&[0; BLOCK][..tar::padding(entry.bytes)])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.zstd.write_all(bytes).map_err(|e| fs::Error::new("write", self.path, e))?)
    }
}
