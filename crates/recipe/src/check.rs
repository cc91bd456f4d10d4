//! Comparing a stage's table with its kind's fields: types, ranges, unknown and missing names, defaults.

use std::collections::BTreeMap;

use regimen_base::{suggest, units};
use serde_json::{Map, Value};

use crate::error::Wrong;
use crate::kind::{Field, StageKind, Ty};
use crate::node::{Node, Raw, Word, from_json};
use crate::source::{At, Source};

/// Checks one stage and remembers where each of its values stands.
pub(crate) struct Checker<'a> {
    pub(crate) sources: &'a [Source],
    /// How the stage is called in messages.
    pub(crate) owner: String,
    /// Place of each value, by dotted path.
    pub(crate) places: BTreeMap<String, At>,
}

/// The default of a field in its normalised form, in a table with the fields `table`; `None` if it must be given.
pub(crate) fn default_of(
    kind: &StageKind,
    field: &Field,
    table: &Map<String, Value>,
) -> Result<Option<Value>, Wrong> {
    let owner = format!("stage kind `{}`", kind.kind);
    Checker { sources: &[], owner, places: BTreeMap::new() }.default(field, field.name, table)
}

impl Checker<'_> {
    /// A table as JSON with all defaults filled in. `path` is the table's own, empty for the stage's.
    pub(crate) fn table(
        &mut self,
        fields: &[Field],
        entries: &[(Word, Node)],
        path: &str,
        others: &[&str],
    ) -> Result<Map<String, Value>, Wrong> {
        for (word, _) in entries {
            if !fields.iter().any(|f| f.name == word.text) {
                let known: Vec<&str> = fields.iter().map(|f| f.name).chain(others.iter().copied()).collect();
                let message = match path {
                    "" => format!("unknown field `{}` in {}", word.text, self.owner),
                    _ => format!("unknown field `{}` in `{path}` of {}", word.text, self.owner),
                };
                let hint = if known.is_empty() {
                    "it has no fields".into()
                } else {
                    suggest::hint(&word.text, known.iter().copied())
                };
                return Err(Wrong::new(word.at.as_ref(), message).hint(hint));
            }
        }
        let mut out = Map::new();
        for field in fields {
            let inner = join(path, field.name);
            let value = match entries.iter().find(|(word, _)| word.text == field.name) {
                Some((word, node)) => {
                    self.value(&field.ty, node, &inner).map_err(|w| w.or_at(word.at.as_ref()))?
                }
                None => self.default(field, &inner, &out)?.ok_or_else(|| {
                    Wrong::new(None, format!("`{inner}` of {} is missing", self.owner)).hint(format!(
                        "add `{} = ...`: {} ({})",
                        field.name,
                        field.ty.name(),
                        field.doc.trim_end_matches('.')
                    ))
                })?,
            };
            out.insert(field.name.into(), value);
        }
        Ok(out)
    }

    fn default(
        &mut self,
        field: &Field,
        path: &str,
        table: &Map<String, Value>,
    ) -> Result<Option<Value>, Wrong> {
        let Some(text) = field.default.json(table) else { return Ok(None) };
        let json: Value = serde_json::from_str(text).map_err(|e| {
            Wrong::new(None, format!("the default of `{path}` of {} is not JSON: {e}", self.owner))
        })?;
        self.value(&field.ty, &from_json(&json), path).map(Some)
    }

    fn value(&mut self, ty: &Ty, node: &Node, path: &str) -> Result<Value, Wrong> {
        if let Some(at) = &node.at {
            self.places.insert(path.into(), at.clone());
        }
        let wrong = || {
            let (name, found) = (ty.name(), found(&node.raw));
            Wrong::new(node.at.as_ref(), format!("`{path}` of {} must be {name}, found {found}", self.owner))
                .hint("`regimen stages KIND` describes every field and its values")
        };
        Ok(match (ty, &node.raw) {
            (Ty::Maybe(_), Raw::Null) => Value::Null,
            (Ty::Maybe(inner), _) => self.value(inner, node, path)?,
            (Ty::Bool, Raw::Bool(b)) => (*b).into(),
            (Ty::Int { min, max }, Raw::Int(n)) if (min..=max).contains(&n) => (*n).into(),
            (Ty::Int { .. }, Raw::Float(x)) if x.fract() == 0.0 && x.abs() < 9e15 => {
                return Err(wrong().hint(format!("write `{x:.0}`")));
            }
            (Ty::Int { .. }, Raw::Str(text)) => {
                let number = units::parse_bytes(text);
                return Err(match number {
                    Some(number) => wrong().hint(format!("write `{number}`")),
                    None => wrong(),
                });
            }
            (Ty::Float { min, max }, Raw::Int(_) | Raw::Float(_)) => {
                let x = if let Raw::Int(n) = node.raw { n as f64 } else { float(&node.raw) };
                if !x.is_finite() || x < *min || x > *max {
                    return Err(wrong());
                }
                // Minus zero would be another text in the key.
                Value::from(x + 0.0)
            }
            (Ty::Str | Ty::Files, raw) => match self.text(raw, node) {
                Some(text) if matches!(ty, Ty::Files) && text.is_empty() => return Err(wrong()),
                Some(text) => text.into(),
                None => return Err(wrong()),
            },
            (Ty::OneOf(words), raw) => match self.text(raw, node) {
                Some(text) if words.contains(&&*text) => text.into(),
                Some(text) => {
                    let near = suggest::nearest(&text, words.iter().copied());
                    return Err(match near {
                        Some(near) => wrong().hint(format!("did you mean `{near}`?")),
                        None => wrong(),
                    });
                }
                None => return Err(wrong()),
            },
            (Ty::List(item), Raw::List(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, inner) in items.iter().enumerate() {
                    let inner_path = format!("{path}.{i}");
                    out.push(self.value(item, inner, &inner_path).map_err(|w| w.or_at(inner.at.as_ref()))?);
                }
                out.into()
            }
            (Ty::List(_), _) => return Err(wrong().hint("put it in `[` and `]`")),
            (Ty::Table(fields), Raw::Table(entries)) => {
                Value::Object(self.table(fields, entries, path, &[]).map_err(|w| w.or_at(node.at.as_ref()))?)
            }
            _ => return Err(wrong()),
        })
    }

    /// A text, or the words of a `--set` that look like another type of TOML.
    fn text(&self, raw: &Raw, node: &Node) -> Option<String> {
        match raw {
            Raw::Str(text) => Some(text.clone()),
            Raw::Bool(_) | Raw::Int(_) | Raw::Float(_) | Raw::Date(_) => {
                let at = node.at.as_ref()?;
                let source = self.sources.get(at.source)?;
                if source.file.is_some() {
                    return None;
                }
                source.text.get(at.span.clone()).map(Into::into)
            }
            _ => None,
        }
    }
}

fn float(raw: &Raw) -> f64 {
    if let Raw::Float(x) = raw { *x } else { f64::NAN }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// How a value is called in a message.
pub(crate) fn found(raw: &Raw) -> String {
    match raw {
        Raw::Null => "nothing".into(),
        Raw::Bool(b) => b.to_string(),
        Raw::Int(n) => n.to_string(),
        Raw::Float(x) => format!("{x:?}"),
        Raw::Str(text) if text.chars().count() > 60 => "a long text".into(),
        Raw::Str(text) => format!("the text {text:?}"),
        Raw::Date(date) => format!("the date {date}"),
        Raw::List(_) => "a list".into(),
        Raw::Table(_) => "a table".into(),
    }
}
