//! The funnel: how many documents and bytes each step of the build left over, and what it took away.

use std::collections::BTreeMap;
use std::fmt;

use regimen_base::units;
use serde::{Deserialize, Serialize};

/// Documents and their bytes of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Documents.
    pub documents: u64,
    /// Bytes of UTF-8 text.
    pub bytes: u64,
}

impl Count {
    /// Count one more document.
    pub fn add(&mut self, bytes: u64) {
        self.documents += 1;
        self.bytes += bytes;
    }
}

/// One step: what it left over, and what it took away by source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `read`, or the name of the reason for which documents were dropped.
    pub step: String,
    /// What is left after it.
    pub left: Count,
    /// What it dropped.
    pub dropped: Count,
    /// The same by source (of `read`: what the source gave).
    pub sources: BTreeMap<String, Count>,
    /// The reason in words; empty for `read`.
    pub reason: String,
}

/// All steps in order, from what was read to what was kept. Steps that dropped nothing are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether reading stopped because `limit_bytes` was reached, so that later documents were not read at all.
    pub limited: bool,
}

impl Funnel {
    /// What was kept.
    pub fn kept(&self) -> Count {
        self.steps.last().map(|step| step.left).unwrap_or_default()
    }

    /// What to change so that documents are left: by the step that dropped the most of them, the first of such. `is_filter`
    /// tells the rules of the table `filter`.
    pub(crate) fn advice(&self, is_filter: impl Fn(&str) -> bool) -> String {
        let most = self.steps.iter().rev().max_by_key(|step| step.dropped.documents);
        let Some(step) = most.filter(|step| step.dropped.documents > 0) else {
            return "put documents into the files".into();
        };
        match step.step.as_str() {
            name if is_filter(name) => "lower the thresholds in the `filter` table of the corpus stage, or set filter = { \
                                        quality = \"none\" }"
                .into(),
            "invalid_utf8" => "convert the files to UTF-8 (iconv -f LATIN1 -t UTF-8), or set invalid_utf8 = \"replace\" in \
                               the corpus stage"
                .into(),
            "missing_text" => "name the field that holds the text with `text_field` in the source".into(),
            "invalid_row" => "look at the files: most of their rows cannot be read; `format` in the source says what they are".into(),
            "empty" => "look at the files: their texts are empty; `text_field` in the source names the field of the text".into(),
            "mixed_out" => "raise `mix.budget_bytes`, and the weights of the sources above 0".into(),
            name if name.starts_with("drop_") => {
                format!("change the expression in `drop` of the corpus stage: `{}` holds for most documents", step.reason)
            }
            "edited" => "narrow `edit` in the corpus stage: it cuts out all of most texts".into(),
            name => format!("most went as `{name}` ({}): correct the sources, or leave that step out", step.reason),
        }
    }
}

impl fmt::Display for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let left = units::plural(step.left.documents, "document");
            let bytes = units::bytes(step.left.bytes);
            if step.reason.is_empty() {
                write!(f, "  {}: {left}, {bytes}", step.step)?;
            } else {
                write!(
                    f,
                    "  {} ({}): {} dropped, {left} left",
                    step.step, step.reason, step.dropped.documents
                )?;
            }
        }
        Ok(())
    }
}
