//! How the next token is chosen, and when to stop: the settings and their checks.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Settings of a generation. The filters work in the order of Hugging Face transformers: repetition penalty,
/// temperature, top-k, top-p, min-p.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most likely token each time (greedy).
    pub temperature: f64,
    /// Keep the `top_k` most likely tokens (the lower id wins a tie); 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set of most likely tokens whose probabilities sum to at least this (Holtzman et al. 2020,
    /// arXiv:1904.09751); 1 keeps all.
    pub top_p: f64,
    /// Keep tokens at least this times as likely as the most likely one (Nguyen et al. 2024, arXiv:2407.01082); 0
    /// keeps all.
    pub min_p: f64,
    /// A token that stands in the prompt or was generated before has its positive logit divided by this, its
    /// negative logit multiplied (Keskar et al. 2019, arXiv:1909.05858); 1 changes nothing.
    pub repetition_penalty: f64,
    /// Seed of the draws: same seed, same bits.
    pub seed: u64,
    /// Tokens to generate at most.
    pub max_tokens: usize,
    /// Stop as soon as the generated text ends with one of these; it is left out of the text.
    pub stop: Vec<String>,
    /// Never draw the end token, so that the text goes on until `max_tokens` or a stop string.
    pub ignore_end: bool,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
            max_tokens: 120,
            stop: Vec::new(),
            ignore_end: false,
        }
    }
}

impl Sampling {
    /// The most likely token each time, `max_tokens` at most.
    pub fn greedy(max_tokens: usize) -> Sampling {
        Sampling { temperature: 0.0, top_p: 1.0, max_tokens, ..Sampling::default() }
    }

    /// Whether every value is one that can be worked with.
    ///
    /// # Errors
    /// [`Error::Field`] with the first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |field, value: f64, fine: bool, expected| match fine {
            true => Ok(()),
            false => Err(Error::Field { field, value: value.to_string(), expected }),
        };
        let t = self.temperature;
        check("temperature", t, t.is_finite() && t >= 0.0, "a number of at least 0")?;
        check("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1")?;
        check("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "a number from 0 to 1")?;
        let penalty = self.repetition_penalty;
        check("repetition_penalty", penalty, penalty > 0.0 && penalty.is_finite(), "a number above 0")?;
        check("max_tokens", self.max_tokens as f64, self.max_tokens > 0, "a whole number of at least 1")?;
        match self.stop.iter().any(String::is_empty) {
            true => Err(Error::Field {
                field: "stop",
                value: "\"\"".into(),
                expected: "a text that is not empty",
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::Hint;

    #[test]
    fn each_bad_value_is_named() {
        let good = Sampling::default();
        good.validate().unwrap();
        Sampling::greedy(1).validate().unwrap();
        let bad = [
            (Sampling { temperature: -1.0, ..good.clone() }, "temperature", "-1"),
            (Sampling { temperature: f64::NAN, ..good.clone() }, "temperature", "NaN"),
            (Sampling { top_p: 0.0, ..good.clone() }, "top_p", "0"),
            (Sampling { top_p: 1.5, ..good.clone() }, "top_p", "1.5"),
            (Sampling { min_p: -0.1, ..good.clone() }, "min_p", "-0.1"),
            (Sampling { repetition_penalty: 0.0, ..good.clone() }, "repetition_penalty", "0"),
            (Sampling { max_tokens: 0, ..good.clone() }, "max_tokens", "0"),
            (Sampling { stop: vec!["a".into(), String::new()], ..good }, "stop", "\"\""),
        ];
        for (sampling, field, value) in bad {
            let error = sampling.validate().unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("`{field}`")) && text.contains(value), "{text}");
            assert!(error.hint().unwrap().contains(field));
        }
    }
}
