//! What running a recipe would do, before it does it.

use std::collections::BTreeMap;

use regimen_base::{Key, fs};
use regimen_ledger::{Artifact, Store};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::files::Coming;
use crate::forecast::{Forecast, Planning};
use crate::job::{RESUME, Resume};
use crate::key::ready;
use crate::kind::Facts;
use crate::recipe::{InputRef, Recipe};

/// A plan: every stage that would run, in order.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Plan {
    /// The stages.
    pub stages: Vec<Planned>,
}

/// What is known of a stage before it runs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Key of its artifact.
    pub key: Key,
    /// How far it is.
    pub state: State,
    /// What it will cost; for a cached stage nothing but its facts.
    pub forecast: Forecast,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its artifact exists.
    Cached,
    /// An earlier execution stopped at this step and will go on from it.
    Partial(u64),
    /// Nothing is there.
    Missing,
}

impl Plan {
    /// Plan a recipe up to the stage `until`. `measure` allows forecasts to measure the machine, about a second.
    ///
    /// # Errors
    /// As running it would before its first stage: input files that do not exist, artifacts that do not or are damaged.
    pub fn make(recipe: &Recipe, store: &Store, until: Option<&str>, measure: bool) -> Result<Plan> {
        Plan::seen(recipe, store, until, measure, &mut |_, _, _| ())
    }

    /// The same; `coming` is told of objects that are brought here for it.
    ///
    /// # Errors
    /// As for [`Plan::make`].
    pub fn seen(
        recipe: &Recipe,
        store: &Store,
        until: Option<&str>,
        measure: bool,
        coming: &mut Coming,
    ) -> Result<Plan> {
        let mut keys = BTreeMap::new();
        let mut facts: BTreeMap<String, Facts> = BTreeMap::new();
        let mut stages = Vec::new();
        for stage in recipe.upto(until)? {
            let ready = ready(recipe, stage, store, &keys, coming)?;
            keys.insert(stage.name.clone(), ready.key);
            let (state, forecast) = match store.artifact(stage.kind.kind, ready.key)? {
                Some(artifact) => {
                    (State::Cached, Forecast { facts: facts_of(&artifact), ..Forecast::default() })
                }
                None => {
                    let mut inputs = BTreeMap::new();
                    for (name, filled) in &stage.inputs {
                        let known = match filled {
                            InputRef::Stage(other) => facts.get(other).cloned(),
                            _ => ready.outside.get(name).map(facts_of),
                        };
                        inputs.insert(name.clone(), known.unwrap_or_default());
                    }
                    let planning = Planning {
                        config: &ready.local,
                        inputs: &inputs,
                        files: &ready.files,
                        root: &recipe.root,
                        measure,
                    };
                    let forecast = (stage.kind.forecast)(&planning).map_err(|failure| Error::Forecast {
                        stage: stage.name.clone(),
                        failure: Box::new(failure),
                    })?;
                    let left: Option<Resume> = fs::read_json(&store.work_dir(ready.key).join(RESUME)).ok();
                    (left.map_or(State::Missing, |resume| State::Partial(resume.step)), forecast)
                }
            };
            facts.insert(stage.name.clone(), forecast.facts.clone());
            stages.push(Planned {
                name: stage.name.clone(),
                kind: stage.kind.kind,
                key: ready.key,
                state,
                forecast,
            });
        }
        Ok(Plan { stages })
    }
}

/// The numbers in an artifact's summary, by dotted path.
pub fn facts_of(artifact: &Artifact) -> Facts {
    fn flatten(value: &Value, path: &str, out: &mut Facts) {
        match value {
            Value::Number(n) => {
                out.insert(path.into(), n.as_f64().unwrap_or(0.0));
            }
            Value::Object(map) => {
                map.iter().for_each(|(name, inner)| flatten(inner, &crate::check::join(path, name), out));
            }
            _ => {}
        }
    }
    let mut out = Facts::new();
    flatten(&artifact.manifest.summary, "", &mut out);
    out
}
