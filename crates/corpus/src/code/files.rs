//! The files of a tree, in order, each with its licence.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use regimen_base::fs;

use super::archive::{Archive, Entry, What};
use super::licences::{LICENCE_BYTES, in_header, is_licence_file};
use super::nearest::Licences;
use super::{folder, language};
use crate::error::{Error, Result};

/// Bytes at the start of a file among which a zero tells that it is binary.
const BINARY: usize = 8000;

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

/// An entry of a tree, before anything is asked of its bytes.
#[derive(Debug)]
pub(crate) enum Step {
    /// A licence file.
    Licence {
        /// Path in the tree.
        path: String,
    },
    /// A file that is not read.
    Skipped {
        /// Path in the tree.
        path: String,
        /// Why.
        why: Why,
        /// Its size.
        bytes: u64,
    },
    /// A file.
    Content(Content),
}

/// The bytes of a file, with what its tree says of it.
#[derive(Debug)]
pub(crate) struct Content {
    /// Path in the tree.
    pub path: String,
    /// Its bytes: all of them, or [`Options::max_bytes`] of a larger file.
    pub bytes: Vec<u8>,
    /// Its size.
    pub size: u64,
    /// The licence of its folder or the nearest one above.
    pub nearest: Option<Licence>,
}

impl Step {
    /// Its path in the tree.
    pub fn path(&self) -> &str {
        match self {
            Step::Licence { path } | Step::Skipped { path, .. } => path,
            Step::Content(content) => &content.path,
        }
    }
}

impl Content {
    /// Why these are not the bytes of a file of source code; none if they may be.
    pub fn unfit(&self) -> Option<Why> {
        if self.size > self.bytes.len() as u64 {
            Some(Why::TooLarge)
        } else if self.bytes.is_empty() {
            Some(Why::Empty)
        } else if self.bytes.iter().take(BINARY).any(|&b| b == 0) {
            Some(Why::Binary)
        } else {
            None
        }
    }

    /// The licence that applies: the one that the first lines of `text` name, else that of the nearest folder.
    pub fn licence(&mut self, text: &str) -> Option<Licence> {
        match in_header(text) {
            Some(expression) => Some(Licence { expression, files: Vec::new() }),
            None => self.nearest.take(),
        }
    }
}

/// Goes through a tree: a folder in the order of its names, an archive in its own order.
pub struct Files {
    name: String,
    options: Options,
    licences: Licences,
    entries: Entries,
    done: bool,
}

/// Whether a file or a folder around it is hidden.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && part != "." && part != "..")
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
            licences: Licences::default(),
            entries: Entries::open(&name, path)?,
            name,
            options,
            done: false,
        };
        while let Some(entry) = files.entry()? {
            let hidden = files.in_archive() && is_hidden(&entry.path);
            if entry.what == What::File && is_licence_file(&entry.path) && !hidden {
                let content = files.content(&entry, LICENCE_BYTES as u64 - 1)?;
                files.licences.add(entry.path, &content);
            }
        }
        files.entries = Entries::open(&files.name, path)?;
        Ok(files)
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn in_archive(&self) -> bool {
        matches!(self.entries, Entries::Archive(_))
    }

    fn entry(&mut self) -> Result<Option<Entry>> {
        match &mut self.entries {
            Entries::Folder(walk) => walk.next(),
            Entries::Archive(archive) => archive.next().map_err(|fault| fault.at(&self.name)),
        }
    }

    /// The content of the entry that came last, up to so many bytes and one more.
    fn content(&mut self, entry: &Entry, most: u64) -> Result<Vec<u8>> {
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
        Ok(bytes)
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

    fn step(&mut self) -> Result<Option<Item>> {
        let mut content = match self.raw()? {
            None => return Ok(None),
            Some(Step::Licence { path }) => {
                return Ok(Some(Item::Licence { found: self.licences.found(&path), path }));
            }
            Some(Step::Skipped { path, why, bytes }) => return Ok(Some(Item::Skipped { path, why, bytes })),
            Some(Step::Content(content)) => content,
        };
        let skip = |content: Content, why| Item::Skipped { path: content.path, why, bytes: content.size };
        if let Some(why) = content.unfit() {
            return Ok(Some(skip(content, why)));
        }
        let Ok(text) = String::from_utf8(std::mem::take(&mut content.bytes)) else {
            return Ok(Some(skip(content, Why::NotUtf8)));
        };
        let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
        let licence = content.licence(&text);
        let language = language(&content.path, &text);
        Ok(Some(Item::File(Box::new(SourceFile { path: content.path, language, text, licence }))))
    }

    /// The next entry with its bytes, unjudged; none at the end.
    ///
    /// # Errors
    /// As [`Files::next`].
    pub(crate) fn raw(&mut self) -> Result<Option<Step>> {
        let entry = loop {
            match self.entry()? {
                None => return Ok(None),
                // As in folders: what is hidden is not there.
                Some(entry) if self.in_archive() && is_hidden(&entry.path) => {}
                Some(entry) => break entry,
            }
        };
        let (path, bytes) = (entry.path.clone(), entry.bytes);
        let skip = |why| Ok(Some(Step::Skipped { path, why, bytes }));
        match entry.what {
            What::File if is_licence_file(&entry.path) => {
                return Ok(Some(Step::Licence { path: entry.path }));
            }
            What::File if entry.bytes > self.options.max_bytes => return skip(Why::TooLarge),
            What::File => {}
            What::Repository => return skip(Why::Repository),
            What::Other => return skip(Why::NoFile),
        }
        let content = self.content(&entry, self.options.max_bytes)?;
        if content.len() as u64 > self.options.max_bytes {
            return skip(Why::TooLarge);
        }
        let nearest = self.licences.nearest(&entry.path);
        let size = content.len() as u64;
        Ok(Some(Step::Content(Content { path: entry.path, bytes: content, size, nearest })))
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
