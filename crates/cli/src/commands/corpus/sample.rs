//! `regimen corpus sample`: some documents of many.

use std::sync::atomic::Ordering;

use regimen_base::units;
use regimen_corpus::dolma::apart;
use regimen_corpus::dolma::sample::{Amount, Options, To, sample as run};
use regimen_corpus::dolma::tag::Progress;

use super::files;
use crate::Context;
use crate::args::SampleArgs;
use crate::interrupt;
use crate::meter::Meter;
use crate::output::{Explain, Fault, INTERRUPTED, command_line, explain_step, print_json, say, unwritten};

pub fn sample(context: &Context, args: &SampleArgs) -> anyhow::Result<u8> {
    let amount = match (args.fraction, args.number, args.bytes) {
        (Some(fraction), ..) if (0.0..=1.0).contains(&fraction) => Amount::Fraction(fraction),
        (Some(fraction), ..) => {
            return Err(Fault::new(
                format!("`--fraction {fraction}` is no share from 0 to 1"),
                "write it like --fraction 0.01",
            ));
        }
        (_, Some(number), _) => Amount::Documents(number),
        (_, _, bytes) => Amount::Bytes(bytes.unwrap_or(0)),
    };
    apart(&args.documents, args.to.as_deref().filter(|path| path.as_os_str() != "-")).explain()?;
    // As elsewhere, `-` is the standard output.
    let to = match args.to.as_ref().filter(|path| path.as_os_str() != "-") {
        Some(path) => To::file(path).explain()?,
        None if context.global.json => {
            return Err(Fault::new(
                "the sums and the rows cannot both go to the standard output",
                "name a file for the rows with --to",
            ));
        }
        None => To::Writer(Box::new(std::io::stdout())),
    };
    let files = files(context, &args.documents)?;
    let options = Options { amount, fields: args.names.fields(), seed: args.seed, memory: args.memory };
    let progress = Progress::default();
    let cancel = interrupt::install(context.global.quiet)?;
    let total = amount.passes() * files.iter().map(|file| file.bytes).sum::<u64>();
    let sampled = Meter::new("sample", total, context.global.quiet).watch(
        &|| {
            let documents = progress.documents.load(Ordering::Relaxed);
            (progress.read.load(Ordering::Relaxed), units::plural(documents, "document"))
        },
        || run(&files, &options, to, &progress, &cancel),
    );
    let sampled = match sampled {
        Err(regimen_corpus::Error::Interrupted) => {
            say(&context.global, "stopped; nothing is kept");
            say(&context.global, format!("hint: begin again with `{}`", command_line()));
            return Ok(INTERRUPTED);
        }
        // A reader of the standard output that went away is no fault.
        Err(regimen_corpus::Error::File(error))
            if args.to.is_none() && error.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            return Err(unwritten(error.kind().into()));
        }
        sampled => explain_step(sampled)?,
    };
    if context.global.json {
        print_json(&sampled)?;
        return Ok(0);
    }
    say(
        &context.global,
        format!(
            "{} of {}, {} of text",
            sampled.documents,
            units::plural(sampled.read, "document"),
            units::bytes(sampled.text_bytes)
        ),
    );
    Ok(0)
}
