//! Building a corpus: a thread reads and cuts files, all cores parse and judge, and one writer takes the documents in
//! document order. At most three batches are in memory at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::prelude::*;
use regimen_base::{Cancel, fs};
use regimen_recipe::InputFile;

use crate::config::{Config, Dedup, Format, Source};
use crate::error::{Error, Result};
use crate::names::{FileName, Names, SourceName};
use crate::quality::Rules;
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::document::{self, Parsed, Reading};
use crate::read::stream::{Packing, Stream};
use crate::write::{Options, Summary, Writer};

/// Bytes of files that are parsed at once.
const BATCH: usize = 8 << 20;

/// Files by the pattern that named them.
pub(crate) type Files = BTreeMap<String, Vec<InputFile>>;

/// One file in document order.
struct Planned<'f> {
    source: u16,
    input: &'f InputFile,
    how: How,
}

/// Build the corpus in the folder `dir`. `progress` gets bytes of files read, of how many, and documents so far.
pub(crate) fn build(
    config: &Config,
    files: &Files,
    dir: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64, u64, u64) -> Result<()>,
) -> Result<Summary> {
    let plan = plan(config, files)?;
    let rules = Rules::new(&config.filter);
    let names = Names {
        sources: config
            .sources
            .iter()
            .map(|s| SourceName { name: s.name.clone(), licence: s.licence.clone(), author: s.author })
            .collect(),
        files: plan
            .iter()
            .map(|file| {
                let unit = match file.how {
                    How::Lines => "line",
                    How::Whole => "",
                    How::Blocks(_) => "block",
                };
                FileName { path: file.input.path.clone(), unit: unit.into() }
            })
            .collect(),
        licences: Vec::new(),
        reasons: document::reasons(&rules),
        rules: rules.rules.clone(),
    };
    let reading = Reading {
        sources: &config.sources,
        files: &names.files.clone(),
        rules: &rules,
        invalid_utf8: config.invalid_utf8,
        missing_text: config.missing_text,
    };
    let options = Options {
        dedup: config.dedup == Dedup::Exact,
        validation: config.validation,
        limit: config.limit_bytes,
    };
    let mut writer = Writer::create(dir, names, options)?;
    let total: u64 = plan.iter().map(|file| file.input.bytes).sum();
    let read = Arc::new(AtomicU64::new(0));
    let mut in_file = vec![0u64; plan.len()];
    std::thread::scope(|scope| -> Result<()> {
        let (sender, batches) = sync_channel(1);
        let (plan, counter) = (&plan, read.clone());
        std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, move || feed(plan, &counter, cancel, &sender))
            .map_err(|e| fs::Error::new("start reading into", dir, e))?;
        let mut show =
            |writer: &Writer| progress(read.load(Ordering::Relaxed).min(total), total, writer.documents());
        // The receiver goes away at the end of this call, whatever its outcome; then the reader stops.
        take(batches, &reading, cancel, &mut writer, &mut in_file, &mut show)
    })?;
    let unread = in_file.iter().position(|&documents| documents == 0);
    if let (Some(empty), false) = (unread, writer.full()) {
        return Err(Error::EmptyFile {
            file: plan[empty].input.path.clone(),
            source_name: config.sources[usize::from(plan[empty].source)].name.clone(),
        });
    }
    let documents = writer.documents();
    let summary = writer.finish()?;
    progress(total, total, documents)?;
    Ok(summary)
}

/// All files in document order, each with the way in which it is cut.
fn plan<'f>(config: &Config, files: &'f Files) -> Result<Vec<Planned<'f>>> {
    let mut plan = Vec::new();
    for (number, source) in (0u16..).zip(&config.sources) {
        let found = files.get(&source.path).map(Vec::as_slice).unwrap_or_default();
        if found.is_empty() {
            return Err(Error::NoDocuments {
                source_name: source.name.clone(),
                pattern: source.path.clone(),
            });
        }
        for input in found {
            if input.bytes == 0 {
                return Err(Error::EmptyFile { file: input.path.clone(), source_name: source.name.clone() });
            }
            plan.push(Planned { source: number, input, how: how(source, &input.path)? });
        }
    }
    Ok(plan)
}

/// How a file of a source is cut into documents.
pub(crate) fn how(source: &Source, path: &str) -> Result<How> {
    let name = Packing::of_name(path).1;
    let ending = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    let text = match (source.format, ending) {
        (Format::Text, _) | (Format::Auto, "txt" | "md") => true,
        (Format::Jsonl | Format::Dolma, _) | (Format::Auto, "jsonl" | "json" | "ndjson") => false,
        (Format::Auto, _) => {
            return Err(Error::UnknownFormat { file: path.into(), source_name: source.name.clone() });
        }
    };
    Ok(match (text, source.blocks) {
        (false, _) => How::Lines,
        (true, 0) => How::Whole,
        (true, bytes) => How::Blocks(usize::try_from(bytes).unwrap_or(usize::MAX / 4).min(u32::MAX as usize)),
    })
}

/// Read and cut all files, batch by batch, until nobody listens. A fault is the last thing sent.
fn feed(plan: &[Planned], read: &Arc<AtomicU64>, cancel: &Cancel, to: &SyncSender<Result<Vec<Chunk>>>) {
    let mut batch = Vec::new();
    let outcome = fill(plan, read, cancel, to, &mut batch);
    // What was read before a fault comes first: an error in it is the earlier one.
    if to.send(Ok(batch)).is_ok()
        && let Err(error) = outcome
    {
        let _ = to.send(Err(error));
    }
}

/// The same, but the last batch is left in `batch` and a fault is given back.
fn fill(
    plan: &[Planned],
    read: &Arc<AtomicU64>,
    cancel: &Cancel,
    to: &SyncSender<Result<Vec<Chunk>>>,
    batch: &mut Vec<Chunk>,
) -> Result<()> {
    let mut bytes = 0;
    for (number, file) in (0u32..).zip(plan) {
        let stream = Stream::open(file.input, Arc::clone(read))?;
        let mut chunks = Chunks::new(stream, file.how, file.source, number);
        while let Some(chunk) = chunks.next()? {
            cancel.check()?;
            bytes += chunk.data.len();
            batch.push(chunk);
            if bytes >= BATCH {
                bytes = 0;
                if to.send(Ok(std::mem::take(batch))).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Parse and write batch after batch, until the corpus is full or there are no more.
fn take(
    batches: Receiver<Result<Vec<Chunk>>>,
    reading: &Reading,
    cancel: &Cancel,
    writer: &mut Writer,
    in_file: &mut [u64],
    show: &mut dyn FnMut(&Writer) -> Result<()>,
) -> Result<()> {
    for batch in batches {
        cancel.check()?;
        let parsed: Vec<Result<Parsed>> = batch?
            .into_par_iter()
            .with_max_len(1)
            .map(|chunk| {
                cancel.check()?;
                document::documents(reading, chunk)
            })
            .collect();
        for chunk in parsed {
            if writer.full() {
                return Ok(());
            }
            let mut chunk = chunk?;
            let numbers = chunk.licences.iter().map(|l| writer.licence(l)).collect::<Result<Vec<u16>>>()?;
            let width = reading.rules.rules.len();
            for (i, document) in chunk.documents.iter_mut().enumerate() {
                if writer.full() {
                    return Ok(());
                }
                document.licence = numbers[usize::from(document.licence)];
                in_file[document.file as usize] += 1;
                writer.push(document, &chunk.values[i * width..][..width])?;
            }
        }
        show(writer)?;
        if writer.full() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::input;
    use serde_json::json;

    fn config(path: &str) -> Config {
        serde_json::from_value(json!({
            "sources": [{
                "name": "s", "path": path, "format": "auto", "author": "human", "licence": "MIT",
                "text_field": "text", "id_field": "id", "blocks": 0,
            }],
            "filter": {"quality": "none"}, "dedup": "none", "validation": 0.0, "limit_bytes": 0,
            "invalid_utf8": "error", "missing_text": "error",
        }))
        .unwrap()
    }

    fn rows(megabytes: usize) -> Vec<u8> {
        let text = "x".repeat(1000);
        (0..megabytes * 1000)
            .flat_map(|i| format!("{{\"id\":{i},\"text\":\"{text}\"}}\n").into_bytes())
            .collect()
    }

    #[test]
    fn progress_rises_to_the_end_and_counts_documents() {
        let dir = tempfile::tempdir().unwrap();
        let file = input(dir.path(), "a.jsonl", &rows(20));
        let bytes = file.bytes;
        let files = Files::from([("a".into(), vec![file])]);
        let mut seen = Vec::new();
        let mut progress = |done, total, documents| {
            assert_eq!(total, bytes);
            seen.push((done, documents));
            Ok(())
        };
        build(&config("a"), &files, dir.path(), &Cancel::new(), &mut progress).unwrap();
        assert!(seen.len() > 2 && seen.is_sorted(), "{seen:?}");
        assert_eq!(seen.last(), Some(&(bytes, 20_000)));
    }

    #[test]
    fn who_asks_to_stop_is_heard_at_once_and_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::from([("a".into(), vec![input(dir.path(), "a.jsonl", &rows(40))])]);
        let cancel = Cancel::new();
        let mut calls = 0;
        let mut progress = |_, _, _| {
            calls += 1;
            cancel.ask();
            Ok(())
        };
        let stopped = build(&config("a"), &files, dir.path(), &cancel, &mut progress);
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(calls, 1);
        let stopped = build(&config("a"), &files, dir.path(), &cancel, &mut |_, _, _| Ok(()));
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }

    #[test]
    fn what_lies_beyond_the_limit_is_not_judged() {
        let dir = tempfile::tempdir().unwrap();
        let fine = input(dir.path(), "a.jsonl", &rows(1));
        let broken = input(dir.path(), "b.jsonl.gz", &[0x1f, 0x8b, 8]);
        let files = Files::from([("a".into(), vec![fine, broken])]);
        let mut config = config("a");
        let run = |config: &Config| build(config, &files, dir.path(), &Cancel::new(), &mut |_, _, _| Ok(()));
        assert!(matches!(run(&config), Err(Error::Truncated { .. })));
        config.limit_bytes = 1_000_000;
        assert_eq!(run(&config).unwrap().value["documents"]["kept"], 1000);
    }
}
