//! Two runs side by side: how they were configured, what they learned from, what came out.

mod data;
mod print;

use std::collections::{BTreeMap, BTreeSet};

use regimen_ledger::{Details, Measured, RunInfo, Store};
use serde::Serialize;
use serde_json::Value;

use super::facts::{leaves, upward};
use super::series::{self, Curve};

pub use data::{Composition, Part};
pub use print::print;

/// Points of a curve in JSON, at most.
const POINTS: usize = 200;

/// Everything that two runs differ in, and what they measured.
#[derive(Serialize)]
pub struct Diff {
    pub a: Side,
    pub b: Side,
    pub config: Vec<Changed>,
    pub inputs: Vec<Changed>,
    pub data: Data,
    pub metrics: Vec<Metric>,
    pub curves: Vec<Aligned>,
    #[serde(skip)]
    drawn: [BTreeMap<String, Curve>; 2],
}

/// One of the runs.
#[derive(Serialize)]
pub struct Side {
    pub run: String,
    pub kind: String,
    pub status: String,
    pub seconds: f64,
}

/// A key that has another value in the other run; null where it has none.
#[derive(Debug, PartialEq, Serialize)]
pub struct Changed {
    pub key: String,
    pub a: Value,
    pub b: Value,
}

/// What both learned from; null where that is not known.
#[derive(Serialize)]
pub struct Data {
    pub a: Option<Composition>,
    pub b: Option<Composition>,
}

/// A metric of one or both.
#[derive(Serialize)]
pub struct Metric {
    pub name: String,
    pub a: Option<Ends>,
    pub b: Option<Ends>,
    /// `b` minus `a`, of the last values.
    pub difference: Option<f64>,
}

/// The last and the best value of a metric.
#[derive(Clone, Copy, Serialize)]
pub struct Ends {
    pub last: f64,
    pub last_step: u64,
    pub best: f64,
    pub best_step: u64,
}

/// A metric at the steps at which both have it.
#[derive(Serialize)]
pub struct Aligned {
    pub name: String,
    pub steps: Vec<u64>,
    pub a: Vec<f64>,
    pub b: Vec<f64>,
}

impl Diff {
    /// Compare two runs of a store. What cannot be read of their data is left out.
    pub fn of(store: &Store, a: &RunInfo, b: &RunInfo) -> regimen_base::fs::Result<Diff> {
        let (of_a, of_b) = (store.details(a), store.details(b));
        let drawn = [series::curves(&store.events_of(a))?, series::curves(&store.events_of(b))?];
        Ok(Diff {
            config: changed(&config(store, a), &config(store, b)),
            inputs: changed(&inputs(a), &inputs(b)),
            data: Data { a: data::composition(store, a), b: data::composition(store, b) },
            metrics: metrics(&of_a, &of_b),
            curves: aligned(&drawn),
            a: side(a),
            b: side(b),
            drawn,
        })
    }
}

fn side(run: &RunInfo) -> Side {
    Side { run: run.id.clone(), kind: run.kind.clone(), status: run.status.to_string(), seconds: run.seconds }
}

/// Leaves of the config, with the seed and the program.
fn config(store: &Store, run: &RunInfo) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    leaves(&run.config, "", &mut |path, value| drop(all.insert(path.to_string(), value.clone())));
    if let Ok(Some(artifact)) = store.artifact(&run.kind, run.key) {
        all.insert("(seed)".into(), artifact.manifest.seed.into());
        all.insert("(version of the stage)".into(), artifact.manifest.stage_version.into());
    }
    all.insert("(program)".into(), run.fingerprint.clone().into());
    all
}

fn inputs(run: &RunInfo) -> BTreeMap<String, Value> {
    run.inputs.iter().map(|(name, key)| (name.clone(), key.to_string().into())).collect()
}

fn changed(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Vec<Changed> {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value = |map: &BTreeMap<String, Value>, key: &String| map.get(key).cloned().unwrap_or(Value::Null);
    keys.into_iter()
        .map(|key| Changed { key: key.clone(), a: value(a, key), b: value(b, key) })
        .filter(|changed| changed.a != changed.b)
        .collect()
}

fn metrics(a: &Details, b: &Details) -> Vec<Metric> {
    let names: BTreeSet<&String> = a.metrics.keys().chain(b.metrics.keys()).collect();
    let ends = |name: &str, m: &Measured| {
        let (best, best_step) = match upward(name) {
            true => (m.greatest, m.greatest_step),
            false => (m.least, m.least_step),
        };
        Ends { last: m.last, last_step: m.step, best, best_step }
    };
    names
        .into_iter()
        .map(|name| {
            let [a, b] = [a, b].map(|details| details.metrics.get(name).map(|m| ends(name, m)));
            let difference = a.zip(b).map(|(a, b)| b.last - a.last);
            Metric { name: name.clone(), a, b, difference }
        })
        .collect()
}

fn aligned([a, b]: &[BTreeMap<String, Curve>; 2]) -> Vec<Aligned> {
    let both = a.iter().filter_map(|(name, curve)| Some((name, curve, b.get(name)?)));
    both.map(|(name, a, b)| {
        let points = series::aligned(a, b, POINTS);
        Aligned {
            name: name.clone(),
            steps: points.iter().map(|p| p.0).collect(),
            a: points.iter().map(|p| p.1).collect(),
            b: points.iter().map(|p| p.2).collect(),
        }
    })
    .filter(|curve| !curve.steps.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::run;
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_named() {
        let leaf = |value: Value| {
            let mut all = BTreeMap::new();
            leaves(&value, "", &mut |path, value| drop(all.insert(path.to_string(), value.clone())));
            all
        };
        let a = leaf(json!({"steps": 20, "optimizer": {"lr": 0.1, "kind": "adamw"}, "prompts": ["x"]}));
        let b = leaf(json!({"steps": 20, "optimizer": {"lr": 0.2, "kind": "adamw"}, "prompts": ["x", "y"]}));
        let found = changed(&a, &b);
        let keys: Vec<&str> = found.iter().map(|c| c.key.as_str()).collect();
        assert_eq!(keys, ["optimizer.lr", "prompts.1"]);
        assert_eq!((&found[1].a, &found[1].b), (&Value::Null, &json!("y")));
        assert!(changed(&a, &a).is_empty());
    }

    #[test]
    fn metrics_have_their_ends_and_their_difference() {
        let (a, b) = (run("a", 2.0, json!({}), &[]).1, run("b", 2.5, json!({}), &[]).1);
        let found = metrics(&a, &b);
        let loss = found.iter().find(|m| m.name == "loss").unwrap();
        assert_eq!(loss.difference, Some(0.5));
        assert_eq!(loss.a.map(|e| (e.last, e.best, e.best_step)), Some((2.0, 1.0, 5)));
        let mut more = b;
        let measured = more.metrics["loss"];
        more.metrics.insert("accuracy".into(), measured);
        let found = metrics(&a, &more);
        assert!(found[0].name == "accuracy" && found[0].a.is_none() && found[0].difference.is_none());
        assert_eq!(found[0].b.unwrap().best, 9.0, "more of it is better");
    }
}
