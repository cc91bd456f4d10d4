//! What moves a key, and what a plan says.

use regimen_base::{Hint, fs};
use regimen_recipe::*;
use serde_json::json;

use crate::toy::*;

#[test]
fn spelling_order_and_fields_outside_the_key_do_not_move_it() {
    let project = Project::new(RECIPE);
    let keys = project.keys(&[]);
    assert_eq!(keys.len(), 3);
    for same in [
        &["all.limit=0"][..],
        &["mixed.model.heads=4", "mixed.rate=1e-3", "mixed.tied=true"],
        &["mixed.prompts=[\"show this\"]", "counted.every=5", "counted.stop_at=99"],
        &["name=another"],
        &["mixed.seed=17"],
        &["all.sources=[{path='data', author='human', name='a'}]"],
    ] {
        assert_eq!(project.keys(same), keys, "{same:?}");
    }
    project.rewrite(&RECIPE.replace(" = ", "=").replace("[mixed]", "# a word\n[mixed] # more"));
    assert_eq!(project.keys(&[]), keys);
}

#[test]
fn everything_else_moves_the_key_and_those_behind_it() {
    let project = Project::new(RECIPE);
    let keys = project.keys(&[]);
    let moved = |sets: &[&str]| -> Vec<bool> {
        project.keys(sets).iter().zip(&keys).map(|(new, old)| new != old).collect()
    };
    assert_eq!(moved(&["all.limit=1"]), [true, true, true]);
    assert_eq!(moved(&["mixed.model.layers=3"]), [false, true, true]);
    assert_eq!(moved(&["mixed.model.kv_heads=2"]), [false, true, true]);
    assert_eq!(moved(&["seed=18"]), [false, true, true]);
    assert_eq!(moved(&["mixed.seed=18"]), [false, true, true]);
    assert_eq!(moved(&["counted.steps=8"]), [false, false, true]);
    fs::write(&project.path().join("data/one.txt"), b"One\n").unwrap();
    assert_eq!(moved(&[]), [true, true, true]);
    fs::write(&project.path().join("data/one.txt"), b"one\n").unwrap();
    assert_eq!(moved(&[]), [false, false, false]);
    std::fs::rename(project.path().join("data/one.txt"), project.path().join("data/1.txt")).unwrap();
    assert_eq!(moved(&[]), [true, true, true]);
}

#[test]
fn a_later_field_stays_out_of_the_manifest_while_it_has_its_default() {
    let project = Project::new(RECIPE);
    let config = |sets: &[&str]| project.run(sets).unwrap()[0].artifact.manifest.config.clone();
    let one = regimen_base::Hash256::of(b"one\n");
    let two = regimen_base::Hash256::of(b"two\n");
    let files = json!([{"path": "data/one.txt", "blake3": one}, {"path": "data/two.txt", "blake3": two}]);
    assert_eq!(config(&[]), json!({"sources": [{"name": "a", "author": "human", "path": files}]}));
    assert_eq!(config(&["all.limit=9"])["limit"], 9);
}

#[test]
fn a_default_may_follow_another_field() {
    let project = Project::new(RECIPE);
    let share = |author: &str, share: &str| {
        let sources = format!("all.sources=[{{path='data', name='a', author='{author}'{share}}}]");
        let config = &project.load(&[&sources]).stages[0].config;
        let keys = project.keys(&[&sources]);
        (config["sources"][0]["share"].as_f64().unwrap(), keys[0].clone())
    };
    assert_eq!(share("human", "").0, 1.0);
    assert_eq!(share("machine", "").0, 0.5);
    assert_eq!(
        share("machine", ", share=0.5"),
        share("machine", ""),
        "it stays out of the key as its own default"
    );
    assert_ne!(share("machine", ", share=1.0").1, share("machine", "").1);
    assert_eq!(share("human", ", share=1.0"), share("human", ""));
    assert_ne!(share("human", ", share=0.5").1, share("human", "").1);
}

/// The key of a fixed recipe: it changes only when the recipe's meaning does.
#[test]
fn a_golden_key() {
    let project = Project::new(RECIPE);
    let text = concat!(
        r#"{"config":{"sources":[{"author":"human","name":"a","path":[{"blake3":"ONE","path":"data/one.txt"},"#,
        r#"{"blake3":"TWO","path":"data/two.txt"}]}]},"inputs":{},"kind":"gather","seed":0,"version":1}"#
    );
    let text = text
        .replace("ONE", &regimen_base::Hash256::of(b"one\n").to_string())
        .replace("TWO", &regimen_base::Hash256::of(b"two\n").to_string());
    assert_eq!(project.keys(&[])[0], regimen_base::Hash256::of(text.as_bytes()).to_string());
}

#[test]
fn plans_tell_what_is_there_and_hand_facts_on() {
    let project = Project::new(RECIPE);
    let plan = |sets: &[&str]| Plan::make(&project.load(sets), &project.store(), None, false).unwrap();
    let states = |plan: &Plan| plan.stages.iter().map(|s| s.state).collect::<Vec<_>>();
    let first = plan(&[]);
    assert_eq!(states(&first), [State::Missing; 3]);
    assert_eq!(first.stages[0].forecast.disk, 8.0);
    assert_eq!(first.stages[1].forecast.tokens, 8.0, "the fact of a forecast");

    assert!(project.run(&["counted.stumble_at=6"]).is_err());
    let second = plan(&[]);
    assert_eq!(states(&second), [State::Cached, State::Cached, State::Partial(4)]);
    assert_eq!(second.stages[0].forecast.facts["parts.files"], 1.0);
    assert_eq!(second.stages[0].forecast.seconds, 0.0);
    let third = plan(&["mixed.rate=1"]);
    assert_eq!(states(&third), [State::Cached, State::Missing, State::Missing]);
    assert_eq!(third.stages[1].forecast.tokens, 8.0, "the fact of a summary");
    let until = Plan::make(&project.load(&[]), &project.store(), Some("mixed"), false).unwrap();
    assert_eq!(until.stages.len(), 2);
}

#[test]
fn patterns_without_files_are_refused_at_their_place() {
    let project = Project::new(&RECIPE.replace("data/*.txt", "daat/*.txt"));
    let error = Plan::make(&project.load(&[]), &project.store(), None, false).unwrap_err();
    assert_eq!(
        shown(&project, &error, error.hint()),
        "`sources.0.path` of stage `all`: no file fits `daat/*.txt`\n  in r.toml, line 6, column 33:\n    sources = \
         [{ name = \"a\", path = \"daat/*.txt\", author = \"human\" }]\n                                    \
         ^^^^^^^^^^^^\nhint: did you mean `data`?"
    );
    std::fs::create_dir(project.path().join("empty")).unwrap();
    project.rewrite(&RECIPE.replace("data/*.txt", "empty/"));
    let error = project.run(&[]).unwrap_err();
    assert!(error.to_string().contains("there are no files below the folder `empty/`"), "{error}");
}

#[test]
fn finished_artifacts_serve_as_inputs_by_key_and_by_path() {
    let project = Project::new(RECIPE);
    let done = project.run(&[]).unwrap();
    let mixed = &done[1].artifact;
    let digits = &mixed.key().to_string()[..10];
    let folder = format!(".regimen/artifacts/mix/{}", mixed.key());
    for input in [format!("key:{digits}"), folder, mixed.path.display().to_string()] {
        project.rewrite(&format!("[counted]\nkind = \"count\"\nseed = 17\nmix = \"{input}\"\nsteps = 7\n"));
        assert_eq!(project.keys(&[]), [done[2].key.to_string()], "{input}");
        assert!(project.run(&[]).unwrap()[0].cached);
    }
    let gathered = done[0].key.to_string();
    for (input, message) in [
        (format!("key:{gathered}"), "takes kind mix or count, but"),
        ("key:123456".into(), "no artifact is called `key:123456`"),
        ("no/folder".into(), "is not an artifact"),
        ("./data".into(), "is not an artifact"),
    ] {
        project.rewrite(&format!("[counted]\nkind = \"count\"\nmix = \"{input}\"\n"));
        let error = project.run(&[]).unwrap_err();
        assert!(error.to_string().starts_with("input `mix` of stage `counted`"), "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.to_string().contains("line 3, column 7"), "{error}");
    }
}
