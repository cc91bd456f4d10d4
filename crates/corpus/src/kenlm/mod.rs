//! Perplexity by n-gram language models in KenLM's formats.
//!
//! Heafield, "KenLM: Faster and Smaller Language Model Queries", WMT 2011: back-off models (Katz 1987; estimated with
//! modified Kneser-Ney, Heafield et al., ACL 2013). The log10-probability of a word is that of the longest n-gram that ends
//! with it and is in the model, plus the back-off weights of the longer contexts.
//!
//! Files: ARPA text, also `.gz` and `.zst`, of any order; KenLM's binary format 5 with probing hash tables (with rest costs,
//! too, which scoring does not use) and with tries, plain or quantised, with or without compressed pointers. Binary files are
//! mapped. Sums are in f32, as KenLM's are.
//!
//! Limits: files of little-endian machines; a binary file that is packed must be unpacked first; no model is built here.
//! Texts are scored as they are: the models of CCNet want its text normalisation ([`Normal`]: lower case, digits as 0, no
//! accents) and pieces of SentencePiece ([`crate::sentencepiece`]) before, which is the caller's task.

mod arpa;
mod binary;
mod ccnet;
mod probing;
#[cfg(test)]
mod tests;
mod trie;
mod vocabulary;

use std::path::Path;

use crate::error::Result;
use crate::fasttext::bytes::Bytes;
use binary::Binary;

pub use ccnet::Normal;

/// The longest n-gram of a model may have so many words.
const LONGEST: usize = 32;

/// A language model, ready to score. Threads share it.
pub struct Model {
    tables: Tables,
    order: usize,
    begin: u32,
    end: u32,
}

enum Tables {
    Arpa(arpa::Tables),
    Binary(Binary),
}

/// What comes before a word: the last `order - 1` words, and the back-off weights of the n-grams that end there.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The latest first.
    words: Vec<u32>,
    /// Of the n-gram of the latest word, of the latest two, and so on.
    backoffs: Vec<f32>,
}

/// The score of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// log10 of its probability.
    pub log10: f32,
    /// Words of the n-gram that was found.
    pub length: usize,
    /// Whether the model does not know the word.
    pub unknown: bool,
}

impl Model {
    /// Open a model file; its first bytes tell the format.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged or of another kind ([`crate::Error::Model`]).
    pub fn open(path: &Path) -> Result<Model> {
        let file = path.display().to_string();
        let bytes = Bytes::open(path)?;
        if Binary::is(&bytes) { Model::binary(bytes, &file) } else { Model::arpa(&bytes, &file) }
    }

    /// A model from the bytes of a file; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: Vec<u8>, file: &str) -> Result<Model> {
        let bytes = Bytes::Memory(bytes);
        if Binary::is(&bytes) { Model::binary(bytes, file) } else { Model::arpa(&bytes, file) }
    }

    fn binary(bytes: Bytes, file: &str) -> Result<Model> {
        let binary = Binary::read(bytes, file)?;
        let order = binary.order();
        Model::new(Tables::Binary(binary), order)
    }

    fn arpa(bytes: &[u8], file: &str) -> Result<Model> {
        let tables = arpa::Tables::read(bytes, file)?;
        let order = tables.order();
        Model::new(Tables::Arpa(tables), order)
    }

    fn new(tables: Tables, order: usize) -> Result<Model> {
        let mut model = Model { tables, order, begin: 0, end: 0 };
        (model.begin, model.end) = (model.index(b"<s>"), model.index(b"</s>"));
        Ok(model)
    }

    /// Words of the longest n-gram.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Whether the model knows a word.
    pub fn knows(&self, word: &str) -> bool {
        self.index(word.as_bytes()) != 0
    }

    fn index(&self, word: &[u8]) -> u32 {
        match &self.tables {
            Tables::Arpa(tables) => tables.index(word),
            Tables::Binary(binary) => binary.index(word),
        }
    }

    /// The state in which nothing is known of what came before.
    pub fn empty(&self) -> State {
        State::default()
    }

    /// The state at the begin of a sentence.
    pub fn begin(&self) -> State {
        let mut state = State::default();
        self.push(&mut state, self.begin);
        state
    }

    /// Score a word and move the state past it.
    pub fn word(&self, state: &mut State, word: &str) -> Score {
        let index = self.index(word.as_bytes());
        self.push(state, index)
    }

    /// Score the end of the sentence.
    pub fn end(&self, state: &mut State) -> Score {
        self.push(state, self.end)
    }

    /// log10 of the probability of a sentence: its words, which ASCII spaces and line ends separate, after `<s>` if `begin`
    /// and with `</s>` if `end`.
    pub fn score(&self, sentence: &str, begin: bool, end: bool) -> f32 {
        let mut state = if begin { self.begin() } else { self.empty() };
        let mut sum = 0.0;
        for word in words(sentence) {
            sum += self.push(&mut state, self.index(word)).log10;
        }
        if end {
            sum += self.push(&mut state, self.end).log10;
        }
        sum
    }

    /// The perplexity of a text: `10^(-sum / tokens)`, where each line is a sentence with begin and end, and a token is a
    /// word or the end of a line. This is how CCNet (Wenzek et al. 2019, arXiv:1911.00359) and datatrove's
    /// `CCNetPerplexity` normalise; for a text of one line it is KenLM's own `perplexity`.
    pub fn perplexity(&self, text: &str) -> f64 {
        let (mut sum, mut tokens) = (0.0, 0.0);
        for line in text.split('\n') {
            sum += f64::from(self.score(line, true, true));
            tokens += words(line).count() as f64 + 1.0;
        }
        10f64.powf(-sum / tokens)
    }

    fn push(&self, state: &mut State, word: u32) -> Score {
        let keep = self.order - 1;
        let mut backoffs = [0.0; LONGEST];
        let (mut log10, mut length) = (0.0, 1);
        let each = |n: usize, found: f32, backoff: f32| {
            (log10, length) = (found, n);
            backoffs[n - 1] = backoff;
        };
        match &self.tables {
            Tables::Arpa(tables) => tables.walk(word, &state.words, each),
            Tables::Binary(binary) => binary.walk(word, &state.words, each),
        }
        for backoff in state.backoffs.iter().skip(length - 1) {
            log10 += backoff;
        }
        state.words.truncate(keep.saturating_sub(1));
        if keep > 0 {
            state.words.insert(0, word);
        }
        state.backoffs.clear();
        state.backoffs.extend_from_slice(&backoffs[..state.words.len()]);
        Score { log10, length, unknown: word == 0 }
    }
}

/// Words of a sentence as KenLM cuts it: only these six bytes separate.
fn words(sentence: &str) -> impl Iterator<Item = &[u8]> {
    let words = sentence.as_bytes().split(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
    words.filter(|word| !word.is_empty())
}
