//! Training small classifiers in fastText's format.
//!
//! Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016, arXiv:1607.01759: stochastic gradient descent
//! on the softmax loss, one line at a time, with a learning rate that falls linearly to 0. Defaults are those of fastText's
//! `supervised`. Unlike it, lines are shuffled in each epoch and one thread does all, so that a seed fixes every byte.
//!
//! Limits: softmax only, no pre-trained vectors, all lines in memory.

use std::collections::HashMap;

use regimen_base::Philox;

use super::bytes::Cursor;
use super::dictionary::{Cut, Dictionary, END, LABEL, Lines, is_space};
use super::write::{self, Training};
use super::{FORMAT, Header};
use crate::error::{Error, Result};

const SOFTMAX: i32 = 3;
/// Bytes that a word takes while it is counted: in a table that was half full and one of twice the size, which it moves to.
const COUNT: u64 = 4 * size_of::<(&[u8], (i64, usize))>() as u64;

/// How a classifier is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Numbers in the vector of a word.
    pub dim: usize,
    /// Learning rate at the start.
    pub learning_rate: f32,
    /// How often every line is seen.
    pub epochs: u32,
    /// Words that are rarer have no vector.
    pub min_count: u32,
    /// Longest n-gram of words.
    pub word_ngrams: u32,
    /// Rows that n-grams share by hash; none are made if there are no n-grams.
    pub bucket: u32,
    /// Shortest n-gram of characters.
    pub minn: u32,
    /// Longest n-gram of characters; none if 0.
    pub maxn: u32,
    /// Fixes the first values and the order of the lines.
    pub seed: u64,
    /// Bytes that the lines and the matrices may take.
    pub memory: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dim: 100,
            learning_rate: 0.1,
            epochs: 5,
            min_count: 1,
            word_ngrams: 1,
            bucket: 2_000_000,
            minn: 0,
            maxn: 0,
            seed: 0,
            memory: u64::MAX,
        }
    }
}

/// A line for [`train`]: `__label__LABEL` and the text, with its line ends as spaces. Spaces in the label become `-`. Words of
/// the text that begin with `__label__` are left out: they would be labels.
pub fn line(label: &str, text: &str) -> String {
    let label = label.replace(|c: char| c.is_whitespace() || c == '\0', "-");
    let mut line = format!("__label__{label} ");
    if text.contains("__label__") {
        let words: Vec<&str> = words(text).filter(|word| !word.starts_with("__label__")).collect();
        line.push_str(&words.join(" "));
    } else {
        line.push_str(&text.replace('\n', " "));
    }
    line
}

/// Train on lines of text, each with one or more tokens `__label__NAME`; of several labels one is picked each time. Lines
/// without a label count for the vocabulary alone. Gives back the bytes of a `.bin` file, for [`Model::from_bytes`] or the
/// disk.
///
/// [`Model::from_bytes`]: super::Model::from_bytes
///
/// # Errors
/// [`Error::Training`] if there is no label or an option is out of range, [`Error::StepMemory`].
pub fn train<S: AsRef<str>>(lines: &[S], options: &Options) -> Result<Vec<u8>> {
    train_while(lines, options, &mut |_| Ok(()))
}

/// The same. Before each of the steps, of which there are as many as lines with a label times epochs, `step` is told how many
/// were done.
///
/// # Errors
/// As [`train`], and what `step` says, which ends the training.
pub fn train_while<S: AsRef<str>>(
    lines: &[S],
    options: &Options,
    step: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<u8>> {
    let cut = options.cut()?;
    let texts = lines.iter().map(|line| line.as_ref().len() as u64).sum();
    let mut bytes = Vec::new();
    vocabulary(lines, texts, options, cut, &mut bytes)?;
    let file = bytes.clone();
    let mut cursor = Cursor::new(&file, "a new model", FORMAT);
    Header::read(&mut cursor)?;
    let (mut dictionary, _, rows) = Dictionary::read(&mut cursor, cut)?;
    if !dictionary.index(&file) {
        return Err(Error::Training { reason: "too many words share their hashes".into() });
    }

    options.check_memory(texts, rows, dictionary.labels() as u64)?;
    let examples: Vec<(&[u8], Vec<usize>)> = lines
        .iter()
        .filter_map(|line| {
            let line = line.as_ref().as_bytes();
            let labels: Vec<usize> = tokens(line).filter_map(|t| dictionary.find_label(&file, t)).collect();
            (!labels.is_empty()).then_some((line, labels))
        })
        .collect();
    let mut descent = Descent::new(options, rows as usize, dictionary.labels());
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut memory = Lines::default();
    let mut rows = Vec::new();
    let steps = f64::from(options.epochs) * examples.len() as f64;
    let mut done = 0u64;
    for epoch in 0..options.epochs {
        let mut random = Philox::new(options.seed, &["fasttext", "order", &epoch.to_string()]);
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i as u64 + 1) as usize);
        }
        for &example in &order {
            step(done)?;
            let (line, labels) = &examples[example];
            let label = labels[random.below(labels.len() as u64) as usize];
            rows.clear();
            dictionary.rows(&file, line, &mut memory, |block| rows.extend_from_slice(block));
            let left = 1.0 - done as f64 / steps;
            descent.step(&rows, label, (f64::from(options.learning_rate) * left) as f32);
            done += 1;
        }
    }
    if !descent.input.iter().chain(&descent.output).all(|number| number.is_finite()) {
        let reason =
            format!("its numbers grew without bound with a learning rate of {}", options.learning_rate);
        return Err(Error::Training { reason });
    }
    write::dense(&mut bytes, &descent.input, options.dim);
    write::dense(&mut bytes, &descent.output, options.dim);
    Ok(bytes)
}

impl Options {
    /// An error if a model of so many rows takes more memory with lines of so many bytes than it may. The matrices are there twice
    /// in the end: as they are trained, and as they are written.
    fn check_memory(&self, texts: u64, rows: u64, labels: u64) -> Result<()> {
        let needed = (rows + labels).saturating_mul(8 * self.dim as u64).saturating_add(texts);
        if needed <= self.memory {
            return Ok(());
        }
        let what = format!("a classifier of {rows} words and n-grams with dimension {}", self.dim);
        let instead = "lower its dimension or the number of buckets, or leave rarer words out";
        Err(Error::StepMemory { what, needed, allowed: self.memory, instead })
    }

    /// An error if so many different words and labels take more memory while they are counted, rare ones too.
    fn check_counting(&self, texts: u64, different: u64) -> Result<()> {
        let needed = different.saturating_mul(COUNT).saturating_add(texts);
        if needed <= self.memory {
            return Ok(());
        }
        let what = format!("counting {different} different words");
        let instead = "take fewer texts: `regimen corpus sample` takes some of many";
        Err(Error::StepMemory { what, needed, allowed: self.memory, instead })
    }

    /// Whether training takes them.
    ///
    /// # Errors
    /// [`Error::Training`] for one that is out of range.
    pub fn check(&self) -> Result<()> {
        self.cut().map(drop)
    }

    fn cut(&self) -> Result<Cut> {
        let refuse = |what: &str| Err(Error::Training { reason: what.into() });
        if self.dim == 0 || self.dim > 1 << 16 {
            return refuse("`dim` must be between 1 and 65536");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return refuse("the learning rate must be above 0");
        }
        if self.epochs == 0 || self.epochs > i32::MAX as u32 {
            return refuse("`epochs` must be at least 1");
        }
        if self.word_ngrams > 16 || self.maxn > 16 || self.minn > self.maxn {
            return refuse("n-grams may have up to 16 words or characters, and `minn` is at most `maxn`");
        }
        let mut cut = Cut {
            word_ngrams: self.word_ngrams.max(1) as i32,
            bucket: 0,
            minn: self.minn as i32,
            maxn: self.maxn as i32,
        };
        if cut.has_ngrams() {
            if self.bucket == 0 || self.bucket > i32::MAX as u32 {
                return refuse("n-grams need a `bucket` between 1 and 2147483647");
            }
            cut.bucket = self.bucket as i32;
        }
        Ok(cut)
    }
}

/// The words and labels of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| u8::try_from(c).is_ok_and(is_space)).filter(|word| !word.is_empty())
}

/// The same of the bytes of a line.
pub(super) fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| is_space(*byte)).filter(|token| !token.is_empty())
}

/// Count words and labels, and write all that stands before the matrices. The most frequent come first; of equally
/// frequent ones, the one that was met first. Ends as soon as what was met cannot fit beside lines of `texts` bytes.
fn vocabulary<S: AsRef<str>>(
    lines: &[S],
    texts: u64,
    options: &Options,
    cut: Cut,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut counts: HashMap<&[u8], (i64, usize)> = HashMap::new();
    let least = i64::from(options.min_count.max(1));
    let (mut total, mut frequent, mut names) = (0, 0u64, 0u64);
    for line in lines {
        for token in tokens(line.as_ref().as_bytes()).chain([END]) {
            let met = counts.len();
            let count = &mut counts.entry(token).or_insert((0, met)).0;
            *count += 1;
            total += 1;
            if *count == 1 {
                options.check_counting(texts, met as u64 + 1)?;
            }
            let is_label = token.starts_with(LABEL);
            let (rows, from) = if is_label { (&mut names, 1) } else { (&mut frequent, least) };
            if *count == from {
                *rows += 1;
                options.check_memory(texts, frequent, names)?;
            }
        }
    }
    let mut words = Vec::with_capacity(frequent as usize);
    let mut labels = Vec::with_capacity(names as usize);
    for (text, (count, met)) in counts {
        if text.starts_with(LABEL) {
            labels.push((text, count, met));
        } else if count >= least {
            words.push((text, count, met));
        }
    }
    if labels.is_empty() {
        return Err(Error::Training { reason: "no line has a label `__label__NAME`".into() });
    }
    if i32::try_from(words.len() + labels.len()).is_err() {
        return Err(Error::Training {
            reason: "there are more than 2147483647 words; raise `min_count`".into(),
        });
    }
    for entries in [&mut words, &mut labels] {
        entries.sort_unstable_by_key(|&(_, count, met)| (std::cmp::Reverse(count), met));
    }
    let training =
        Training { epochs: options.epochs as i32, min_count: options.min_count as i32, tokens: total };
    let all: Vec<(&[u8], i64)> = words.iter().chain(&labels).map(|&(text, count, _)| (text, count)).collect();
    write::head(out, options.dim, SOFTMAX, cut, training, words.len(), all.into_iter());
    Ok(())
}

/// The two matrices while they are trained.
struct Descent {
    dim: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    hidden: Vec<f32>,
    gradient: Vec<f32>,
    scores: Vec<f32>,
}

impl Descent {
    /// The input uniform in +-1/dim, the output 0.
    fn new(options: &Options, rows: usize, labels: usize) -> Descent {
        let dim = options.dim;
        let mut random = Philox::new(options.seed, &["fasttext", "input"]);
        let input = (0..rows * dim)
            .map(|_| (f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) as f32 / dim as f32)
            .collect();
        let (output, scores) = (vec![0.0; labels * dim], vec![0.0; labels]);
        Descent { dim, input, output, hidden: vec![0.0; dim], gradient: vec![0.0; dim], scores }
    }

    /// One line: the gradient of `-ln p(label)` with respect to both matrices.
    fn step(&mut self, rows: &[u32], label: usize, rate: f32) {
        if rows.is_empty() {
            return;
        }
        let Descent { dim, input, output, hidden, gradient, scores } = self;
        let row = |row: u32| row as usize * *dim..(row as usize + 1) * *dim;
        hidden.fill(0.0);
        for &number in rows {
            add(hidden, &input[row(number)], 1.0);
        }
        let share = 1.0 / rows.len() as f32;
        hidden.iter_mut().for_each(|x| *x *= share);
        for (score, weights) in scores.iter_mut().zip(output.chunks(*dim)) {
            *score = weights.iter().zip(&*hidden).map(|(x, y)| x * y).sum();
        }
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score = (*score - most).exp());
        let sum: f32 = scores.iter().sum();
        gradient.fill(0.0);
        for (number, (score, weights)) in scores.iter().zip(output.chunks_mut(*dim)).enumerate() {
            let alpha = rate * (f32::from(u8::from(number == label)) - score / sum);
            add(gradient, weights, alpha);
            add(weights, hidden, alpha);
        }
        gradient.iter_mut().for_each(|x| *x *= share);
        for &number in rows {
            add(&mut input[row(number)], gradient, 1.0);
        }
    }
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
