//! Where the run stands between what it was made from and what was made from it.

use regimen_base::units;
use regimen_ledger::Manifest;
use serde_json::Value;

use crate::facts::{Facts, Relation};
use crate::html::Html;
use crate::lookup::{items, number, text};
use crate::words::{grouped, significant};

use super::evaluation::on_training_text;

/// Descendants listed.
const AFTER: usize = 40;

/// A picture, and an ordered list: causes, the run itself, consequences.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    super::graph::write(facts, html);
    html.el("ol", &[("class", "lineage")], |h| {
        for relation in &facts.before {
            related(facts, relation, h);
        }
        h.el("li", &[("class", "self"), ("aria-current", "true")], |h| {
            let info = &facts.info;
            name(&info.kind, &info.stage, &info.key.short(), h);
            h.text(" ");
            h.leaf("span", &[("class", "here")], "this run");
            inputs(facts, info.inputs.iter(), h);
            told(&info.kind, &info.config, facts.summary(), h);
        });
        for relation in facts.after.iter().take(AFTER) {
            related(facts, relation, h);
        }
    });
    if facts.after.len() > AFTER {
        let words = format!("{} more were made from it.", facts.after.len() - AFTER);
        html.leaf("p", &[("class", "remark")], &words);
    }
}

fn related(facts: &Facts, relation: &Relation, html: &mut Html) {
    let relative = &relation.relative;
    html.el("li", &[], |h| match &relation.manifest {
        Some(Manifest { kind, stage, config, inputs: used, summary, .. }) => {
            name(kind, stage, &relative.key.short(), h);
            inputs(facts, used.iter(), h);
            told(kind, config, summary, h);
        }
        None => {
            let kind =
                if relative.kind.is_empty() { relative.input.as_str() } else { relative.kind.as_str() };
            name(kind, &relative.stage, &relative.key.short(), h);
            let words = if relative.present {
                "damaged; `regimen ledger verify` tells more"
            } else {
                "no longer in the store"
            };
            h.leaf("p", &[], words);
        }
    });
}

fn name(kind: &str, stage: &str, key: &str, html: &mut Html) {
    html.leaf("b", &[], if stage.is_empty() { kind } else { stage });
    html.text(" ");
    if stage != kind && !stage.is_empty() {
        html.leaf("span", &[], kind);
        html.text(" ");
    }
    html.leaf("code", &[], key);
}

/// `takes corpus 1a2b3c4d and tokenizer 5e6f7a8b`.
fn inputs<'a>(
    facts: &Facts,
    used: impl Iterator<Item = (&'a String, &'a regimen_base::Key)>,
    html: &mut Html,
) {
    let called = |key: &regimen_base::Key| {
        let all = facts.before.iter().chain(&facts.after);
        let stage = all.filter(|r| r.relative.key == *key).map(|r| r.relative.stage.as_str()).next();
        let stage = if facts.info.key == *key { Some(facts.info.stage.as_str()) } else { stage };
        stage.filter(|s| !s.is_empty()).unwrap_or("").to_string()
    };
    let mut first = true;
    let mut words = Html::default();
    for (input, key) in used {
        words.text(if first { "takes " } else { ", " });
        first = false;
        let stage = called(key);
        words.text(input);
        if !stage.is_empty() && stage != *input {
            words.text(&format!(" from {stage}"));
        }
        words.text(" ");
        words.leaf("code", &[], &key.short());
    }
    if !first {
        html.el("p", &[], |h| h.append(&words));
    }
}

/// What an artifact says of itself in one line.
fn told(kind: &str, config: &Value, summary: &Value, html: &mut Html) {
    let whole = |path: &str, noun: &str| number(summary, path).map(|n| format!("{} {noun}", grouped(n)));
    let count = |path: &str, noun: &str| number(summary, path).map(|n| format!("{} {noun}", units::count(n)));
    let bpb = |path: &str, noun: &str| number(summary, path).map(|x| format!("{} {noun}", significant(x, 4)));
    let size = |path: &str| number(summary, path).map(|n| units::bytes(n as u64));
    let parts = match kind {
        "corpus" => vec![whole("documents.kept", "documents"), size("bytes.kept")],
        "tokenizer" => vec![
            text(summary, "type").map(String::from),
            whole("vocab", "tokens"),
            bpb("bytes_per_token", "bytes per token"),
        ],
        "tokens" => {
            vec![count("train_tokens", "tokens to train on"), count("validation_tokens", "to validate with")]
        }
        "pretrain" => vec![
            count("parameters", "parameters"),
            whole("steps", "steps"),
            bpb("validation.bpb", "bits per byte of validation text"),
        ],
        "ngram" => vec![count("contexts", "contexts"), size("bytes")],
        "evaluate" if on_training_text(config) => {
            vec![bpb("bpb", "bits per byte of the training split"), bpb("baseline.bpb", "for the baseline")]
        }
        "evaluate" => vec![bpb("bpb", "bits per byte"), bpb("baseline.bpb", "for the baseline")],
        "generate" => vec![Some(units::plural(items(summary, "samples").len() as u64, "sample"))],
        _ => Vec::new(),
    };
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        html.leaf("p", &[], &parts.join(" \u{b7} "));
    }
}
