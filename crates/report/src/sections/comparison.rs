//! Two runs beside each other: key numbers, and where their configurations differ.

use std::collections::BTreeMap;

use regimen_base::json::canonical;
use serde_json::Value;

use crate::facts::Facts;
use crate::html::Html;
use crate::words::{percent, significant};

use super::headline::{bits_per_byte, numbers};
use super::{columns, table};

/// Differences of the configuration shown.
const DIFFERENCES: usize = 100;
/// Characters of a value shown.
const LETTERS: usize = 120;

/// Written only where there is another run.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let Some(other) = facts.against.as_deref() else { return };
    let names = [facts.info.id.as_str(), other.info.id.as_str()];
    html.el("p", &[], |h| {
        h.leaf("code", &[], names[0]);
        h.text(" and ");
        h.leaf("code", &[], names[1]);
        h.text(&verdict(facts, other));
    });
    figures(facts, other, names, html);
    differences(facts, other, names, html);
}

/// Who is better by how much, or why that cannot be said.
fn verdict(facts: &Facts, other: &Facts) -> String {
    let kinds = [&facts.info.kind, &other.info.kind];
    if kinds[0] != kinds[1] {
        return format!(
            " are of different kinds, {} and {}: only what both measured is laid over each other.",
            kinds[0], kinds[1]
        );
    }
    match (bits_per_byte(facts), bits_per_byte(other)) {
        (Some((one, true)), Some((two, true))) | (Some((one, false)), Some((two, false))) if two > 0.0 => {
            let share = one / two - 1.0;
            let than = if share <= 0.0 { "fewer" } else { "more" };
            format!(
                ": the first needs {} bits per byte, {} {than} than the second with {}. Text of different corpora \
                 or splits is no fair comparison.",
                significant(one, 4),
                percent(share.abs()),
                significant(two, 4)
            )
        }
        _ => ".".into(),
    }
}

fn figures(facts: &Facts, other: &Facts, names: [&str; 2], html: &mut Html) {
    let (one, two) = (numbers(facts), numbers(other));
    let mut rows: Vec<&str> = one.iter().map(|row| row.0.as_str()).collect();
    for row in &two {
        if !rows.contains(&row.0.as_str()) {
            rows.push(&row.0);
        }
    }
    if rows.is_empty() {
        return;
    }
    let value = |of: &[(String, String, String)], name: &str| {
        of.iter().find(|row| row.0 == name).map(|row| format!("{} {}", row.1, row.2).trim().to_string())
    };
    table(html, "Key numbers of both runs", |h| {
        columns(h, &["", &format!("#{}", names[0]), &format!("#{}", names[1])]);
        h.el("tbody", &[], |h| {
            for name in rows {
                h.el("tr", &[], |h| {
                    h.leaf("th", &[("scope", "row")], name);
                    for of in [&one, &two] {
                        h.leaf(
                            "td",
                            &[("class", "n wrap")],
                            &value(of, name).unwrap_or_else(|| "\u{2013}".into()),
                        );
                    }
                });
            }
        });
    });
}

fn differences(facts: &Facts, other: &Facts, names: [&str; 2], html: &mut Html) {
    let (one, two) = (flat(&facts.info.config), flat(&other.info.config));
    let all: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let differ: Vec<&String> = all.into_iter().filter(|path| one.get(*path) != two.get(*path)).collect();
    html.leaf("h3", &[], "Where their configurations differ");
    if differ.is_empty() {
        html.leaf("p", &[], "Nowhere.");
        return;
    }
    table(html, "Differences of the configuration", |h| {
        columns(h, &["Field", names[0], names[1]]);
        h.el("tbody", &[], |h| {
            for path in differ.iter().take(DIFFERENCES) {
                h.el("tr", &[], |h| {
                    h.el("th", &[("scope", "row")], |h| h.leaf("code", &[], path));
                    for of in [&one, &two] {
                        let value = of.get(*path).map_or("\u{2013}", String::as_str);
                        h.leaf("td", &[], &crate::log::shortened(value, LETTERS));
                    }
                });
            }
        });
    });
    if differ.len() > DIFFERENCES {
        let words = format!("{} more fields differ.", differ.len() - DIFFERENCES);
        html.leaf("p", &[("class", "remark")], &words);
    }
}

/// Values by dotted path; lists are one value.
fn flat(config: &Value) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&below, value, out);
                }
            }
            Value::Null => {}
            Value::String(text) => drop(out.insert(path.into(), text.clone())),
            other => drop(out.insert(path.into(), canonical(other))),
        }
    }
    let mut out = BTreeMap::new();
    walk("", config, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn configurations_are_compared_field_by_field() {
        let found = flat(&json!({"a": {"b": 1, "c": [1, "x"]}, "d": "e", "f": null}));
        let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, [("a.b", "1"), ("a.c", "[1,\"x\"]"), ("d", "e")]);
    }
}
