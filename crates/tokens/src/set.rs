//! A tokens artifact, open for reading.

use std::path::Path;
use std::sync::Arc;

use regimen_base::fs;

use crate::Split;
use crate::error::{Error, Result};
use crate::index::{Dtype, Index, LENGTHS};
use crate::stream::Stream;

/// The tokens of a corpus: one stream a split.
#[derive(Debug)]
pub struct TokenSet {
    index: Index,
    train: Stream,
    validation: Stream,
}

impl TokenSet {
    /// Open the artifact in the folder `dir`. Shards are mapped, not read; the fragment tables are checked.
    pub fn open(dir: &Path) -> Result<TokenSet> {
        let index = Index::read(dir)?;
        let path = dir.join(LENGTHS);
        let bytes = fs::read(&path)?;
        if bytes.len() != index.vocab * 4 {
            return Err(Error::damaged(&path, format!("{} bytes for {} tokens", bytes.len(), index.vocab)));
        }
        let lengths: Arc<[u32]> = bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
        let train = Stream::open(dir, &index, Split::Train, lengths.clone())?;
        let validation = Stream::open(dir, &index, Split::Validation, lengths)?;
        Ok(TokenSet { index, train, validation })
    }

    /// The stream of a split.
    pub fn split(&self, split: Split) -> &Stream {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
        }
    }

    /// The training stream.
    pub fn train(&self) -> &Stream {
        &self.train
    }

    /// The validation stream.
    pub fn validation(&self) -> &Stream {
        &self.validation
    }

    /// The stream that holds a document, with the split it belongs to.
    pub fn stream_of(&self, ordinal: u32) -> Option<&Stream> {
        [&self.train, &self.validation].into_iter().find(|stream| stream.slots_of(ordinal).is_some())
    }

    /// Token ids.
    pub fn vocab(&self) -> usize {
        self.index.vocab
    }

    /// How tokens are stored.
    pub fn dtype(&self) -> Dtype {
        self.index.dtype
    }

    /// The token between documents.
    pub fn end_id(&self) -> u32 {
        self.index.end_id
    }
}
