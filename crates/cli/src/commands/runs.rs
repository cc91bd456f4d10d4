//! `regimen runs`: every execution of a stage, newest first, and what people do with runs.

use regimen_base::{events, fs, suggest};
use regimen_ledger::{Labels, Status, Store};
use serde_json::{Value as Json, json};

use crate::Context;
use crate::args::{DiffArgs, Format, NoteArgs, RemoveArgs, Runs, RunsArgs, RunsExportArgs, TagRunArgs};
use crate::ask;
use crate::commands::store;
use crate::output::{Explain, Fault, print, print_json, say, shown, table};
use crate::runs::facts::{Name, Names, Plain, Run, Unknown};
use crate::runs::filter::Filter;
use crate::runs::lex::Wrong;
use crate::runs::show::{self, Column};
use crate::runs::{csv, diff, tensorboard};

pub fn runs(context: &Context, args: &RunsArgs) -> anyhow::Result<u8> {
    match &args.command {
        None => list(context, args),
        Some(Runs::Tag(args)) => tag(context, args),
        Some(Runs::Note(args)) => note(context, args),
        Some(Runs::Diff(args)) => compare(context, args),
        Some(Runs::Export(args)) => export(context, args),
        Some(Runs::Rm(args)) => remove(context, args),
    }
}

fn list(context: &Context, args: &RunsArgs) -> anyhow::Result<u8> {
    // A project without a store has no runs, which is no error.
    let mut all = match store(context) {
        Ok(store) => store.detailed_runs().explain()?,
        Err(_) if !context.project.join(".regimen").exists() => Vec::new(),
        Err(error) => return Err(error),
    };
    all.reverse();
    all.sort_by(|a, b| b.0.started.total_cmp(&a.0.started));
    if all.is_empty() {
        if context.global.json {
            print_json(&all)?;
        }
        say(&context.global, "no runs yet; `regimen run RECIPE` makes the first");
        return Ok(0);
    }
    let now = events::now();
    let names = match args.filter.is_some() || args.sort.is_some() || !args.columns.is_empty() {
        true => Names::of(&all),
        false => Names::default(),
    };
    let mut taken: Vec<&Run> = all.iter().collect();
    if let Some(text) = &args.filter {
        let filter = Filter::parse(text, &names).map_err(|w| command_or_filter(text, &w))?;
        taken.retain(|run| filter.holds(run, now));
    }
    if let Some(word) = &args.sort {
        let (word, down) = word.strip_prefix('-').map_or((word.as_str(), false), |word| (word, true));
        let (name, _) = names.find(word).map_err(|u| unknown("--sort", u))?;
        taken.sort_by(|a, b| {
            let (a, b) = (name.of(a, now), name.of(b, now));
            // What is missing comes last either way.
            match down && a.is_some() && b.is_some() {
                true => show::order(b.as_ref(), a.as_ref()),
                false => show::order(a.as_ref(), b.as_ref()),
            }
        });
    }
    taken.truncate(args.most.unwrap_or(usize::MAX));
    if context.global.json {
        let rows: Vec<Json> = taken.iter().map(|run| as_json(run)).collect::<Result<_, _>>()?;
        print_json(&rows)?;
        return Ok(0);
    }
    if taken.is_empty() {
        say(&context.global, "no run is so");
        return Ok(0);
    }
    let (columns, leave) = columns(args, &names, &taken)?;
    let mut rows: Vec<Vec<String>> =
        taken.iter().map(|run| columns.iter().map(|column| show::cell(column, run, now)).collect()).collect();
    let heads: Vec<String> = columns.iter().map(|column| column.head.clone()).collect();
    let stay = match show::width() {
        Some(width) => {
            // Elsewhere nobody looks at the width, and a program may want all of it.
            for (column, _) in columns.iter().enumerate().filter(|(_, c)| c.name == Name::Plain(Plain::Note))
            {
                rows.iter_mut().for_each(|row| show::cut(&mut row[column], show::NOTE));
            }
            show::fit(&heads, &mut rows, &leave, width)
        }
        None => (0..heads.len()).collect(),
    };
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| stay.iter().map(|&column| row[column].clone()).collect()).collect();
    let heads: Vec<&str> = stay.iter().map(|&column| heads[column].as_str()).collect();
    let right: Vec<usize> =
        (0..stay.len()).filter(|&i| show::flush_right(&columns[stay[i]], &taken, now)).collect();
    print(table(&heads, &rows, &right))?;
    Ok(0)
}

/// A run as its record has it, with its labels and the ends of its metrics.
fn as_json((info, details): &Run) -> anyhow::Result<Json> {
    let mut value = serde_json::to_value(info)?;
    value["tags"] = json!(details.labels.tags);
    value["note"] = json!(details.labels.note);
    value["metrics"] = json!(details.metrics);
    value["summary"] = json!(details.summary);
    Ok(value)
}

/// The columns that were asked for, or the usual ones; and which go first where there is no room.
fn columns(args: &RunsArgs, names: &Names, taken: &[&Run]) -> anyhow::Result<(Vec<Column>, Vec<usize>)> {
    if !args.columns.is_empty() {
        let column = |word: &String| {
            let (name, _) = names.find(word).map_err(|u| unknown("--columns", u))?;
            Ok(Column { head: word.clone(), name })
        };
        return Ok((args.columns.iter().map(column).collect::<anyhow::Result<_>>()?, Vec::new()));
    }
    let mut columns: Vec<Column> =
        show::DEFAULT.map(|(head, plain, _)| Column { head: head.into(), name: Name::Plain(plain) }).into();
    let mut leave: Vec<usize> = (0..columns.len()).filter(|&i| show::DEFAULT[i].2 > 0).collect();
    leave.sort_by_key(|&i| std::cmp::Reverse(show::DEFAULT[i].2));
    for (head, plain) in [("tags", Plain::Tags), ("note", Plain::Note)] {
        let used = |run: &&&Run| match plain {
            Plain::Tags => !run.1.labels.tags.is_empty(),
            _ => !run.1.labels.note.is_empty(),
        };
        if taken.iter().any(|run| used(&run)) {
            columns.push(Column { head: head.into(), name: Name::Plain(plain) });
        }
    }
    Ok((columns, leave))
}

fn unknown(flag: &str, unknown: Unknown) -> anyhow::Error {
    Fault::new(format!("{flag}: {}", unknown.reason), unknown.hint)
}

/// A filter that is wrong, or a command that was mistyped.
fn command_or_filter(text: &str, wrong: &Wrong) -> anyhow::Error {
    let commands = ["tag", "note", "diff", "export", "rm"];
    let plain = text.bytes().all(|b| b.is_ascii_alphabetic());
    let hint = match suggest::nearest(text, commands).filter(|_| plain) {
        Some(near) => format!("{}; or did you mean the command `regimen runs {near}`?", wrong.hint),
        None => wrong.hint.clone(),
    };
    Fault::new(wrong.message(text), hint)
}

fn tag(context: &Context, args: &TagRunArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let run = store.run(&args.run).explain()?;
    let mut changes = Vec::new();
    for change in &args.changes {
        let (tag, gives) = match change.strip_prefix('-') {
            Some(tag) => (tag, false),
            None => (change.strip_prefix('+').unwrap_or(change), true),
        };
        if let Some(why) = Labels::unfit(tag) {
            return Err(Fault::new(
                format!("`{change}` gives no tag: {why}"),
                "write `+good` to give a tag and `-good` to take it away",
            ));
        }
        changes.push((tag.to_string(), gives));
    }
    let labels = if changes.is_empty() {
        store.labels(&run.id).explain()?
    } else {
        let apply = |labels: &mut Labels| {
            for (tag, gives) in changes {
                if gives {
                    labels.tags.insert(tag)
                } else {
                    labels.tags.remove(&tag)
                };
            }
        };
        store.label(&run.id, apply).explain()?
    };
    if context.global.json {
        print_json(&json!({"run": run.id, "tags": labels.tags}))?;
    } else {
        let tags: Vec<&str> = labels.tags.iter().map(String::as_str).collect();
        print(format!("{}  {}", run.id, if tags.is_empty() { "(no tags)".into() } else { tags.join(" ") }))?;
    }
    Ok(0)
}

fn note(context: &Context, args: &NoteArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let run = store.run(&args.run).explain()?;
    let labels = match &args.text {
        None => store.labels(&run.id).explain()?,
        Some(text) => store.label(&run.id, |labels| labels.note = text.trim().into()).explain()?,
    };
    if context.global.json {
        print_json(&json!({"run": run.id, "note": labels.note}))?;
    } else {
        let note = if labels.note.is_empty() { "(no note)" } else { &labels.note };
        print(format!("{}  {note}", run.id))?;
    }
    Ok(0)
}

fn compare(context: &Context, args: &DiffArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let (a, b) = (store.run(&args.a).explain()?, store.run(&args.b).explain()?);
    let diff = diff::Diff::of(&store, &a, &b).explain()?;
    if context.global.json {
        print_json(&diff)?;
    } else {
        diff::print(&diff)?;
    }
    Ok(0)
}

fn export(context: &Context, args: &RunsExportArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let run = store.run(&args.run).explain()?;
    let log = store.events_of(&run);
    if !log.is_file() {
        return Err(Fault::new(
            format!("run `{}` has no event log", run.id),
            "it measured nothing, or its folder was emptied; `regimen runs` lists the others",
        ));
    }
    if args.to.exists() && !args.to.is_dir() {
        return Err(Fault::new(format!("`{}` is a file", args.to.display()), "name a folder to write into"));
    }
    fs::create_dir_all(&args.to).explain()?;
    let name = match args.format {
        Format::Csv => format!("{}.csv", run.id),
        Format::Tensorboard => tensorboard::file_name(run.started),
    };
    let path = args.to.join(name);
    let temporary = path.with_extension(fs::temporary());
    let written = fs::create(&temporary).and_then(|mut file| {
        let about = match args.format {
            Format::Csv => {
                let (rows, columns) = csv::write(&log, &mut file)?;
                json!({"rows": rows, "metrics": columns})
            }
            Format::Tensorboard => {
                let written = tensorboard::write(&log, run.started, &mut file)?;
                json!({"scalars": written.scalars, "texts": written.texts})
            }
        };
        file.finish()?;
        fs::rename(&temporary, &path)?;
        Ok(about)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    let mut about = written.explain()?;
    if context.global.json {
        about["file"] = json!(path);
        print_json(&about)?;
    } else {
        print(shown(&path))?;
    }
    Ok(0)
}

fn remove(context: &Context, args: &RemoveArgs) -> anyhow::Result<u8> {
    let store: Store = store(context)?;
    let run = store.run(&args.run).explain()?;
    if run.status == Status::Running {
        return Err(Fault::new(format!("run `{}` is at work (pid {})", run.id, run.pid), "stop it first"));
    }
    let labels = store.labels(&run.id).explain()?;
    let tags: Vec<&str> = labels.tags.iter().map(String::as_str).collect();
    let tagged = if tags.is_empty() { String::new() } else { format!(", tagged {}", tags.join(" ")) };
    if !ask::agreed(&format!("Move run `{}` ({}{tagged}) into the bin?", run.id, run.status), args.yes)? {
        say(&context.global, "nothing was done");
        return Ok(0);
    }
    let place = store.bin_run(&run).explain()?;
    if context.global.json {
        print_json(&json!({"run": run.id, "bin": place}))?;
    } else {
        print(shown(&place))?;
        say(&context.global, "`regimen ledger gc` empties the bin; move the folder back to undo this");
    }
    Ok(0)
}
