//! The first use: `new`, `train`, `recipe schema`, completions, man pages, help that fits, settings that cannot be read.

use std::path::Path;
use std::process::Command;

use crate::common::terminal::Terminal;
use crate::common::{Done, Project, data, each, files, list};

/// Documents in three formats, enough to train on.
fn texts(project: &Project, folder: &str) {
    let mut dice = data::Dice(3);
    for i in 0..30 {
        project.write(&format!("{folder}/deep/{i}.txt"), data::text(&mut dice, 90));
    }
    let rows: String = (0..20).map(|i| data::row(&format!("r{i}"), &data::text(&mut dice, 60))).collect();
    project.write(&format!("{folder}/rows.jsonl"), rows);
    project.write(&format!("{folder}/read me.md"), data::text(&mut dice, 80));
    project.write(&format!("{folder}/picture.png"), [137, 80, 78, 71, 0]);
}

/// A recipe with a model that is measured at once.
const SMALLER: [&str; 6] =
    ["--set", "base.model.layers=1", "--set", "base.model.width=48", "--set", "base.model.context=32"];

/// Every command, as the reference lists them.
fn commands(project: &Project) -> Vec<String> {
    let all = project.run(&["man", "--markdown"]).fine().stdout;
    let names = all.lines().filter_map(|line| line.strip_prefix("## regimen"));
    names.map(|name| name.trim().to_string()).collect()
}

#[test]
fn every_short_help_fits_on_24_lines_of_80_columns_and_the_first_page_on_40() {
    let project = Project::finished();
    let all = commands(project);
    assert!(all.len() > 30 && all.contains(&"corpus build".to_string()), "{all:?}");
    each(&all, |name| {
        let words: Vec<&str> = name.split_whitespace().collect();
        let help = |flag: &str, columns: &str| {
            let args: Vec<&str> = words.iter().copied().chain([flag]).collect();
            project.run_with(&args, &[("COLUMNS", columns)]).fine().stdout
        };
        let long = help("--help", "100");
        let (most, short) = if name.is_empty() { (40, long.clone()) } else { (24, help("-h", "80")) };
        // Only the usage is never cut; what is longer than the screen goes on in the next line.
        let lines: usize = short.lines().map(|line| line.chars().count().div_ceil(80).max(1)).sum();
        assert!(
            name.is_empty() && short.lines().count() <= most || lines <= most,
            "{name}: {lines} lines\n{short}"
        );
        if !name.is_empty() {
            let wide = short.lines().find(|line| line.chars().count() > 80 && !line.starts_with("Usage: "));
            assert_eq!(wide, None, "{name}:\n{short}");
            assert!(short.contains("--help"), "{name} does not say where more is:\n{short}");
        }
        // A group of commands has its examples in the commands.
        assert!(long.contains("Example") || long.contains("<COMMAND>"), "{name} shows no example:\n{long}");
    });
}

#[test]
fn every_template_makes_a_recipe_that_plan_accepts_at_once() {
    let project = Project::copy();
    texts(&project, "texts");
    let mut made = Vec::new();
    for template in ["base", "corpus", "continue"] {
        for size in ["tiny", "small", "medium", "2s"] {
            let name = format!("{template}-{size}");
            let mut args = vec!["new", &name, "--data", "texts", "--size", size, "--template", template];
            if template == "continue" {
                args.extend(["--from", "base"]);
            }
            let done = project.run(&args).fine();
            let file = format!("{name}.toml");
            assert_eq!(done.stdout, format!("{file}\n"));
            assert!(done.stderr.contains(&format!("plan {file}")), "{}", done.stderr);
            assert!(done.stderr.contains("passed over: 1 .png"), "{}", done.stderr);
            // A plan measures the model; the shapes themselves are measured where somebody waits for them.
            let small = template == "base" && size != "tiny";
            made.push((file, if small { &SMALLER[..] } else { &[] }));
        }
    }
    for (file, sets) in &made {
        let text = project.read(file);
        assert!(text.starts_with("# ") && !text.contains("{{"), "{text}");
        let args: Vec<&str> = ["plan", file, "--json"].iter().chain(*sets).copied().collect();
        let plan = project.run(&args).fine().json();
        let stages = plan["stages"].as_array().unwrap();
        assert!(stages.iter().any(|stage| stage["kind"] == "corpus"), "{plan}");
    }
    // What goes on from a model starts from its weights and keeps its vocabulary.
    let done = project.run(&[
        "run",
        "continue-tiny.toml",
        "--set",
        "base.steps=3",
        "--set",
        "base.schedule.warmup=1",
    ]);
    done.fine();
    let before = project.run(&["show", "before", "--json"]).fine().json()["summary"]["bpb"].as_f64().unwrap();
    let after = project.run(&["show", "after", "--json"]).fine().json()["summary"]["bpb"].as_f64().unwrap();
    assert!((before - after).abs() < 0.5 && before != after, "{before} {after}");
    project.run(&["corpus", "build", "corpus-tiny.toml"]).fine();
}

#[test]
fn new_overwrites_nothing_and_says_what_is_missing() {
    let project = Project::empty();
    texts(&project, "my texts");
    project.run(&["new", "a"]).refused(&["no data were named"]);
    project.run(&["new", "a", "--data", "nowhere"]).refused(&["`nowhere`"]);
    project
        .run(&["new", "a", "--data", "my texts", "--size", "huge"])
        .refused(&["'huge'", "tiny, small, medium"]);
    project
        .run(&["new", "a", "--data", "my texts", "--template", "bsae"])
        .refused(&["'bsae'", "base, corpus"]);
    project.run(&["new", "../a", "--data", "my texts"]).refused(&["`../a`"]);
    project.run(&["new", "no/a.toml", "--data", "my texts"]).refused(&["`no`"]);
    project.run(&["new", "a", "--data", "my texts", "--template", "continue"]).refused(&[]);
    assert_eq!(list(project.root()).len(), 2, "an error has written something");

    // The name is the data's if none is given.
    let done = project.run(&["new", "--data", "my texts", "--size", "tiny"]).fine();
    assert_eq!(done.stdout, "my-texts.toml\n");
    let text = project.read("my-texts.toml");
    project.write("my-texts.toml", "mine");
    project.run(&["new", "--data", "my texts"]).refused(&["`my-texts.toml`", "--force"]);
    assert_eq!(project.read("my-texts.toml"), "mine");
    let done = project.run(&["new", "--data", "my texts", "--size", "tiny", "--force", "--json"]).fine();
    assert_eq!(done.json()["recipe"], "my-texts.toml");
    assert_eq!(project.read("my-texts.toml"), text);
    // A folder of its own; paths in the recipe start from the project.
    project.write("recipes/.keep", "");
    project.run(&["new", "recipes/b.toml", "--data", "my texts", "--size", "tiny"]).fine();
    project.run(&["plan", "recipes/b.toml"]).fine();
}

#[test]
fn new_asks_three_questions_on_a_terminal() {
    let project = Project::empty();
    texts(&project, "texts");
    let mut terminal = Terminal::start(&project.command(&["new"]), 80, 24);
    terminal.shows("Which data?");
    terminal.keys("nowhere\r");
    terminal.shows("there is no folder `nowhere`");
    terminal.keys("texts\r");
    terminal.shows("How big?");
    terminal.keys("enormous\r");
    terminal.shows("write tiny, small, medium");
    terminal.keys("tiny\r");
    terminal.shows("What for?");
    terminal.keys("\r");
    terminal.shows("what to try next");
    assert!(terminal.ended().success());
    project.run(&["plan", "texts.toml"]).fine();
    assert!(project.read("texts.toml").contains("steps = 400"));

    // Ctrl-D instead of an answer writes nothing.
    std::fs::remove_file(project.path("texts.toml")).unwrap();
    let mut terminal = Terminal::start(&project.command(&["new", "--data", "texts"]), 80, 24);
    terminal.shows("How big?");
    terminal.keys("\u{4}");
    assert_eq!(terminal.ended().code(), Some(2));
    assert!(!project.path("texts.toml").exists());
}

#[test]
fn train_makes_a_model_of_a_folder_and_goes_on_where_it_stopped() {
    let project = Project::empty();
    texts(&project, "texts");
    let train = ["train", "texts", "--minutes", "0.02"];
    let dry = project.run(&["train", "texts", "--minutes", "0.02", "--dry-run"]).fine();
    assert!(dry.stdout.contains("[base]") && dry.stderr.contains("nothing was done"), "{}", dry.stderr);
    assert_eq!(list(project.root()).len(), 2, "a dry run has written something");

    // Killed in the middle, the same command goes on, with the recipe that is there: another measurement would make
    // another one.
    project.run_with(&train, &[("REGIMEN_FAULT", "kill@step:12")]).killed();
    let recipe = project.read("recipes/texts.toml");
    assert!(recipe.contains("# Made by: regimen train texts --minutes 0.02\n"), "{recipe}");
    let done = project.run(&train).fine();
    assert!(done.stdout.is_empty() && done.stderr.contains("is taken as it is"), "{}", done.stderr);
    for word in ["what to try next", "generate base", "trace step base", "report base", "it writes"] {
        assert!(done.stderr.contains(word), "`{word}` is not in:\n{}", done.stderr);
    }
    assert_eq!(project.read("recipes/texts.toml"), recipe);
    let steps = project.steps("base").len();
    assert!(recipe.contains(&format!("\nsteps = {steps} ")), "{steps} steps of\n{recipe}");
    let summary = project.run(&["show", "corpus", "--json"]).fine().json()["summary"].clone();
    assert!(summary["documents"]["validation"].as_f64().unwrap() > 0.0, "{summary}");
    project.run(&["generate", "base", "--prompt", "The people", "--max-tokens", "4"]).fine();
    assert!(project.run(&train).fine().stderr.contains("nothing was done"));

    // Another command does not write over it; `run` takes it as any other recipe.
    project.run(&["train", "texts", "--minutes", "3"]).refused(&[
        "`recipes/texts.toml`",
        "--recipe",
        "--force",
    ]);
    project.run(&["run", "recipes/texts.toml"]).fine();
    let done = project.run(&[
        "train",
        "texts",
        "--minutes",
        "0.02",
        "--recipe",
        "other.toml",
        "--dry-run",
        "--json",
    ]);
    assert_eq!(done.fine().json()["recipe"], "other.toml");
}

#[test]
fn train_refuses_what_it_cannot_learn_from() {
    let project = Project::empty();
    project.write("binary/a.bin", [0, 1, 2]);
    project.write("little/a.txt", "Too little.");
    project.write("false/a.txt", [0; 20_000]);
    project.write("rows/a.jsonl", format!("{{\"title\":\"a\",\"subject\":\"{}\"}}\n", "b".repeat(20_000)));
    std::fs::create_dir_all(project.path("empty/.hidden")).unwrap();
    project.write("empty/.hidden/a.txt", "x".repeat(20_000));
    let cases: [(&str, &[&str]); 6] = [
        ("nowhere", &["`nowhere`"]),
        ("empty", &["no files", "`empty`"]),
        ("binary", &["no text", "1 .bin", ".jsonl"]),
        ("little", &["11 B", "too little", "10.0 kB"]),
        ("false", &["a.txt", "zero bytes"]),
        ("rows", &["a.jsonl", "`text`", "subject, title"]),
    ];
    for (folder, words) in cases {
        project.run(&["train", folder]).refused(words);
        assert!(!project.path("recipes").exists());
    }
    project.run(&["train", "little", "--minutes", "0"]).refused(&["'0'", "minutes"]);
    project.run(&["train", "little", "--minutes", "NaN"]).refused(&["'NaN'"]);
}

#[test]
fn the_schema_is_json_that_names_its_draft() {
    let project = Project::empty();
    let schema = project.run(&["recipe", "schema"]).fine().json();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["additionalProperties"]["oneOf"].as_array().unwrap().len() > 5);
}

/// Whether a program is here; if not, that is said aloud.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no `{program}` here");
    }
    found
}

/// A line of a shell, which must go well.
fn shell(program: &str, args: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn shells_complete_the_command_line() {
    let project = Project::empty();
    for name in ["bash", "zsh", "fish", "powershell"] {
        let script = project.run(&["completions", name]).fine().stdout;
        for word in ["ledger", "verify", "dry-run"] {
            assert!(script.contains(word), "{name}: no `{word}`");
        }
        project.write(&format!("{name}.completions"), script);
    }
    let folder = project.root();
    if installed("bash") {
        shell("bash", &["-n", "bash.completions"], folder);
        let complete = |words: &str, at: usize| {
            let script = format!(
                "source bash.completions; COMP_WORDS=({words}); COMP_CWORD={at}; \
                 _regimen regimen \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{before}]}}\"; echo \"${{COMPREPLY[@]}}\"",
                before = at - 1
            );
            shell("bash", &["--norc", "-c", &script], folder)
        };
        assert_eq!(complete("regimen trai", 1).trim(), "train");
        assert_eq!(complete("regimen ledger ver", 2).trim(), "verify");
        assert!(complete("regimen train --dry", 2).contains("--dry-run"));
        assert_eq!(complete("regimen completions fi", 2).trim(), "fish");
    }
    if installed("zsh") {
        shell("zsh", &["-n", "zsh.completions"], folder);
    }
    if installed("fish") {
        shell("fish", &["--no-execute", "fish.completions"], folder);
        let line = "source fish.completions; complete --do-complete 'regimen trai'";
        assert!(shell("fish", &["-c", line], folder).contains("train"));
    }
}

#[test]
fn man_pages_render() {
    let project = Project::empty();
    let page = project.run(&["man", "corpus", "build"]).fine().stdout;
    assert!(page.contains(".TH regimen-corpus-build 1") && page.contains(".SH SYNOPSIS"), "{page}");
    let done = project.run(&["man", "--to", "man1"]).fine();
    let pages = files(&project.path("man1"));
    assert!(done.stderr.contains(&format!("{} man pages", pages.len())), "{}", done.stderr);
    assert_eq!(pages.len(), commands(&project).len());
    project.run(&["man", "corpus", "biuld"]).refused(&["`corpus biuld`", "`build`"]);
    project.run(&["man", "run", "x"]).refused(&["`run x`"]);
    for page in &pages {
        let text = project.read(&format!("man1/{page}"));
        assert!(text.contains(".TH ") && text.contains(".SH NAME"), "{page}");
    }
    if installed("man") && installed("groff") {
        each(&pages, |page| {
            let mut man = Command::new("man");
            man.args(["--warnings", "-l", page]).current_dir(project.path("man1")).env("MANPAGER", "cat");
            let output = man.env("MANWIDTH", "100").output().unwrap();
            let (text, said) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && text.contains("SYNOPSIS"), "{page}: {said}\n{text}");
        });
    }
}

#[test]
fn settings_that_cannot_be_read_are_no_settings_left_out() {
    let project = Project::empty();
    let folder = project.home().join("config/regimen");
    let config = |words: &[&str]| {
        project.run(&["config"]).refused(words);
    };
    // A link to itself cannot be read by anybody, not even by root.
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("regimen.toml");
    std::os::unix::fs::symlink("regimen.toml", &file).unwrap();
    config(&["config/regimen/regimen.toml"]);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    config(&["config/regimen/regimen.toml", "folder"]);
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, b"threads = \xff").unwrap();
    config(&["config/regimen/regimen.toml"]);
    std::fs::remove_file(&file).unwrap();
    // A file in the place of the folder holds no settings; nor does a folder that nobody may write to do harm.
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    project.run(&["config"]).fine();
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&file, "threads = 2\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    let done = project.run(&["config", "--origin"]).fine();
    assert!(done.stdout.contains("config/regimen/regimen.toml") || done.stdout.contains("REGIMEN_THREADS"));
    assert!(done.stderr.contains("config/regimen/regimen.toml: read"), "{}", done.stderr);
    mode(0o000);
    if std::fs::read(&file).is_err() {
        config(&["config/regimen/regimen.toml", "permission"]);
    } else {
        eprintln!("skipped: this user may read everything");
    }
    mode(0o755);
    // Without a home there is no file of the user.
    let mut bare = project.command(&["config", "--origin"]);
    bare.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    let done = Done::of(bare.spawn().unwrap()).fine();
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}
