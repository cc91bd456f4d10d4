//! The files of a tree, in order, each with its licence.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use regimen_base::fs;

use super::archive::{Archive, Entry, What};
use super::licences::{LICENCE_BYTES, enclosed, identify, in_header, is_licence_file, is_licence_folder};
use super::{folder, language};
use crate::error::{Error, Result};

/// How a tree is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A file above so many bytes is passed over.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_bytes: 1 << 20 }
    }
}

/// A licence and where it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// As an SPDX expression. Several licence files in one folder are joined by `AND`, the reading that asks for most.
    pub expression: String,
    /// The licence files, or nothing where the file itself says so.
    pub files: Vec<String>,
}

/// A file of source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path in the tree, parted by `/`.
    pub path: String,
    /// Its language, if its name or first line says.
    pub language: Option<&'static str>,
    /// Its text.
    pub text: String,
    /// The licence that applies. `None` where nothing is said, or where licence files hold something unknown.
    pub licence: Option<Licence>,
}

/// Why a file is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Above [`Options::max_bytes`].
    TooLarge,
    /// A zero byte in the first 8000, as Git tells binary files.
    Binary,
    /// Text that is not UTF-8.
    NotUtf8,
    /// Nothing in it.
    Empty,
    /// A link, a device, a pipe.
    NoFile,
    /// A folder of a version control system.
    Repository,
}

/// What a tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A file of source code or other text.
    File(Box<SourceFile>),
    /// A licence file, and the licences found in it.
    Licence {
        /// Path in the tree.
        path: String,
        /// SPDX ids; none where the text is not known.
        found: Vec<&'static str>,
    },
    /// What was passed over.
    Skipped {
        /// Path in the tree.
        path: String,
        /// Why.
        why: Why,
        /// Its size.
        bytes: u64,
    },
}

/// The licence files of a tree by folder: path of the file, licences in it.
type Found = BTreeMap<String, Vec<(String, Vec<&'static str>)>>;

/// Goes through a tree: a folder in the order of its names, an archive in its own order.
pub struct Files {
    name: String,
    options: Options,
    licences: Found,
    entries: Entries,
    done: bool,
}

enum Entries {
    Folder(folder::Walk),
    Archive(Box<Archive<Box<dyn Read + Send>>>),
}

impl Files {
    /// Open a folder, or an archive `.tar`, `.tar.gz`, `.tgz` or `.tar.zst`. `name` stands in messages.
    ///
    /// All licence files are read first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(name: impl Into<String>, path: &Path, options: Options) -> Result<Files> {
        let name = name.into();
        let mut files = Files {
            licences: Found::new(),
            entries: Entries::open(&name, path)?,
            name,
            options,
            done: false,
        };
        while let Some(entry) = files.entry()? {
            if entry.what == What::File && is_licence_file(&entry.path) {
                let text =
                    String::from_utf8_lossy(&files.content(&entry, LICENCE_BYTES as u64)?.0).into_owned();
                let found = identify(&text);
                files.licences.entry(scope(&entry.path).into()).or_default().push((entry.path, found));
            }
        }
        files.entries = Entries::open(&files.name, path)?;
        Ok(files)
    }

    fn entry(&mut self) -> Result<Option<Entry>> {
        match &mut self.entries {
            Entries::Folder(walk) => walk.next(),
            Entries::Archive(archive) => archive.next().map_err(|fault| fault.at(&self.name)),
        }
    }

    /// The content of the entry that came last, up to so many bytes, and whether that is all.
    fn content(&mut self, entry: &Entry, most: u64) -> Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        match &mut self.entries {
            Entries::Folder(walk) => {
                let path = walk.full(&entry.path);
                let read = fs::open(&path)?.take(most.saturating_add(1)).read_to_end(&mut bytes);
                read.map_err(|e| fs::Error::new("read", &path, e))?;
            }
            Entries::Archive(archive) => {
                archive.content(most.saturating_add(1), &mut bytes).map_err(|fault| fault.at(&self.name))?;
            }
        }
        let whole = bytes.len() as u64 <= most;
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok((bytes, whole))
    }

    /// The next file; none at the end, and after an error.
    ///
    /// # Errors
    /// When a file cannot be read, or an archive is damaged.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>> {
        if self.done {
            return Ok(None);
        }
        let item = self.step();
        self.done = !matches!(item, Ok(Some(_)));
        item
    }

    fn licence(&self, path: String) -> Item {
        let known = self.licences.get(scope(&path)).and_then(|all| all.iter().find(|one| one.0 == path));
        Item::Licence { found: known.map(|one| one.1.clone()).unwrap_or_default(), path }
    }

    fn step(&mut self) -> Result<Option<Item>> {
        let Some(entry) = self.entry()? else { return Ok(None) };
        let skip = |entry: Entry, why| Ok(Some(Item::Skipped { path: entry.path, why, bytes: entry.bytes }));
        match entry.what {
            What::File if is_licence_file(&entry.path) => return Ok(Some(self.licence(entry.path))),
            What::File if entry.bytes > self.options.max_bytes => return skip(entry, Why::TooLarge),
            What::File => {}
            What::Repository => return skip(entry, Why::Repository),
            What::Other => return skip(entry, Why::NoFile),
        }
        let (content, whole) = self.content(&entry, self.options.max_bytes)?;
        if !whole {
            return skip(entry, Why::TooLarge);
        }
        if content.is_empty() {
            return skip(entry, Why::Empty);
        }
        if content.iter().take(8000).any(|&b| b == 0) {
            return skip(entry, Why::Binary);
        }
        let Ok(text) = String::from_utf8(content) else { return skip(entry, Why::NotUtf8) };
        let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
        let licence = match in_header(&text) {
            Some(expression) => Some(Licence { expression, files: Vec::new() }),
            None => nearest(&self.licences, &entry.path),
        };
        let language = language(&entry.path, &text);
        Ok(Some(Item::File(Box::new(SourceFile { path: entry.path, language, text, licence }))))
    }
}

impl Iterator for Files {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        Files::next(self).transpose()
    }
}

impl Entries {
    fn open(name: &str, path: &Path) -> Result<Entries> {
        if path.is_dir() {
            return Ok(Entries::Folder(folder::Walk::new(path)?));
        }
        let mut file = fs::open(path)?;
        let mut start = [0u8; 4];
        let failed = |e| fs::Error::new("read", path, e);
        let length = file.by_ref().take(4).read(&mut start).map_err(failed)?;
        std::io::Seek::rewind(&mut file).map_err(failed)?;
        let file = std::io::BufReader::with_capacity(1 << 16, file);
        let reader: Box<dyn Read + Send> = match &start[..length] {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let decoder = zstd::stream::read::Decoder::with_buffer(file);
                Box::new(decoder.map_err(|e| fs::Error::new("read", &PathBuf::from(name), e))?)
            }
            _ => Box::new(file),
        };
        Ok(Entries::Archive(Box::new(Archive::new(reader))))
    }
}

/// The folder that a licence file speaks for: its own, or that which holds its folder `LICENSES`.
fn scope(path: &str) -> &str {
    let folder = parent(path);
    let name = folder.rsplit('/').next().unwrap_or(folder);
    if is_licence_folder(name) { parent(folder) } else { folder }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The licence of the nearest folder that has one, upwards from `path`.
fn nearest(licences: &Found, path: &str) -> Option<Licence> {
    let mut folder = path;
    while !folder.is_empty() {
        folder = parent(folder);
        if let Some(files) = licences.get(folder) {
            return join(files);
        }
    }
    None
}

/// None where a file holds an unknown text: it might say anything.
fn join(files: &[(String, Vec<&'static str>)]) -> Option<Licence> {
    let mut ids: Vec<&str> = Vec::new();
    let mut paths = Vec::new();
    for (path, found) in files {
        // A file of names of holders (`COPYRIGHT`) need not be a licence, any other does.
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        if found.is_empty() && !name.starts_with("copyright") {
            return None;
        }
        found.iter().for_each(|id| {
            if !ids.contains(id) {
                ids.push(id);
            }
        });
        paths.push(path.clone());
    }
    // The LGPL 3 adds permissions to the GPL 3, whose text must lie beside it.
    if ids.contains(&"LGPL-3.0-only") {
        ids.retain(|id| *id != "GPL-3.0-only");
    }
    ids.sort_unstable();
    let expression = ids.iter().map(|id| enclosed(id)).collect::<Vec<_>>().join(" AND ");
    (!ids.is_empty()).then_some(Licence { expression, files: paths })
}

impl super::archive::Fault {
    fn at(self, file: &str) -> Error {
        Error::Foreign {
            file: file.into(),
            format: "tar",
            offset: self.offset,
            field: self.field.into(),
            reason: self.reason,
        }
    }
}
