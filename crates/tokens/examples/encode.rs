//! How fast documents are encoded, and whether the ids are those of the `tokenizers` crate.
//!
//! `encode TOKENIZER_JSON FILE.. [--check] [--megabytes N] [--threads N] [--json]`: each FILE is JSON lines with a field `text`
//! (`.jsonl`, also `.gz` and `.zst`) or else one document of plain text. Prints megabytes (10^6 bytes of text) a second
//! with one thread and with N (default 2), best of three. `--check` encodes every document with both and compares.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use regimen_tokens::Tokenizer;

/// Bytes of text encoded at a time, as in the stage `tokens`.
const BATCH: usize = 16 << 20;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (mut files, mut check, mut most, mut threads) = (Vec::new(), false, usize::MAX, 2);
    let mut json_lines = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || -> Result<usize, Failure> { Ok(arguments.next().ok_or("a number is missing")?.parse()?) };
        match argument.as_str() {
            "--check" => check = true,
            "--json" => json_lines = true,
            "--megabytes" => most = number()? * 1_000_000,
            "--threads" => threads = number()?,
            file => files.push(PathBuf::from(file)),
        }
    }
    let [json, documents @ ..] = &files[..] else {
        return Err("which tokenizer.json, and which documents?".into());
    };
    let started = Instant::now();
    let tokenizer = Tokenizer::load(json)?;
    println!(
        "{}: {} ids, lossless {}, loaded in {:.0} ms",
        json.display(),
        tokenizer.vocab_size(),
        tokenizer.is_lossless(),
        started.elapsed().as_secs_f64() * 1e3
    );
    if check {
        return compare(json, &tokenizer, documents, most);
    }
    let mut texts: Vec<String> = Vec::new();
    for file in documents {
        read(file, &mut |text| {
            let room = texts.iter().map(String::len).sum::<usize>() < most || most == usize::MAX;
            if room {
                texts.push(text);
            }
            Ok(room)
        })?;
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    for threads in [1, threads] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut best = f64::INFINITY;
        let mut tokens = 0;
        for _ in 0..3 {
            let started = Instant::now();
            tokens = pool.install(|| encode(&tokenizer, &texts))?;
            best = best.min(started.elapsed().as_secs_f64());
        }
        if json_lines {
            let speed = bytes as f64 / 1e6 / best;
            println!("{}", serde_json::json!({"threads": threads, "mb_s": speed, "tokens": tokens}));
            continue;
        }
        println!(
            "{threads} thread{}: {} documents, {:.1} MB, {tokens} tokens, {best:.3} s, {:.1} MB/s",
            if threads == 1 { "" } else { "s" },
            texts.len(),
            bytes as f64 / 1e6,
            bytes as f64 / 1e6 / best
        );
    }
    Ok(())
}

fn encode(tokenizer: &Tokenizer, texts: &[String]) -> Result<usize, regimen_tokens::Error> {
    let mut tokens = 0;
    batches(texts, |batch| -> Result<(), regimen_tokens::Error> {
        tokens += tokenizer.encode_all(batch)?.iter().map(Vec::len).sum::<usize>();
        Ok(())
    })?;
    Ok(tokens)
}

fn batches<E>(texts: &[String], mut work: impl FnMut(&[&str]) -> Result<(), E>) -> Result<(), E> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for (i, text) in texts.iter().enumerate() {
        batch.push(text.as_str());
        bytes += text.len();
        if bytes >= BATCH || i + 1 == texts.len() {
            work(&batch)?;
            batch.clear();
            bytes = 0;
        }
    }
    Ok(())
}

/// Every document by both, file by file.
fn compare(json: &Path, tokenizer: &Tokenizer, documents: &[PathBuf], most: usize) -> Result<(), Failure> {
    let mut theirs = tokenizers::Tokenizer::from_file(json).map_err(|e| e.to_string())?;
    theirs.set_encode_special_tokens(true);
    theirs.with_truncation(None).map_err(|e| e.to_string())?;
    theirs.with_padding(None);
    let (mut count, mut bytes, mut tokens, mut spelled) = (0, 0, 0, 0);
    for file in documents {
        let mut texts: Vec<String> = Vec::new();
        let mut room = most.saturating_sub(bytes);
        read(file, &mut |text| {
            room = room.saturating_sub(text.len());
            texts.push(text);
            Ok(room > 0)
        })?;
        batches(&texts, |batch| -> Result<(), Failure> {
            let ours = tokenizer.encode_all(batch)?;
            let different = batch.par_iter().zip(&ours).find_first(|(text, ours)| {
                let theirs = theirs.encode_fast(**text, false);
                !theirs.is_ok_and(|theirs| theirs.get_ids() == ours.as_slice())
            });
            if let Some((text, _)) = different {
                let start: String = text.chars().take(200).collect();
                return Err(
                    format!("other ids in a document of `{}` that begins {start:?}", file.display()).into()
                );
            }
            count += batch.len();
            bytes += batch.iter().map(|text| text.len()).sum::<usize>();
            tokens += ours.iter().map(Vec::len).sum::<usize>();
            spelled += batch.iter().zip(&ours).filter(|(text, ids)| tokenizer.spells(text, ids)).count();
            Ok(())
        })?;
        if bytes >= most {
            break;
        }
    }
    println!("{count} documents, {bytes} bytes, {tokens} tokens: all ids are those of the tokenizers crate");
    println!("{spelled} documents are spelled by their tokens, byte for byte");
    Ok(())
}

/// Hand out the documents of a file until no more are wanted.
fn read(file: &Path, take: &mut dyn FnMut(String) -> Result<bool, Failure>) -> Result<(), Failure> {
    let name = file.to_string_lossy();
    let raw = std::fs::File::open(file).map_err(|e| format!("{name}: {e}"))?;
    let mut reader: Box<dyn BufRead> = match file.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(raw))),
        Some("zst") => Box::new(BufReader::new(zstd::stream::read::Decoder::new(raw)?)),
        _ => Box::new(BufReader::new(raw)),
    };
    if !name.contains(".jsonl") {
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        take(text)?;
        return Ok(());
    }
    for line in reader.lines() {
        let document: serde_json::Value = serde_json::from_str(&line?)?;
        let text = document["text"].as_str().ok_or_else(|| format!("{name}: a line has no text"))?;
        if !take(text.to_string())? {
            break;
        }
    }
    Ok(())
}
