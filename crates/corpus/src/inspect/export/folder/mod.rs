//! Documents in Dolma's layout in formats that other programs read: the tables that a corpus has, as far as a folder knows
//! what is in them, the texts, and packed rows.

mod flat;
mod read;
mod rows;
mod sheets;
mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Cancel, fs};
use regimen_recipe::InputFile;

use super::Exported;
use super::parquet::{ATTRIBUTES, DOCUMENTS, no_other_tables, span_columns};
use super::staged::Staged;
use super::table::{Declared, Kind, declared};
use super::texts::{self, earlier};
use crate::dolma::stats::{FolderStats, Sheaves};
use crate::dolma::tag::Progress;
use crate::error::Result;
use crate::flow;
use crate::memory::Memory;
use crate::read::lines::Fields;
use read::Reading;
pub use rows::{FolderRows, RowOptions, folder_rows};
use write::Writer;

/// What to write of a folder.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// Whether the tables are written.
    pub tables: bool,
    /// Bytes of text in a file of texts, if these are written.
    pub texts: Option<u64>,
    /// Experiments as in [`crate::dolma::stats::Options`], the same as were counted.
    pub attributes: Option<Vec<String>>,
    /// What the documents call their text and id, the same as well.
    pub fields: Fields,
    /// Bytes for what is between reader and writer, and for long documents.
    pub memory: u64,
}

/// What was written of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderExported {
    /// The tables, if they were to be.
    pub tables: Option<Exported>,
    /// The texts, if they were to be.
    pub texts: Option<Exported>,
}

/// Write tables and texts of the documents in `files` into `dir`; `stats` is what was counted in them.
///
/// # Errors
/// The earliest fault in the order of files and rows; [`crate::Error::Table`], [`crate::Error::NotEmpty`].
pub fn folder(
    files: &[InputFile],
    stats: &FolderStats,
    options: &FolderOptions,
    dir: &Path,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<FolderExported> {
    let mut staged = None;
    if options.tables {
        no_other_tables(dir)?;
    }
    if options.texts.is_some() {
        staged = Some((earlier(dir)?, Staged::named(dir, texts::FOLDER)?));
    }
    let sheaves = Sheaves::of(files, &options.fields, options.attributes.as_deref())?;
    let attributes = Attributes::of(stats);
    let reading = Reading {
        sheaves: &sheaves,
        attributes: &attributes,
        texts: options.texts.is_some(),
        progress,
        writer: Mutex::new(Some(Writer::new(
            dir,
            staged.as_ref().map(|(_, s)| s.base()),
            options,
            &attributes,
        )?)),
        done: Mutex::default(),
        memory: Arc::new(Memory::new(options.memory)),
    };
    flow::run(1, &reading, cancel)?;
    let (documents, texts) = reading.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let exported = |files: Vec<String>| Exported { files, documents, ..Exported::default() };
    if let Some((earlier, staged)) = staged {
        staged.replace(&earlier, &texts)?;
    }
    Ok(FolderExported {
        tables: options.tables.then(|| exported(vec![DOCUMENTS.into(), ATTRIBUTES.into()])),
        texts: options.texts.map(|_| exported(texts)),
    })
}

/// An attribute as the tables have it.
pub(super) struct Attribute {
    pub experiment: String,
    pub name: String,
    /// The column of a value or mark, by number; none for spans.
    pub column: Option<usize>,
    /// Whether it is a mark.
    pub mark: bool,
}

/// All attributes, by experiment and name.
pub(super) struct Attributes {
    pub all: Vec<Attribute>,
}

impl Attributes {
    fn of(stats: &FolderStats) -> Attributes {
        let mut columns = 0..;
        let all = stats.numbers.iter().map(|attribute| Attribute {
            experiment: attribute.experiment.clone(),
            name: attribute.numbers.name.clone(),
            column: if attribute.spans.is_none() { columns.next() } else { None },
            mark: attribute.numbers.what == "flag",
        });
        Attributes { all: all.collect() }
    }

    /// The number of the attribute of this name.
    pub fn find(&self, experiment: &str, name: &str) -> Option<usize> {
        self.all.binary_search_by(|a| (a.experiment.as_str(), a.name.as_str()).cmp(&(experiment, name))).ok()
    }

    /// Values and marks, column by column.
    pub fn columns(&self) -> impl Iterator<Item = &Attribute> {
        self.all.iter().filter(|attribute| attribute.column.is_some())
    }
}

impl Attribute {
    /// What the tables call the tagger and the attribute: the name in the file, parted where its own name begins.
    pub fn parted(&self) -> (&str, &str) {
        self.name.rsplit_once("__").unwrap_or((&self.experiment, &self.name))
    }
}

/// The columns of the table of documents. A name that another column has gets its experiment before it.
pub(super) fn document_columns(attributes: &Attributes) -> Vec<Declared> {
    use Kind::{Day, Long, Number, Text};
    let mut all = vec![
        declared("ordinal", Long, false, "Number of the document in document order, from 0"),
        declared("key", Text, false, "blake3-128 of source name, a zero byte, and the id"),
        declared("id", Text, false, "The source's own id"),
        declared("source", Text, true, "`source` of the row"),
        declared("licence", Text, false, "As the row has it; NOASSERTION where it has none"),
        declared("author", Text, false, "human, machine, mixed or unknown"),
        declared("file", Text, false, "File of documents"),
        declared("line", Long, false, "Line in the file from 1"),
        declared("bytes", Long, false, "Bytes of text"),
        declared("created", Day, true, "Day of creation"),
    ];
    for attribute in attributes.columns() {
        let twice = attributes.all.iter().filter(|other| other.name == attribute.name).count() > 1
            || all.iter().any(|column| column.name == attribute.name);
        let mut name = match twice {
            true => format!("{}.{}", attribute.experiment, attribute.name),
            false => attribute.name.clone(),
        };
        while all.iter().any(|column| column.name == name) {
            name.push('_');
        }
        let doc = match attribute.mark {
            true => format!("1 if it has the mark of the experiment `{}`, else 0", attribute.experiment),
            false => format!("Value of the experiment `{}`", attribute.experiment),
        };
        all.push(declared(&name, Number, !attribute.mark, &doc));
    }
    all
}

/// The same for the tables that a card describes.
pub(super) fn columns_of(stats: &FolderStats) -> [Vec<Declared>; 3] {
    [document_columns(&Attributes::of(stats)), span_columns(), text_columns()]
}

/// The columns of the table of texts.
pub(super) fn text_columns() -> Vec<Declared> {
    use Kind::{Day, Text};
    vec![
        declared("id", Text, false, "The source's own id"),
        declared("text", Text, false, "The text"),
        declared("source", Text, true, "`source` of the row"),
        declared("licence", Text, false, "As the row has it; NOASSERTION where it has none"),
        declared("author_kind", Text, false, "human, machine, mixed or unknown"),
        declared("created", Day, true, "Day of creation"),
        declared("url", Text, true, "`url` of the row or its metadata"),
        declared("key", Text, false, "blake3-128 of source name, a zero byte, and the id"),
    ]
}

/// A key for the documents in `files`, whose text and id are in these `fields`, and their attributes, as
/// [`FolderOptions::attributes`] names them: another one if any byte is another.
///
/// # Errors
/// [`crate::Error::NoAttributes`] and [`crate::Error::File`].
pub fn folder_key(files: &[InputFile], fields: &Fields, attributes: Option<&[String]>) -> Result<String> {
    let sheaves = Sheaves::of(files, fields, attributes)?;
    let mut hasher = blake3::Hasher::new();
    for (sheaf, experiments) in sheaves.files.iter().zip(&sheaves.of) {
        hasher.update(&sheaf.documents.blake3.0);
        hasher.update(fields.identity(&sheaf.documents).as_bytes());
        for (file, &experiment) in sheaf.attributes.iter().zip(experiments) {
            let name = &sheaves.experiments[experiment as usize];
            // Of a folder its own name, wherever it lies.
            let own = Path::new(name).file_name().unwrap_or_default();
            hasher.update(own.as_encoded_bytes());
            hasher.update(&file.blake3.0);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// When one of `files` was changed last, in seconds since 1970.
///
/// # Errors
/// [`crate::Error::File`].
pub fn last_changed(files: &[InputFile]) -> Result<f64> {
    let mut last = 0.0;
    for file in files {
        let changed = std::fs::metadata(&file.full).and_then(|metadata| metadata.modified());
        let changed = changed.map_err(|error| fs::Error::new("look at", &file.full, error))?;
        let seconds = changed.duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        last = f64::max(last, seconds);
    }
    Ok(last)
}
