//! The stages, run whole, from documents to scores and texts.

use std::path::Path;

use regimen_base::{Cancel, Event, Failure, Philox, Record, Watch, fs};
use regimen_corpus::{Corpus, Split};
use regimen_ledger::{Artifact, Store};
use regimen_models::{Decoder, DecoderConfig, TokenBlock, hf};
use regimen_recipe::testing::{recipe, run_stage};
use regimen_recipe::{Runner, StageKind, is_interrupted};
use regimen_tensor::{Params, Pool};
use regimen_train::Saved;
use serde_json::{Value, json};

use super::{EVALUATE, GENERATE, NGRAM};
use crate::ngram::{Counter, Ngram};

const CONTEXT: usize = 24;

fn find(stages: &[&'static StageKind], name: &str) -> &'static StageKind {
    stages.iter().copied().find(|stage| stage.kind == name).unwrap()
}

/// Sixty short documents of two sources, a third of them held out.
fn documents(root: &Path) -> Artifact {
    let words = ["red", "green", "sun", "moon", "é€", "water", "stone"];
    let mut random = Philox::new(1, &["documents"]);
    for (source, count) in [("tales", 40), ("notes", 20)] {
        let mut lines = String::new();
        for id in 0..count {
            let length = 1 + random.below(12);
            let text: Vec<&str> = (0..length).map(|_| words[random.below(7) as usize]).collect();
            lines += &json!({"id": id, "text": format!("{} {source}{id}.", text.join(" "))}).to_string();
            lines.push('\n');
        }
        fs::write(&root.join(format!("{source}.jsonl")), lines.as_bytes()).unwrap();
    }
    let config = r#"
        sources = [{ name = "tales", path = "tales.jsonl" }, { name = "notes", path = "notes.jsonl" }]
        filter = { quality = "none" }
        validation = 0.35"#;
    run_stage(find(regimen_corpus::STAGES, "corpus"), config, root, &[], 0).unwrap()
}

struct World {
    dir: tempfile::TempDir,
    corpus: Artifact,
    tokens: Artifact,
    model: Artifact,
}

fn tokens(root: &Path, corpus: &Artifact, kind: &str) -> Artifact {
    let stages = regimen_tokens::STAGES;
    let config = format!("type = \"{kind}\"");
    let tokenizer = run_stage(find(stages, "tokenizer"), &config, root, &[("corpus", corpus)], 0).unwrap();
    let inputs = [("corpus", corpus), ("tokenizer", &tokenizer)];
    run_stage(find(stages, "tokens"), "", root, &inputs, 0).unwrap()
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let corpus = documents(dir.path());
        let tokens = tokens(dir.path(), &corpus, "byte");
        let config = format!(
            "model = {{ layers = 1, width = 16, heads = 2, context = {CONTEXT} }}\n\
             steps = 12\nbatch = 4\nschedule = {{ warmup = 2 }}"
        );
        let pretrain = find(regimen_train::STAGES, "pretrain");
        let model = run_stage(pretrain, &config, dir.path(), &[("tokens", &tokens)], 3).unwrap();
        World { dir, corpus, tokens, model }
    }

    fn run(
        &self,
        kind: &'static StageKind,
        config: &str,
        inputs: &[(&str, &Artifact)],
    ) -> Result<Artifact, Failure> {
        run_stage(kind, config, self.dir.path(), inputs, 7)
    }

    fn evaluate(&self, config: &str, baseline: Option<&Artifact>) -> Result<Artifact, Failure> {
        let mut inputs = vec![("model", &self.model), ("corpus", &self.corpus), ("tokens", &self.tokens)];
        inputs.extend(baseline.map(|artifact| ("baseline", artifact)));
        self.run(&EVALUATE, config, &inputs)
    }
}

fn rows(artifact: &Artifact, file: &str) -> Vec<Value> {
    let text = fs::read_text(&artifact.file(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The nats of one document, window by window, one window a pass.
fn naive_nats(saved: &Saved, ids: &[u32]) -> f64 {
    let end = saved.tokenizer.end_id();
    let (targets, inputs) = ([ids, &[end]].concat(), [&[end], ids].concat());
    let nll = |from: usize, to: usize, scored_from: usize| -> f64 {
        let n = to - from;
        let starts = vec![0; n];
        let block = TokenBlock { batch: 1, time: n, ids: &inputs[from..to], starts: &starts };
        let weights = vec![1.0; n];
        let (pool, targets) = (Pool::new(), &targets[from..to]);
        let nll = saved.decoder.token_nll(&saved.params, &pool, &block, targets, &weights).unwrap();
        nll[scored_from - from..].iter().map(|&x| f64::from(x)).sum()
    };
    let mut done = targets.len().min(CONTEXT);
    let mut sum = nll(0, done, 0);
    while done < targets.len() {
        let to = (done + CONTEXT / 2).min(targets.len());
        sum += nll(to - CONTEXT, to, done);
        done = to;
    }
    sum
}

#[test]
fn a_model_and_its_baseline_are_scored_alike() {
    let world = World::new();
    let baseline = world.run(&NGRAM, "", &[("corpus", &world.corpus)]).unwrap();
    let corpus = Corpus::open(&world.corpus).unwrap();
    let mut counter = Counter::new(3);
    corpus.split(Split::Train).for_each(|ordinal| counter.add(corpus.bytes(ordinal)));
    let ngram = counter.finish();
    assert_eq!(Ngram::open(&baseline.file(Ngram::FILE)).unwrap(), ngram);
    assert_eq!(baseline.manifest.summary["contexts"], ngram.contexts());
    assert_eq!(baseline.manifest.summary["documents"], corpus.split(Split::Train).count());

    let result = world.evaluate("", Some(&baseline)).unwrap();
    let saved = Saved::open(&world.model.path).unwrap();
    let held_out: Vec<u32> = corpus.split(Split::Validation).collect();
    let rows = rows(&result, "scores.jsonl");
    assert_eq!(rows.len(), held_out.len());
    assert!(rows.len() > 8, "{}", rows.len());
    let (mut nats, mut baseline_nats, mut bytes) = (0.0, 0.0, 0);
    let mut long = false;
    for (row, &ordinal) in rows.iter().zip(&held_out) {
        let text = corpus.text(ordinal).unwrap().unwrap();
        let ids = saved.tokenizer.encode(text).unwrap();
        long |= ids.len() > 2 * CONTEXT;
        let expected = naive_nats(&saved, &ids);
        let found = row["nats"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-3 * expected, "{row}: {expected}");
        assert_eq!(row["baseline_nats"].as_f64().unwrap(), ngram.nats(text.as_bytes()));
        assert_eq!((&row["bytes"], &row["tokens"]), (&json!(text.len()), &json!(ids.len() + 1)));
        assert_eq!(row["id"], corpus.id(ordinal));
        nats += found;
        baseline_nats += row["baseline_nats"].as_f64().unwrap();
        bytes += text.len() as u64;
    }
    assert!(long, "no document is longer than two windows");
    let summary = &result.manifest.summary;
    let ln2 = std::f64::consts::LN_2;
    let bpb = nats / (ln2 * bytes as f64);
    assert!((summary["bpb"].as_f64().unwrap() - bpb).abs() < 1e-12);
    let below = summary["baseline"]["bpb"].as_f64().unwrap();
    assert!((below - baseline_nats / (ln2 * bytes as f64)).abs() < 1e-12);
    assert!((summary["better_by"].as_f64().unwrap() - (1.0 - bpb / below)).abs() < 1e-12);
    assert_eq!(summary["documents"], rows.len());
    let of = |source: &str| rows.iter().filter(|row| row["source"] == source).count();
    assert_eq!(summary["sources"]["notes"]["documents"], of("notes"));
    assert_eq!(summary["sources"]["tales"]["documents"], of("tales"));
    assert!(summary["baseline"]["sources"]["notes"]["bpb"].as_f64().unwrap() > 0.0);
    assert_eq!(&fs::read_json::<Value>(&result.file("result.json")).unwrap(), summary);

    // Every token is in the histogram, and the documents at the ends have the greatest and the least scores.
    let losses: Value = fs::read_json(&result.file("losses.json")).unwrap();
    let counts = losses["token_losses"]["counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
    let tokens: u64 = rows.iter().map(|row| row["tokens"].as_u64().unwrap()).sum();
    assert_eq!(counts.sum::<u64>(), tokens);
    let by_score = |row: &&Value| row["bits_per_byte"].as_f64().unwrap();
    let worst = rows.iter().max_by(|a, b| by_score(a).total_cmp(&by_score(b))).unwrap();
    let best = rows.iter().min_by(|a, b| by_score(a).total_cmp(&by_score(b))).unwrap();
    for (row, found) in [(worst, &losses["worst"][0]), (best, &losses["best"][0])] {
        assert_eq!(found["bits_per_byte"], row["bits_per_byte"]);
        let ordinal = corpus.find(found["name"].as_str().unwrap()).unwrap();
        assert_eq!(corpus.id(ordinal), row["id"]);
        assert_eq!(found["text"], corpus.text(ordinal).unwrap().unwrap());
    }

    // Fewer documents are evenly spread; a full stride sees less and scores no better.
    let few = world.evaluate("max_documents = 3\nstride = 24", None).unwrap();
    assert_eq!(few.manifest.summary["documents"], 3);
    assert!(few.manifest.summary.get("baseline").is_none());
    let ids: Vec<Value> = self::rows(&few, "scores.jsonl").into_iter().map(|row| row["id"].clone()).collect();
    let n = rows.len();
    assert_eq!(ids, [0, n / 3, 2 * n / 3].map(|i| rows[i]["id"].clone()));
    let train = world.evaluate("split = \"train\"", None).unwrap();
    assert_eq!(train.manifest.summary["documents"], corpus.split(Split::Train).count());
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let world = World::new();
    let other = tokens(world.dir.path(), &world.corpus, "char");
    let inputs = |tokens| [("model", &world.model), ("corpus", &world.corpus), ("tokens", tokens)];
    let error = world.run(&EVALUATE, "", &inputs(&other)).unwrap_err();
    assert!(error.to_string().contains("a vocabulary of"), "{error}");
    assert!(error.hint().unwrap().contains("the tokenizer that the model was trained with"));
    let error = world.evaluate("stride = 25", None).unwrap_err();
    assert_eq!(error.to_string(), "`stride` is 25, but the model's context is 24");
    let error = world.run(&NGRAM, "sources = [\"tails\"]", &[("corpus", &world.corpus)]).unwrap_err();
    assert!(error.to_string().contains("`tails`"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("did you mean `tales`?"));

    // Tokens of the same tokenizer type over other documents.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(&elsewhere.path().join("a.txt"), b"some other words").unwrap();
    let config =
        "sources = [{ name = \"a\", path = \"a.txt\" }]\nfilter = { quality = \"none\" }\nvalidation = 0.0";
    let small = run_stage(find(regimen_corpus::STAGES, "corpus"), config, elsewhere.path(), &[], 0).unwrap();
    let foreign = tokens(elsewhere.path(), &small, "byte");
    let error = world.run(&EVALUATE, "", &inputs(&foreign)).unwrap_err();
    assert!(error.to_string().contains("`tokens` was not made from `corpus`"), "{error}");
    let all = [("model", &world.model), ("corpus", &small), ("tokens", &foreign)];
    let error = world.run(&EVALUATE, "", &all).unwrap_err();
    assert!(error.to_string().contains("\"validation\", of which the corpus has no document"), "{error}");
}

#[test]
fn an_imported_model_with_a_padded_vocabulary_is_scored_and_writes() {
    let world = World::new();
    let folder = world.dir.path().join("padded");
    let config = DecoderConfig::llama(300, CONTEXT, 1, 16, 2, 64);
    let (_, layout) = Decoder::with_layout(&config).unwrap();
    let params = Params::init(layout, 4);
    hf::export(&folder, &config, &params.layout, &params.data, Some(0), None, &Default::default()).unwrap();
    regimen_train::saved::copy_tokenizer(&world.model.path, &folder).unwrap();
    let import = find(regimen_train::STAGES, "import");
    let model = world.run(import, "folder = \"padded\"", &[]).unwrap();
    let inputs = [("model", &model), ("corpus", &world.corpus), ("tokens", &world.tokens)];
    let result = world.run(&EVALUATE, "", &inputs).unwrap();
    let saved = Saved::open(&model.path).unwrap();
    let corpus = Corpus::open(&world.corpus).unwrap();
    let held_out: Vec<u32> = corpus.split(Split::Validation).collect();
    for (row, &ordinal) in rows(&result, "scores.jsonl").iter().zip(&held_out) {
        let ids = saved.tokenizer.encode(corpus.text(ordinal).unwrap().unwrap()).unwrap();
        let expected = naive_nats(&saved, &ids);
        assert!((row["nats"].as_f64().unwrap() - expected).abs() < 1e-3 * expected, "{row}: {expected}");
    }
    let config = "samples = 3\nmax_tokens = 60\ntemperature = 1.5\ntop_p = 1.0\nignore_end = true";
    let written = rows(&world.run(&GENERATE, config, &[("model", &model)]).unwrap(), "samples.jsonl");
    let ids = |row: &Value| row["token_ids"].as_array().unwrap().clone();
    assert!(written.iter().flat_map(ids).all(|id| id.as_u64().unwrap() < 257));
    assert!(written.iter().all(|row| row["finish"] == "length"));
}

#[test]
fn the_baseline_can_leave_sources_out() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = documents(dir.path());
    let config = "sources = [\"notes\"]\ncontext_bytes = 1";
    let ngram = run_stage(&NGRAM, config, dir.path(), &[("corpus", &corpus)], 0).unwrap();
    let corpus = Corpus::open(&corpus).unwrap();
    let notes: Vec<u32> =
        corpus.split(Split::Train).filter(|&o| corpus.source_name(corpus.row(o).source) == "notes").collect();
    let bytes: usize = notes.iter().map(|&ordinal| corpus.bytes(ordinal).len()).sum();
    let summary = &ngram.manifest.summary;
    assert_eq!((&summary["documents"], &summary["bytes"]), (&json!(notes.len()), &json!(bytes)));
    assert_eq!(summary["context_bytes"], 1);
}

#[test]
fn texts_follow_from_the_seed() {
    let world = World::new();
    let config = "prompts = [\"red sun\", \"\"]\nsamples = 2\nmax_tokens = 20\nignore_end = true";
    let inputs = [("model", &world.model)];
    let first = world.run(&GENERATE, config, &inputs).unwrap();
    let written = rows(&first, "samples.jsonl");
    assert_eq!(written.len(), 4);
    assert_eq!((&written[0]["prompt"], &written[3]["prompt"]), (&json!("red sun"), &json!("")));
    assert!(
        written
            .iter()
            .all(|row| row["token_ids"].as_array().unwrap().len() == 20 && row["finish"] == "length")
    );
    assert!(written.iter().all(|row| row["logprobs"].as_array().unwrap().len() == 20));
    assert_ne!(written[0]["token_ids"], written[1]["token_ids"], "two samples of one prompt");
    assert_eq!(first.manifest.summary["samples"][1]["text"], written[1]["text"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let again = run_stage(&GENERATE, config, elsewhere.path(), &inputs, 7).unwrap();
    assert_eq!(again.manifest.payload, first.manifest.payload);
    let other = run_stage(&GENERATE, config, elsewhere.path(), &inputs, 8).unwrap();
    assert_ne!(other.manifest.payload, first.manifest.payload);

    let empty = world.run(&GENERATE, "max_tokens = 3", &inputs).unwrap();
    assert_eq!(rows(&empty, "samples.jsonl").len(), 1);
    for (config, field) in [
        ("top_p = 0.0", "top_p"),
        ("repetition_penalty = 0.0", "repetition_penalty"),
        ("stop = [\"\"]", "stop"),
    ] {
        let error = world.run(&GENERATE, config, &inputs).unwrap_err();
        assert!(format!("{error:?}").contains(field), "{error:?}");
    }
}

/// Asks to stop at the first sign of progress.
struct Impatient(Cancel);

impl Watch for Impatient {
    fn see(&mut self, record: &Record) {
        if matches!(record.event, Event::Progress { .. }) {
            self.0.ask();
        }
    }
}

#[test]
fn every_stage_can_be_stopped() {
    let world = World::new();
    let (model, corpus, tokens) = (&world.model, &world.corpus, &world.tokens);
    let all = [("model", model), ("corpus", corpus), ("tokens", tokens)];
    let cases: [(&'static StageKind, &str, &[(&str, &Artifact)]); 3] = [
        (&NGRAM, "", &[("corpus", corpus)]),
        (&EVALUATE, "split = \"train\"\nstride = 1", &all),
        (&GENERATE, "samples = 3", &[("model", model)]),
    ];
    for (kind, config, inputs) in cases {
        let recipe = recipe(kind, config, world.dir.path(), inputs, 1).unwrap();
        let store = Store::open(world.dir.path()).unwrap();
        let mut runner = Runner::new(&store, "test");
        let cancel = runner.cancel.clone();
        runner.watch = Box::new(move |_| Some(Box::new(Impatient(cancel.clone()))));
        let error = runner.run(&recipe, None).unwrap_err();
        assert!(is_interrupted(&error), "{}: {error:?}", kind.kind);
        // The same recipe again ends well.
        Runner::new(&store, "test").run(&recipe, None).unwrap();
    }
}
