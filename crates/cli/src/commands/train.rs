//! `regimen train FOLDER`: from a folder of text to a small model, by a recipe that is made for it and kept.

use std::path::{Path, PathBuf};

use regimen_base::{fs, shell_quoted};
use regimen_ledger::Store;
use serde_json::{Value, json};

use crate::args::{Global, RecipeArgs, RunArgs, TrainArgs};
use crate::commands::{new, run};
use crate::output::{Explain, Fault, paint, print, print_json, program, say, shown};
use crate::templates::{self, Draft, Purpose, Size, Survey};
use crate::{Context, settings};

/// Begins the line of a recipe that tells which command made it.
const MADE: &str = "# Made by: ";
/// Characters of the sample at the end.
const SAMPLE: usize = 400;

/// The project of the recipe that will be made.
pub fn project(global: &Global, args: &TrainArgs) -> anyhow::Result<PathBuf> {
    match &args.recipe {
        Some(recipe) => {
            let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty());
            new::root(folder.unwrap_or(Path::new(".")))
        }
        None => new::root(&settings::project(global)?),
    }
}

pub fn train(context: &Context, args: &TrainArgs) -> anyhow::Result<u8> {
    let root = std::fs::canonicalize(&context.project)?;
    let survey = Survey::make(&args.data)?;
    say(&context.global, survey.words());
    if let Some(passed) = survey.passed_over() {
        say(&context.global, format!("passed over: {passed}"));
    }
    let path = match &args.recipe {
        Some(path) => path.clone(),
        None => PathBuf::from(shown(&root.join("recipes").join(format!("{}.toml", survey.name())))),
    };
    let made = format!("{MADE}regimen train {} --minutes {}", place(&survey, &root), args.minutes);
    let kept = kept(&path, &made, args.force)?;
    let text = match &kept {
        Some(text) => text.clone(),
        None => {
            let text = made_for(context, survey, &root, &path, &made, args.minutes)?;
            if !args.dry_run {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    fs::create_dir_all(folder).explain()?;
                }
                fs::write(&path, text.as_bytes()).explain()?;
            }
            text
        }
    };
    let file = path.display();
    if args.dry_run {
        if context.global.json {
            print_json(&json!({"recipe": path, "made": kept.is_none(), "text": text}))?;
        } else {
            print(text.trim_end())?;
            say(&context.global, format!("\nnothing was done: this would be written to {file} and run"));
        }
        return Ok(0);
    }
    if kept.is_some() {
        let what = "was made by the same command before and is taken as it is; --force makes it anew";
        say(&context.global, format!("{} {file} {what}", paint("36", "note:")));
    } else {
        say(&context.global, format!("{} {file}\n\n{}\n", paint("1", "wrote"), indented(&text)));
    }
    let recipe = RecipeArgs { recipe: path, sets: Vec::new(), until: None };
    let code = run::run(context, &RunArgs { recipe, no_report: false, profile: None, tui: args.tui })?;
    if code == 0
        && let Some(sample) = sample(&root)
    {
        say(&context.global, format!("\n{}\n{}", paint("1", "it writes"), indented(&sample)));
    }
    Ok(code)
}

/// The folder as it is best named from the project.
fn place(survey: &Survey, root: &Path) -> String {
    let place = survey.place.strip_prefix(root).unwrap_or(&survey.place).display().to_string();
    shell_quoted(if place.is_empty() { "." } else { &place })
}

/// The recipe that the same command made before; an error if another one is in its place.
fn kept(path: &Path, made: &str, force: bool) -> anyhow::Result<Option<String>> {
    if force || !path.exists() {
        return Ok(None);
    }
    let text = fs::read_text(path).explain()?;
    if text.lines().any(|line| line == made) {
        return Ok(Some(text));
    }
    let file = shell_quoted(&path.display().to_string());
    Err(Fault::new(
        format!("`{}` is there already, and another command made it", path.display()),
        format!(
            "`{} run {file}` runs it; --recipe FILE writes another one, --force writes over it",
            program()
        ),
    ))
}

/// The recipe for these texts, this machine and so many minutes.
fn made_for(
    context: &Context,
    survey: Survey,
    root: &Path,
    path: &Path,
    made: &str,
    minutes: f64,
) -> anyhow::Result<String> {
    say(&context.global, "measuring this machine ..");
    let mut draft = Draft::new(Purpose::Base, survey, root, None);
    draft.name = templates::plain_name(&path.file_stem().unwrap_or_default().to_string_lossy());
    templates::sized(&mut draft, Size::Seconds(60.0 * minutes), root)?;
    draft.title = format!("A small language model of the texts in {}.", draft.survey.named.display());
    draft.command = format!("regimen run {}", shell_quoted(&path.display().to_string()));
    draft.about = format!(
        "{}; sizes chosen for about {minutes} min on the machine that it was made on.\n{}",
        draft.survey.words(),
        made.trim_start_matches("# ")
    );
    Ok(templates::render(&draft))
}

/// The beginning of the first text that the model wrote.
fn sample(root: &Path) -> Option<String> {
    let store = Store::open_existing(root).ok()?;
    let artifact = store.resolve("samples").ok()?;
    let rows = fs::read_text(&artifact.file("samples.jsonl")).ok()?;
    let row: Value = serde_json::from_str(rows.lines().next()?).ok()?;
    let text = format!("{}{}", row["prompt"].as_str()?, row["text"].as_str()?);
    Some(text.chars().take(SAMPLE).collect())
}

fn indented(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("  {line}").trim_end().to_string())
        .collect::<Vec<_>>()
        .join("\n")
}
