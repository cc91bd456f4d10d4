//! What documents are measured by: rules, attributes, and what expressions make of them, each with the numbers at which
//! the stage cuts.

use std::path::Path;

use serde_json::Value;

use super::error::Result;
use super::originals::Originals;
use crate::corpus::Corpus;
use crate::expr::{Cut, Facts, Fold, Number, Op, Truth, Uses, cuts};
use crate::tag::{Shape, Tags};

/// Something that documents have a number for.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// `TAGGER.ATTRIBUTE`, what a rule counts, or an expression.
    pub name: String,
    /// What the number is; may be empty.
    pub doc: String,
    /// The numbers at which the stage cuts, in the order of its rules.
    pub limits: Vec<Limit>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// The value of a rule of `filter`, by its place in the dictionary.
    Rule(usize),
    /// A number of an expression.
    Number(Number),
}

/// A threshold: documents on one side of it are dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Name of the reason for the drop, such as `min_words` or `drop_3`.
    pub reason: String,
    /// Where it is.
    pub at: f64,
    /// Whether a document is dropped for this number alone, whatever else is so.
    pub alone: bool,
    op: Op,
}

impl Limit {
    /// Whether a number lies on the side that is dropped.
    pub fn falls(&self, x: f64) -> bool {
        self.op.holds(&x, &self.at)
    }

    /// Such as `dropped if < 50`.
    pub fn text(&self) -> String {
        let sign = match self.op {
            Op::Equal => "=",
            Op::Unequal => "\u{2260}",
            Op::Less => "<",
            Op::LessEqual => "\u{2264}",
            Op::Greater => ">",
            Op::GreaterEqual => "\u{2265}",
        };
        let more = if self.alone { "" } else { ", and more is so" };
        // The threshold of a rule is an f32, whose own digits are the fewer ones.
        let at = if f64::from(self.at as f32) == self.at {
            (self.at as f32).to_string()
        } else {
            self.at.to_string()
        };
        format!("dropped if {sign} {at}{more}")
    }
}

impl Measure {
    /// Whether one of its thresholds gives this reason for a drop.
    pub fn cuts(&self, reason: &str) -> bool {
        self.limits.iter().any(|limit| limit.reason == reason)
    }
}

/// All measures of a corpus: first what its rules count, then the attributes, then what else its `drop` expressions
/// compare. Marks are among them if an expression asks for them.
///
/// # Errors
/// [`super::Error::Corpus`] for an expression that this version of the program does not understand.
pub fn measures(corpus: &Corpus, originals: &Originals) -> Result<Vec<Measure>> {
    let names = corpus.names();
    let mut all: Vec<Measure> = Vec::new();
    for (slot, rule) in names.rules.iter().enumerate() {
        let limit = Limit {
            reason: rule.name.clone(),
            at: rule.threshold.into(),
            alone: true,
            op: if rule.least { Op::Less } else { Op::Greater },
        };
        match all.iter_mut().find(|measure| measure.name == rule.doc) {
            // Rules on the same number share a picture.
            Some(measure) => measure.limits.push(limit),
            None => all.push(Measure {
                name: rule.doc.clone(),
                doc: String::new(),
                limits: vec![limit],
                kind: Kind::Rule(slot),
            }),
        }
    }
    let name = |slot: usize| match names.attributes.get(slot) {
        Some(attribute) => attribute.full(),
        None => String::new(),
    };
    for (slot, attribute) in names.attributes.iter().enumerate() {
        let (number, doc) = match attribute.shape {
            Shape::Value => (Number::Value(slot), attribute.doc.clone()),
            Shape::Spans => {
                (Number::Folded(Fold::Count, slot), format!("{} (spans in a document)", attribute.doc))
            }
            Shape::Flag | Shape::Label => continue,
        };
        all.push(Measure { name: name(slot), doc, limits: Vec::new(), kind: Kind::Number(number) });
    }
    for (reason, truth) in originals.drops(corpus)? {
        for Cut { number, op, at, alone } in cuts(&truth) {
            if !Uses::of_number(&number).metadata.is_empty() {
                continue;
            }
            let limit = Limit { reason: reason.clone(), at, alone, op };
            let kind = Kind::Number(number);
            if let Some(measure) = all.iter_mut().find(|measure| measure.kind == kind) {
                measure.limits.push(limit);
                continue;
            }
            let Kind::Number(number) = &kind else { continue };
            let (name, doc) = match number {
                Number::Folded(Fold::Count, slot)
                    if names.attributes.get(*slot).is_some_and(|a| a.shape == Shape::Flag) =>
                {
                    (name(*slot), format!("{} (1 if so)", names.attributes[*slot].doc))
                }
                number if Uses::of_number(number).length && names.edited => {
                    (number.shown(&name), "where edits left the length as it was".into())
                }
                number => (number.shown(&name), String::new()),
            };
            all.push(Measure { name, doc, limits: vec![limit], kind });
        }
    }
    Ok(all)
}

/// The numbers that a document has for some measures; none where it has none.
///
/// # Errors
/// [`super::Error::Corpus`] for a damaged corpus.
pub fn values(corpus: &Corpus, measures: &[Measure], ordinal: u32) -> Result<Vec<Option<f64>>> {
    let tags = corpus.slots(ordinal)?;
    let length = length(corpus, ordinal)?;
    let of = |measure: &Measure| match &measure.kind {
        Kind::Rule(slot) => corpus.rule(ordinal, *slot).map(f64::from),
        Kind::Number(number) => of(number, tags.as_ref()?, length),
    };
    Ok(measures.iter().map(|measure| of(measure).filter(|x| x.is_finite())).collect())
}

/// What one threshold of a `drop` expression says of a document.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Verdict {
    /// Name of the reason for the drop, such as `drop_3`.
    pub rule: String,
    /// What is compared: `TAGGER.ATTRIBUTE`, an expression for a number, or the whole expression where it compares none.
    pub measure: String,
    /// The document's number; none if it is not known.
    pub value: Option<f64>,
    /// The threshold in words.
    pub threshold: String,
    /// Whether the document passed; none if it was dropped before it came to the rule. Where more than this number decides, it
    /// failed only if it was dropped for it.
    pub passed: Option<bool>,
}

/// What the `drop` expressions of the stage that made the corpus with this config say of a document, threshold by threshold.
/// An expression that compares metadata or texts alone stands there as it is written.
///
/// # Errors
/// [`super::Error::Config`] for a config that is not that of a corpus, [`super::Error::Corpus`] for a damaged corpus or an
/// expression that this version of the program does not understand.
pub fn verdicts(corpus: &Corpus, config: &Value, ordinal: u32) -> Result<Vec<Verdict>> {
    // No source file is read.
    let originals = Originals::new(config, Path::new(""))?;
    let measures = measures(corpus, &originals)?;
    let values = values(corpus, &measures, ordinal)?;
    let dropped = corpus.row(ordinal).dropped.map(|reason| corpus.reason_name(reason));
    let tagged = corpus.slots(ordinal)?.is_some();
    let of_drop = |reason: &str| reason.strip_prefix("drop_").and_then(|n| n.parse::<u32>().ok());
    // Rules are asked in their order, and before documents are compared and mixed.
    let came_by = |rule: &str| match (dropped.and_then(of_drop), of_drop(rule)) {
        (Some(fell), Some(rule)) => rule < fell,
        _ => corpus.row(ordinal).representative.is_some() || dropped == Some("mixed_out"),
    };
    let mut found = Vec::new();
    for (measure, value) in measures.iter().zip(values) {
        if matches!(measure.kind, Kind::Rule(_)) {
            continue;
        }
        for limit in &measure.limits {
            let here = dropped == Some(limit.reason.as_str());
            let falls = value.map_or(here, |x| limit.falls(x));
            let met = here || dropped.is_none() || tagged;
            found.push(Verdict {
                rule: limit.reason.clone(),
                measure: measure.name.clone(),
                value,
                threshold: limit.text(),
                passed: met.then_some(!(falls && (limit.alone || here))),
            });
        }
    }
    // Those that compare no number that the corpus knows are told whole, and so are those that a document fails by something
    // else than a number, such as a label.
    for ((rule, truth), (_, expression)) in originals.drops(corpus)?.into_iter().zip(originals.expressions())
    {
        let passed = match dropped {
            None => Some(true),
            Some(reason) if reason == rule => Some(false),
            Some(_) => match whole(corpus, &truth, ordinal)? {
                Some(falls) => Some(!falls),
                None => came_by(&rule).then_some(true),
            },
        };
        let told = |passed: Option<bool>| {
            found.iter().any(|verdict: &Verdict| {
                verdict.rule == rule && (passed.is_none() || verdict.passed == passed)
            })
        };
        if told(Some(false)) || told(None) && passed != Some(false) {
            continue;
        }
        let (measure, threshold) = (expression.clone(), "dropped if so".into());
        found.push(Verdict { rule, measure, value: None, threshold, passed });
    }
    found.sort_by_key(|verdict| of_drop(&verdict.rule));
    Ok(found)
}

/// Whether an expression holds for a document; none if it looks at what the corpus does not know.
fn whole(corpus: &Corpus, truth: &Truth, ordinal: u32) -> Result<Option<bool>> {
    let (uses, length) = (Uses::of(truth), length(corpus, ordinal)?);
    let Some(tags) = corpus.slots(ordinal)? else { return Ok(None) };
    if uses.text || !uses.metadata.is_empty() || uses.length && length.is_none() {
        return Ok(None);
    }
    let row = corpus.row(ordinal);
    Ok(Some(truth.of(&Facts {
        text: "",
        bytes: length.unwrap_or(0) as usize,
        source: corpus.source_name(row.source),
        id: corpus.id(ordinal),
        licence: corpus.licence_name(row.licence),
        author: row.author.name(),
        metadata: "",
        tags: &tags,
    })))
}

/// The number for a document with these tags and source text of this length.
fn of(number: &Number, tags: &Tags, length: Option<u32>) -> Option<f64> {
    let bytes = match length {
        Some(length) => length as usize,
        None if Uses::of_number(number).length => return None,
        None => 0,
    };
    number.of(&Facts { text: "", bytes, source: "", id: "", licence: "", author: "", metadata: "", tags })
}

/// Bytes of the source text of a document, where the table tells: edits change them.
fn length(corpus: &Corpus, ordinal: u32) -> Result<Option<u32>> {
    let (names, row) = (corpus.names(), corpus.row(ordinal));
    let whole = !names.edited
        || match row.dropped {
            None => corpus.keep_map(ordinal)?.is_none(),
            // Rules look at a text before edits do.
            Some(reason) => {
                let name = corpus.reason_name(reason);
                name.starts_with("drop_") || names.rules.iter().any(|rule| rule.name == name)
            }
        };
    Ok(whole.then_some(row.bytes))
}
