//! The Gopher quality rules (Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
//! Gopher", appendix A.1.1), with the paper's thresholds as defaults.
//!
//! Words are split at Unicode whitespace, lines at line feeds; lines of whitespace alone are not counted. Formulas:
//!
//! - `min_words`, `max_words`: number of words
//! - `min_mean_word_length`, `max_mean_word_length`: characters in words / words
//! - `max_hash_share`, `max_ellipsis_share`: words that hold `#`, or `...` or `…` / words
//! - `max_bullet_line_share`: lines that begin with `-`, `*`, `•`, `‣`, `▪` or `◦` / lines
//! - `max_ellipsis_line_share`: lines that end with `...` or `…` / lines
//! - `min_alphabetic_share`: words that hold a letter / words
//! - `min_stop_words`: how many of the, be, to, of, and, that, have, with occur as words, whatever their case
//!
//! Values and thresholds are compared as f32, in which the values are stored.

use std::collections::BTreeMap;

use regimen_recipe::{Field, Ty};
use serde::Deserialize;

use crate::names::{Reason, Rule};
use crate::words::Measures;

/// Fields of the table `filter`.
pub(crate) static FIELDS: &[Field] = &[
    Field::new(
        "quality",
        Ty::OneOf(&["gopher", "none"]),
        "\"gopher\"",
        "gopher: the rules below (Rae et al. 2021, appendix A.1.1). none: no rule is applied.",
    ),
    Field::new("min_words", Ty::COUNT, "50", "Least number of words; 0 is off."),
    Field::new("max_words", Ty::COUNT, "100000", "Greatest number of words; 0 is off."),
    Field::new(
        "min_mean_word_length",
        Ty::NON_NEGATIVE,
        "3",
        "Least mean length of a word in characters; 0 is off.",
    ),
    Field::new(
        "max_mean_word_length",
        Ty::NON_NEGATIVE,
        "10",
        "Greatest mean length of a word in characters; 0 is off.",
    ),
    Field::new("max_hash_share", Ty::FRACTION, "0.1", "Greatest share of words with `#`; 1 is off."),
    Field::new(
        "max_ellipsis_share",
        Ty::FRACTION,
        "0.1",
        "Greatest share of words with an ellipsis; 1 is off.",
    ),
    Field::new(
        "max_bullet_line_share",
        Ty::FRACTION,
        "0.9",
        "Greatest share of lines that begin with a bullet; 1 is off.",
    ),
    Field::new(
        "max_ellipsis_line_share",
        Ty::FRACTION,
        "0.3",
        "Greatest share of lines that end with an ellipsis; 1 is off.",
    ),
    Field::new("min_alphabetic_share", Ty::FRACTION, "0.8", "Least share of words with a letter; 0 is off."),
    Field::new(
        "min_stop_words",
        Ty::Int { min: 0, max: 8 },
        "2",
        "How many of the, be, to, of, and, that, have, with must occur at least; 0 is off.",
    ),
];

/// The table `filter`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Thresholds {
    pub quality: Quality,
    /// The other fields, by name.
    #[serde(flatten)]
    pub of: BTreeMap<String, f64>,
}

/// Which set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Quality {
    Gopher,
    None,
}

/// A rule before it has a threshold.
struct Definition {
    name: &'static str,
    least: bool,
    /// The threshold that switches it off.
    off: f64,
    what: &'static str,
    value: fn(&Measures) -> f32,
}

const fn least(name: &'static str, what: &'static str, value: fn(&Measures) -> f32) -> Definition {
    Definition { name, least: true, off: 0.0, what, value }
}

const fn most(name: &'static str, off: f64, what: &'static str, value: fn(&Measures) -> f32) -> Definition {
    Definition { name, least: false, off, what, value }
}

/// All rules, in the order in which they name the reason for a drop.
static DEFINITIONS: [Definition; 10] = [
    least("min_words", "number of words", |m| m.words as f32),
    most("max_words", 0.0, "number of words", |m| m.words as f32),
    least("min_mean_word_length", "mean word length", |m| share(m.characters, m.words)),
    most("max_mean_word_length", 0.0, "mean word length", |m| share(m.characters, m.words)),
    most("max_hash_share", 1.0, "share of words with #", |m| share(m.hashes, m.words)),
    most("max_ellipsis_share", 1.0, "share of words with an ellipsis", |m| share(m.ellipses, m.words)),
    most("max_bullet_line_share", 1.0, "share of lines with a bullet", |m| share(m.bullet_lines, m.lines)),
    most("max_ellipsis_line_share", 1.0, "share of lines with an ellipsis at the end", |m| {
        share(m.ellipsis_lines, m.lines)
    }),
    least("min_alphabetic_share", "share of words with a letter", |m| share(m.alphabetic, m.words)),
    least("min_stop_words", "number of different stop words", |m| m.stop_words.count_ones() as f32),
];

fn share(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64) as f32 }
}

/// The rules that are on, each with the number that it looks at.
pub(crate) struct Rules {
    pub rules: Vec<Rule>,
    values: Vec<fn(&Measures) -> f32>,
}

impl Rules {
    pub fn new(thresholds: &Thresholds) -> Rules {
        let mut rules = Rules { rules: Vec::new(), values: Vec::new() };
        if thresholds.quality == Quality::None {
            return rules;
        }
        for definition in &DEFINITIONS {
            let Some(&threshold) = thresholds.of.get(definition.name) else { continue };
            if threshold != definition.off {
                rules.values.push(definition.value);
                rules.rules.push(Rule {
                    name: definition.name.into(),
                    least: definition.least,
                    threshold: threshold as f32,
                    doc: definition.what.into(),
                });
            }
        }
        rules
    }

    /// For every rule why it drops a document.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + '_ {
        self.rules.iter().map(|rule| {
            let side = if rule.least { "below" } else { "above" };
            Reason { name: rule.name.clone(), text: format!("{} {side} {}", rule.doc, rule.threshold) }
        })
    }

    /// The values of all rules, and the first rule that drops the document.
    pub fn judge(&self, text: &str, values: &mut Vec<f32>) -> Option<usize> {
        if self.rules.is_empty() {
            return None;
        }
        let measures = Measures::of(text);
        let start = values.len();
        values.extend(self.values.iter().map(|value| value(&measures)));
        self.rules.iter().zip(&values[start..]).position(|(rule, &value)| !rule.passes(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Thresholds {
        let json = |field: &Field| field.default.json(&serde_json::Map::new());
        let of = FIELDS.iter().filter_map(|field| Some((field.name.into(), json(field)?.parse().ok()?)));
        Thresholds { quality: Quality::Gopher, of: of.collect() }
    }

    fn verdict(thresholds: &Thresholds, text: &str) -> Option<String> {
        let rules = Rules::new(thresholds);
        rules.judge(text, &mut Vec::new()).map(|i| rules.rules[i].name.clone())
    }

    #[test]
    fn every_rule_has_a_field_with_a_default_and_drops_what_it_should() {
        let t = defaults();
        assert_eq!(Rules::new(&t).rules.len(), DEFINITIONS.len());
        let good = "The quick brown fox jumps over the lazy dog and that is all of it.\n".repeat(5);
        assert_eq!(verdict(&t, &good), None);
        let of = |text: &str| verdict(&t, text).unwrap_or_default();
        assert_eq!(of("The words are few and that is it"), "min_words");
        assert_eq!(of(&"a the of an ".repeat(25_001)), "max_words");
        assert_eq!(of(&"a b of the ".repeat(20)), "min_mean_word_length");
        assert_eq!(
            of(&"the of incomprehensibilities antidisestablishmentarianism ".repeat(20)),
            "max_mean_word_length"
        );
        assert_eq!(of(&"the word #tag of #more ".repeat(20)), "max_hash_share");
        assert_eq!(of(&"the word... of more ".repeat(20)), "max_ellipsis_share");
        assert_eq!(of(&"-the words of many lists\n".repeat(20)), "max_bullet_line_share");
        assert_eq!(
            of(&"the many words of a line that goes on and then breaks off…\n".repeat(20)),
            "max_ellipsis_line_share"
        );
        assert_eq!(of(&"the 1234 of 5678 ".repeat(20)), "min_alphabetic_share");
        assert_eq!(of(&"lorem ipsum dolor the ".repeat(20)), "min_stop_words");
    }

    #[test]
    fn thresholds_are_kept_to_the_border_and_can_be_switched_off() {
        let mut t = defaults();
        let fifty = "the word of that ".repeat(12) + "and more";
        assert_eq!(verdict(&t, &fifty), None);
        assert_eq!(verdict(&t, fifty.trim_end_matches(" more")).as_deref(), Some("min_words"));
        // One word of ten with #: exactly the share that is allowed, in f32 as in exact numbers.
        let tenth = "the words of that text are longer and have #one ".repeat(6);
        assert_eq!(verdict(&t, &tenth), None);
        for definition in &DEFINITIONS {
            t.of.insert(definition.name.into(), definition.off);
        }
        assert!(Rules::new(&t).rules.is_empty());
        assert_eq!(verdict(&t, "#"), None);
        t = defaults();
        t.quality = Quality::None;
        assert_eq!(verdict(&t, "#"), None);
    }
}
