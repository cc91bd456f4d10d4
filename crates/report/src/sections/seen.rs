//! The text that a training has seen, by where it comes from: tokens instead of the corpus's bytes.

use regimen_base::units;

use crate::facts::Facts;
use crate::html::Html;
use crate::svg::bar;
use crate::words::{grouped, percent, significant};

use super::headline::tokens;
use super::{columns, table};

/// Parts listed in one table.
const PARTS: usize = 20;

/// One table for each thing that was told apart, as soon as the training has seen anything.
pub(super) fn write(facts: &Facts, tag: &str, html: &mut Html) {
    let Some(seen) = &facts.seen else { return };
    let total = seen.by.iter().map(|(_, parts)| parts.iter().map(|p| p.1).sum::<u64>()).max().unwrap_or(0);
    let trained = tokens(facts).unwrap_or(0.0);
    if total == 0 || trained <= 0.0 {
        return;
    }
    let passes = trained / total as f64;
    for (title, parts) in &seen.by {
        let mut parts: Vec<&(String, u64)> = parts.iter().filter(|p| p.1 > 0).collect();
        parts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let all: f64 = parts.iter().map(|p| p.1 as f64).sum();
        if all <= 0.0 {
            continue;
        }
        html.leaf(tag, &[], &format!("Tokens seen, by {title}"));
        table(html, &format!("Tokens seen, by {title}"), |h| {
            columns(h, &[&crate::words::capital(title), "#Tokens", "#Seen", "#Share", ""]);
            h.el("tbody", &[], |h| {
                for (name, count) in parts.iter().take(PARTS) {
                    let count = *count as f64;
                    h.el("tr", &[], |h| {
                        h.leaf("th", &[("scope", "row")], name);
                        h.leaf("td", &[("class", "n")], &grouped(count));
                        h.leaf("td", &[("class", "n")], &units::count(count * passes));
                        h.leaf("td", &[("class", "n")], &percent(count / all));
                        h.el("td", &[("class", "picture")], |h| bar(h, count / all, false));
                    });
                }
            });
        });
        if parts.len() > PARTS {
            let words = format!("{} more are smaller.", parts.len() - PARTS);
            html.leaf("p", &[("class", "remark")], &words);
        }
    }
    let words = format!(
        "Tokens of the training split, and how many of them the training went over in {} passes: each pass takes every \
         token once, so shares are those of the tokens.",
        significant(passes, 3)
    );
    html.leaf("p", &[("class", "remark")], &words);
}
