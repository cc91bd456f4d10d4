//! Gradients and updates of every layer: where a training is about to go wrong, it shows here first.

use crate::facts::Facts;
use crate::html::Html;
use crate::series::spread;
use crate::svg::{Chart, Level, Line};

/// Layers drawn at most.
const LAYERS: usize = 10;
/// The share of its length by which a parameter should move in a step, about: a rule of thumb (Karpathy, "makemore 3",
/// 2022).
const USUAL: f64 = 1e-3;

/// A chart for each measurement.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let mut ratio = chart(facts, "update_ratio/", "Update-to-weight ratio", "per step");
    if !ratio.lines.is_empty() {
        ratio.levels.push(Level { label: "often aimed at".into(), value: USUAL });
        ratio.remark = "How far a step moves the weights of a part, as a share of their length. Far above the line a training \
                        shakes, far below it stands still."
            .into();
    }
    chart(facts, "grad_norm/", "Gradient norm by layer", "before clipping").render(html);
    ratio.render(html);
}

fn chart(facts: &Facts, prefix: &str, title: &str, unit: &str) -> Chart {
    let mut chart = Chart::new(prefix.trim_end_matches('/').replace('_', "-").as_str(), title, unit);
    chart.id.push_str("-layers");
    chart.may_be_log = true;
    let metrics = facts.log.metrics.iter();
    let mut parts: Vec<_> = metrics.filter_map(|(name, s)| Some((name.strip_prefix(prefix)?, s))).collect();
    parts.sort_by_key(|(name, _)| place(name));
    let (layers, rest): (Vec<_>, Vec<_>) = parts.iter().partition(|(name, _)| place(name).0 == LAYER);
    let chosen: Vec<_> = spread(layers.len(), LAYERS).into_iter().map(|i| layers[i]).collect();
    if chosen.len() < layers.len() {
        chart.remark = format!("{} of {} layers; all are in events.jsonl.", chosen.len(), layers.len());
    }
    let shown = parts.iter().filter(|(name, _)| {
        chosen.iter().any(|(other, _)| other == name) || rest.iter().take(6).any(|(other, _)| other == name)
    });
    for (i, (name, series)) in shown.enumerate() {
        chart.lines.push(Line::new(&words(name), i, series).noisy());
    }
    chart
}

const LAYER: usize = 2;

/// Parts in the order in which a token passes them.
fn place(name: &str) -> (usize, usize) {
    match name.strip_prefix("layers.").map(str::parse) {
        Some(Ok(number)) => (LAYER, number),
        _ => match name {
            "embed" => (0, 0),
            "positions" => (1, 0),
            "norm" => (3, 0),
            "head" => (4, 0),
            _ => (5, 0),
        },
    }
}

/// `layer 3` for `layers.3`.
fn words(name: &str) -> String {
    match name {
        "embed" => "embedding".into(),
        "norm" => "last norm".into(),
        _ => name.strip_prefix("layers.").map_or_else(|| name.into(), |number| format!("layer {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_counted_not_spelled() {
        let mut names = ["norm", "layers.10", "layers.2", "head", "embed", "odd"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["embed", "layers.2", "layers.10", "norm", "head", "odd"]);
        assert_eq!((words("layers.2"), words("odd")), ("layer 2".into(), "odd".into()));
    }
}
