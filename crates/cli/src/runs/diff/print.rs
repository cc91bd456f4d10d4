//! A comparison for people.

use std::collections::{BTreeMap, BTreeSet};

use regimen_base::units;
use serde_json::Value;

use super::super::chart::sparkline;
use super::super::literal::shown;
use super::super::show;
use super::{Changed, Composition, Diff, Ends, Part};
use crate::output::{print as put, table};

/// Columns of a curve.
const CHART: usize = 60;
/// Longest value of a config that is shown.
const WIDEST: usize = 40;

/// Print all of it that there is.
pub fn print(diff: &Diff) -> anyhow::Result<()> {
    for (name, side) in [("a", &diff.a), ("b", &diff.b)] {
        put(format!(
            "{name}  {} ({}, {}, {})",
            side.run,
            side.kind,
            side.status,
            units::duration(side.seconds)
        ))?;
    }
    changed("config", &diff.config)?;
    changed("inputs", &diff.inputs)?;
    data(diff)?;
    metrics(diff)?;
    curves(diff)
}

fn section(title: &str, text: &str) -> anyhow::Result<()> {
    put(format!("\n{title}"))?;
    put(text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
}

fn changed(title: &str, all: &[Changed]) -> anyhow::Result<()> {
    if all.is_empty() {
        return section(title, "the same");
    }
    let value = |value: &Value| {
        let text = match value {
            Value::Null => "-".into(),
            Value::String(text) if text.len() == 64 => text.chars().take(8).collect(),
            Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        };
        match text.chars().count() > WIDEST {
            true => text.chars().take(WIDEST - 1).chain(['…']).collect(),
            false => text,
        }
    };
    let rows: Vec<Vec<String>> = all.iter().map(|c| vec![c.key.clone(), value(&c.a), value(&c.b)]).collect();
    section(title, &table(&["key", "a", "b"], &rows, &[]))
}

fn data(diff: &Diff) -> anyhow::Result<()> {
    let (a, b) = match (&diff.data.a, &diff.data.b) {
        (None, None) => return Ok(()),
        (a, b) if a == b => return section("data", "the same"),
        (a, b) => (a.as_ref(), b.as_ref()),
    };
    let unit = |side: Option<&Composition>| side.map_or("", |c| c.unit);
    let count = |side: Option<&Composition>, part: Option<&Part>| match (side, part) {
        (Some(c), Some(part)) if c.unit == "bytes" => units::bytes(part.amount),
        (Some(_), Some(part)) => units::count(part.amount as f64),
        _ => "-".into(),
    };
    let share = |part: Option<&Part>| part.map_or_else(String::new, |p| format!("{:.1} %", 100.0 * p.share));
    let mut rows = Vec::new();
    type Parts = fn(&Composition) -> &BTreeMap<String, Part>;
    let groups: [(&str, Parts); 3] =
        [("source", |c| &c.sources), ("licence", |c| &c.licences), ("author", |c| &c.authors)];
    for (group, parts) in groups {
        let of = |side: Option<&Composition>| side.map(parts).cloned().unwrap_or_default();
        let (of_a, of_b) = (of(a), of(b));
        let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
        for name in names {
            let (pa, pb) = (of_a.get(name), of_b.get(name));
            rows.push(vec![group.into(), name.clone(), count(a, pa), share(pa), count(b, pb), share(pb)]);
        }
    }
    let whole = |side: Option<&Composition>| {
        let part = side.map(|c| Part { documents: c.documents, amount: c.total, share: 1.0 });
        count(side, part.as_ref())
    };
    rows.push(vec!["all".into(), String::new(), whole(a), String::new(), whole(b), String::new()]);
    let heads = [format!("a {}", unit(a)), format!("b {}", unit(b))].map(|head| head.trim_end().to_string());
    section("data", &table(&["", "", &heads[0], "share", &heads[1], "share"], &rows, &[2, 3, 4, 5]))
}

fn metrics(diff: &Diff) -> anyhow::Result<()> {
    if diff.metrics.is_empty() {
        return Ok(());
    }
    let last = |ends: Option<Ends>| ends.map_or("-".into(), |e| shown(e.last));
    let best =
        |ends: Option<Ends>| ends.map_or("-".into(), |e| format!("{} at {}", shown(e.best), e.best_step));
    let rows: Vec<Vec<String>> = diff
        .metrics
        .iter()
        .map(|m| {
            let difference = m
                .difference
                .map_or(String::new(), |d| format!("{}{}", if d > 0.0 { "+" } else { "" }, shown(d)));
            vec![m.name.clone(), last(m.a), last(m.b), difference, best(m.a), best(m.b)]
        })
        .collect();
    section(
        "metrics",
        &table(&["", "a last", "b last", "b - a", "a best", "b best"], &rows, &[1, 2, 3, 4, 5]),
    )
}

fn curves(diff: &Diff) -> anyhow::Result<()> {
    let [a, b] = &diff.drawn;
    let names: Vec<&String> = a.keys().filter(|name| b.contains_key(*name)).collect();
    let label = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = show::width().map_or(CHART, |width| width.saturating_sub(label + 8).clamp(10, 2 * CHART));
    let mut lines = Vec::new();
    for name in names {
        let points = || a[name].points().chain(b[name].points());
        let (first, last) = points().fold((u64::MAX, 0), |(l, g), (step, _)| (l.min(step), g.max(step)));
        let (least, greatest) =
            points().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, g), (_, y)| (l.min(y), g.max(y)));
        // A single point is no curve.
        if last <= first || a[name].is_empty() || b[name].is_empty() {
            continue;
        }
        let draw =
            |curve: &super::Curve| sparkline(curve.points(), (first, last), (least, greatest), columns);
        lines.push(format!("{name:<label$}  a {}", draw(&a[name])));
        lines.push(format!("{:<label$}  b {}", "", draw(&b[name])));
    }
    if lines.is_empty() { Ok(()) } else { section("curves, by step", &lines.join("\n")) }
}
