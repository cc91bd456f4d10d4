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
