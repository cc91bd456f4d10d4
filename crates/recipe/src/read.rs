//! From the tree of a recipe's text to its checked stages: names, kinds, seeds, inputs, links.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::suggest;
use serde_json::Value;

use crate::check::{Checker, found};
use crate::error::Wrong;
use crate::kind::StageKind;
use crate::node::{self, Node, Raw, Word};
use crate::order;
use crate::recipe::{InputRef, Stage};
use crate::source::{At, Source};

/// The recipe's name, seed and stages: all, or those of known kinds.
pub(crate) fn read(
    sources: &[Source],
    kinds: &[&'static StageKind],
    path: &Path,
    all: bool,
) -> Result<(String, u64, Vec<Stage>), Wrong> {
    let mut entries = node::parse(&sources[0].text, 0)?;
    let stages_of = |entries: &[(Word, Node)]| -> Vec<String> {
        entries.iter().filter(|(_, n)| matches!(n.raw, Raw::Table(_))).map(|(w, _)| w.text.clone()).collect()
    };
    let names = stages_of(&entries);
    for (i, set) in sources.iter().enumerate().skip(1) {
        node::set(&mut entries, &set.text, i)?;
        for (word, _) in entries.iter().filter(|(_, node)| matches!(node.raw, Raw::Table(_))) {
            if !names.contains(&word.text) {
                return Err(Wrong::new(word.at.as_ref(), format!("the recipe has no stage `{}`", word.text))
                    .hint(suggest::hint(&word.text, names.iter().map(String::as_str))));
            }
        }
    }
    let mut name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut seed = 0;
    let mut tables = Vec::new();
    for (word, node) in entries {
        match (word.text.as_str(), &node.raw) {
            ("name", raw) => {
                name = match raw {
                    Raw::Str(text) if !text.is_empty() => text.clone(),
                    other => {
                        let message = format!("`name` must be a text, found {}", found(other));
                        return Err(Wrong::new(node.at.as_ref(), message));
                    }
                }
            }
            ("seed", _) => seed = read_seed(&node)?,
            (_, Raw::Table(_)) => tables.push((word, node)),
            (text, other) => {
                let hint = match suggest::nearest(text, ["name", "seed"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a recipe has `name`, `seed` and one table for each stage".into(),
                };
                let message = match other {
                    Raw::List(_) => format!("the stage `{text}` must be one table, found a list"),
                    _ => format!("unknown field `{text}` of the recipe"),
                };
                return Err(Wrong::new(word.at.as_ref(), message).hint(hint));
            }
        }
    }
    if !all {
        tables.retain(|(_, node)| known(kinds, node));
    }
    if tables.is_empty() {
        return Err(Wrong::new(Some(&At { source: 0, span: 0..0 }), "the recipe has no stages")
            .hint("a stage is a table such as `[corpus]` with `kind = \"corpus\"`"));
    }
    Ok((name, seed, assemble(sources, kinds, seed, &tables)?))
}

/// Whether a stage is of one of `kinds`.
fn known(kinds: &[&'static StageKind], node: &Node) -> bool {
    let Raw::Table(entries) = &node.raw else { return false };
    entries.iter().any(|(word, node)| {
        word.text == "kind" && matches!(&node.raw, Raw::Str(kind) if kinds.iter().any(|k| k.kind == kind))
    })
}

fn read_seed(node: &Node) -> Result<u64, Wrong> {
    match node.raw {
        Raw::Int(n) if n >= 0 => Ok(n as u64),
        ref other => {
            let message = format!("`seed` must be a whole number of at least 0, found {}", found(other));
            Err(Wrong::new(node.at.as_ref(), message))
        }
    }
}

/// The stages, checked and in order.
pub(crate) fn assemble(
    sources: &[Source],
    kinds: &[&'static StageKind],
    seed: u64,
    tables: &[(Word, Node)],
) -> Result<Vec<Stage>, Wrong> {
    let mut stages = Vec::new();
    for (word, node) in tables {
        let Raw::Table(entries) = &node.raw else { continue };
        stages.push(read_stage(sources, kinds, seed, word, entries).map_err(|w| w.or_at(word.at.as_ref()))?);
    }
    check_links(&stages)?;
    order::sort(stages)
}

/// Whether a stage may be called so: it becomes part of a run's id, which is a folder.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

fn read_stage(
    sources: &[Source],
    kinds: &[&'static StageKind],
    seed: u64,
    header: &Word,
    entries: &[(Word, Node)],
) -> Result<Stage, Wrong> {
    let name = &header.text;
    if !is_name(name) {
        return Err(Wrong::new(header.at.as_ref(), format!("`{name}` cannot be the name of a stage"))
            .hint("use letters, digits, `-` and `_`, and begin with a letter or digit"));
    }
    let kind = read_kind(kinds, header, entries)?;
    let mut checker =
        Checker { sources, owner: format!("stage `{name}` (kind `{}`)", kind.kind), places: BTreeMap::new() };
    let mut stage_seed = if kind.seeded { seed } else { 0 };
    let mut inputs = BTreeMap::new();
    let mut rest = Vec::new();
    for (word, node) in entries {
        if let Some(input) = kind.inputs.iter().find(|input| input.name == word.text) {
            let Raw::Str(text) = &node.raw else {
                let message = format!(
                    "input `{}` of {} must be the name of a stage, `key:...` or a path, found {}",
                    input.name,
                    checker.owner,
                    found(&node.raw)
                );
                return Err(Wrong::new(node.at.as_ref(), message));
            };
            if let Some(at) = node.at.as_ref().or(word.at.as_ref()) {
                checker.places.insert(input.name.into(), at.clone());
            }
            let filled = if let Some(prefix) = text.strip_prefix("key:") {
                InputRef::Key(prefix.into())
            } else if text.contains('/') {
                InputRef::Path(text.into())
            } else {
                InputRef::Stage(text.clone())
            };
            inputs.insert(input.name.to_string(), filled);
        } else if word.text == "seed" && kind.seeded {
            stage_seed = read_seed(node)?;
        } else if word.text == "seed" {
            let message = format!("{} draws no random numbers and takes no `seed`", checker.owner);
            return Err(Wrong::new(word.at.as_ref(), message).hint("remove it"));
        } else if word.text != "kind" {
            rest.push((word.clone(), node.clone()));
        }
    }
    let mut others: Vec<&str> = kind.inputs.iter().map(|input| input.name).collect();
    others.push("kind");
    others.extend(kind.seeded.then_some("seed"));
    let config = Value::Object(checker.table(kind.fields, &rest, "", &others)?);
    let stage = Stage {
        name: name.clone(),
        kind,
        seed: stage_seed,
        inputs,
        config,
        header: header.at.clone(),
        places: checker.places,
    };
    (kind.check)(&stage.config).map_err(|problem| Wrong {
        message: format!("`{}` of {}: {}", problem.path, checker.owner, problem.message),
        at: stage.place(&problem.path),
        hint: problem.hint,
    })?;
    Ok(stage)
}

fn read_kind(
    kinds: &[&'static StageKind],
    header: &Word,
    entries: &[(Word, Node)],
) -> Result<&'static StageKind, Wrong> {
    let known = || kinds.iter().map(|kind| kind.kind);
    let Some((word, node)) = entries.iter().find(|(word, _)| word.text == "kind") else {
        let hint = match suggest::nearest(&header.text, known()) {
            Some(near) => format!("add `kind = \"{near}\"`"),
            None => format!("add `kind = ...`, one of {}", known().collect::<Vec<_>>().join(", ")),
        };
        return Err(
            Wrong::new(header.at.as_ref(), format!("stage `{}` has no `kind`", header.text)).hint(hint)
        );
    };
    let at = node.at.as_ref().or(word.at.as_ref());
    let Raw::Str(text) = &node.raw else {
        return Err(Wrong::new(at, format!("`kind` must be a text, found {}", found(&node.raw))));
    };
    kinds.iter().copied().find(|kind| kind.kind == text).ok_or_else(|| {
        Wrong::new(at, format!("unknown kind `{text}` of stage `{}`", header.text))
            .hint(suggest::hint(text, kinds.iter().map(|kind| kind.kind)))
    })
}

/// Every input that names a stage names one there is, of a kind it takes; every required input is named.
fn check_links(stages: &[Stage]) -> Result<(), Wrong> {
    for stage in stages {
        let owner = format!("stage `{}` (kind `{}`)", stage.name, stage.kind.kind);
        for input in stage.kind.inputs {
            let at = stage.place(input.name);
            let fits = |other: &&Stage| input.accepts.contains(&other.kind.kind) && other.name != stage.name;
            match stage.inputs.get(input.name) {
                None if input.required => {
                    let message = format!("input `{}` of {owner} is missing", input.name);
                    let hint = match stages.iter().filter(fits).collect::<Vec<_>>()[..] {
                        [one] => format!("add `{} = \"{}\"`", input.name, one.name),
                        _ => format!(
                            "add `{} = \"STAGE\"`, where STAGE is of kind {}",
                            input.name,
                            input.accepts.join(" or ")
                        ),
                    };
                    return Err(Wrong::new(at.as_ref(), message).hint(hint));
                }
                Some(InputRef::Stage(name)) => match stages.iter().find(|other| other.name == *name) {
                    None => {
                        let message =
                            format!("input `{}` of {owner}: there is no stage `{name}`", input.name);
                        let names = stages.iter().filter(fits).map(|other| other.name.as_str());
                        let hint = match suggest::nearest(name, names.clone()) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None if names.clone().next().is_some() => suggest::hint(name, names),
                            None => format!(
                                "an input is a stage of kind {}, `key:...` or a path with a `/`",
                                input.accepts.join(" or ")
                            ),
                        };
                        return Err(Wrong::new(at.as_ref(), message).hint(hint));
                    }
                    Some(other) if !input.accepts.contains(&other.kind.kind) => {
                        return Err(wrong_kind(
                            input.name,
                            &owner,
                            input.accepts,
                            name,
                            other.kind.kind,
                            at.as_ref(),
                        ));
                    }
                    Some(_) => {}
                },
                _ => {}
            }
        }
    }
    Ok(())
}

fn wrong_kind(input: &str, owner: &str, accepts: &[&str], name: &str, found: &str, at: Option<&At>) -> Wrong {
    let message = format!(
        "input `{input}` of {owner} takes kind {}, but `{name}` is of kind {found}",
        accepts.join(" or ")
    );
    Wrong::new(at, message).hint(format!("name a stage of kind {}", accepts.join(" or ")))
}
