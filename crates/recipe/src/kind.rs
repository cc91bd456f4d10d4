//! What a room says about each of its stages: the one place where a config field is named, typed, given its default
//! and described. Parsing, help, documentation and the key all read these tables.

use std::collections::BTreeMap;

use regimen_base::Failure;
use serde_json::{Map, Value};

use crate::forecast::{Forecast, Planning};
use crate::job::Job;

/// A kind of stage: `kind = "corpus"` in a recipe.
pub struct StageKind {
    /// The word after `kind =`.
    pub kind: &'static str,
    /// Raised whenever the same config would give other bytes.
    pub version: u32,
    /// One sentence for help and docs.
    pub about: &'static str,
    /// Whether the recipe's seed enters the key. A stage that draws no random number says no.
    pub seeded: bool,
    /// Whether all processes of a group run it together. Elsewhere process 0 works and the others wait.
    pub shared: bool,
    /// Inputs: artifacts of other stages.
    pub inputs: &'static [Input],
    /// Config fields besides `kind`, `seed` and the inputs.
    pub fields: &'static [Field],
    /// Checks across fields, before anything runs. Gets the normalised config.
    pub check: fn(&Value) -> Result<(), Problem>,
    /// What the stage will cost and produce.
    pub forecast: fn(&Planning) -> Result<Forecast, Failure>,
    /// Do the work: read `job`'s inputs and config, write files under `job.dir()`.
    pub run: fn(&mut Job) -> Result<(), Failure>,
}

/// A field whose value the stage refuses, found before anything runs. `path` is like `model.kv_heads`.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The field, dotted from the stage's table.
    pub path: String,
    /// What is wrong, with the values.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// No checks across fields.
pub fn no_check(_: &Value) -> Result<(), Problem> {
    Ok(())
}

/// An input of a stage.
pub struct Input {
    /// Field name in the recipe, such as `corpus`.
    pub name: &'static str,
    /// Kinds of artifact it takes.
    pub accepts: &'static [&'static str],
    /// Whether the recipe must name it.
    pub required: bool,
    /// One sentence.
    pub doc: &'static str,
}

/// A config field.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Ty,
    /// Its value when the recipe is silent.
    pub default: Default,
    /// One sentence with unit and source.
    pub doc: &'static str,
    /// Whether it enters the key. Logging, prompts and checkpoint intervals do not.
    pub keyed: bool,
    /// Whether it came after the stage's first version: then it is left out of the key while it equals its default.
    pub later: bool,
    /// Whether a folder given here stands for one in it.
    pub within: Option<Within>,
}

/// A folder given in a field of files stands for its folder `folder`, if it has one and the field `on` of the same table
/// is `is`.
pub struct Within {
    /// The folder in it.
    pub folder: &'static str,
    /// A field of the same table, which holds a text.
    pub on: &'static str,
    /// Its text.
    pub is: &'static str,
}

impl Field {
    /// A field that must be given.
    pub const fn required(name: &'static str, ty: Ty, doc: &'static str) -> Field {
        Field { name, ty, default: Default::Required, doc, keyed: true, later: false, within: None }
    }

    /// A field with a default, written as JSON.
    pub const fn new(name: &'static str, ty: Ty, json: &'static str, doc: &'static str) -> Field {
        Field { name, ty, default: Default::Json(json), doc, keyed: true, later: false, within: None }
    }

    /// A field whose default depends on the value of the field `on`, a text that stands before it in the same table:
    /// `json`, except for the values in `others`.
    pub const fn by(
        name: &'static str,
        ty: Ty,
        json: &'static str,
        on: &'static str,
        others: &'static [(&'static str, &'static str)],
        doc: &'static str,
    ) -> Field {
        Field {
            name,
            ty,
            default: Default::By { json, on, others },
            doc,
            keyed: true,
            later: false,
            within: None,
        }
    }

    /// The same field outside the key.
    pub const fn unkeyed(self) -> Field {
        Field { keyed: false, ..self }
    }

    /// The same field, marked as added later.
    pub const fn later(self) -> Field {
        Field { later: true, ..self }
    }

    /// The same field, in which a folder stands for its folder `folder` where the field `on` is `is`.
    pub const fn within(self, folder: &'static str, on: &'static str, is: &'static str) -> Field {
        Field { within: Some(Within { folder, on, is }), ..self }
    }
}

/// What stands in for a field that the recipe leaves out.
pub enum Default {
    /// Nothing: the recipe must give it.
    Required,
    /// This JSON text.
    Json(&'static str),
    /// This JSON text, or another where the field `on` before it has another value.
    By {
        /// What stands in otherwise.
        json: &'static str,
        /// The name of a field before it in the same table, which holds a text.
        on: &'static str,
        /// Values of that field, each with its JSON text.
        others: &'static [(&'static str, &'static str)],
    },
}

impl Default {
    /// The JSON text in a table whose fields before this one are `table`; `None` where the recipe must give a value.
    pub fn json(&self, table: &Map<String, Value>) -> Option<&'static str> {
        match *self {
            Default::Required => None,
            Default::Json(text) => Some(text),
            Default::By { json, on, others } => {
                let value = table.get(on).and_then(Value::as_str);
                Some(others.iter().find(|(word, _)| Some(*word) == value).map_or(json, |(_, text)| *text))
            }
        }
    }
}

/// The type of a field.
pub enum Ty {
    /// `true` or `false`.
    Bool,
    /// A whole number from `min` to `max`.
    Int {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number from `min` to `max`; whole numbers are taken as well. A `min` of `f64::MIN_POSITIVE` stands for above 0.
    Float {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// Any text.
    Str,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A path or glob pattern of input files, relative to the project root. Their content enters the key.
    Files,
    /// A list.
    List(&'static Ty),
    /// A table with its own fields.
    Table(&'static [Field]),
    /// The value or nothing: `null` in the normalised config stands for nothing.
    Maybe(&'static Ty),
}

impl Ty {
    /// A whole number of at least 0.
    pub const COUNT: Ty = Ty::Int { min: 0, max: i64::MAX };
    /// A whole number of at least 1.
    pub const POSITIVE: Ty = Ty::Int { min: 1, max: i64::MAX };
    /// A number in [0, 1].
    pub const FRACTION: Ty = Ty::Float { min: 0.0, max: 1.0 };
    /// A number of at least 0.
    pub const NON_NEGATIVE: Ty = Ty::Float { min: 0.0, max: f64::INFINITY };

    /// How the type is called in help and errors.
    pub fn name(&self) -> String {
        match self {
            Ty::Bool => "true or false".into(),
            Ty::Int { min: 0, max: i64::MAX } => "a whole number".into(),
            Ty::Int { min: i64::MIN, max: i64::MAX } => "a whole number, negative ones too".into(),
            Ty::Int { min, max: i64::MAX } => format!("a whole number of at least {min}"),
            Ty::Int { min, max } => format!("a whole number from {min} to {max}"),
            Ty::Float { min, max } if *min == f64::NEG_INFINITY && *max == f64::INFINITY => "a number".into(),
            Ty::Float { min, max } if *min == f64::NEG_INFINITY => format!("a number of at most {max}"),
            Ty::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY } => "a number above 0".into(),
            Ty::Float { min: f64::MIN_POSITIVE, max } => format!("a number above 0, up to {max}"),
            Ty::Float { min, max } if *max == f64::INFINITY => format!("a number of at least {min}"),
            Ty::Float { min, max } => format!("a number from {min} to {max}"),
            Ty::Str => "a text".into(),
            Ty::OneOf(words) => words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" | "),
            Ty::Files => "a path or glob pattern".into(),
            Ty::List(item) => format!("a list of: {}", item.name()),
            Ty::Table(_) => "a table".into(),
            Ty::Maybe(inner) => inner.name(),
        }
    }
}

/// All kinds of stage that the program knows, by name.
#[derive(Clone, Copy)]
pub struct Registry(pub &'static [&'static [&'static StageKind]]);

impl Registry {
    /// The kind called `name`.
    pub fn get(&self, name: &str) -> Option<&'static StageKind> {
        self.all().find(|kind| kind.kind == name)
    }

    /// All kinds, in the order of the rooms.
    pub fn all(&self) -> impl Iterator<Item = &'static StageKind> + Clone + use<> {
        self.0.iter().flat_map(|room| room.iter().copied())
    }
}

/// Facts that a stage's forecast or summary hands to the stages behind it, such as `train_tokens`.
pub type Facts = BTreeMap<String, f64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_in_words() {
        let name = |min, max| Ty::Float { min, max }.name();
        assert_eq!(name(f64::MIN_POSITIVE, f64::INFINITY), "a number above 0");
        assert_eq!(name(f64::MIN_POSITIVE, 2.0), "a number above 0, up to 2");
        assert_eq!(Ty::NON_NEGATIVE.name(), "a number of at least 0");
        assert_eq!(Ty::FRACTION.name(), "a number from 0 to 1");
        assert_eq!(name(f64::NEG_INFINITY, f64::INFINITY), "a number");
    }
}
