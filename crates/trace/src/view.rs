//! What a trace looks at: a corpus, and the runs that learned from it.

use std::path::{Path, PathBuf};

use regimen_base::events::{self, Event};
use regimen_base::fs;
use regimen_corpus::Corpus;
use regimen_ledger::{Artifact, RunInfo, Store};
use regimen_tokens::{Packing, Schedule, TokenSet, WithheldSet};
use regimen_train::pretrain::RUNNING;
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

/// A corpus and the runs behind one artifact: a model's own run first, then those of the models whose weights it
/// started from, as far as they share the corpus.
pub struct View {
    /// The documents.
    pub corpus: Corpus,
    /// The token shards, where there are some.
    pub tokens: Option<TokenSet>,
    /// The runs, newest first; none for a corpus or tokens.
    pub runs: Vec<RunView>,
}

impl View {
    /// Look at a model (`pretrain`), or a corpus, tokenizer or tokens artifact.
    pub fn open(artifact: &Artifact) -> Result<View> {
        let kind = artifact.manifest.kind.as_str();
        let untraceable = || Error::Untraceable { kind: kind.into(), key: artifact.key().short() };
        match kind {
            "corpus" => View::of(&artifact.path, None),
            "tokens" => {
                let corpus = artifact.input_dir("corpus", "corpus").ok_or_else(untraceable)?;
                View::of(&corpus, Some(&artifact.path))
            }
            "tokenizer" | "ngram" => {
                View::of(&artifact.input_dir("corpus", "corpus").ok_or_else(untraceable)?, None)
            }
            "evaluate" | "generate" => {
                let model = artifact.input_dir("model", "pretrain").filter(|dir| dir.is_dir());
                View::open(&Artifact::open(&model.ok_or_else(untraceable)?)?)
            }
            "pretrain" => {
                let tokens = artifact.input_dir("tokens", "tokens").ok_or_else(untraceable)?;
                if !tokens.is_dir() {
                    return Err(Error::Gone { what: "tokens", path: tokens });
                }
                let corpus = corpus_of(&tokens).ok_or_else(untraceable)?;
                if !corpus.is_dir() {
                    return Err(Error::Gone { what: "corpus", path: corpus });
                }
                let mut view = View::of(&corpus, Some(&tokens))?;
                view.runs.push(RunView::open(artifact)?);
                view.add_parents(artifact, &corpus)?;
                Ok(view)
            }
            _ => Err(untraceable()),
        }
    }

    /// Look at a run that has not finished, as far as it came: by its record, what it left in its work folder, and its
    /// event log.
    pub fn open_run(store: &Store, info: &RunInfo) -> Result<View> {
        let untraceable = || Error::Untraceable { kind: info.kind.clone(), key: info.key.short() };
        let key = info.inputs.get("tokens").ok_or_else(untraceable)?;
        let dir = store.artifact_dir("tokens", *key);
        let corpus = corpus_of(&dir).ok_or_else(untraceable)?;
        let running = store.work_dir(info.key).join(RUNNING);
        if !running.is_file() {
            return Err(untraceable());
        }
        let mut training: Training = fs::read_json(&running)?;
        let context = info.config.pointer("/model/context").and_then(serde_json::Value::as_u64);
        for record in events::read(&events::path_in(&store.run_dir(&info.id)))? {
            if let Event::Metrics { step, values } = record.event {
                training.steps = training.steps.max(step);
                if values.contains_key("skipped") {
                    training.skipped.push(step - 1);
                }
            }
        }
        let mut view = View::of(&corpus, Some(&dir))?;
        let tokens = TokenSet::open(&dir)?;
        let context = context.ok_or_else(untraceable)? as usize;
        view.runs.push(RunView::new(&info.stage, &info.key.short(), tokens, context, training));
        Ok(view)
    }

    fn of(corpus: &Path, tokens: Option<&Path>) -> Result<View> {
        let tokens = tokens.map(TokenSet::open).transpose()?;
        Ok(View { corpus: Corpus::open_dir(corpus)?, tokens, runs: Vec::new() })
    }

    /// The runs of the models that `model` started from. The steps of a run that it extends are its own steps; what
    /// that run itself started from is further back.
    fn add_parents(&mut self, model: &Artifact, corpus: &Path) -> Result<()> {
        let mut next = Some(model.clone());
        while let Some(model) = next.take() {
            for (input, counts) in [("init", true), ("extend", false)] {
                let Some(dir) = model.input_dir(input, "pretrain").filter(|dir| dir.is_dir()) else {
                    continue;
                };
                let parent = Artifact::open(&dir)?;
                // Another corpus has other ordinals: that part of the chain is followed by naming the parent.
                let shared = parent.input_dir("tokens", "tokens").and_then(|tokens| corpus_of(&tokens));
                if counts && shared.as_deref() == Some(corpus) {
                    self.runs.push(RunView::open(&parent)?);
                }
                next = Some(parent);
            }
        }
        Ok(())
    }
}

fn corpus_of(tokens: &Path) -> Option<PathBuf> {
    Artifact::open(tokens).ok()?.input_dir("corpus", "corpus")
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
