//! What the commands print, and that `--json`, `--quiet` and exit codes mean the same everywhere.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::mask::{ended, shown};
use crate::common::{Project, STEPS, each};

#[test]
fn what_a_run_prints() {
    let project = Project::new();
    let mut all = shown(&project, &["plan", "recipe.toml"]);
    all += &shown(&project, &["run", "recipe.toml", "--until", "tokens"]);
    assert_eq!(project.artifacts().len(), 3);
    all += &shown(&project, &["plan", "recipe.toml"]);
    project.fault("kill@step:12").killed();
    all += &shown(&project, &["plan", "recipe.toml", "--until", "base"]);
    all += &shown(&project, &["run", "recipe.toml"]);
    all += &shown(&project, &["run", "recipe.toml"]);
    all += &shown(&project, &["plan", "recipe.toml", "--set", "base.steps=80"]);
    project.is_whole();
    insta::assert_snapshot!("run", all);
}

#[test]
fn plan_tells_what_is_there_and_what_the_rest_costs() {
    let project = Project::new();
    project.run(&["run", "recipe.toml", "--until", "tokens"]).fine();
    project.fault("kill@step:12").killed();
    let plan = project.run(&["plan", "recipe.toml", "--json"]).fine().json();
    let stage =
        |name: &str| plan["stages"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone();
    assert_eq!(stage("tokens")["state"], "cached");
    assert_eq!(stage("base")["state"], serde_json::json!({"partial": 10}));
    assert_eq!(stage("evaluation")["state"], "missing");
    for name in ["tokens", "parameters", "flops", "memory", "disk", "seconds"] {
        assert!(stage("base")["forecast"][name].as_f64().unwrap() > 0.0, "{name}: {}", stage("base"));
    }
    // What it forecast comes true.
    project.run(&["run", "recipe.toml"]).fine();
    let summary = project.run(&["show", "base", "--json"]).fine().json()["summary"].clone();
    assert_eq!(stage("base")["forecast"]["parameters"], summary["parameters"].as_f64().unwrap());
    let ratio = stage("base")["forecast"]["flops"].as_f64().unwrap() / summary["flops"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&ratio), "forecast / truth = {ratio}");
    // A plan makes nothing.
    let fresh = Project::new();
    fresh.run(&["plan", "recipe.toml"]).fine();
    assert!(fresh.artifacts().is_empty());
}

#[test]
fn what_is_shown_of_a_finished_project() {
    let project = Project::finished();
    let commands: [&[&str]; 11] = [
        &["runs"],
        &["show", "tokens"],
        &["show", "base"],
        &["lineage", "base"],
        &["ledger", "verify"],
        &["ledger", "rebuild"],
        &["trace", "doc", "letters:copy-of-3"],
        &["trace", "doc", "symbols"],
        &["trace", "step", "base", "3"],
        &["trace", "text", "zzzz qqqq is in no document at all"],
        &["stages"],
    ];
    let all: Vec<String> = commands.iter().map(|args| shown(project, args)).collect();
    insta::assert_snapshot!("shown", all.join("\n"));
    insta::assert_snapshot!("stages_pretrain", shown(project, &["stages", "pretrain"]));
    for stage in project.run(&["stages", "--json"]).fine().json().as_array().unwrap() {
        let done = project.run(&["stages", stage["kind"].as_str().unwrap()]).fine();
        let longest = done.stdout.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(longest.chars().count() <= 120, "{longest}");
    }
    // A run that is not finished has something to show as well.
    let stopped = Project::before_base();
    stopped.fault("kill@step:12").killed();
    let run = stopped.run_dir("base").file_name().unwrap().to_string_lossy().into_owned();
    let done = stopped.run(&["show", &run]).fine();
    assert!(done.stdout.contains("interrupted"), "{}", done.stdout);
    let step = |p: &Project| p.run(&["trace", "step", "base", "3", "--json"]).fine().json()["pieces"].clone();
    assert_eq!(step(&stopped), step(project), "a step of a run that was stopped");
}

#[test]
fn json_is_json_and_nothing_else_and_quiet_is_quiet() {
    let project = Project::copy();
    project.run(&["export", "base", "exported"]).fine();
    let commands: [&[&str]; 21] = [
        &["run", "recipe.toml"],
        &["run", "recipe.toml", "--set", "base.steps=6"],
        &["plan", "recipe.toml"],
        &["generate", "base", "--prompt", "The", "--max-tokens", "3"],
        &["trace", "doc", "letters:letter-3"],
        &["trace", "step", "base", "3"],
        &["trace", "text", "the people"],
        &["trace", "text", "zzzz qqqq is in no document at all"],
        &["runs"],
        &["show", "base"],
        &["lineage", "base"],
        &["ledger", "verify"],
        &["ledger", "rebuild"],
        &["report", "base"],
        &["export", "base", "again"],
        &["import", "exported"],
        &["stages"],
        &["stages", "corpus"],
        &["doctor"],
        &["config"],
        &["config", "--origin"],
    ];
    for args in commands {
        let args: Vec<&str> = args.iter().copied().chain(["--json", "--quiet"]).collect();
        let done = project.run(&args);
        assert!(matches!(done.code, Some(0 | 1)), "{args:?}: {}", done.stderr);
        assert!(done.stderr.is_empty(), "{args:?}: {}", done.stderr);
        assert!(done.json().is_object() || done.json().is_array(), "{args:?}");
    }
    // An error is said whatever.
    let done = project.run(&["show", "bsae", "--json", "--quiet"]).refused(&["`bsae`"]);
    assert!(done.stdout.is_empty());
    // Without `--json` a run says everything on stderr: stdout is for data.
    let done = project.run(&["run", "recipe.toml"]).fine();
    assert!(done.stdout.is_empty() && !done.stderr.is_empty());
}

#[test]
fn a_trace_from_document_to_step_and_back() {
    let project = Project::finished();
    let doc = |id: &str| project.run(&["trace", "doc", id, "--json"]).fine().json();
    let fate = doc("letters:letter-11");
    assert_eq!(doc("letter-11"), fate);
    assert_eq!(doc(&fate["key"].as_str().unwrap()[..9]), fate);
    let seen = fate["runs"][0]["seen"].as_array().unwrap();
    assert!(!seen.is_empty());
    for one in seen {
        let step = project.run(&["trace", "step", "base", &one["step"].to_string(), "--json"]).fine().json();
        let back = |piece: &&Value| piece["key"] == fate["key"] && piece["row"] == one["row"];
        assert!(
            step["pieces"].as_array().unwrap().iter().any(|piece| back(&piece)),
            "{one} is not in {step}"
        );
    }
    // And the other way, for every piece of a step: its text lies at its bytes, and a search finds it there.
    let step = project.run(&["trace", "step", "base", "7", "--json"]).fine().json();
    for piece in step["pieces"].as_array().unwrap() {
        let text = piece["text"].as_str().unwrap();
        let id = format!("{}:{}", piece["source"].as_str().unwrap(), piece["id"].as_str().unwrap());
        let steps: Vec<u64> = doc(&id)["runs"][0]["seen"]
            .as_array()
            .unwrap()
            .iter()
            .map(|seen| seen["step"].as_u64().unwrap())
            .collect();
        assert!(steps.contains(&7), "{id}: {steps:?}");
        if text.len() >= 16 {
            let found = project.run(&["trace", "text", text, "--json"]).fine().json();
            assert!(
                found["matches"].as_array().unwrap().iter().any(|m| m["key"] == piece["key"]),
                "{text}: {found}"
            );
        }
    }
    // Every copy of a text leads to the one that was learned.
    let copy = doc("letters:copy-of-3");
    assert_eq!((&copy["representative"], &copy["split"]), (&"letters:letter-3".into(), &Value::Null));
}

#[test]
fn a_copy_says_what_became_of_the_document_that_it_is_a_copy_of() {
    let project = Project::empty();
    let rows = "{\"id\":\"cat\",\"text\":\"A cat.\",\"metadata\":{\"url\":\"http://a.org/x\"}}\n\
                {\"id\":\"sea\",\"text\":\"Submarines.\",\"metadata\":{\"url\":\"http://a.org/x\"}}\n\
                {\"id\":\"copy\",\"text\":\"A cat.\"}\n{\"id\":\"other\",\"text\":\"A text that is longer than that.\"}\n";
    project.write("a.jsonl", rows);
    let told = |more: &str, id: &str| {
        let recipe = format!(
            "[corpus]\nkind = \"corpus\"\nfilter = {{ quality = \"none\" }}\ndedup_url = true\n{more}\n\
             sources = [{{ name = \"s\", path = \"a.jsonl\", author = \"human\", licence = \"MIT\" }}]\n"
        );
        project.write("r.toml", recipe);
        project.run(&["corpus", "build", "r.toml"]).fine();
        project.run(&["trace", "doc", id]).fine().stdout
    };
    assert!(
        told("validation = 0", "copy").contains("copy of  s:cat: its text is learned through that document")
    );
    let another = "copy of  s:cat: which is kept in the train split; its text is another one";
    assert!(told("validation = 0", "sea").contains(another));
    // Of a budget of one byte one document is left, which is not this one in one of the two.
    let mixed = ["cat", "other"].map(|id| told("validation = 0\nmix = { budget_bytes = 1 }", id));
    let copy = told("validation = 0\nmix = { budget_bytes = 1 }", "copy");
    assert_eq!(copy.contains("which was dropped itself, mixed_out"), mixed[0].contains("dropped  mixed_out"));
    assert!(mixed.iter().any(|told| told.contains("dropped  mixed_out")), "{mixed:?}");
    // Some of these are in the validation split.
    let rows = |word: &str| {
        (0..8).map(|i| format!("{{\"id\":\"{word}{i}\",\"text\":\"A cat {i}.\"}}\n")).collect::<String>()
    };
    project.write("a.jsonl", rows("first") + &rows("copy"));
    let mut both = [false; 2];
    for i in 0..8 {
        let first = told("validation = 0.5", &format!("first{i}"));
        let copy = told("validation = 0.5", &format!("copy{i}"));
        let held_back = first.contains("kept     in the validation split");
        both[usize::from(held_back)] = true;
        assert_eq!(copy.contains("which is kept in the validation split"), held_back, "{copy}");
        assert_eq!(copy.contains("is learned through"), !held_back, "{copy}");
    }
    assert_eq!(both, [true; 2]);
}

#[test]
fn a_trace_looks_into_the_corpus_that_a_name_was_last_used_for() {
    let project = Project::empty();
    for name in ["a", "b"] {
        project
            .write(&format!("{name}.jsonl"), format!("{{\"id\":\"{name}1\",\"text\":\"hello {name}\"}}\n"));
        let recipe = format!(
            "[corpus]\nkind = \"corpus\"\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n\
             sources = [{{ name = \"{name}\", path = \"{name}.jsonl\", author = \"human\", licence = \"MIT\" }}]\n"
        );
        project.write(&format!("{name}.toml"), recipe);
    }
    for recipe in ["a.toml", "b.toml", "a.toml"] {
        project.run(&["corpus", "build", recipe]).fine();
    }
    let found = project.run(&["trace", "text", "hello a", "--min", "7", "--json"]).fine().json();
    assert_eq!(found["matches"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(project.run(&["trace", "doc", "a:a1", "--json"]).fine().json()["id"], "a1");
    project.run(&["trace", "doc", "b:b1"]).refused(&["`b:b1`"]);
    project.run(&["corpus", "inspect", "corpus", "--size", "0"]).refused(&["--size"]);
}

#[test]
fn a_build_makes_corpora_alone() {
    let project = Project::new();
    project.run(&["corpus", "build", "recipe.toml", "--until", "tokens"]).refused(&["`tokens`", "no corpus"]);
    let made = project.run(&["runs"]).fine();
    assert!(made.stdout.is_empty(), "{}", made.stdout);
}

#[test]
fn a_trace_that_finds_nothing() {
    let project = Project::finished();
    for last in [0, STEPS + 1] {
        let step = last.to_string();
        project.run(&["trace", "step", "base", &step]).refused(&[&format!("step {step}"), "1 to 40"]);
    }
    let done = project.run(&["trace", "step", "corpus", "1"]).refused(&["`corpus`"]);
    assert!(!done.stderr.contains("1 to 0"), "{}", done.stderr);
    project.run(&["trace", "doc", "letters:lettr-3"]).refused(&["`letters:lettr-3`", "source and id"]);
    project.run(&["trace", "text", ""]).refused(&["text"]);
    let done = project.run(&["trace", "text", "zzzz qqqq is in no document at all"]);
    assert_eq!(done.code, Some(1), "a check that found nothing");
    let empty = Project::empty();
    empty.run(&["trace", "doc", "x"]).refused(&["no store"]);
    empty.run(&["generate", "base", "--prompt", "x"]).refused(&["no store"]);
    let runs = empty.run(&["runs"]).fine();
    assert!(runs.stdout.is_empty() && runs.stderr.contains("regimen run"), "{}", runs.stderr);
    assert!(!empty.root().join(".regimen").exists(), "looking makes nothing");
}

#[test]
fn one_seed_one_text() {
    let project = Project::finished();
    let write = |more: &[&str]| {
        let args = ["generate", "base", "--prompt", "The people", "--max-tokens", "24", "--json"];
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        project.run(&args).fine().stdout
    };
    let first = write(&["--seed", "3"]);
    assert_eq!(write(&["--seed", "3"]), first);
    assert_eq!(write(&["--seed", "3", "--threads", "2"]), first);
    assert_ne!(write(&["--seed", "4"]), first);
    let texts: BTreeSet<String> =
        (0..4).map(|seed| write(&["--temperature", "0", "--seed", &seed.to_string()])).collect();
    assert_eq!(texts.len(), 1, "greedy depends on no seed");

    let written: Value = serde_json::from_str(&first).unwrap();
    let (ids, logprobs) = (written["token_ids"].as_array().unwrap(), written["logprobs"].as_array().unwrap());
    assert!(!ids.is_empty() && ids.len() <= 24 && ids.len() == logprobs.len(), "{written}");
    assert!(ids.iter().all(|id| id.as_u64().unwrap() < 300));
    assert!(logprobs.iter().all(|p| p.as_f64().unwrap() <= 0.0));
    let text = written["text"].as_str().unwrap();
    // What streams is what JSON holds.
    let args = ["generate", "base", "--prompt", "The people", "--max-tokens", "24", "--seed", "3"];
    assert_eq!(project.run(&args).fine().stdout.trim_end_matches('\n'), text.trim_end_matches('\n'));
}

#[test]
fn a_prompt_from_stdin_and_texts_that_stop() {
    let project = Project::finished();
    let args = ["generate", "base", "--max-tokens", "40", "--json"];
    let piped = project.run_on(&args, b"The people\n").fine().json();
    assert_eq!(piped["prompt"], "The people");
    let typed = project.run(&[&args[..], &["--prompt", "The people"]].concat()).fine().json();
    assert_eq!(piped, typed);
    project.run_on(&args, b"\xff").refused(&["stdin", "UTF-8"]);

    let whole = typed["text"].as_str().unwrap();
    let stop = whole.chars().nth(whole.chars().count() / 2).unwrap().to_string();
    let stopped =
        project.run(&[&args[..], &["--prompt", "The people", "--stop", &stop]].concat()).fine().json();
    assert_eq!(stopped["text"].as_str().unwrap(), &whole[..whole.find(&stop).unwrap()]);
    assert_eq!(stopped["finish"], "stop");
    let plain = ["generate", "base", "--max-tokens", "40", "--prompt", "The people", "--stop", &stop];
    assert!(!project.run(&plain).fine().stdout.contains(&stop));

    // A prompt longer than the context keeps its end, and says so.
    let long = "The people of the union. ".repeat(20);
    let done = project.run(&["generate", "base", "--max-tokens", "4", "--prompt", &long]).fine();
    assert!(done.stderr.contains("context is 32"), "{}", done.stderr);
    // No prompt at all begins a document.
    project.run_on(&args, b"").fine();
}

#[test]
fn sampling_values_that_make_no_sense() {
    let project = Project::finished();
    let cases = [
        ("--temperature=-1", "temperature"),
        ("--temperature=nan", "temperature"),
        ("--temperature=inf", "temperature"),
        ("--top-p=0", "top_p"),
        ("--top-p=1.5", "top_p"),
        ("--min-p=-0.1", "min_p"),
        ("--min-p=2", "min_p"),
        ("--repetition-penalty=0", "repetition_penalty"),
        ("--max-tokens=0", "max_tokens"),
        ("--stop=", "stop"),
    ];
    each(&cases, |(flag, field)| {
        let value = flag.split_once('=').unwrap().1.replace("nan", "NaN");
        project.run(&["generate", "base", "--prompt", "x", flag]).refused(&[&format!("`{field}`"), &value]);
    });
    project.run(&["generate", "corpus", "--prompt", "x"]).refused(&["`corpus`", "not a model"]);
}

#[test]
fn a_report_is_one_offline_page() {
    let project = Project::finished();
    let page = std::fs::read_to_string(project.run_dir("base").join("report.html")).unwrap();
    for word in ["<script src", "<link", "<iframe", "src=\"http", "url(", "@import", "https:"] {
        assert!(!page.contains(word), "`{word}` is in the page");
    }
    assert!(page.contains("default-src &#39;none&#39;"));
    // The training logs its layers, the evaluation its losses, and the corpus knows whose tokens were seen.
    for word in ["Gradient norm by layer", "Update-to-weight ratio", "layer 1", "Loss of single tokens"] {
        assert!(page.contains(word), "`{word}` is not in the page");
    }
    for word in ["Hardest documents", "regimen trace doc", "Tokens seen, by licence", "Lineage graph"] {
        assert!(page.contains(word), "`{word}` is not in the page");
    }
    for word in ["<svg", "letters", "CC0-1.0", "machine", "The people", "regimen run recipe.toml", "base"] {
        assert!(page.contains(word), "`{word}` is not in the page");
    }
    let project = Project::copy();
    let done = project.run(&["report", "base", "-o", "pages/new/base.html"]).fine();
    assert!(done.stdout.trim_end().ends_with("pages/new/base.html"));
    assert!(project.path("pages/new/base.html").is_file());
    project.run(&["report", "base", "-o", "."]).refused(&["`.`", "report.html"]);
    let run = project.run_dir("corpus").file_name().unwrap().to_string_lossy().into_owned();
    project.run(&["report", &run]).fine();
    let done = project.run(&["report", "base", "--against", &run]).fine();
    let both = std::fs::read_to_string(done.stdout.trim_end()).unwrap();
    assert!(both.contains("are of different kinds, pretrain and corpus"));
    project.run(&["report", "base", "--against", "base"]).refused(&["the same run", "regimen runs"]);
    project.run(&["report", "base", "--against", "bsae"]).refused(&["`bsae`", "`base`"]);
    let left: Vec<String> =
        crate::common::files(project.root()).into_iter().filter(|f| f.contains("tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_model_goes_out_and_comes_back() {
    let project = Project::copy();
    project.run(&["export", "base", "out"]).fine();
    let found = crate::common::files(&project.path("out"));
    let names = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(found, names);
    let head = std::fs::read(project.path("out/model.safetensors")).unwrap();
    let head = String::from_utf8_lossy(&head[8..400]).into_owned();
    let key = project.artifact("pretrain").file_name().unwrap().to_string_lossy().into_owned();
    assert!(head.contains("\"format\":\"pt\"") && head.contains(&key), "{head}");
    project.run(&["export", "base", "out"]).refused(&["`out`", "not empty"]);
    project.run(&["export", "corpus", "out2"]).refused(&["`corpus`", "not a model"]);
    assert!(!project.path("out2").exists());

    project.run(&["import", "out", "--name", "back"]).fine();
    assert!(project.run(&["import", "out", "--name", "back"]).fine().stdout.contains("was there already"));
    let write = |model: &str| {
        let args = ["generate", model, "--prompt", "The people", "--max-tokens", "16", "--seed", "2"];
        project.run(&args).fine().stdout
    };
    assert_eq!(write("back"), write("base"));
    project.run(&["ledger", "verify"]).fine();

    project.run(&["import", "nowhere"]).refused(&["`nowhere`"]);
    project.run(&["import", "data"]).refused(&["`data`", "config.json"]);
    for (file, content) in
        [("config.json", "{"), ("config.json", "{\"model_type\":\"mamba\"}"), ("model.safetensors", "x")]
    {
        let kept = std::fs::read(project.path("out").join(file)).unwrap();
        project.write(&format!("out/{file}"), content);
        project.run(&["import", "out", "--name", "broken"]).refused(&["out"]);
        project.write(&format!("out/{file}"), kept);
    }
    std::fs::remove_file(project.path("out/tokenizer.json")).unwrap();
    project.run(&["import", "out", "--name", "broken"]).refused(&["tokenizer.json"]);
    assert!(crate::common::list(&project.path(".regimen/artifacts/import")).len() == 1);
}

#[test]
fn doctor_looks_at_the_machine() {
    let project = Project::finished();
    let done = project.run(&["doctor"]);
    for name in ["processor", "threads", "memory", "disk", "store", "7 artifacts, 7 runs"] {
        assert!(done.stdout.contains(name), "{}", done.stdout);
    }
    // Nothing of it is talk, and what it would change it says how.
    assert!(done.stderr.is_empty());
    assert_eq!(done.code == Some(1), done.stdout.contains("hint: "), "{}", done.stdout);
    let many = project.run(&["doctor", "--threads", "900"]);
    assert_eq!(many.code, Some(1));
    assert!(many.stdout.contains("more threads than cores"), "{}", many.stdout);
    let damaged = Project::copy();
    std::fs::remove_file(damaged.artifact("corpus").join("manifest.json")).unwrap();
    let done = damaged.run(&["doctor"]);
    assert!(done.code == Some(1) && done.stdout.contains("hint: "), "{}", ended(&damaged, &done));
}

#[test]
fn a_project_is_found_from_anywhere_in_it() {
    let project = Project::finished();
    let mut command = project.command(&["runs", "--json"]);
    command.current_dir(project.path("data/notes"));
    let inside = crate::common::Done::of(command.spawn().unwrap()).fine();
    let mut command =
        project.command(&["runs", "--json", "--project", &project.root().display().to_string()]);
    command.current_dir("/");
    let outside = crate::common::Done::of(command.spawn().unwrap()).fine();
    assert_eq!(inside.json().as_array().unwrap().len(), 7);
    assert_eq!(inside.stdout, outside.stdout);
    // A recipe belongs to its own project, wherever it is run from.
    let mut command = project.command(&["run", &project.path("recipe.toml").display().to_string()]);
    command.current_dir("/");
    let run = crate::common::Done::of(command.spawn().unwrap()).fine();
    assert!(run.stderr.contains("nothing was done"), "{}", run.stderr);
}
