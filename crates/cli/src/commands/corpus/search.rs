//! `regimen corpus search`.

use std::io::{self, IsTerminal, Write};

use regimen_base::units;
use regimen_corpus::inspect::{self, Absent, Match, Pattern, Searched};
use serde_json::json;

use super::opened::Opened;
use crate::Context;
use crate::args::SearchArgs;
use crate::output::{CHECK_FAILED, Explain, harmless, plain, print, print_json, say};

pub fn search(context: &Context, args: &SearchArgs) -> anyhow::Result<u8> {
    let pattern = match (args.regex, args.ignore_case) {
        (true, ignore) => Pattern::regex(&args.pattern, ignore),
        (false, true) => Pattern::text_ignoring_case(&args.pattern),
        (false, false) => Pattern::text(&args.pattern),
    }
    .explain()?;
    let opened = Opened::new(context, &args.corpus)?;
    let json = context.global.json;
    let most = if args.count { 0 } else { args.max };
    let marks = if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) {
        ("\x1b[31;1m", "\x1b[0m")
    } else {
        ("\u{27e6}", "\u{27e7}")
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut unwritten = None;
    let mut take = |found: Match| {
        let line = if json {
            harmless(&serde_json::to_string(&found).unwrap_or_default())
        } else {
            shown(&found, marks)
        };
        if unwritten.is_none() {
            unwritten = writeln!(out, "{line}").err();
        }
        Ok(())
    };
    let (sum, absent) = if args.dropped {
        let originals = opened.originals(context)?;
        inspect::search_dropped(&opened.corpus, &originals, &pattern, most, args.count, &mut take)
            .explain()?
    } else {
        let sum = inspect::search(&opened.corpus, &pattern, most, args.count, &mut take).explain()?;
        (sum, Vec::new())
    };
    let flushed = out.flush();
    drop(out);
    if let Some(error) = unwritten.or(flushed.err()) {
        return Err(crate::output::unwritten(error));
    }
    if args.count {
        if json {
            print_json(&json!({"matches": sum.matches, "documents": sum.documents, "bytes": sum.bytes}))?;
        } else {
            print(counted(&sum))?;
        }
    } else {
        say(&context.global, counted(&sum));
        if sum.stopped || sum.matches > most {
            say(&context.global, "hint: --max N shows more, --count counts all");
        }
    }
    lacking(context, &absent);
    Ok(if sum.matches == 0 { CHECK_FAILED } else { 0 })
}

fn counted(sum: &Searched) -> String {
    format!(
        "{}{} in {}, {} searched",
        if sum.stopped { "at least " } else { "" },
        match sum.matches {
            1 => "1 match".to_string(),
            n => format!("{n} matches"),
        },
        units::plural(sum.documents, "document"),
        units::bytes(sum.bytes),
    )
}

/// Says of which documents there was no source text.
pub fn lacking(context: &Context, absent: &[Absent]) {
    if let Some(first) = absent.first() {
        say(
            &context.global,
            format!(
                "warning: {} could not be read from the sources: {}",
                units::plural(absent.len() as u64, "document"),
                first.why
            ),
        );
    }
}

fn shown(found: &Match, (on, off): (&str, &str)) -> String {
    let source = match found.source_start {
        Some(at) if at == found.start => String::new(),
        Some(at) => format!(" (source byte {at})"),
        None => " (put in by an edit)".into(),
    };
    let dropped = found.dropped.as_ref().map(|reason| format!("  dropped: {reason}")).unwrap_or_default();
    format!(
        "{}  byte {}{source}, line {}{dropped}\n    {}{on}{}{off}{}",
        plain(&found.document),
        found.start,
        found.line,
        plain(&found.before),
        plain(&found.text),
        plain(&found.after)
    )
}
