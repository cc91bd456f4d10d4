//! A small world to train in: prose from a seed, byte tokens, a model of one or two blocks.

use std::fmt::Write;
use std::path::Path;

use regimen_base::events::{self, Event, Record, Watch};
use regimen_base::{Cancel, Failure, Hash256, Philox};
use regimen_ledger::{Artifact, Store};
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, Runner, StageKind, is_interrupted};

pub const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES, regimen_train::STAGES]);

pub fn kind(name: &str) -> &'static StageKind {
    ALL.get(name).unwrap()
}

const WORDS: [&str; 12] =
    ["river", "stone", "the", "of", "light", "and", "house", "train", "a", "model", "learns", "slowly"];

/// A text of `words` words.
pub fn prose(seed: u64, words: u64) -> String {
    let mut stream = Philox::new(seed, &["prose"]);
    (0..words).map(|_| format!("{} ", WORDS[stream.below(WORDS.len() as u64) as usize])).collect()
}

/// Corpus and tokens in `root`; `change` may rewrite the text of a document.
pub struct World {
    pub corpus: Artifact,
    pub tokens: Artifact,
}

pub fn world(root: &Path, documents: usize, change: impl Fn(usize, String) -> String) -> World {
    let mut rows = String::new();
    for i in 0..documents {
        let text = change(i, prose(i as u64, 12 + (i as u64 * 7) % 30));
        writeln!(rows, "{}", serde_json::json!({"id": format!("d{i}"), "text": text})).unwrap();
    }
    std::fs::write(root.join("docs.jsonl"), rows).unwrap();
    let config = "sources = [{ name = \"prose\", path = \"docs.jsonl\", author = \"human\", licence = \"CC0-1.0\" }]\n\
                  validation = 0.15\nfilter = { quality = \"none\" }";
    let corpus = run_stage(kind("corpus"), config, root, &[], 0).unwrap();
    let tokenizer = run_stage(kind("tokenizer"), "type = \"byte\"", root, &[("corpus", &corpus)], 0).unwrap();
    let inputs = [("corpus", &corpus), ("tokenizer", &tokenizer)];
    let tokens = run_stage(kind("tokens"), "", root, &inputs, 0).unwrap();
    World { corpus, tokens }
}

pub const MODEL: &str = "layers = 2, width = 16, heads = 2, context = 24";

/// The config of a short training; `more` is further TOML lines.
pub fn config(steps: u64, more: &str) -> String {
    format!(
        "steps = {steps}\nbatch = 4\nmodel = {{ {MODEL} }}\nschedule = {{ warmup = 1, shape = \"constant\" }}\n\
         validation = {{ every = 0, documents = 4 }}\n{more}"
    )
}

/// Run `pretrain` to its end.
pub fn train(root: &Path, tokens: &Artifact, config: &str) -> Result<Artifact, Failure> {
    run_stage(kind("pretrain"), config, root, &[("tokens", tokens)], 5)
}

/// The payload hash of the weights.
pub fn weights(model: &Artifact) -> Hash256 {
    let entry = model.manifest.files.iter().find(|f| f.path == "weights.safetensors").unwrap();
    entry.payload.unwrap()
}

/// Losses by step, from the event log of the run that made the model.
pub fn losses(root: &Path, model: &Artifact) -> Vec<(u64, f64)> {
    records(root, model)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Metrics { step, values } => values.get("loss").map(|loss| (step, loss.0)),
            _ => None,
        })
        .collect()
}

pub fn records(root: &Path, model: &Artifact) -> Vec<Record> {
    let store = Store::open(root).unwrap();
    let id = regimen_ledger::run_id(&model.manifest.stage, model.key());
    events::read(&events::path_in(&store.run_dir(&id))).unwrap()
}

/// Asks to stop when the given step is done.
struct StopAt(u64, Cancel);

impl Watch for StopAt {
    fn see(&mut self, record: &Record) {
        if matches!(record.event, Event::Metrics { step, .. } if step == self.0) {
            self.1.ask();
        }
    }
}

/// What a runner asks for somebody who watches a stage.
type Watchers = Box<dyn FnMut(&str) -> Option<Box<dyn Watch>>>;

/// What a runner needs to be stopped when the given step is done.
pub fn stop_at(step: u64) -> (Cancel, Watchers) {
    let cancel = Cancel::new();
    let asked = cancel.clone();
    (cancel, Box::new(move |_| Some(Box::new(StopAt(step, asked.clone())) as Box<dyn Watch>)))
}

/// Run `pretrain`, but stop after `step`; true if it stopped, false if it came to its end.
pub fn train_until(root: &Path, tokens: &Artifact, config: &str, step: u64) -> bool {
    let recipe =
        regimen_recipe::testing::recipe(kind("pretrain"), config, root, &[("tokens", tokens)], 5).unwrap();
    let store = Store::open(root).unwrap();
    let (cancel, watch) = stop_at(step);
    let mut runner = Runner { cancel, watch, ..Runner::new(&store, regimen_recipe::testing::FINGERPRINT) };
    match runner.run(&recipe, None) {
        Ok(_) => false,
        Err(failure) => {
            assert!(is_interrupted(&failure), "{failure:?}");
            true
        }
    }
}
