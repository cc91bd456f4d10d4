//! Golden payloads: the bytes that a tiny recipe makes. Who changes them raises the stage's version and this table.

use std::collections::BTreeMap;

use crate::common::{Project, each};

/// Stages whose bytes depend on no processor.
const EXACT: [(&str, &str); 4] = [
    ("corpus", "c0fb0d1aa67894899a6ce13da20743f52105bad35436107fd11e189c6409a2d0"),
    ("tokenizer", "3fdcc89c2682788348e9a3123432d2b728a6b21d2bae8742bf783f25cadc5e70"),
    ("tokens", "d84a4d8bca9faaf24c2d01364ed83fd449af3623456e19f8a5727466eec38371"),
    ("ngram", "ec526ff1f61855c0ca4b15a39d27f03db355286a2c0d6f68acb1d0e887f5534f"),
];

/// What the model's payload is under an instruction set: `REGIMEN_ISA`, the
/// fingerprint behind the program's name and version, payloads of `base`, `evaluation` and `samples`.
const NUMERIC: [(&str, &str, [&str; 3]); 3] = [
    (
        "avx512",
        "avx512, glibc 2.36+fma",
        [
            "54e3ceb5433db99c60797c7d8098bfb4a00d8bfacc8fc1f695f7d3d3ea2ee3de",
            "9679919e338361c5c57fe71fd59f895a9f75170e56e51c157fb9ec6df8acee0e",
            "2dced3f5b22ab593c5ac039734363ed7336421a5f62fd74ce3f09e7d81a22a81",
        ],
    ),
    (
        "avx2",
        "avx2, glibc 2.36+fma",
        [
            "54e3ceb5433db99c60797c7d8098bfb4a00d8bfacc8fc1f695f7d3d3ea2ee3de",
            "9679919e338361c5c57fe71fd59f895a9f75170e56e51c157fb9ec6df8acee0e",
            "2dced3f5b22ab593c5ac039734363ed7336421a5f62fd74ce3f09e7d81a22a81",
        ],
    ),
    (
        "portable",
        "portable, glibc 2.36+fma",
        [
            "00d4d8100b02401ea6ed3cb5248b5ae3b48b2642f2be7561b4c9e13877528a32",
            "55a14144e655b10f03e4c6d08994c6c8b8dae02d15cd552bd47571e6b97e934a",
            "de5a7550fd11bb378d87a5c977a9e85079e6e734929764a7e4cfb0dce5285773",
        ],
    ),
];

/// Stage versions for which the tables above hold.
const VERSIONS: [(&str, u64); 7] = [
    ("corpus", 8),
    ("tokenizer", 1),
    ("tokens", 1),
    ("ngram", 1),
    ("pretrain", 4),
    ("evaluate", 5),
    ("generate", 4),
];

/// Stage name to payload, and the fingerprint without program and version.
fn made(project: &Project) -> (BTreeMap<String, String>, String) {
    let mut fingerprint = String::new();
    let mut payloads = BTreeMap::new();
    for dir in project.artifacts() {
        let text = std::fs::read_to_string(dir.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let stage = manifest["stage"].as_str().unwrap().to_string();
        if stage == "base" {
            let whole = manifest["fingerprint"].as_str().unwrap();
            fingerprint = whole.split_once(", ").expect("program, processor").1.into();
        }
        payloads.insert(stage, manifest["payload"].as_str().unwrap().to_string());
    }
    (payloads, fingerprint)
}

#[test]
fn payloads_are_those_of_the_table() {
    let project = Project::finished();
    let (payloads, _) = made(project);
    let versions = project.run(&["stages", "--json"]).fine().json();
    let version = |kind: &str| {
        versions.as_array().unwrap().iter().find(|stage| stage["kind"] == kind).unwrap()["version"]
            .as_u64()
            .unwrap()
    };
    for (kind, known) in VERSIONS {
        assert_eq!(version(kind), known, "the version of `{kind}` rose: renew the tables of this file");
    }
    for (stage, payload) in EXACT {
        assert_eq!(
            payloads[stage], payload,
            "`{stage}` makes other bytes than it did: raise the version of its stage, then renew this table"
        );
    }
}

#[test]
fn numeric_payloads_are_those_of_the_table_under_every_instruction_set() {
    each(&NUMERIC, |(isa, known, golden)| {
        let project = Project::before_base();
        project.run_with(&["run", "recipe.toml"], &[("REGIMEN_ISA", isa)]).fine();
        let (payloads, fingerprint) = made(&project);
        let found = ["base", "evaluation", "samples"].map(|stage| payloads[stage].as_str());
        if fingerprint != *known {
            eprintln!(
                "skipped: the golden payload is of `{known}`, this processor is `{fingerprint}`: {found:?}"
            );
            return;
        }
        assert_eq!(
            found, *golden,
            "training under `{fingerprint}` gives other bits than it did: raise the version of the stage, then renew \
             this table"
        );
    });
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let expected = Project::finished().payloads();
    for threads in ["2", "4"] {
        let project = Project::new();
        project.run(&["run", "recipe.toml", "--threads", threads]).fine();
        assert_eq!(project.payloads(), expected, "{threads} threads");
    }
}

#[test]
fn going_on_under_another_instruction_set_is_said() {
    let project = Project::before_base();
    let (_, here) = made(Project::finished());
    if here.starts_with("portable") {
        eprintln!("skipped: this processor has one instruction set");
        return;
    }
    project.fault("kill@step:23").killed();
    let done = project.run_with(&["run", "recipe.toml"], &[("REGIMEN_ISA", "portable")]).fine();
    assert!(done.stderr.contains("warning: ") && done.stderr.contains("portable"), "{}", done.stderr);
    let manifest = project.run(&["show", "base", "--json"]).fine().json();
    assert_eq!(manifest["bit_exact"], false);
    assert!(project.run(&["show", "base"]).fine().stdout.contains("not bit-exact"));
    // The numbers agree all the same.
    let loss =
        |p: &Project| p.run(&["show", "base", "--json"]).fine().json()["summary"]["loss"].as_f64().unwrap();
    assert!((loss(&project) - loss(Project::finished())).abs() < 1e-3);
}
