//! Help, typing errors, settings: what the command line says of itself.

use std::process::Stdio;

use crate::common::mask::{ended, shown};
use crate::common::{Done, Project, each};

/// Every command that has a help text.
const COMMANDS: [&str; 27] = [
    "",
    "run",
    "plan",
    "generate",
    "trace",
    "trace doc",
    "trace step",
    "trace text",
    "watch",
    "runs",
    "runs tag",
    "runs note",
    "runs diff",
    "runs export",
    "runs rm",
    "show",
    "lineage",
    "ledger",
    "ledger verify",
    "ledger rebuild",
    "ledger gc",
    "ledger export",
    "ledger import",
    "report",
    "export",
    "import",
    "stages",
];

#[test]
fn every_help_fits_on_a_screen_and_shows_examples() {
    let project = Project::finished();
    let mut all = String::new();
    for command in COMMANDS.iter().chain(&["doctor", "config"]) {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let done = project.run(&args).fine();
        assert!(done.stderr.is_empty());
        let lines = done.stdout.lines().count();
        assert!(lines <= 40, "{command}: {lines} lines");
        assert!(done.stdout.lines().all(|line| line.chars().count() <= 120), "{command}: a line is too long");
        all.push_str(&format!("$ regimen {}\n{}\n", args.join(" "), done.stdout));
        // A group of commands has its examples in the commands.
        if !matches!(*command, "trace" | "ledger") {
            assert!(done.stdout.contains("Example"), "{command} shows no example");
        }
    }
    insta::assert_snapshot!("help", all);
    assert_eq!(project.run(&["--version"]).fine().stdout, format!("regimen {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn typing_errors_are_answered_with_the_right_word() {
    let project = Project::finished();
    let mistakes: [(&[&str], &[&str]); 17] = [
        (&["trian", "notes"], &["'trian'", "'train'"]),
        (&["recipe", "shcema"], &["'shcema'", "'schema'"]),
        (&["completions", "bahs"], &["'bahs'", "'bash'"]),
        (&["man", "corpus", "biuld"], &["`corpus biuld`", "`build`"]),
        (&["rnu", "recipe.toml"], &["'rnu'", "'run"]),
        (&["genrate", "base"], &["'genrate'", "'generate'"]),
        (&["ledger", "verfy"], &["'verfy'", "'verify'"]),
        (&["run", "recipe.toml", "--sett", "a=b"], &["'--sett'", "'--set'"]),
        (&["generate", "base", "--temprature", "1"], &["'--temprature'", "'--temperature'"]),
        (&["run"], &["<RECIPE>"]),
        (&["generate", "bsae", "--prompt", "x"], &["`bsae`", "`base`"]),
        (&["show", "bsae"], &["`bsae`", "`base`"]),
        (&["lineage", "tokenzier"], &["`tokenzier`", "`tokenizer`"]),
        (&["report", "bsae"], &["`bsae`", "`base`"]),
        (&["trace", "step", "bsae", "1"], &["`bsae`", "`base`"]),
        (&["stages", "pretrian"], &["`pretrian`", "`pretrain`"]),
        (&["generate", "base", "--top-k", "many"], &["'many'", "'--top-k <K>'"]),
    ];
    let mut all = String::new();
    for (args, words) in mistakes {
        let done = project.run(args).refused(words);
        all.push_str(&format!("$ regimen {}\n{}\n", args.join(" "), ended(project, &done)));
    }
    insta::assert_snapshot!("typing_errors", all);
}

#[test]
fn no_command_at_all_shows_the_help() {
    let done = Project::finished().run(&[]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr.contains("Usage: regimen") && done.stderr.contains("regimen run recipes/"),
        "{}",
        done.stderr
    );
}

#[test]
fn settings_come_from_flag_environment_project_user_and_default_in_this_order() {
    let project = Project::empty();
    let setting = |args: &[&str], env: &[(&str, &str)]| {
        let args: Vec<&str> = ["config", "--origin", "--json"].iter().chain(args).copied().collect();
        let mut command = project.command(&args);
        command.env_remove("REGIMEN_THREADS").envs(env.iter().copied());
        let all = Done::of(command.spawn().unwrap()).fine().json();
        let threads = all.as_array().unwrap().iter().find(|s| s["name"] == "threads").unwrap().clone();
        (threads["value"].as_str().unwrap().to_string(), threads["origin"].as_str().unwrap().to_string())
    };
    let from = |value: &str, origin: &str| (value.to_string(), origin.to_string());
    assert_eq!(setting(&[], &[]), from("0", "default"));
    let user = project.home().join("config/regimen");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join("regimen.toml"), "threads = 2\n").unwrap();
    let (value, origin) = setting(&[], &[]);
    assert!(value == "2" && origin.ends_with("config/regimen/regimen.toml"), "{value} {origin}");
    project.write("regimen.toml", "threads = 3\n");
    let (value, origin) = setting(&[], &[]);
    assert!(value == "3" && origin.ends_with("project/regimen.toml"), "{value} {origin}");
    let env = [("REGIMEN_THREADS", "4")];
    assert_eq!(setting(&[], &env), from("4", "environment variable REGIMEN_THREADS"));
    assert_eq!(setting(&["--threads", "5"], &env), from("5", "flag --threads"));
    insta::assert_snapshot!(
        "config",
        shown(&project, &["config", "--origin"]) + "\n" + &shown(&project, &["config"])
    );
}

#[test]
fn settings_that_are_wrong() {
    let project = Project::empty();
    project.write("regimen.toml", "thread = 3\n");
    project.run(&["runs"]).refused(&["regimen.toml", "`thread`", "`threads`"]);
    project.write("regimen.toml", "threads = \"many\"\n");
    project.run(&["runs"]).refused(&["regimen.toml", "`threads`", "many"]);
    project.write("regimen.toml", "threads = [\n");
    project.run(&["runs"]).refused(&["regimen.toml"]);
    project.write("regimen.toml", "");
    project.run_with(&["runs"], &[("REGIMEN_THREADS", "lots")]).refused(&["REGIMEN_THREADS", "`lots`"]);
    let none = ["environment variable REGIMEN_THREADS: `0` is not a whole number from 1 to 1024", "unset it"];
    project.run_with(&["runs"], &[("REGIMEN_THREADS", "0")]).refused(&none);
    project.run(&["runs", "--threads", "1000000000"]).refused(&["--threads", "1000000000"]);
    project.run(&["--project", "nowhere", "runs"]).refused(&["`nowhere`"]);
    project.run(&["runs", "--device", "cuda"]).refused(&["cuda", "cpu"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::finished();
    let commands: [&[&str]; 17] = [
        &["train", "data", "--dry-run"],
        &["recipe", "schema"],
        &["completions", "bash"],
        &["man"],
        &["man", "--markdown"],
        &["run", "recipe.toml", "--json"],
        &["plan", "recipe.toml"],
        &["generate", "base", "--prompt", "The", "--max-tokens", "5"],
        &["generate", "base", "--prompt", "The", "--max-tokens", "5", "--json"],
        &["trace", "step", "base", "1"],
        &["runs"],
        &["show", "base"],
        &["lineage", "base"],
        &["stages", "--markdown"],
        &["doctor"],
        &["config"],
        &["--help"],
    ];
    each(&commands, |args| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = Done::of(project.command(args).stdout(writer).spawn().unwrap());
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        // A full disk behind stdout is one.
        if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full")
            && args[0] != "--help"
        {
            let done = Done::of(project.command(args).stdout(full).spawn().unwrap());
            done.refused(&["stdout"]);
        }
    });
    // Nor is a closed stderr.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child =
        project.command(&["run", "recipe.toml"]).stderr(writer).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(Done::of(child).code, Some(0));
}

#[test]
fn colours_and_the_live_line_are_for_terminals() {
    let plain = Project::before_base();
    let done = plain.run_with(&["run", "recipe.toml"], &[("NO_COLOR", "")]).fine();
    assert!(!done.stderr.contains('\x1b') && !done.stderr.contains('\r'), "{:?}", done.stderr);
    // `script` gives the program a terminal.
    let on_a_terminal = |no_color: &str| {
        let project = Project::before_base();
        let mut command = std::process::Command::new("script");
        let line =
            format!("'{}' run recipe.toml --set base.steps=300 --no-report", env!("CARGO_BIN_EXE_regimen"));
        let model = project.command(&[]);
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(project.root())
            .envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm-256color")
            .env_remove("CI")
            .stdin(Stdio::null());
        command
            .output()
            .ok()
            .filter(|o| o.status.success())
            .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
    };
    let (Some(coloured), Some(bare)) = (on_a_terminal(""), on_a_terminal("1")) else {
        eprintln!("skipped: there is no `script` to make a terminal with");
        return;
    };
    for (screen, colours) in [(&coloured, true), (&bare, false)] {
        assert!(screen.contains("░ steps "), "no bar: {screen:?}");
        assert!(
            screen.contains("  loss ") && screen.contains("  tok/s ") && screen.contains("  ETA "),
            "{screen:?}"
        );
        let paints = screen.contains("\x1b[1m") || screen.contains("\x1b[32m");
        assert_eq!(paints, colours, "{screen:?}");
    }
}
