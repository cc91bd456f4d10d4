//! `regimen corpus stats`.

use std::collections::BTreeMap;

use regimen_base::{Cancel, units};
use regimen_corpus::Count;
use regimen_corpus::dolma::stats::{Attribute, FolderStats, Options, stats as count};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::inspect::{self, Labelled, Labels, Numbers, Stats};
use regimen_recipe::InputFile;

use super::opened::Opened;
use super::step::step;
use super::subject::{Subject, unfit};
use crate::Context;
use crate::args::{MEMORY, StatsArgs, bytes_of};
use crate::output::{Explain, INTERRUPTED, plain, plain_lines, print, print_json, table};

/// Clusters of copies that are listed.
const CLUSTERS: usize = 10;

pub fn stats(context: &Context, args: &StatsArgs) -> anyhow::Result<u8> {
    match Subject::new(context, &args.corpus)? {
        Subject::Corpus(opened) => of_corpus(context, args, &opened),
        Subject::Folder(files) => of_folder(context, args, &files),
    }
}

fn of_corpus(context: &Context, args: &StatsArgs, opened: &Opened) -> anyhow::Result<u8> {
    let folders = "folders in Dolma's layout, and this is a finished corpus";
    unfit(args.attributes.is_some(), "--attributes", &args.corpus, folders)?;
    unfit(args.memory.is_some(), "--memory", &args.corpus, folders)?;
    if let Some(option) = args.names.given() {
        unfit(true, option, &args.corpus, folders)?;
    }
    let stats = inspect::stats(&opened.corpus, args.clusters.unwrap_or(CLUSTERS)).explain()?;
    if context.global.json {
        print_json(&stats)?;
    } else {
        print(shown(&stats))?;
    }
    Ok(0)
}

fn of_folder(context: &Context, args: &StatsArgs, files: &[InputFile]) -> anyhow::Result<u8> {
    let corpora = "a finished corpus, and this is a folder: `regimen corpus dedup` marks copies in one";
    unfit(args.clusters.is_some(), "--clusters", &args.corpus, corpora)?;
    let memory = args.memory.unwrap_or_else(|| bytes_of(MEMORY).unwrap_or(u64::MAX));
    let options = Options { attributes: args.attributes.clone(), fields: args.names.fields(), memory };
    let total = files.iter().map(|file| file.bytes).sum();
    let run = |progress: &Progress, cancel: &Cancel| count(files, &options, progress, cancel);
    let Some(stats) = step(context, "stats", total, "nothing is kept", run)? else {
        return Ok(INTERRUPTED);
    };
    if context.global.json {
        print_json(&stats)?;
    } else {
        print(shown_folder(&stats))?;
    }
    Ok(0)
}

fn shown_folder(stats: &FolderStats) -> String {
    let read = &stats.read;
    let mut parts = vec![format!(
        "{}, {}, {}",
        units::plural(read.documents, "document"),
        units::bytes(read.bytes),
        units::plural(read.words, "word")
    )];
    let mut sources: Vec<_> = stats.sources.iter().collect();
    sources.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
    let row = |(name, c): &(&String, &regimen_corpus::dolma::stats::Counted)| {
        vec![name.to_string(), c.documents.to_string(), units::bytes(c.bytes), c.words.to_string()]
    };
    let rows: Vec<Vec<String>> = sources.iter().map(row).collect();
    parts.push(table(&["source", "documents", "text", "words"], &rows, &[1, 2, 3]));
    let groups = [("licence", &stats.licences), ("author", &stats.authors)];
    parts.extend(groups.map(|(name, all)| counts(name, all)));
    let names = told_apart(&stats.numbers);
    let numbers =
        stats.numbers.iter().zip(&names).map(|(attribute, name)| (name.as_str(), &attribute.numbers));
    let texts = [&stats.lengths, &stats.words].map(|numbers| (numbers.name.as_str(), numbers));
    parts.push(spreads(&texts.into_iter().chain(numbers).collect::<Vec<_>>()));
    let spans: Vec<Vec<String>> = stats
        .numbers
        .iter()
        .zip(&names)
        .filter_map(|(attribute, name)| {
            let spans = attribute.spans.as_ref()?;
            let q = spans.scores.quantiles.unwrap_or_default();
            let mut row = vec![name.clone(), attribute.documents.to_string()];
            row.extend([spans.count.to_string(), units::bytes(spans.bytes)]);
            row.extend([q.least, spans.scores.mean, q.greatest].map(short));
            Some(row)
        })
        .collect();
    if !spans.is_empty() {
        let head = ["spans", "documents", "spans", "text", "least score", "mean score", "greatest score"];
        parts.push(table(&head, &spans, &[1, 2, 3, 4, 5, 6]));
    }
    parts.join("\n\n")
}

/// The names of attributes as their files have them, as expressions write them; with the experiment before them, as
/// `EXPERIMENT/NAME`, where two experiments have one name.
fn told_apart(all: &[Attribute]) -> Vec<String> {
    let name = |attribute: &Attribute| {
        let name = &attribute.numbers.name;
        match all.iter().filter(|other| other.numbers.name == *name).count() {
            1 => name.clone(),
            _ => format!("{}/{name}", attribute.experiment),
        }
    };
    all.iter().map(name).collect()
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
    parts.extend(stats.labels.iter().map(labels));
    let numbers = std::iter::once(&stats.lengths).chain(&stats.numbers);
    parts.push(spreads(&numbers.map(|numbers| (numbers.name.as_str(), numbers)).collect::<Vec<_>>()));
    let clusters = &stats.clusters;
    let mut lines = vec![format!(
        "copies   {} in {} dropped, {}",
        units::plural(clusters.dropped.documents, "document"),
        units::plural(clusters.count, "cluster"),
        units::bytes(clusters.dropped.bytes)
    )];
    lines.extend(clusters.largest.iter().map(|c| format!("  {} and {} more", c.document, c.copies.len())));
    parts.push(plain_lines(&lines));
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

/// A table of the labels that a tagger found.
fn labels(labels: &Labels) -> String {
    let row = |(name, counts): (&str, &Labelled)| {
        let Labelled { kept, dropped } = counts;
        vec![plain(name), kept.documents.to_string(), units::bytes(kept.bytes), dropped.documents.to_string()]
    };
    let rows: Vec<Vec<String>> = labels.sorted().into_iter().map(row).collect();
    table(&[&plain(&labels.name), "documents", "text", "dropped"], &rows, &[1, 2, 3])
}

/// A table of numbers, each under a name.
fn spreads(all: &[(&str, &Numbers)]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|(name, n)| {
            let q = n.quantiles.unwrap_or_default();
            let mut row = vec![name.to_string(), n.what.into(), n.count.to_string(), short(n.mean)];
            row.extend(
                [q.least, q.q01, q.q05, q.q25, q.median, q.q75, q.q95, q.q99, q.greatest]
                    .map(|x| if n.quantiles.is_some() { short(x) } else { "-".into() }),
            );
            row.push(format!("{:.1} %", 100.0 * n.absent));
            row
        })
        .collect();
    let head = [
        "number",
        "kind",
        "documents",
        "mean",
        "least",
        "1 %",
        "5 %",
        "25 %",
        "50 %",
        "75 %",
        "95 %",
        "99 %",
        "greatest",
        "absent",
    ];
    table(&head, &rows, &(2..head.len()).collect::<Vec<_>>())
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
    fn equal_names_of_two_experiments_are_told_apart() {
        let of = |experiment: &str, name: &str| Attribute {
            numbers: Numbers { name: name.into(), ..Numbers::default() },
            experiment: experiment.into(),
            ..Attribute::default()
        };
        let all = [of("a", "dup"), of("b", "dup"), of("b", "b__length__words")];
        assert_eq!(told_apart(&all), ["a/dup", "b/dup", "b__length__words"]);
    }

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
