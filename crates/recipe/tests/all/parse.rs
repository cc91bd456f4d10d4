//! What a recipe may say, and how errors in it look.

use regimen_recipe::*;
use serde_json::json;

use crate::toy::*;

#[test]
fn a_recipe_is_normalised_with_all_defaults_and_in_order() {
    let project = Project::new(RECIPE);
    // The same stages with the last first.
    let (head, rest) = RECIPE.split_once("[all]").unwrap();
    let (front, last) = rest.split_once("[counted]").unwrap();
    project.rewrite(&format!("{head}[counted]{last}\n[all]{front}"));
    let recipe = project.load(&[]);
    assert_eq!((recipe.name.as_str(), recipe.seed), ("toy", 17));
    assert_eq!(recipe.root, project.path().canonicalize().unwrap());
    let names: Vec<&str> = recipe.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["all", "mixed", "counted"]);
    assert_eq!(
        recipe.stages[0].config,
        json!({"sources": [{"name": "a", "path": "data/*.txt", "author": "human", "share": 1.0}], "limit": 0})
    );
    assert_eq!(
        recipe.stages[1].config,
        json!({"model": {"layers": 2, "heads": 4, "kv_heads": null}, "rate": 0.001, "share": 0.5, "tied": true,
               "prompts": []})
    );
    assert_eq!((recipe.stages[0].seed, recipe.stages[1].seed), (0, 17));
    assert_eq!(recipe.stages[1].inputs["text"], InputRef::Stage("all".into()));
    assert_eq!(recipe.upto(Some("mixed")).unwrap().len(), 2);
    assert_eq!(recipe.upto(Some("mixd")).unwrap_err().to_string(), "the recipe has no stage `mixd`");
}

#[test]
fn a_program_that_knows_some_kinds_reads_their_stages_alone() {
    const SOME: Registry = Registry(&[&[&GATHER]]);
    let project = Project::new(RECIPE);
    let whole = project.load(&[]);
    let some = Recipe::load_known(&project.recipe_path(), &SOME, &["all.limit=3".into()]).unwrap();
    assert_eq!((some.name.as_str(), some.stages.len()), ("toy", 1));
    assert_eq!((some.stages[0].name.as_str(), &some.stages[0].config["limit"]), ("all", &json!(3)));
    assert_eq!(some.stages[0].config["sources"], whole.stages[0].config["sources"]);
    assert!(Recipe::load(&project.recipe_path(), &SOME, &[]).is_err());
    let faulty = Recipe::load_known(&project.recipe_path(), &SOME, &["all.limits=3".into()]);
    assert!(faulty.unwrap_err().to_string().contains("limits"));
}

#[test]
fn headers_dotted_keys_and_arrays_of_tables_say_the_same() {
    let project = Project::new(RECIPE);
    let inline = project.load(&[]);
    project.rewrite(
        r#"
        name = "toy"
        seed = 17
        mixed.kind = "mix"
        mixed.text = "all"
        [mixed.model]
        layers = 2
        [counted]
        kind = "count"
        mix = "mixed"
        steps = 7
        [all]
        kind = "gather"
        [[all.sources]]
        name = "a"
        path = "data/*.txt"
        author = "human"
        "#,
    );
    let spread = project.load(&[]);
    for stage in &inline.stages {
        assert_eq!(spread.stage(&stage.name).unwrap().config, stage.config);
    }
}

#[test]
fn numbers_are_normalised_by_their_field_not_their_spelling() {
    let project = Project::new(RECIPE);
    let stage = |set: &str| project.load(&[set]).stages[1].config.clone();
    assert_eq!(stage("mixed.rate=1"), stage("mixed.rate=1.0"));
    assert!(stage("mixed.rate=1")["rate"].is_f64());
    assert_eq!(stage("mixed.share=-0.0")["share"].as_f64().unwrap().to_bits(), 0);
    assert_eq!(stage("mixed.model.heads=0x1_0")["model"]["heads"], 16);
}

#[test]
fn unknown_names_are_found_at_any_depth_with_their_place() {
    assert_eq!(
        complaint(&RECIPE.replace("steps", "stesp"), &[]),
        "unknown field `stesp` in stage `counted` (kind `count`)\n  in r.toml, line 16, column 1:\n    stesp = 7\n    \
         ^^^^^\nhint: did you mean `steps`?"
    );
    assert_eq!(
        complaint(&RECIPE.replace("layers", "layres"), &[]),
        "unknown field `layres` in `model` of stage `mixed` (kind `mix`)\n  in r.toml, line 11, column 11:\n    \
         model = { layres = 2 }\n              ^^^^^^\nhint: did you mean `layers`?"
    );
    let text = complaint(&RECIPE.replace("author", "autor"), &[]);
    assert!(text.starts_with("unknown field `autor` in `sources.0` of stage `all`"), "{text}");
    let text = complaint(&RECIPE.replace("text =", "txet ="), &[]);
    assert!(text.ends_with("hint: did you mean `text`?"), "{text}");
    let text = complaint(&RECIPE.replace("steps", "zzzzz"), &[]);
    assert!(text.ends_with("`touch`, `mix`, `kind`, `seed`"), "{text}");
}

#[test]
fn the_top_of_a_recipe_holds_name_seed_and_tables() {
    assert_eq!(
        complaint(&RECIPE.replace("seed = 17", "sede = 17"), &[]),
        "unknown field `sede` of the recipe\n  in r.toml, line 2, column 1:\n    sede = 17\n    ^^^^\nhint: did you \
         mean `seed`?"
    );
    let text = complaint(&RECIPE.replace("[mixed]", "[[mixed]]"), &[]);
    assert!(text.starts_with("the stage `mixed` must be one table, found a list"), "{text}");
    assert!(complaint("", &[]).starts_with("the recipe has no stages\n  in r.toml, line 1"));
    assert!(
        complaint(&RECIPE.replace("17", "-1"), &[])
            .starts_with("`seed` must be a whole number of at least 0, found -1")
    );
    assert!(complaint(&RECIPE.replace("\"toy\"", "3"), &[]).starts_with("`name` must be a text, found 3"));
    let text = complaint(&RECIPE.replace("[all]", "[\"../all\"]"), &[]);
    assert!(text.starts_with("`../all` cannot be the name of a stage"), "{text}");
}

#[test]
fn wrong_types_and_ranges_name_what_is_needed_and_what_was_found() {
    let of = |from: &str, to: &str| complaint(&RECIPE.replace(from, to), &[]);
    assert_eq!(
        of("layers = 2", "layers = 100"),
        "`model.layers` of stage `mixed` (kind `mix`) must be a whole number from 1 to 99, found 100\n  in r.toml, \
         line 11, column 20:\n    model = { layers = 100 }\n                       ^^^\n\
         hint: `regimen stages KIND` describes every field and its values"
    );
    for (from, to, message) in [
        ("steps = 7", "steps = \"many\"", "must be a whole number of at least 1, found the text \"many\""),
        ("steps = 7", "steps = 0", "must be a whole number of at least 1, found 0"),
        ("steps = 7", "steps = 1e2", "found 100.0\n"),
        ("steps = 7", "steps = [7]", "found a list"),
        ("steps = 7", "steps = 1979-05-27", "found the date 1979-05-27"),
        ("model = { layers = 2 }", "model = 3", "must be a table, found 3"),
        ("model = { layers = 2 }", "share = 1.5", "must be a number from 0 to 1, found 1.5"),
        ("model = { layers = 2 }", "rate = nan", "must be a number of at least 0, found NaN"),
        ("model = { layers = 2 }", "rate = inf", "found inf"),
        ("model = { layers = 2 }", "tied = 1", "must be true or false, found 1"),
        ("model = { layers = 2 }", "prompts = \"one\"", "must be a list of: a text"),
        ("model = { layers = 2 }", "prompts = [\"a\", 3]", "`prompts.1` of stage `mixed`"),
        ("\"human\"", "\"humna\"", "must be \"human\" | \"machine\" | \"unknown\", found the text \"humna\""),
        ("text = \"all\"", "text = 3", "must be the name of a stage, `key:...` or a path, found 3"),
        ("steps = 7", "steps = 99999999999999999999", "the number 99999999999999999999 does not fit 64 bits"),
    ] {
        let text = of(from, to);
        assert!(text.contains(message), "{text}");
        assert!(text.contains('^') && text.contains(to), "{text}");
    }
    assert!(of("steps = 7", "steps = 1e2").ends_with("hint: write `100`"));
    assert!(of("\"human\"", "\"humna\"").ends_with("hint: did you mean `human`?"));
    assert!(of("model = { layers = 2 }", "prompts = \"one\"").ends_with("hint: put it in `[` and `]`"));
}

#[test]
fn missing_fields_inputs_and_kinds_point_to_the_table() {
    assert_eq!(
        complaint(&RECIPE.replace("text = \"all\"\n", ""), &[]),
        "input `text` of stage `mixed` (kind `mix`) is missing\n  in r.toml, line 8, column 2:\n    [mixed]\n     \
         ^^^^^\nhint: add `text = \"all\"`"
    );
    let text = complaint(&RECIPE.replace("name = \"a\", ", ""), &[]);
    assert!(text.starts_with("`sources.0.name` of stage `all` (kind `gather`) is missing"), "{text}");
    assert!(text.contains("line 6, column 12:"), "{text}");
    assert!(text.ends_with("hint: add `name = ...`: a text (Name of the source)"), "{text}");
    let spread = "[all]\nkind = \"gather\"\n\n[[all.sources]]\nname = \"a\"\npath = \"data\"\n\n[[all.sources]]\nname = \
                  \"b\"\n";
    let text = complaint(spread, &[]);
    assert!(text.starts_with("`sources.1.path` of stage `all` (kind `gather`) is missing"), "{text}");
    assert!(text.contains("line 8, column"), "{text}");
    let text = complaint(&RECIPE.replace("kind = \"count\"\n", ""), &[]);
    assert!(text.starts_with("stage `counted` has no `kind`\n  in r.toml, line 13, column 2"), "{text}");
    assert!(
        text.ends_with("hint: add `kind = \"count\"`") || text.contains("one of gather, mix, count"),
        "{text}"
    );
    let text = complaint(&RECIPE.replace("kind = \"count\"", "kind = \"cuont\""), &[]);
    assert!(text.starts_with("unknown kind `cuont` of stage `counted`"), "{text}");
    assert!(text.ends_with("hint: did you mean `count`?"), "{text}");
}

#[test]
fn inputs_must_name_stages_of_the_right_kind_without_cycles() {
    let text = complaint(&RECIPE.replace("\"mixed\"", "\"mixd\""), &[]);
    assert!(
        text.starts_with("input `mix` of stage `counted` (kind `count`): there is no stage `mixd`"),
        "{text}"
    );
    assert!(text.ends_with("hint: did you mean `mixed`?"), "{text}");
    let text = complaint(&RECIPE.replace("\"mixed\"", "\"all\""), &[]);
    assert_eq!(
        text,
        "input `mix` of stage `counted` (kind `count`) takes kind mix or count, but `all` is of kind gather\n  in \
         r.toml, line 15, column 7:\n    mix = \"all\"\n          ^^^^^\nhint: name a stage of kind mix or count"
    );
    let text = complaint(&RECIPE.replace("text = \"all\"", "text = \"all\"\ninit = \"counted\""), &[]);
    assert!(text.starts_with("the stages wait for each other: mixed <- counted <- mixed\n"), "{text}");
    assert!(text.contains("init = \"counted\"\n           ^^^^^^^^^"), "{text}");
    let text = complaint(&RECIPE.replace("mix = \"mixed\"", "mix = \"counted\""), &[]);
    assert!(text.starts_with("the stages wait for each other: counted <- counted"), "{text}");
}

#[test]
fn a_stages_own_check_is_shown_at_its_field() {
    let text = complaint(&RECIPE.replace("layers = 2", "kv_heads = 3"), &[]);
    assert_eq!(
        text,
        "`model.kv_heads` of stage `mixed` (kind `mix`): 4 heads cannot share 3 heads of keys\n  in r.toml, line 11, \
         column 22:\n    model = { kv_heads = 3 }\n                         ^\nhint: use a divisor of 4"
    );
}

#[test]
fn what_is_no_toml_or_said_twice_is_shown_like_everything_else() {
    let text = complaint(&RECIPE.replace("steps = 7", "steps = "), &[]);
    assert!(text.contains("in r.toml, line 16, column"), "{text}");
    let text = complaint(&format!("{RECIPE}\n[all]\nkind = \"gather\"\n"), &[]);
    assert!(text.contains("duplicate key") && text.contains("line 18"), "{text}");
    let text = complaint(&RECIPE.replace("steps = 7", "steps = 7\nsteps = 8"), &[]);
    assert!(text.contains("duplicate key") && text.contains("line 17"), "{text}");
    let project = Project::new("");
    std::fs::write(project.recipe_path(), b"name = \"\xff\"").unwrap();
    assert!(project.try_load(&[]).unwrap_err().to_string().starts_with("cannot read `"));
    std::fs::remove_file(project.recipe_path()).unwrap();
    assert!(project.try_load(&[]).unwrap_err().to_string().ends_with("no such file or directory"));
}

#[test]
fn a_seed_for_a_stage_that_draws_nothing_is_refused_and_another_is_taken() {
    let text = complaint(&RECIPE.replace("[all]", "[all]\nseed = 3"), &[]);
    assert!(
        text.starts_with("stage `all` (kind `gather`) draws no random numbers and takes no `seed`"),
        "{text}"
    );
    let project = Project::new(RECIPE);
    assert_eq!(project.load(&["mixed.seed=3"]).stages[1].seed, 3);
    assert_eq!(project.load(&["seed=4"]).stages[1].seed, 4);
}

#[test]
fn sets_override_with_toml_or_plain_text() {
    let project = Project::new(RECIPE);
    let recipe = project.load(&[
        "counted.steps=100",
        " mixed.model.heads = 8 ",
        "mixed.prompts=[\"a\", \"b\"]",
        "name=other name",
        "all.sources=[{name = \"x\", path = 'data/one.txt'}]",
        // A text field takes what TOML reads as another type.
        "counted.touch=2024-01-01",
    ]);
    assert_eq!(recipe.name, "other name");
    assert_eq!(recipe.stages[0].config["sources"][0]["author"], "unknown");
    assert_eq!(recipe.stages[1].config["model"], json!({"layers": 2, "heads": 8, "kv_heads": null}));
    assert_eq!(recipe.stages[1].config["prompts"], json!(["a", "b"]));
    assert_eq!(recipe.stages[2].config["steps"], 100);
    assert_eq!(recipe.stages[2].config["touch"], "2024-01-01");
    // The last one counts.
    assert_eq!(project.load(&["counted.steps=1", "counted.steps=2"]).stages[2].config["steps"], 2);
}

#[test]
fn errors_in_sets_show_the_set() {
    assert_eq!(
        complaint(RECIPE, &["counted.steps=3", "mixed.model.layres=4"]),
        "unknown field `layres` in `model` of stage `mixed` (kind `mix`)\n  in --set:\n    mixed.model.layres=4\n                \
         ^^^^^^\nhint: did you mean `layers`?"
    );
    assert_eq!(
        complaint(RECIPE, &["counted.steps=many"]),
        "`steps` of stage `counted` (kind `count`) must be a whole number of at least 1, found the text \"many\"\n  \
         in --set:\n    counted.steps=many\n                  ^^^^\n\
         hint: `regimen stages KIND` describes every field and its values"
    );
    let text = complaint(RECIPE, &["cuonted.steps=3"]);
    assert!(
        text.starts_with("the recipe has no stage `cuonted`\n  in --set:\n    cuonted.steps=3\n    ^^^^^^^"),
        "{text}"
    );
    assert!(text.ends_with("hint: did you mean `counted`?"), "{text}");
    for (set, message) in [
        ("counted.steps", "a `--set` needs `=` and a value"),
        ("counted..steps=3", "a `--set` needs a name before each `.`"),
        ("=3", "a `--set` needs a name"),
        ("counted.steps.deep=3", "`steps` is not a table"),
        ("counted=3", "unknown field `counted` of the recipe"),
        ("name.x=3", "`name` is not a table"),
        ("counted.steps=", "found the text \"\""),
        ("counted.mix=nowhere", "there is no stage `nowhere`"),
    ] {
        let text = complaint(RECIPE, &[set]);
        assert!(text.starts_with(message) || text.contains(message), "{text}");
        assert!(text.contains("--set"), "{text}");
    }
}
