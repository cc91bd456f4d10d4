//! What the model wrote at fixed prompts, step by step: a strip of steps to choose from, without a script.

use crate::facts::Facts;
use crate::html::Html;
use crate::log::{Prompt, shortened};
use crate::lookup::{items, text};
use crate::series::spread;
use crate::words::grouped;

/// Samples of a `generate` stage shown.
const PROMPTS: usize = 20;
/// Steps shown for each prompt.
const STEPS: usize = 12;
/// Characters of a text shown.
const LETTERS: usize = 3000;

/// Samples of the run by prompt and step, then what `generate` stages wrote.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    for (i, prompt) in facts.log.samples.prompts.iter().enumerate() {
        by_step(i, prompt, html);
    }
    if facts.log.samples.more {
        html.leaf("p", &[("class", "remark")], "More prompts are in events.jsonl.");
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

fn by_step(number: usize, of: &Prompt, html: &mut Html) {
    let (samples, prompt) = (of.samples(), of.prompt.as_str());
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
        if chosen.len() < of.count {
            let (some, all) = (chosen.len(), grouped(of.count as f64));
            let words = format!("{some} of {all} steps; all are in events.jsonl.");
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
