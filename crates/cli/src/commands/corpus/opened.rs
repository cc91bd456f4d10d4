//! The corpus that a word names, with the project that its sources lie in.

use std::path::Path;

use regimen_corpus::Corpus;
use regimen_corpus::inspect::Originals;
use regimen_ledger::Artifact;

use crate::Context;
use crate::commands::store;
use crate::output::{Explain, Fault};

/// A finished corpus: its artifact and what is in it.
pub struct Opened {
    pub artifact: Artifact,
    pub corpus: Corpus,
}

impl Opened {
    /// Open the corpus that `word` names: a stage, a key or the beginning of one, or, with a `/`, a folder.
    pub fn new(context: &Context, word: &str) -> anyhow::Result<Opened> {
        if word.contains('/') && !Path::new(word).exists() {
            return Err(Fault::new(
                format!("the folder `{word}` does not exist"),
                "check the path, which starts at the current folder; a finished corpus is also named by its stage or key \
                 (`regimen runs` lists them)",
            ));
        }
        let artifact = if word.contains('/') {
            Artifact::open(Path::new(word)).explain()?
        } else {
            store(context)?.resolve(word).explain()?
        };
        if artifact.manifest.kind != "corpus" {
            return Err(Fault::new(
                format!("`{word}` is a `{}`, not a corpus", artifact.manifest.kind),
                "name a `corpus` stage; `regimen runs` lists them, `regimen lineage` shows what a stage was made from",
            ));
        }
        let corpus = Corpus::open(&artifact).explain()?;
        Ok(Opened { artifact, corpus })
    }

    /// What reads its source files again.
    pub fn originals(&self, context: &Context) -> anyhow::Result<Originals> {
        Originals::new(&self.artifact.manifest.config, &context.project).explain()
    }
}
