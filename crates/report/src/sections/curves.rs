//! Everything that was measured at steps.

use crate::facts::Facts;
use crate::html::Html;
use crate::json::Json;
use crate::lookup::number;
use crate::svg::{Chart, Level, Line, Mark, clock};
use crate::words::{capital, grouped};

use super::evaluation::on_training_text;

/// Other measurements drawn at most.
const OTHERS: usize = 12;

/// Loss, validation, learning rate, gradient norm, speed, and whatever else there is.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let mut all = Html::default();
    loss(facts).render(&mut all);
    validation(facts).render(&mut all);
    let mut small = Html::default();
    let mut rate = Chart::new("lr", "Learning rate", "");
    rate.from_zero = true;
    curve(facts, &mut rate, "lr", "learning rate", false);
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
        curve(facts, &mut chart, name, name, false);
        chart.render(&mut small);
    }
    if !small.is_empty() {
        all.el("div", &[("class", "pair")], |h| h.append(&small));
    }
    if all.is_empty() {
        return;
    }
    html.append(&all);
    if facts.log.unnamed {
        html.leaf("p", &[("class", "remark")], "More measurements than a page can tell are in events.jsonl.");
    }
    html.data("runs", &runs(facts));
}

/// The runs for the script: their names, and what their steps are in tokens and seconds.
fn runs(facts: &Facts) -> Json {
    let mut json = Json::default();
    json.list(|j| {
        for facts in std::iter::once(facts).chain(facts.against.as_deref()) {
            j.object(|j| {
                j.name("name").text(&facts.info.id);
                clock(facts.log.metric("tokens"), &facts.log.seconds, j.name("clock"));
            });
        }
    });
    json
}

fn loss(facts: &Facts) -> Chart {
    let mut chart = noisy(facts, "loss", "Training loss", "nats per token");
    let skipped = facts.log.skipped();
    if !skipped.is_empty() {
        let label = format!("skipped steps ({})", grouped(facts.log.skipped_count()));
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
    curve(facts, &mut chart, "bpb", "all text", false);
    // One source alone is all text.
    for source in sources.iter().filter(|_| sources.len() > 1) {
        let look = chart.lines.len();
        let label = if facts.against.is_some() { format!("{source}, first run") } else { source.to_string() };
        chart.lines.push(Line::new(&label, look, facts.log.metric(&format!("bpb/{source}"))));
    }
    chart.lines.retain(|l| !l.series.is_empty());
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
    curve(facts, &mut chart, metric, title, true);
    chart
}

/// The curve of a metric, and that of the other run over it.
fn curve(facts: &Facts, chart: &mut Chart, metric: &str, label: &str, noisy: bool) {
    let shaped = |line: Line| if noisy { line.noisy() } else { line };
    let own = facts.log.metric(metric);
    let Some(other) = &facts.against else {
        chart.lines.push(shaped(Line::new(label, 0, own)));
        return;
    };
    for (run, facts) in [facts, other].into_iter().enumerate() {
        let series = facts.log.metric(metric);
        if !series.is_empty() {
            let line = Line { run, ..Line::new(&facts.info.id, run, series) };
            chart.lines.push(shaped(line));
        }
    }
}

/// Names of metrics that no chart of ours shows.
fn others(facts: &Facts) -> Vec<&str> {
    const SHOWN: [&str; 8] =
        ["loss", "loss_smooth", "lr", "grad_norm", "tokens_per_second", "tokens", "skipped", "bpb"];
    const FAMILIES: [&str; 3] = ["bpb/", "grad_norm/", "update_ratio/"];
    let names = facts.log.metrics.keys().map(String::as_str);
    let ours = |name: &str| SHOWN.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family));
    names.filter(|name| !ours(name)).collect()
}
