//! What a name in a filter, a column or an order means for a run.

use std::collections::{BTreeMap, BTreeSet};

use regimen_base::suggest;
use regimen_ledger::{Details, RunInfo};
use serde_json::Value as Json;

/// A run with what is known of it.
pub type Run = (RunInfo, Details);

/// What a name is for one run.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
    Truth(bool),
    /// Unix time in seconds.
    Date(f64),
    /// A length of time.
    Seconds(f64),
    Words(Vec<String>),
}

/// What kinds of values a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    Number,
    Text,
    Truth,
    Date,
    Seconds,
    Words,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::Number => "a number",
            Type::Text => "a text",
            Type::Truth => "true or false",
            Type::Date => "a date",
            Type::Seconds => "a length of time",
            Type::Words => "a set of words",
        }
    }
}

impl Value {
    pub fn kind(&self) -> Type {
        match self {
            Value::Number(_) => Type::Number,
            Value::Text(_) => Type::Text,
            Value::Truth(_) => Type::Truth,
            Value::Date(_) => Type::Date,
            Value::Seconds(_) => Type::Seconds,
            Value::Words(_) => Type::Words,
        }
    }
}

/// Names that every run has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plain {
    Run,
    Stage,
    Kind,
    State,
    Recipe,
    Tags,
    Note,
    Date,
    Age,
    Took,
    Key,
}

/// Each of them, with the words for it and its type.
const PLAIN: [(Plain, &[&str], Type); 11] = [
    (Plain::Run, &["run", "id"], Type::Text),
    (Plain::Stage, &["stage", "name"], Type::Text),
    (Plain::Kind, &["kind"], Type::Text),
    (Plain::State, &["state", "status"], Type::Text),
    (Plain::Recipe, &["recipe"], Type::Text),
    (Plain::Tags, &["tag", "tags"], Type::Words),
    (Plain::Note, &["note"], Type::Text),
    (Plain::Date, &["date", "started"], Type::Date),
    (Plain::Age, &["age"], Type::Seconds),
    (Plain::Took, &["took", "seconds"], Type::Seconds),
    (Plain::Key, &["key"], Type::Text),
];

/// Which of a metric's values is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    Last,
    Least,
    Greatest,
    Best,
}

const PARTS: [(&str, Part); 4] =
    [("last", Part::Last), ("least", Part::Least), ("greatest", Part::Greatest), ("best", Part::Best)];

/// What a name means.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    Plain(Plain),
    /// A dotted path in the config.
    Config(String),
    Metric(String, Part),
    /// A dotted path in the summary.
    Summary(String),
}

/// Words in the names of metrics of which more is better; of all others less is.
const UPWARD: [&str; 7] = ["accuracy", "reward", "score", "f1", "auc", "per_second", "win_rate"];

/// Whether more of a metric is better.
pub fn upward(metric: &str) -> bool {
    UPWARD.iter().any(|word| metric.contains(word))
}

impl Name {
    /// Its value for a run; none if the run has none.
    pub fn of(&self, (info, details): &Run, now: f64) -> Option<Value> {
        Some(match self {
            Name::Plain(plain) => match plain {
                Plain::Run => Value::Text(info.id.clone()),
                Plain::Stage => Value::Text(info.stage.clone()),
                Plain::Kind => Value::Text(info.kind.clone()),
                Plain::State => Value::Text(info.status.to_string()),
                Plain::Recipe => Value::Text(info.recipe_name.clone()),
                Plain::Tags => Value::Words(details.labels.tags.iter().cloned().collect()),
                Plain::Note => Value::Text(details.labels.note.clone()),
                Plain::Date => Value::Date(info.started),
                Plain::Age => Value::Seconds((now - info.started).max(0.0)),
                Plain::Took => Value::Seconds(info.seconds),
                Plain::Key => Value::Text(info.key.to_string()),
            },
            Name::Config(path) => leaf(at(&info.config, path)?)?,
            Name::Metric(name, part) => {
                let Some(measured) = details.metrics.get(name) else {
                    // What a run measured once, at its end, stands in its summary.
                    return (*part == Part::Last)
                        .then(|| details.summary.get(name).copied().map(Value::Number))?;
                };
                Value::Number(match part {
                    Part::Last => measured.last,
                    Part::Least => measured.least,
                    Part::Greatest => measured.greatest,
                    Part::Best if upward(name) => measured.greatest,
                    Part::Best => measured.least,
                })
            }
            Name::Summary(path) => Value::Number(*details.summary.get(path)?),
        })
    }
}

fn at<'v>(value: &'v Json, path: &str) -> Option<&'v Json> {
    path.split('.').try_fold(value, |value, part| match value {
        Json::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// A value of a config that is no table, list or null.
fn leaf(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Number(n) => Value::Number(n.as_f64()?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Bool(truth) => Value::Truth(*truth),
        _ => return None,
    })
}

/// All leaves of a config, by dotted path.
pub fn leaves(value: &Json, path: &str, see: &mut dyn FnMut(&str, &Json)) {
    let join = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match value {
        Json::Object(map) => map.iter().for_each(|(name, inner)| leaves(inner, &join(name), see)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| leaves(inner, &join(&i.to_string()), see));
        }
        other => see(path, other),
    }
}

/// All names that mean something for some run.
#[derive(Default)]
pub struct Names {
    config: BTreeMap<String, BTreeSet<Type>>,
    metrics: BTreeSet<String>,
    summary: BTreeSet<String>,
}

/// A name that means nothing: what to say and what to do.
pub struct Unknown {
    pub reason: String,
    pub hint: String,
}

impl Names {
    /// Those of some runs.
    pub fn of(runs: &[Run]) -> Names {
        let mut names = Names::default();
        for (info, details) in runs {
            leaves(&info.config, "", &mut |path, value| {
                if let Some(value) = leaf(value) {
                    match names.config.get_mut(path) {
                        Some(types) => drop(types.insert(value.kind())),
                        None => drop(names.config.insert(path.into(), [value.kind()].into())),
                    }
                }
            });
            let more = |known: &mut BTreeSet<String>, name: &String| {
                if !known.contains(name) {
                    known.insert(name.clone());
                }
            };
            details.metrics.keys().for_each(|name| more(&mut names.metrics, name));
            details.summary.keys().for_each(|name| more(&mut names.summary, name));
        }
        names
    }

    /// What a word means, and the types it has. `config.`, `metric.` and `summary.` before it say where to look.
    pub fn find(&self, word: &str) -> Result<(Name, BTreeSet<Type>), Unknown> {
        let number = || BTreeSet::from([Type::Number]);
        if let Some((plain, _, kind)) = PLAIN.iter().find(|(_, words, _)| words.contains(&word)) {
            return Ok((Name::Plain(*plain), [*kind].into()));
        }
        if let Some(path) = word.strip_prefix("config.") {
            let types = self.config.get(path).ok_or_else(|| self.unknown(word))?;
            return Ok((Name::Config(path.into()), types.clone()));
        }
        if let Some(path) = word.strip_prefix("summary.") {
            return match self.summary.contains(path) {
                true => Ok((Name::Summary(path.into()), number())),
                false => Err(self.unknown(word)),
            };
        }
        if let Some(name) = word.strip_prefix("metric.") {
            return self.metric(name).map(|name| (name, number())).ok_or_else(|| self.unknown(word));
        }
        let ending = format!(".{word}");
        let shortened = |all: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            all.filter(|path| path.ends_with(&ending)).cloned().collect()
        };
        let config = match self.config.contains_key(word) {
            true => vec![word.to_string()],
            false => shortened(&mut self.config.keys()),
        };
        if let [path] = &config[..] {
            return Ok((Name::Config(path.clone()), self.config[path].clone()));
        }
        if let Some(name) = self.metric(word) {
            return Ok((name, number()));
        }
        if self.summary.contains(word) {
            return Ok((Name::Summary(word.into()), number()));
        }
        let summary = shortened(&mut self.summary.iter());
        if let ([], [path]) = (&config[..], &summary[..]) {
            return Ok((Name::Summary(path.clone()), number()));
        }
        let several = if config.is_empty() { summary } else { config };
        if several.is_empty() {
            return Err(self.unknown(word));
        }
        let some: Vec<String> = several.iter().take(6).map(|path| format!("`{path}`")).collect();
        Err(Unknown {
            reason: format!("`{word}` may be any of {}", some.join(", ")),
            hint: "write the whole name".into(),
        })
    }

    fn metric(&self, word: &str) -> Option<Name> {
        if self.metrics.contains(word) {
            return Some(Name::Metric(word.into(), Part::Last));
        }
        let (name, ending) = word.rsplit_once('.')?;
        let (_, part) = PARTS.iter().find(|(known, _)| *known == ending)?;
        self.metrics.contains(name).then(|| Name::Metric(name.into(), *part))
    }

    fn unknown(&self, word: &str) -> Unknown {
        let plain = PLAIN.iter().flat_map(|(_, words, _)| words.iter().copied());
        let last = self.config.keys().filter_map(|path| path.rsplit('.').next());
        let all = plain
            .clone()
            .chain(self.metrics.iter().map(String::as_str))
            .chain(last)
            .chain(self.config.keys().map(String::as_str))
            .chain(self.summary.iter().map(String::as_str));
        let bare = ["config.", "metric.", "summary."].iter().find_map(|prefix| word.strip_prefix(prefix));
        let hint = match suggest::nearest(bare.unwrap_or(word), all) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let plain: Vec<&str> = PLAIN.iter().map(|(_, words, _)| words[0]).collect();
                let metrics: Vec<&str> = self.metrics.iter().map(String::as_str).take(12).collect();
                let metrics = if metrics.is_empty() {
                    String::new()
                } else {
                    format!("; measured: {}", metrics.join(", "))
                };
                format!("names are {}, fields of configs{metrics}", plain.join(", "))
            }
        };
        Unknown { reason: format!("no run knows `{word}`"), hint }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use regimen_ledger::{Labels, Measured, Status};
    use serde_json::json;

    /// A run of the stage `stage` with a loss.
    pub fn run(stage: &str, loss: f64, config: Json, tags: &[&str]) -> Run {
        let key = regimen_base::Hash256::of(format!("{stage}{loss}").as_bytes());
        let info = RunInfo {
            id: regimen_ledger::run_id(stage, key),
            stage: stage.into(),
            kind: "pretrain".into(),
            key,
            recipe: "r.toml".into(),
            recipe_name: "small".into(),
            command: Vec::new(),
            status: Status::Done,
            started: 86_400.0 * 10.5,
            seconds: 90.0,
            pid: 1,
            fingerprint: String::new(),
            config,
            inputs: BTreeMap::new(),
        };
        let labels =
            Labels { tags: tags.iter().map(|t| t.to_string()).collect(), note: "short warm-up".into() };
        let mut details = Details { labels, ..Details::default() };
        let measured = Measured {
            last: loss,
            step: 9,
            least: loss - 1.0,
            least_step: 5,
            greatest: 9.0,
            greatest_step: 1,
            count: 9,
        };
        details.metrics.insert("loss".into(), measured);
        details.metrics.insert("lr".into(), Measured { last: 0.0, ..measured });
        details.summary.insert("validation.bpb".into(), loss / 2.0);
        (info, details)
    }

    #[test]
    fn names_mean_what_is_nearest_at_hand() {
        let config = json!({"steps": 20, "optimizer": {"lr": 0.004, "kind": "adamw"},
            "checkpoint": {"every": 5}, "validation": {"every": 10}, "sources": [{"path": "a"}], "tied": true, "none": null});
        let runs = [run("base", 2.0, config, &["good"])];
        let names = Names::of(&runs);
        let value =
            |word: &str| names.find(word).ok().and_then(|(name, _)| name.of(&runs[0], 86_400.0 * 11.0));
        assert_eq!(value("lr"), Some(Value::Number(0.004)), "the one that was chosen, not the last one");
        assert_eq!(value("metric.lr"), Some(Value::Number(0.0)));
        assert_eq!(value("loss"), Some(Value::Number(2.0)));
        assert_eq!(
            (value("loss.best"), value("loss.greatest")),
            (Some(Value::Number(1.0)), Some(Value::Number(9.0)))
        );
        assert_eq!(value("bpb"), Some(Value::Number(1.0)));
        assert_eq!(value("tied"), Some(Value::Truth(true)));
        assert_eq!(value("sources.0.path"), Some(Value::Text("a".into())));
        assert_eq!(value("kind"), Some(Value::Text("pretrain".into())));
        assert_eq!(value("config.optimizer.kind"), Some(Value::Text("adamw".into())));
        assert_eq!(value("age"), Some(Value::Seconds(43_200.0)));
        assert_eq!(value("tag"), Some(Value::Words(vec!["good".into()])));
        let unknown =
            |word: &str| names.find(word).err().map(|u| format!("{} / {}", u.reason, u.hint)).unwrap();
        assert_eq!(
            unknown("every"),
            "`every` may be any of `checkpoint.every`, `validation.every` / write the whole name"
        );
        assert_eq!(unknown("lsos"), "no run knows `lsos` / did you mean `loss`?");
        assert!(unknown("none").contains("no run knows"));
        assert!(unknown("zzzzzz").contains("measured: loss, lr"));
    }
}
