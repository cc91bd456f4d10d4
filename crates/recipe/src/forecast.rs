//! What a stage expects to cost, before it runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::job::InputFile;
use crate::kind::Facts;

/// What a forecast may look at.
pub struct Planning<'a> {
    /// The normalised config.
    pub config: &'a Value,
    /// For each input that is named, its facts: the forecast's, or the numbers in the summary of the finished
    /// artifact, flattened with dots.
    pub inputs: &'a BTreeMap<String, Facts>,
    /// The input files, by the pattern that named them.
    pub files: &'a BTreeMap<String, Vec<InputFile>>,
    /// The project root.
    pub root: &'a Path,
    /// Whether a measurement of the machine (about a second) is wanted.
    pub measure: bool,
}

impl Planning<'_> {
    /// A fact of an input, or 0.
    pub fn fact(&self, input: &str, name: &str) -> f64 {
        self.inputs.get(input).and_then(|facts| facts.get(name)).copied().unwrap_or(0.0)
    }
}

/// The expected cost of one stage. Unknown numbers are 0.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Tokens processed or produced.
    pub tokens: f64,
    /// Trainable parameters.
    pub parameters: f64,
    /// Floating-point operations.
    pub flops: f64,
    /// Peak memory in bytes.
    pub memory: f64,
    /// Bytes on disk.
    pub disk: f64,
    /// Wall-clock seconds on this machine.
    pub seconds: f64,
    /// What the stages behind may want to know.
    pub facts: Facts,
}
