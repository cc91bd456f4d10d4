//! `regimen new`: a recipe from a template, after three questions.

use std::path::{Path, PathBuf};

use regimen_base::{fs, shell_quoted};
use regimen_ledger::Store;
use serde_json::json;

use crate::Context;
use crate::args::NewArgs;
use crate::output::{Explain, Fault, paint, print, print_json, program, say, shown};
use crate::templates::{self, Draft, Purpose, Size, Start, Survey, ask};

/// The project that the recipe will belong to: that of the folder in which it is written.
pub fn project(args: &NewArgs) -> anyhow::Result<PathBuf> {
    let named = args.name.as_deref().filter(|name| name.ends_with(".toml")).map(Path::new);
    let folder = named.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    root(folder.unwrap_or(Path::new(".")))
}

/// The project of a folder, which must be there.
pub fn root(folder: &Path) -> anyhow::Result<PathBuf> {
    if !folder.is_dir() {
        return Err(Fault::new(
            format!("there is no folder `{}` to write a recipe into", folder.display()),
            "create it, or name another file",
        ));
    }
    regimen_recipe::folder_root(folder).explain()
}

pub fn new(context: &Context, args: &NewArgs) -> anyhow::Result<u8> {
    let root = std::fs::canonicalize(&context.project)?;
    let asking = templates::on_a_terminal() && !context.global.json;
    let survey = match &args.data {
        Some(data) => Survey::make(data)?,
        None if asking => ask("Which data? A folder or file with texts", "data", &|text: &str| {
            Survey::make(Path::new(text)).map_err(|error| error.to_string())
        })?,
        None => {
            return Err(Fault::new(
                "no data were named, and there is no terminal to ask on",
                "name a folder or file with texts: --data PATH",
            ));
        }
    };
    say(&context.global, survey.words());
    if let Some(passed) = survey.passed_over() {
        say(&context.global, format!("passed over: {passed}"));
    }
    let size = match args.size {
        Some(size) => size,
        None if asking && args.template != Some(Purpose::Corpus) => {
            ask("How big? tiny, small, medium, or a time such as 10m", "small", &Size::parse)?
        }
        None => Size::parse("small").map_err(anyhow::Error::msg)?,
    };
    let purpose = match args.template {
        Some(purpose) => purpose,
        None if args.from.is_some() => Purpose::Continue,
        None if asking => ask(
            "What for? base (a model from scratch), corpus (curated documents alone), continue (go on from a model)",
            "base",
            &Purpose::parse,
        )?,
        None => Purpose::Base,
    };
    if args.from.is_some() && purpose != Purpose::Continue {
        return Err(Fault::new(
            "--from names a model to go on from, which this template does not do",
            "write `--template continue`, or leave out --from",
        ));
    }
    let start = match purpose {
        Purpose::Continue => {
            let store = Store::open_existing(&root).explain()?;
            Some(Start::find(&store, args.from.as_deref())?)
        }
        _ => None,
    };
    let path = file(args, &survey)?;
    if path.exists() && !args.force {
        return Err(Fault::new(
            format!("`{}` is there already", path.display()),
            "name another one, or write over it with --force",
        ));
    }
    let mut draft = Draft::new(purpose, survey, &root, start);
    draft.name = templates::plain_name(&path.file_stem().unwrap_or_default().to_string_lossy());
    match purpose {
        Purpose::Corpus => {}
        Purpose::Continue => {
            // The shape is that of the model.
            let shape = draft.shape;
            templates::sized(&mut draft, size, &root)?;
            draft.shape = shape;
        }
        Purpose::Base => templates::sized(&mut draft, size, &root)?,
    }
    let quoted = shell_quoted(&path.display().to_string());
    let run = if purpose == Purpose::Corpus { "corpus build" } else { "run" };
    draft.command = format!("regimen {run} {quoted}");
    (draft.title, draft.about) = about(purpose, &draft);
    fs::write(&path, templates::render(&draft).as_bytes()).explain()?;
    if context.global.json {
        let next = format!("{} plan {quoted}", program());
        print_json(&json!({"recipe": path, "next": next}))?;
        return Ok(0);
    }
    print(shown(&path))?;
    say(&context.global, format!("\n{}", paint("1", "what to try next")));
    let width = run.len().max("plan".len());
    for (command, about) in [("plan", "what it will cost, before anything runs"), (run, "run it")] {
        let pad = " ".repeat(width - command.len());
        say(&context.global, format!("  {} {command} {quoted}{pad}   {about}", program()));
    }
    Ok(0)
}

/// Where the recipe goes.
fn file(args: &NewArgs, survey: &Survey) -> anyhow::Result<PathBuf> {
    let name = match &args.name {
        Some(name) if name.ends_with(".toml") => return Ok(name.into()),
        Some(name) => name.clone(),
        None => survey.name(),
    };
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(Fault::new(
            format!("`{name}` cannot be the name of a recipe"),
            "write a name such as `notes`, or a file that ends with .toml",
        ));
    }
    Ok(format!("{name}.toml").into())
}

/// Title and description at the top of the file.
fn about(purpose: Purpose, draft: &Draft) -> (String, String) {
    let data = draft.survey.named.display();
    let found = draft.survey.words();
    match purpose {
        Purpose::Base => (
            format!("A language model of the texts in {data}, from scratch."),
            format!(
                "{found}.\nMade by `regimen new`; every field may be changed, and `--set` changes one for a single run."
            ),
        ),
        Purpose::Corpus => (
            format!("A curated corpus of the texts in {data}, every decision on record."),
            format!(
                "{found}.\nMade by `regimen new`. Afterwards: `regimen corpus inspect corpus` shows what was dropped, and why."
            ),
        ),
        Purpose::Continue => (
            format!("A model that goes on with the texts in {data}."),
            format!(
                "{found}.\nMade by `regimen new`; every field may be changed, and `--set` changes one for a single run."
            ),
        ),
    }
}
