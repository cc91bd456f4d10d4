//! Hugging Face folders: `config.json`, `generation_config.json` and `model.safetensors`, to and from.
//!
//! Two architectures: Llama (RMS norm, rotary positions, SwiGLU) and GPT-2 (layer norm, learned positions, GELU,
//! biases). The tokenizer's files are not this room's business.

mod describe;
mod names;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use regimen_base::fs;
use regimen_tensor::{Layout, Params};
use serde_json::{Value, json};

pub use describe::Family;

use crate::config::DecoderConfig;
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::weights::{self, Metadata};

/// Name of the description.
pub const CONFIG: &str = "config.json";
/// Name of the weights.
pub const WEIGHTS: &str = "model.safetensors";

/// Writes a decoder into the folder `dir` (made if it is absent) so that `transformers` opens it. `arena` holds the
/// parameters in `layout`; `metadata` goes into the header of the weights beside `format`.
///
/// # Errors
/// [`Error::NoArchitecture`] for a decoder that is neither a Llama nor a GPT-2, [`Error::Io`].
pub fn export(
    dir: &Path,
    config: &DecoderConfig,
    layout: &Layout,
    arena: &[f32],
    eos_id: Option<u32>,
    bos_id: Option<u32>,
    metadata: &Metadata,
) -> Result<()> {
    config.validate()?;
    let family = Family::of(config)?;
    let path = dir.join(WEIGHTS);
    if arena.len() != layout.len {
        let problem = format!("{} floats for a layout of {}", arena.len(), layout.len);
        return Err(Error::File { path, problem });
    }
    let mut tensors = Vec::new();
    for place in names::places(config, family) {
        let handle = layout.expect(&place.segment)?;
        tensors.push(place.extract(layout.segment(handle), arena));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    fs::create_dir_all(dir)?;
    let mut header: Metadata = metadata.clone();
    header.insert("format".into(), "pt".into());
    weights::write(&path, &tensors, &header)?;
    fs::write_json(&dir.join(CONFIG), &describe::write(config, family, eos_id, bos_id))?;
    let ids = BTreeMap::from([("bos_token_id", bos_id), ("eos_token_id", eos_id)]);
    let mut generation = json!({"do_sample": true});
    for (key, id) in ids {
        if let Some(id) = id {
            generation[key] = json!(id);
        }
    }
    Ok(fs::write_json(&dir.join("generation_config.json"), &generation)?)
}

/// The decoder that the `config.json` in the folder `dir` describes, without its weights.
///
/// # Errors
/// [`Error::File`] for another architecture or an option this program's decoder lacks; [`Error::Io`].
pub fn describe(dir: &Path) -> Result<DecoderConfig> {
    Ok(read_description(dir)?.0)
}

fn read_description(dir: &Path) -> Result<(DecoderConfig, Family)> {
    let path = dir.join(CONFIG);
    let description: Value = fs::read_json(&path)?;
    describe::read(&path, &description)
}

/// Reads a Llama or GPT-2 from the folder `dir` with weights in one file, as F32, BF16 or F16.
///
/// # Errors
/// [`Error::File`] for another architecture, an option this program's decoder lacks, or weights that do not fit the
/// description; [`Error::Io`].
pub fn import(dir: &Path) -> Result<(DecoderConfig, Arc<Layout>, Params)> {
    let (config, family) = read_description(dir)?;
    let (_, layout) = Decoder::with_layout(&config)?;
    let path = dir.join(WEIGHTS);
    let bytes = fs::read(&path)?;
    let (file, _) = weights::parse(&path, &bytes)?;
    let mut params = Params::try_zeros(layout.clone())?;
    for place in names::places(&config, family) {
        let handle = layout.expect(&place.segment)?;
        place.insert(&path, &file, layout.segment(handle), &mut params.data)?;
    }
    Ok((config, layout, params))
}

#[cfg(test)]
mod tests;
