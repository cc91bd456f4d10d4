//! Models from Hugging Face folders: padded vocabularies, which files count, and their tokenizers.

use std::path::Path;

use crate::support::{config, kind, losses, train, world};
use regimen_base::{Failure, fs};
use regimen_infer::{Generator, Sampling};
use regimen_ledger::{Artifact, Store};
use regimen_models::{Decoder, DecoderConfig, hf};
use regimen_recipe::Plan;
use regimen_recipe::testing::{recipe, run_stage};
use regimen_tensor::Params;
use regimen_tokens::{TokenSet, Tokenizer};
use regimen_train::{Saved, saved};
use serde_json::{Value, json};

/// Ids behind those of the byte tokenizer.
const PADDING: usize = 7;

fn import(root: &Path, folder: &str) -> Result<Artifact, Failure> {
    run_stage(kind("import"), &format!("folder = \"{folder}\""), root, &[], 0)
}

/// A folder as `save_pretrained` leaves it: fresh weights for `vocab` ids, and the tokenizer of `tokens`.
fn folder(root: &Path, name: &str, tokens: &Artifact, vocab: usize) -> DecoderConfig {
    let config = DecoderConfig::llama(vocab, 24, 2, 16, 2, 64);
    let (_, layout) = Decoder::with_layout(&config).unwrap();
    let params = Params::init(layout, 9);
    let dir = root.join(name);
    hf::export(&dir, &config, &params.layout, &params.data, Some(0), None, &Default::default()).unwrap();
    saved::copy_tokenizer(&saved::tokenizer_dir(tokens).unwrap(), &dir).unwrap();
    config
}

/// Change a JSON file.
fn change(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut json: Value = fs::read_json(path).unwrap();
    edit(&mut json);
    fs::write_json(path, &json).unwrap();
}

#[test]
fn a_padded_vocabulary_is_taken_over_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let config = folder(dir.path(), "model", &tokens, 257 + PADDING);
    let model = import(dir.path(), "model").unwrap();
    let summary = &model.manifest.summary;
    assert_eq!((&summary["vocab"], &summary["tokenizer_vocab"]), (&json!(257 + PADDING), &json!(257)));
    let mut saved = Saved::open(&model.path).unwrap();
    assert_eq!((saved.config.vocab, saved.tokenizer.vocab_size()), (config.vocab, 257));
    // Rows of the tied output layer that would win every draw.
    saved.params.slice_mut(saved.decoder.embedding())[257 * 16..].iter_mut().for_each(|x| *x *= 1000.0);
    let generator = Generator::new(&saved.decoder, &saved.params, &saved.tokenizer);
    let sampling = Sampling { temperature: 1.0, ignore_end: true, max_tokens: 40, ..Sampling::default() };
    let written = generator.generate("river", &sampling, &mut |_| true).unwrap();
    assert!(written.token_ids.iter().all(|&id| id < 257), "{:?}", written.token_ids);
}

#[test]
fn a_tokenizer_larger_than_its_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    folder(dir.path(), "model", &tokens, 256);
    let failure = import(dir.path(), "model").unwrap_err();
    assert!(failure.to_string().contains("has 257 ids, but the model's vocab_size is 256"), "{failure}");
}

#[test]
fn the_uppermost_config_json_names_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    folder(dir.path(), "all/model", &tokens, 257);
    // Each of these sorts before the model's own files, and none of them is the model.
    folder(dir.path(), "all/model/a/checkpoint", &tokens, 300);
    fs::write(&dir.path().join("all/a.config.json"), b"{}").unwrap();
    fs::write(&dir.path().join("all/model/adapter_config.json"), b"{}").unwrap();
    fs::create_dir_all(&dir.path().join("all/a")).unwrap();
    fs::write(&dir.path().join("all/a/generation_config.json"), b"{}").unwrap();
    for name in ["all", "all/model"] {
        let model = import(dir.path(), name).unwrap();
        assert_eq!(model.manifest.summary["vocab"], 257, "{name}");
    }

    folder(dir.path(), "all/twin", &tokens, 257);
    let failure = import(dir.path(), "all").unwrap_err();
    assert!(failure.to_string().contains("all/model/config.json` and `all/twin/config.json"), "{failure}");
    std::fs::remove_dir_all(dir.path().join("all/twin")).unwrap();

    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        // The one of the checkpoint below does not fill the gap.
        let path = dir.path().join("all/model").join(name);
        let kept = fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        if name == "config.json" {
            std::fs::remove_dir_all(dir.path().join("all/model/a")).unwrap();
        }
        let failure = import(dir.path(), "all/model").unwrap_err();
        assert!(failure.to_string().contains(&format!(" no {name}")), "{failure}");
        assert!(failure.hint().is_some());
        fs::write(&path, &kept).unwrap();
    }
}

#[test]
fn tokens_can_be_made_with_an_imported_tokenizer_and_its_model_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let made = world(dir.path(), 40, |_, text| text);
    folder(dir.path(), "model", &made.tokens, 257 + PADDING);
    let model = import(dir.path(), "model").unwrap();
    let inputs = [("corpus", &made.corpus), ("tokenizer", &model)];
    let planned = recipe(kind("tokens"), "", dir.path(), &inputs, 0).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let forecast = Plan::make(&planned, &store, None, false).unwrap().stages.pop().unwrap().forecast;
    let (planned, bytes) = (forecast.facts["train_tokens"], forecast.facts["train_bytes"]);
    // A vocabulary of this size would have merges; that it has none is not known before.
    assert!(planned > 0.4 * bytes && planned < 0.8 * bytes, "{planned} tokens for {bytes} bytes");
    let tokens = run_stage(kind("tokens"), "", dir.path(), &inputs, 0).unwrap();
    assert_eq!(saved::tokenizer_dir(&tokens).unwrap(), model.path);
    let stream = |tokens: &Artifact| {
        let set = TokenSet::open(&tokens.path).unwrap();
        set.train().tokens(0..set.train().len()).unwrap()
    };
    assert_eq!(stream(&tokens), stream(&made.tokens));
    let inputs = [("tokens", &tokens), ("init", &model)];
    let trained = run_stage(kind("pretrain"), &config(5, ""), dir.path(), &inputs, 5).unwrap();
    let opened = Saved::open(&trained.path).unwrap();
    assert_eq!((opened.config.vocab, opened.tokenizer.vocab_size()), (257 + PADDING, 257));
    assert!(losses(dir.path(), &trained).iter().all(|(_, loss)| loss.is_finite()));

    // From nothing with the same tokens, the model has the tokenizer's ids.
    let fresh = train(dir.path(), &tokens, &config(2, "")).unwrap();
    assert_eq!(fresh.manifest.summary["vocab"], 257);
}

#[test]
fn a_tokenizer_that_was_only_written_anew_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let made = world(dir.path(), 40, |_, text| text);
    folder(dir.path(), "model", &made.tokens, 257);
    let path = dir.path().join("model/tokenizer.json");
    change(&path, |json| {
        json["truncation"] =
            json!({"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0});
    });
    let model = import(dir.path(), "model").unwrap();
    let own = saved::tokenizer_dir(&made.tokens).unwrap().join("tokenizer.json");
    assert_ne!(fs::read(&own).unwrap(), fs::read(&model.file("tokenizer.json")).unwrap());
    let (a, b) = (Tokenizer::load(&own).unwrap(), Tokenizer::load(&model.file("tokenizer.json")).unwrap());
    assert!(saved::same_tokenizer(&a, &b));
    let inputs = [("tokens", &made.tokens), ("init", &model)];
    run_stage(kind("pretrain"), &config(2, ""), dir.path(), &inputs, 5).unwrap();

    // Two bytes with each other's ids are another tokenizer.
    change(&path, |json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let (x, y) = (vocab["x"].clone(), vocab["y"].clone());
        (vocab["x"], vocab["y"]) = (y, x);
    });
    let other = import(dir.path(), "model").unwrap();
    assert!(!saved::same_tokenizer(&a, &Tokenizer::load(&other.file("tokenizer.json")).unwrap()));
    let inputs = [("tokens", &made.tokens), ("init", &other)];
    let failure = run_stage(kind("pretrain"), &config(2, ""), dir.path(), &inputs, 5).unwrap_err();
    assert!(failure.to_string().contains("`init`: its tokenizer is another one"), "{failure}");
}

#[test]
fn the_end_token_may_be_named_by_config_json_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    folder(dir.path(), "model", &tokens, 257);
    let at = |name: &str| dir.path().join("model").join(name);
    let text = fs::read_text(&at("tokenizer.json")).unwrap().replace("<|endoftext|>", "<|stop|>");
    fs::write(&at("tokenizer.json"), text.as_bytes()).unwrap();
    for config in [Some(json!({"model_max_length": 24})), None] {
        match config {
            Some(config) => fs::write_json(&at("tokenizer_config.json"), &config).unwrap(),
            None => std::fs::remove_file(at("tokenizer_config.json")).unwrap(),
        }
        let model = import(dir.path(), "model").unwrap();
        let tokenizer = Saved::open(&model.path).unwrap().tokenizer;
        assert_eq!((tokenizer.end_id(), tokenizer.end_token()), (0, "<|stop|>"));
        let config: Value = fs::read_json(&model.file("tokenizer_config.json")).unwrap();
        assert_eq!(config["eos_token"], "<|stop|>");
    }
    change(&at("config.json"), |json| json["eos_token_id"] = Value::Null);
    let failure = import(dir.path(), "model").unwrap_err();
    assert!(failure.to_string().contains("has no end token"), "{failure}");
    assert!(failure.hint().unwrap().contains("`eos_token` in tokenizer_config.json"));
}

#[test]
fn plans_know_a_model_before_it_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let config = folder(dir.path(), "model", &tokens, 257 + PADDING);
    let store = Store::open(dir.path()).unwrap();
    let plan = || {
        let recipe = recipe(kind("import"), "folder = \"model\"", dir.path(), &[], 0).unwrap();
        Plan::make(&recipe, &store, None, false)
    };
    let forecast = plan().unwrap().stages.remove(0).forecast;
    assert_eq!(forecast.parameters, config.parameters() as f64);
    assert_eq!(forecast.facts["vocab"], config.vocab as f64);
    // What cannot be imported is known before anything runs.
    std::fs::remove_file(dir.path().join("model/model.safetensors")).unwrap();
    let error = plan().unwrap_err();
    assert!(format!("{error:?}").contains("no model.safetensors"), "{error:?}");
}
