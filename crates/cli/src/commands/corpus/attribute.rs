//! `regimen corpus attribute`.

use std::io::{self, IsTerminal, Read};

use regimen_base::{fs, units};
use regimen_corpus::verbatim::{Attribution, Cut, Found, Index, Span, Wanted, attribute as find};

use super::opened::Opened;
use crate::Context;
use crate::args::AttributeArgs;
use crate::commands::store;
use crate::output::{CHECK_FAILED, Explain, Fault, plain, plain_lines, print, print_json, say};

/// Bytes of a text at most.
const MOST: u64 = 16 << 20;
/// Characters of a span that are printed.
const SHOWN: usize = 400;

pub fn attribute(context: &Context, args: &AttributeArgs) -> anyhow::Result<u8> {
    let text = text(args)?;
    let opened = Opened::new(context, &args.corpus)?;
    let index = Index::of(&store(context)?, &opened.corpus, &opened.artifact).explain()?;
    let Some(index) = index else {
        return Err(Fault::new(
            format!("the corpus `{}` has no index", args.corpus),
            format!("make it with `regimen corpus index {}`", args.corpus),
        ));
    };
    let wanted = Wanted {
        least: args.min_bytes.max(1),
        cut: Cut::by_name(&args.cut).unwrap_or_default(),
        top: args.top,
        documents: args.documents,
    };
    let found = find(&index, &text, &wanted).explain()?;
    if context.global.json {
        print_json(&found)?;
    } else if found.found > 0 {
        print(listed(&found))?;
    }
    let share = 100.0 * found.covered as f64 / found.bytes.max(1) as f64;
    let spans = units::plural(found.found as u64, "span");
    let of = units::bytes(found.bytes as u64);
    say(&context.global, format!("{spans} of at least {} bytes cover {share:.1} % of {of}", wanted.least));
    if found.found > found.spans.len() {
        say(&context.global, "hint: --top N shows more");
    }
    Ok(if found.found == 0 { CHECK_FAILED } else { 0 })
}

/// The text to attribute.
fn text(args: &AttributeArgs) -> anyhow::Result<String> {
    let (name, read) = match (&args.text, &args.file) {
        (Some(text), _) => return Ok(text.clone()),
        (None, Some(path)) => {
            let mut bytes = Vec::new();
            let read = fs::open(path).explain()?.take(MOST + 1).read_to_end(&mut bytes);
            (path.display().to_string(), read.map(|_| bytes).map_err(|e| fs::Error::new("read", path, e)))
        }
        (None, None) => {
            if args.stdin.is_none() && io::stdin().is_terminal() {
                return Err(Fault::new("there is no text", "give --text, --file, or `-` for stdin"));
            }
            let mut bytes = Vec::new();
            let read = io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes);
            ("stdin".into(), read.map(|_| bytes).map_err(|e| fs::Error::new("read", "stdin".as_ref(), e)))
        }
    };
    let bytes = read.explain()?;
    if bytes.len() as u64 > MOST {
        let what = format!("`{name}` has more than {} of text", units::bytes(MOST));
        return Err(Fault::new(what, "cut it into several"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Fault::new(format!("`{name}` is not UTF-8 text: byte {at}"), "convert it to UTF-8 first")
    })
}

fn listed(found: &Attribution) -> String {
    let mut lines = Vec::new();
    for passage in &found.passages {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let spans = &found.spans[passage.spans.clone()];
        if spans.len() > 1 {
            let count = spans.len();
            lines.push(format!("bytes {}..{}, {count} spans that overlap", passage.start, passage.end));
        }
        for span in spans {
            lines.extend(shown(span));
        }
    }
    plain_lines(&lines)
}

fn shown(span: &Span) -> Vec<String> {
    let mut text: String = span.text.chars().take(SHOWN).collect();
    if span.text.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    let mut lines = vec![
        format!(
            "bytes {}..{}, {} bytes, {}, log-probability {:.1}",
            span.start,
            span.end,
            span.end - span.start,
            units::plural(span.occurrences, "occurrence"),
            span.log_probability
        ),
        format!("  \"{}\"", plain(&text)),
    ];
    for document in &span.documents {
        lines.extend(held(document));
    }
    let listed: u64 = span.documents.iter().map(|d| d.count).sum();
    if listed < span.occurrences {
        lines.push(format!("    and {} more", units::plural(span.occurrences - listed, "occurrence")));
    }
    lines
}

fn held(d: &Found) -> [String; 2] {
    let times = if d.count > 1 { format!(", {} times", d.count) } else { String::new() };
    let source = match d.source_start {
        Some(at) if at == d.start => String::new(),
        Some(at) => format!(" (source byte {at})"),
        None => " (put in by an edit)".into(),
    };
    [
        format!(
            "    {}:{}  byte {}{source}{times}  {}  {}  {}  {}",
            d.source, d.id, d.start, d.split, d.licence, d.author, d.place
        ),
        format!("      {}⟦…⟧{}", plain(&d.before), plain(&d.after)),
    ]
}
