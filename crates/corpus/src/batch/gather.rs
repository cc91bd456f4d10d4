//! What workers made of files, put together as the parts of a build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::{Cancel, Hash256, fs};
use regimen_ledger::Store;
use regimen_recipe::InputFile;

use super::plan::{Made, Plan, check};
use super::rounds::Gathered;
use crate::error::{Error, Result};
use crate::output::{Note, Output};

/// Takes what workers made, in any order.
pub struct Gathering {
    plan: Plan,
    files: Vec<String>,
    folder: PathBuf,
    have: BTreeMap<usize, Had>,
}

/// What is kept of a file that came.
struct Had {
    blake3: Hash256,
    documents: u64,
    check: Hash256,
    /// Hash of what deduplication compares of it.
    hashes: Hash256,
}

impl Gathering {
    /// Gather the files of a plan in `folder`, which becomes the folder of parts that a build takes over.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(plan: &Plan, folder: &Path) -> Result<Gathering> {
        fs::create_dir_all(folder)?;
        let files = plan.files()?.into_iter().map(|file| file.path).collect();
        Ok(Gathering { plan: plan.clone(), files, folder: folder.into(), have: BTreeMap::new() })
    }

    /// Take what a file became. A file may come twice, if it became the same.
    ///
    /// # Errors
    /// [`Error::Handed`] for a file that is not in the plan, that came before as something else, or that is damaged.
    pub fn take(&mut self, made: &Made) -> Result<()> {
        let Some(path) = self.files.get(made.file) else {
            return Err(Error::Handed {
                what: format!("a row is of file {}, but the plan has {} files", made.file, self.files.len()),
                hint: "give the rows that `first` of the same plan made",
            });
        };
        if check(&made.docs, &made.hashes) != made.check {
            return Err(Error::Handed {
                what: format!("what `first` made of `{path}` was damaged on the way"),
                hint: "run the first pass again",
            });
        }
        if let Some(had) = self.have.get(&made.file) {
            if had.check == made.check && had.blake3 == made.blake3 {
                return Ok(());
            }
            return Err(Error::Handed {
                what: format!("`{path}` comes twice, with different content"),
                hint: "the file changed while it was read: make the plan again",
            });
        }
        fs::write(&self.path(made.file, "docs"), &made.docs)?;
        fs::write(&self.path(made.file, "hashes"), &made.hashes)?;
        let (blake3, documents, check) = (made.blake3, made.documents, made.check);
        self.have.insert(made.file, Had { blake3, documents, check, hashes: Hash256::of(&made.hashes) });
        Ok(())
    }

    fn path(&self, file: usize, what: &str) -> PathBuf {
        self.folder.join(format!("file-{file:06}.{what}"))
    }

    /// Put the parts together in document order. Input files are hashed again, or as `store` remembers them.
    ///
    /// # Errors
    /// [`Error::Handed`] if files are missing, or are not what the workers read.
    pub fn finish(self, store: &Store, cancel: &Cancel) -> Result<Gathered> {
        let missing: Vec<&String> = (0..)
            .zip(&self.files)
            .filter(|(i, _)| !self.have.contains_key(i))
            .map(|(_, path)| path)
            .collect();
        if let Some(path) = missing.first() {
            return Err(Error::Handed {
                what: format!(
                    "{} of {} files are missing, such as `{path}`",
                    missing.len(),
                    self.files.len()
                ),
                hint: "give the rows that `first` made of all files of the plan",
            });
        }
        let files = self.plan.files_of(|full, path| {
            cancel.check()?;
            let (blake3, bytes) = store
                .hash_file(full)
                .map_err(|e| Error::Listing(Box::new(regimen_recipe::Error::from(e))))?;
            Ok(InputFile { path: path.into(), full: full.into(), blake3, bytes })
        })?;
        self.plan.same(files.values().flatten())?;
        let config = self.plan.config()?;
        let ground = self.plan.ground(&config, &files)?;
        for (number, had) in &self.have {
            let input = ground.plan.get(*number).map(|file| file.input);
            if let Some(input) = input.filter(|input| input.blake3 != had.blake3) {
                return Err(Error::Handed {
                    what: format!("`{}` is here something else than what a worker read", input.path),
                    hint: "give all machines the same files, and run the first pass again",
                });
            }
        }
        let reading = ground.reading();
        let mut progress = |_: u64, _: u64, _: u64| Ok(());
        let first = ground.first(&reading, &self.folder, cancel, &mut progress);
        for (group, files) in ground.groups.iter().enumerate() {
            for what in ["docs", "hashes"] {
                cancel.check()?;
                let mut output = Output::anew(&first.path(group, what), first.key(group))?;
                for file in files.clone() {
                    let path = self.path(file, what);
                    output.put(&fs::read(&path)?, self.have.get(&file).map_or(0, |had| had.documents))?;
                    fs::remove_file(&path)?;
                }
                output.close()?;
            }
        }
        let mut starts = vec![0u32];
        for had in self.have.values() {
            let next = u64::from(starts.last().copied().unwrap_or(0)) + had.documents;
            let most = u64::from(u32::MAX);
            starts.push(u32::try_from(next).map_err(|_| Error::TooMany { what: "documents", most })?);
        }
        let groups = ground.groups.len();
        let notes = (0..groups).map(|group| first.note(group)).collect::<Result<Vec<Note>>>()?;
        let (key, keep) = (ground.rounds_key(&notes), ground.pipeline.keep());
        let hashes = self.have.values().map(|had| had.hashes).collect();
        let (plan, folder) = (self.plan.clone(), self.folder.clone());
        Ok(Gathered { plan, folder, groups, starts, hashes, key, keep })
    }
}
