//! Read-only memory maps of finished files.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};

use regimen_base::fs;

/// The bytes of a file, mapped; an empty file has none to map.
#[derive(Debug)]
pub(crate) struct Map {
    path: PathBuf,
    inner: Option<memmap2::Mmap>,
}

impl Map {
    pub(crate) fn open(path: &Path) -> fs::Result<Map> {
        let file = fs::open(path)?;
        let inner = match fs::size(path)? {
            0 => None,
            // SAFETY: files of an artifact are written once and never changed in place: a stage fills them under the
            // store's lock and they appear in `artifacts/` by rename. Cutting one short from outside while it is
            // mapped would stop the process with SIGBUS, which a read-only map shares with every program that maps.
            _ => Some(unsafe { memmap2::Mmap::map(&file) }.map_err(|e| fs::Error::new("map", path, e))?),
        };
        Ok(Map { path: path.into(), inner })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.inner.as_deref().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
