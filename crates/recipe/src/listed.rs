//! Input files as they are listed: in the project, or in an object store, from where they are brought into the store's
//! folder `objects` once and looked at there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regimen_base::{Hash256, fs};
use regimen_objects::{Entry, Objects, is_url, sources};

use crate::error::{Error, Result};
use crate::files::find;
use crate::job::InputFile;

/// Folder of what was brought from object stores, in the project.
const OBJECTS: &str = ".regimen/objects";

/// How names of files end that hold the hash of an object in place of it.
const KNOWN: &str = "blake3";

/// A file that was listed; it has not been read.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// Path relative to the project root, with `/`, or the URL of an object.
    pub path: String,
    /// Where it is, or will be once it is brought here.
    pub full: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Stands for the content of an object; empty for a file.
    pub tag: String,
    from: Option<(Arc<Objects>, Entry)>,
}

impl ListedFile {
    /// Whether it is here.
    pub fn is_here(&self) -> bool {
        self.from.as_ref().is_none_or(|(_, entry)| fs::size(&self.full).ok() == Some(entry.bytes))
    }

    /// Bring it here, if it is an object that is not here yet. `came` is told of the bytes of each piece as it comes.
    ///
    /// # Errors
    /// The store fails, or the object is not the one that was listed any more.
    pub fn bring(&self, came: &mut dyn FnMut(u64)) -> Result<()> {
        match &self.from {
            Some((store, entry)) if !self.is_here() => Ok(store.fetch(entry, &self.full, came)?),
            _ => Ok(()),
        }
    }

    /// Take it that the content of this object has this hash, so that its key can be worked out without bringing it here. Does
    /// nothing for a file, an object that is here, or one without an ETag, of which another may take the place unseen.
    ///
    /// # Errors
    /// The project cannot be written.
    pub fn remember(&self, hash: Hash256) -> Result<()> {
        match self.known() {
            Some(path) if !self.is_here() => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                Ok(fs::write(&path, hash.to_string().as_bytes())?)
            }
            _ => Ok(()),
        }
    }

    /// The hash that an object which is not here is known to have.
    pub(crate) fn remembered(&self) -> Option<Hash256> {
        let path = self.known().filter(|_| !self.is_here())?;
        std::str::from_utf8(&fs::read(&path).ok()?).ok()?.parse().ok()
    }

    /// Where the hash of an object with an ETag is remembered, if it is.
    fn known(&self) -> Option<PathBuf> {
        let name = self.full.file_name()?.to_str()?;
        let etag = self.from.is_some() && self.tag.starts_with('"');
        etag.then(|| self.full.with_file_name(format!("{}.{KNOWN}", name.get(..32).unwrap_or(name))))
    }

    /// Bring it here and hash it.
    pub fn input(&self, came: &mut dyn FnMut(u64)) -> Result<InputFile> {
        self.bring(came)?;
        let (blake3, bytes) = Hash256::of_file_shared(&self.full)?;
        Ok(InputFile { path: self.path.clone(), full: self.full.clone(), blake3, bytes })
    }
}

/// The files or objects that `pattern` means, sorted by path.
///
/// # Errors
/// [`Error::NoFiles`] if nothing fits, and what the store of a URL says.
pub fn list_files(root: &Path, pattern: &str) -> Result<Vec<ListedFile>> {
    if !is_url(pattern) {
        let none = |(message, hint)| Error::NoFiles { message, hint };
        let found = find(root, pattern).map_err(none)?;
        return found.into_iter().map(|full| local(root, full)).collect();
    }
    let (store, entries) = sources(pattern)?;
    let store = Arc::new(store);
    let listed = entries.into_iter().map(|entry| {
        let path = store.url_of(&entry.name);
        let id = Hash256::of(format!("{path}\n{}\n{}", entry.tag, entry.bytes).as_bytes()).to_string();
        let name = entry.name.rsplit('/').next().unwrap_or_default();
        let full = root.join(OBJECTS).join(format!("{}-{name}", &id[..32]));
        ListedFile {
            path,
            full,
            bytes: entry.bytes,
            tag: entry.tag.clone(),
            from: Some((Arc::clone(&store), entry)),
        }
    });
    Ok(listed.collect())
}

fn local(root: &Path, full: PathBuf) -> Result<ListedFile> {
    let relative = full.strip_prefix(root).unwrap_or(&full);
    let Some(path) = relative.to_str() else {
        let message = format!("the name of the file `{}` is not UTF-8", full.display());
        return Err(Error::NoFiles { message, hint: Some("rename it".into()) });
    };
    let bytes = fs::size(&full)?;
    Ok(ListedFile { path: path.into(), bytes, tag: String::new(), from: None, full })
}
