//! What the steps on Dolma folders share: a meter, and a way to stop.

use std::sync::atomic::Ordering;

use regimen_base::{Cancel, units};
use regimen_corpus::dolma::tag::Progress;

use crate::meter::Meter;
use crate::output::{command_line, explain_step, say};
use crate::{Context, interrupt};

/// Run a step over `total` bytes of files under a meter. None if the user stopped it, which is said, and that `kept` stays.
pub fn step<T>(
    context: &Context,
    what: &'static str,
    total: u64,
    kept: &str,
    run: impl FnOnce(&Progress, &Cancel) -> regimen_corpus::Result<T>,
) -> anyhow::Result<Option<T>> {
    let progress = Progress::default();
    let cancel = interrupt::install(context.global.quiet)?;
    let done = Meter::new(what, total, context.global.quiet).watch(
        &|| {
            let documents = progress.documents.load(Ordering::Relaxed);
            (progress.read.load(Ordering::Relaxed), units::plural(documents, "document"))
        },
        || run(&progress, &cancel),
    );
    if let Err(regimen_corpus::Error::Interrupted) = done {
        say(&context.global, format!("stopped; {kept}"));
        say(&context.global, format!("hint: go on with `{}`", command_line()));
        return Ok(None);
    }
    explain_step(done).map(Some)
}
