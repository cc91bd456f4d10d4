//! What a word names: a finished corpus, or documents in a folder of Dolma's layout.

use std::path::Path;

use regimen_corpus::dolma::DOCUMENTS;
use regimen_ledger::Store;
use regimen_objects::is_url;
use regimen_recipe::InputFile;

use super::files;
use super::opened::Opened;
use crate::Context;
use crate::output::Fault;

/// What a command looks at.
pub enum Subject {
    /// A corpus of the ledger.
    Corpus(Box<Opened>),
    /// Files of documents.
    Folder(Vec<InputFile>),
}

impl Subject {
    /// A folder that has a folder `documents`, a path through one, or a URL stands for documents; anything else is the name of a corpus.
    pub fn new(context: &Context, word: &str) -> anyhow::Result<Subject> {
        if !names_documents(word) {
            let path = Path::new(word);
            let what = match () {
                _ if path.is_file() => Some("is a file that lies in no folder"),
                _ if word.contains(['*', '?', '[']) => Some("is a pattern of files without a folder"),
                _ if word.contains('/') && path.is_dir() && !path.join("manifest.json").is_file() => {
                    Some("is a folder that is no corpus, and that has no folder")
                }
                _ => None,
            };
            if let Some(what) = what {
                return Err(Fault::new(
                    format!("`{word}` {what} `{DOCUMENTS}`"),
                    format!(
                        "put documents into DIR/{DOCUMENTS}/, with their attributes in DIR/attributes/EXPERIMENT/, and name DIR; or \
                         name a finished corpus (`regimen runs` lists them)"
                    ),
                ));
            }
            return Ok(Subject::Corpus(Box::new(Opened::new(context, word)?)));
        }
        let stage = || Store::open_existing(&context.project).and_then(|store| store.resolve(word)).is_ok();
        if !word.contains('/') && stage() {
            return Err(Fault::new(
                format!("`{word}` is both a stage and a folder with documents"),
                format!("write `{word}/{DOCUMENTS}` for the folder; `regimen runs` lists the keys of stages"),
            ));
        }
        Ok(Subject::Folder(files(context, &[word.into()])?))
    }
}

fn names_documents(word: &str) -> bool {
    if is_url(word) {
        return true;
    }
    let path = Path::new(word);
    let artifact = path.join("manifest.json").is_file();
    let within = word.contains('/') || path.is_dir();
    !artifact && (path.join(DOCUMENTS).is_dir() || within && path.iter().any(|part| part == DOCUMENTS))
}

/// Refuse an option that was given, but is for the other kind of subject.
pub fn unfit(given: bool, option: &str, word: &str, fits: &str) -> anyhow::Result<()> {
    if !given {
        return Ok(());
    }
    Err(Fault::new(format!("`{option}` does not go with `{word}`"), format!("it is for {fits}")))
}
