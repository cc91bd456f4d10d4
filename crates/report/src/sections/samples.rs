//! What the model wrote at fixed prompts, step by step: a strip of steps to choose from, without a script.

use crate::facts::Facts;
use crate::html::Html;
use crate::log::Sample;
use crate::lookup::{items, text};
use crate::series::spread;

/// Prompts shown.
const PROMPTS: usize = 20;
/// Steps shown for each prompt.
const STEPS: usize = 12;
/// Characters of a text shown.
const LETTERS: usize = 3000;

/// Samples of the run by prompt and step, then what `generate` stages wrote.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let mut prompts: Vec<(&str, Vec<&Sample>)> = Vec::new();
    for sample in &facts.log.samples {
        match prompts.iter_mut().find(|(prompt, _)| *prompt == sample.prompt) {
            Some((_, samples)) => samples.push(sample),
            None => prompts.push((&sample.prompt, vec![sample])),
        }
    }
    for (i, (prompt, samples)) in prompts.iter().take(PROMPTS).enumerate() {
        by_step(i, prompt, samples, html);
    }
    if prompts.len() > PROMPTS {
        let words = format!("{} more prompts are in events.jsonl.", prompts.len() - PROMPTS);
        html.leaf("p", &[("class", "remark")], &words);
    }
    for manifest in facts.results_of_kind("generate") {
        let samples = items(&manifest.summary, "samples");
        if samples.is_empty() {
            continue;
        }
        html.leaf("h3", &[], &format!("Written by stage {}", manifest.stage));
        for sample in samples.iter().take(PROMPTS) {
            passage(html, text(sample, "prompt").unwrap_or(""), text(sample, "text").unwrap_or(""));
        }
    }
}

fn by_step(number: usize, prompt: &str, samples: &[&Sample], html: &mut Html) {
    let chosen = spread(samples.len(), STEPS);
    html.el("fieldset", &[("class", "steps")], |h| {
        h.el("legend", &[], |h| {
            h.text("After ");
            h.leaf("q", &[], &shortened(if prompt.is_empty() { "(nothing)" } else { prompt }, 60));
            h.text(" at step");
        });
        let name = format!("samples-{number}");
        for (i, &index) in chosen.iter().enumerate() {
            let sample = samples[index];
            let id = format!("{name}-{i}");
            let mut attrs = vec![("type", "radio"), ("name", name.as_str()), ("id", id.as_str())];
            if i + 1 == chosen.len() {
                attrs.push(("checked", "checked"));
            }
            h.void("input", &attrs);
            h.leaf("label", &[("for", &id)], &sample.step.to_string());
            h.el("div", &[("class", "panel")], |h| passage(h, prompt, &sample.text));
        }
        if chosen.len() < samples.len() {
            let words = format!("{} of {} steps; all are in events.jsonl.", chosen.len(), samples.len());
            h.leaf("p", &[("class", "remark")], &words);
        }
    });
}

/// The prompt in bold and what came after it.
fn passage(html: &mut Html, prompt: &str, text: &str) {
    // Some write the prompt out again before they go on.
    let text = text.strip_prefix(prompt).filter(|_| !prompt.is_empty()).unwrap_or(text);
    html.el("p", &[("class", "passage")], |h| {
        if !prompt.is_empty() {
            h.leaf("b", &[], prompt);
        }
        h.text(&shortened(text, LETTERS));
    });
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.into(),
    }
}
