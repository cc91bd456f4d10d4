//! The folder of the documents without contaminated ones.

use std::path::{Path, PathBuf};

use regimen_base::Hash256;
use regimen_recipe::InputFile;

use super::{Against, Options, Outputs};
use crate::claim::Claim;
use crate::dolma::folder::nothing_else;
use crate::error::Result;
use crate::held::{EXPORT, Held, hold, hold_by};

/// The folder, for this process and this output alone.
pub(super) struct Clean {
    documents: PathBuf,
    claim: Claim,
    _held: [Held; 2],
}

impl Clean {
    /// Hold `documents/` in `folder` for what `files` become.
    ///
    /// # Errors
    /// [`crate::Error::InUse`], [`crate::Error::NotEmpty`], [`crate::Error::OtherOutput`].
    pub fn new(
        folder: &Path,
        files: &[InputFile],
        sets: &[Against],
        outputs: &[Outputs],
        options: &Options,
    ) -> Result<Clean> {
        let documents = folder.join("documents");
        let held = hold(&documents.join("files"))?;
        let written: Vec<PathBuf> = outputs.iter().filter_map(|output| output.clean.clone()).collect();
        nothing_else(&documents, &written)?;
        let claim = claim(files, sets, options, &documents);
        claim.check(&documents)?;
        // An export writes documents as well, and keeps its notes in the folder itself.
        let held = [held, hold_by(&folder.join("files"), EXPORT)?];
        claim.alone(folder, "documents/")?;
        Ok(Clean { documents, claim, _held: held })
    }

    /// All of `outputs` are finished.
    pub fn settle(self, outputs: &[Outputs]) -> Result<()> {
        let below = |output: &Outputs| {
            let name = output.clean.as_ref()?.strip_prefix(&self.documents).ok()?;
            Some(name.display().to_string())
        };
        let names: Vec<String> = outputs.iter().filter_map(below).collect();
        self.claim.settle(&self.documents, names)
    }
}

/// What makes these documents others than those of other files, sets or options.
fn claim(files: &[InputFile], sets: &[Against], options: &Options, documents: &Path) -> Claim {
    let Options { n, exact, least, fields, experiment: _, to: _, report: _, clean: _, memory: _ } = options;
    let mut key = format!("decontaminate {n} {exact} {least} {fields:?}");
    for Against { name, field, file: _, called: _ } in sets {
        key.push_str(&format!(" {name:?} {field:?}"));
    }
    let of_set = |set: &Against| {
        let (path, full) = (set.called.clone(), set.file.clone());
        InputFile { path, full, blake3: Hash256::of(&[]), bytes: 0 }
    };
    let of_sets: Vec<InputFile> = sets.iter().map(of_set).collect();
    let names: Vec<String> = sets.iter().map(|set| format!("`{}`", set.name)).collect();
    let what = format!("decontamination against {}", names.join(", "));
    Claim::new(what, Hash256::of(key.as_bytes()), files.iter().chain(&of_sets), documents)
}
