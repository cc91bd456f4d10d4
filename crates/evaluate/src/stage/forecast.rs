//! What the forecasts of this room share. Facts come from another forecast or, when that stage is finished, from the
//! numbers in its summary; the two do not always have the same names.

use regimen_corpus::Split;
use regimen_recipe::Planning;

/// Floating-point operations a second that are assumed where no forecast of a training measured the machine: always
/// when the model is finished already or comes from elsewhere. Two cores of a small server reach about this much.
const RATE: f64 = 60e9;
/// Bytes of weights a second that decoding token by token is assumed to read, on the same machine; it is not measured.
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
        let fact = |name: &str| planning.fact("model", name);
        let (parameters, tokens) = (fact("parameters"), fact("tokens"));
        let flops_per_token = match fact("forward_flops_per_token") {
            known if known > 0.0 => known,
            _ if tokens > 0.0 && fact("flops") > 0.0 => fact("flops") / tokens / 3.0,
            // The summary of an imported model holds its config, but counts nothing.
            _ => 2.0 * parameters + attention_flops(|name| fact(&format!("model.{name}"))),
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

/// Operations of the scores and sums of attention for one token of a full context, from the model's config: what its
/// parameters do not show. Counted as [`regimen_models::DecoderConfig::flops_per_token`] does, forward alone.
fn attention_flops(config: impl Fn(&str) -> f64) -> f64 {
    let width = match config("heads") * config("head_dim") {
        known if known > 0.0 => known,
        _ => config("width"),
    };
    4.0 * config("layers") * config("context") * width
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use regimen_models::DecoderConfig;
    use regimen_recipe::Planning;
    use serde_json::Value;

    use super::*;

    fn model(facts: &[(&str, f64)]) -> Model {
        let facts = facts.iter().map(|&(name, value)| (name.to_string(), value)).collect();
        let inputs = BTreeMap::from([("model".to_string(), facts)]);
        let files = BTreeMap::new();
        let config = Value::Null;
        Model::of(&Planning {
            config: &config,
            inputs: &inputs,
            files: &files,
            root: Path::new(""),
            measure: false,
        })
    }

    #[test]
    fn a_finished_model_is_known_by_its_summary() {
        let config = DecoderConfig::llama(300, 48, 3, 32, 4, 96).filled().unwrap();
        let exact = config.flops_per_token(config.context) / 3.0;
        let parameters = config.parameters() as f64;
        let trained = [("parameters", parameters), ("forward_flops_per_token", exact)];
        assert_eq!(model(&trained).flops_per_token, exact);
        assert_eq!(model(&trained).seconds(RATE), 1.0);
        assert_eq!(model(&[("flops_per_second", 5.0)]).seconds(5.0), 1.0);
        let imported = [
            ("parameters", parameters),
            ("model.layers", config.layers as f64),
            ("model.context", config.context as f64),
            ("model.heads", config.heads as f64),
            ("model.head_dim", config.head_dim as f64),
        ];
        let guess = model(&imported).flops_per_token;
        assert!((guess / exact - 1.0).abs() < 0.1, "{guess} for {exact}");
    }
}
