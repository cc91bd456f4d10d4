//! `regimen corpus stats`.

use std::collections::BTreeMap;

use regimen_base::units;
use regimen_corpus::Count;
use regimen_corpus::inspect::{self, Numbers, Stats};

use super::opened::Opened;
use crate::Context;
use crate::args::StatsArgs;
use crate::output::{Explain, print, print_json, table};

pub fn stats(context: &Context, args: &StatsArgs) -> anyhow::Result<u8> {
    let opened = Opened::new(context, &args.corpus)?;
    let stats = inspect::stats(&opened.corpus, args.clusters).explain()?;
    if context.global.json {
        print_json(&stats)?;
    } else {
        print(shown(&stats))?;
    }
    Ok(0)
}

fn shown(stats: &Stats) -> String {
    let count = |what: &str, c: &Count| {
        format!("{what:<8} {}, {}", units::plural(c.documents, "document"), units::bytes(c.bytes))
    };
    let mut first =
        vec![count("read", &stats.read), count("kept", &stats.kept), count("edited", &stats.edited)];
    if stats.repeated.documents > 0 {
        first.push(count("repeated", &stats.repeated));
        first.push(count("training", &stats.training) + " with copies");
    }
    let mut parts = vec![first.join("\n")];
    let groups = [
        ("source", &stats.sources),
        ("licence", &stats.licences),
        ("author", &stats.authors),
        ("split", &stats.splits),
        ("dropped for", &stats.reasons),
    ];
    parts.extend(groups.iter().filter(|(_, all)| !all.is_empty()).map(|(name, all)| counts(name, all)));
    let numbers: Vec<&Numbers> = std::iter::once(&stats.lengths).chain(&stats.numbers).collect();
    parts.push(spreads(&numbers));
    let clusters = &stats.clusters;
    let mut lines = vec![format!(
        "copies   {} in {} dropped, {}",
        units::plural(clusters.dropped.documents, "document"),
        units::plural(clusters.count, "cluster"),
        units::bytes(clusters.dropped.bytes)
    )];
    lines.extend(clusters.largest.iter().map(|c| format!("  {} and {} more", c.document, c.copies.len())));
    parts.push(lines.join("\n"));
    parts.join("\n\n")
}

fn counts(name: &str, all: &BTreeMap<String, Count>) -> String {
    let mut sorted: Vec<(&String, &Count)> = all.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .map(|(name, count)| vec![name.to_string(), count.documents.to_string(), units::bytes(count.bytes)])
        .collect();
    table(&[name, "documents", "text"], &rows, &[1, 2])
}

fn spreads(all: &[&Numbers]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|n| {
            let q = n.quantiles.unwrap_or_default();
            let mut row = vec![n.name.clone(), n.what.into(), n.count.to_string(), short(n.mean)];
            row.extend(
                [q.q05, q.q25, q.median, q.q75, q.q95]
                    .map(|x| if n.quantiles.is_some() { short(x) } else { "-".into() }),
            );
            row.push(format!("{:.1} %", 100.0 * n.absent));
            row
        })
        .collect();
    let head = ["number", "kind", "documents", "mean", "5 %", "25 %", "50 %", "75 %", "95 %", "absent"];
    table(&head, &rows, &[2, 3, 4, 5, 6, 7, 8, 9])
}

/// A number with about four digits.
fn short(x: f64) -> String {
    match x.abs() {
        _ if x.fract() == 0.0 => format!("{x:.0}"),
        a if a >= 1000.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (12345.6, "12346"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.12345, "0.1235"),
            (3.0, "3"),
        ];
        for (x, text) in cases {
            assert_eq!(short(x), text);
        }
    }
}
