//! What a trace looks at: a corpus, and the runs that learned from it.

use std::path::{Path, PathBuf};

use regimen_base::fs;
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_tokens::{Packing, Schedule, TokenSet, WithheldSet};
use regimen_train::saved::{MODEL, TRAINING, Training};

use crate::error::{Error, Result};

/// A run as far as its data goes.
pub struct RunView {
    /// Name of its stage.
    pub stage: String,
    /// Key of its artifact.
    pub key: String,
    /// Its token shards.
    pub tokens: TokenSet,
    /// How the stream is cut.
    pub packing: Packing,
    /// Which instances a step takes.
    pub schedule: Schedule,
    /// Steps it took.
    pub steps: u64,
    /// Steps that updated nothing (from 0).
    pub skipped: Vec<u64>,
    /// Documents it trained without.
    pub withheld: WithheldSet,
}

/// A corpus and the runs behind one artifact: a model's own run first, then that of the model whose weights it
/// started from, as far as they share the corpus.
pub struct View {
    /// The documents.
    pub corpus: Corpus,
    /// The runs, newest first; none for a corpus or tokens.
    pub runs: Vec<RunView>,
}

impl View {
    /// Look at a model (`pretrain`), or a corpus, tokenizer or tokens artifact.
    pub fn open(artifact: &Artifact) -> Result<View> {
        let untraceable =
            || Error::Untraceable { kind: artifact.manifest.kind.clone(), key: artifact.key().short() };
        let corpus_dir = match artifact.manifest.kind.as_str() {
            "corpus" => artifact.path.clone(),
            "tokenizer" | "tokens" | "ngram" => {
                artifact.input_dir("corpus", "corpus").ok_or_else(untraceable)?
            }
            "pretrain" => corpus_of(artifact).ok_or_else(untraceable)?,
            "evaluate" | "generate" => {
                let model = artifact.input_dir("model", "pretrain").ok_or_else(untraceable)?;
                return View::open(&Artifact::open(&model)?);
            }
            _ => return Err(untraceable()),
        };
        let corpus = Corpus::open_dir(&corpus_dir)?;
        let mut runs = Vec::new();
        let mut next = (artifact.manifest.kind == "pretrain").then(|| artifact.clone());
        while let Some(model) = next {
            // Another corpus has other ordinals: a chain over several corpora is followed by naming the parent.
            if corpus_of(&model).as_deref() != Some(&corpus_dir) {
                break;
            }
            runs.push(RunView::open(&model)?);
            next = match model.input_dir("init", "pretrain") {
                Some(dir) if dir.is_dir() => Some(Artifact::open(&dir)?),
                _ => None,
            };
        }
        Ok(View { corpus, runs })
    }
}

fn corpus_of(model: &Artifact) -> Option<PathBuf> {
    let tokens = Artifact::open(&model.input_dir("tokens", "tokens")?).ok()?;
    tokens.input_dir("corpus", "corpus")
}

impl RunView {
    /// The data side of a finished `pretrain` artifact.
    pub fn open(model: &Artifact) -> Result<RunView> {
        let untraceable =
            || Error::Untraceable { kind: model.manifest.kind.clone(), key: model.key().short() };
        let dir = model.input_dir("tokens", "tokens").ok_or_else(untraceable)?;
        let training: Training = fs::read_json(&model.file(TRAINING))?;
        let context = context(&model.path)?;
        Ok(RunView::new(
            &model.manifest.stage,
            &model.key().short(),
            TokenSet::open(&dir)?,
            context,
            training,
        ))
    }

    /// The same from its parts.
    pub fn new(stage: &str, key: &str, tokens: TokenSet, context: usize, training: Training) -> RunView {
        let packing = Packing::new(tokens.train().len(), context);
        RunView {
            stage: stage.into(),
            key: key.into(),
            schedule: Schedule::new(training.seed, packing.n, training.batch as u64),
            packing,
            tokens,
            steps: training.steps,
            skipped: training.skipped,
            withheld: WithheldSet::new(training.withheld),
        }
    }
}

fn context(model: &Path) -> Result<usize> {
    #[derive(serde::Deserialize)]
    struct Model {
        context: usize,
    }
    Ok(fs::read_json::<Model>(&model.join(MODEL))?.context)
}
