//! How good the model is on each source, beside its baseline.

use regimen_base::units;
use regimen_ledger::Manifest;
use serde_json::Value;

use crate::facts::Facts;
use crate::html::Html;
use crate::lookup::{entries, number, text};
use crate::svg::pair;
use crate::words::{grouped, percent, significant};

use super::{columns, table};

/// The figure that counts.
pub(crate) struct Verdict {
    /// Bits per byte of the model.
    pub(crate) bpb: f64,
    /// Bits per byte of the baseline, where there is one.
    pub(crate) baseline: Option<f64>,
    better_by: Option<f64>,
    documents: Option<f64>,
    /// Whether it is of the training split.
    pub(crate) trained_on: bool,
}

/// Whether an evaluation scored what the model was trained on, instead of what was held out.
pub(super) fn on_training_text(config: &Value) -> bool {
    text(config, "split") == Some("train")
}

impl Verdict {
    /// The newest evaluation on held-out documents that has a baseline, or else the newest of them. For the run of an
    /// evaluation its own, whatever it scored.
    pub(crate) fn of(facts: &Facts) -> Option<Verdict> {
        let mut all: Vec<Verdict> =
            facts.results_of_kind("evaluate").into_iter().filter_map(Verdict::read).collect();
        if facts.info.kind != "evaluate" {
            all.retain(|verdict| !verdict.trained_on);
        }
        let best = all.iter().position(|v| v.baseline.is_some()).unwrap_or(0);
        (best < all.len()).then(|| all.swap_remove(best))
    }

    fn read(manifest: &Manifest) -> Option<Verdict> {
        let summary = &manifest.summary;
        Some(Verdict {
            bpb: number(summary, "bpb")?,
            baseline: number(summary, "baseline.bpb"),
            better_by: number(summary, "better_by"),
            documents: number(summary, "documents"),
            trained_on: on_training_text(&manifest.config),
        })
    }

    /// Share of the baseline's bits that the model saves; negative if it needs more.
    pub(crate) fn better_by(&self) -> Option<f64> {
        self.better_by.or_else(|| self.baseline.filter(|&b| b > 0.0).map(|b| 1.0 - self.bpb / b))
    }

    /// The figure in words, with a space before it.
    pub(crate) fn sentence(&self) -> String {
        let which = if self.trained_on { "of the training split" } else { "that it never saw" };
        let place = match self.documents {
            Some(1.0) => "a document".into(),
            Some(n) => format!("{} documents", grouped(n)),
            None => "text".into(),
        };
        let mut words = format!(" On {place} {which}, it needs {} bits per byte", significant(self.bpb, 4));
        if let (Some(baseline), Some(better)) = (self.baseline, self.better_by()) {
            let (share, than) = (percent(better.abs()), if better >= 0.0 { "fewer" } else { "more" });
            words.push_str(&format!(
                ", {share} {than} than the baseline\u{2019}s {}",
                significant(baseline, 4)
            ));
        }
        words + "."
    }
}

/// One table for each evaluation.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let all = facts.results_of_kind("evaluate");
    for manifest in &all {
        let summary = &manifest.summary;
        let has_baseline =
            number(summary, "baseline.bpb").is_some() || !entries(summary, "baseline.sources").is_empty();
        let mut rows: Vec<Row> = entries(summary, "sources")
            .into_iter()
            .map(|(name, value)| Row {
                name: name.to_string(),
                bytes: number(value, "bytes"),
                model: number(value, "bpb"),
                // Names may hold dots, so the path is walked by hand.
                baseline: entries(summary, "baseline.sources")
                    .into_iter()
                    .find(|(other, _)| *other == name)
                    .and_then(|(_, v)| number(v, "bpb").or(v.as_f64())),
            })
            .collect();
        rows.sort_by(|a, b| b.bytes.unwrap_or(0.0).total_cmp(&a.bytes.unwrap_or(0.0)));
        rows.push(Row {
            name: "all".into(),
            bytes: number(summary, "bytes"),
            model: number(summary, "bpb"),
            baseline: number(summary, "baseline.bpb"),
        });
        let values = || rows.iter().flat_map(|r| [r.model, r.baseline]).flatten();
        let most = values().fold(0.0, f64::max);
        if most <= 0.0 {
            continue;
        }
        if all.len() > 1 {
            html.leaf("h3", &[], &manifest.stage);
        }
        let mut about = number(summary, "documents")
            .map(|n| format!(" over {} documents", grouped(n)))
            .unwrap_or_default();
        if on_training_text(&manifest.config) {
            about.push_str(" of the training split");
        }
        let legend = if has_baseline {
            " The upper bar is the model, the lower, hollow one the baseline."
        } else {
            ""
        };
        html.leaf("p", &[("class", "remark")], &format!("Bits per byte{about}; fewer are better.{legend}"));
        table(html, "Bits per byte by source", |h| {
            if has_baseline {
                columns(h, &["Source", "#Text", "#Model", "#Baseline", "#Difference", ""]);
            } else {
                columns(h, &["Source", "#Text", "#Model", ""]);
            }
            h.el("tbody", &[], |h| {
                for row in &rows {
                    row.write(has_baseline, most, h);
                }
            });
        });
    }
}

struct Row {
    name: String,
    bytes: Option<f64>,
    model: Option<f64>,
    baseline: Option<f64>,
}

impl Row {
    fn write(&self, has_baseline: bool, most: f64, html: &mut Html) {
        html.el("tr", &[], |h| {
            let bytes = self.bytes.map(|n| units::bytes(n as u64));
            let model = self.model.map(|x| significant(x, 4));
            let baseline = self.baseline.map(|x| significant(x, 4));
            let change = match (self.model, self.baseline) {
                (Some(model), Some(base)) if base > 0.0 => {
                    let share = model / base - 1.0;
                    let sign = if share > 0.0 { "+" } else { "\u{2212}" };
                    Some(format!("{sign}{}", percent(share.abs())))
                }
                _ => None,
            };
            let numbers =
                if has_baseline { vec![bytes, model, baseline, change] } else { vec![bytes, model] };
            h.leaf("th", &[("scope", "row")], &self.name);
            for text in numbers {
                h.leaf("td", &[("class", "n")], &text.unwrap_or_default());
            }
            h.el("td", &[("class", "picture")], |h| {
                pair(h, self.model.unwrap_or(0.0) / most, self.baseline.map(|x| x / most));
            });
        });
    }
}
