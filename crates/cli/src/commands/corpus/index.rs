//! `regimen corpus index`.

use std::sync::atomic::Ordering;
use std::time::Instant;

use regimen_base::units;
use regimen_corpus::Error;
use regimen_corpus::verbatim::{Limits, Progress, make};
use serde_json::json;

use super::opened::Opened;
use crate::Context;
use crate::args::IndexArgs;
use crate::commands::store;
use crate::interrupt;
use crate::meter::Meter;
use crate::output::{Explain, INTERRUPTED, command_line, print_json, say, shown};

pub fn index(context: &Context, args: &IndexArgs) -> anyhow::Result<u8> {
    let opened = Opened::new(context, &args.corpus)?;
    let store = store(context)?;
    let progress = Progress::default();
    let cancel = interrupt::install(context.global.quiet)?;
    let bytes = opened.corpus.text_bytes();
    let began = Instant::now();
    let made = Meter::new("index", bytes, context.global.quiet).watch(
        &|| {
            let [whole, shards, done] =
                [&progress.whole, &progress.shards, &progress.done].map(|n| n.load(Ordering::Relaxed));
            (done, format!("{whole} of {} whole", units::plural(shards, "part")))
        },
        || {
            let fingerprint = regimen_kernels::fingerprint();
            let limits = Limits { memory: args.memory, at_once: args.at_once.into() };
            make(&store, &opened.artifact, limits, &fingerprint, &progress, &cancel)
        },
    );
    if let Err(Error::Interrupted) = made {
        say(&context.global, "stopped; the parts that are whole are kept");
        say(&context.global, format!("hint: go on with `{}`", command_line()));
        return Ok(INTERRUPTED);
    }
    let made = made.explain()?;
    let on_disk: u64 = made.artifact.manifest.files.iter().map(|file| file.bytes).sum();
    if context.global.json {
        print_json(&json!({
            "key": made.artifact.key(), "path": made.artifact.path, "existed": made.existed,
            "shards": made.artifact.manifest.summary["shards"], "bytes": bytes, "disk": on_disk,
        }))?;
        return Ok(0);
    }
    let path = shown(&made.artifact.path);
    let seconds = began.elapsed().as_secs_f64();
    say(
        &context.global,
        match made.existed {
            true => format!("the index is there already: {path}"),
            false => format!(
                "{} of text in {}: {} in {} ({:.1} MB/s), {path}",
                units::bytes(bytes),
                units::plural(made.artifact.manifest.summary["shards"].as_u64().unwrap_or(0), "part"),
                units::bytes(on_disk),
                units::duration(seconds),
                bytes as f64 / 1e6 / seconds.max(1e-9),
            ),
        },
    );
    Ok(0)
}
