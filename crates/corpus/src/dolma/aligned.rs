//! Documents and the rows of their attribute files, read side by side: every chunk of documents comes with the rows that
//! belong to it, one by one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use regimen_base::Hash256;
use regimen_recipe::InputFile;

use super::folder::{attributes_path, place_of};
use super::within;
use crate::error::{Error, Place, Result};
use crate::flow;
use crate::memory::{Long, Memory, is_long};
use crate::read::attribute_row::wrong;
use crate::read::chunk::{CHUNK, Chunk, Chunks};
use crate::read::lines::{Fields, RowFile};

/// Bytes of attribute rows that stand beside a chunk of documents: where there are more, the chunk ends earlier.
const MOST: usize = 4 << 20;

/// The row that should stand at `place` is missing: the document at `of` has none.
fn missing(place: Place, of: &Place) -> Error {
    wrong(place, format!("field `id`: the file ends before the row of the document at {of}"))
}

/// There is a row at `place` and no document in `documents`, which has `rows` of them.
fn left_over(place: Place, documents: &str, rows: u64) -> Error {
    wrong(place, format!("field `id`: there is no document for this row: `{documents}` has {rows} of them"))
}

/// A file of documents and its files of attributes.
#[derive(Clone, Debug)]
pub(crate) struct Sheaf {
    pub documents: InputFile,
    pub fields: Fields,
    pub attributes: Vec<InputFile>,
}

impl Sheaf {
    /// A file of documents, with what these call text and id, and its attributes of some experiments, or, where a name has a
    /// `/`, in a folder.
    ///
    /// # Errors
    /// [`Error::NoAttributes`], [`Error::NoDocumentsFolder`].
    pub fn of(file: &InputFile, fields: &Fields, experiments: &[String]) -> Result<Sheaf> {
        let mut attributes = Vec::with_capacity(experiments.len());
        for experiment in experiments {
            let folder = experiment.contains('/').then(|| Path::new(experiment));
            let full = attributes_path(place_of(file), experiment, folder)?;
            if !full.is_file() {
                return Err(Error::NoAttributes {
                    file: full.display().to_string(),
                    experiment: experiment.clone(),
                    documents: file.path.clone(),
                });
            }
            let (blake3, bytes) = Hash256::of_file(&full)?;
            attributes.push(InputFile { path: full.display().to_string(), full, blake3, bytes });
        }
        Ok(Sheaf { documents: file.clone(), fields: fields.clone(), attributes })
    }
}

/// Rows that are taken by number.
struct Rows {
    path: String,
    chunks: Chunks,
    chunk: Chunk,
    /// Bytes of the chunk that were taken.
    at: usize,
    /// Number of the next line, and its offset in the file.
    line: u64,
    offset: u64,
}

impl Rows {
    /// One of `open` files that a thread reads at once.
    fn open(file: &InputFile, open: usize, memory: &Arc<Memory>) -> Result<Rows> {
        let chunks = within::lines(file, 0, open, Arc::default(), memory)?;
        Ok(Rows { path: file.path.clone(), chunks, chunk: Chunk::default(), at: 0, line: 1, offset: 0 })
    }

    /// Where the next rows go.
    fn begin(&self) -> Chunk {
        Chunk { first: self.line, offset: self.offset, ..Chunk::default() }
    }

    /// Append the next row, and what is blank before it, to `out`; whether there is one. A long one needs the turn.
    fn take(&mut self, out: &mut Chunk, turn: &mut Option<Long>) -> Result<bool> {
        loop {
            if self.at >= self.chunk.data.len() {
                let Some(chunk) = self.chunks.next_in(turn)? else { return Ok(false) };
                (self.chunk, self.at) = (chunk, 0);
            }
            let rest = &self.chunk.data[self.at..];
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
            let line = &rest[..end];
            let marked = self.offset == 0 && line.starts_with("\u{feff}".as_bytes());
            let blank = line[if marked { 3 } else { 0 }..].iter().all(u8::is_ascii_whitespace);
            out.data.extend_from_slice(line);
            self.at += end;
            self.offset += end as u64;
            self.line += 1;
            if !blank {
                return Ok(true);
            }
        }
    }

    fn place(&self) -> Place {
        Place { file: self.path.clone(), unit: "line", number: self.line }
    }
}

/// The chunks of some files of documents, one file after the other, with the rows beside them.
pub(crate) struct Aligned<'f> {
    files: std::slice::Iter<'f, Sheaf>,
    /// Number of the next file, for the chunks.
    number: u32,
    open: Option<Open<'f>>,
    read: Arc<AtomicU64>,
    /// Bytes of rows that may stand beside a chunk, and of documents in it.
    most: [usize; 2],
    memory: Arc<Memory>,
}

struct Open<'f> {
    path: &'f str,
    chunks: RowFile,
    /// Documents of the last chunk whose rows were too many.
    rest: Option<Chunk>,
    beside: Vec<Rows>,
    rows: u64,
}

impl<'f> Aligned<'f> {
    /// The chunks of `files`, whose numbers begin with `first`; `read` counts bytes of documents taken from the disk. Of what
    /// becomes `copies` as much, chunks are so much smaller.
    pub fn new(
        files: &'f [Sheaf],
        first: u32,
        copies: usize,
        read: Arc<AtomicU64>,
        memory: &Arc<Memory>,
    ) -> Aligned<'f> {
        let documents = if copies > 1 { CHUNK / copies } else { usize::MAX };
        let most = [MOST, documents];
        Aligned { files: files.iter(), number: first, open: None, read, most, memory: Arc::clone(memory) }
    }
}

impl flow::Source for Aligned<'_> {
    /// # Errors
    /// [`crate::Error::Attributes`] for attribute files with fewer or more rows than there are documents.
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(chunk) = open.next(self.most, &self.memory)? {
                    return Ok(Some(chunk));
                }
                self.open = None;
            }
            let Some(file) = self.files.next() else { return Ok(None) };
            let (open, read) = (1 + file.attributes.len(), Arc::clone(&self.read));
            let rows = |file| Rows::open(file, open, &self.memory);
            let Sheaf { documents, fields, .. } = file;
            self.open = Some(Open {
                path: &documents.path,
                chunks: within::rows(documents, fields, self.number, open, read, &self.memory)?,
                rest: None,
                beside: file.attributes.iter().map(rows).collect::<Result<_>>()?,
                rows: 0,
            });
            self.number += 1;
        }
    }
}

impl Open<'_> {
    /// The next chunk with its rows, with no more bytes of rows and documents than `most` and one document; none at the end.
    fn next(&mut self, most: [usize; 2], memory: &Memory) -> Result<Option<Chunk>> {
        let next = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.chunks.next()?,
        };
        let Some(mut chunk) = next else {
            for rows in &mut self.beside {
                let mut found = rows.begin();
                if rows.take(&mut found, &mut None)? {
                    let number = found.lines().next().map_or(0, |(number, _)| number);
                    let place = Place { file: rows.path.clone(), unit: "line", number };
                    return Err(left_over(place, self.path, self.rows));
                }
            }
            return Ok(None);
        };
        let mut beside: Vec<Chunk> = self.beside.iter().map(Rows::begin).collect();
        let (mut last, mut taken, mut stood) = (None, 0, 0);
        let mut long = chunk.long.take();
        for (number, line) in chunk.lines() {
            if is_long(line.len()) && long.is_none() {
                long = Some(memory.long());
            }
            // Bytes of this document and its rows.
            let mut own = line.len();
            for (rows, out) in self.beside.iter_mut().zip(&mut beside) {
                let before = out.data.len();
                let there = rows.take(out, &mut long)?;
                own += out.data.len() - before;
                if is_long(own) && long.is_none() {
                    long = Some(memory.long());
                }
                if !there {
                    let of = Place { file: self.path.into(), unit: chunk.unit(), number };
                    return Err(missing(rows.place(), &of));
                }
            }
            if own as u64 > memory.longest() {
                let place = Place { file: self.path.into(), unit: chunk.unit(), number };
                return Err(Error::LongDocument { place, bytes: own as u64, most: memory.longest() });
            }
            self.rows += 1;
            stood += own - line.len();
            taken += line.len();
            if stood > most[0] || taken >= most[1] {
                last = Some(number);
                break;
            }
        }
        if let Some(number) = last {
            let lines = number - chunk.first;
            let end = memchr::memchr_iter(b'\n', &chunk.data).nth(lines as usize);
            let end = end.map_or(chunk.data.len(), |i| i + 1);
            let data = chunk.data.split_off(end);
            if !data.is_empty() {
                let (first, offset) = (number + 1, chunk.offset + end as u64);
                let (file, of_table) = (chunk.file, chunk.of_table);
                self.rest = Some(Chunk { file, first, offset, data, of_table, ..Chunk::default() });
            }
        }
        chunk.paired = beside;
        chunk.long = long;
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Source;
    use crate::read::tests::input;
    use proptest::prelude::*;

    fn run(documents: &str, beside: &[&str]) -> Result<Found> {
        run_with([MOST, CHUNK], documents, beside)
    }

    type Found = Vec<(u64, String, Vec<(u64, String)>)>;

    fn run_with(most: [usize; 2], documents: &str, beside: &[&str]) -> Result<Found> {
        let dir = tempfile::tempdir().unwrap();
        let name = |i: usize| format!("a{i}.jsonl");
        let sheaf = Sheaf {
            documents: input(dir.path(), "d.jsonl", documents.as_bytes()),
            fields: Fields::default(),
            attributes: beside
                .iter()
                .enumerate()
                .map(|(i, b)| input(dir.path(), &name(i), b.as_bytes()))
                .collect(),
        };
        let files = [sheaf];
        let memory = Arc::new(Memory::unlimited());
        let mut aligned = Aligned { most, ..Aligned::new(&files, 0, 1, Arc::default(), &memory) };
        let mut out = Vec::new();
        while let Some(chunk) = aligned.next()? {
            let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
            let mut beside: Vec<_> = chunk.paired.iter().map(|b| b.lines()).collect();
            for (number, line) in chunk.lines() {
                let rows = beside.iter_mut().map(|b| b.next().unwrap()).map(|(n, l)| (n, text(l))).collect();
                out.push((number, text(line), rows));
            }
            assert!(beside.iter_mut().all(|b| b.next().is_none()));
        }
        Ok(out)
    }

    #[test]
    fn rows_stand_beside_their_documents_whatever_is_blank() {
        let found = run("\u{feff}a\n\nb\nc", &["1\n2\n\n\n3\n\n", "\u{feff}\n\nx\r\ny\nz"]).unwrap();
        let row = |n: u64, text: &str| (n, text.to_string());
        assert_eq!(found[0], (1, "a".into(), vec![row(1, "1"), row(3, "x\r")]));
        assert_eq!(found[1], (3, "b".into(), vec![row(2, "2"), row(4, "y")]));
        assert_eq!(found[2], (4, "c".into(), vec![row(5, "3"), row(5, "z")]));
        // More than a chunk of documents beside short rows, and the other way about.
        let (long, short): (String, String) = (
            (0..9).map(|_| "x".repeat(300_000) + "\n").collect(),
            (0..9).map(|i| format!("{i}\n")).collect(),
        );
        assert_eq!(run(&long, &[&short]).unwrap().len(), 9);
        assert_eq!(run(&short, &[&long, &short]).unwrap().len(), 9);
    }

    #[test]
    fn too_few_and_too_many_rows_are_told_with_their_place() {
        let told = |d: &str, b: &[&str]| run(d, b).unwrap_err().to_string();
        let few = told("a\n\nb\nc\n", &["1\n2\n3\n", "1\n"]);
        assert_eq!(
            few,
            "`a1.jsonl`, line 2: field `id`: the file ends before the row of the document at `d.jsonl`, line 3"
        );
        let many = told("a\nb\n", &["1\n2\n\n3\n"]);
        assert_eq!(
            many,
            "`a0.jsonl`, line 4: field `id`: there is no document for this row: `d.jsonl` has 2 of them"
        );
        assert!(told("", &["1\n"]).contains("has 0 of them"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn as_many_rows_as_documents_always_fit(sizes in prop::collection::vec((0usize..3, 1usize..9), 0..20)) {
            let file = |blanks: fn(usize) -> usize| -> String {
                sizes.iter().enumerate().map(|(i, &(b, n))| format!("{}{}\n", "\n".repeat(blanks(b)), i.to_string().repeat(n))).collect()
            };
            let found = run(&file(|b| b), &[&file(|_| 0), &file(|b| 2 - b)]).unwrap();
            prop_assert_eq!(found.len(), sizes.len());
            for most in [0, 1, 9] {
                let cut = run_with([most, CHUNK], &file(|b| b), &[&file(|_| 0), &file(|b| 2 - b)]).unwrap();
                prop_assert_eq!(&cut, &found, "chunks may end anywhere");
                let cut = run_with([MOST, most], &file(|b| b), &[&file(|_| 0), &file(|b| 2 - b)]).unwrap();
                prop_assert_eq!(&cut, &found, "chunks may end anywhere");
            }
            prop_assert!(found.iter().all(|(_, text, rows)| rows.iter().all(|(_, row)| row == text)));
        }
    }
}
