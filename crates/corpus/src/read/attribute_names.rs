//! What the attributes in files are called and what they are, as their rows show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memchr::memmem;
use rayon::prelude::*;
use regimen_recipe::InputFile;

use crate::config::{Config, Source};
use crate::dolma::offsets::Offsets;
use crate::error::{Error, Place, Result};
use crate::expr::names;
use crate::memory::Memory;
use crate::read::attribute_lines::Lines;
use crate::read::attribute_row::{AttributeRow, in_bytes, listed, wrong};
use crate::read::attributes::{MOST_NAMES, TAGGER};
use crate::read::chunk::{Chunk, Chunks, How, lines};
use crate::read::row::{Fields, Scalar, parse};
use crate::read::stream::Stream;
use crate::tag::Shape;

/// Bytes of a name at most.
const LONGEST: usize = 256;
/// Files of documents at most beside which names are looked for in the first rows.
const SAMPLE: usize = 64;

/// Names, and whether each is a number of the whole text; none where no row says.
type Found = BTreeMap<String, Option<bool>>;

/// The attributes of documents at which rules and edits look.
pub(crate) fn named(config: &Config) -> BTreeSet<String> {
    let ours = |name: String| name.strip_prefix(TAGGER)?.strip_prefix('.').map(String::from);
    let rules = config.drop.iter().chain(config.edit.iter().filter_map(|edit| edit.when.as_ref()));
    let spans = config.edit.iter().map(|edit| edit.spans.clone());
    rules.flat_map(|rule| names(rule)).chain(spans).filter_map(ours).collect()
}

/// What is called how: names with what they are.
pub(crate) type Shapes = BTreeMap<String, Shape>;

/// Is told which files are to be looked at, before they are: documents, and the attribute files beside them.
pub(crate) type Bring<'b> = dyn FnMut(&[&InputFile]) -> Result<()> + 'b;

/// The names in the first rows of the files, of [`SAMPLE`] of them if there are more, and those of the `named` ones that come
/// in any other row, by the first rows of each file that have them. What is one number of the whole text in each of these
/// rows is a value.
pub(super) fn of_source(
    source: &Source,
    documents: &[InputFile],
    pairs: &[(String, Vec<InputFile>)],
    named: &BTreeSet<String>,
    memory: &Arc<Memory>,
    bring: &mut Bring,
) -> Result<Shapes> {
    let step = documents.len().div_ceil(SAMPLE).max(1);
    let files = |step| {
        let beside = pairs.iter().step_by(step).flat_map(|(_, files)| files);
        documents.iter().step_by(step).chain(beside).collect::<Vec<&InputFile>>()
    };
    bring(&files(step))?;
    let each = documents.par_iter().zip(pairs).step_by(step);
    let first = each.map(|(document, (_, files))| first_rows(source, document, files, memory));
    let mut found = shapes(first.collect::<Result<_>>()?);

    let late: BTreeSet<String> = named.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
    if !late.is_empty() {
        bring(&files(1))?;
        let each = documents.par_iter().zip(pairs);
        let each =
            each.map(|(document, (_, files))| match late_rows(source, document, files, &late, memory) {
                // Rows that do not fit their documents are told when these are read.
                Err(Error::Attributes { .. }) => Ok(Found::new()),
                found => found,
            });
        found.append(&mut shapes(each.collect::<Result<_>>()?));
    }
    Ok(found)
}

fn shapes(all: Vec<Found>) -> Shapes {
    let mut names = Found::new();
    for (name, whole) in all.into_iter().flatten() {
        also(&mut names, name, whole);
    }
    let shape = |whole: Option<bool>| if whole == Some(true) { Shape::Value } else { Shape::Spans };
    names.into_iter().map(|(name, whole)| (name, shape(whole))).collect()
}

/// What one more row says of a name.
fn also(names: &mut Found, name: String, whole: Option<bool>) {
    let known = names.entry(name).or_default();
    *known = match (*known, whole) {
        (Some(a), Some(b)) => Some(a && b),
        (a, b) => a.or(b),
    };
}

/// The rows of a file, within the memory of the build.
fn rows(file: &InputFile, memory: &Arc<Memory>) -> Result<Chunks> {
    let window = memory.window_log(rayon::current_num_threads());
    Ok(Chunks::new(Stream::open_within(file, Arc::default(), window)?, How::Lines, 0, 0))
}

fn first_rows(
    source: &Source,
    document: &InputFile,
    files: &[InputFile],
    memory: &Arc<Memory>,
) -> Result<Found> {
    // Rows stand beside documents: who had to wait for each by itself could wait for himself.
    let first = |file: &InputFile| -> Result<Chunk> {
        Ok(rows(file, memory)?.up_to(memory.longest()).next()?.unwrap_or_default())
    };
    let mut names = Found::new();
    let texts = first(document)?;
    for file in files {
        let chunk = first(file)?;
        // Rows of documents that cannot be read are found when they are read for good.
        let mut texts = lines(&texts.data, texts.first, true);
        for (number, line) in lines(&chunk.data, chunk.first, true) {
            let place = || Place { file: file.path.clone(), unit: "line", number };
            let row = AttributeRow::parse(line, &place)?;
            let text = texts.next().map(|(_, line)| line);
            row_names(source, &row, text, &place, &|_| true, &mut names)?;
        }
    }
    Ok(names)
}

fn late_rows(
    source: &Source,
    document: &InputFile,
    files: &[InputFile],
    wanted: &BTreeSet<String>,
    memory: &Arc<Memory>,
) -> Result<Found> {
    let finders: Vec<(&String, memmem::Finder)> =
        wanted.iter().map(|name| (name, memmem::Finder::new(name.as_str()))).collect();
    let beside = Lines::open_all(files, memory)?;
    let mut chunks = rows(document, memory)?.within(memory).beside(beside);
    let mut names = Found::new();
    while names.len() < wanted.len()
        && let Some(chunk) = chunks.next()?
    {
        let mut here = Found::new();
        for rows in &chunk.beside {
            let mut texts = lines(&chunk.data, chunk.first, chunk.offset == 0);
            for (number, line) in lines(&rows.data, rows.first, rows.first == 1) {
                let text = texts.next().map(|(_, line)| line);
                // A name may be written with escapes.
                let may = |(name, finder): &(&String, memmem::Finder)| {
                    !names.contains_key(*name) && finder.find(line).is_some()
                };
                if finders.iter().any(may) || memchr::memchr(b'\\', line).is_some() {
                    let place = || Place { file: rows.file.to_string(), unit: "line", number };
                    let row = AttributeRow::parse(line, &place)?;
                    let counts = |name: &str| wanted.contains(name) && !names.contains_key(name);
                    row_names(source, &row, text, &place, &counts, &mut here)?;
                }
            }
        }
        names.extend(here);
    }
    Ok(names)
}

/// The names in a row that count, as it stands beside the row `document`.
fn row_names(
    source: &Source,
    row: &AttributeRow,
    document: Option<&[u8]>,
    place: &dyn Fn() -> Place,
    counts: &dyn Fn(&str) -> bool,
    names: &mut Found,
) -> Result<()> {
    let fields = Fields { text: &source.text_field, id: &source.id_field };
    let text = document.and_then(|line| std::str::from_utf8(line).ok());
    let text = text.and_then(|line| parse(line, fields).ok()).and_then(|row| match row.text {
        Scalar::Text(text) => Some(text),
        _ => None,
    });
    let mut offsets = Offsets::default();
    offsets.mark(text.as_deref().unwrap_or_default());
    for (name, value) in row.attributes.iter().filter(|(name, _)| counts(name)) {
        if name.len() > LONGEST || names.len() > MOST_NAMES {
            let what = if name.len() > LONGEST { "bytes in the name of an attribute" } else { "attributes" };
            let most = if name.len() > LONGEST { LONGEST } else { MOST_NAMES };
            return Err(Error::TooMany { what, most: most as u64 });
        }
        let list =
            listed(value).map_err(|reason| wrong(place(), format!("field `attributes.{name}`: {reason}")))?;
        let whole = match (&text, &list[..]) {
            (None, _) | (_, []) => None,
            (Some(text), [(start, end, _)]) => {
                Some(in_bytes(text, &offsets, *start, *end) == Some((0, text.len() as u32)))
            }
            _ => Some(false),
        };
        also(names, name.clone().into_owned(), whole);
    }
    Ok(())
}
