//! What becomes of one document: kept, edited, or dropped for a reason.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regimen_base::DocKey;

use super::Source;
use crate::dolma::known::ask;
use crate::dolma::row::Row;
use crate::edit::{Cut, KeptRange, apply};
use crate::error::{Error, Result};
use crate::expr::{Facts, Known, Truth, parse};
use crate::licence::UNKNOWN;
use crate::memory::Memory;
use crate::mix::copies;
use crate::names::Reason;
use crate::read::row::{Fields, Scalar, parse as parse_row};
use crate::tag::{Shape, Tags};
use regimen_recipe::InputFile;

/// A rule of `edit`.
struct Cutting {
    slot: usize,
    when: Option<Truth>,
    least: Option<f64>,
    replacement: u8,
}

/// The rules of one source, ready to run.
pub(super) struct Judge {
    include: Vec<Truth>,
    drop: Vec<Truth>,
    edits: Vec<Cutting>,
    pub replacements: Vec<String>,
    /// Names of the attributes that are looked at, by slot.
    pub used: Vec<(String, Shape)>,
    /// Their slots and shapes by name.
    pub slots: BTreeMap<String, (u32, Shape)>,
    /// Whether an expression asks for licence or author, which are deeper in the row.
    asks_about: bool,
    /// Why documents are dropped, in the order of the numbers that [`Judge::judge`] gives.
    pub reasons: Vec<Reason>,
    name: String,
}

/// The fate of a document.
pub(super) enum Fate {
    /// Number of the reason.
    Dropped(usize),
    /// Kept so many times, with another text and the ranges that were kept if it was edited.
    Kept(Option<(String, Vec<KeptRange>)>, u32),
}

impl Judge {
    /// The rules of `source`, checked against the names that `attributes` hold.
    ///
    /// # Errors
    /// [`Error::Expression`], [`Error::UnknownAttribute`], [`Error::TooMany`].
    pub fn new(source: &Source, attributes: &[&InputFile], mixes: bool, memory: &Memory) -> Result<Judge> {
        if source.edit.len() > 255 {
            return Err(Error::TooMany { what: "edits", most: 255 });
        }
        let compile = |known: &dyn Known| {
            let all = |list: &[String]| list.iter().map(|e| parse(e, known)).collect::<Result<Vec<_>>>();
            let (include, drop) = (all(&source.include)?, all(&source.drop)?);
            let mut replacements: Vec<String> = Vec::new();
            let mut edits = Vec::new();
            for edit in &source.edit {
                let (slot, shape) = known.slot(&edit.spans)?;
                if shape != Shape::Spans {
                    return Err(Error::NoSpans { name: edit.spans.clone() });
                }
                let replacement = match replacements.iter().position(|known| *known == edit.replace) {
                    _ if edit.replace.is_empty() => 0,
                    Some(known) => known + 1,
                    None => {
                        replacements.push(edit.replace.clone());
                        replacements.len()
                    }
                };
                edits.push(Cutting {
                    slot,
                    when: edit.when.as_ref().map(|when| parse(when, known)).transpose()?,
                    least: edit.least,
                    replacement: replacement as u8,
                });
            }
            Ok((include, drop, edits, replacements))
        };
        let ((include, drop, edits, replacements), used) = ask(attributes, memory, compile)?;
        let reason = |name: String, text: &str| Reason { name, text: text.into() };
        let mut reasons = Vec::new();
        if !include.is_empty() {
            reasons.push(reason("include".into(), &format!("none holds of: {}", source.include.join("; "))));
        }
        reasons.extend((1..).zip(&source.drop).map(|(i, rule)| reason(format!("drop_{i}"), rule)));
        if !edits.is_empty() {
            reasons.push(reason("edited".into(), "edits left nothing of the text"));
        }
        if mixes {
            reasons.push(reason("mixed_out".into(), "left out of the mix of sources"));
        }
        // Conditions have their fields in their names.
        let shown = format!("{include:?}{drop:?}{:?}", edits.iter().map(|e| &e.when).collect::<Vec<_>>());
        let asks_about = ["Field(Licence)", "Field(Author)"].iter().any(|field| shown.contains(field));
        let name = source.name.clone();
        let slots = (0..).zip(&used).map(|(slot, (name, shape))| (name.clone(), (slot, *shape))).collect();
        Ok(Judge { include, drop, edits, replacements, used, slots, asks_about, reasons, name })
    }

    /// The key of the document with this id.
    pub fn key(&self, id: &str) -> DocKey {
        DocKey::new(&self.name, id)
    }

    /// Judge the document in `row`, whose attributes are `tags`; the source is taken up to the place `limit`.
    pub fn judge(&self, row: &Row, tags: &Tags, limit: f64, cuts: &mut Vec<Cut>) -> Fate {
        let id = row.id_text();
        let source = row.source.and_then(|raw| serde_json::from_str::<Cow<str>>(raw.get()).ok());
        let about = match self.asks_about {
            true => parse_row(row.line(), Fields { text: "text", id: "id" }).ok(),
            false => None,
        };
        let scalar = |scalar: Option<&Scalar>| match scalar {
            Some(Scalar::Text(text)) => text.to_string(),
            _ => String::new(),
        };
        let (licence, author) =
            (scalar(about.as_ref().map(|a| &a.licence)), scalar(about.as_ref().map(|a| &a.author)));
        let facts = Facts {
            bytes: row.text().len(),
            text: row.text(),
            source: source.as_deref().unwrap_or(&self.name),
            id: &id,
            licence: if licence.is_empty() { UNKNOWN } else { &licence },
            author: if author.is_empty() { "unknown" } else { &author },
            metadata: row.metadata(),
            tags,
        };
        let mut number = 0;
        if !self.include.is_empty() {
            if !self.include.iter().any(|rule| rule.of(&facts)) {
                return Fate::Dropped(number);
            }
            number += 1;
        }
        if let Some(rule) = self.drop.iter().position(|rule| rule.of(&facts)) {
            return Fate::Dropped(number + rule);
        }
        number += self.drop.len();
        let mut edited = None;
        if !self.edits.is_empty() {
            cuts.clear();
            for edit in &self.edits {
                if edit.when.as_ref().is_none_or(|when| when.of(&facts)) {
                    let spans = tags.spans(edit.slot).iter();
                    let spans = spans.filter(|span| edit.least.is_none_or(|least| span.score >= least));
                    cuts.extend(spans.map(|s| Cut {
                        start: s.start,
                        end: s.end,
                        replacement: edit.replacement,
                    }));
                }
            }
            edited = apply(row.text(), cuts, &self.replacements);
            if edited.as_ref().is_some_and(|(text, _)| text.trim().is_empty()) {
                return Fate::Dropped(number);
            }
            number += 1;
        }
        let copies = if limit == 1.0 { 1 } else { copies(self.key(&id), limit) };
        if copies == 0 {
            return Fate::Dropped(number);
        }
        Fate::Kept(edited, copies)
    }
}
