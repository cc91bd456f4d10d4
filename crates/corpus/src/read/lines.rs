//! The rows of a file as lines of JSON, for steps that read nothing else: JSON lines as they are, and what is written in
//! another way in the shape of Dolma, `{"id", "text", "source", "added", "created", "metadata"}`.
//!
//! That are rows of tables (Parquet; CSV and TSV with a header), and of JSON lines whose text or id are in other fields.
//! What has no field of its own in this shape goes into `metadata`, together with what `metadata` holds. Numbers of rows
//! stay what they are in the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::units;
use regimen_recipe::InputFile;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, Place, Result};
use crate::memory::{Memory, is_long};
use crate::parquet;
use crate::read::attribute_row::Entries;
use crate::read::chunk::{CHUNK, Chunk, Chunks, How};
use crate::read::page::flat;
use crate::read::row::{mend_surrogates, reason};
use crate::read::stream::{Packing, Stream};
use crate::read::table;

/// Fields of a row beside id and text that have a place of their own.
const BESIDE: [&str; 3] = ["source", "added", "created"];

/// What the rows of files call their text and their id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The field or column of the text; `text` if nothing is said.
    pub text: Option<String>,
    /// The field or column of the id; `id` if nothing is said. Rows of a table without that column are called after file
    /// and row.
    pub id: Option<String>,
    /// Whether U+FFFD takes the place of bytes that are no UTF-8 and of halves of UTF-16 pairs, which are errors otherwise.
    pub repair: bool,
}

impl Fields {
    /// The name of the text.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("text")
    }

    /// The name of the id.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("id")
    }

    /// What decides over the rows of a file besides its content: nothing for JSON lines with the usual names.
    pub(crate) fn identity(&self, file: &InputFile) -> String {
        match Form::of_name(&file.path) {
            Form::Lines if self.are_usual() && !self.repair => String::new(),
            Form::Lines => format!("{self:?}"),
            // Rows without an id are called after the file.
            Form::Table(_) | Form::Parquet => format!("{self:?} {}", file.path),
        }
    }

    fn are_usual(&self) -> bool {
        self.text() == "text" && self.id() == "id"
    }
}

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// JSON lines.
    Lines,
    /// A table as text, with this byte between its fields.
    Table(u8),
    Parquet,
}

impl Form {
    /// What the name of a file says.
    pub fn of_name(path: &str) -> Form {
        let ending = Path::new(Packing::of_name(path).1).extension().and_then(|ending| ending.to_str());
        match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
            "parquet" => Form::Parquet,
            "csv" => Form::Table(b','),
            "tsv" => Form::Table(b'\t'),
            _ => Form::Lines,
        }
    }
}

/// Ends of names that say what is neither lines of JSON nor a table. Of any other end nothing is known: it may be lines.
const OTHERS: [&str; 72] = [
    "7z", "arrow", "avi", "avro", "bmp", "bz2", "db", "doc", "docx", "eml", "epub", "exe", "feather", "flac",
    "gif", "gzip", "h5", "hdf5", "htm", "html", "ico", "ipc", "jar", "jpeg", "jpg", "lz4", "lzma", "m4a",
    "md", "mobi", "mov", "mp3", "mp4", "mpeg", "npy", "npz", "odp", "ods", "odt", "ogg", "orc", "pdf", "pkl",
    "png", "ppt", "pptx", "pq", "rar", "rtf", "sqlite", "svg", "tar", "tex", "tgz", "tif", "tiff", "toml",
    "ttf", "warc", "wat", "wav", "webm", "webp", "wet", "xhtml", "xls", "xlsx", "xml", "xz", "yaml", "yml",
    "zip",
];

/// Check that the name of a file does not say that it is something else than rows.
///
/// # Errors
/// [`Error::NoReader`].
pub fn is_rows(file: &str) -> Result<()> {
    let ending = Path::new(Packing::of_name(file).1).extension().and_then(|ending| ending.to_str());
    match ending.filter(|ending| OTHERS.contains(&&*ending.to_ascii_lowercase())) {
        Some(ending) => Err(Error::NoReader { file: file.into(), ending: ending.into() }),
        None => Ok(()),
    }
}

/// The rows of one file, in chunks of lines.
pub(crate) struct RowFile {
    path: String,
    file: u32,
    fields: Fields,
    memory: Arc<Memory>,
    rows: Rows,
    /// Bytes of lines so far.
    offset: u64,
    /// Whether rows of a table without an id are called after file and row.
    by_place: bool,
}

enum Rows {
    Chunks(Box<Chunks>, Form),
    Parquet(Box<Table>),
}

/// A Parquet file on the way.
struct Table {
    reader: parquet::Reader,
    /// Rows so far.
    taken: u64,
    /// Bytes of the file, those of them that count as read, and where they are counted.
    bytes: u64,
    counted: u64,
    read: Arc<AtomicU64>,
}

impl RowFile {
    /// Open `input`, the file with number `file`. `read` counts the bytes taken from the disk; windows of zstd frames have at
    /// most 2 to the power of `window` bytes.
    ///
    /// # Errors
    /// [`Error::Column`] for a table without the column of the text, or without one of the id that was named; what opening
    /// says.
    pub fn open(
        input: &InputFile,
        fields: &Fields,
        file: u32,
        window: u32,
        read: Arc<AtomicU64>,
        memory: &Arc<Memory>,
    ) -> Result<RowFile> {
        let rows = match Form::of_name(&input.path) {
            Form::Parquet => {
                let reader = open_table(input, fields, memory)?;
                let (taken, bytes, counted) = (0, input.bytes, 0);
                Rows::Parquet(Box::new(Table { reader, taken, bytes, counted, read }))
            }
            form => {
                let how = if let Form::Table(delimiter) = form { How::Table(delimiter) } else { How::Lines };
                let stream = Stream::open_within(input, read, window)?;
                Rows::Chunks(Box::new(Chunks::new(stream, how, 0, file).within(memory)), form)
            }
        };
        let (path, fields, memory) = (input.path.clone(), fields.clone(), Arc::clone(memory));
        Ok(RowFile { path, file, fields, memory, rows, offset: 0, by_place: true })
    }

    /// The same with no id where a table has none.
    pub fn with_own_ids(self) -> RowFile {
        RowFile { by_place: false, ..self }
    }

    /// The next chunk; none at the end.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        let (chunks, form) = match &mut self.rows {
            Rows::Parquet(_) => return self.next_of_table(),
            Rows::Chunks(chunks, form) => (chunks, *form),
        };
        let Some(mut chunk) = chunks.next()? else { return Ok(None) };
        if form == Form::Lines {
            if self.fields.repair {
                chunk.data = repaired(chunk.data);
            }
            if self.fields.are_usual() {
                return Ok(Some(chunk));
            }
        }
        let mut data = Vec::with_capacity(chunk.data.len() + chunk.data.len() / 8);
        match form {
            Form::Table(_) => self.table(&chunk, &mut data)?,
            Form::Lines | Form::Parquet => self.lines(&chunk, &mut data)?,
        }
        (chunk.data, chunk.ends, chunk.header) = (data, None, None);
        chunk.of_table = form != Form::Lines;
        chunk.offset = self.offset;
        self.offset += chunk.data.len() as u64;
        Ok(Some(chunk))
    }

    fn place(&self, unit: &'static str, number: u64) -> Place {
        Place { file: self.path.clone(), unit, number }
    }

    /// A row must not be longer as a line than any may be.
    fn check(&self, line: &[u8], place: impl FnOnce() -> Place) -> Result<()> {
        let (bytes, most) = (line.len() as u64, self.memory.longest());
        if bytes > most { Err(Error::LongDocument { place: place(), bytes, most }) } else { Ok(()) }
    }

    /// JSON lines with their text or id in other fields; blank ones stay, so that all have their numbers.
    fn lines(&self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()> {
        let mut next = chunk.first;
        chunk.rows(&self.path, |line, place| {
            let place = place();
            out.resize(out.len() + (place.number - next) as usize, b'\n');
            next = place.number + 1;
            let begin = out.len();
            self.line(line, &place, out)?;
            self.check(&out[begin..], || place)
        })
    }

    fn line<'l>(&self, line: &'l str, place: &Place, out: &mut Vec<u8>) -> Result<()> {
        let json = |column: usize, reason: String| Error::Json { place: place.clone(), column, reason };
        let fault = |error: serde_json::Error| json(error.column().max(1), reason(&error));
        let all: Entries<&RawValue> = serde_json::from_str(line).map_err(fault)?;
        let (mut text, mut id, mut inner, mut others) = (None, None, None, BTreeMap::new());
        for (name, value) in all.0 {
            let own = match &*name {
                name if name == self.fields.text() => &mut text,
                name if name == self.fields.id() => &mut id,
                "metadata" if value.get().starts_with('{') => &mut inner,
                _ => {
                    others.insert(name, value);
                    continue;
                }
            };
            *own = Some(value);
        }
        let there = |value: Option<&'l RawValue>| value.filter(|value| value.get() != "null");
        let wrong = |field: &str, expected, found: &RawValue| Error::FieldType {
            place: place.clone(),
            field: field.into(),
            expected,
            found: found.get().chars().take(40).collect(),
        };
        // Of what was named by nobody the step says whether it may be missing.
        let text = match (there(text), &self.fields.text) {
            (Some(other), _) if !other.get().starts_with('"') => {
                return Err(wrong(self.fields.text(), "a text", other));
            }
            (None, Some(field)) => {
                return Err(Error::MissingText { place: place.clone(), field: field.clone() });
            }
            (text, _) => text,
        };
        let begins = |c: char| "\"-".contains(c) || c.is_ascii_digit();
        let id = match (there(id), &self.fields.id) {
            (Some(other), _) if !other.get().starts_with(begins) => {
                return Err(wrong(self.fields.id(), "a text or a whole number", other));
            }
            (None, Some(field)) => {
                return Err(Error::MissingId { place: place.clone(), field: field.clone() });
            }
            (id, _) => id,
        };
        // Of what is wrong in them the place is known here alone.
        for raw in [text, id].into_iter().flatten().map(RawValue::get).filter(|raw| raw.contains("\\u")) {
            serde_json::from_str::<String>(raw)
                .map_err(|error| json(line.find(raw).unwrap_or(0) + error.column().max(1), reason(&error)))?;
        }
        let is_null = |value: &&RawValue| value.get() == "null";
        let own = BESIDE.map(|name| others.remove(name).filter(|value| !is_null(value)));
        if let Some(inner) = inner {
            // Where it is wrong is told as a place of the line.
            let begin = line.find(inner.get()).unwrap_or(0);
            let fault = |error: serde_json::Error| json(begin + error.column().max(1), reason(&error));
            let inner: Entries<&RawValue> = serde_json::from_str(inner.get()).map_err(fault)?;
            others.extend(inner.0.into_iter().filter(|(_, value)| !is_null(value)));
        }
        shape(id, text, own, others, is_null, out);
        Ok(())
    }

    /// Rows of a table as text. Blank rows become blank lines, so that all have their numbers.
    fn table(&self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()> {
        let (Some(header), Some(ends)) = (&chunk.header, &chunk.ends) else { return Ok(()) };
        let find = |name: &str| {
            header.find(name).ok_or_else(|| header.column(&self.path, name, "the file has no such column"))
        };
        let text = find(self.fields.text())?;
        let id = match &self.fields.id {
            Some(named) => Some(find(named)?),
            None => header.find(self.fields.id()),
        };
        // The header is no row.
        let own = usize::from(chunk.offset == 0);
        let mut start = if own == 1 { ends.first().copied().unwrap_or(0) } else { 0 };
        for (number, &end) in (chunk.first..).zip(ends.iter().skip(own)) {
            let (begin, row) = (start, &chunk.data[start..end]);
            start = end;
            if table::is_blank(row) {
                out.push(b'\n');
                continue;
            }
            let place = || self.place("row", number);
            let line = match std::str::from_utf8(row) {
                Ok(line) => Cow::Borrowed(line),
                Err(_) if self.fields.repair => String::from_utf8_lossy(row),
                Err(error) => {
                    return Err(Error::Encoding { place: place(), byte: error.valid_up_to() as u64 });
                }
            };
            let byte = chunk.offset + begin as u64;
            let cells = table::fields(&line, header.delimiter)
                .map_err(|(at, reason)| table::fault(&self.path, number, byte + at as u64, reason))?;
            if cells.len() != header.columns.len() {
                let (found, wanted) = (cells.len() as u64, header.columns.len() as u64);
                let reason = format!("{}, but the header has {wanted}", units::plural(found, "field"));
                return Err(table::fault(&self.path, number, byte, reason));
            }
            let named = || header.columns.iter().zip(&cells).enumerate();
            // An empty cell says nothing.
            let mut others: BTreeMap<Cow<str>, &str> = named()
                .filter(|(at, (_, cell))| *at != text && Some(*at) != id && !cell.is_empty())
                .map(|(_, (column, cell))| (Cow::Borrowed(column.as_str()), &**cell))
                .collect();
            let id = id.map(|at| &cells[at]).filter(|id| !id.is_empty());
            let by_place = || self.by_place.then(|| format!("{}:{number}", self.path).into());
            let id = id.cloned().or_else(by_place);
            let begin = out.len();
            let own = BESIDE.map(|name| others.remove(name));
            shape(id.as_deref(), Some(&*cells[text]), own, others, |_| false, out);
            self.check(&out[begin..], place)?;
        }
        Ok(())
    }

    /// The next rows of a Parquet file.
    fn next_of_table(&mut self) -> Result<Option<Chunk>> {
        let RowFile { path, file, fields, memory, rows: Rows::Parquet(table), offset, by_place } = self
        else {
            return Ok(None);
        };
        let first = table.taken + 1;
        let mut chunk = Chunk { file: *file, first, offset: *offset, of_table: true, ..Chunk::default() };
        while chunk.data.len() < CHUNK {
            let Some(item) = parquet::Reader::next(&mut table.reader)? else { break };
            table.taken += 1;
            let number = table.taken;
            let place = || Place { file: path.clone(), unit: "row", number };
            let row = match item {
                parquet::Item::Row(row) => row,
                parquet::Item::TooLarge { bytes, .. } => {
                    return Err(Error::LongDocument { place: place(), bytes, most: memory.longest() });
                }
            };
            if let (Some((column, byte)), false) = (row.invalid, fields.repair) {
                return Err(Error::ColumnEncoding { place: place(), column, byte });
            }
            let field = || fields.text().to_string();
            let text = row.text.ok_or_else(|| Error::MissingText { place: place(), field: field() })?;
            let place_id = || by_place.then(|| format!("{path}:{number}"));
            let id = row.id.filter(|id| !id.is_empty()).or_else(place_id);
            let mut other = row.other;
            let own = BESIDE.map(|name| other.remove(name).filter(|value| !value.is_null()));
            let others = flat(other).into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
            let begin = chunk.data.len();
            shape(id.as_deref(), Some(&text), own, others, serde_json::Value::is_null, &mut chunk.data);
            let bytes = (chunk.data.len() - begin) as u64;
            if bytes > memory.longest() {
                return Err(Error::LongDocument { place: place(), bytes, most: memory.longest() });
            }
            if is_long(bytes as usize) && chunk.long.is_none() {
                chunk.long = Some(memory.long());
            }
        }
        let ended = chunk.data.is_empty();
        table.count(ended);
        *offset += chunk.data.len() as u64;
        Ok((!ended).then_some(chunk))
    }
}

impl Table {
    /// Count the bytes of the rows so far as read, or all.
    fn count(&mut self, ended: bool) {
        let rows = self.reader.rows().max(1);
        let share = u128::from(self.bytes) * u128::from(self.taken.min(rows)) / u128::from(rows);
        let now = if ended { self.bytes } else { share as u64 };
        self.read.fetch_add(now.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = self.counted.max(now);
    }
}

/// Lines without bytes that are no UTF-8 and without halves of UTF-16 pairs.
fn repaired(lines: Vec<u8>) -> Vec<u8> {
    let lines = match String::from_utf8(lines) {
        Ok(lines) => lines,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let escaped = memchr::memmem::find(lines.as_bytes(), b"\\u").is_some();
    if escaped { mend_surrogates(&lines).into_bytes() } else { lines.into_bytes() }
}

/// Open a Parquet file. One without the column of the id is read all the same, unless that was named.
fn open_table(input: &InputFile, fields: &Fields, memory: &Memory) -> Result<parquet::Reader> {
    let options = parquet::Options {
        text: fields.text().into(),
        id: Some(fields.id().into()),
        other: parquet::Other::All,
        max_bytes: memory.longest(),
        max_page: memory.page(),
    };
    match parquet::Reader::open(input.path.clone(), &input.full, options.clone()) {
        Err(Error::Column { column, columns, .. })
            if fields.id.is_none() && column == fields.id() && !columns.contains(&column) =>
        {
            let options = parquet::Options { id: None, ..options };
            parquet::Reader::open(input.path.clone(), &input.full, options)
        }
        opened => opened,
    }
}

/// Append a row in Dolma's shape: id and text if they are there, what has a place of its own (the row's `own` before what its
/// metadata says), and `metadata` with the `others`.
fn shape<V: Serialize>(
    id: Option<&(impl Serialize + ?Sized)>,
    text: Option<&(impl Serialize + ?Sized)>,
    own: [Option<V>; 3],
    mut others: BTreeMap<Cow<str>, V>,
    is_null: impl Fn(&V) -> bool,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    if let Some(id) = id {
        field("id", id, out);
    }
    if let Some(text) = text {
        field("text", text, out);
    }
    for (name, own) in BESIDE.into_iter().zip(own) {
        if let Some(value) = own.or_else(|| others.remove(name)).filter(|value| !is_null(value)) {
            field(name, &value, out);
        }
    }
    out.extend_from_slice(b"\"metadata\":{");
    let begin = out.len();
    // A column `metadata` without anything says nothing.
    for (name, value) in others.iter().filter(|(name, value)| *name != "metadata" || !is_null(value)) {
        field(name, value, out);
    }
    if out.len() > begin {
        out.pop();
    }
    out.extend_from_slice(b"}}\n");
}

/// Append a field and a comma.
fn field(name: &str, value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    put(name, out);
    out.push(b':');
    put(value, out);
    out.push(b',');
}

fn put(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // Writing to memory cannot fail, and names are texts.
    let _ = serde_json::to_writer(&mut *out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::input;
    use proptest::prelude::*;

    #[test]
    fn names_that_say_something_else_are_no_rows() {
        for name in [
            "a.jsonl",
            "a.json.gz",
            "a.csv",
            "a.tsv.zst",
            "a.parquet",
            "a",
            "a.gz",
            "a.txt",
            "a.pdf/b.2024",
            "s3://b/a.zst",
        ] {
            assert!(is_rows(name).is_ok(), "{name}");
        }
        for (name, end) in [
            ("a.pdf", "pdf"),
            ("x/a.PNG", "PNG"),
            ("a.docx.gz", "docx"),
            ("a.tar.zst", "tar"),
            ("a.warc.gz", "warc"),
        ] {
            let told = is_rows(name).unwrap_err().to_string();
            assert_eq!(told, format!("`{name}`: there is no reader for .{end} here"));
        }
    }

    fn open(file: &InputFile, fields: &Fields, memory: u64) -> Result<RowFile> {
        RowFile::open(file, fields, 7, 27, Arc::default(), &Arc::new(Memory::new(memory)))
    }

    /// All rows of a file with their numbers, and how many chunks there were.
    fn rows(name: &str, content: &[u8], fields: &Fields) -> Result<(Vec<(u64, String)>, usize)> {
        let dir = tempfile::tempdir().unwrap();
        let mut file = open(&input(dir.path(), name, content), fields, 1 << 30)?;
        let (mut all, mut chunks, mut offset) = (Vec::new(), 0, 0);
        while let Some(chunk) = file.next()? {
            assert_eq!((chunk.file, chunk.offset), (7, offset));
            offset += chunk.data.len() as u64;
            chunks += 1;
            chunk.rows(name, |line, place| {
                all.push((place().number, line.to_string()));
                Ok(())
            })?;
        }
        Ok((all, chunks))
    }

    fn named(text: &str, id: &str) -> Fields {
        Fields { text: Some(text.into()), id: Some(id.into()), repair: false }
    }

    #[test]
    fn names_tell_how_rows_are_written() {
        for (name, form) in [
            ("a.parquet", Form::Parquet),
            ("a.PARQUET", Form::Parquet),
            ("a.parquet.gz", Form::Parquet),
            ("a.csv", Form::Table(b',')),
            ("a.tsv.zst", Form::Table(b'\t')),
            ("a.parquet.jsonl.gz", Form::Lines),
            ("csv", Form::Lines),
            ("a.parquet/b.gz", Form::Lines),
        ] {
            assert_eq!(Form::of_name(name), form, "{name}");
        }
    }

    #[test]
    fn lines_with_the_usual_names_stay_as_they_are() {
        let content = "\u{feff} {\"text\" : 1.50}\n\n{\"id\":[]}";
        for fields in [Fields::default(), named("text", "id")] {
            let (found, _) = rows("a.jsonl", content.as_bytes(), &fields).unwrap();
            assert_eq!(found, [(1, " {\"text\" : 1.50}".into()), (3, "{\"id\":[]}".into())]);
        }
    }

    #[test]
    fn lines_with_other_names_get_the_shape_of_dolma() {
        let content = "\u{feff}\n{\"content\":\"\\u00e9 x\",\"nr\":1.50,\"text\":\"old\",\"source\":\"s\",\"z\":null,\"metadata\":null}\n\n\
                       {\"metadata\":{\"a\":[ 1 ],\"n\":null,\"created\":\"2024\"},\"nr\":\"b\",\"content\":\"\"}\r\n";
        let (found, _) = rows("a.jsonl", content.as_bytes(), &named("content", "nr")).unwrap();
        let first = r#"{"id":1.50,"text":"\u00e9 x","source":"s","metadata":{"text":"old","z":null}}"#;
        let second = r#"{"id":"b","text":"","created":"2024","metadata":{"a":[ 1 ]}}"#;
        assert_eq!(found, [(2, first.into()), (4, second.into())]);
        // What the row says itself goes before its metadata, where the rest stays.
        let both = b"{\"content\":\"x\",\"nr\":1,\"source\":\"wiki\",\"metadata\":{\"source\":\"cc\",\"added\":\"d\"}}";
        let (found, _) = rows("a.jsonl", both, &named("content", "nr")).unwrap();
        let expected = r#"{"id":1,"text":"x","source":"wiki","added":"d","metadata":{"source":"cc"}}"#;
        assert_eq!(found, [(1, expected.into())]);
        // Of what was not named the step says whether it may be missing.
        let text = Fields { text: Some("content".into()), ..Fields::default() };
        let (found, _) = rows("a.jsonl", b"{\"content\":\"x\"}", &text).unwrap();
        assert_eq!(found, [(1, "{\"text\":\"x\",\"metadata\":{}}".into())]);
        // Of two fields of one name the last counts.
        let twice = b"{\"content\":\"x\",\"nr\":1,\"content\":\"y\"}";
        let (found, _) = rows("a.jsonl", twice, &named("content", "nr")).unwrap();
        assert_eq!(found, [(1, "{\"id\":1,\"text\":\"y\",\"metadata\":{}}".into())]);
        let told = |line: &str| rows("a.jsonl", format!("\n{line}").as_bytes(), &named("content", "nr"));
        for (line, part) in [
            ("{\"nr\":1}", "line 2: the row has no text field `content`"),
            ("{\"content\":\"x\",\"nr\":null}", "line 2: the row has no field `nr`"),
            ("{\"content\":3,\"nr\":1}", "line 2: field `content` must be a text, found 3"),
            (
                "{\"content\":\"x\",\"nr\":[1]}",
                "line 2: field `nr` must be a text or a whole number, found [1]",
            ),
            ("{\"content\":\"\\ud800\",\"nr\":1}", "line 2, column"),
            ("[1]", "line 2, column 1: invalid type: sequence"),
            ("{\"content\":", "line 2, column 11"),
        ] {
            let error = told(line).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn rows_of_tables_as_text_get_it_too_with_their_numbers() {
        let content = "\u{feff}nr,body,url,source,empty\r\n1,\"é \"\"x\"\"\n\",u,s,\r\n\r\n,b,,,\r\n";
        let fields = Fields { text: Some("body".into()), ..Fields::default() };
        let (found, _) = rows("a.csv", content.as_bytes(), &fields).unwrap();
        let first = r#"{"id":"a.csv:1","text":"é \"x\"\n","source":"s","metadata":{"nr":"1","url":"u"}}"#;
        let second = r#"{"id":"a.csv:3","text":"b","metadata":{}}"#;
        assert_eq!(found, [(1, first.into()), (3, second.into())]);
        let (found, _) = rows("a.csv", content.as_bytes(), &named("body", "nr")).unwrap();
        assert!(found[0].1.starts_with("{\"id\":\"1\",") && found[1].1.starts_with("{\"id\":\"a.csv:3\","));
        // More than a chunk.
        let row = |i: usize| format!("{i}\t{}\n", "word ".repeat(i % 300));
        let long: String = std::iter::once("id\ttext\n".into()).chain((1..4000).map(row)).collect();
        let (found, chunks) = rows("a.tsv", long.as_bytes(), &Fields::default()).unwrap();
        assert!(chunks > 2 && found.len() == 3999, "{chunks}");
        let of = |number: u64| {
            format!("{{\"id\":\"{number}\",\"text\":\"{}\",", "word ".repeat(number as usize % 300))
        };
        assert!(found.iter().all(|(number, line)| line.starts_with(&of(*number))));
        let told = |content: &[u8], fields: &Fields| rows("a.csv", content, fields).unwrap_err().to_string();
        let usual = Fields::default();
        assert_eq!(told(b"id,body\n1,x\n", &usual), "`a.csv`: column `text`: the file has no such column");
        assert!(
            told(b"text\nx\n", &named("text", "nr")).contains("column `nr`: the file has no such column")
        );
        assert!(
            told(b"id,text\n1,x\n2\n", &usual).contains("byte 12: CSV row 2: 1 field, but the header has 2")
        );
        assert!(told(b"id,text\n1,x\n2,\xff\n", &usual).contains("row 2: invalid UTF-8 at byte 2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_comes_through(text in any::<String>(), other in any::<String>(), n in any::<i64>()) {
            let value = serde_json::json!({"body": text, "nr": n, "metadata": {"url": other}, "x": [other, n]});
            let (found, _) = rows("a.jsonl", value.to_string().as_bytes(), &named("body", "nr")).unwrap();
            let found: serde_json::Value = serde_json::from_str(&found[0].1).unwrap();
            let expected = serde_json::json!({"id": n, "text": text, "metadata": {"url": other, "x": [other, n]}});
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_line_is_read_or_refused(line in "(\\\\u[dD][89c][0-9]{2}|\"(body|nr|metadata)\":|[\\PC\\\\\"{}:,]){0,40}") {
            if let Ok((found, _)) = rows("a.jsonl", format!("{{{line}}}").as_bytes(), &named("body", "nr")) {
                prop_assert!(found.iter().all(|(_, line)| crate::dolma::row::Row::parse(line, || unreachable!()).is_ok()));
            }
        }
    }
}
