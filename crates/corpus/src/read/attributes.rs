//! Attribute files beside documents in Dolma's layout: which of them belong to which documents, what their attributes are
//! called, and their rows in step with those of the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regimen_recipe::InputFile;

use crate::config::Source;
use crate::error::{Error, Place, Result};
use crate::memory::Memory;
use crate::read::attribute_lines::Lines;
use crate::read::attribute_names::{Bring, Shapes, of_source};
use crate::read::attribute_row::{self, Beside, Room, shown, wrong};
use crate::read::pairs::pairs;
use crate::tag::{Shape, Span};

/// What attributes of documents are called in expressions: `attributes.NAME`.
pub(crate) const TAGGER: &str = "attributes";
/// Attributes of one corpus at most.
pub(super) const MOST_NAMES: usize = 4096;

/// The attribute files of all sources.
#[derive(Default)]
pub(crate) struct Attributes {
    /// By source and path of a file of documents.
    files: BTreeMap<(u16, String), Vec<InputFile>>,
    /// All names, sorted, with what they are.
    names: Vec<(String, Shape)>,
    /// The names that count in a source: those that it gives, or that were found in its rows.
    sources: BTreeMap<u16, BTreeSet<String>>,
}

/// The names that a source gives.
pub(crate) fn given(source: &Source) -> impl Iterator<Item = (&String, Shape)> {
    let values = source.attribute_values.iter().map(|name| (name, Shape::Value));
    values.chain(source.attribute_spans.iter().map(|name| (name, Shape::Spans)))
}

/// The names of sources that give none, as their rows show them, by the number of the source.
pub(crate) type Found = BTreeMap<u16, Shapes>;

/// Find the names in the first rows of attribute files of sources whose config gives none. The `named` ones, which rules and
/// edits look at, are looked for in the other rows, too. `bring` is told which files are looked at.
///
/// # Errors
/// As for [`Attributes::new`], and for rows that are none; what `bring` says.
pub(crate) fn find<'f>(
    sources: &[Source],
    named: &BTreeSet<String>,
    of: &dyn Fn(&str) -> &'f [InputFile],
    memory: &Arc<Memory>,
    bring: &mut Bring,
) -> Result<Found> {
    let mut found = Found::new();
    for (number, source) in (0u16..).zip(sources) {
        let Some(pattern) = source.attributes.as_ref().filter(|_| given(source).next().is_none()) else {
            continue;
        };
        let documents = of(&source.path);
        let pairs = pairs(source, documents, pattern, of(pattern))?;
        found.insert(number, of_source(source, documents, &pairs, named, memory, bring)?);
    }
    Ok(found)
}

impl Attributes {
    /// Pair the attribute files of all sources with their documents. The names are those that the sources give, or that were
    /// found in their rows ([`find`]); what one source has says nothing of another.
    ///
    /// # Errors
    /// [`Error::Attributes`] for files that belong to no documents, and documents without a file.
    pub fn new<'f>(
        sources: &[Source],
        of: &dyn Fn(&str) -> &'f [InputFile],
        found: Found,
    ) -> Result<Attributes> {
        let mut all = Attributes::default();
        let mut names = Shapes::new();
        for (number, source) in (0u16..).zip(sources) {
            let Some(pattern) = &source.attributes else { continue };
            for (document, files) in pairs(source, of(&source.path), pattern, of(pattern))? {
                all.files.insert((number, document), files);
            }
            names.extend(given(source).map(|(name, shape)| (name.clone(), shape)));
            all.sources.insert(number, given(source).map(|(name, _)| name.clone()).collect());
        }
        for (number, found) in found {
            all.sources.insert(number, found.keys().cloned().collect());
            add(&mut names, found);
        }
        if names.len() > MOST_NAMES {
            return Err(Error::TooMany { what: "attributes of documents", most: MOST_NAMES as u64 });
        }
        all.names = names.into_iter().collect();
        Ok(all)
    }

    /// The names of all attributes, in the order of their numbers.
    pub fn names(&self) -> &[(String, Shape)] {
        &self.names
    }

    /// All that decides over what they say.
    pub fn identity(&self, out: &mut Vec<String>) {
        out.extend(self.names.iter().map(|(name, shape)| format!("{name} {shape:?}")));
        out.extend(self.files.values().flatten().map(|file| format!("{} {}", file.path, file.blake3)));
    }

    /// The attribute files of a file of documents.
    pub fn files(&self, source: u16, path: &str) -> &[InputFile] {
        self.files.get(&(source, path.to_string())).map(Vec::as_slice).unwrap_or_default()
    }

    /// Open them.
    pub fn open(&self, source: u16, path: &str, memory: &Memory) -> Result<Vec<Lines>> {
        Lines::open_all(self.files(source, path), memory)
    }

    /// The attributes in a row, each with its number. `id` and `text` are those of the document, whose text may be
    /// missing; `room` was told when it began.
    ///
    /// # Errors
    /// [`Error::Attributes`] with the place and field.
    pub fn row(
        &self,
        source: u16,
        row: (&Arc<str>, u64, &[u8]),
        id: &str,
        text: Option<&str>,
        room: &mut Room,
        out: &mut Vec<(u32, Span)>,
    ) -> Result<()> {
        let (file, number, line) = row;
        let place = || Place { file: file.to_string(), unit: "line", number };
        let known = self.sources.get(&source);
        let find = |name: &str| {
            // Names that come later than the first rows count only where a rule or an edit looks at them.
            let at = self.names.binary_search_by(|(known, _)| known.as_str().cmp(name));
            let at = at.ok().filter(|_| known.is_some_and(|known| known.contains(name)));
            Ok(at.map(|at| (at as u32, self.names[at].1)))
        };
        let beside = Beside { id, text, called: &|| "the document of this row".into() };
        attribute_row::read(line, &place, &beside, &find, room, &mut |index, span| out.push((index, span)))
    }
}

/// There is no row for the document called `id`.
pub(crate) fn missing_row(file: &str, id: &str) -> Error {
    wrong(
        Place { file: file.into(), unit: "", number: 0 },
        format!("the row for the document `{}` is missing", shown(id)),
    )
}

/// Add what was found to what is known: what is spans in one place is no value in another.
fn add(names: &mut Shapes, found: Shapes) {
    for (name, shape) in found {
        let known = names.entry(name).or_insert(shape);
        if shape == Shape::Spans {
            *known = Shape::Spans;
        }
    }
}
