//! The stages of this room.

mod tokenizer;
mod tokens;

use regimen_base::fs;
use regimen_recipe::{Job, Planning};

use crate::Split;
use crate::error::Result;

pub(crate) use tokenizer::TOKENIZER;
pub(crate) use tokens::TOKENS;

/// Both stages take a few seconds and begin anew when they were stopped: what an earlier execution left goes.
fn clear(job: &Job) -> Result<()> {
    for path in fs::list(job.dir())? {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if !hidden {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Bytes of text in a split of the input corpus, as built or as expected.
fn split_bytes(planning: &Planning, split: Split) -> f64 {
    planning.fact("corpus", &format!("bytes.{}", split.name()))
}
