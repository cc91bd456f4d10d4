//! What the corpus is made of, and what was left out of it.

use regimen_base::units;
use serde_json::Value;

use crate::facts::Facts;
use crate::html::Html;
use crate::lookup::{entries, items, number, text};
use crate::svg::bar;
use crate::words::{grouped, percent};

use super::{columns, table};

/// Parts listed in one table.
const PARTS: usize = 30;

/// Funnel, reasons and composition of every corpus that the run comes from.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let all = facts.sources_of_kind("corpus");
    // Several corpora get a heading each, and those of their tables go one level down.
    let tag = if all.len() > 1 { "h4" } else { "h3" };
    super::seen::write(facts, "h3", html);
    for corpus in &all {
        let summary = &corpus.summary;
        let mut part = Html::default();
        funnel(summary, tag, &mut part);
        dropped(summary, tag, &mut part);
        for (path, title, column) in [
            ("sources", "By source", "Source"),
            ("licences", "By licence", "Licence"),
            ("authors", "By kind of author", "Author"),
        ] {
            composition(summary, path, title, column, tag, &mut part);
        }
        if part.is_empty() {
            continue;
        }
        if all.len() > 1 {
            html.leaf("h3", &[], &format!("{} {}", corpus.stage, corpus.key.short()));
        }
        if let (Some(train), Some(held)) =
            (number(summary, "documents.train"), number(summary, "documents.validation"))
        {
            let words = format!(
                "{} documents to train on and {} that are only for validation.",
                grouped(train),
                grouped(held)
            );
            html.leaf("p", &[], &words);
        }
        html.append(&part);
    }
}

/// What was left after each step of reading and filtering.
fn funnel(summary: &Value, tag: &str, html: &mut Html) {
    let steps = items(summary, "funnel");
    let Some(all) = steps.iter().filter_map(|s| number(s, "documents")).reduce(f64::max).filter(|&n| n > 0.0)
    else {
        return;
    };
    html.leaf(tag, &[], "From what was read to what was kept");
    table(html, "Documents left after each step", |h| {
        columns(h, &["After", "#Documents", "#Text", "#Change", ""]);
        h.el("tbody", &[], |h| {
            let mut before = None;
            for step in steps {
                let left = number(step, "documents");
                h.el("tr", &[], |h| {
                    h.el("th", &[("scope", "row")], |h| {
                        h.text(text(step, "step").unwrap_or("step"));
                        if let Some(reason) = text(step, "reason").filter(|r| !r.is_empty()) {
                            h.text(" ");
                            h.leaf("small", &[], reason);
                        }
                    });
                    let change = left.zip(before).map(|(now, before): (f64, f64)| now - before);
                    let change = match change {
                        Some(0.0) => Some("0".to_string()),
                        Some(n) => Some(format!("{}{}", if n > 0.0 { "+" } else { "" }, grouped(n))),
                        None => None,
                    };
                    let size = number(step, "bytes").map(|n| units::bytes(n as u64));
                    for cell in [left.map(grouped), size, change] {
                        h.leaf("td", &[("class", "n")], &cell.unwrap_or_default());
                    }
                    h.el("td", &[("class", "picture")], |h| bar(h, left.unwrap_or(0.0) / all, true));
                });
                before = left.or(before);
            }
        });
    });
}

/// Why documents were dropped.
fn dropped(summary: &Value, tag: &str, html: &mut Html) {
    let reasons = entries(summary, "dropped").into_iter();
    let mut reasons: Vec<(&str, f64)> = reasons
        .filter_map(|(name, v)| Some((name, v.as_f64().or_else(|| number(v, "documents"))?)))
        .collect();
    reasons.retain(|r| r.1 > 0.0);
    let all: f64 = reasons.iter().map(|r| r.1).sum();
    if reasons.is_empty() {
        return;
    }
    reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
    html.leaf(tag, &[], "Why documents were left out");
    table(html, "Documents left out by reason", |h| {
        columns(h, &["Reason", "#Documents", "#Share", ""]);
        h.el("tbody", &[], |h| {
            for (reason, count) in reasons.into_iter().take(PARTS) {
                h.el("tr", &[], |h| {
                    h.leaf("th", &[("scope", "row")], &reason.replace('_', " "));
                    h.leaf("td", &[("class", "n")], &grouped(count));
                    h.leaf("td", &[("class", "n")], &percent(count / all));
                    h.el("td", &[("class", "picture")], |h| bar(h, count / all, false));
                });
            }
        });
    });
}

/// Shares of the text by one property of the documents.
fn composition(summary: &Value, path: &str, title: &str, column: &str, tag: &str, html: &mut Html) {
    struct Part<'a> {
        name: &'a str,
        documents: Option<f64>,
        bytes: f64,
    }
    let read = |(name, value)| {
        let documents = number(value, "documents");
        // Where bytes are not told, documents are weighed.
        let bytes = number(value, "bytes").or_else(|| value.as_f64()).or(documents)?;
        Some(Part { name, documents, bytes })
    };
    let mut parts: Vec<Part> = entries(summary, path).into_iter().filter_map(read).collect();
    let all: f64 = parts.iter().map(|p| p.bytes).sum();
    if parts.is_empty() || all <= 0.0 {
        return;
    }
    parts.sort_by(|a, b| b.bytes.total_cmp(&a.bytes).then(a.name.cmp(b.name)));
    let more = parts.len().saturating_sub(PARTS);
    html.leaf(tag, &[], title);
    table(html, title, |h| {
        columns(h, &[column, "#Documents", "#Text", "#Share", ""]);
        h.el("tbody", &[], |h| {
            for part in parts.iter().take(PARTS) {
                h.el("tr", &[], |h| {
                    h.leaf("th", &[("scope", "row")], part.name);
                    h.leaf("td", &[("class", "n")], &part.documents.map(grouped).unwrap_or_default());
                    h.leaf("td", &[("class", "n")], &units::bytes(part.bytes as u64));
                    h.leaf("td", &[("class", "n")], &percent(part.bytes / all));
                    h.el("td", &[("class", "picture")], |h| bar(h, part.bytes / all, false));
                });
            }
        });
    });
    if more > 0 {
        html.leaf(
            "p",
            &[("class", "remark")],
            &format!("{more} more, each smaller, are in the corpus artifact."),
        );
    }
}
