//! The top of the page: what was trained on what, how good it is, and the key numbers.

use regimen_base::units;
use regimen_ledger::Status;
use serde_json::Value;

use crate::facts::Facts;
use crate::html::Html;
use crate::lookup::{entries, number, text};
use crate::series::{median, smooth};
use crate::words::{capital, grouped, listing, percent, significant};

use super::evaluation::Verdict;

/// Title, the run in two sentences, and its key numbers.
pub(crate) fn header(facts: &Facts, html: &mut Html) {
    let info = &facts.info;
    html.el("header", &[("class", "top")], |h| {
        h.el("p", &[("class", "eyebrow")], |h| {
            h.text(&info.recipe_name);
            h.leaf("span", &[("aria-hidden", "true")], " / ");
            h.text(&info.kind);
            let (class, word) = status(info.status);
            h.text(" ");
            h.leaf("span", &[("class", class)], word);
        });
        h.leaf("h1", &[], &info.stage);
        h.leaf("p", &[("class", "lede")], &sentence(facts));
        let numbers = numbers(facts);
        if !numbers.is_empty() {
            h.el("dl", &[("class", "numbers")], |h| {
                for (name, value, unit) in numbers {
                    h.el("div", &[], |h| {
                        h.leaf("dt", &[], &name);
                        h.el("dd", &[], |h| {
                            h.text(&value);
                            if !unit.is_empty() {
                                h.text(" ");
                                h.leaf("small", &[], &unit);
                            }
                        });
                    });
                }
            });
        }
    });
}

fn status(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Running => ("status open", "\u{25cb} running"),
        Status::Done => ("status", "\u{25cf} done"),
        Status::Interrupted => ("status open", "\u{25d0} interrupted"),
        Status::Failed => ("status bad", "\u{2715} failed"),
        Status::Cached => ("status", "\u{25cf} made before"),
    }
}

/// Steps wanted by the config.
fn wanted_steps(facts: &Facts) -> Option<f64> {
    number(&facts.info.config, "steps")
}

/// Steps done so far.
fn done_steps(facts: &Facts) -> Option<f64> {
    number(facts.summary(), "steps").or(facts.log.last_step())
}

fn sentence(facts: &Facts) -> String {
    let summary = facts.summary();
    let whole = |path: &str| number(summary, path).map(grouped);
    let mut words = match facts.info.kind.as_str() {
        "pretrain" => trained(facts),
        "corpus" => match (whole("documents.kept"), whole("documents.read")) {
            (Some(kept), Some(read)) => {
                let split = match (whole("documents.train"), whole("documents.validation")) {
                    (Some(train), Some(held)) => format!(": {train} to train on, {held} to validate with"),
                    _ => String::new(),
                };
                format!("{kept} of {read} documents were kept{split}.")
            }
            _ => String::new(),
        },
        "tokenizer" => match (text(summary, "type"), whole("vocab")) {
            (Some(kind), Some(vocab)) => format!("A {kind} tokenizer with {vocab} tokens."),
            _ => String::new(),
        },
        "tokens" => match (number(summary, "train_tokens"), number(summary, "validation_tokens")) {
            (Some(train), Some(held)) => format!(
                "A corpus as {} tokens to train on and {} to validate with.",
                units::count(train),
                units::count(held)
            ),
            _ => String::new(),
        },
        "evaluate" => "A trained model, put to the test.".into(),
        _ => String::new(),
    };
    if let Some(verdict) = Verdict::of(facts) {
        words.push_str(&verdict.sentence());
    } else if let Some(bpb) = validation(facts) {
        words.push_str(&format!(" Its validation text takes {} bits per byte.", significant(bpb, 4)));
    }
    match facts.info.status {
        Status::Running => {
            words.push_str(&format!(" It was still running{} when this page was written.", stand(facts)));
        }
        Status::Interrupted => words.push_str(&format!(" It was interrupted{}.", stand(facts))),
        Status::Failed => words.push_str(&format!(" It failed{}.", stand(facts))),
        Status::Done | Status::Cached => {}
    }
    if words.is_empty() { format!("A stage of kind {}.", facts.info.kind) } else { words.trim_start().into() }
}

/// ` at step 240 of 600`.
fn stand(facts: &Facts) -> String {
    match (done_steps(facts), wanted_steps(facts)) {
        (Some(done), Some(wanted)) => format!(" at step {} of {}", grouped(done), grouped(wanted)),
        (Some(done), None) => format!(" at step {}", grouped(done)),
        _ => String::new(),
    }
}

fn trained(facts: &Facts) -> String {
    let size = number(facts.summary(), "parameters")
        .map(|n| format!(" of {} parameters", units::count(n)))
        .unwrap_or_default();
    let mut words = format!("A language model{size}");
    let finished = matches!(facts.info.status, Status::Done | Status::Cached);
    if let Some(steps) = done_steps(facts).filter(|_| finished) {
        words.push_str(&format!(", trained for {} steps", grouped(steps)));
    } else {
        words.push_str(", trained");
    }
    let names: Vec<String> = facts
        .sources_of_kind("corpus")
        .iter()
        .flat_map(|corpus| entries(&corpus.summary, "sources"))
        .map(|(name, _)| name.to_string())
        .collect();
    match (tokens(facts), names.is_empty()) {
        (Some(tokens), true) => words.push_str(&format!(" on {} tokens", units::count(tokens))),
        (Some(tokens), false) => {
            words.push_str(&format!(" on {} tokens of {}", units::count(tokens), listing(&names, 4)));
        }
        (None, false) => words.push_str(&format!(" on {}", listing(&names, 4))),
        (None, true) => {}
    }
    words + "."
}

/// Tokens trained on so far.
pub(super) fn tokens(facts: &Facts) -> Option<f64> {
    number(facts.summary(), "tokens").or_else(|| facts.log.last("tokens"))
}

/// Bits per byte of the validation split at the end.
fn validation(facts: &Facts) -> Option<f64> {
    number(facts.summary(), "validation.bpb").or_else(|| facts.log.last("bpb"))
}

/// Bits per byte of the run, and whether they are of text that it did not train on.
pub(super) fn bits_per_byte(facts: &Facts) -> Option<(f64, bool)> {
    let scored = Verdict::of(facts).map(|verdict| (verdict.bpb, !verdict.trained_on));
    scored.or_else(|| Some((validation(facts)?, true)))
}

/// Name, value and unit of the key numbers.
pub(super) fn numbers(facts: &Facts) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>, unit: &str| {
        found.extend(value.map(|value| (name.to_string(), value, unit.to_string())));
    };
    let summary = facts.summary();
    let verdict = Verdict::of(facts);
    let bpb = verdict.as_ref().map(|v| v.bpb).or_else(|| validation(facts));
    let is_model = facts.info.kind == "pretrain" || !facts.log.metric("loss").is_empty();
    add(
        match &verdict {
            Some(verdict) if verdict.trained_on => "Training split",
            Some(_) => "Evaluation",
            None => "Validation",
        },
        bpb.map(|x| significant(x, 4)),
        "bits per byte",
    );
    if let Some(baseline) = verdict.as_ref().and_then(|v| v.baseline) {
        add("Baseline", Some(significant(baseline, 4)), "bits per byte");
    }
    if let Some(better) = verdict.as_ref().and_then(Verdict::better_by) {
        let name = if better >= 0.0 { "Better by" } else { "Worse by" };
        add(name, Some(percent(better.abs())), "of the baseline");
    }
    if is_model {
        // The last step alone may be an outlier; while there is no verdict of the stage, the smoothed curve stands in.
        let smoothed =
            || smooth(&facts.log.metric("loss").means()).into_iter().map(|p| p.1).rfind(|y| y.is_finite());
        let loss = number(summary, "loss").or_else(smoothed);
        add("Training loss", loss.map(|x| significant(x, 4)), "nats per token");
        add("Parameters", number(summary, "parameters").map(units::count), "");
        let steps = done_steps(facts).map(grouped);
        let of = wanted_steps(facts).map(|n| format!("of {}", grouped(n))).unwrap_or_default();
        add("Steps", steps, &of);
        add("Tokens trained on", tokens(facts).map(units::count), "");
        add("Compute", number(summary, "flops").map(units::flops), "");
        add(
            "Speed",
            median(&facts.log.metric("tokens_per_second").means()).map(units::count),
            "tokens per second",
        );
        let skipped = number(summary, "skipped_steps").unwrap_or_else(|| facts.log.skipped_count());
        add("Skipped steps", (skipped > 0.0).then(|| grouped(skipped)), "");
    } else if verdict.is_none() {
        for (name, value) in plain(summary) {
            add(&name, Some(value), "");
        }
    }
    let seconds = facts.info.seconds;
    let threads =
        facts.log.threads.map(|n| format!("on {}", units::plural(n as u64, "thread"))).unwrap_or_default();
    add("Time", (seconds > 0.0).then(|| units::duration(seconds)), &threads);
    found
}

/// The numbers and words of any summary, one and two levels deep, a dozen at most.
fn plain(summary: &Value) -> Vec<(String, String)> {
    let shown = |name: &str, value: &Value| match value {
        Value::Number(n) if name.contains("bytes") && n.is_u64() => n.as_u64().map(units::bytes),
        Value::Number(n) => n.as_f64().map(|x| significant(x, 4)),
        Value::String(s) if s.len() <= 40 => Some(s.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    for (name, value) in summary.as_object().into_iter().flatten() {
        let words = capital(&name.replace('_', " "));
        found.extend(shown(name, value).map(|text| (words.clone(), text)));
        if matches!(name.as_str(), "documents" | "bytes") {
            for (part, value) in value.as_object().into_iter().flatten() {
                found.extend(shown(name, value).map(|text| (format!("{words} {part}"), text)));
            }
        }
    }
    found.truncate(12);
    found
}
