//! `regimen corpus inspect`: a browser on a terminal, the funnel and documents page by page elsewhere, or one HTML page.

use std::io::Read;
use std::path::Path;

use regimen_base::{suggest, units};
use regimen_corpus::Corpus;
use regimen_corpus::inspect::{self, Filter, Piece, Task};
use serde_json::json;

use super::opened::Opened;
use super::search::lacking;
use crate::Context;
use crate::args::InspectArgs;
use crate::browser::browse;
use crate::output::{Explain, Fault, plain, plain_lines, print, print_json, say, shown};
use crate::terminal;

/// Characters of a text that are printed.
const SHOWN: usize = 600;

/// Refuse to write a page over a file that is none: a slip of the hand would cost the file.
fn replaceable(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        let hint = "name a file in it, such as corpus.html";
        return Err(Fault::new(format!("`{}` is a folder", path.display()), hint));
    }
    if !path.is_file() {
        return Ok(());
    }
    let mut head = [0; 15];
    let mut file = regimen_base::fs::open(path).explain()?;
    let page = file.read_exact(&mut head).is_ok() && head.eq_ignore_ascii_case(b"<!doctype html>");
    let empty = regimen_base::fs::size(path).explain()? == 0;
    match page || empty {
        true => Ok(()),
        false => Err(Fault::new(
            format!("`{}` is there, and is no page that could be written anew", path.display()),
            "name another file, or remove it",
        )),
    }
}

pub fn inspect(context: &Context, args: &InspectArgs) -> anyhow::Result<u8> {
    let opened = Opened::new(context, &args.corpus)?;
    let originals = opened.originals(context)?;
    let corpus = &opened.corpus;
    let manifest = &opened.artifact.manifest;
    let title = format!("{} ({})", manifest.stage, manifest.key.short());
    if browsed(context, args) {
        let filter = filter(corpus, args)?;
        return browse(opened.corpus, originals, title, filter);
    }
    if let Some(path) = &args.html {
        replaceable(path)?;
        let (html, absent) = inspect::page(corpus, &originals, &title, args.size as usize).explain()?;
        regimen_base::fs::write(path, html.as_bytes()).explain()?;
        lacking(context, &absent);
        if context.global.json {
            print_json(&json!({"page": path, "bytes": html.len()}))?;
        } else {
            print(shown(path))?;
        }
        return Ok(0);
    }
    let (found, absent) =
        inspect::matching(corpus, &originals, &filter(corpus, args)?, &Task::default()).explain()?;
    lacking(context, &absent);
    let size = args.size.max(1) as usize;
    let pages = found.len().div_ceil(size);
    let page = match args.page.unwrap_or(1) {
        page if (1..=pages.max(1) as u64).contains(&page) => page as usize - 1,
        page => {
            return Err(Fault::new(
                format!("there is no page {page}: the pages are 1 to {}", pages.max(1)),
                format!("--page 1 begins; --size N puts N documents on a page, {size} now"),
            ));
        }
    };
    let some = found.chunks(size).nth(page).unwrap_or_default();
    let all = originals.texts(corpus, some).explain()?;
    if context.global.json {
        let documents = some
            .iter()
            .zip(&all)
            .map(|(&ordinal, text)| about(corpus, ordinal, text))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let funnel = corpus.funnel().explain()?;
        print_json(
            &json!({"funnel": funnel, "found": found.len(), "page": page + 1, "documents": documents}),
        )?;
        return Ok(0);
    }
    print(corpus.funnel().explain()?.to_string())?;
    for (&ordinal, text) in some.iter().zip(&all) {
        print(format!("\n{}", document(corpus, ordinal, text)?))?;
    }
    say(
        &context.global,
        format!("\n{}, page {} of {pages}", units::plural(found.len() as u64, "document"), page + 1),
    );
    if page + 1 < pages {
        say(&context.global, format!("hint: --page {} goes on", page + 2));
    }
    Ok(0)
}

/// Whether the corpus is shown on a full screen: on a terminal, unless something is asked for that is printed.
fn browsed(context: &Context, args: &InspectArgs) -> bool {
    let printed = args.plain || context.global.json || args.html.is_some() || args.page.is_some();
    !printed && terminal::usable()
}

fn filter(corpus: &Corpus, args: &InspectArgs) -> anyhow::Result<Filter> {
    let names = corpus.names();
    let reason = match args.reason.as_deref() {
        None => None,
        Some("kept") => Some(0),
        Some(word) => match names.reasons.iter().position(|reason| reason.name == word) {
            Some(number) => Some(number as u16 + 1),
            None => {
                let known = names.reasons.iter().map(|reason| reason.name.as_str()).chain(["kept"]);
                return Err(Fault::new(
                    format!("the corpus has no reason `{word}`"),
                    suggest::hint(word, known.collect::<Vec<_>>()),
                ));
            }
        },
    };
    let source = match args.source.as_deref() {
        None => None,
        Some(word) => Some(corpus.source(word).ok_or_else(|| {
            let known: Vec<&str> = names.sources.iter().map(|source| source.name.as_str()).collect();
            Fault::new(format!("the corpus has no source `{word}`"), suggest::hint(word, known))
        })?),
    };
    Ok(Filter { reason, source, expression: args.filter.clone(), ..Filter::default() })
}

type Text = Result<String, String>;

/// A document as JSON.
fn about(corpus: &Corpus, ordinal: u32, text: &Text) -> anyhow::Result<serde_json::Value> {
    let row = corpus.row(ordinal);
    let rules: Vec<_> = corpus
        .rules(ordinal)
        .iter()
        .map(|r| json!({"name": r.name, "value": r.value, "threshold": r.threshold, "passed": r.passed}))
        .collect();
    let mut tags = serde_json::Map::new();
    for tagged in corpus.tags(ordinal).explain()? {
        let spans: Vec<_> = tagged.spans.iter().map(|s| json!([s.start, s.end, s.score])).collect();
        let value = match tagged.attribute.shape {
            regimen_corpus::tag::Shape::Label => json!(tagged.label()),
            regimen_corpus::tag::Shape::Value => json!(tagged.spans.first().map(|s| s.score)),
            regimen_corpus::tag::Shape::Flag => json!(!spans.is_empty()),
            regimen_corpus::tag::Shape::Spans => json!(spans),
        };
        tags.insert(tagged.attribute.full(), value);
    }
    let metadata = corpus.metadata(ordinal).explain()?;
    // What no program can hold (1e999) is shown as it is written.
    let metadata = metadata.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    Ok(json!({
        "metadata": metadata, "document": corpus.name(ordinal), "ordinal": ordinal, "key": row.key, "place": corpus.place(ordinal).to_string(),
        "licence": corpus.licence_name(row.licence), "author": row.author, "bytes": row.bytes,
        "split": row.kept().then_some(row.split), "dropped": row.dropped.map(|reason| corpus.reason_name(reason)),
        "representative": row.representative.map(|r| corpus.name(r)),
        "rules": rules, "tags": tags, "source_text": text.as_ref().ok(), "why_no_text": text.as_ref().err(),
    }))
}

fn document(corpus: &Corpus, ordinal: u32, text: &Text) -> anyhow::Result<String> {
    let row = corpus.row(ordinal);
    let fate = match row.dropped {
        Some(reason) => format!("dropped: {} ({})", corpus.reason_name(reason), corpus.reason_text(reason)),
        None => format!("kept, {}", row.split),
    };
    let mut lines = vec![
        format!("{}  {}", corpus.name(ordinal), row.key),
        format!("  {fate}"),
        format!(
            "  {}  {}  {}  {}",
            corpus.place(ordinal),
            units::bytes(row.bytes.into()),
            corpus.licence_name(row.licence),
            row.author
        ),
    ];
    if let Some(metadata) = corpus.metadata(ordinal).explain()? {
        lines.push(format!("  {metadata}"));
    }
    if let Some(representative) = row.representative {
        lines.push(format!("  copy of {}", corpus.name(representative)));
    }
    for rule in corpus.rules(ordinal).iter().filter(|rule| !rule.passed) {
        lines.push(format!("  {} is {:.4}, wanted {}", rule.name, rule.value, rule.threshold));
    }
    lines.push(match text {
        Err(why) => format!("  no text: {why}"),
        Ok(text) => format!("  {}", marked(corpus, ordinal, text)?),
    });
    Ok(plain_lines(&lines))
}

/// The beginning of a source text: what edits removed stands as `[-text-]`, what they put in as `{+text+}`.
fn marked(corpus: &Corpus, ordinal: u32, source: &str) -> anyhow::Result<String> {
    let map = if corpus.row(ordinal).kept() { corpus.keep_map(ordinal).explain()? } else { None };
    let names = &corpus.names().replacements;
    let cut = map.and_then(|map| inspect::pieces(source, &map, names));
    let mut out = String::new();
    for piece in cut.unwrap_or_else(|| vec![Piece::Kept(0, source)]) {
        match piece {
            Piece::Kept(_, text) => out.push_str(text),
            Piece::Removed(_, text) => out.push_str(&format!("[-{text}-]")),
            Piece::Masked(_, text, words) => out.push_str(&format!("[-{text}-]{{+{words}+}}")),
        }
        if out.len() > 4 * SHOWN {
            break;
        }
    }
    let mut short = plain(&out.chars().take(SHOWN).collect::<String>());
    if out.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    Ok(short)
}
