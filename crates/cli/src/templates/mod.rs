//! Recipes made for somebody: what lies in a folder, how large a model it is good for, and the text of the recipe.

mod question;
mod render;
mod shape;
mod start;
mod survey;
#[cfg(test)]
mod tests;

use std::path::Path;

use regimen_recipe::{Planning, Recipe};

use crate::output::{Explain, Fault};
use crate::registry::REGISTRY;

pub use question::{ask, on_a_terminal};
pub use render::{Draft, render};
pub use shape::{Fit, Shape, fitting, vocabulary};
pub use start::Start;
pub use survey::Survey;

/// What a recipe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A model from scratch.
    Base,
    /// Curated documents alone.
    Corpus,
    /// Go on from a model.
    Continue,
}

impl Purpose {
    /// From the word that stands for it.
    pub fn parse(text: &str) -> Result<Purpose, String> {
        match text {
            "base" => Ok(Purpose::Base),
            "corpus" => Ok(Purpose::Corpus),
            "continue" => Ok(Purpose::Continue),
            _ => Err("write base, corpus or continue".into()),
        }
    }
}

/// How much training there shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// This shape for so many steps.
    Fixed(Shape, u64),
    /// What fits into so many seconds on this machine.
    Seconds(f64),
}

impl Size {
    /// From `tiny`, `small`, `medium`, or a number with `s`, `m` or `h`.
    pub fn parse(text: &str) -> Result<Size, String> {
        let wrong = || "write tiny, small, medium, or a time such as 90s, 10m, 2h".to_string();
        match text {
            "tiny" => return Ok(Size::Fixed(shape::TINY, 400)),
            "small" => return Ok(Size::Fixed(shape::SMALL, 600)),
            "medium" => return Ok(Size::Fixed(shape::MEDIUM, 2000)),
            _ => {}
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        match digits.parse::<f64>() {
            Ok(n) if n > 0.0 && n * unit < 3.2e7 => Ok(Size::Seconds(n * unit)),
            _ => Err(wrong()),
        }
    }
}

/// The shape and steps for a draft: those asked for, or what fits into the time by the speed that `regimen plan`
/// measures as well. The draft is left with them.
pub fn sized(draft: &mut Draft, size: Size, root: &Path) -> anyhow::Result<()> {
    match size {
        Size::Fixed(shape, steps) => (draft.shape, draft.steps) = (shape, steps),
        Size::Seconds(seconds) => {
            // What is not training: reading, tokens, the baseline, validation, evaluation, a report.
            let rest = 3.0 + draft.survey.text() / 10e6;
            let left = (0.85 * seconds - rest).max(0.3 * seconds);
            let tokens = draft.survey.text() / shape::bytes_per_token(draft.vocab);
            let fit = match draft.start {
                // The model is what it is; only the steps are free.
                Some(_) => Fit {
                    shape: draft.shape,
                    steps: shape::steps(draft.shape, tokens, left, pace(draft, root)?),
                },
                None => fitting(tokens, left, &mut |shape| pace(&Draft { shape, ..draft.clone() }, root))?,
            };
            (draft.shape, draft.steps) = (fit.shape, fit.steps);
        }
    }
    Ok(())
}

/// Seconds of a step of a draft's training on this machine, measured in about a second.
fn pace(draft: &Draft, root: &Path) -> anyhow::Result<f64> {
    let text = render(&Draft { steps: 100, ..draft.clone() });
    let recipe = Recipe::of_text(&text, Path::new("recipe.toml"), root, &REGISTRY).explain()?;
    let stage = recipe.stage(render::MODEL).explain()?;
    let tokens = [("vocab", draft.vocab as f64), ("train_tokens", draft.survey.text() / 3.0)];
    let facts = tokens.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let forecast = (stage.kind.forecast)(&Planning {
        config: &stage.config,
        inputs: &[("tokens".to_string(), facts)].into(),
        files: &[].into(),
        root,
        measure: true,
    })
    .map_err(|failure| crate::output::failed(&failure))?;
    if forecast.seconds > 0.0 {
        return Ok(forecast.seconds / 100.0);
    }
    Err(Fault::new(
        "this machine has no room for the model, so its speed cannot be measured",
        "free memory, or name a size: `regimen new --size tiny`",
    ))
}

/// A name that a recipe, a file or a source can have: what is left of a text when other letters become `-`.
pub fn plain_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return format!("texts{name}");
    }
    name.into()
}
