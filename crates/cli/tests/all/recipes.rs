//! Recipes and overrides that are wrong: file, line, column, a caret, and what to write instead.

use crate::common::mask::ended;
use crate::common::{Project, RECIPE};

/// The test recipe with one thing replaced.
fn broken(from: &str, to: &str) -> String {
    assert_eq!(RECIPE.matches(from).count(), 1, "`{from}` must be there once");
    RECIPE.replace(from, to)
}

/// Run and plan refuse a recipe alike, before anything is made.
#[track_caller]
fn refused(recipe: &str, args: &[&str], words: &[&str]) -> String {
    let project = Project::new();
    project.write("recipe.toml", recipe);
    let mut shown = String::new();
    for command in ["run", "plan"] {
        let args: Vec<&str> = [command, "recipe.toml"].iter().chain(args).copied().collect();
        let done = project.run(&args).refused(words);
        assert!(done.stderr.contains('^'), "no caret:\n{}", done.stderr);
        assert!(!project.path(".regimen/artifacts").exists() || project.artifacts().is_empty());
        shown = ended(&project, &done);
    }
    shown
}

#[test]
fn each_mistake_is_shown_where_it_is() {
    let cases = [
        refused(
            &broken("steps = 40", "stesp = 40"),
            &[],
            &["recipe.toml, line 32, column 1", "`stesp`", "`steps`"],
        ),
        refused(&broken("layers = 2", "layer = 2"), &[], &["line 34", "`layer`", "did you mean `layers`?"]),
        refused(&broken("kind = \"pretrain\"", "kind = \"pretrian\""), &[], &["`pretrian`", "`pretrain`"]),
        refused(&broken("kind = \"pretrain\"\n", ""), &[], &["`base`", "`kind`"]),
        refused(
            &broken("tokens = \"tokens\"\nsteps", "tokens = \"tokesn\"\nsteps"),
            &[],
            &["`tokesn`", "`tokens`"],
        ),
        refused(
            &broken("tokens = \"tokens\"\nsteps", "tokens = \"ngram\"\nsteps"),
            &[],
            &["`tokens`", "`ngram`"],
        ),
        refused(&broken("tokens = \"tokens\"\nsteps", "steps"), &[], &["`tokens`", "`base`"]),
        refused(&broken("steps = 40", "steps = \"many\""), &[], &["`steps`", "\"many\""]),
        refused(&broken("steps = 40", "steps = 0"), &[], &["`steps`", "0"]),
        refused(&broken("lr = 0.01", "lr = 0.0"), &[], &["`optimizer.lr`", "above 0"]),
        refused(&broken("heads = 2", "heads = 3"), &[], &["`model.heads`", "3", "32"]),
        refused(&broken("warmup = 4", "warmup = 40"), &[], &["`schedule.warmup`", "40"]),
        refused(
            &broken("steps = 40", "steps = 40\ndevice = \"cuda\""),
            &[],
            &["`device`", "\"cuda\"", "cpu"],
        ),
        refused(&broken("steps = 40", "steps = 40\ninit = \"base\""), &[], &["base <- base"]),
        refused(&broken("[samples]", "[samples"), &[], &["recipe.toml, line 48"]),
        refused(&broken("steps = 40", "steps = 40\nsteps = 41"), &[], &["recipe.toml, line 33"]),
        refused(&broken("seed = 5", "seed = -5"), &[], &["`seed`", "-5"]),
        refused(&broken("seed = 5", "sede = 5"), &[], &["`sede`", "`seed`"]),
        refused(&broken("licence = \"CC0-1.0\"", "licence = \"apache 2\""), &[], &["`Apache-2.0`"]),
        refused(
            &broken("author = \"human\", licence = \"CC0-1.0\"", "author = \"humna\""),
            &[],
            &["\"humna\"", "human"],
        ),
        refused(&broken("name = \"notes\"", "name = \"letters\""), &[], &["`letters`"]),
        refused("", &[], &["no stages"]),
    ];
    insta::assert_snapshot!("mistakes", cases.join("\n"));
}

#[test]
fn cycles_are_named() {
    let cycle = RECIPE.replace("steps = 40", "steps = 40\ninit = \"later\"")
        + "\n[later]\nkind = \"pretrain\"\ntokens = \"tokens\"\nsteps = 5\ninit = \"base\"\n\
           schedule = { warmup = 0 }\nmodel = { layers = 2, width = 32, heads = 2, context = 32 }\n";
    refused(&cycle, &[], &["base <- later <- base"]);
}

#[test]
fn overrides_that_fit_nothing() {
    let cases = [
        refused(RECIPE, &["--set", "base.stesp=3"], &["--set", "`stesp`", "`steps`"]),
        refused(RECIPE, &["--set", "bsae.steps=3"], &["--set", "`bsae`", "`base`"]),
        refused(RECIPE, &["--set", "base"], &["--set", "--set base.steps=100"]),
        refused(RECIPE, &["--set", "base.steps=-3"], &["--set", "`steps`", "-3"]),
        refused(RECIPE, &["--set", "base.model.width=\"wide\""], &["--set", "`model.width`", "\"wide\""]),
        refused(RECIPE, &["--set", "base.steps="], &["--set"]),
    ];
    insta::assert_snapshot!("overrides", cases.join("\n"));
}

#[test]
fn an_unknown_last_stage() {
    let project = Project::finished();
    for command in ["run", "plan"] {
        project
            .run(&[command, "recipe.toml", "--until", "bsae"])
            .refused(&["`bsae`", "did you mean `base`?"]);
    }
}

#[test]
fn a_recipe_that_is_not_there() {
    let project = Project::finished();
    for command in ["run", "plan"] {
        let done = project.run(&[command, "nope.toml"]).refused(&["`nope.toml`", "no such file"]);
        assert!(!done.stderr.contains("os error"), "the reason is there twice:\n{}", done.stderr);
        project.run(&[command, "data"]).refused(&["`data`", "folder"]);
    }
    let binary = Project::empty();
    binary.write("recipe.toml", b"\xff\xfe\x00");
    binary.run(&["run", "recipe.toml"]).refused(&["recipe.toml"]);
}

#[test]
fn an_input_that_no_store_holds() {
    let project = Project::copy();
    project.write("recipe.toml", broken("tokens = \"tokens\"\nsteps", "tokens = \"key:abcdef12\"\nsteps"));
    project.run(&["run", "recipe.toml"]).refused(&["recipe.toml, line 31", "`tokens`", "`key:abcdef12`"]);
    project.write("recipe.toml", broken("tokens = \"tokens\"\nsteps", "tokens = \"some/folder\"\nsteps"));
    project.run(&["run", "recipe.toml"]).refused(&["recipe.toml, line 31", "`tokens`", "some/folder"]);
}
