//! Tokenizers: text to token ids and back, with the exact bytes of every token.
//!
//! A tokenizer is a Hugging Face `tokenizer.json`. The two shapes that are trained here (byte-level BPE with GPT-2's
//! pre-tokenization, characters with byte fallback) and everything of the same shape, GPT-2 itself among it, are encoded
//! by this crate's own loops; any other file is left to the `tokenizers` crate.

mod alphabet;
mod end;
mod hash;
mod make;
mod merge;
mod shape;
mod split;
mod train;

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::fs;
use serde_json::Value;
use tokenizers::Tokenizer as Outer;

use crate::error::{Error, Result};
use merge::Merges;

pub(crate) use make::{byte_level, byte_order, characters, characters_of, save};
pub(crate) use train::{Learned, count_pieces, learn};

/// The token that ends every document, id 0 in the tokenizers made here.
pub const END: &str = "<|endoftext|>";
/// Names of the files.
pub(crate) const JSON: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "tokenizer_config.json";
/// Bytes of text that one task encodes.
const PART: usize = 1 << 20;

/// A tokenizer, ready for use.
#[derive(Debug)]
pub struct Tokenizer {
    path: PathBuf,
    codec: Codec,
    /// The bytes of all tokens, end to end, and where each begins.
    bytes: Vec<u8>,
    begins: Vec<usize>,
    end_id: u32,
    end_token: String,
}

/// How text becomes ids.
#[derive(Debug)]
enum Codec {
    ByteLevel(Box<Merges>),
    Characters(Box<shape::Characters>),
    Foreign(Box<Outer>),
}

impl Tokenizer {
    /// Open the tokenizer in the folder `dir`.
    pub fn open(dir: &Path) -> Result<Tokenizer> {
        Tokenizer::load(&dir.join(JSON))
    }

    /// Load a `tokenizer.json`. The files beside it may name the end token: `tokenizer_config.json` (`eos_token`) or, if
    /// that does not, the `config.json` of a Hugging Face model (`eos_token_id`). Without them a usual name counts.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], [`Error::EndToken`], [`Error::File`].
    pub fn load(path: &Path) -> Result<Tokenizer> {
        let text = fs::read(path)?;
        let bad = |what: &dyn std::fmt::Display| Error::tokenizer(path, what);
        let json: Value = serde_json::from_slice(&text).map_err(|e| bad(&e))?;
        let mut outer = Outer::from_bytes(&text).map_err(|e| bad(&e))?;
        // Text is data: a special token spelled out in it is encoded as any other text.
        outer.set_encode_special_tokens(true);
        // Whole documents are encoded, each without padding, whatever the file's author cut them to.
        outer.with_truncation(None).map_err(|e| bad(&e))?;
        outer.with_padding(None);
        let (end_id, end_token) = end::find(path, &outer)?;
        let (codec, tokens) = shape::read(&json, outer, end_id).map_err(|what| bad(&what))?;

        let mut bytes = Vec::new();
        let mut begins = vec![0];
        for token in &tokens {
            bytes.extend_from_slice(&token.bytes);
            begins.push(bytes.len());
        }
        Ok(Tokenizer { path: path.into(), codec, bytes, begins, end_id, end_token })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token that ends a document.
    pub fn end_id(&self) -> u32 {
        self.end_id
    }

    /// Its name in the files, such as `</s>`.
    pub fn end_token(&self) -> &str {
        &self.end_token
    }

    /// Token ids: one more than the greatest.
    pub fn vocab_size(&self) -> usize {
        self.begins.len() - 1
    }

    /// The bytes of text that a token stands for; special tokens and unused ids stand for none.
    ///
    /// # Panics
    /// If the id is not below [`Tokenizer::vocab_size`].
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        &self.bytes[self.begins[id as usize]..self.begins[id as usize + 1]]
    }

    /// Bytes of text of every token, by id.
    pub fn token_lengths(&self) -> Vec<u32> {
        self.begins.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect()
    }

    /// Whether the bytes of a text's tokens are the text, so that every token has an address in it.
    pub fn is_lossless(&self) -> bool {
        !matches!(self.codec, Codec::Foreign(_))
    }

    /// The tokens of a text, without special tokens around them. A special token spelled out in the text is text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(text.len() / 3 + 1);
        self.encode_parts(&[text], &mut out, &mut Vec::new())?;
        Ok(out)
    }

    fn encode_parts(&self, texts: &[&str], out: &mut Vec<u32>, ends: &mut Vec<usize>) -> Result<()> {
        match &self.codec {
            Codec::ByteLevel(merges) => merges.encode(texts, out, ends),
            Codec::Characters(characters) => {
                for text in texts {
                    characters.encode(text, out);
                    ends.push(out.len());
                }
            }
            Codec::Foreign(outer) => {
                for text in texts {
                    let encoding =
                        outer.encode_fast(*text, false).map_err(|e| Error::tokenizer(&self.path, &e))?;
                    out.extend_from_slice(encoding.get_ids());
                    ends.push(out.len());
                }
            }
        }
        Ok(())
    }

    /// The tokens of many texts, on all threads. Long texts are shared out between threads as well; the ids are those
    /// of [`Tokenizer::encode`].
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        // Only where pieces are known to end may a text be cut.
        let most = if self.is_lossless() { PART } else { usize::MAX };
        let (owners, parts): (Vec<usize>, Vec<&str>) = texts
            .iter()
            .enumerate()
            .flat_map(|(i, text)| split::parts(text, most).map(move |part| (i, part)))
            .unzip();
        let tasks = tasks(&parts);
        let encoded: Vec<(Vec<u32>, Vec<usize>)> = tasks
            .par_iter()
            .map(|task| {
                let (mut out, mut ends) = (Vec::new(), Vec::with_capacity(task.len()));
                self.encode_parts(&parts[task.clone()], &mut out, &mut ends)?;
                Ok((out, ends))
            })
            .collect::<Result<_>>()?;
        let mut all = vec![Vec::new(); texts.len()];
        for (task, (out, ends)) in tasks.into_iter().zip(encoded) {
            let mut start = 0;
            for (&owner, end) in owners[task].iter().zip(ends) {
                all[owner].extend_from_slice(&out[start..end]);
                start = end;
            }
        }
        Ok(all)
    }

    /// The bytes that tokens stand for.
    ///
    /// # Panics
    /// If an id is not below [`Tokenizer::vocab_size`].
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.token_bytes(id)).copied().collect()
    }

    /// The text of tokens; special tokens are left out, and bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Panics
    /// If an id is not below [`Tokenizer::vocab_size`].
    pub fn decode(&self, ids: &[u32]) -> String {
        if let Codec::Foreign(outer) = &self.codec
            && let Ok(text) = outer.decode(ids, true)
        {
            return text;
        }
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }
}

/// Runs of neighbouring parts that have about [`PART`] bytes together.
fn tasks(parts: &[&str]) -> Vec<Range<usize>> {
    let mut tasks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, part) in parts.iter().enumerate() {
        bytes += part.len();
        if bytes >= PART || i + 1 == parts.len() {
            tasks.push(start..i + 1);
            (start, bytes) = (i + 1, 0);
        }
    }
    tasks
}

#[cfg(test)]
mod tests;
