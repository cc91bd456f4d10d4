//! `regimen corpus dedup`: mark what came before in the documents of a Dolma folder.

use std::time::Instant;

use regimen_base::{Cancel, units};
use regimen_corpus::dedup::substring::LEAST;
use regimen_corpus::dedup::{Keep, Own, Preset};
use regimen_corpus::dolma::dedup::{By, Cut, Filter, Least, Ngrams, Options, Origin, dedup as run};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::dolma::{apart, plain_folders};

use super::files;
use super::step::step;
use crate::Context;
use crate::args::DedupArgs;
use crate::output::{Explain as _, Fault, INTERRUPTED, print_json, say};

/// Rates that a Bloom filter may have.
const RATES: std::ops::RangeInclusive<f64> = 1e-15..=0.5;

/// What is compared, and how.
fn by(args: &DedupArgs) -> anyhow::Result<By> {
    let options: [(&str, bool, &[&str]); 21] = [
        ("--key", args.key.is_some(), &["document"]),
        ("--min-bytes", args.min_bytes.is_some(), &["document", "paragraph", "ngram"]),
        ("--min-words", args.min_words.is_some(), &["document", "paragraph", "ngram"]),
        ("--separator", args.separator.is_some(), &["paragraph", "ngram"]),
        ("--bloom", args.bloom.is_some(), &["paragraph", "ngram"]),
        ("--bloom-from", args.bloom_from.is_some(), &["paragraph", "ngram"]),
        ("--bloom-to", args.bloom_to.is_some(), &["paragraph", "ngram"]),
        ("--read-only", args.read_only, &["paragraph", "ngram"]),
        ("--rate", args.rate.is_some(), &["paragraph", "ngram"]),
        ("--words", args.words.is_some(), &["ngram"]),
        ("--stride", args.stride.is_some(), &["ngram"]),
        ("--overlap", args.overlap.is_some(), &["ngram"]),
        ("--skip-short", args.skip_short, &["ngram"]),
        ("--preset", args.preset.is_some(), &["near"]),
        ("--bands", args.bands.is_some(), &["near"]),
        ("--rows", args.rows.is_some(), &["near"]),
        ("--ngram", args.ngram.is_some(), &["near"]),
        ("--seed", args.seed.is_some(), &["near"]),
        ("--verify", args.verify.is_some(), &["near"]),
        ("--stretch", args.stretch.is_some(), &["substring"]),
        ("--keep", args.keep.is_some(), &["document", "url", "near"]),
    ];
    let idle = options.iter().find(|(_, given, of)| *given && !of.contains(&args.by.as_str()));
    if let Some((option, _, of)) = idle {
        return Err(Fault::new(
            format!("`{option}` says nothing with `--by {}`", args.by),
            format!("leave out {option}, or compare with --by {}", of.join(" or --by ")),
        ));
    }
    if args.bloom == Some(0) {
        return Err(Fault::new(
            "`--bloom 0` has room for no paragraph",
            "say how many different paragraphs or n-grams will come, such as --bloom 20000000; leave out --bloom to compare exactly",
        ));
    }
    // Where --bloom-from rules --bloom out, the parser does not ask for it.
    if args.rate.is_some() && args.bloom_from.is_some() {
        return Err(Fault::new(
            "`--rate` says nothing with `--bloom-from`: the filter has the rate that it was made with",
            "leave out --rate, or make another filter with --bloom N --rate R --bloom-to FILE",
        ));
    }
    let rate = args.rate.unwrap_or(1e-6);
    if !RATES.contains(&rate) {
        return Err(Fault::new(
            format!("`--rate {rate}` is not from 1e-15 to 0.5"),
            "with --rate 1e-6 one of a million is taken wrongly for one that came before; leave out --bloom to compare exactly",
        ));
    }
    let share = args.overlap.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&share) {
        return Err(Fault::new(
            format!("`--overlap {share}` is not from 0 to 1"),
            "with --overlap 0.5 a paragraph is marked if half of its n-grams came before",
        ));
    }
    if let Some(least) = args.verify.filter(|&least| !(least > 0.0 && least <= 1.0)) {
        return Err(Fault::new(
            format!("`--verify {least}` is not above 0 and at most 1"),
            "with --verify 0.8 texts are copies that share four fifths of their shingles",
        ));
    }
    // Where --bloom rules --bloom-from out, the parser does not ask for it.
    if args.read_only && args.bloom_from.is_none() {
        return Err(Fault::new(
            "`--read-only` has no Bloom filter that something could be in",
            "name one that was kept with --bloom-to: --bloom-from FILE",
        ));
    }
    let keep = args.keep.as_deref().and_then(Keep::by_name).unwrap_or_default();
    let origin = match (&args.bloom_from, args.bloom) {
        (Some(path), _) => Some(Origin::File(path.clone())),
        (None, Some(expected)) => Some(Origin::New { expected, rate }),
        (None, None) if args.bloom_to.is_some() => {
            return Err(Fault::new(
                "`--bloom-to` has no Bloom filter to write",
                "make one with --bloom N for N paragraphs or n-grams, or read one with --bloom-from FILE",
            ));
        }
        (None, None) => None,
    };
    let (to, read_only) = (args.bloom_to.clone(), args.read_only);
    let bloom = origin.map(|origin| Filter { origin, to, read_only });
    let least = Least { bytes: args.min_bytes.unwrap_or(0), words: args.min_words.unwrap_or(0) };
    let separator = args.separator.as_deref().map_or(Ok("\n".into()), separator)?;
    let cut = Cut { separator, least };
    Ok(match args.by.as_str() {
        "document" => By::Document { key: args.key.as_deref().map(key).transpose()?, least, keep },
        "url" => By::Url { keep },
        "paragraph" => By::Paragraph { cut, bloom },
        "ngram" => {
            let (length, stride) = (args.words.unwrap_or(13), args.stride.unwrap_or(1));
            let ngrams = Ngrams { length, stride, share, skip_short: args.skip_short };
            By::Ngram { ngrams, cut, bloom }
        }
        "substring" => By::Substring { least: args.stretch.unwrap_or(LEAST as u32) },
        _ => {
            let name = args.preset.as_deref().unwrap_or("fineweb");
            let preset = Preset::by_name(name)
                .ok_or_else(|| Fault::new(format!("there is no preset `{name}`"), "`--help` lists them"))?;
            let own = Own { bands: args.bands, rows: args.rows, ngram: args.ngram, seed: args.seed };
            By::Near { minhash: preset.minhash.with(&own).explain()?, verify: args.verify, keep }
        }
    })
}

/// A field of a row as it is named; `$.` before it, as in Dolma's JSON paths, says nothing.
fn key(text: &str) -> anyhow::Result<String> {
    let path = text.strip_prefix("$.").unwrap_or(text);
    if path.split('.').any(str::is_empty) || path.contains(['$', '[', '*']) {
        return Err(Fault::new(
            format!("`--key {text}` is no field of a row"),
            "name one field, with dots between the names if it lies deeper, such as id or metadata.url",
        ));
    }
    Ok(path.into())
}

/// What stands between two paragraphs, with its escapes resolved.
fn separator(text: &str) -> anyhow::Result<String> {
    let (mut out, mut characters) = (String::new(), text.chars());
    while let Some(c) = characters.next() {
        out.push(match c {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('\\') => '\\',
                other => {
                    let escape = other.map_or("\\".into(), |c| format!("\\{c}"));
                    return Err(Fault::new(
                        format!("`--separator {text}` has the escape `{escape}`, which stands for nothing"),
                        "write \\n for a line feed, \\t for a tab, \\r for a carriage return, \\\\ for a backslash",
                    ));
                }
            },
            c => c,
        });
    }
    if out.is_empty() {
        return Err(Fault::new(
            "`--separator` is empty",
            "say what stands between two paragraphs, such as --separator '\\n\\n'; --by document compares whole texts",
        ));
    }
    Ok(out)
}

pub fn dedup(context: &Context, args: &DedupArgs) -> anyhow::Result<u8> {
    let by = by(args)?;
    apart(&args.documents, args.bloom_to.as_deref()).explain()?;
    apart(&plain_folders(&args.documents), args.to.as_deref()).explain()?;
    let files = files(context, &args.documents)?;
    let (name, to, fields) = (args.name.clone(), args.to.clone(), args.names.fields());
    let options = Options { by, name, to, fields, memory: args.memory };
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
    let (thing, marked) = match args.by.as_str() {
        "paragraph" => ("paragraph", String::new()),
        "substring" => ("byte", format!(", in {}", units::plural(found.marked, "place"))),
        "ngram" => {
            // The short ones are compared whole, and counted with the others.
            let thing = if args.skip_short { "n-gram" } else { "n-gram and short paragraph" };
            (thing, format!(", {} marked", units::plural(found.marked, "paragraph")))
        }
        _ => ("document", String::new()),
    };
    let before = if args.read_only { "are in the filter" } else { "came before" };
    say(
        &context.global,
        format!(
            "{} of {} {before} ({share:.1} %){marked}, in {}; {} of text in {}{speed}",
            found.duplicates,
            units::plural(found.compared, thing),
            units::plural(found.summary.documents, "document"),
            units::bytes(found.summary.text_bytes),
            units::duration(seconds),
        ),
    );
    Ok(0)
}
