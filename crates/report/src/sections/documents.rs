//! How the loss spreads over tokens, and which documents are hardest and easiest for the model.

use regimen_base::{shell_quoted, units};

use crate::facts::Facts;
use crate::html::Html;
use crate::lookup::{items, number};
use crate::losses::{Document, Losses};
use crate::svg::Histogram;
use crate::words::{percent, significant};

/// Documents shown of each kind.
const SHOWN: usize = 5;
/// Bins of a histogram at most.
const BINS: usize = 512;

/// What each evaluation found.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let all = facts.results_of_kind("evaluate");
    let several = all.len() > 1;
    for (i, manifest) in all.iter().enumerate() {
        let mut part = Html::default();
        let tag = if several { "h4" } else { "h3" };
        if let Some(losses) = facts.losses.get(&manifest.key) {
            spread(losses, i, &mut part);
            let (mut worst, mut best) = (Html::default(), Html::default());
            documents("Hardest documents", tag, &losses.worst, &mut worst);
            documents("Easiest documents", tag, &losses.best, &mut best);
            if !(worst.is_empty() && best.is_empty()) {
                part.el("div", &[("class", "pair")], |h| {
                    h.el("div", &[], |h| h.append(&worst));
                    h.el("div", &[], |h| h.append(&best));
                });
            }
            if !losses.worst.is_empty() && losses.least_bytes > 0 {
                let least = units::bytes(losses.least_bytes);
                let words = format!(
                    "By bits per byte, among documents of at least {least}. The command shows every rule's value, copies \
                     and steps of a document."
                );
                part.leaf("p", &[("class", "remark")], &words);
            }
        }
        if part.is_empty() {
            continue;
        }
        if several {
            html.leaf("h3", &[], &manifest.stage);
        }
        html.append(&part);
    }
}

/// The histogram of token losses.
fn spread(losses: &Losses, index: usize, html: &mut Html) {
    let counts: Vec<f64> = items(&losses.token_losses, "counts")
        .iter()
        .take(BINS)
        .map(|v| v.as_f64().filter(|n| n.is_finite() && *n >= 0.0).unwrap_or(0.0))
        .collect();
    let width = number(&losses.token_losses, "width").filter(|w| *w > 0.0);
    let (Some(width), true) = (width, counts.iter().sum::<f64>() > 0.0) else { return };
    let histogram = Histogram {
        id: format!("losses-{index}"),
        title: "Loss of single tokens".into(),
        unit: "nats".into(),
        what: "tokens".into(),
        width,
        counts,
    };
    let (half, most) = (histogram.quantile(0.5), histogram.quantile(0.95));
    let sure = histogram.below(0.105);
    let words = format!(
        "Half of all tokens cost less than {} nats, one in twenty more than {}. {} were as good as certain (at most {} \
         nats).",
        significant(half, 2),
        significant(most, 3),
        percent(sure.1),
        significant(sure.0, 2)
    );
    histogram.render(&words, html);
}

fn documents(title: &str, tag: &str, documents: &[Document], html: &mut Html) {
    if documents.is_empty() {
        return;
    }
    html.leaf(tag, &[], title);
    html.el("ol", &[("class", "documents")], |h| {
        for document in documents.iter().take(SHOWN) {
            h.el("li", &[], |h| {
                h.el("p", &[], |h| {
                    h.leaf("b", &[], &document.name);
                    h.text(" ");
                    let size = units::bytes(document.bytes);
                    let words =
                        format!("{} bits per byte \u{b7} {size}", significant(document.bits_per_byte, 4));
                    h.leaf("span", &[], &words);
                });
                if !document.text.is_empty() {
                    h.leaf("blockquote", &[("tabindex", "0")], &document.text);
                }
                h.el("p", &[("class", "command")], |h| {
                    let command = format!("regimen trace doc {}", shell_quoted(&document.name));
                    h.leaf("code", &[("class", "copy")], &command);
                });
            });
        }
    });
}
