//! Documents of a folder as packed rows: in Dolma's layout with their attributes row for row, or flat.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::Cancel;
use regimen_recipe::InputFile;

use super::flat;
use super::sheets::{Part, Sheet, Sheets};
use crate::claim::Claim;
use crate::dolma::aligned::Aligned;
use crate::dolma::folder::{nothing_else, real};
use crate::dolma::known::shape_of;
use crate::dolma::mix::Pack;
use crate::dolma::rewrite::rewrite;
use crate::dolma::row::Row;
use crate::dolma::stats::Sheaves;
use crate::dolma::tag::Progress;
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::inspect::export::Exported;
use crate::inspect::export::shards::no_other_rows;
use crate::inspect::export::staged::Staged;
use crate::memory::Memory;
use crate::read::attribute_row::{self, Beside, read};
use crate::read::chunk::Chunk;
use crate::read::lines::Fields;
use crate::tag::Shape;

/// The folders of Dolma's layout.
pub(super) const DOCUMENTS: &str = "documents";
pub(super) const ATTRIBUTES: &str = "attributes";

/// Which rows are written of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRows {
    /// `documents/SHARD` with the rows as they are, and `attributes/EXPERIMENT/SHARD`.
    Dolma,
    /// `SHARD` with one flat object a document.
    Flat,
}

/// How rows are written.
#[derive(Clone, Debug)]
pub struct RowOptions {
    /// Bytes of text in a file.
    pub shard: u64,
    /// How files are packed.
    pub pack: Pack,
    /// Experiments as in [`crate::dolma::stats::Options`]; flat rows have no attributes.
    pub attributes: Option<Vec<String>>,
    /// What the documents call their text and id.
    pub fields: Fields,
    /// Bytes for what is between reader and writer, and for long documents.
    pub memory: u64,
}

/// Write the documents in `files` as rows below `dir`. Rows of an earlier export of them are replaced once all new ones are
/// whole.
///
/// # Errors
/// The earliest fault in the order of files and rows; [`Error::NotEmpty`] for other rows in the folder, [`Error::OverInput`],
/// [`Error::SameOutput`] for two experiments of one name.
pub fn folder_rows(
    files: &[InputFile],
    kind: FolderRows,
    options: &RowOptions,
    dir: &Path,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Exported> {
    let wanted = match kind {
        FolderRows::Dolma => options.attributes.as_deref(),
        FolderRows::Flat => Some(&[][..]),
    };
    let sheaves = Sheaves::of(files, &options.fields, wanted)?;
    let names = names(&sheaves.experiments)?;
    let own = |file: &String| match kind {
        FolderRows::Dolma => {
            file.starts_with(&format!("{DOCUMENTS}/")) || file.starts_with(&format!("{ATTRIBUTES}/"))
        }
        FolderRows::Flat => !file.contains('/') && file.ends_with(ending_of(file)),
    };
    let earlier: Vec<String> = Claim::placed(dir).into_iter().filter(own).collect();
    let known: Vec<PathBuf> = earlier.iter().map(|file| dir.join(file)).collect();
    match kind {
        FolderRows::Dolma => {
            let folders = [dir.join(DOCUMENTS), dir.join(ATTRIBUTES)];
            apart(&sheaves, &folders)?;
            folders.iter().try_for_each(|folder| nothing_else(folder, &known))?;
        }
        FolderRows::Flat => no_other_rows(dir, &known)?,
    }
    let staged = Staged::named(dir, "rows")?;
    let memory = Arc::new(Memory::new(options.memory));
    let sheets = Sheets::new(staged.base(), kind, options, &names);
    let writing = Writing {
        kind,
        pack: options.pack,
        sheaves: &sheaves,
        progress,
        sheets: Mutex::new(Some(sheets)),
        done: Mutex::default(),
        memory,
    };
    flow::run(1, &writing, cancel)?;
    let (documents, files) = writing.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    staged.replace(&earlier, &files)?;
    Ok(Exported { files, documents, ..Exported::default() })
}

/// The end of a name of rows that a file has, or one that it has not.
fn ending_of(file: &str) -> &'static str {
    let all = [Pack::Gz, Pack::Zst, Pack::None].map(Pack::ending);
    all.into_iter().find(|ending| file.ends_with(ending)).unwrap_or(all[0])
}

/// What the folders of the experiments are called: of a path its last part.
fn names(experiments: &[String]) -> Result<Vec<String>> {
    let own = |experiment: &String| {
        let name = Path::new(experiment).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let names: Vec<String> = experiments.iter().map(own).collect();
    for (i, name) in names.iter().enumerate() {
        if let Some(first) = names[..i].iter().position(|other| other == name) {
            return Err(Error::SameOutput {
                output: format!("{ATTRIBUTES}/{name}"),
                first: experiments[first].clone(),
                second: experiments[i].clone(),
            });
        }
    }
    Ok(names)
}

/// Check that nothing that is read lies where rows are to be.
fn apart(sheaves: &Sheaves, folders: &[PathBuf]) -> Result<()> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| real(folder)).collect();
    let inputs =
        sheaves.files.iter().flat_map(|sheaf| std::iter::once(&sheaf.documents).chain(&sheaf.attributes));
    for file in inputs {
        let full = real(&file.full);
        if folders.iter().any(|folder| full.starts_with(folder)) {
            return Err(Error::OverInput { output: file.path.clone() });
        }
    }
    Ok(())
}

/// The pass over all files.
struct Writing<'w> {
    kind: FolderRows,
    pack: Pack,
    sheaves: &'w Sheaves,
    progress: &'w Progress,
    /// Taken when the work begins.
    sheets: Mutex<Option<Sheets<'w>>>,
    /// Documents, and the files.
    done: Mutex<(u64, Vec<String>)>,
    memory: Arc<Memory>,
}

impl<'w> Job for Writing<'w> {
    type Source = Aligned<'w>;
    type Scratch = attribute_row::Room;
    type Part = Part;
    type Sink = Sheets<'w>;

    fn open(&self, _: usize) -> Result<Option<(Aligned<'w>, Sheets<'w>)>> {
        let read = Arc::clone(&self.progress.read);
        let all = Aligned::new(&self.sheaves.files, 0, 1, read, &self.memory);
        let sheets = self.sheets.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(sheets.map(|sheets| (all, sheets)))
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        part.bytes()
    }

    fn work(&self, mut chunk: Chunk, room: &mut attribute_row::Room) -> Result<Part> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = attribute_row::Room::default();
        let room = if long.is_some() { &mut own } else { room };
        let number = chunk.file as usize;
        let (file, experiments) = (&self.sheaves.files[number], &self.sheaves.of[number]);
        let mut beside: Vec<_> = chunk.paired.iter().map(Chunk::lines).collect();
        let mut sheets: Vec<Sheet> =
            (0..=self.sheaves.experiments.len()).map(|_| Sheet::new(self.pack)).collect();
        let mut lengths = Vec::new();
        let known = Known::default();
        chunk.rows(&file.documents.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let [documents, attributes @ ..] = &mut sheets[..] else { return Ok(()) };
            documents.begin(line.len())?;
            match self.kind {
                FolderRows::Dolma => rewrite(&row, None, None, &[], place, &mut documents.loose)?,
                FolderRows::Flat => flat::write(&row, place, &mut documents.loose)?,
            }
            documents.row()?;
            let (text, id, called) = (row.text(), row.id_text(), || format!("the document at {}", place()));
            let document = Beside { id: &id, text: Some(text), called: &called };
            room.begin();
            for ((rows, of), &experiment) in beside.iter_mut().zip(&file.attributes).zip(experiments) {
                // There is one for every document: the source saw to it.
                let Some((number, line)) = rows.next() else { continue };
                let at = || Place { file: of.path.clone(), unit: "line", number };
                let experiment = experiment as usize;
                let find = |name: &str| Ok(Some(known.find(experiment, name)));
                // Only looked at: what is written is the row as it stands there.
                read(line, &at, &document, &find, room, &mut |_, _| {})?;
                let sheet = &mut attributes[experiment];
                sheet.begin(line.len())?;
                sheet.loose.extend_from_slice(line.trim_ascii());
                sheet.loose.push(b'\n');
                sheet.row()?;
            }
            // Where files of several folders have different experiments, all of them have a row for every document.
            let missing =
                (0u32..).zip(attributes).filter(|(experiment, _)| !experiments.contains(experiment));
            for (_, sheet) in missing {
                sheet.begin(row.id().len())?;
                sheet.loose.extend_from_slice(b"{\"id\":");
                sheet.loose.extend_from_slice(row.id().as_bytes());
                sheet.loose.extend_from_slice(b",\"attributes\":{}}\n");
                sheet.row()?;
            }
            lengths.push(text.len() as u64);
            Ok(())
        })?;
        self.progress.documents.fetch_add(lengths.len() as u64, Ordering::Relaxed);
        self.progress.text.fetch_add(lengths.iter().sum(), Ordering::Relaxed);
        let sheets = sheets.into_iter().map(Sheet::finish).collect::<Result<_>>()?;
        Ok(Part { sheets, lengths })
    }

    fn take(&self, sheets: &mut Sheets<'w>, part: Part) -> Result<()> {
        sheets.take(&part)
    }

    fn close(&self, _: usize, sheets: Sheets<'w>) -> Result<()> {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = sheets.finish()?;
        Ok(())
    }
}

/// Attributes of a chunk by experiment and name, numbered as they come: names of a whole folder may be any number.
#[derive(Default)]
struct Known(RefCell<(u32, Vec<HashMap<String, u32>>)>);

impl Known {
    fn find(&self, experiment: usize, name: &str) -> (u32, Shape) {
        let (next, all) = &mut *self.0.borrow_mut();
        if all.len() <= experiment {
            all.resize_with(experiment + 1, HashMap::new);
        }
        let number = match all[experiment].get(name) {
            Some(number) => *number,
            None => {
                *next += 1;
                all[experiment].insert(name.into(), *next);
                *next
            }
        };
        (number, shape_of(name).unwrap_or(Shape::Spans))
    }
}
