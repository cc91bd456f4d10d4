//! Every update rule trains, resumes to the same bits and can be extended; what does not fit is refused.

use std::path::Path;

use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;

use crate::support::{config, kind, losses, train, train_until, weights, world};

/// Each rule with rates for a model of a few thousand parameters and a run of a few dozen steps, and a variant.
const RULES: [&str; 7] = [
    "kind = \"adamw\", lr = 0.01",
    "kind = \"muon\", lr = 0.01",
    "kind = \"muon\", lr = 0.02, scale = \"original\", rest_rate = 0.5, nesterov = false",
    "kind = \"lion\", lr = 0.003",
    "kind = \"lion\", lr = 0.003, beta1 = 0.95, beta2 = 0.98",
    "kind = \"adafactor\", lr = 0.03",
    "kind = \"adafactor\", lr = 0.01, relative_step = false, weight_decay = 0.1",
];

/// Both kinds of feed-forward layer; the second has vectors and matrices of every sort.
const SHAPES: [&str; 2] =
    ["", ", norm = \"layer\", positions = \"learned\", mlp = \"gelu\", bias = true, tied = false"];

fn settings(steps: u64, rule: &str, shape: &str) -> String {
    let text = config(steps, &format!("optimizer = {{ {rule} }}\ncheckpoint = {{ every = 4 }}"));
    text.replace("context = 24", &format!("context = 24{shape}"))
}

#[test]
fn every_rule_lowers_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 40, |_, text| text).tokens;
    for (i, rule) in RULES.iter().enumerate() {
        let model = train(dir.path(), &tokens, &settings(40, rule, SHAPES[i % 2])).unwrap();
        let losses = losses(dir.path(), &model);
        let (first, last) = (losses[0].1, losses[39].1);
        assert!(last < first - 1.5, "{first} -> {last} with {rule}");
    }
}

/// The payload of each file of a model.
fn payloads(model: &Artifact) -> Vec<(String, String)> {
    let files = model.manifest.files.iter().filter_map(|f| Some((f.path.clone(), f.payload?.to_string())));
    files.collect()
}

#[test]
fn every_rule_resumes_to_the_same_bits() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worlds = [whole.path(), stopped.path()].map(|root| world(root, 30, |_, text| text).tokens);
    for (i, rule) in RULES.iter().enumerate() {
        let settings = settings(9, rule, SHAPES[(i + 1) % 2]);
        let reference = train(whole.path(), &worlds[0], &settings).unwrap();
        for step in [1, 4, 6] {
            assert!(train_until(stopped.path(), &worlds[1], &settings, step), "stops at step {step}");
        }
        let resumed = train(stopped.path(), &worlds[1], &settings).unwrap();
        assert_eq!(payloads(&reference), payloads(&resumed), "{rule}");
        assert_eq!(losses(whole.path(), &reference), losses(stopped.path(), &resumed), "{rule}");
    }
}

fn extend(
    root: &Path,
    tokens: &Artifact,
    from: &Artifact,
    settings: &str,
) -> Result<Artifact, regimen_base::Failure> {
    run_stage(kind("pretrain"), settings, root, &[("tokens", tokens), ("extend", from)], 5)
}

#[test]
fn every_rule_can_be_extended_and_not_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    for (i, rule) in RULES.iter().enumerate() {
        let shape = SHAPES[i % 2];
        let short = train(dir.path(), &tokens, &settings(4, rule, shape)).unwrap();
        let long = train(dir.path(), &tokens, &settings(9, rule, shape)).unwrap();
        let extended = extend(dir.path(), &tokens, &short, &settings(9, rule, shape)).unwrap();
        assert_eq!(weights(&long), weights(&extended), "{rule}");
        assert_eq!(payloads(&long), payloads(&extended), "{rule}");

        let name = short.manifest.config["optimizer"]["kind"].as_str().unwrap_or("adamw");
        let other = if name == "lion" { "muon" } else { "lion" };
        let failure =
            extend(dir.path(), &tokens, &short, &settings(9, &format!("kind = \"{other}\""), shape))
                .unwrap_err();
        let words = format!("trained with the optimizer {name}, this stage asks for {other}");
        assert!(failure.to_string().contains(&words), "{failure}");
        assert!(failure.hint().unwrap().contains(&format!("kind = \"{name}\"")));
        // Weights alone fit any rule.
        let inputs = [("tokens", &tokens), ("init", &short)];
        let settings = settings(1, &format!("kind = \"{other}\""), shape).replace("warmup = 1", "warmup = 0");
        run_stage(kind("pretrain"), &settings, dir.path(), &inputs, 5).unwrap();
    }
}

#[test]
fn the_key_of_adamw_names_no_rule() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 12, |_, text| text).tokens;
    let plain = train(dir.path(), &tokens, &config(2, "")).unwrap();
    let named = train(dir.path(), &tokens, &config(2, "optimizer = { kind = \"adamw\" }")).unwrap();
    assert_eq!(plain.key(), named.key());
    let known = serde_json::json!({
        "lr": 0.003, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1
    });
    assert_eq!(plain.manifest.config["optimizer"], known);
    let lion = train(dir.path(), &tokens, &config(2, "optimizer = { kind = \"lion\" }")).unwrap();
    assert_ne!(plain.key(), lion.key());
    assert_eq!(lion.manifest.config["optimizer"]["lr"], 0.0003);
}

#[test]
fn what_no_rule_knows_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 12, |_, text| text).tokens;
    let cases = [
        (
            "kind = \"adam\"",
            "`optimizer.kind` of stage `pretrain` (kind `pretrain`) must be",
            "did you mean `adamw`?",
        ),
        (
            "kind = \"mion\"",
            "`optimizer.kind` of stage `pretrain` (kind `pretrain`) must be",
            "did you mean `muon`?",
        ),
        ("kind = \"lion\", eps = 1e-6", "lion takes no `eps`", "adamw or muon or adafactor"),
        ("momentum = 0.9", "adamw takes no `momentum`", "set `optimizer.kind` to muon"),
        ("kind = \"muon\", momentun = 0.9", "unknown field `momentun`", "did you mean `momentum`?"),
        ("kind = \"muon\", momentum = 1.0", "must be below 1", "0.9 to 0.99"),
    ];
    for (rule, message, hint) in cases {
        let failure = train(dir.path(), &tokens, &settings(4, rule, "")).unwrap_err();
        assert!(failure.to_string().contains(message), "{rule}: {failure}");
        assert!(failure.hint().unwrap_or_default().contains(hint), "{rule}: {:?}", failure.hint());
    }
}
