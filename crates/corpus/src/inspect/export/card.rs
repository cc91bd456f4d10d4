//! Data cards of what was exported: `README.md` for people, `croissant.json` and `spdx.json` for programs.

use std::fmt::Write;
use std::path::Path;

use regimen_base::{fs, units};
use serde_json::Value;

use super::describe::{Described, What, describe};
use super::{Exported, croissant, spdx};
use crate::corpus::Corpus;
use crate::funnel::Count;
use crate::inspect::date::moment;
use crate::inspect::error::Result;
use crate::inspect::stats::{Stats, stats};

/// What the artifact says of the corpus.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Name of its stage.
    pub name: String,
    /// Its key in hexadecimal digits.
    pub key: String,
    /// When it was finished, in seconds since 1970.
    pub created: f64,
    /// Its config.
    pub config: Value,
}

/// All that the cards are made of.
pub(super) struct Facts<'c> {
    pub corpus: &'c Corpus,
    pub about: &'c About,
    pub files: Vec<Described>,
    pub stats: Stats,
}

impl Facts<'_> {
    /// `2026-11-23T09:30:00Z`.
    pub fn moment(&self) -> String {
        moment(self.about.created)
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        let stats = &self.stats;
        format!(
            "{} of text ({}) from {}, filtered and deduplicated by Regimen; {} were read.",
            units::bytes(stats.kept.bytes),
            units::plural(stats.kept.documents, "document"),
            units::plural(stats.sources.len() as u64, "source"),
            units::plural(stats.read.documents, "document"),
        )
    }
}

/// Describe the exported files in `dir`: writes `README.md`, `croissant.json` and `spdx.json` there.
///
/// # Errors
/// [`crate::inspect::Error::NothingToDescribe`] if there is none, [`crate::inspect::Error::File`].
pub fn card(corpus: &Corpus, about: &About, dir: &Path) -> Result<Exported> {
    let facts = Facts { corpus, about, files: describe(dir)?, stats: stats(corpus, 0)? };
    fs::write(&dir.join("README.md"), markdown(&facts)?.as_bytes())?;
    let json = |name: &str, value: &Value| -> Result<()> {
        let text = format!("{value:#}\n");
        Ok(fs::write(&dir.join(name), text.as_bytes())?)
    };
    json("croissant.json", &croissant::croissant(&facts))?;
    json("spdx.json", &spdx::spdx(&facts))?;
    let files = ["README.md", "croissant.json", "spdx.json"].map(String::from).to_vec();
    Ok(Exported { files, documents: facts.stats.kept.documents, ..Exported::default() })
}

fn markdown(facts: &Facts) -> Result<String> {
    let Facts { corpus, about, files, stats } = facts;
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _ = writeln!(out, "# {}\n\n{}\n", cell(&about.name), facts.sentence());
    let _ = writeln!(out, "Built {}; key `{}`.\n", facts.moment(), about.key);
    let _ = writeln!(out, "## How it was made\n\n| step | dropped | left | why |\n|---|---:|---:|---|");
    for step in corpus.funnel()?.steps {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            cell(&step.step),
            step.dropped.documents,
            step.left.documents,
            cell(&step.reason)
        );
    }
    let _ = writeln!(out, "\n{} were edited.", units::plural(stats.edited.documents, "kept document"));
    let groups = [
        ("Sources", "source", &stats.sources),
        ("Licences", "licence, as the sources declare it", &stats.licences),
        ("Authors", "author kind, as the sources declare it", &stats.authors),
        ("Splits", "split", &stats.splits),
    ];
    for (title, name, counts) in groups {
        let _ = writeln!(out, "\n## {title}\n\n| {name} | documents | text |\n|---|---:|---:|");
        let mut sorted: Vec<(&String, &Count)> = counts.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
        for (name, count) in sorted {
            let _ = writeln!(out, "| {} | {} | {} |", cell(name), count.documents, units::bytes(count.bytes));
        }
    }
    let _ = writeln!(out, "\n## Measures\n\nOver all documents that were read.\n");
    let _ = writeln!(out, "| attribute | documents | mean | 5 % | median | 95 % | absent |");
    let _ = writeln!(out, "|---|---:|---:|---:|---:|---:|---:|");
    for numbers in &stats.numbers {
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
    let _ = writeln!(
        out,
        "\n## What nobody has checked\n\nLicences and author kinds are what the sources declare. Whether texts hold \
         personal data is known only as far as taggers looked for it."
    );
    Ok(out)
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
