//! `regimen corpus tag`: attributes for the documents of a Dolma folder.

use std::sync::atomic::Ordering;
use std::time::Instant;

use regimen_base::{suggest, units};
use regimen_corpus::dolma::tag::{Options, Progress, tag as run};
use regimen_corpus::tag::{Set, Wanted};

use super::files;
use crate::Context;
use crate::args::TagArgs;
use crate::interrupt;
use crate::meter::Meter;
use crate::output::{Explain, Fault, INTERRUPTED, command_line, print_json, say};

pub fn tag(context: &Context, args: &TagArgs) -> anyhow::Result<u8> {
    let set = Set::new(&wanted(args)?).explain()?;
    let files = files(&args.documents)?;
    let options = Options { experiment: args.experiment.clone(), to: args.to.clone() };
    let progress = Progress::default();
    let cancel = interrupt::install(context.global.quiet)?;
    let total = files.iter().map(|file| file.bytes).sum();
    let began = Instant::now();
    let tagged = Meter::new("tag", total, context.global.quiet).watch(
        &|| {
            let documents = progress.documents.load(Ordering::Relaxed);
            (progress.read.load(Ordering::Relaxed), units::plural(documents, "document"))
        },
        || run(&files, &set, &options, &progress, &cancel),
    );
    if let Err(regimen_corpus::Error::Interrupted) = tagged {
        say(&context.global, "stopped; whole files are kept");
        say(&context.global, format!("hint: go on with `{}`", command_line()));
        return Ok(INTERRUPTED);
    }
    let summary = tagged.explain()?;
    if context.global.json {
        print_json(&summary)?;
        return Ok(0);
    }
    let seconds = began.elapsed().as_secs_f64();
    let skipped = match summary.skipped {
        0 => String::new(),
        n => format!("; {} done before", units::plural(n, "file")),
    };
    say(
        &context.global,
        format!(
            "{} in {}, {} of text in {} ({:.1} MB/s){skipped}",
            units::plural(summary.documents, "document"),
            units::plural(summary.files, "file"),
            units::bytes(summary.text_bytes),
            units::duration(seconds),
            summary.text_bytes as f64 / 1e6 / seconds.max(1e-9),
        ),
    );
    Ok(0)
}

/// The taggers that were asked for, with their settings.
fn wanted(args: &TagArgs) -> anyhow::Result<Vec<Wanted>> {
    let mut all: Vec<Wanted> = args.taggers.iter().map(|name| Wanted::named(name)).collect();
    for param in &args.params {
        let parts = param.split_once('=').and_then(|(left, value)| Some((left.rsplit_once('.')?, value)));
        let Some(((tagger, field), value)) = parts else {
            return Err(Fault::new(
                format!("`--param {param}` is not of the form TAGGER.FIELD=VALUE"),
                "write it like --param c4_v2.bad_words=words.txt",
            ));
        };
        let Some(found) = all.iter_mut().find(|wanted| wanted.tagger == tagger) else {
            return Err(Fault::new(
                format!("`--param {param}` names `{tagger}`, which is not among the taggers"),
                suggest::hint(tagger, args.taggers.iter().map(String::as_str)),
            ));
        };
        found.params.insert(field.into(), value.into());
    }
    Ok(all)
}
