//! What lies beside the files of a source and says something of their documents: licence files in a tree of source code,
//! attribute files in Dolma's layout.

use std::collections::BTreeMap;
use std::io::Read;

use rayon::prelude::*;
use regimen_base::fs;
use regimen_recipe::InputFile;

use crate::code::{LICENCE_BYTES, Licences, is_licence_file};
use crate::config::{Format, Source};
use crate::error::Result;
use crate::read::attributes::{Attributes, Found};

/// What is known before a file is read. By default nothing is.
#[derive(Default)]
pub(crate) struct Beside {
    /// By number of the source; none for sources that are no trees.
    licences: Vec<Option<Licences>>,
    pub attributes: Attributes,
    /// Paths and hashes of the files that were read for it.
    identity: Vec<String>,
}

impl Beside {
    /// Read the licence files of trees, and pair attribute files, whose names were `found`, with documents.
    ///
    /// # Errors
    /// For files that cannot be read, and attribute files that do not fit their documents.
    pub fn new(sources: &[Source], files: &BTreeMap<String, Vec<InputFile>>, found: Found) -> Result<Beside> {
        let of = |path: &str| files.get(path).map(Vec::as_slice).unwrap_or_default();
        let mut identity = Vec::new();
        let mut licences = Vec::with_capacity(sources.len());
        for source in sources {
            if source.format != Format::Code {
                licences.push(None);
                continue;
            }
            let all: Vec<&InputFile> = of(&source.path).iter().filter(|f| is_licence_file(&f.path)).collect();
            let read = |file: &&InputFile| -> Result<Licences> {
                let mut content = Vec::new();
                let read = fs::open(&file.full)?.take(LICENCE_BYTES as u64).read_to_end(&mut content);
                read.map_err(|e| fs::Error::new("read", &file.full, e))?;
                let mut one = Licences::default();
                one.add(file.path.clone(), &content);
                Ok(one)
            };
            let found = all.par_iter().map(read).collect::<Result<Vec<Licences>>>()?;
            licences.push(Some(found.into_iter().fold(Licences::default(), Licences::and)));
            identity.extend(all.iter().map(|file| format!("{} {}", file.path, file.blake3)));
        }
        let attributes = Attributes::new(sources, &of, found)?;
        attributes.identity(&mut identity);
        Ok(Beside { licences, attributes, identity })
    }

    /// The licence files of a source that is a tree.
    pub fn licences(&self, source: u16) -> Option<&Licences> {
        self.licences.get(usize::from(source))?.as_ref()
    }

    /// All that decides over what it says.
    pub fn identity(&self, add: &mut dyn FnMut(&str)) {
        self.identity.iter().for_each(|one| add(one));
    }
}
