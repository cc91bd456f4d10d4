//! Which token ends a document.

use std::path::Path;

use regimen_base::fs;
use serde_json::Value;
use tokenizers::Tokenizer as Outer;

use super::{CONFIG, END};
use crate::error::{Error, Result};

/// The description of a Hugging Face model.
const MODEL: &str = "config.json";
/// Names that the token has where no file says which it is.
const USUAL: [&str; 5] = [END, "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>"];

/// Id and name of the end token of the `tokenizer.json` at `path`.
pub(super) fn find(path: &Path, outer: &Outer) -> Result<(u32, String)> {
    let none = |what: String| Err(Error::EndToken { path: path.into(), what });
    if let Some(config) = beside(path, CONFIG)? {
        let eos = &config["eos_token"];
        if let Some(name) = eos.as_str().or_else(|| eos["content"].as_str()) {
            return match outer.token_to_id(name) {
                Some(id) => Ok((id, name.into())),
                None => none(format!("{CONFIG} names `{name}`, which it does not have")),
            };
        }
    }
    if let Some(config) = beside(path, MODEL)? {
        // Of several the first one ends documents, the others turns of a dialogue.
        let eos = &config["eos_token_id"];
        if let Some(number) = eos.as_u64().or_else(|| eos[0].as_u64()) {
            let known = u32::try_from(number).ok().and_then(|id| Some((id, outer.id_to_token(id)?)));
            return match known {
                Some(found) => Ok(found),
                None => none(format!("{MODEL} names id {number}, which it does not have")),
            };
        }
    }
    match USUAL.iter().find_map(|name| Some((outer.token_to_id(name)?, name.to_string()))) {
        Some(found) => Ok(found),
        None => none(format!("no file beside it names one, and it has none of {}", USUAL.join(", "))),
    }
}

fn beside(path: &Path, name: &str) -> Result<Option<Value>> {
    let path = path.with_file_name(name);
    Ok(if path.is_file() { Some(fs::read_json(&path)?) } else { None })
}
