//! A finished model as it lies in an artifact: `model.json`, `weights.safetensors`, `tokenizer.json`, and the arrays of
//! the optimizer (`optimizer.NAME.safetensors`) with `training.json`, from which a run can be extended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regimen_base::{Hash256, fs};
use regimen_ledger::Artifact;
use regimen_models::{Decoder, DecoderConfig, weights};
use regimen_optim::{Kind, Part};
use regimen_tensor::{Init, Layout, LayoutBuilder, Params};
use regimen_tokens::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// File names of a model artifact.
pub const MODEL: &str = "model.json";
/// The weights.
pub const WEIGHTS: &str = "weights.safetensors";
/// Where the run stood at its end.
pub const TRAINING: &str = "training.json";
/// The tokenizer in Hugging Face's format.
pub const TOKENIZER: &str = "tokenizer.json";
/// What Hugging Face's tools want to know besides.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The file of one array of the optimizer's state.
pub fn optimizer_file(state: &str) -> String {
    format!("optimizer.{state}.safetensors")
}

/// The layout of an array of the optimizer's state with those parts; without parts it is that of the parameters.
pub fn state_layout(parameters: &Arc<Layout>, parts: Option<&[Part]>) -> Result<Arc<Layout>> {
    let Some(parts) = parts else { return Ok(parameters.clone()) };
    let mut builder = LayoutBuilder::new();
    for part in parts {
        builder.segment(&part.name, &part.shape, false, Init::Zeros)?;
    }
    Ok(Arc::new(builder.build()))
}

/// Copy the tokenizer's files from one folder to another.
pub fn copy_tokenizer(from: &Path, to: &Path) -> Result<()> {
    fs::write(&to.join(TOKENIZER), &fs::read(&from.join(TOKENIZER))?)?;
    let config = from.join(TOKENIZER_CONFIG);
    if config.is_file() {
        fs::write(&to.join(TOKENIZER_CONFIG), &fs::read(&config)?)?;
    }
    Ok(())
}

/// The folder of the tokenizer that some tokens were encoded with: a `tokenizer` stage's, or an imported model's.
pub fn tokenizer_dir(tokens: &Artifact) -> Option<PathBuf> {
    let dirs = ["tokenizer", "import"].into_iter().filter_map(|kind| tokens.input_dir("tokenizer", kind));
    dirs.into_iter().find(|dir| dir.is_dir())
}

/// Whether two tokenizers are the same to a model: the same bytes under every id, and the same end token. Their files
/// may be written differently.
pub fn same_tokenizer(a: &Tokenizer, b: &Tokenizer) -> bool {
    a.vocab_size() == b.vocab_size()
        && a.end_id() == b.end_id()
        && (0..a.vocab_size() as u32).all(|id| a.token_bytes(id) == b.token_bytes(id))
}

/// A model ready to be used.
pub struct Saved {
    /// Its architecture.
    pub config: DecoderConfig,
    /// Names and places of its parameters.
    pub layout: Arc<Layout>,
    /// Its handles.
    pub decoder: Decoder,
    /// Its weights.
    pub params: Params,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

/// Where a finished run stood: what extending it and tracing it need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Key of the tokens artifact.
    pub tokens: Hash256,
    /// Seed that orders the data.
    pub seed: u64,
    /// Optimizer steps done, those of an extended run included.
    pub steps: u64,
    /// Updates the optimizer took (steps that were not skipped).
    pub updates: u64,
    /// The rule they followed.
    #[serde(default)]
    pub optimizer: Kind,
    /// Sequences in a step.
    pub batch: usize,
    /// Tokens trained on.
    pub tokens_seen: u64,
    /// Ordinals of withheld documents, ascending.
    pub withheld: Vec<u32>,
    /// Steps that updated nothing, ascending.
    pub skipped: Vec<u64>,
    /// Hash of the weight arena.
    pub weights: Hash256,
}

/// A decoder and the arena layout for it.
pub fn build(config: &DecoderConfig) -> Result<(Decoder, Arc<Layout>)> {
    let mut builder = LayoutBuilder::new();
    let decoder = Decoder::new(config, &mut builder)?;
    Ok((decoder, Arc::new(builder.build())))
}

impl Saved {
    /// Open the folder of a finished `pretrain` or `import` artifact. The model may have ids behind those of its
    /// tokenizer: most Hugging Face models pad their vocabularies.
    pub fn open(dir: &Path) -> Result<Saved> {
        let config: DecoderConfig = fs::read_json(&dir.join(MODEL))?;
        let (decoder, layout) = build(&config)?;
        let params = read_arena(&dir.join(WEIGHTS), &layout)?;
        let tokenizer = Tokenizer::load(&dir.join(TOKENIZER))?;
        if tokenizer.vocab_size() > config.vocab {
            return Err(Error::Config {
                field: "model.vocab".into(),
                message: format!(
                    "the model has {} ids and its tokenizer {}",
                    config.vocab,
                    tokenizer.vocab_size()
                ),
                hint: "the artifact is damaged; run `regimen ledger verify`".into(),
            });
        }
        Ok(Saved { config, layout, decoder, params, tokenizer })
    }
}

/// An arena from its file.
pub fn read_arena(path: &Path, layout: &Arc<Layout>) -> Result<Params> {
    Ok(weights::load(path, layout.clone())?.0)
}

/// The hash of an arena: its floats as little-endian bytes.
pub fn hash_arena(arena: &[f32]) -> Hash256 {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(4 << 14);
    for chunk in arena.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
        hasher.update(&bytes);
    }
    Hash256(*hasher.finalize().as_bytes())
}
