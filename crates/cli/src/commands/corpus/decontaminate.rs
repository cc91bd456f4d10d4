//! `regimen corpus decontaminate`: what documents share with evaluation sets.

use std::path::Path;
use std::time::Instant;

use regimen_base::{Cancel, units};
use regimen_corpus::dolma::decontaminate::{Against, Options, decontaminate as run};
use regimen_corpus::dolma::sample::is_for_rows;
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::dolma::{DOCUMENTS, apart, plain_folders};
use regimen_objects::is_url;

use super::step::step;
use super::{brought, files};
use crate::Context;
use crate::args::DecontaminateArgs;
use crate::output::{Explain, Fault, INTERRUPTED, print, print_json, say, table};

pub fn decontaminate(context: &Context, args: &DecontaminateArgs) -> anyhow::Result<u8> {
    if !(0.0..=1.0).contains(&args.overlap) {
        return Err(Fault::new(
            format!("`--overlap {}` is no share from 0 to 1", args.overlap),
            "0.5 asks for half of the n-grams of an item",
        ));
    }
    is_for_rows(&args.report).explain()?;
    let clean = args.drop.as_ref().map(|folder| folder.join(DOCUMENTS));
    apart(&args.documents, std::iter::once(args.report.as_path()).chain(clean.as_deref())).explain()?;
    apart(&plain_folders(&args.documents), args.to.as_deref()).explain()?;
    let mut sets = Vec::new();
    for given in &args.against {
        let (file, called) = match given.to_str().filter(|url| is_url(url)) {
            None => (given.clone(), given.display().to_string()),
            Some(url) => match &brought(context, url)?[..] {
                [one] => (one.full.clone(), one.path.clone()),
                more => {
                    return Err(Fault::new(
                        format!("`{url}` means {} objects, and an evaluation set is one", more.len()),
                        "name each of them, with commas between them",
                    ));
                }
            },
        };
        sets.push(Against { name: name_of(given), file, called, field: args.field.clone() });
    }
    if let Some(i) = (1..sets.len()).find(|&i| sets[..i].iter().any(|other| other.name == sets[i].name)) {
        return Err(Fault::new(
            format!("two evaluation sets would be called `{}`", sets[i].name),
            "rename one of the files: sets are called after them",
        ));
    }
    let files = files(context, &args.documents)?;
    let options = Options {
        n: args.n,
        exact: args.exact,
        least: args.overlap,
        experiment: args.experiment.clone(),
        to: args.to.clone(),
        fields: args.names.fields(),
        report: args.report.clone(),
        clean: args.drop.clone(),
        memory: args.memory,
    };
    let total = files.iter().map(|file| file.bytes).sum();
    let began = Instant::now();
    let run = |progress: &Progress, cancel: &Cancel| run(&files, &sets, &options, progress, cancel);
    let Some(found) = step(context, "decontaminate", total, "whole files are kept", run)? else {
        return Ok(INTERRUPTED);
    };
    if context.global.json {
        print_json(&found)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = found
        .sets
        .iter()
        .map(|set| {
            let numbers =
                [set.items, set.items_short, set.items_hit, set.items_whole, set.documents, set.hits];
            std::iter::once(set.set.clone()).chain(numbers.iter().map(u64::to_string)).collect()
        })
        .collect();
    let head = ["set", "items", "too short", "items hit", "items whole", "documents", "hits"];
    print(table(&head, &rows, &[1, 2, 3, 4, 5, 6]))?;
    let share = 100.0 * found.contaminated as f64 / found.documents.max(1) as f64;
    let skipped = match found.skipped {
        0 => String::new(),
        n => format!("; {} done before", units::plural(n, "file")),
    };
    print(format!(
        "{} of {} contaminated ({share:.2} %)",
        found.contaminated,
        units::plural(found.documents, "document")
    ))?;
    say(&context.global, format!("{}{skipped}", units::duration(began.elapsed().as_secs_f64())));
    Ok(0)
}

/// A set is called after its file, without endings.
fn name_of(path: &Path) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for end in [".gz", ".zst", ".jsonl", ".json", ".ndjson", ".parquet", ".csv", ".tsv"] {
        if let Some(short) = name.strip_suffix(end).filter(|short| !short.is_empty()) {
            name = short.into();
        }
    }
    name
}
