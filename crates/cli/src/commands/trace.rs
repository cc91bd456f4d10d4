//! `regimen trace`: from a token to its document and back.

use regimen_base::units;
use regimen_corpus::verbatim::Index;
use regimen_ledger::Artifact;
use regimen_trace::{DocumentTrace, Fate, Seen, StepTrace, TextTrace};

use crate::Context;
use crate::args::Trace;
use crate::commands::{store, traced};
use crate::output::{CHECK_FAILED, Explain, Fault, plain, plain_lines, print, print_json, say};

/// Steps listed before the rest is counted.
const LISTED: usize = 12;
/// Characters of a text shown.
const SHOWN: usize = 160;

pub fn trace(context: &Context, trace: Trace) -> anyhow::Result<u8> {
    let store = store(context)?;
    match trace {
        Trace::Doc { id, run } => {
            let view = traced(&store, run.as_deref())?;
            let ordinal = view.corpus.find(&id).explain()?;
            let found = regimen_trace::document(&view, ordinal).explain()?;
            if context.global.json {
                print_json(&found)?;
            } else {
                print(document(&found))?;
            }
            Ok(0)
        }
        Trace::Step { run, step: number } => {
            let view = traced(&store, Some(&run))?;
            if view.runs.is_empty() {
                return Err(Fault::new(
                    format!("`{run}` has no steps: it is no training run"),
                    "name a `pretrain` stage; `regimen runs` lists them",
                ));
            }
            let found = regimen_trace::step(&view, number).explain()?;
            if context.global.json {
                print_json(&found)?;
            } else {
                print(step(&found))?;
            }
            Ok(0)
        }
        Trace::Text { text: wanted, run, min, most } => {
            let view = traced(&store, run.as_deref())?;
            let least = min.min(wanted.len()).max(1);
            let corpus = Artifact::open(view.corpus.dir()).explain()?;
            let index = Index::of(&store, &view.corpus, &corpus).explain()?;
            let found = regimen_trace::text(&view, index.as_ref(), &wanted, least, most).explain()?;
            if !found.indexed {
                let name = &corpus.manifest.stage;
                let text =
                    format!("note: all texts were scanned; `regimen corpus index {name}` makes an index");
                say(&context.global, text);
            }
            if context.global.json {
                print_json(&found)?;
            } else {
                print(text(&found, least))?;
            }
            Ok(if found.matches.is_empty() { CHECK_FAILED } else { 0 })
        }
    }
}

fn document(d: &DocumentTrace) -> String {
    let mut lines = vec![
        format!("{}:{}", d.source, d.id),
        format!("  key      {}", d.key),
        format!("  from     {}", d.place),
        format!("  licence  {}   author {}", d.licence, d.author),
        match d.slots {
            Some(slots) if d.times > 1 => {
                format!("  text     {}, {slots} tokens, {} times", units::bytes(d.bytes), d.times)
            }
            Some(slots) => format!("  text     {}, {slots} tokens", units::bytes(d.bytes)),
            None => format!("  text     {}", units::bytes(d.bytes)),
        },
    ];
    if d.normalised {
        lines.push("  form     brought into Unicode NFC: bytes are counted in that form".into());
    }
    match (&d.dropped, &d.split) {
        (Some(reason), _) => lines.push(format!("  dropped  {reason}")),
        (None, Some(split)) => lines.push(format!("  kept     in the {split} split")),
        (None, None) => {}
    }
    if let Some(representative) = &d.representative {
        let fate = d.representative_fate.as_ref().map(fate).unwrap_or_default();
        lines.push(format!("  copy of  {representative}: {fate}"));
    }
    if !d.copies.is_empty() {
        lines.push(format!("  copies   {}", d.copies.join(", ")));
    }
    if let Some(metadata) = &d.metadata {
        lines.push(format!("  metadata {}", metadata.get()));
    }
    if !d.rules.is_empty() {
        lines.push("  rules".into());
        for rule in &d.rules {
            let mark = if rule.passed { "passed" } else { "FAILED" };
            lines.push(format!("    {:<28} {:>12.4}  {:<18} {mark}", rule.name, rule.value, rule.threshold));
        }
    }
    if !d.drops.is_empty() {
        lines.push("  drop rules".into());
        for verdict in &d.drops {
            let mark = match verdict.passed {
                Some(true) => "passed",
                Some(false) => "FAILED",
                None => "not reached",
            };
            let (name, limit) = (format!("{} {}", verdict.rule, verdict.measure), &verdict.threshold);
            lines.push(format!("    {name:<60} {:>12}  {limit:<18} {mark}", number(verdict.value)));
        }
    }
    if !d.tags.is_empty() {
        lines.push("  tags".into());
        for tag in &d.tags {
            // A label comes from the data or from a model.
            let number = tag.label.as_deref().map_or_else(|| number(tag.number), plain);
            let spans: Vec<String> =
                tag.spans.iter().take(LISTED).map(|(start, end, _)| format!("{start}..{end}")).collect();
            let more = if tag.spans.len() > LISTED { ", .." } else { "" };
            lines.push(
                format!("    {:<60} {number:>12}  {}{more}", tag.attribute, spans.join(", "))
                    .trim_end()
                    .into(),
            );
        }
    }
    if let Some(ranges) = &d.kept_ranges {
        let kept: u64 = ranges.iter().map(|range| u64::from(range.bytes)).sum();
        let shown: Vec<String> = ranges
            .iter()
            .take(LISTED)
            .map(|r| {
                let put = r.replacement.as_ref().map(|words| format!(" + {words:?}")).unwrap_or_default();
                format!("{}..{}{put}", r.start, r.start + r.bytes)
            })
            .collect();
        let more = if ranges.len() > LISTED { ", .." } else { "" };
        lines.push(format!(
            "  edited   {} of the source kept: bytes {}{more}",
            units::bytes(kept),
            shown.join(", ")
        ));
    }
    for run in &d.runs {
        let about = format!("  run {} ({})", run.stage, run.key);
        // Of a copy it is the other document that a run may have seen.
        let (it, seen) = match d.representative {
            None => ("it", "seen"),
            Some(_) => ("that document", "that document was seen"),
        };
        if run.withheld {
            lines.push(format!("{about}: withheld, no step saw {it}"));
        } else if run.seen.is_empty() {
            lines.push(format!("{about}: no step saw {it}"));
        } else {
            lines.push(format!("{about}: {seen} {}", times(&run.seen)));
        }
    }
    plain_lines(&lines)
}

/// What became of the document that another one is a copy of.
fn fate(fate: &Fate) -> String {
    match (&fate.dropped, fate.split.as_deref(), fate.same_text) {
        (Some(reason), ..) => format!("which was dropped itself, {reason}"),
        (None, Some("train"), true) => "its text is learned through that document".into(),
        (None, Some("train"), false) => "which is kept in the train split; its text is another one".into(),
        (None, split, _) => format!("which is kept in the {} split", split.unwrap_or("validation")),
    }
}

/// A number in four digits behind the point, if it has a fraction; `-` if it is not known.
fn number(x: Option<f64>) -> String {
    let digits = x.map_or("-".into(), |x| format!("{x:.4}"));
    digits.strip_suffix(".0000").unwrap_or(&digits).into()
}

/// `3 times, at steps 4 (row 2, tokens 0..128), ...`.
fn times(seen: &[Seen]) -> String {
    let mut words: Vec<String> = seen
        .iter()
        .take(LISTED)
        .map(|s| {
            let skipped = if s.skipped { ", skipped" } else { "" };
            let copy = if s.copy > 0 { format!(", copy {}", s.copy + 1) } else { String::new() };
            format!("{} (row {}, tokens {}..{}{copy}{skipped})", s.step, s.row, s.first, s.first + s.tokens)
        })
        .collect();
    if seen.len() > LISTED {
        words.push(format!("and {} more", seen.len() - LISTED));
    }
    format!("{}, at step {}", units::plural(seen.len() as u64, "time"), words.join(", "))
}

fn step(s: &StepTrace) -> String {
    let skipped = if s.skipped { " (updated nothing)" } else { "" };
    let mut lines = vec![format!("step {} of {} ({}): {} tokens{skipped}", s.step, s.stage, s.key, s.tokens)];
    for (name, shares) in [("sources", &s.sources), ("licences", &s.licences), ("authors", &s.authors)] {
        let words: Vec<String> = shares
            .iter()
            .map(|(word, tokens)| format!("{word} {:.1} %", 100.0 * *tokens as f64 / s.tokens.max(1) as f64))
            .collect();
        lines.push(format!("  {name:<9}{}", words.join(", ")));
    }
    for piece in &s.pieces {
        let withheld = if piece.withheld { "  withheld" } else { "" };
        let copy = if piece.copy > 0 { format!("  copy {}", piece.copy + 1) } else { String::new() };
        lines.push(format!(
            "  row {:>3}  {}:{}  bytes {}..{}  {} tokens  {}  {}{copy}{withheld}",
            piece.row,
            piece.source,
            piece.id,
            piece.byte_start,
            piece.byte_end,
            piece.tokens,
            piece.licence,
            piece.author
        ));
        if !piece.text.is_empty() {
            lines.push(format!("           {}", excerpt(&piece.text)));
        }
    }
    plain_lines(&lines)
}

fn text(t: &TextTrace, least: usize) -> String {
    if t.matches.is_empty() {
        return format!("no document of {} shares {} bytes or more with it", t.documents, least);
    }
    let mut lines = vec![format!(
        "{} of {} share {} bytes or more with it",
        units::plural(t.matching, "document"),
        t.documents,
        least
    )];
    for m in &t.matches {
        let whole = if m.whole { "the whole text" } else { "a part" };
        lines.push(format!(
            "{}:{}  bytes {}..{}, {whole}  {}  {}  {}",
            m.source, m.id, m.byte_start, m.byte_end, m.split, m.licence, m.author
        ));
        lines.push(format!("  \"{}\"", excerpt(&m.text)));
        for run in &m.runs {
            let seen = if run.seen.is_empty() {
                "no step saw it".into()
            } else {
                format!("seen {}", times(&run.seen))
            };
            lines.push(format!("  {}: {seen}", run.stage));
        }
    }
    plain_lines(&lines)
}

/// The beginning of a text on one line, with control characters made visible.
fn excerpt(text: &str) -> String {
    let mut short = plain(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
