//! A recipe: the stages of a training regimen and how they feed each other, read from TOML and checked in full before
//! anything runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::{fs, suggest};
use serde_json::Value;

use crate::error::{Error, Fault, Result, Wrong};
use crate::kind::{Registry, StageKind};
use crate::node::{self, Node, Raw, Word};
use crate::read::{assemble, read};
use crate::root::project_root;
use crate::source::{At, Source};

/// A recipe, checked, with its stages in the order in which they can run.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name: `name`, or the file's.
    pub name: String,
    /// The seed of every stage that names none.
    pub seed: u64,
    /// The project root, which paths in the recipe start from.
    pub root: PathBuf,
    /// The file as the user wrote it.
    pub path: PathBuf,
    /// The stages: each after those it takes from, otherwise as in the file.
    pub stages: Vec<Stage>,
    sources: Vec<Source>,
}

/// A stage of a recipe.
#[derive(Clone)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static StageKind,
    /// Its seed; 0 for a kind that draws no random numbers.
    pub seed: u64,
    /// What fills each input that it names.
    pub inputs: BTreeMap<String, InputRef>,
    /// Its config, normalised: every field there, defaults filled in.
    pub config: Value,
    pub(crate) header: Option<At>,
    pub(crate) places: BTreeMap<String, At>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("kind", &self.kind.kind)
            .field("seed", &self.seed)
            .field("inputs", &self.inputs)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What fills an input.
#[derive(Clone, Debug, PartialEq)]
pub enum InputRef {
    /// Another stage of the recipe, by name.
    Stage(String),
    /// A finished artifact: the beginning of its key.
    Key(String),
    /// The folder of an artifact, relative to the project root.
    Path(PathBuf),
}

impl Recipe {
    /// Read a recipe, with each of `sets` (`stage.field=value`) written into it.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the place of the first fault; [`Error::Fs`] if the file cannot be read.
    pub fn load(path: &Path, registry: &Registry, sets: &[String]) -> Result<Recipe> {
        Recipe::load_some(path, registry, sets, true)
    }

    /// The same with those stages alone whose kinds the registry knows, for programs that run no others.
    ///
    /// # Errors
    /// As [`Recipe::load`]; faults in other stages are not seen.
    pub fn load_known(path: &Path, registry: &Registry, sets: &[String]) -> Result<Recipe> {
        Recipe::load_some(path, registry, sets, false)
    }

    fn load_some(path: &Path, registry: &Registry, sets: &[String], all: bool) -> Result<Recipe> {
        let text = fs::read_text(path)?;
        Recipe::parse(text, path, project_root(path)?, registry, sets, all)
    }

    /// A recipe that is not in a file yet: its text, where it will be written, and the project it will belong to.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the place of the first fault.
    pub fn of_text(text: &str, path: &Path, root: &Path, registry: &Registry) -> Result<Recipe> {
        Recipe::parse(text.into(), path, root.into(), registry, &[], true)
    }

    fn parse(
        text: String,
        path: &Path,
        root: PathBuf,
        registry: &Registry,
        sets: &[String],
        all: bool,
    ) -> Result<Recipe> {
        let kinds: Vec<_> = registry.all().collect();
        let mut sources = vec![Source { file: Some(path.display().to_string()), text }];
        sources.extend(sets.iter().map(|set| Source { file: None, text: set.clone() }));
        match read(&sources, &kinds, path, all) {
            Ok((name, seed, stages)) => Ok(Recipe { name, seed, root, path: path.into(), stages, sources }),
            Err(wrong) => Err(wrong.draw(&sources).into()),
        }
    }

    /// A recipe of the one stage `name`, without a file. `config` is the TOML of its table without `kind`.
    ///
    /// # Errors
    /// As [`Recipe::load`], and for a name that no stage can have.
    pub fn of_stage(name: &str, kind: &'static StageKind, config: &str, root: &Path) -> Result<Recipe> {
        if !crate::read::is_name(name) {
            return Err(Error::Name { name: name.into() });
        }
        let mut recipe = Recipe::single(kind, config, root, &[], 0)?;
        recipe.stages.iter_mut().for_each(|stage| stage.name = name.into());
        Ok(recipe)
    }

    /// A recipe of one stage whose table is `config`, for [`crate::testing`].
    pub(crate) fn single(
        kind: &'static StageKind,
        config: &str,
        root: &Path,
        inputs: &[(&str, &Path)],
        seed: u64,
    ) -> Result<Recipe> {
        let sources = vec![Source { file: Some("config".into()), text: config.into() }];
        let made = node::parse(config, 0).and_then(|mut entries| {
            let text = |text: String| Node { at: None, raw: Raw::Str(text) };
            entries.push((Word::bare("kind"), text(kind.kind.into())));
            for (name, path) in inputs {
                entries.push((Word::bare(name), text(format!("{}/", path.display()))));
            }
            let table = Node { at: None, raw: Raw::Table(entries) };
            assemble(&sources, &[kind], seed, &[(Word::bare(kind.kind), table)])
        });
        match made {
            Ok(stages) => Ok(Recipe {
                name: kind.kind.into(),
                seed,
                root: root.into(),
                path: root.join("recipe.toml"),
                stages,
                sources,
            }),
            Err(wrong) => Err(wrong.draw(&sources).into()),
        }
    }

    /// The stage called `name`.
    pub fn stage(&self, name: &str) -> Result<&Stage> {
        self.stages.iter().find(|stage| stage.name == name).ok_or_else(|| Error::NoStage {
            stage: name.into(),
            hint: suggest::hint(name, self.stages.iter().map(|stage| stage.name.as_str())),
        })
    }

    /// The stages to run: all, or those named in `until`, with commas between them, and what they take from.
    pub fn upto(&self, until: Option<&str>) -> Result<Vec<&Stage>> {
        let Some(last) = until else { return Ok(self.stages.iter().collect()) };
        let named = last.split(',').map(|name| Ok(self.stage(name.trim())?.name.as_str()));
        let mut wanted = named.collect::<Result<Vec<_>>>()?;
        // Stages stand behind those they take from, so one pass from the end finds all.
        for stage in self.stages.iter().rev() {
            if wanted.contains(&stage.name.as_str()) {
                wanted.extend(stage.inputs.values().filter_map(|input| match input {
                    InputRef::Stage(name) => Some(name.as_str()),
                    _ => None,
                }));
            }
        }
        Ok(self.stages.iter().filter(|stage| wanted.contains(&stage.name.as_str())).collect())
    }

    /// An error at the place of a stage's field.
    pub(crate) fn fault(&self, stage: &Stage, path: &str, message: String, hint: Option<String>) -> Error {
        let fault: Fault = Wrong { message, at: stage.place(path), hint }.draw(&self.sources);
        fault.into()
    }
}

impl Stage {
    /// Where a field stands: itself, the nearest table around it that the recipe names, or the stage's header.
    pub(crate) fn place(&self, path: &str) -> Option<At> {
        let dotted = path.replace('[', ".").replace(']', "");
        let mut rest = dotted.as_str();
        loop {
            if let Some(at) = self.places.get(rest) {
                return Some(at.clone());
            }
            match rest.rsplit_once('.') {
                Some((outer, _)) => rest = outer,
                None => return self.header.clone(),
            }
        }
    }
}
