//! Taggers: what is measured in a document, and where in its text.
//!
//! A tagger is one file. It declares its attributes before anything runs ([`Kind::attributes`]), so that a config can be
//! checked against them, and gives values (one number for the document) and spans (a range of bytes with a number).
//! Offsets are in bytes of UTF-8; where a format wants code points they are converted on the way out.

mod author;
mod bits;
mod c4;
mod c4_dolma;
pub(crate) mod classes;
mod classify;
mod code_copyright;
mod code_redpajama;
mod code_starcoder;
mod comments;
pub(crate) mod decontaminate;
mod fineweb;
mod gopher_datatrove;
mod gopher_dolma;
mod labels;
mod length;
mod licence;
mod licence_dolma;
mod lines;
mod ngrams;
mod paragraph_length;
mod perplexity;
mod phrases;
mod pii;
mod pii_datatrove;
mod pii_dolma;
mod punctuation;
mod random_number;
mod readability;
mod registry;
mod repetition;
mod spacy;
pub(crate) mod stored;
mod url;
mod view;

pub use registry::{Params, Set, SetAttribute, TAGGERS, Wanted};

pub(crate) use ngrams::Ngrams;
pub(crate) use view::{Buffers, View, Word};

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One number for the document.
    Value,
    /// Any number of ranges of the text, each with a number.
    Spans,
    /// At most one mark on the whole document: present (as 1) or absent.
    Flag,
    /// The name of one of several classes, such as a language; its number is its place in the list of them. The attribute behind
    /// it is a value that says how sure it is.
    Label,
}

/// An attribute as its tagger declares it.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Name, unique in its tagger: letters, digits and `_`.
    pub name: &'static str,
    /// What it is.
    pub shape: Shape,
    /// What its numbers count or measure, with the unit.
    pub doc: &'static str,
    /// The least and the greatest number that it can give; of spans their scores.
    pub range: (f64, f64),
}

/// Where nothing is known of the numbers.
pub(crate) const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Short for an attribute that is one number from 0 up.
const fn value(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { name, shape: Shape::Value, doc, range: (0.0, f64::INFINITY) }
}

/// Short for an attribute that is one number from 0 to 1.
const fn fraction(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { range: (0.0, 1.0), ..value(name, doc) }
}

/// Short for an attribute that is one number, whichever.
const fn signed(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { range: ANY, ..value(name, doc) }
}

/// Short for an attribute that marks ranges.
const fn spans(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { name, shape: Shape::Spans, doc, range: ANY }
}

/// Short for an attribute that marks the document.
const fn flag(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { name, shape: Shape::Flag, doc, range: (0.0, 1.0) }
}

/// Short for an attribute that is one of several classes.
const fn label(name: &'static str, doc: &'static str) -> Attribute {
    Attribute { name, shape: Shape::Label, doc, range: (0.0, f64::INFINITY) }
}

/// A kind of tagger, as it stands in the table [`TAGGERS`].
pub struct Kind {
    /// Name, such as `gopher@dolma`.
    pub name: &'static str,
    /// Names that other tools have for it.
    pub aliases: &'static [&'static str],
    /// Raised when its numbers change.
    pub version: u32,
    /// One sentence, with the source.
    pub about: &'static str,
    /// What it gives, in the order of the slots of [`Tags`].
    pub attributes: &'static [Attribute],
    /// Make one, from what the config says of it.
    make: fn(&Params) -> Result<Box<dyn Tagger>>,
}

/// Measures documents. Many threads use one tagger at once.
pub(crate) trait Tagger: Send + Sync {
    /// Measure `document` and put what was found into `out`.
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags);

    /// The classes that its [`Shape::Label`] attribute tells apart, in the order of its numbers.
    fn labels(&self) -> Arc<[String]> {
        Arc::default()
    }
}

/// What is known of a document besides the words and lines of its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'d> {
    /// The text, its words and its lines.
    pub view: View<'d>,
    /// The JSON object `metadata` of its row, as it was written; of a row without one the row itself, whose fields say the same;
    /// empty if nothing is known.
    pub metadata: &'d str,
}

/// Buffers of taggers, kept from document to document, one set a thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// For n-grams of words.
    pub ngrams: Ngrams,
    /// For counting equal lines.
    pub lines: lines::Repeats,
    /// For tokens of words.
    pub cuts: spacy::Cuts,
    /// For words cut into tokens.
    pub words: Vec<Word>,
    /// For pieces of the text: first byte, end, characters.
    pub pieces: Vec<(u32, u32, u32)>,
    /// For anything.
    pub numbers: Vec<u32>,
}

/// All that a thread keeps from document to document when it tags by itself: see [`Set::tags`].
#[derive(Debug, Default)]
pub struct Room {
    buffers: Buffers,
    scratch: Scratch,
    tags: Tags,
}

impl Set {
    /// What the taggers find in a text. `metadata` is the JSON object of that name in its row, as it was written; of a row
    /// without one the row itself; empty if nothing is known.
    pub fn tags<'r>(&self, text: &str, metadata: &str, room: &'r mut Room) -> &'r Tags {
        self.tag(text, metadata, &mut room.buffers, &mut room.scratch, &mut room.tags);
        &room.tags
    }
}

/// A range of bytes with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
    /// The number: 1 unless the attribute says otherwise.
    pub score: f64,
}

/// What the taggers of a [`Set`] found in one document: a list of spans for each attribute, a value being a span of the
/// whole text.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    slots: Vec<Vec<Span>>,
    /// Slot of the first attribute of the tagger at work.
    base: usize,
    /// Length of the text.
    length: u32,
}

impl Tags {
    /// Forget all, for a text of `length` bytes and `slots` attributes.
    pub(crate) fn begin(&mut self, slots: usize, length: u32) {
        self.slots.resize_with(slots, Vec::new);
        self.slots.iter_mut().for_each(Vec::clear);
        self.length = length;
    }

    /// The tagger whose attributes begin at slot `base` is at work.
    fn of(&mut self, base: usize) {
        self.base = base;
    }

    /// The value of the `attribute`-th attribute of the tagger at work.
    pub(crate) fn value(&mut self, attribute: usize, score: f64) {
        self.slots[self.base + attribute].push(Span { start: 0, end: self.length, score });
    }

    /// A span of the `attribute`-th attribute of the tagger at work.
    pub(crate) fn span(&mut self, attribute: usize, range: Range<u32>, score: f64) {
        self.slots[self.base + attribute].push(Span { start: range.start, end: range.end, score });
    }

    /// A span of a slot.
    pub(crate) fn push(&mut self, slot: usize, span: Span) {
        self.slots[slot].push(span);
    }

    /// The spans of a slot.
    pub fn spans(&self, slot: usize) -> &[Span] {
        &self.slots[slot]
    }

    /// The label in a slot, one of `labels`.
    pub fn label<'l>(&self, slot: usize, labels: &'l [String]) -> Option<&'l str> {
        label_of(self.spans(slot), labels)
    }

    /// The number that stands for a slot in a comparison: its value, or the number of its spans.
    pub fn number(&self, slot: usize, shape: Shape) -> Option<f64> {
        match shape {
            Shape::Value | Shape::Label => self.slots[slot].first().map(|span| span.score),
            Shape::Spans | Shape::Flag => Some(self.slots[slot].len() as f64),
        }
    }
}

/// The label that the spans of a [`Shape::Label`] attribute stand for, one of `labels`.
pub fn label_of<'l>(spans: &[Span], labels: &'l [String]) -> Option<&'l str> {
    // A number that is no place in the list, as in a damaged file, is no label.
    let place = spans.first()?.score;
    (place >= 0.0 && place.fract() == 0.0).then(|| labels.get(place as usize).map(String::as_str))?
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// What the tagger called `name` finds in a text: attribute, start, end, score.
    pub fn tags(name: &str, text: &str) -> Vec<(String, u32, u32, f64)> {
        tags_of(name, text, "")
    }

    /// The same for a document with metadata.
    pub fn tags_of(name: &str, text: &str, metadata: &str) -> Vec<(String, u32, u32, f64)> {
        let set = Set::new(&[Wanted::named(name)]).unwrap();
        let mut out = Tags::default();
        let mut buffers = Buffers::default();
        set.tag(text, metadata, &mut buffers, &mut Scratch::default(), &mut out);
        set.attributes()
            .iter()
            .enumerate()
            .flat_map(|(slot, attribute)| {
                out.spans(slot)
                    .iter()
                    .map(move |s| (attribute.attribute.name.to_string(), s.start, s.end, s.score))
            })
            .collect()
    }

    /// The value of one attribute.
    pub fn number(name: &str, attribute: &str, text: &str) -> f64 {
        tags(name, text).iter().find(|(n, ..)| n == attribute).map_or(f64::NAN, |t| t.3)
    }
}
