//! What the forecasts of this room share. Facts come from another forecast or, when that stage is finished, from the
//! numbers in its summary; the two do not always have the same names.

use regimen_corpus::Split;
use regimen_recipe::Planning;

/// Floating-point operations a second, for a machine that was not measured.
const RATE: f64 = 60e9;
/// Bytes of weights a second that decoding token by token reads, for a machine that was not measured.
const BANDWIDTH: f64 = 8e9;

/// Expected share of `bytes` or `documents` of the input `corpus` that lies in a split.
pub(super) fn of_split(planning: &Planning, what: &str, split: Split) -> f64 {
    let known = planning.fact("corpus", &format!("{what}.{}", split.name()));
    let share = if split == Split::Train { 0.95 } else { 0.05 };
    let all = planning.fact("corpus", if what == "bytes" { "text_bytes" } else { what });
    if known > 0.0 { known } else { all * share }
}

/// The input `model`, as far as it is known.
pub(super) struct Model {
    pub parameters: f64,
    /// Of a forward pass.
    pub flops_per_token: f64,
    rate: f64,
}

impl Model {
    pub fn of(planning: &Planning) -> Model {
        let fact = |name| planning.fact("model", name);
        let (parameters, tokens) = (fact("parameters"), fact("tokens"));
        let flops_per_token = match fact("forward_flops_per_token") {
            known if known > 0.0 => known,
            _ if tokens > 0.0 && fact("flops") > 0.0 => fact("flops") / tokens / 3.0,
            _ => 2.0 * parameters,
        };
        let rate = if fact("flops_per_second") > 0.0 { fact("flops_per_second") } else { RATE };
        Model { parameters, flops_per_token, rate }
    }

    /// Seconds for some operations of whole passes over many tokens.
    pub fn seconds(&self, flops: f64) -> f64 {
        flops / self.rate
    }

    /// Seconds for writing so many tokens one by one: each reads all weights.
    pub fn writing_seconds(&self, tokens: f64) -> f64 {
        tokens * (4.0 * self.parameters / BANDWIDTH + self.flops_per_token / self.rate)
    }
}
