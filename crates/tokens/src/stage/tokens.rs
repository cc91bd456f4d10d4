//! The stage `tokens`: encode every kept document and pack the ids into shards.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use regimen_base::{Failure, Hash256};
use regimen_corpus::Corpus;
use regimen_recipe::{Field, Forecast, Input, Job, Planning, StageKind, Ty, no_check};
use serde::Deserialize;
use serde_json::{Value, json};

use super::split_bytes;
use super::tokenizer::bytes_per_bpe_token;
use crate::Split;
use crate::error::{Error, Result};
use crate::index::{Counts, Dtype};
use crate::tokenizer::Tokenizer;
use crate::write::{Encoded, write_batches};

/// Bytes of text encoded at a time.
const BATCH: usize = 16 << 20;

/// `kind = "tokens"`.
pub(crate) static TOKENS: StageKind = StageKind {
    kind: "tokens",
    version: 1,
    about: "Encode the documents and pack them into memory-mapped shards that know the address of every token.",
    seeded: false,
    shared: false,
    inputs: &[
        Input { name: "corpus", accepts: &["corpus"], required: true, doc: "The documents." },
        Input {
            name: "tokenizer",
            accepts: &["tokenizer", "import"],
            required: true,
            doc: "The vocabulary: a tokenizer, or an imported model with its own.",
        },
    ],
    fields: &[
        Field::new(
            "shard_tokens",
            Ty::Int { min: 1, max: 1 << 32 },
            "67108864",
            "Tokens in a shard file at most; a document that does not fit goes on in the next.",
        ),
        Field::new(
            "budget_tokens",
            Ty::COUNT,
            "0",
            "Training tokens to take in all, at most all there are: documents and copies of them are left out by the hash of \
             their keys, so that sources keep their shares. 0: all. Texts are encoded twice for it.",
        )
        .later(),
    ],
    check: no_check,
    forecast,
    run,
};

#[derive(Deserialize)]
struct Config {
    shard_tokens: u64,
    #[serde(default)]
    budget_tokens: u64,
}

fn forecast(planning: &Planning) -> std::result::Result<Forecast, Failure> {
    let vocab = planning.fact("tokenizer", "vocab");
    // An imported tokenizer does not say how long its tokens are; those of a large vocabulary are BPEs.
    let per_token = match planning.fact("tokenizer", "bytes_per_token") {
        known if known > 0.0 => known.max(1.0),
        _ if vocab > 0.0 => bytes_per_bpe_token(vocab),
        _ => 1.0,
    };
    let documents = planning.fact("corpus", "documents.kept");
    let (train, validation) = (split_bytes(planning, Split::Train), split_bytes(planning, Split::Validation));
    let bytes = train + validation;
    let share = |part: f64| if bytes > 0.0 { part / bytes } else { 0.0 };
    // Every document has an end token as well.
    let tokens = |part: f64| part / per_token + documents * share(part);
    // What is taken more than once, and what a budget leaves of it.
    let train = train + planning.fact("corpus", "repeated.bytes");
    let train = match planning.config["budget_tokens"].as_f64() {
        Some(budget) if budget > 0.0 && budget < tokens(train) => train * budget / tokens(train),
        _ => train,
    };
    let bytes = train + validation;
    let facts = [
        ("vocab", vocab),
        ("train_tokens", tokens(train).round()),
        ("validation_tokens", tokens(validation).round()),
        ("train_bytes", train),
        ("validation_bytes", validation),
    ];
    let width = Dtype::for_vocab(vocab as usize).bytes() as f64;
    Ok(Forecast {
        tokens: tokens(bytes).round(),
        memory: 64e6 + 3.0 * bytes.min(BATCH as f64),
        disk: tokens(bytes) * width + documents * 16.0 + vocab * 4.0,
        seconds: 0.2 + bytes / 25e6,
        facts: facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        ..Forecast::default()
    })
}

fn run(job: &mut Job) -> std::result::Result<(), Failure> {
    let config: Config = job.config()?;
    let corpus = Corpus::open(job.input("corpus")?)?;
    let tokenizer = Tokenizer::take_over(&job.input("tokenizer")?.path)?;
    job.summary = make(job, &corpus, &tokenizer, &config).map_err(Error::into_failure)?;
    Ok(())
}

fn make(job: &mut Job, corpus: &Corpus, tokenizer: &Tokenizer, config: &Config) -> Result<Value> {
    let mut copies: Vec<(u32, u16)> =
        corpus.split(Split::Train).map(|ordinal| (ordinal, corpus.row(ordinal).copies)).collect();
    let validation: Vec<u32> = corpus.split(Split::Validation).collect();
    let bytes = |ordinals: &[u32]| -> u64 {
        ordinals.iter().map(|&ordinal| u64::from(corpus.row(ordinal).bytes)).sum()
    };
    let once: Vec<u32> = copies.iter().map(|&(ordinal, _)| ordinal).collect();
    let counted = if config.budget_tokens > 0 { bytes(&once) } else { 0 };
    let total = AtomicU64::new(counted + bytes(&passes(&copies)) + bytes(&validation));
    let dir = job.dir().to_path_buf();
    // Both splits report on one log; they are written one after the other.
    let log = Mutex::new((&mut job.log, 0));
    let cancel = &job.cancel;
    let report = |bytes: u64| -> Result<()> {
        cancel.check()?;
        let (log, done) = &mut *log.lock().unwrap_or_else(PoisonError::into_inner);
        *done += bytes;
        Ok(log.progress(*done, total.load(Relaxed), "bytes", "")?)
    };
    let wanted: u64 = copies.iter().map(|&(_, copies)| u64::from(copies)).sum();
    if config.budget_tokens > 0 {
        let mut lengths = Vec::with_capacity(once.len());
        let mut encoding = Encoding::new(corpus, tokenizer, &once, &report);
        loop {
            let batch = encoding.batch()?;
            if batch.is_empty() {
                break;
            }
            // The end token counts too.
            lengths.extend(batch.iter().map(|(_, ids)| ids.len() as u64 + 1));
        }
        within(config.budget_tokens, &mut copies, &lengths, |ordinal| corpus.row(ordinal).key);
    }
    let train = passes(&copies);
    total.store(counted + bytes(&train) + bytes(&validation), Relaxed);
    let mut training = Encoding::new(corpus, tokenizer, &train, &report);
    let mut held_out = Encoding::new(corpus, tokenizer, &validation, &report);
    let index = write_batches(
        &dir,
        &tokenizer.token_lengths(),
        tokenizer.end_id(),
        config.shard_tokens,
        [&mut || training.batch(), &mut || held_out.batch()],
    )?;
    let counts = |counts: &Counts| {
        json!({
            "tokens": counts.slots, "documents": counts.documents, "bytes": counts.bytes,
            "fragments": counts.fragments, "shards": counts.shards,
        })
    };
    let left_out = wanted - train.len() as u64;
    let (tokens, bytes) =
        (index.train.slots + index.validation.slots, index.train.bytes + index.validation.bytes);
    let mut summary = json!({
        "vocab": index.vocab,
        "dtype": index.dtype,
        "train_tokens": index.train.slots,
        "validation_tokens": index.validation.slots,
        "train_bytes": index.train.bytes,
        "validation_bytes": index.validation.bytes,
        "bytes_per_token": bytes as f64 / tokens.max(1) as f64,
        "train": counts(&index.train),
        "validation": counts(&index.validation),
    });
    if config.budget_tokens > 0 {
        summary["left_out"] = left_out.into();
    }
    Ok(summary)
}

/// The documents in the order in which they are written: all, then those with a second copy, and so on.
fn passes(copies: &[(u32, u16)]) -> Vec<u32> {
    let most = copies.iter().map(|&(_, copies)| copies).max().unwrap_or(0);
    let pass =
        |pass: u16| copies.iter().filter(move |&&(_, copies)| copies > pass).map(|&(ordinal, _)| ordinal);
    (0..most).flat_map(pass).collect()
}

/// Take as many copies, in the order of their hashes, as reach `budget` tokens; `lengths` are those of the documents. A
/// greater budget only adds.
fn within(
    budget: u64,
    copies: &mut Vec<(u32, u16)>,
    lengths: &[u64],
    key: impl Fn(u32) -> regimen_base::DocKey,
) {
    let mut units: Vec<(Hash256, usize)> = Vec::new();
    for (at, &(ordinal, count)) in copies.iter().enumerate() {
        let key = key(ordinal);
        units.extend(
            (0..count)
                .map(|copy| (Hash256::of(&[&b"budget\0"[..], &key.0, &copy.to_le_bytes()].concat()), at)),
        );
    }
    units.sort_unstable();
    copies.iter_mut().for_each(|(_, count)| *count = 0);
    let mut sum = 0;
    for (_, at) in units {
        if sum >= budget {
            break;
        }
        sum += lengths[at];
        copies[at].1 += 1;
    }
    copies.retain(|&(_, count)| count > 0);
}

/// Encodes documents in batches, in order.
struct Encoding<'a> {
    corpus: &'a Corpus,
    tokenizer: &'a Tokenizer,
    lengths: Vec<u32>,
    left: &'a [u32],
    report: &'a (dyn Fn(u64) -> Result<()> + Sync),
}

impl<'a> Encoding<'a> {
    fn new(
        corpus: &'a Corpus,
        tokenizer: &'a Tokenizer,
        ordinals: &'a [u32],
        report: &'a (dyn Fn(u64) -> Result<()> + Sync),
    ) -> Encoding<'a> {
        Encoding { corpus, tokenizer, lengths: tokenizer.token_lengths(), left: ordinals, report }
    }

    /// The next documents; none at the end.
    fn batch(&mut self) -> Result<Vec<Encoded>> {
        let (mut texts, mut bytes) = (Vec::new(), 0);
        let mut taken = 0;
        while bytes < BATCH && taken < self.left.len() {
            let text = self.corpus.text(self.left[taken])?.unwrap_or_default();
            bytes += text.len();
            texts.push(text);
            taken += 1;
        }
        let (now, later) = self.left.split_at(taken);
        self.left = later;
        let encoded = self.tokenizer.encode_all(&texts)?;
        let check = |((text, ids), ordinal): ((&&str, &Vec<u32>), &u32)| {
            check_spelling(self.tokenizer, &self.lengths, text, ids, *ordinal)
        };
        let checked: Vec<Result<()>> =
            texts.par_iter().zip(&encoded).zip(now).with_max_len(64).map(check).collect();
        checked.into_iter().collect::<Result<()>>()?;
        if taken > 0 {
            (self.report)(bytes as u64)?;
        }
        Ok(now.iter().copied().zip(encoded).collect())
    }
}

/// Addresses are sums of token lengths, so the tokens must spell the text. Of a tokenizer that spells every text only the
/// sum is checked; of one that normalizes, say, equal sums might still hide a letter that grew and another that shrank.
fn check_spelling(
    tokenizer: &Tokenizer,
    lengths: &[u32],
    text: &str,
    ids: &[u32],
    ordinal: u32,
) -> Result<()> {
    let spelled = if tokenizer.is_lossless() {
        ids.iter().map(|&id| u64::from(lengths[id as usize])).sum::<u64>() == text.len() as u64
    } else {
        tokenizer.spells(text, ids)
    };
    if spelled { Ok(()) } else { Err(Error::Lossy { path: tokenizer.path().into(), ordinal }) }
}

#[cfg(test)]
mod tests {
    use regimen_base::Hint;
    use tokenizers::normalizers::unicode::NFC;

    use super::*;
    use crate::tokenizer::{Learned, byte_level, byte_order, save};

    #[test]
    fn a_budget_is_reached_and_a_greater_one_only_adds() {
        let all: Vec<(u32, u16)> = (0..300).map(|i| (3 * i, 1 + (i % 4) as u16)).collect();
        let lengths: Vec<u64> = (0..300).map(|i| 1 + i % 17).collect();
        let length = |copies: &[(u32, u16)]| {
            copies.iter().map(|&(o, c)| lengths[o as usize / 3] * u64::from(c)).sum::<u64>()
        };
        let taken = |budget| {
            let mut copies = all.clone();
            within(budget, &mut copies, &lengths, |o| regimen_base::DocKey::new("s", &o.to_string()));
            copies
        };
        let mut before: Vec<(u32, u16)> = Vec::new();
        for budget in [1, 50, 700, 3000, length(&all) - 1] {
            let now = taken(budget);
            assert!((budget..budget + 17).contains(&length(&now)), "{budget}");
            let count = |list: &[(u32, u16)], ordinal| {
                list.iter().find(|(o, _)| *o == ordinal).map_or(0, |(_, count)| *count)
            };
            assert!(
                before.iter().all(|&(o, c)| c <= count(&now, o))
                    && now.iter().all(|&(o, c)| c <= count(&all, o))
            );
            before = now;
        }
        assert_eq!(taken(u64::MAX), all);
        assert_eq!(passes(&[(1, 2), (4, 1), (9, 3)]), [1, 4, 9, 1, 9, 9]);
        assert!(passes(&[]).is_empty());
    }

    #[test]
    fn a_tokenizer_that_normalizes_addresses_texts_that_are_normal_and_refuses_others() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = byte_order().iter().map(|&byte| vec![byte]).collect();
        let mut outer = byte_level(&Learned { tokens, merges: Vec::new() }).unwrap();
        outer.with_normalizer(Some(NFC)).unwrap();
        save(&outer, dir.path()).unwrap();
        let tokenizer = Tokenizer::open(dir.path()).unwrap();
        assert!(!tokenizer.is_lossless());
        // The last one has letters that become shorter and one that becomes longer: the sum of all lengths is the same.
        let sly = "\u{212b}\u{212b}\u{344}";
        assert_eq!(tokenizer.encode(sly).unwrap().len(), sly.len());
        for (text, normal) in [("Übung", true), ("", true), ("U\u{308}bung", false), (sly, false)] {
            let ids = tokenizer.encode(text).unwrap();
            match check_spelling(&tokenizer, &tokenizer.token_lengths(), text, &ids, 7) {
                Ok(()) => assert!(normal, "{text}"),
                Err(error) => {
                    assert!(!normal && matches!(error, Error::Lossy { ordinal: 7, .. }), "{text}");
                    assert!(error.hint().unwrap().contains("NFC"));
                }
            }
        }
    }
}
