//! `tokens.json`: what the files of a tokens artifact hold.

use std::path::Path;

use regimen_base::fs;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Name of the index in the artifact.
pub(crate) const INDEX: &str = "tokens.json";
/// Name of the table of token lengths in bytes, u32 little endian, one a token id.
pub(crate) const LENGTHS: &str = "token_bytes.bin";
/// Layout of the artifact's files.
const LAYOUT: u64 = 1;

/// How a token is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Two bytes: vocabularies of at most 65,536.
    U16,
    /// Four bytes.
    U32,
}

impl Dtype {
    /// The narrowest type for a vocabulary.
    pub fn for_vocab(vocab: usize) -> Dtype {
        if vocab <= 1 << 16 { Dtype::U16 } else { Dtype::U32 }
    }

    /// Bytes a token.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::U16 => 2,
            Dtype::U32 => 4,
        }
    }

    /// What numpy calls it.
    pub fn numpy(self) -> &'static str {
        match self {
            Dtype::U16 => "uint16",
            Dtype::U32 => "uint32",
        }
    }

    /// Append tokens as they are stored, little endian. They must be below the vocabulary that the type is for.
    pub(crate) fn encode(self, tokens: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
        match self {
            Dtype::U16 => tokens.for_each(|t| out.extend_from_slice(&(t as u16).to_le_bytes())),
            Dtype::U32 => tokens.for_each(|t| out.extend_from_slice(&t.to_le_bytes())),
        }
    }
}

/// The counts of one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Slots of the stream: tokens and one end token a document.
    pub slots: u64,
    /// Documents.
    pub documents: u64,
    /// Rows of the fragment table.
    pub fragments: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Shard files.
    pub shards: u64,
}

/// The content of `tokens.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    layout: u64,
    /// Token ids.
    pub vocab: usize,
    /// The token between documents.
    pub end_id: u32,
    /// How tokens are stored.
    pub dtype: Dtype,
    /// Slots a full shard holds; all but the last of a split are full.
    pub shard_slots: u64,
    /// The training split.
    pub train: Counts,
    /// The validation split.
    pub validation: Counts,
}

impl Index {
    pub(crate) fn new(vocab: usize, end_id: u32, shard_slots: u64) -> Index {
        let (train, validation) = Default::default();
        Index {
            layout: LAYOUT,
            vocab,
            end_id,
            dtype: Dtype::for_vocab(vocab),
            shard_slots,
            train,
            validation,
        }
    }

    pub(crate) fn read(dir: &Path) -> Result<Index> {
        #[derive(Deserialize)]
        struct Layout {
            layout: u64,
        }
        let path = dir.join(INDEX);
        let Layout { layout } = fs::read_json(&path)?;
        if layout != LAYOUT {
            return Err(Error::Layout { path, found: layout, known: LAYOUT });
        }
        let index: Index = fs::read_json(&path)?;
        if index.shard_slots == 0 || index.end_id as usize >= index.vocab {
            return Err(Error::damaged(&path, "its numbers contradict each other"));
        }
        Ok(index)
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(fs::write_json(&dir.join(INDEX), self)?)
    }
}

/// File name of a shard.
pub(crate) fn shard_name(split: &str, shard: u64) -> String {
    format!("{split}-{shard:05}.bin")
}

/// File name of a fragment table.
pub(crate) fn fragments_name(split: &str) -> String {
    format!("{split}.frags")
}
