//! The numbers behind a chart.

use crate::html::Html;
use crate::series::spread;
use crate::words::{grouped, significant};

use super::Chart;

/// Rows of a table at most.
const ROWS: usize = 40;

/// A table of all curves by step, folded away.
pub(super) fn render(chart: &Chart, html: &mut Html) {
    let mut steps: Vec<f64> = chart.lines.iter().flat_map(|l| l.series.buckets()).map(|b| b.x).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    let rows = spread(steps.len(), ROWS);
    html.el("details", &[("class", "data")], |h| {
        h.leaf("summary", &[], "Data table");
        let label = format!("{}: data", chart.title);
        h.el(
            "div",
            &[("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-label", &label)],
            |h| {
                h.el("table", &[], |h| {
                    let all = chart.lines.iter().map(|l| l.series.count()).max().unwrap_or(0);
                    let all = all.max(steps.len() as u64);
                    if (rows.len() as u64) < all {
                        let (some, all) = (rows.len(), grouped(all as f64));
                        h.leaf(
                            "caption",
                            &[],
                            &format!("{some} of {all} points, evenly spread; all are in events.jsonl"),
                        );
                    }
                    h.el("thead", &[], |h| {
                        h.el("tr", &[], |h| {
                            h.leaf("th", &[("scope", "col"), ("class", "n")], "step");
                            for line in &chart.lines {
                                h.leaf("th", &[("scope", "col"), ("class", "n")], &line.label);
                            }
                        });
                    });
                    h.el("tbody", &[], |h| {
                        for row in rows {
                            line(chart, steps[row], h);
                        }
                    });
                });
            },
        );
    });
}

fn line(chart: &Chart, step: f64, html: &mut Html) {
    html.el("tr", &[], |h| {
        h.leaf("th", &[("scope", "row"), ("class", "n")], &grouped(step));
        for line in &chart.lines {
            let text = line.series.at(step).map(|y| significant(y, 5)).unwrap_or_default();
            h.leaf("td", &[("class", "n")], &text);
        }
    });
}
