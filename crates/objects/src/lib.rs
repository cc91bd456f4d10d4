//! Object stores, as far as this program needs them: objects by name, listed, read whole or in ranges, written whole.
//!
//! [`Objects`] opens a place by its URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
//! `https://host/prefix`, or a plain folder, which any shared file system makes a store between machines. Cloud stores are
//! behind the feature `cloud`; credentials come from the environment under the names that each cloud's own tools read
//! (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ..).
//!
//! A write is seen whole or not at all. Servers that are busy or fail (status 429 and 5xx) are asked again, ever more
//! slowly, before it counts as an error.

#[cfg(feature = "cloud")]
mod cloud;
mod error;
mod folder;
pub mod glob;
mod pattern;
#[cfg(feature = "s3-server")]
pub mod server;

use std::ops::Range;
use std::path::Path;

pub use error::{Error, Result};
pub use pattern::{holds, is_url, sources};

/// How often a busy or failing server is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Times after the first.
    pub times: usize,
    /// Milliseconds before the first of them; each wait is about twice the one before it, with jitter, up to 15 s.
    pub wait: u64,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { times: 10, wait: 100 }
    }
}

/// Bytes of one piece of a large object on its way.
const PIECE: u64 = 8 << 20;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name below the place that was opened, with `/`.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Stands for its content: an ETag, or the time of its last change. Empty if the store tells none.
    pub tag: String,
}

/// A place in an object store.
#[derive(Debug)]
pub struct Objects {
    url: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder(folder::Folder),
    #[cfg(feature = "cloud")]
    Cloud(cloud::Cloud),
}

macro_rules! each {
    ($objects:expr, $store:ident => $body:expr) => {
        match &$objects.kind {
            Kind::Folder($store) => $body,
            #[cfg(feature = "cloud")]
            Kind::Cloud($store) => $body,
        }
    };
}

impl Objects {
    /// Open the place that `url` names. Nothing is asked of a server yet.
    ///
    /// # Errors
    /// [`Error::Scheme`] for what is no URL of a known kind, [`Error::NoCloud`] in a program without that feature.
    pub fn open(url: &str) -> Result<Objects> {
        Objects::open_with(url, Retries::default())
    }

    /// The same, with a say in how often servers are asked again.
    pub fn open_with(url: &str, retries: Retries) -> Result<Objects> {
        let url = url.trim_end_matches('/');
        let kind = match url.split_once("://") {
            None => Kind::Folder(folder::Folder::new(Path::new(url))),
            Some(("file", path)) => Kind::Folder(folder::Folder::new(Path::new(path))),
            #[cfg(feature = "cloud")]
            Some(("s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" | "http" | "https", _)) => {
                Kind::Cloud(cloud::Cloud::open(url, retries)?)
            }
            #[cfg(not(feature = "cloud"))]
            Some(("s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" | "http" | "https", _)) => {
                let _ = retries;
                return Err(Error::NoCloud { url: url.into() });
            }
            Some(_) => return Err(Error::Scheme { url: url.into() }),
        };
        Ok(Objects { url: url.into(), kind })
    }

    /// The URL of an object.
    pub fn url_of(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// All objects whose names begin with `prefix`, which is empty or ends with `/`; sorted by name.
    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let mut found = each!(self, store => store.list(prefix))?;
        found.sort();
        Ok(found)
    }

    /// Whether there is an object whose name begins with `prefix`, which ends with `/`.
    pub fn holds(&self, prefix: &str) -> Result<bool> {
        each!(self, store => store.holds(prefix))
    }

    /// What is known of one object; none if there is none.
    pub fn look(&self, name: &str) -> Result<Option<Entry>> {
        each!(self, store => store.look(name))
    }

    /// A whole object; none if there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        each!(self, store => store.read(name))
    }

    /// Some bytes of an object.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no such object, [`Error::Short`] if it ends before the range does.
    pub fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let bytes = each!(self, store => store.read_range(name, range.clone()))?;
        if bytes.len() as u64 != wanted {
            return Err(Error::Short { url: self.url_of(name), end: range.end });
        }
        Ok(bytes)
    }

    /// Write an object, over what is there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        each!(self, store => store.write(name, bytes))
    }

    /// Write an object unless there is one of this name. Gives back whether it was written. Of several at once one
    /// writes it, in stores that know conditional writes.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        each!(self, store => store.write_new(name, bytes))
    }

    /// Bring an object to the file `path`, several ranges at a time; the file is there once it is whole. `came` is told of
    /// the bytes of each piece as it comes.
    ///
    /// # Errors
    /// [`Error::Changed`] if the object is not the one that `entry` tells of.
    pub fn fetch(&self, entry: &Entry, path: &Path, came: &mut dyn FnMut(u64)) -> Result<()> {
        each!(self, store => store.fetch(entry, path, came))
    }

    /// Write the file `path` as an object, in parts if it is large.
    pub fn send(&self, path: &Path, name: &str) -> Result<()> {
        each!(self, store => store.send(path, name))
    }
}
