//! Attribute files beside documents in Dolma's layout: which of them belong to which documents, what their attributes are
//! called, and their rows in step with those of the documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use regimen_recipe::InputFile;

use crate::config::Source;
use crate::dolma::offsets::Offsets;
use crate::error::{Error, Place, Result};
use crate::read::attribute_lines::Lines;
use crate::read::attribute_row::{self, AttributeRow, Beside, Room, in_bytes, listed, shown, wrong};
use crate::read::chunk::{Chunk, Chunks, How, lines};
use crate::read::pairs::pairs;
use crate::read::row::{Fields, Scalar, parse};
use crate::read::stream::Stream;
use crate::tag::{Shape, Span};

/// What attributes of documents are called in expressions: `attributes.NAME`.
pub(crate) const TAGGER: &str = "attributes";
/// Attributes of one corpus at most.
const MOST_NAMES: usize = 4096;
/// Bytes of a name at most.
const LONGEST: usize = 256;
/// Files of documents at most beside which names are looked for.
const SAMPLE: usize = 64;

/// The attribute files of all sources.
#[derive(Default)]
pub(crate) struct Attributes {
    /// By source and path of a file of documents.
    files: BTreeMap<(u16, String), Vec<InputFile>>,
    /// All names, sorted, with what they are.
    names: Vec<(String, Shape)>,
    /// The names that count in a source, and whether they were given by the config.
    sources: BTreeMap<u16, (BTreeMap<String, u32>, bool)>,
}

/// The names that a source gives.
pub(crate) fn given(source: &Source) -> impl Iterator<Item = (&String, Shape)> {
    let values = source.attribute_values.iter().map(|name| (name, Shape::Value));
    values.chain(source.attribute_spans.iter().map(|name| (name, Shape::Spans)))
}

impl Attributes {
    /// Find the attribute files of all sources, and the names in the first rows of those whose config gives none.
    ///
    /// # Errors
    /// [`Error::Attributes`] for files that belong to no documents, documents without a file, and rows that are none.
    pub fn new<'f>(sources: &[Source], of: &dyn Fn(&str) -> &'f [InputFile]) -> Result<Attributes> {
        let mut all = Attributes::default();
        let mut names: BTreeMap<String, Shape> = BTreeMap::new();
        let mut found: Vec<(u16, BTreeMap<String, Shape>)> = Vec::new();
        for (number, source) in (0u16..).zip(sources) {
            let Some(pattern) = &source.attributes else { continue };
            let documents = of(&source.path);
            let pairs = pairs(source, documents, pattern, of(pattern))?;
            let here: BTreeMap<String, Shape> = match given(source).next() {
                Some(_) => given(source).map(|(name, shape)| (name.clone(), shape)).collect(),
                None => in_first_rows(source, documents, &pairs)?,
            };
            names.extend(given(source).map(|(name, shape)| (name.clone(), shape)));
            found.push((number, here));
            for (document, files) in pairs {
                all.files.insert((number, document), files);
            }
        }
        for (number, here) in &found {
            if given(&sources[usize::from(*number)]).next().is_none() {
                for (name, &shape) in here {
                    // What is spans in one source is no value in another.
                    let known = names.entry(name.clone()).or_insert(shape);
                    if shape == Shape::Spans {
                        *known = Shape::Spans;
                    }
                }
            }
        }
        if names.len() > MOST_NAMES {
            return Err(Error::TooMany { what: "attributes of documents", most: MOST_NAMES as u64 });
        }
        all.names = names.into_iter().collect();
        for (number, here) in found {
            let index = |name: String| {
                let index = all.names.binary_search_by(|(known, _)| known.cmp(&name)).unwrap_or_default();
                (name, index as u32)
            };
            let given = given(&sources[usize::from(number)]).next().is_some();
            all.sources.insert(number, (here.into_keys().map(index).collect(), given));
        }
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

    /// Open the attribute files of a file of documents.
    pub fn open(&self, source: u16, path: &str) -> Result<Vec<Lines>> {
        let files = self.files.get(&(source, path.to_string())).map(Vec::as_slice).unwrap_or_default();
        files.iter().map(Lines::open).collect()
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
        let names = self.sources.get(&source);
        let find = |name: &str| {
            let Some((names, given)) = names else { return Ok(None) };
            match names.get(name) {
                Some(&index) => Ok(Some((index, self.names[index as usize].1))),
                None if *given => Ok(None),
                None => Err(unknown(place(), name)),
            }
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

fn unknown(place: Place, name: &str) -> Error {
    Error::Attributes {
        place,
        reason: format!("field `attributes.{}`: the first rows have no such attribute", shown(name)),
        hint: "name all that you need in `attribute_values` and `attribute_spans` of the source".into(),
    }
}

/// The names in the first rows of the files, of [`SAMPLE`] of them if there are more. What is one number of the whole text in each of these rows is a value.
fn in_first_rows(
    source: &Source,
    documents: &[InputFile],
    pairs: &[(String, Vec<InputFile>)],
) -> Result<BTreeMap<String, Shape>> {
    let step = documents.len().div_ceil(SAMPLE).max(1);
    let each = documents.par_iter().zip(pairs).step_by(step);
    let each = each.map(|(document, (_, files))| first_rows(source, document, files));
    let mut names: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for here in each.collect::<Result<Vec<_>>>()? {
        for (name, value) in here {
            let known = names.entry(name).or_default();
            *known = match (*known, value) {
                (Some(a), Some(b)) => Some(a && b),
                (a, b) => a.or(b),
            };
        }
    }
    let shape = |value: Option<bool>| if value == Some(true) { Shape::Value } else { Shape::Spans };
    Ok(names.into_iter().map(|(name, value)| (name, shape(value))).collect())
}

/// The names in the first rows of the files of one file of documents, and whether each is a number of the whole text;
/// none where no row says.
fn first_rows(
    source: &Source,
    document: &InputFile,
    files: &[InputFile],
) -> Result<BTreeMap<String, Option<bool>>> {
    let first = |file: &InputFile| -> Result<Chunk> {
        let mut chunks = Chunks::new(Stream::open(file, Arc::default())?, How::Lines, 0, 0);
        Ok(chunks.next()?.unwrap_or_default())
    };
    let mut names: BTreeMap<String, Option<bool>> = BTreeMap::new();
    let texts = first(document)?;
    for file in files {
        let chunk = first(file)?;
        // Rows of documents that cannot be read are found when they are read for good.
        let mut texts = lines(&texts.data, texts.first, true);
        for (number, line) in lines(&chunk.data, chunk.first, true) {
            let place = || Place { file: file.path.clone(), unit: "line", number };
            let row = AttributeRow::parse(line, &place)?;
            let fields = Fields { text: &source.text_field, id: &source.id_field };
            let text = texts.next().and_then(|(_, line)| std::str::from_utf8(line).ok());
            let text = text.and_then(|line| parse(line, fields).ok()).and_then(|row| match row.text {
                Scalar::Text(text) => Some(text.into_owned()),
                _ => None,
            });
            let mut offsets = Offsets::default();
            offsets.mark(text.as_deref().unwrap_or_default());
            for (name, value) in &row.attributes {
                if name.len() > LONGEST || names.len() > MOST_NAMES {
                    let what =
                        if name.len() > LONGEST { "bytes in the name of an attribute" } else { "attributes" };
                    let most = if name.len() > LONGEST { LONGEST } else { MOST_NAMES };
                    return Err(Error::TooMany { what, most: most as u64 });
                }
                let list = listed(value)
                    .map_err(|reason| wrong(place(), format!("field `attributes.{name}`: {reason}")))?;
                let whole = match (&text, &list[..]) {
                    (None, _) | (_, []) => None,
                    (Some(text), [(start, end, _)]) => {
                        Some(in_bytes(text, &offsets, *start, *end) == Some((0, text.len() as u32)))
                    }
                    _ => Some(false),
                };
                let known = names.entry(name.clone().into_owned()).or_default();
                *known = match (*known, whole) {
                    (Some(a), Some(b)) => Some(a && b),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    Ok(names)
}
