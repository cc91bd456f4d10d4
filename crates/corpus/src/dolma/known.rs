//! What the attributes of attribute files are called.
//!
//! Files do not declare their attributes; they have those that some row has. So rows are looked through until every name
//! that is asked for is met, before a document is read. A name that our taggers declare counts as met with any other
//! attribute of the same tagger in the same experiment: its tagger ran, and found nothing yet. Such names are what their
//! tagger declares (one number, a mark, spans); all others are spans, labels such as languages too: nobody can say which a model has.
//!
//! A name may be written as it stands in the file (`rules__gopher_v1__word_count`) or, where that leaves no doubt, without
//! its experiment and as the stage `corpus` has it (`gopher_v1.word_count`).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use regimen_base::suggest;
use regimen_recipe::InputFile;

use super::attributes::name;
use super::within;
use crate::error::{Error, Place, Result};
use crate::expr::Known;
use crate::memory::Memory;
use crate::read::attribute_row::AttributeRow;
use crate::read::chunk::Chunks;
use crate::tag::{ANY, Attribute, Kind, Shape, TAGGERS};

/// The names that were met, with what they are.
#[derive(Debug, Default)]
pub(super) struct Met {
    names: BTreeMap<String, Shape>,
}

impl Met {
    /// A row has this name.
    fn add(&mut self, full: &str) {
        if self.names.contains_key(full) {
            return;
        }
        match declared(full) {
            None => drop(self.names.insert(full.into(), Shape::Spans)),
            Some((prefix, kind)) => {
                for attribute in kind.attributes {
                    self.names.insert(format!("{prefix}{}", name(attribute.name)), attribute.shape);
                }
            }
        }
    }

    /// The name in the files for one in an expression.
    fn find(&self, wanted: &str) -> Result<(&str, Shape)> {
        if let Some((full, shape)) = self.names.get_key_value(wanted) {
            return Ok((full, *shape));
        }
        let plain = wanted.split('.').map(name).collect::<Vec<_>>().join("__");
        let fits = |full: &str| {
            full == plain || full.strip_suffix(&plain).is_some_and(|before| before.ends_with("__"))
        };
        let found: Vec<(&String, &Shape)> = self.names.iter().filter(|(full, _)| fits(full)).collect();
        match found[..] {
            [(full, shape)] => Ok((full, *shape)),
            [] => {
                let short = |full: &String| {
                    let parts: Vec<&str> = full.split("__").collect();
                    parts[parts.len().saturating_sub(2)..].join(".")
                };
                let names: Vec<String> =
                    self.names.keys().flat_map(|full| [full.clone(), short(full)]).collect();
                let hint = match suggest::nearest(wanted, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() => {
                        "no attributes were read: name the folders that hold them in `attributes`".into()
                    }
                    None => suggest::hint(wanted, self.names.keys().map(String::as_str)),
                };
                Err(Error::UnknownAttribute { name: wanted.into(), hint })
            }
            _ => {
                let all: Vec<String> = found.iter().map(|(full, _)| format!("`{full}`")).collect();
                let hint = format!("several are called so: write one of {}", all.join(", "));
                Err(Error::UnknownAttribute { name: wanted.into(), hint })
            }
        }
    }
}

/// What comes before the attribute's own name, and the tagger that declares the attribute; none for names of others.
fn declared(full: &str) -> Option<(&str, &'static Kind)> {
    for kind in TAGGERS {
        for tagger in std::iter::once(kind.name).chain(kind.aliases.iter().copied()) {
            let middle = format!("{}__", name(tagger));
            let at = match full.find(&format!("__{middle}")) {
                Some(at) => at + 2,
                None if full.starts_with(&middle) => 0,
                None => continue,
            };
            let (prefix, rest) = full.split_at(at + middle.len());
            if kind.attributes.iter().any(|attribute| name(attribute.name) == rest) {
                return Some((prefix, kind));
            }
        }
    }
    None
}

/// The tagger of ours that declares an attribute, by its name in a file; none for names of others.
pub(crate) fn kind_of(full: &str) -> Option<&'static Kind> {
    declared(full).map(|(_, kind)| kind)
}

/// What one of our taggers declares of an attribute, by its name in a file; none for names of others.
fn attribute_of(full: &str) -> Option<&'static Attribute> {
    let (prefix, kind) = declared(full)?;
    let own = &full[prefix.len()..];
    kind.attributes.iter().find(|attribute| name(attribute.name) == own)
}

/// What one of our taggers declares an attribute to be, by its name in a file; none for names of others.
pub(crate) fn shape_of(full: &str) -> Option<Shape> {
    attribute_of(full).map(|attribute| attribute.shape)
}

/// Names that expressions ask for, numbered as they come.
pub(super) struct Asked<'m> {
    met: &'m Met,
    used: RefCell<Vec<(String, Shape)>>,
    missing: Cell<bool>,
}

impl Known for Asked<'_> {
    fn slot(&self, wanted: &str) -> Result<(usize, Shape)> {
        let (full, shape) = self.met.find(wanted).inspect_err(|_| self.missing.set(true))?;
        let mut used = self.used.borrow_mut();
        let slot = used.iter().position(|(known, _)| known == full).unwrap_or_else(|| {
            used.push((full.into(), shape));
            used.len() - 1
        });
        Ok((slot, shape))
    }

    fn range(&self, slot: usize) -> (f64, f64) {
        let used = self.used.borrow();
        used.get(slot).and_then(|(full, _)| attribute_of(full)).map_or(ANY, |attribute| attribute.range)
    }
}

/// Let `compile` ask for names until it has all of them, reading on in `files`, within `memory`, as long as one is missing. Gives
/// back what it made, and the names and shapes by slot.
///
/// # Errors
/// What `compile` says when all files were read, and faults of the files.
pub(super) fn ask<T>(
    files: &[&InputFile],
    memory: &Memory,
    compile: impl Fn(&dyn Known) -> Result<T>,
) -> Result<(T, Vec<(String, Shape)>)> {
    let mut met = Met::default();
    let mut left = files.iter();
    let mut open: Option<(&str, Chunks)> = None;
    loop {
        let asked = Asked { met: &met, used: RefCell::default(), missing: Cell::new(false) };
        let made = compile(&asked);
        let fault = match made {
            Ok(made) => return Ok((made, asked.used.into_inner())),
            Err(fault) if asked.missing.get() => fault,
            Err(fault) => return Err(fault),
        };
        // Read on until there is a new name.
        let before = met.names.len();
        while met.names.len() == before {
            let chunk = match &mut open {
                None => None,
                Some((path, chunks)) => chunks.next()?.map(|chunk| (*path, chunk)),
            };
            match chunk {
                Some((path, chunk)) => chunk.rows(path, |line, place: &dyn Fn() -> Place| {
                    let row = AttributeRow::parse(line.as_bytes(), place)?;
                    row.attributes.iter().for_each(|(full, _)| met.add(full));
                    Ok(())
                })?,
                None => match left.next() {
                    Some(file) => {
                        open = Some((&file.path, within::beside(file, 1, memory)?));
                    }
                    None => return Err(fault),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::Hint;

    fn met(names: &[&str]) -> Met {
        let mut met = Met::default();
        names.iter().for_each(|full| met.add(full));
        met
    }

    #[test]
    fn names_are_found_whole_or_without_experiment() {
        let met =
            met(&["x__gopher_v1__word_count", "dup", "y__mine__score", "z__mine__score", "my_c4_v2__a"]);
        let found = |wanted: &str| met.find(wanted).map(|(full, shape)| (full.to_string(), shape));
        let words = ("x__gopher_v1__word_count".to_string(), Shape::Value);
        for wanted in ["x__gopher_v1__word_count", "gopher_v1.word_count", "x.gopher_v1.word_count"] {
            assert_eq!(found(wanted).unwrap(), words, "{wanted}");
        }
        // Declared by a tagger that ran, though no row has it yet.
        assert_eq!(found("gopher_v1.median_word_length").unwrap().1, Shape::Value);
        assert_eq!(found("dup").unwrap(), ("dup".into(), Shape::Spans));
        assert_eq!(found("y.mine.score").unwrap(), ("y__mine__score".into(), Shape::Spans));
        let hint = |wanted: &str| found(wanted).unwrap_err().hint().unwrap();
        assert!(hint("mine.score").contains("`y__mine__score`, `z__mine__score`"), "{}", hint("mine.score"));
        // The slip in Dolma's own configs.
        let slip = hint("gopher_v1.fraction_of_characters_in_most_common_2gram");
        assert!(slip.contains("most_common_2grams`"), "{slip}");
        assert!(hint("gopher_v2.word_count").contains("gopher_v1.word_count"));
        assert!(found("count").is_err(), "a part of a name is no name");
    }

    #[test]
    fn labels_are_names_as_those_of_others_are() {
        let met = met(&["x__languages__en", "classes__length__words"]);
        assert_eq!(met.find("languages.en").unwrap(), ("x__languages__en", Shape::Spans));
        assert!(met.find("languages.de").is_err() && met.find("languages.score").is_err());
        assert_eq!(met.find("length.words").unwrap().1, Shape::Value);
    }

    #[test]
    fn who_asks_for_nothing_needs_no_files() {
        let memory = Memory::unlimited();
        let (truth, used) = ask(&[], &memory, |known| crate::expr::parse("bytes > 3", known)).unwrap();
        assert!(used.is_empty() && format!("{truth:?}").contains("Bytes"));
        let error = ask(&[], &memory, |known| crate::expr::parse("a.b > 3", known)).unwrap_err();
        assert!(error.hint().unwrap().contains("`attributes`"), "{error}");
    }
}
