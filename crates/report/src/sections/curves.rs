//! Everything that was measured at steps.

use crate::facts::Facts;
use crate::html::Html;
use crate::lookup::number;
use crate::series::{Points, smooth};
use crate::svg::{Chart, Level, Line, Mark};
use crate::words::{capital, grouped};

use super::evaluation::on_training_text;

/// Other measurements drawn at most.
const OTHERS: usize = 12;

/// Loss, validation, learning rate, gradient norm, speed, and whatever else there is.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    loss(facts).render(html);
    validation(facts).render(html);
    let mut small = Html::default();
    let mut rate = Chart::new("lr", "Learning rate", "");
    rate.from_zero = true;
    rate.lines.push(line("learning rate", 0, facts.log.metric("lr").to_vec()));
    rate.render(&mut small);
    let mut norm = noisy(facts, "grad_norm", "Gradient norm", "before clipping");
    norm.may_be_log = true;
    norm.render(&mut small);
    let mut speed = noisy(facts, "tokens_per_second", "Speed", "tokens per second");
    speed.from_zero = true;
    speed.render(&mut small);
    for (i, name) in others(facts).into_iter().take(OTHERS).enumerate() {
        let title = capital(&name.replace('_', " "));
        let mut chart = Chart::new(&format!("other-{i}"), &title, "");
        chart.lines.push(line(name, 0, facts.log.metric(name).to_vec()));
        chart.render(&mut small);
    }
    if !small.is_empty() {
        html.el("div", &[("class", "pair")], |h| h.append(&small));
    }
}

fn loss(facts: &Facts) -> Chart {
    let mut chart = noisy(facts, "loss", "Training loss", "nats per token");
    let skipped = facts.log.skipped();
    if !skipped.is_empty() {
        let label = format!("skipped steps ({})", grouped(skipped.len() as f64));
        chart.marks.push(Mark { label, steps: skipped, tall: false });
    }
    if !facts.log.resumed.is_empty() {
        let label = format!("went on after a stop ({})", facts.log.resumed.len());
        chart.marks.push(Mark { label, steps: facts.log.resumed.clone(), tall: true });
    }
    chart
}

fn validation(facts: &Facts) -> Chart {
    let mut chart = Chart::new("bpb", "Validation", "bits per byte");
    let sources: Vec<&str> = facts.log.metrics.keys().filter_map(|name| name.strip_prefix("bpb/")).collect();
    chart.lines.push(line("all text", 0, facts.log.metric("bpb").to_vec()));
    // One source alone is all text.
    for (i, source) in sources.iter().enumerate().filter(|_| sources.len() > 1) {
        chart.lines.push(line(source, i + 1, facts.log.metric(&format!("bpb/{source}")).to_vec()));
    }
    chart.lines.retain(|l| !l.points.is_empty());
    let evaluations = facts.results_of_kind("evaluate");
    let mut held_out = evaluations.iter().filter(|m| !on_training_text(&m.config));
    if let Some(value) = held_out.find_map(|m| number(&m.summary, "baseline.bpb")) {
        chart.levels.push(Level { label: "baseline, all text".into(), value });
    }
    chart
}

/// A noisy curve: faint as measured, strong as smoothed.
fn noisy(facts: &Facts, metric: &str, title: &str, unit: &str) -> Chart {
    let mut chart = Chart::new(&metric.replace('_', "-"), title, unit);
    let points = facts.log.metric(metric);
    if points.len() < 4 {
        chart.lines.push(line(title, 0, points.to_vec()));
        return chart;
    }
    let smoothed = smooth(points);
    chart.lines.push(Line { faint: true, ..line("as measured", 0, points.to_vec()) });
    chart.lines.push(line("smoothed", 0, smoothed));
    chart
}

fn line(label: &str, look: usize, points: Points) -> Line {
    Line { label: label.into(), look, faint: false, points }
}

/// Names of metrics that no chart of ours shows.
fn others(facts: &Facts) -> Vec<&str> {
    const SHOWN: [&str; 8] =
        ["loss", "loss_smooth", "lr", "grad_norm", "tokens_per_second", "tokens", "skipped", "bpb"];
    let names = facts.log.metrics.keys().map(String::as_str);
    names.filter(|name| !SHOWN.contains(name) && !name.starts_with("bpb/")).collect()
}
