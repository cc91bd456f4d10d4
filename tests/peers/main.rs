//! Models go to `transformers` and come back: same logits, same tokens, same greedy text.
//!
//! Trains tiny models with the real binary, exports them and has `hf_folder.py` open them; then opens what
//! `transformers` itself saved. Needs the peers that `tests/peers/setup.sh` installs; without them each test says that
//! it is skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod project;

use std::path::{Path, PathBuf};
use std::process::Command;

use project::{Project, logits, python};
use regimen_models::hf;
use regimen_train::Saved;
use serde_json::{Value, json};

/// Texts on which tokenizers go astray.
const TEXTS: &[&str] = &[
    "",
    " ",
    "The committee met.",
    "  two leading spaces, a trailing one ",
    "tabs\tand\r\nline ends\n\n\n and   runs   of    spaces",
    "it's we'll I'VE they'd don’t",
    "fn main() { let x_1 = vec![0u8; 16]; println!(\"{x:?}\"); } // done",
    "1234567890 3.14159 1e-10 0xFF 12,345.67 ½ ² ٣",
    "naïve café Ω ≈ ∑ Straße Ελληνικά русский 日本語 한국어 العربية हिन्दी",
    "e\u{301} versus é, ﬁ, a\u{a0}b, a\u{2003}b, zero\u{200b}width, \u{feff}mark",
    "👍🏽 👩‍👩‍👧 🇩🇪 \u{10ffff}",
    "null \u{0} byte, bell \u{7}, escape \u{1b}[0m",
    "<|endoftext|> and <0x41> and <unk> spelled out",
];
const PROMPTS: &[&str] = &["The committee", "In 19", "", "let x"];
const GREEDY_TOKENS: usize = 12;

#[test]
fn transformers_opens_what_is_exported() {
    let Some(python) = python() else { return };
    let project = Project::trained();
    let models: Vec<Value> = project::MODELS.iter().map(|(name, _)| describe_export(project, name)).collect();
    let job = project.write("job.json", &json!({"models": models}));
    run_python(&python, &["check", &job.display().to_string()]);
}

/// Export a model and say what `transformers` must find in the folder.
fn describe_export(project: &Project, name: &str) -> Value {
    let folder = project.path(&format!("exported/{name}"));
    let told = project.regimen(&["export", name, &folder.display().to_string(), "--json"]);
    let key = serde_json::from_str::<Value>(&told).unwrap()["key"].clone();
    let saved = project.saved(name);

    let (config, layout, params) = hf::import(&folder).unwrap();
    assert_eq!(
        (&config, &*layout),
        (&saved.config, &*saved.layout),
        "{name}: the folder describes another model"
    );
    assert_eq!(params.data, saved.params.data, "{name}: the folder holds other weights");
    let sequences = sequences(&saved);
    let found: Vec<_> = sequences.iter().map(|ids| logits(&saved, ids)).collect();
    let ids: Vec<_> = TEXTS.iter().map(|text| saved.tokenizer.encode(text).unwrap()).collect();
    json!({
        "name": name,
        "folder": folder,
        "key": key,
        "context": saved.config.context,
        "vocab": saved.config.vocab,
        "tied": saved.config.tied,
        "end_id": saved.tokenizer.end_id(),
        "sequences": sequences,
        "logits": found,
        "texts": TEXTS,
        "ids": ids,
        "greedy": greedy(project, name),
    })
}

/// Token sequences: real text, the whole vocabulary in some order, a single token, a full context.
fn sequences(saved: &Saved) -> Vec<Vec<u32>> {
    let (context, vocab) = (saved.config.context, saved.config.vocab as u32);
    let mut text = vec![saved.tokenizer.end_id()];
    text.extend(saved.tokenizer.encode("The committee met in 1957, and 12 members voted for it.").unwrap());
    text.truncate(context);
    let jumbled = (0..context as u32).map(|i| (i * 7919 + 13) % vocab).collect();
    let first = (0..3).map(|i| i % vocab).collect();
    vec![text, jumbled, vec![saved.tokenizer.end_id()], first, vec![vocab - 1; context / 2]]
}

/// What the program itself writes after some prompts, always taking the likeliest token.
fn greedy(project: &Project, name: &str) -> Vec<Value> {
    let many = GREEDY_TOKENS.to_string();
    let write = |prompt: &&str| {
        let args =
            ["generate", name, "--prompt", prompt, "--temperature", "0", "--max-tokens", &many, "--json"];
        let told: Value = serde_json::from_str(&project.regimen(&args)).unwrap();
        assert_eq!(told["truncated"], 0, "{name}: {prompt:?} does not fit");
        json!({"prompt": prompt, "ids": told["token_ids"], "logprobs": told["logprobs"], "text": told["text"]})
    };
    PROMPTS.iter().map(write).collect()
}

#[test]
fn what_transformers_saves_is_imported() {
    let Some(python) = python() else { return };
    let project = Project::trained();
    let tokenizers = ["bpe", "char", "byte"].map(|name| project.artifact(name).path);
    let out = project.path("theirs");
    let job = json!({
        "out": out,
        "tokenizers": tokenizers,
        "corpus": project.path("texts"),
        "texts": TEXTS,
        "prompts": PROMPTS,
        "tokens": GREEDY_TOKENS,
    });
    let job = project.write("make.json", &job);
    run_python(&python, &["make", &job.display().to_string()]);

    let made: Vec<Value> = serde_json::from_slice(&std::fs::read(out.join("made.json")).unwrap()).unwrap();
    assert_eq!(made.len(), 8);
    for theirs in &made {
        check_import(project, theirs);
    }
}

/// Import a model that `transformers` saved; its logits, tokens and greedy text must be what `transformers` found.
fn check_import(project: &Project, theirs: &Value) {
    let name = theirs["name"].as_str().unwrap();
    project.regimen(&["import", theirs["folder"].as_str().unwrap(), "--name", name]);
    let saved = project.saved(name);
    let sequences: Vec<Vec<u32>> = serde_json::from_value(theirs["sequences"].clone()).unwrap();
    let expected: Vec<Vec<Vec<f32>>> = serde_json::from_value(theirs["logits"].clone()).unwrap();
    let mut worst = 0.0f32;
    for (ids, expected) in sequences.iter().zip(&expected) {
        let found = logits(&saved, ids);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.len(), expected.len());
            let away = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Written so that a NaN fails as well.
            assert!(away <= 1e-4, "{name}: logits differ by {away}");
            worst = worst.max(away);
        }
    }
    eprintln!("{name} from transformers: {} sequences, logits within {worst:.1e}", sequences.len());
    for (text, ids) in TEXTS.iter().zip(theirs["ids"].as_array().unwrap()) {
        assert_eq!(json!(saved.tokenizer.encode(text).unwrap()), *ids, "{name}: tokens of {text:?}");
    }
    for (ours, theirs) in greedy(project, name).iter().zip(theirs["greedy"].as_array().unwrap()) {
        assert_eq!(ours["ids"], theirs["ids"], "{name}: greedy text after {}", theirs["prompt"]);
    }
}

/// Run `hf_folder.py`; what it says goes to the test's output.
fn run_python(python: &Path, args: &[&str]) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/hf_folder.py");
    let output = Command::new(python).arg(script).args(args).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "hf_folder.py {}:\n{said}", args[0]);
    eprint!("{said}");
}
