//! A classifier in fastText's format from labelled texts: documents of Dolma's folders, each with one label, and lines as
//! `fasttext supervised` reads them.
//!
//! Which texts are held back to score the model is decided by the text alone, so that equal texts lie on one side. The model is
//! trained on the others, by one thread in an order that the seed fixes: equal input gives equal bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use regimen_base::{Cancel, DocKey, units};
use regimen_recipe::InputFile;
use serde::{Deserialize, Serialize};

use super::tag::Progress;
use super::within;
use crate::error::{Error, Place, Result};
use crate::fasttext::{self, Model, Scores, words};
use crate::flow;
use crate::memory::Memory;
use crate::read::lines::Fields;
use crate::read::row::{fields, place_in, reason};
use crate::split::Split;

/// What fastText puts before labels.
const PREFIX: &str = "__label__";

/// Files of texts with their labels.
#[derive(Clone, Debug)]
pub enum Source {
    /// Rows with a text; all have this label.
    Documents {
        /// The label, without a prefix.
        label: String,
        /// The files.
        files: Vec<InputFile>,
        /// What these call their text and id.
        fields: Fields,
    },
    /// Text, each line with one or more labels `__label__NAME`.
    Lines(Vec<InputFile>),
}

impl Source {
    /// Its files.
    pub fn files(&self) -> &[InputFile] {
        match self {
            Source::Documents { files, .. } | Source::Lines(files) => files,
        }
    }
}

/// Texts of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Texts to train on.
    pub train: u64,
    /// Texts that are held back.
    pub validation: u64,
}

/// Labelled texts, read.
#[derive(Debug, Default)]
pub struct Examples {
    train: Vec<String>,
    validation: Vec<String>,
    /// Texts by label.
    pub labels: BTreeMap<String, Counts>,
    /// Texts without a word, which were left out.
    pub empty: u64,
    /// Bytes of texts and labels.
    pub bytes: u64,
}

/// A classifier.
pub struct Trained {
    /// The file: `.bin`, or `.ftz` if it is quantised.
    pub model: Vec<u8>,
    /// How well the file tells the texts that were held back apart; none if none were.
    pub scores: Option<Scores>,
}

impl Examples {
    /// Read all texts of `sources` and hold back this share of them, of 0 to below 1. They take at most half of `memory` bytes.
    ///
    /// # Errors
    /// The earliest fault in the order of sources, files and rows; [`Error::Labels`] for fewer than two labels, a label without
    /// texts, and one of which all texts are held back; [`Error::NoLabel`], [`Error::StepMemory`], [`Error::Interrupted`].
    pub fn read(
        sources: &[Source],
        share: f64,
        memory: u64,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Examples> {
        if !(0.0..1.0).contains(&share) {
            let what = format!("a share of {share} cannot be held back");
            return Err(Error::Labels {
                what,
                hint: "hold back a share from 0 to below 1, such as 0.1".into(),
            });
        }
        let mut examples = Examples::default();
        let within = Arc::new(Memory::new(memory));
        for source in sources {
            if let Source::Documents { label, .. } = source {
                check_label(label)?;
                examples.labels.entry(label.clone()).or_default();
            }
            for (number, file) in source.files().iter().enumerate() {
                let read = Arc::clone(&progress.read);
                let (number, of) = (number as u32, &within);
                let mut chunks: Box<dyn flow::Source> = match source {
                    Source::Documents { fields, .. } => {
                        Box::new(within::rows(file, fields, number, 1, read, of)?)
                    }
                    Source::Lines(_) => Box::new(within::lines(file, number, 1, read, of)?),
                };
                while let Some(mut chunk) = chunks.next()? {
                    let _long = chunk.long.take();
                    cancel.check()?;
                    chunk.rows(&file.path, |row, place| {
                        progress.documents.fetch_add(1, Relaxed);
                        match source {
                            Source::Documents { label, .. } => examples.document(label, row, share, place),
                            Source::Lines(_) => examples.line(row, share, place),
                        }?;
                        examples.check_memory(memory)
                    })?;
                }
            }
        }
        examples.check()?;
        Ok(examples)
    }

    fn document(&mut self, label: &str, row: &str, share: f64, place: &dyn Fn() -> Place) -> Result<()> {
        let line = fasttext::line(label, &text_of(row, place)?);
        self.add(line, share);
        Ok(())
    }

    fn line(&mut self, row: &str, share: f64, place: &dyn Fn() -> Place) -> Result<()> {
        // A prefix alone names nothing.
        if !words(row).any(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX)) {
            return Err(Error::NoLabel { place: place() });
        }
        self.add(row.into(), share);
        Ok(())
    }

    fn add(&mut self, line: String, share: f64) {
        let text: Vec<&str> = words(&line).filter(|word| !word.starts_with(PREFIX)).collect();
        let split = Split::of(DocKey::of_content(text.join(" ").as_bytes()), share);
        for label in words(&line).filter_map(|word| word.strip_prefix(PREFIX)) {
            let counts = self.labels.entry(label.into()).or_default();
            match split {
                _ if text.is_empty() => {}
                Split::Train => counts.train += 1,
                Split::Validation => counts.validation += 1,
            }
        }
        if text.is_empty() {
            self.empty += 1;
            return;
        }
        self.bytes += line.len() as u64;
        match split {
            Split::Train => self.train.push(line),
            Split::Validation => self.validation.push(line),
        }
    }

    fn check_memory(&self, memory: u64) -> Result<()> {
        let texts = self.train.len() + self.validation.len();
        let held = self.bytes + (texts * size_of::<String>()) as u64;
        if held <= memory / 2 {
            return Ok(());
        }
        let what = format!("a classifier of more than {}", units::plural(texts as u64, "text"));
        let instead = "take fewer texts: `regimen corpus sample` takes some of many";
        Err(Error::StepMemory { what, needed: 2 * held, allowed: memory, instead })
    }

    /// Whether there is something to tell apart.
    fn check(&self) -> Result<()> {
        let refuse = |what: String, hint: &str| Err(Error::Labels { what, hint: hint.into() });
        let known: Vec<&String> = self.labels.keys().collect();
        match known[..] {
            [] => return refuse("there are no texts".into(), "name folders or files with texts"),
            [one] => {
                return refuse(
                    format!("all texts have the label `{one}`"),
                    "give texts of another label too: a classifier tells at least two apart",
                );
            }
            _ => {}
        }
        for (label, counts) in &self.labels {
            if counts.train + counts.validation == 0 {
                let what = format!("the label `{label}` has no text with a word in it");
                return refuse(
                    what,
                    "give it documents whose field `text` is not empty, or leave the label out",
                );
            }
            if counts.train == 0 {
                let texts = units::plural(counts.validation, "text");
                let what = format!("the label `{label}` has {texts}, all of which are held back");
                return refuse(what, "hold back a smaller share, or give the label more texts");
            }
        }
        Ok(())
    }

    /// Steps that training takes with so many epochs.
    pub fn steps(&self, epochs: u32) -> u64 {
        self.train.len() as u64 * u64::from(epochs)
    }

    /// Texts to train on, and texts that are held back.
    pub fn texts(&self) -> (u64, u64) {
        (self.train.len() as u64, self.validation.len() as u64)
    }

    /// Train on the texts that are not held back, and make the model smaller if `quantise`. `done` counts the steps.
    ///
    /// # Errors
    /// [`Error::Training`] for an option out of range, [`Error::StepMemory`], [`Error::Interrupted`].
    pub fn train(
        &self,
        options: &fasttext::Options,
        quantise: bool,
        done: &AtomicU64,
        cancel: &Cancel,
    ) -> Result<Vec<u8>> {
        let model = fasttext::train_while(&self.train, options, &mut |steps| {
            done.store(steps, Relaxed);
            Ok(cancel.check()?)
        })?;
        if quantise { fasttext::quantise(&model) } else { Ok(model) }
    }

    /// Score a trained model on the texts that were held back.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn score(&self, model: Vec<u8>) -> Result<Trained> {
        let scores = match &self.validation[..] {
            [] => None,
            held_back => {
                let opened = Model::from_bytes(model.clone(), "the new model")?;
                Some(fasttext::score(&opened, held_back)?)
            }
        };
        Ok(Trained { model, scores })
    }
}

/// Whether a label can stand before a text.
fn check_label(label: &str) -> Result<()> {
    let what = match label {
        "" => "a label is empty".to_string(),
        _ if label.contains(|c: char| c.is_whitespace() || c == '\0') => {
            format!("the label `{label}` has a space in it")
        }
        _ if label.starts_with(PREFIX) => format!("the label `{label}` has its prefix already"),
        _ => return Ok(()),
    };
    Err(Error::Labels {
        what,
        hint: "write labels as one word without `__label__`, as in good=FOLDER".into(),
    })
}

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a row.
fn text_of<'r>(row: &'r str, place: &dyn Fn() -> Place) -> Result<Cow<'r, str>> {
    if !row.trim_ascii_start().starts_with('{') {
        // A list would be taken for the fields in their order.
        return Err(Error::Json { place: place(), column: 1, reason: "expected a JSON object".into() });
    }
    let fault = |error: serde_json::Error, before: usize| Error::Json {
        place: place(),
        column: before + error.column().max(1),
        reason: reason(&error),
    };
    let [text] = fields(row, ["text"]).map_err(|error| fault(error, 0))?;
    let text = text.ok_or_else(|| Error::MissingText { place: place(), field: "text".into() })?.get();
    let found: Text = serde_json::from_str(text).map_err(|error| fault(error, place_in(row, text)))?;
    Ok(found.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(texts: &[(&str, &str)], share: f64) -> Result<Examples> {
        let mut all = Examples::default();
        texts.iter().for_each(|(label, text)| all.add(fasttext::line(label, text), share));
        all.check().map(|()| all)
    }

    #[test]
    fn labels_that_cannot_be_told_apart_are_refused() {
        let told = |texts: &[(&str, &str)], share| match examples(texts, share) {
            Err(Error::Labels { what, hint }) => {
                assert!(!hint.is_empty());
                what
            }
            other => panic!("{other:?}"),
        };
        assert!(told(&[], 0.0).contains("no texts"));
        assert!(told(&[("a", "x"), ("a", "y")], 0.0).contains("all texts have the label `a`"));
        assert!(told(&[("a", "x"), ("b", " \n ")], 0.0).contains("`b` has no text with a word"));
        assert!(told(&[("a", "x"), ("b", "y")], 1.0).contains("`a` has 1 text, all of which are held back"));
        for label in ["", "a b", "__label__a", "a\0"] {
            assert!(matches!(check_label(label), Err(Error::Labels { .. })), "{label}");
        }
        check_label("ü-1").unwrap();
    }

    #[test]
    fn equal_texts_lie_on_one_side_and_empty_ones_on_none() {
        let texts: Vec<String> = (0..400).map(|i| format!("text {}", i % 100)).collect();
        let labelled: Vec<(&str, &str)> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| (if i < 200 { "a" } else { "b" }, text.as_str()))
            .collect();
        let all = examples(&[&labelled[..], &[("a", "")]].concat(), 0.2).unwrap();
        let (train, validation) = all.texts();
        assert_eq!((train + validation, all.empty), (400, 1));
        assert!((40..120).contains(&validation) && validation.is_multiple_of(4), "{validation}");
        assert_eq!(all.labels["a"], all.labels["b"]);
        let text = |line: &String| line[line.find(' ').unwrap()..].to_string();
        let held: std::collections::BTreeSet<String> = all.validation.iter().map(text).collect();
        assert!(all.train.iter().all(|line| !held.contains(&text(line))));
    }

    #[test]
    fn rows_are_objects_with_a_text() {
        let place = || Place { file: "a.jsonl".into(), unit: "line", number: 3 };
        assert_eq!(text_of(r#"{"id": 7, "text": "a\nb"}"#, &place).unwrap(), "a\nb");
        let fault = |row| text_of(row, &place).unwrap_err().to_string();
        assert!(fault(r#"["a"]"#).contains("line 3") && fault(r#"{"text": 7}"#).contains("line 3"));
        assert!(fault(r#"{"id": 7}"#).contains("`text`"));
    }

    #[test]
    fn words_that_look_like_labels_are_none_in_documents() {
        let all = examples(&[("a", "x __label__b\ny"), ("b", "z")], 0.0).unwrap();
        assert_eq!(all.train[0], "__label__a x y");
        assert_eq!(all.labels["b"].train, 1);
    }
}
