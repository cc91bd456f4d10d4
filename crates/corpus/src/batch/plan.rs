//! A build whose first pass another program runs, file by file. What a file becomes depends on the plan alone, so files may
//! be read anywhere, in any order, and twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::{InputFile, as_read, list_files};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build::{self, Files, Ground, UNREAD};
use crate::code::is_licence_file;
use crate::config::{Config, FIELDS, Format};
use crate::error::{Error, Result};
use crate::flow;
use crate::memory::Memory;
use crate::read::attributes::Found;

/// The plan of a build: the config and the files. It goes to other machines as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub(super) stage: String,
    root: PathBuf,
    config: Value,
    /// Files of documents, and attribute files.
    listed: Vec<Listed>,
    /// The names of attributes that no source gives.
    names: Found,
}

/// A file as it was listed; it has not been read.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {
    pattern: String,
    path: String,
    full: PathBuf,
    bytes: u64,
    /// Of attribute files and licence files, which lie beside what is read: the hash that all machines must find.
    beside: Option<Hash256>,
}

/// A file of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFile {
    /// Its number in document order, from 0.
    pub number: usize,
    /// Path relative to the project, or the URL of an object.
    pub path: String,
    /// Where it is on the machine that made the plan.
    pub full: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The part of the build that it belongs to: neighbouring files share one.
    pub group: usize,
}

/// What the first pass makes of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Number of the file.
    pub file: usize,
    /// Hash of the file as it was read.
    pub blake3: Hash256,
    /// Documents in it.
    pub documents: u64,
    /// A record for each of them.
    pub docs: Vec<u8>,
    /// What deduplication compares of them.
    pub hashes: Vec<u8>,
    /// Hash of the two, by which damage on the way is found.
    pub check: Hash256,
}

/// Hashes of attribute and licence files by their paths.
type Known<'p> = BTreeMap<&'p str, Hash256>;

/// The hash of what a file became.
pub(super) fn check(docs: &[u8], hashes: &[u8]) -> Hash256 {
    Hash256::of(&[Hash256::of(docs).0, Hash256::of(hashes).0].concat())
}

impl Plan {
    /// Plan the build of a stage with this normalised config, of the project at `root`: sources are listed, and not read, but
    /// for attribute and licence files, and for the rows in which names of attributes are looked for.
    ///
    /// # Errors
    /// [`Error::Plan`] for a config whose documents must be read one after the other; what the listing says.
    pub fn new(stage: &str, config: &Value, root: &Path) -> Result<Plan> {
        let root = std::path::absolute(root).map_err(|e| fs::Error::new("find", root, e))?;
        let config = as_read(FIELDS, config, &root).map_err(|e| Error::Listing(Box::new(e)))?;
        let (listed, names) = (Vec::new(), Found::new());
        let mut plan = Plan { stage: stage.into(), root, config, listed, names };
        let config = plan.config()?;
        let code = config.sources.iter().filter(|source| source.format == Format::Code);
        let code: BTreeSet<&String> = code.map(|source| &source.path).collect();
        let attributes: BTreeSet<&String> = config.sources.iter().flat_map(|s| &s.attributes).collect();
        let paths: BTreeSet<&String> = config.sources.iter().map(|source| &source.path).collect();
        // A pattern of two sources means the same files twice.
        for pattern in paths.iter().chain(attributes.difference(&paths)).copied() {
            let found = list_files(&plan.root, pattern).map_err(|e| Error::Listing(Box::new(e)))?;
            for file in found {
                let (pattern, path) = (pattern.clone(), file.path.clone());
                let read = attributes.contains(&pattern) || code.contains(&pattern) && is_licence_file(&path);
                let read = read.then(|| file.input(&mut |_| ())).transpose();
                let beside = read.map_err(|e| Error::Listing(Box::new(e)))?.map(|input| input.blake3);
                plan.listed.push(Listed { pattern, path, full: file.full, bytes: file.bytes, beside });
            }
        }
        plan.files()?;
        let files = plan.inputs(|file| Ok(unread(file)))?;
        let memory = Arc::new(Memory::new(config.memory));
        plan.names = build::attribute_names(&config, &files, &memory, &mut |wanted| plan.bring(wanted))?;
        Ok(plan)
    }

    /// The stage.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn config(&self) -> Result<Config> {
        let config: Config =
            serde_json::from_value(self.config.clone()).map_err(|e| Error::Plan { reason: e.to_string() })?;
        match config.limit_bytes {
            0 => Ok(config),
            _ => Err(Error::Plan {
                reason: "`limit_bytes` goes through the documents one after the other".into(),
            }),
        }
    }

    /// All files, in document order.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub fn files(&self) -> Result<Vec<PlannedFile>> {
        let (config, files) = (self.config()?, self.inputs(|file| Ok(unread(file)))?);
        let plan = build::plan(&config, &files)?;
        let groups = build::groups(&plan, false);
        let of_group = |(group, range): (usize, &std::ops::Range<usize>)| {
            range.clone().zip(&plan[range.clone()]).map(move |(number, file)| PlannedFile {
                number,
                path: file.input.path.clone(),
                full: file.input.full.clone(),
                bytes: file.input.bytes,
                group,
            })
        };
        Ok(groups.iter().enumerate().flat_map(of_group).collect())
    }

    /// The first pass over some files, on all threads of the pool. A file is given with its bytes, or is read where this
    /// machine finds it. What lies between is in the folder `scratch`, which is there and empty, and is the caller's to
    /// remove. Each call goes through the whole plan once, however many files it is for: many at once are read sooner.
    ///
    /// # Errors
    /// [`Error::Handed`] for files that are not in the plan or have another length there; what reading says.
    pub fn first(
        &self,
        wanted: &[(usize, Option<&[u8]>)],
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Vec<Made>> {
        let planned = self.files()?;
        let mut inputs = Vec::new();
        for &(number, bytes) in wanted {
            let file = planned.get(number).ok_or_else(|| Error::Handed {
                what: format!("the plan has {} files, and none with the number {number}", planned.len()),
                hint: "give the rows of `files` of the same plan",
            })?;
            cancel.check()?;
            inputs.push(self.input(file, bytes, scratch)?);
        }
        // Of a file that comes for two sources the first counts.
        let read: BTreeMap<&str, &InputFile> =
            inputs.iter().rev().map(|input| (&*input.path, input)).collect();
        let files = self.inputs(|file| {
            let read = read.get(&*file.path).copied();
            Ok(read.cloned().unwrap_or_else(|| unread(file)))
        })?;
        let (config, known) = (self.config()?, self.known());
        let given = |file: &&InputFile| read.contains_key(&*file.path);
        for source in config.sources.iter().filter(|source| source.format == Format::Code) {
            let of = files.get(&source.path).into_iter().flatten();
            let of = of.filter(|file| is_licence_file(&file.path) && !given(file));
            self.beside(of, &known, cancel)?;
        }
        let ground = self.ground(&config, &files)?;
        for &(number, _) in wanted {
            let file = &ground.plan[number];
            self.beside(ground.beside.attributes.files(file.source, &file.input.path), &known, cancel)?;
        }
        inputs.iter().try_for_each(|input| same(&known, input))?;
        let reading = ground.reading();
        let mut progress = |_: u64, _: u64, _: u64| Ok(());
        let alone: Vec<_> = (0..planned.len()).map(|number| number..number + 1).collect();
        let mut first = ground.first(&reading, scratch, cancel, &mut progress);
        first.groups = &alone;
        let mut made = Vec::with_capacity(wanted.len());
        for (&(number, _), input) in wanted.iter().zip(&inputs) {
            first.offset = number;
            flow::run(1, &first, cancel)?;
            let (docs, hashes) = (first.path(number, "docs"), first.path(number, "hashes"));
            let documents = first.note(number)?.rows;
            let (docs, hashes) = (take(&docs)?, take(&hashes)?);
            let check = check(&docs, &hashes);
            made.push(Made { file: number, blake3: input.blake3, documents, docs, hashes, check });
        }
        Ok(made)
    }

    /// What is known before a file is read.
    pub(super) fn ground<'g>(&self, config: &'g Config, files: &'g Files) -> Result<Ground<'g>> {
        Ground::with(config, files, &self.root, 1, |_| Ok(self.names.clone()))
    }

    /// Bring files here that are not.
    fn bring(&self, wanted: &[&InputFile]) -> Result<()> {
        for file in wanted {
            if fs::size(&file.full).ok() == Some(file.bytes) {
                continue;
            }
            let found = list_files(&self.root, &file.path).map_err(|e| Error::Listing(Box::new(e)))?;
            // An object that changed since has another place here.
            let same = found.first().filter(|found| found.full == file.full);
            let found = same.ok_or_else(|| gone(&file.path))?;
            found.bring(&mut |_| ()).map_err(|e| Error::Listing(Box::new(e)))?;
        }
        Ok(())
    }

    /// Have files here that lie beside what is read, and are those of the plan.
    fn beside<'i>(
        &self,
        wanted: impl IntoIterator<Item = &'i InputFile>,
        known: &Known,
        cancel: &Cancel,
    ) -> Result<()> {
        for file in wanted {
            cancel.check()?;
            self.bring(&[file])?;
            let (blake3, bytes) = Hash256::of_file_shared(&file.full)?;
            same(known, &InputFile { blake3, bytes, ..file.clone() })?;
        }
        Ok(())
    }

    /// Whether attribute and licence files are here what they were when the plan was made.
    pub(super) fn same<'i>(&self, mut files: impl Iterator<Item = &'i InputFile>) -> Result<()> {
        let known = self.known();
        files.try_for_each(|file| same(&known, file))
    }

    fn known(&self) -> Known<'_> {
        self.listed.iter().filter_map(|file| Some((&*file.path, file.beside?))).collect()
    }

    /// A file as it is read here.
    fn input(&self, file: &PlannedFile, bytes: Option<&[u8]>, scratch: &Path) -> Result<InputFile> {
        let input = match bytes {
            Some(bytes) => {
                let full = scratch.join(format!("{:06}.given", file.number));
                fs::write(&full, bytes)?;
                InputFile {
                    path: file.path.clone(),
                    full,
                    blake3: Hash256::of(bytes),
                    bytes: bytes.len() as u64,
                }
            }
            None => {
                let found = list_files(&self.root, &file.path).map_err(|e| Error::Listing(Box::new(e)))?;
                let found = found.first().ok_or_else(|| gone(&file.path))?;
                found.input(&mut |_| ()).map_err(|e| Error::Listing(Box::new(e)))?
            }
        };
        if input.bytes != file.bytes {
            return Err(Error::Handed {
                what: format!("`{}` has {} bytes, and {} in the plan", file.path, input.bytes, file.bytes),
                hint: "give its bytes as they lie there (Ray's read_binary_files unpacks .gz and .zst); if it changed, make \
                       the plan again",
            });
        }
        Ok(InputFile { path: file.path.clone(), ..input })
    }

    /// The files, by pattern, each as `make` gives it.
    pub(super) fn files_of(&self, mut make: impl FnMut(&Path, &str) -> Result<InputFile>) -> Result<Files> {
        self.inputs(|file| {
            let found = list_files(&self.root, &file.path).map_err(|e| Error::Listing(Box::new(e)))?;
            let found = found.first().ok_or_else(|| gone(&file.path))?;
            found.bring(&mut |_| ()).map_err(|e| Error::Listing(Box::new(e)))?;
            make(&found.full, &file.path)
        })
    }

    fn inputs(&self, mut make: impl FnMut(&Listed) -> Result<InputFile>) -> Result<Files> {
        let mut files = Files::new();
        for file in &self.listed {
            files.entry(file.pattern.clone()).or_default().push(make(file)?);
        }
        Ok(files)
    }
}

fn unread(file: &Listed) -> InputFile {
    InputFile {
        path: file.path.clone(),
        full: file.full.clone(),
        blake3: file.beside.unwrap_or(UNREAD),
        bytes: file.bytes,
    }
}

/// Whether a file is here what it was when the plan was made, if that is known.
fn same(known: &Known, file: &InputFile) -> Result<()> {
    if known.get(&*file.path).is_some_and(|&hash| hash != file.blake3) {
        return Err(Error::Handed {
            what: format!("`{}` is here something else than when the plan was made", file.path),
            hint: "give all machines the same files; if it changed, make the plan again",
        });
    }
    Ok(())
}

fn gone(path: &str) -> Error {
    Error::Handed { what: format!("`{path}` is gone, or is another one"), hint: "make the plan again" }
}

/// A file's bytes; the file is taken away.
fn take(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    fs::remove_file(path)?;
    Ok(bytes)
}
