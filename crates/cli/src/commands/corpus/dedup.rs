//! `regimen corpus dedup`: mark what came before in the documents of a Dolma folder.

use std::time::Instant;

use regimen_base::{Cancel, units};
use regimen_corpus::dedup::{Keep, Preset};
use regimen_corpus::dolma::dedup::{By, Options, dedup as run};
use regimen_corpus::dolma::tag::Progress;

use super::files;
use super::step::step;
use crate::Context;
use crate::args::DedupArgs;
use crate::output::{Fault, INTERRUPTED, print_json, say};

pub fn dedup(context: &Context, args: &DedupArgs) -> anyhow::Result<u8> {
    let by = match args.by.as_str() {
        "document" => By::Document,
        "url" => By::Url,
        "paragraph" => {
            By::Paragraph { min_bytes: args.min_bytes, bloom: args.bloom.map(|keys| (keys, args.rate)) }
        }
        _ => {
            let preset = Preset::by_name(&args.preset).ok_or_else(|| {
                Fault::new(format!("there is no preset `{}`", args.preset), "`--help` lists them")
            })?;
            By::Near { preset, keep: Keep::by_name(&args.keep).unwrap_or_default() }
        }
    };
    let files = files(&args.documents)?;
    let options = Options { by, name: args.name.clone(), to: args.to.clone(), memory: args.memory };
    let total = files.iter().map(|file| file.bytes).sum();
    let began = Instant::now();
    let run = |progress: &Progress, cancel: &Cancel| run(&files, &options, progress, cancel);
    let Some(found) = step(context, "dedup", total, "what was read is kept", run)? else {
        return Ok(INTERRUPTED);
    };
    if context.global.json {
        print_json(&found)?;
        return Ok(0);
    }
    let seconds = began.elapsed().as_secs_f64();
    // What a run before had read took no time in this one.
    let speed = match found.summary.skipped {
        0 => format!(" ({:.1} MB/s)", found.summary.text_bytes as f64 / 1e6 / seconds.max(1e-9)),
        kept => format!(", with what was kept of {}", units::plural(kept, "file")),
    };
    let share = 100.0 * found.duplicates as f64 / found.compared.max(1) as f64;
    say(
        &context.global,
        format!(
            "{} of {} came before ({share:.1} %), in {}; {} of text in {}{speed}",
            found.duplicates,
            units::plural(found.compared, if args.by == "paragraph" { "paragraph" } else { "document" }),
            units::plural(found.summary.documents, "document"),
            units::bytes(found.summary.text_bytes),
            units::duration(seconds),
        ),
    );
    Ok(0)
}
