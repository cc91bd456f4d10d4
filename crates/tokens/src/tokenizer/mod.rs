//! Tokenizers: text to token ids and back, with the exact bytes of every token.
//!
//! A tokenizer is a Hugging Face `tokenizer.json`. The two shapes that are trained here (byte-level BPE with GPT-2's
//! pre-tokenization, characters with byte fallback) and every byte-level BPE of the GPT-2, Llama 3, Qwen, GPT-4o or
//! StarCoder kind are encoded by this crate's own loops, to the very ids of the `tokenizers` crate; any other file is left
//! to that crate. [`shape`] says which is which.

mod added;
mod alphabet;
mod byte_level;
mod classes;
mod end;
mod expression;
mod guard;
mod handed;
mod hash;
mod json;
mod make;
mod memory;
mod merge;
mod normal;
mod pairs;
mod quick;
mod shape;
mod split;
mod train;

use std::ops::Range;
use std::path::{Path, PathBuf};

use byte_level::ByteLevel;
use json::Json;
use rayon::prelude::*;
use regimen_base::fs;
use tokenizers::Tokenizer as Outer;

use crate::error::{Error, Result};

pub(crate) use make::{byte_level, byte_order, characters, characters_of, save};
pub(crate) use train::{Learned, count_pieces, learn};

/// The token that ends every document, id 0 in the tokenizers made here.
pub const END: &str = "<|endoftext|>";
/// Names of the files.
pub(crate) const JSON: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "tokenizer_config.json";
/// Files beside it that may name the end token.
pub(crate) const BESIDE: [&str; 2] = [CONFIG, "config.json"];
/// Bytes of text that one task encodes.
const PART: usize = 1 << 18;

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
    ByteLevel(Box<ByteLevel>),
    Characters(Box<shape::Characters>),
    Foreign(Box<Outer>),
}

impl Tokenizer {
    /// Open the tokenizer in the folder `dir`.
    pub fn open(dir: &Path) -> Result<Tokenizer> {
        Tokenizer::load(&dir.join(JSON))
    }

    /// Load a `tokenizer.json`. The files beside it may name the end token: `tokenizer_config.json` (`eos_token`) or, if
    /// that does not, the `config.json` of a Hugging Face model (`eos_token_id`). Without them a usual name counts. What the
    /// file says of truncation, padding and the dropout of a BPE is not done.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], [`Error::EndToken`], [`Error::File`].
    pub fn load(path: &Path) -> Result<Tokenizer> {
        let text = fs::read(path)?;
        let bad = |what: &dyn std::fmt::Display| Error::tokenizer(path, what);
        let json = Json::read(&text).map_err(|e| bad(&e))?;
        guard::merges(&json).map_err(|what| bad(&what))?;
        // The crate takes most of the time.
        let (outer, ranked) = rayon::join(|| shape::outer(&text, &json.rest), || shape::ranked(&json));
        let mut outer = outer.map_err(|what| bad(&what))?;
        // Text is data: a special token spelled out in it is encoded as any other text.
        outer.set_encode_special_tokens(true);
        // Whole documents are encoded, each without padding, whatever the file's author cut them to.
        outer.with_truncation(None).map_err(|e| bad(&e))?;
        outer.with_padding(None);
        shape::keep_merges(&mut outer);
        let (end_id, end_token) = end::find(path, &outer)?;
        let (codec, tokens) = shape::read(&json, outer, ranked, end_id).map_err(|what| bad(&what))?;

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

    /// Whether the bytes of a text's tokens are the text, so that every token has an address in it, whatever the text.
    ///
    /// A tokenizer that normalizes, puts a space before the text or is left to the `tokenizers` crate may spell some texts
    /// otherwise; [`Tokenizer::spells`] tells of one text.
    pub fn is_lossless(&self) -> bool {
        match &self.codec {
            Codec::ByteLevel(codec) => codec.lossless,
            Codec::Characters(_) => true,
            Codec::Foreign(_) => false,
        }
    }

    /// Whether the bytes of these tokens are the text.
    pub fn spells(&self, text: &str, ids: &[u32]) -> bool {
        let mut rest = text.as_bytes();
        let spelled = ids.iter().all(|&id| {
            let known = (id as usize) < self.vocab_size();
            known && rest.strip_prefix(self.token_bytes(id)).map(|left| rest = left).is_some()
        });
        spelled && rest.is_empty()
    }

    /// The tokens of a text, without special tokens around them. A special token spelled out in the text is text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] from the `tokenizers` crate, for the files that are left to it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(text.len() / 4 + 1);
        match &self.codec {
            Codec::ByteLevel(codec) => codec.with_memory(|memory| codec.encode(text, memory, &mut out)),
            Codec::Characters(characters) => characters.encode(text, &mut out),
            Codec::Foreign(outer) => {
                let encoded = guard::foreign(|| outer.encode_fast(text, false));
                let encoding = encoded.map_err(|what| Error::tokenizer(&self.path, &what))?;
                out.extend_from_slice(encoding.get_ids());
            }
        }
        Ok(out)
    }

    /// The tokens of many texts, on all threads. Long texts are shared out between threads as well; the ids are those
    /// of [`Tokenizer::encode`].
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        // Each task may go to another thread: by itself a parallel iterator leaves runs of them together.
        let tasks = tasks(texts).into_par_iter().with_max_len(1);
        let encoded = tasks.map(|task| self.encode_run(&texts[task])).collect::<Result<Vec<Vec<_>>>>()?;
        Ok(encoded.into_iter().flatten().collect())
    }

    fn encode_run(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        let is_long = |text: &str| text.len() > 2 * PART;
        match &self.codec {
            Codec::ByteLevel(codec) => Ok(codec.with_memory(|memory| {
                let mut room = Vec::new();
                let mut one = |text: &&str| {
                    if is_long(text) {
                        return codec.encode_long(text);
                    }
                    room.clear();
                    codec.encode(text, memory, &mut room);
                    room.as_slice().to_vec()
                };
                texts.iter().map(&mut one).collect()
            })),
            Codec::Characters(characters) => {
                Ok(texts.iter().map(|text| characters.encode_long(text)).collect())
            }
            Codec::Foreign(_) => texts.iter().map(|text| self.encode(text)).collect(),
        }
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
            && let Ok(text) = guard::foreign(|| outer.decode(ids, true))
        {
            return text;
        }
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }
}

/// Runs of neighbouring texts that have about [`PART`] bytes together.
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
