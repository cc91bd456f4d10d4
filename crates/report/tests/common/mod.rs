//! A project with made-up artifacts and one pretraining run, for the tests and for looking at a page.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::events::{Number, Record};
use regimen_base::{Event, Key, Philox, fs};
use regimen_ledger::{Begin, Draft, RunInfo, Status, Store, key_of, run_id};
use serde_json::{Value, json};

/// An artifact with a summary; gives back its key.
pub fn artifact(store: &Store, kind: &str, stage: &str, inputs: &[(&str, Key)], summary: &Value) -> Key {
    configured(store, kind, json!({"stage": stage}), inputs, summary)
}

/// The same with a config; its `stage` names the stage.
pub fn configured(store: &Store, kind: &str, config: Value, inputs: &[(&str, Key)], summary: &Value) -> Key {
    let stage = config["stage"].as_str().unwrap().to_string();
    let inputs: BTreeMap<String, Key> = inputs.iter().map(|(name, key)| (name.to_string(), *key)).collect();
    let key = key_of(kind, 1, &config, 17, &inputs);
    let Begin::Work(work) = store.begin(kind, key).unwrap() else { return key };
    fs::write(&work.dir.join("data"), stage.as_bytes()).unwrap();
    if kind == "evaluate" {
        fs::write_json(&work.dir.join("losses.json"), &losses(&stage)).unwrap();
    }
    let draft = Draft {
        stage_version: 1,
        stage,
        config,
        seed: 17,
        inputs,
        fingerprint: "regimen 0.1.0 avx512".into(),
        bit_exact: true,
        summary: summary.clone(),
        ..Draft::default()
    };
    work.commit(draft).unwrap();
    key
}

/// How the losses of a made-up evaluation spread.
pub fn losses(source: &str) -> Value {
    let document = |i: u32, bits: f64, text: &str| {
        json!({
            "name": format!("{source}:doc {i}'s"), "source": source, "bytes": 900 + 700 * i, "tokens": 300, "nats": 99.5,
            "bits_per_byte": bits, "text": text,
        })
    };
    let tables = "| 1 | 0.3 | x17 |\n| 2 | 0.9 | qq4 |\n| 3 | 7.1 | <b>zz</b> |\n| 4 | 0.0 | & so on, a table of numbers that \
                  nobody could guess |\n| 5 | 0.1 | k3 |\n| 6 | 0.2 | k4 |";
    let prose =
        "Fellow citizens of the Senate and of the House of Representatives: it is my duty to submit to you";
    json!({
        "token_losses": token_losses(), "least_bytes": 256,
        "worst": (0..5).map(|i| document(i, 4.1 - 0.3 * f64::from(i), tables)).collect::<Vec<_>>(),
        "best": (0..5).map(|i| document(i + 9, 0.71 + 0.02 * f64::from(i), prose)).collect::<Vec<_>>(),
    })
}

fn token_losses() -> Value {
    let counts: Vec<u64> = (0..65)
        .map(|i| (90_000.0 * (-f64::from(i) / 9.0).exp()) as u64 + u64::from(i == 0) * 120_000)
        .collect();
    json!({"width": 0.25, "counts": counts})
}

/// Corpus, tokenizer and tokens.
pub fn ancestors(store: &Store) -> (Key, Key, Key) {
    let corpus = json!({
        "documents": {"read": 48_211, "kept": 41_873, "train": 39_780, "validation": 2_093, "dropped": 6_338},
        "bytes": {"read": 212_400_000, "kept": 188_300_000, "train": 178_900_000, "validation": 9_400_000},
        "sources": {
            "sotu": {"documents": 236, "bytes": 10_500_000},
            "gutenberg": {"documents": 1_812, "bytes": 121_400_000},
            "encyclopedia": {"documents": 37_732, "bytes": 47_000_000},
        },
        "licences": {
            "CC0-1.0": {"documents": 2_048, "bytes": 131_900_000},
            "CC-BY-SA-4.0": {"documents": 37_732, "bytes": 47_000_000},
        },
        "authors": {
            "human": {"documents": 39_100, "bytes": 174_000_000},
            "mixed": {"documents": 540, "bytes": 3_900_000},
            "machine": {"documents": 140, "bytes": 1_000_000},
        },
        "dropped": {"duplicate": 3_904, "too_few_words": 1_640, "symbol_ratio": 512, "stop_words": 282},
        "funnel": [
            {"step": "read", "documents": 48_211, "bytes": 212_400_000},
            {"step": "words", "documents": 46_571, "bytes": 211_900_000, "reason": "too few words"},
            {"step": "symbols", "documents": 46_059, "bytes": 209_000_000, "reason": "too many symbols"},
            {"step": "stop words", "documents": 45_777, "bytes": 207_800_000, "reason": "not prose"},
            {"step": "duplicates", "documents": 41_873, "bytes": 188_300_000, "reason": "seen before"},
        ],
    });
    let corpus = artifact(store, "corpus", "texts", &[], &corpus);
    let summary = json!({"type": "bpe", "vocab": 4096, "bytes_per_token": 3.871});
    let tokenizer = artifact(store, "tokenizer", "tokenizer", &[("corpus", corpus)], &summary);
    let summary = json!({"vocab": 4096, "train_tokens": 46_240_117, "validation_tokens": 2_431_002});
    let inputs = [("corpus", corpus), ("tokenizer", tokenizer)];
    (corpus, tokenizer, artifact(store, "tokens", "tokens", &inputs, &summary))
}

/// The record of a pretraining run.
pub fn run(key: Key, tokens: Key, steps: u64, status: Status) -> RunInfo {
    let path = |digits: &str| digits.to_string();
    RunInfo {
        id: run_id("base", key),
        stage: "base".into(),
        kind: "pretrain".into(),
        key,
        recipe: "recipes/first-light.toml".into(),
        recipe_name: "first-light".into(),
        command: ["/usr/bin/regimen", "run", "recipes/first-light.toml", "--set", "base.steps=3000"]
            .map(path)
            .into(),
        status,
        started: 1_795_426_245.0,
        seconds: 4_321.0,
        pid: 1,
        fingerprint: "regimen 0.1.0 avx512".into(),
        config: json!({
            "steps": steps, "batch": 32, "learning_rate": 3e-3, "warmup": 100, "weight_decay": 0.1, "clip": 1.0,
            "model": {"layers": 6, "width": 384, "heads": 6, "kv_heads": 2, "context": 512, "ffn": 1024, "tie": true},
            "prompts": ["The President", "Once upon a time"], "withheld": [], "init": null,
        }),
        inputs: BTreeMap::from([("tokens".to_string(), tokens)]),
    }
}

/// Events of a run that went to `until` of `steps` steps, with spikes, skipped steps and a stop in the middle.
pub fn events(store: &Store, info: &RunInfo, until: u64, steps: u64) {
    let noise = Philox::new(17, &["synthetic run"]);
    let mut lines = Vec::new();
    let mut clock = 1_795_426_245.0;
    let mut put = |event: Event| {
        clock += if matches!(event, Event::Metrics { .. }) { 1.44 } else { 0.0 };
        serde_json::to_writer(&mut lines, &Record { t: clock, event }).unwrap();
        lines.push(b'\n');
    };
    let start = |from_step| Event::Start {
        stage: info.stage.clone(),
        kind: info.kind.clone(),
        key: info.key.to_string(),
        from_step,
        threads: 2,
        fingerprint: info.fingerprint.clone(),
    };
    put(start(0));
    for step in 1..=until {
        let done = step as f64 / steps as f64;
        let wobble = (0..4).map(|i| uniform(&noise, step * 4 + i)).sum::<f64>() - 2.0;
        let loss = 3.05 + 5.3 * (-done * 14.0).exp() + 0.9 * (1.0 - done) + 0.16 * wobble;
        let spike = step == steps * 2 / 5;
        let lr = 3e-3 * (step as f64 / (steps as f64 / 30.0)).min(0.5 + 0.5 * (done * 3.1).cos());
        let mut values = BTreeMap::from([
            ("loss".to_string(), Number(if spike { loss + 2.2 } else { loss })),
            ("lr".to_string(), Number(lr)),
            (
                "grad_norm".to_string(),
                Number(if spike {
                    41.0
                } else {
                    (0.45 + 9.0 * (-done * 20.0).exp()) * (1.0 + 0.12 * wobble).max(0.1)
                }),
            ),
            ("tokens_per_second".to_string(), Number(11_200.0 + 500.0 * wobble)),
            ("tokens".to_string(), Number((step * 16_384) as f64)),
        ]);
        if step % (steps / 600).max(10) == 0 {
            for (i, part) in
                ["embed", "layers.0", "layers.1", "layers.2", "layers.3", "norm"].iter().enumerate()
            {
                let (i, wobble) = (i as f64, uniform(&noise, 9 * step + i as u64));
                let norm = (0.05 + 2.0 * (-done * 20.0).exp()) * (1.0 + 0.3 * i) * (0.8 + 0.4 * wobble);
                values.insert(format!("grad_norm/{part}"), Number(norm));
                let ratio = lr * (1.4 - 0.2 * i) * (0.9 + 0.2 * wobble);
                values.insert(format!("update_ratio/{part}"), Number(ratio));
            }
        }
        if step % (steps / 6).max(1) == 0 && step < until {
            values.insert("skipped".into(), Number(1.0));
            values.insert("grad_norm".into(), Number(f64::NAN));
            put(Event::Note {
                level: "warning".into(),
                step: Some(step),
                text: "skipped: the gradient norm was 211.4, more than 4 times its usual value".into(),
            });
        }
        if step % (steps / 15).max(1) == 0 {
            let bpb = 1.74 + 1.9 * (-done * 6.0).exp();
            for (name, factor) in
                [("bpb", 1.0), ("bpb/sotu", 0.91), ("bpb/gutenberg", 1.06), ("bpb/encyclopedia", 0.98)]
            {
                values.insert(name.into(), Number(bpb * factor + 0.02 * uniform(&noise, step + 77)));
            }
            let words = [
                "of of the the, and a.",
                "is the of people and the country, of a great and",
                "has the honor to submit to the Congress a report on the state of the Union & the <public> debt.\n\nIt is my duty to say that the revenues of the year have been sufficient for all its expenses, and that the peace which we have enjoyed is",
            ];
            let at = ((done * 3.0) as usize).min(2);
            for prompt in ["The President", "Once upon a time"] {
                put(Event::Sample { step, prompt: prompt.into(), text: format!(" {}", words[at]) });
            }
            put(Event::Checkpoint { step, path: "last".into() });
        }
        put(Event::Metrics { step, values });
        if step == until / 2 {
            put(Event::Note {
                level: "info".into(),
                step: Some(step),
                text: "stopped by Ctrl-C; the checkpoint was written".into(),
            });
            put(start(step));
        }
    }
    let dir = store.run_dir(&info.id);
    fs::create_dir_all(&dir).unwrap();
    fs::write(&dir.join("events.jsonl"), &lines).unwrap();
}

fn uniform(noise: &Philox, i: u64) -> f64 {
    f64::from(noise.block(i)[0]) / 2f64.powi(32)
}

/// A project with a finished run and its evaluation, or with a run that stands in the middle.
pub fn project(folder: &Path, steps: u64, finished: bool) -> (Store, RunInfo) {
    let store = Store::open(folder).unwrap();
    let (corpus, _, tokens) = ancestors(&store);
    let summary = json!({
        "parameters": 11_348_736, "steps": steps, "tokens": steps * 16_384, "flops": 3.34e15, "loss": 3.061,
        "validation": {"bpb": 1.742, "sources": {"sotu": 1.59, "gutenberg": 1.85, "encyclopedia": 1.71}},
        "skipped_steps": 5,
    });
    let key = if finished {
        artifact(&store, "pretrain", "base", &[("tokens", tokens)], &summary)
    } else {
        key_of(
            "pretrain",
            1,
            &json!({"stage": "base"}),
            17,
            &BTreeMap::from([("tokens".to_string(), tokens)]),
        )
    };
    let info = run(key, tokens, steps, if finished { Status::Done } else { Status::Interrupted });
    events(&store, &info, if finished { steps } else { steps * 2 / 5 }, steps);
    store.write_run(&info).unwrap();
    if finished {
        let summary = json!({"contexts": 1_204_411, "bytes": 31_000_000});
        let ngram = artifact(&store, "ngram", "five-gram", &[("tokens", tokens)], &summary);
        let summary = json!({
            "bpb": 1.744, "documents": 2_093, "bytes": 9_400_000,
            "sources": {
                "sotu": {"bpb": 1.592, "bytes": 520_000}, "gutenberg": {"bpb": 1.851, "bytes": 6_400_000},
                "encyclopedia": {"bpb": 1.712, "bytes": 2_480_000},
            },
            "baseline": {"bpb": 2.071, "sources": {"sotu": {"bpb": 1.893}, "gutenberg": {"bpb": 2.166}, "encyclopedia": {"bpb": 1.702}}},
            "better_by": 0.1579,
        });
        let inputs = [("model", key), ("baseline", ngram), ("corpus", corpus)];
        artifact(&store, "evaluate", "score", &inputs, &summary);
        let summary = json!({"samples": [{"prompt": "Fellow citizens", "text": " of the Senate and of the House of Representatives"}]});
        artifact(&store, "generate", "write", &[("model", key)], &summary);
    }
    (store, info)
}

/// Another training on the same tokens, to lay over the first.
pub fn rival(store: &Store, run: &RunInfo, steps: u64) -> RunInfo {
    let tokens = run.inputs["tokens"];
    let summary = json!({
        "parameters": 11_348_736, "steps": steps, "tokens": steps * 16_384, "flops": 3.34e15, "loss": 3.2,
        "validation": {"bpb": 1.8},
    });
    let key =
        configured(store, "pretrain", json!({"stage": "rival", "lr": 1}), &[("tokens", tokens)], &summary);
    let mut other = self::run(key, tokens, steps, Status::Done);
    other.stage = "rival".into();
    other.id = run_id("rival", key);
    other.config["learning_rate"] = json!(1e-3);
    other.config["model"]["layers"] = json!(8);
    events(store, &other, steps, steps);
    store.write_run(&other).unwrap();
    other
}

/// What the made-up training has seen.
pub fn seen() -> regimen_report::Seen {
    let part = |name: &str, tokens: u64| (name.to_string(), tokens);
    regimen_report::Seen {
        by: vec![
            (
                "source".into(),
                vec![
                    part("sotu", 2_600_000),
                    part("gutenberg", 31_000_000),
                    part("encyclopedia", 12_640_117),
                ],
            ),
            ("licence".into(), vec![part("CC0-1.0", 33_600_000), part("CC-BY-SA-4.0", 12_640_117)]),
            ("kind of author".into(), vec![part("human", 45_000_000), part("machine", 1_240_117)]),
        ],
    }
}
