//! Classifiers in fastText's format: language, quality, toxicity.
//!
//! Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016, arXiv:1607.01759: a line is the mean of the
//! vectors of its words and n-grams, times a matrix with a row per label. Word n-grams and character n-grams share a fixed
//! number of rows by hash. The files are those that fastText writes: `.bin` with plain numbers, `.ftz` product-quantised
//! ("FastText.zip", 2016, arXiv:1612.03651), with or without a norm quantiser, a quantised output and a pruned vocabulary.
//!
//! Limits: supervised models of format versions 11 and 12 (all that were published since 2017); the label prefix is
//! `__label__`, since the file does not store another; probabilities are those that fastText reports, 1e-5 above the true
//! ones (see the file `loss.rs`). Version 11 has no character n-grams.
//!
//! [`train`] makes models of the same format, [`score`] tells how good they are, and [`quantise`] makes them smaller.

mod ascii;
pub(crate) mod bytes;
mod dictionary;
pub(crate) mod hash;
mod loss;
mod matrix;
mod quantise;
mod scores;
#[cfg(test)]
mod tests;
mod train;
mod write;

use std::path::Path;

use crate::error::{Error, Place, Result};
use bytes::{Bytes, Cursor};
use dictionary::{Cut, Dictionary, Lines};
use loss::{Loss, Scored};
use matrix::Matrix;
pub use quantise::quantise;
pub use scores::{LabelScores, Scores, score};
pub(crate) use train::words;
pub use train::{Options, line, train, train_while};

const FORMAT: &str = "fastText";
const MAGIC: i32 = 793_712_314;
const SUPERVISED: i32 = 3;

/// A supervised model, ready to classify. Threads share it; each has its own [`Scratch`].
pub struct Model {
    bytes: Bytes,
    file: String,
    dictionary: Dictionary,
    input: Matrix,
    output: Matrix,
    loss: Loss,
    labels: Vec<String>,
}

/// A label and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction<'a> {
    /// As it stands in the model, with its prefix: `__label__en`.
    pub label: &'a str,
    /// As fastText reports it, up to 1.00001.
    pub probability: f32,
}

/// Memory for one prediction after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    lines: Lines,
    hidden: Vec<f32>,
    output: Vec<f32>,
    best: Vec<Scored>,
}

impl Model {
    /// Map a model file.
    ///
    /// # Errors
    /// The file cannot be read, is damaged ([`Error::Model`]) or is not a supervised model of a known version.
    pub fn open(path: &Path) -> Result<Model> {
        Model::new(Bytes::open(path)?, path.display().to_string())
    }

    /// A model from the bytes of a file; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: Vec<u8>, file: &str) -> Result<Model> {
        Model::new(Bytes::Memory(bytes), file.into())
    }

    fn new(bytes: Bytes, file: String) -> Result<Model> {
        let mut cursor = Cursor::new(&bytes, &file, FORMAT);
        let header = Header::read(&mut cursor)?;
        let (mut dictionary, pruned, rows) = Dictionary::read(&mut cursor, header.cut)?;
        let quantised = flag(&mut cursor, "the kind of the input matrix")?;
        if pruned && !quantised {
            return Err(cursor.refuse("the vocabulary is pruned, but the input matrix is not quantised"));
        }
        let input = matrix(&mut cursor, quantised, "the input matrix")?.spread(&bytes);
        let quantised_output = flag(&mut cursor, "the kind of the output matrix")?;
        let output = matrix(&mut cursor, quantised && quantised_output, "the output matrix")?;

        let labels = dictionary.labels();
        let fits = input.columns == header.dim && output.columns == header.dim;
        if !fits || input.rows < rows || output.rows != labels as u64 || labels == 0 {
            return Err(cursor.refuse(format!(
                "matrices of {} x {} and {} x {} for {rows} words and n-grams, {labels} labels and dimension {}",
                input.rows, input.columns, output.rows, output.columns, header.dim
            )));
        }
        if !dictionary.index(&bytes) {
            return Err(cursor.refuse("its words share their hashes"));
        }
        let counts = &dictionary.counts[dictionary.words()..];
        let Some(loss) = Loss::new(header.loss, counts) else {
            return Err(cursor.refuse(format!("loss {} with the label counts {counts:.8?}", header.loss)));
        };
        let labels = (0..labels)
            .map(|number| {
                let label = std::str::from_utf8(dictionary.label(&bytes, number));
                label.map(str::to_owned).map_err(|_| cursor.refuse(format!("label {number} is not UTF-8")))
            })
            .collect::<Result<_>>()?;
        Ok(Model { file, dictionary, input, output, loss, labels, bytes })
    }

    /// The labels, in the order of the file: the most frequent in training first.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Numbers in the vector of a word.
    pub fn dim(&self) -> usize {
        self.input.columns
    }

    /// The `k` most probable labels of a text, the best first. Line ends count as spaces, as Dolma and datatrove replace
    /// them; the end of the text is the end of fastText's line. No labels if the model knows nothing of the text.
    ///
    /// # Errors
    /// [`Error::Model`] if the model gives numbers that are no numbers.
    pub fn predict(&self, text: &str, k: usize) -> Result<Vec<Prediction<'_>>> {
        let mut scratch = Scratch::default();
        let mut predictions = Vec::new();
        self.predict_with(&mut scratch, text.as_bytes(), k, &mut predictions)?;
        Ok(predictions)
    }

    /// [`Model::predict`] for each line of a text, as `fastText predict` reads a file: a last line that is empty is none.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_lines(&self, text: &str, k: usize) -> Result<Vec<Vec<Prediction<'_>>>> {
        let mut scratch = Scratch::default();
        let lines = text.split_inclusive('\n');
        lines
            .map(|line| {
                let mut predictions = Vec::new();
                self.predict_with(&mut scratch, line.as_bytes(), k, &mut predictions)?;
                Ok(predictions)
            })
            .collect()
    }

    /// [`Model::predict`] without memory of its own. The text need not be UTF-8.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_with<'a>(
        &'a self,
        scratch: &mut Scratch,
        text: &[u8],
        k: usize,
        predictions: &mut Vec<Prediction<'a>>,
    ) -> Result<()> {
        predictions.clear();
        predictions.extend(self.best(scratch, text, k)?.iter().filter_map(|&(score, label)| {
            let label = self.labels.get(label as usize)?;
            Some(Prediction { label, probability: score.exp() })
        }));
        Ok(())
    }

    /// The logarithms of the `k` greatest probabilities, with the numbers of their labels.
    fn best<'s>(&self, scratch: &'s mut Scratch, text: &[u8], k: usize) -> Result<&'s [Scored]> {
        if !self.hidden(scratch, text) {
            return Ok(&[]);
        }
        let Scratch { hidden, output, best, .. } = scratch;
        output.resize(self.labels.len(), 0.0);
        let found = self.loss.best(&self.bytes, &self.output, hidden, k, output, best);
        found.ok_or_else(|| self.no_number())?;
        Ok(best)
    }

    /// The probability of one label, by its full name. Nothing if the model has no such label or knows nothing of the text.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn probability(&self, text: &str, label: &str) -> Result<Option<f32>> {
        self.probability_with(&mut Scratch::default(), text.as_bytes(), label)
    }

    /// [`Model::probability`] without memory of its own.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn probability_with(&self, scratch: &mut Scratch, text: &[u8], label: &str) -> Result<Option<f32>> {
        let Some(label) = self.dictionary.find_label(&self.bytes, label.as_bytes()) else { return Ok(None) };
        if !self.hidden(scratch, text) {
            return Ok(None);
        }
        let Scratch { hidden, output, .. } = scratch;
        output.resize(self.labels.len(), 0.0);
        let score = self.loss.one(&self.bytes, &self.output, hidden, label, output);
        score.map(|score| Some(score.exp())).ok_or_else(|| self.no_number())
    }

    /// The mean of the rows of a text. False if it has none.
    fn hidden(&self, scratch: &mut Scratch, text: &[u8]) -> bool {
        let Scratch { lines, hidden, .. } = scratch;
        hidden.clear();
        hidden.resize(self.input.columns, 0.0);
        let count = self.dictionary.rows(&self.bytes, text, lines, |rows| {
            self.input.add_rows(&self.bytes, rows, hidden);
        });
        let share = (1.0 / count as f64) as f32;
        hidden.iter_mut().for_each(|x| *x *= share);
        count > 0
    }

    fn no_number(&self) -> Error {
        let place = Place { file: self.file.clone(), unit: "byte", number: 0 };
        Error::Model { place, format: FORMAT, what: "its matrices hold values that are no numbers".into() }
    }
}

/// What stands before the dictionary.
struct Header {
    dim: usize,
    loss: i32,
    cut: Cut,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Result<Header> {
        let magic = cursor.i32("the signature")?;
        if magic != MAGIC {
            return Err(cursor.refuse(format!("it begins with {magic:#010x} instead of {MAGIC:#010x}")));
        }
        let version = cursor.i32("the version")?;
        if !(11..=12).contains(&version) {
            return Err(cursor.refuse(format!("it is of version {version}; versions 11 and 12 can be read")));
        }
        let dim = cursor.i32("the dimension")?;
        for name in
            ["the context window", "the number of epochs", "the least count", "the number of negatives"]
        {
            cursor.i32(name)?;
        }
        let word_ngrams = cursor.i32("the length of word n-grams")?;
        let loss = cursor.i32("the loss")?;
        let model = cursor.i32("the kind of model")?;
        if model != SUPERVISED {
            return Err(cursor.refuse(format!(
                "it is of kind {model} (1 and 2 are word vectors); only kind 3, supervised, has labels"
            )));
        }
        let bucket = cursor.i32("the number of buckets")?;
        let minn = cursor.i32("the shortest n-gram of characters")?;
        let maxn = cursor.i32("the longest n-gram of characters")?;
        cursor.i32("the update rate")?;
        cursor.take(8, "the sampling threshold")?;
        if dim < 1 {
            return Err(cursor.refuse(format!("its dimension is {dim}")));
        }
        // Supervised models of version 11 were trained without n-grams of characters, whatever this field says.
        let maxn = if version == 11 { 0 } else { maxn };
        Ok(Header { dim: dim as usize, loss, cut: Cut { word_ngrams, bucket, minn, maxn } })
    }
}

fn flag(cursor: &mut Cursor<'_>, what: &str) -> Result<bool> {
    match cursor.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(cursor.refuse(format!("{what} is {other}, not 0 or 1"))),
    }
}

fn matrix(cursor: &mut Cursor<'_>, quantised: bool, what: &str) -> Result<Matrix> {
    if quantised { Matrix::quantised(cursor, what) } else { Matrix::dense(cursor, what) }
}
