//! Data cards of what was exported: `README.md` for people, `croissant.json` and `spdx.json` for programs.

use std::fmt::Write;
use std::path::Path;

use regimen_base::{fs, units};
use serde_json::Value;

use super::describe::What;
use super::facts::{About, Facts};
use super::{Exported, croissant, spdx};
use crate::corpus::Corpus;
use crate::dolma::stats::FolderStats;
use crate::funnel::Count;
use crate::inspect::error::Result;

/// Describe the exported files of a corpus in `dir`: writes `README.md`, `croissant.json` and `spdx.json` there.
///
/// # Errors
/// [`crate::inspect::Error::NothingToDescribe`] if there is none, [`crate::inspect::Error::File`].
pub fn card(corpus: &Corpus, about: &About, dir: &Path) -> Result<Exported> {
    write(&Facts::of_corpus(corpus, about, dir)?, dir)
}

/// The same for what was exported of a folder, in which `stats` were counted.
///
/// # Errors
/// As [`card`].
pub fn folder_card(stats: &FolderStats, about: &About, dir: &Path) -> Result<Exported> {
    write(&Facts::of_folder(stats, about, dir)?, dir)
}

fn write(facts: &Facts, dir: &Path) -> Result<Exported> {
    fs::write(&dir.join("README.md"), markdown(facts).as_bytes())?;
    let json = |name: &str, value: &Value| -> Result<()> {
        let text = format!("{value:#}\n");
        Ok(fs::write(&dir.join(name), text.as_bytes())?)
    };
    json("croissant.json", &croissant::croissant(facts))?;
    json("spdx.json", &spdx::spdx(facts))?;
    let files = ["README.md", "croissant.json", "spdx.json"].map(String::from).to_vec();
    Ok(Exported { files, documents: facts.kept.documents, ..Exported::default() })
}

fn markdown(facts: &Facts) -> String {
    let Facts { about, files, .. } = facts;
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _ = writeln!(out, "# {}\n\n{}\n", cell(&about.name), facts.sentence);
    let made = if facts.steps.is_empty() { "Last changed" } else { "Built" };
    let _ = writeln!(out, "{made} {}; key `{}`.", facts.moment(), about.key);
    let given = &about.given;
    let lines = [
        ("From", &given.url),
        ("Made by", &given.creator),
        ("Published by", &given.publisher),
        ("Cite as", &given.citation),
    ];
    for (what, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(out, "\n{what}: {}", cell(value));
        }
    }
    if !facts.steps.is_empty() {
        let _ = writeln!(out, "\n## How it was made\n\n| step | dropped | left | why |\n|---|---:|---:|---|");
    }
    for step in &facts.steps {
        let (dropped, left) = (step.dropped.documents, step.left.documents);
        let _ = writeln!(out, "| {} | {dropped} | {left} | {} |", cell(&step.step), cell(&step.reason));
    }
    if let Some(edited) = facts.edited {
        let _ = writeln!(out, "\n{} were edited.", units::plural(edited, "kept document"));
    }
    let groups = [
        ("Sources", "source", &facts.sources),
        ("Licences", "licence, as the sources declare it", &facts.licences),
        ("Authors", "author kind, as the sources declare it", &facts.authors),
        ("Splits", "split", &facts.splits),
    ];
    let labels = facts.labels.iter().map(|(name, counts)| ("Labels", name.as_str(), counts));
    for (title, name, counts) in groups.into_iter().chain(labels).filter(|(.., counts)| !counts.is_empty()) {
        let _ = writeln!(out, "\n## {title}\n\n| {} | documents | text |\n|---|---:|---:|", cell(name));
        let mut sorted: Vec<(&String, &Count)> = counts.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
        for (name, count) in sorted {
            let _ = writeln!(out, "| {} | {} | {} |", cell(name), count.documents, units::bytes(count.bytes));
        }
    }
    if !facts.numbers.is_empty() {
        let _ = writeln!(out, "\n## Measures\n\nOver all documents that were read.\n");
        let _ = writeln!(out, "| attribute | documents | mean | 5 % | median | 95 % | absent |");
        let _ = writeln!(out, "|---|---:|---:|---:|---:|---:|---:|");
    }
    for numbers in &facts.numbers {
        let q = numbers.quantiles.unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {:.4} | {:.4} | {:.4} | {:.4} | {:.1} % |",
            cell(&numbers.name),
            numbers.count,
            numbers.mean,
            q.q05,
            q.median,
            q.q95,
            100.0 * numbers.absent
        );
    }
    let _ = writeln!(out, "\n## Files\n\n| file | size | SHA-256 |\n|---|---:|---|");
    for file in files {
        let _ = writeln!(out, "| {} | {} | `{}` |", cell(&file.path), units::bytes(file.bytes), file.sha256);
    }
    if files.iter().any(|file| file.what == What::Documents) {
        let _ = writeln!(out, "\nThe tables hold every document that was read; the texts are in the rows.");
    }
    let _ = writeln!(out, "\n## Personal data\n\n{}", cell(&facts.personal.sentence()));
    let _ = writeln!(
        out,
        "\n## What nobody has checked\n\nLicences and author kinds are what the sources declare. Whether texts hold \
         personal data is known only as far as taggers looked for it."
    );
    if given.url.is_none() {
        let _ = writeln!(
            out,
            "\n`spdx.json` does not conform to the profile Dataset, which asks for the place to download the data \
             from: it was not given (`--url`)."
        );
    }
    out
}

/// Foreign words in a cell of a table.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '<' | '>' | '*' | '_' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
