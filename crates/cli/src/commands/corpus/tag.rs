//! `regimen corpus tag`: attributes for the documents of a Dolma folder.

use std::time::Instant;

use regimen_base::{Cancel, suggest, units};
use regimen_corpus::dolma::tag::{Options, Progress, tag as run};
use regimen_corpus::dolma::{apart, plain_folders};
use regimen_corpus::tag::{Set, Wanted};

use super::files;
use super::step::step;
use crate::Context;
use crate::args::TagArgs;
use crate::output::{Explain, Fault, INTERRUPTED, explain_step, print_json, say};

pub fn tag(context: &Context, args: &TagArgs) -> anyhow::Result<u8> {
    let set = explain_step(Set::new(&wanted(args)?))?;
    apart(&plain_folders(&args.documents), args.to.as_deref()).explain()?;
    let files = files(context, &args.documents)?;
    let (experiment, to, fields) = (args.experiment.clone(), args.to.clone(), args.names.fields());
    let options = Options { experiment, to, fields, memory: args.memory };
    let total = files.iter().map(|file| file.bytes).sum();
    let began = Instant::now();
    let run = |progress: &Progress, cancel: &Cancel| run(&files, &set, &options, progress, cancel);
    let Some(tagged) = step(context, "tag", total, "whole files are kept", run)? else {
        return Ok(INTERRUPTED);
    };
    if context.global.json {
        print_json(&tagged)?;
        return Ok(0);
    }
    let seconds = began.elapsed().as_secs_f64();
    let skipped = match tagged.skipped {
        0 => String::new(),
        n => format!("; {} done before", units::plural(n, "file")),
    };
    say(
        &context.global,
        format!(
            "{} in {}, {} of text in {} ({:.1} MB/s){skipped}",
            units::plural(tagged.documents, "document"),
            units::plural(tagged.files, "file"),
            units::bytes(tagged.text_bytes),
            units::duration(seconds),
            tagged.text_bytes as f64 / 1e6 / seconds.max(1e-9),
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
