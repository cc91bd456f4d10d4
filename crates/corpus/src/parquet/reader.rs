//! The rows of a Parquet file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Record};
use parquet::schema::types::{Type, TypePtr};
use regimen_base::fs;
use serde_json::{Map, Value};

use super::columns::{as_bytes, names, packed, projection, retyped};
use super::pages::{Checked, PageLimit};
use super::source::{self, Shared, Source};
use super::value::{has_nanos, json};
use crate::error::{Error, Result};

/// Rows taken from the pages at a time.
const BATCH: usize = 64;

/// Which columns come along besides text and id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Other {
    /// All.
    #[default]
    All,
    /// These.
    Named(Vec<String>),
}

/// How a file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The column of the text.
    pub text: String,
    /// The column of the id: text or whole numbers. None where there is none.
    pub id: Option<String>,
    /// What else is read.
    pub other: Other,
    /// A text above so many bytes is passed over.
    pub max_bytes: u64,
    /// A page that becomes more bytes is an error: all of it is in memory at once.
    pub max_page: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            text: "text".into(),
            id: Some("id".into()),
            other: Other::All,
            max_bytes: 64 << 20,
            max_page: u64::MAX,
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of the row in the file, from 0.
    pub number: u64,
    /// Number of its row group, from 0.
    pub group: usize,
    /// The id, if there is one.
    pub id: Option<String>,
    /// The text, if it is not null.
    pub text: Option<String>,
    /// The other columns.
    pub other: Map<String, Value>,
    /// The first column whose text is not UTF-8, and the byte at which: U+FFFD stands for what is not.
    pub invalid: Option<(String, u64)>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A row.
    Row(Row),
    /// A row whose text is above [`Options::max_bytes`].
    TooLarge {
        /// Number of the row in the file, from 0.
        number: u64,
        /// Its id, if there is one.
        id: Option<String>,
        /// Bytes of the text.
        bytes: u64,
    },
}

/// Reads a file row by row.
pub struct Reader {
    file: String,
    options: Options,
    page: Arc<PageLimit>,
    source: Arc<dyn Source>,
    reader: Arc<dyn FileReader>,
    projection: Type,
    /// The columns of the file that hold text, which come as bytes.
    texts: BTreeSet<String>,
    /// The columns with nanoseconds in them, by their names.
    nanos: BTreeMap<String, TypePtr>,
    /// Row groups still to be read, and the number of the first row of each.
    groups: VecDeque<(usize, u64)>,
    group: usize,
    next: u64,
    rows: Option<RowIter<'static>>,
}

impl Reader {
    /// Open a file. `file` is its name for messages.
    ///
    /// # Errors
    /// When it cannot be opened, is no Parquet file, or lacks a column.
    pub fn open(file: impl Into<String>, path: &Path, options: Options) -> Result<Reader> {
        Reader::new(file, fs::open(path)?, options)
    }

    /// Read from anything that has chunks of bytes.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn new<R: ChunkReader + 'static>(
        file: impl Into<String>,
        source: R,
        options: Options,
    ) -> Result<Reader> {
        let file = file.into();
        let source = Arc::new(source);
        source::is_parquet(&file, &*source)?;
        let opened = guard(&file, 0, "footer", || {
            source::footer(&*source)?;
            SerializedFileReader::new(Shared(Arc::clone(&source)))
        })?;
        let reader: Arc<dyn FileReader> = Arc::new(opened);
        let projection = projection(&file, reader.metadata().file_metadata().schema(), &options)?;
        packed(&file, reader.metadata(), &projection)?;
        let (projection, texts) = as_bytes(projection);
        let page = Arc::new(PageLimit::new(options.max_page));
        let columns = projection.get_fields().iter().filter(|column| has_nanos(column));
        let nanos = columns.map(|column| (column.name().to_string(), Arc::clone(column))).collect();
        let mut reader = Reader {
            file,
            options,
            page,
            source,
            reader,
            projection,
            texts,
            nanos,
            groups: VecDeque::new(),
            group: 0,
            next: 0,
            rows: None,
        };
        reader.read_groups(0..reader.groups());
        Ok(reader)
    }

    /// Row groups of the file.
    pub fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// Rows by the footer.
    pub fn rows(&self) -> u64 {
        self.reader.metadata().file_metadata().num_rows().try_into().unwrap_or(0)
    }

    /// Start again with these row groups only.
    pub fn read_groups(&mut self, groups: std::ops::Range<usize>) {
        let mut first = 0u64;
        let all = self.reader.metadata().row_groups().iter().enumerate().map(|(at, group)| {
            let start = first;
            first = first.saturating_add(u64::try_from(group.num_rows()).unwrap_or(0));
            (at, start)
        });
        self.groups = all.filter(|(at, _)| groups.contains(at)).collect();
        self.rows = None;
    }

    /// The next row; none at the end, and after an error.
    ///
    /// # Errors
    /// When the bytes of a page are damaged.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if self.rows.is_none() && !self.open_group()? {
                return Ok(None);
            }
            let Some(rows) = &mut self.rows else { return Ok(None) };
            let (offset, field) =
                (self.reader.metadata().row_group(self.group).file_offset(), format!("row {}", self.next));
            match guard(&self.file, offset.unwrap_or(0).try_into().unwrap_or(0), &field, || {
                rows.next().transpose()
            }) {
                Ok(Some(row)) => {
                    let number = self.next;
                    self.next += 1;
                    let item = self.item(number, row);
                    if item.is_err() {
                        self.stop();
                    }
                    return item.map(Some);
                }
                Ok(None) => self.rows = None,
                Err(error) => {
                    self.stop();
                    return Err(self.page.error(&self.file).unwrap_or(error));
                }
            }
        }
    }

    fn stop(&mut self) {
        self.rows = None;
        self.groups.clear();
    }

    fn open_group(&mut self) -> Result<bool> {
        let Some((group, first)) = self.groups.pop_front() else { return Ok(false) };
        (self.group, self.next) = (group, first);
        let projection = self.projection.clone();
        let reader = OneGroup {
            all: Arc::clone(&self.reader),
            source: Arc::clone(&self.source),
            page: Arc::clone(&self.page),
            group,
            projection: projection.clone(),
        };
        let rows = guard(&self.file, 0, &format!("row group {group}"), || {
            RowIter::from_file_into(Box::new(reader))
                .project(Some(projection))
                .map(|rows| rows.with_batch_size(BATCH))
        });
        if rows.is_err() {
            self.stop();
        }
        self.rows = Some(rows.map_err(|error| self.page.error(&self.file).unwrap_or(error))?);
        Ok(true)
    }

    fn item(&self, number: u64, record: Record) -> Result<Item> {
        let (mut id, mut text, mut bytes) = (None, None, 0);
        let (mut other, mut invalid) = (Map::new(), None);
        for (name, field) in record.into_columns() {
            let field = match field {
                Field::Bytes(bytes) if name == self.options.text || self.texts.contains(&name) => {
                    let (text, wrong) = utf8(bytes.data());
                    if let (None, Some(byte)) = (&invalid, wrong) {
                        invalid = Some((name.clone(), byte));
                    }
                    Field::Str(text)
                }
                field => field,
            };
            if name == self.options.text {
                text = self.text(number, field)?;
                bytes = text.as_ref().map_or(0, |text| text.len() as u64);
            } else if self.options.id.as_ref() == Some(&name) {
                id = match json(&field, None) {
                    Value::Null => None,
                    Value::String(id) => Some(id),
                    other => Some(other.to_string()),
                };
            } else {
                let value = json(&field, self.nanos.get(&name).map(|column| &**column));
                other.insert(name, value);
            }
        }
        if bytes > self.options.max_bytes {
            return Ok(Item::TooLarge { number, id, bytes });
        }
        Ok(Item::Row(Row { number, group: self.group, id, text, other, invalid }))
    }

    fn text(&self, number: u64, field: Field) -> Result<Option<String>> {
        match field {
            Field::Null => Ok(None),
            Field::Str(text) => Ok(Some(text)),
            _ => Err(self.column(format!("row {number} holds no text"))),
        }
    }

    fn column(&self, reason: String) -> Error {
        let columns = names(self.reader.metadata().file_metadata().schema());
        Error::Column { file: self.file.clone(), column: self.options.text.clone(), reason, columns }
    }
}

impl Iterator for Reader {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        Reader::next(self).transpose()
    }
}

/// A file of which one row group is seen.
struct OneGroup {
    all: Arc<dyn FileReader>,
    source: Arc<dyn Source>,
    page: Arc<PageLimit>,
    group: usize,
    projection: Type,
}

impl FileReader for OneGroup {
    fn metadata(&self) -> &ParquetMetaData {
        self.all.metadata()
    }

    fn num_row_groups(&self) -> usize {
        1
    }

    fn get_row_group(
        &self,
        _: usize,
    ) -> parquet::errors::Result<Box<dyn parquet::file::reader::RowGroupReader + '_>> {
        let group = self.all.get_row_group(self.group)?;
        let told = retyped(group.metadata(), &self.projection)?;
        let (source, page) = (Arc::clone(&self.source), Arc::clone(&self.page));
        Ok(Box::new(Checked { group, told, source, page }))
    }

    fn get_row_iter(&self, projection: Option<Type>) -> parquet::errors::Result<RowIter<'_>> {
        RowIter::from_file(projection, self)
    }
}

/// Run a piece of the Parquet library. It meets some damaged bytes with a panic, which is an error like others here.
fn guard<T>(
    file: &str,
    offset: u64,
    field: &str,
    run: impl FnOnce() -> parquet::errors::Result<T>,
) -> Result<T> {
    let reason = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => match error.to_string() {
            // With all its bytes.
            long if long.contains("BYTE_ARRAY as String") => "a text in a list or group is not UTF-8".into(),
            reason => reason,
        },
        Err(panic) => {
            let said =
                panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            format!("the data is damaged ({})", said.unwrap_or("no reason given"))
        }
    };
    // The library puts whole values into some of its messages.
    let reason: String = reason.chars().take(200).collect();
    Err(Error::Foreign { file: file.into(), format: "Parquet", offset, field: field.into(), reason })
}

/// Bytes as text, and the first byte at which they are none.
fn utf8(bytes: &[u8]) -> (String, Option<u64>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.into(), None),
        Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parquet::basic::Compression;
    use parquet::data_type::{
        ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
    };
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Two row groups of three rows; the second text of each is null.
    fn file() -> Vec<u8> {
        let schema = "message m { required int64 id; optional binary text (UTF8); required binary raw;
             optional group meta { required double score; } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        for group in 0..2i64 {
            let mut rows = writer.next_row_group().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column
                .typed::<Int64Type>()
                .write_batch(&[group * 10, group * 10 + 1, group * 10 + 2], None, None)
                .unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            let texts =
                [ByteArray::from("first \u{e4}"), ByteArray::from("third, much longer than the others")];
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 0, 1]), None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column
                .typed::<ByteArrayType>()
                .write_batch(&["a", "b", "c"].map(ByteArray::from), None, None)
                .unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&[0.5, 1.0], Some(&[1, 1, 0]), None).unwrap();
            column.close().unwrap();
            rows.close().unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn on_disk(bytes: &[u8]) -> std::fs::File {
        let mut disk = tempfile::tempfile().unwrap();
        disk.write_all(bytes).unwrap();
        disk
    }

    fn read(bytes: &[u8], options: Options) -> Result<Vec<Item>> {
        Reader::new("x.parquet", on_disk(bytes), options)?.collect()
    }

    fn why(options: Options) -> String {
        read(&file(), options).unwrap_err().to_string()
    }

    #[test]
    fn rows_of_all_groups_with_their_numbers() {
        let items = read(&file(), Options::default()).unwrap();
        assert_eq!(items.len(), 6);
        let Item::Row(row) = &items[3] else { panic!() };
        assert_eq!((row.number, row.group, row.id.as_deref()), (3, 1, Some("10")));
        assert_eq!(row.text.as_deref(), Some("first \u{e4}"));
        assert_eq!(Value::Object(row.other.clone()), json!({"raw": "61", "meta": {"score": 0.5}}));
        let Item::Row(row) = &items[4] else { panic!() };
        assert_eq!(row.text, None);
        let Item::Row(row) = &items[5] else { panic!() };
        assert_eq!(row.other["meta"], Value::Null);
        let mut reader = Reader::new("x", on_disk(&file()), Options::default()).unwrap();
        assert_eq!((reader.groups(), reader.rows()), (2, 6));
        reader.read_groups(1..2);
        assert_eq!(reader.map(|item| item.unwrap()).collect::<Vec<_>>(), items[3..]);
    }

    #[test]
    fn columns_are_chosen_and_checked() {
        let options = Options {
            text: "raw".into(),
            id: None,
            other: Other::Named(vec!["text".into()]),
            max_bytes: 9,
            ..Options::default()
        };
        let Item::Row(row) = &read(&file(), options).unwrap()[1] else { panic!() };
        assert_eq!(
            (row.text.as_deref(), &row.id, Value::Object(row.other.clone())),
            (Some("b"), &None, json!({"text": null}))
        );
        let named = |text: &str| Options { text: text.into(), ..Options::default() };
        assert_eq!(why(named("body")), "`x.parquet`: column `body`: the file has no such column");
        assert_eq!(why(named("id")), "`x.parquet`: column `id`: must hold text, found INT64");
        assert_eq!(
            why(named("meta")),
            "`x.parquet`: column `meta`: must hold text, found a group of columns"
        );
        let id = Options { id: Some("meta".into()), ..Options::default() };
        assert_eq!(
            why(id),
            "`x.parquet`: column `meta`: must hold text or whole numbers, found a group of columns"
        );
        let other = Options { other: Other::Named(vec!["nothing".into()]), ..Options::default() };
        let error = read(&file(), other).unwrap_err();
        let hint = regimen_base::Hint::hint(&error).unwrap();
        assert!(hint.starts_with("the file has the columns id, text, raw, meta; name one with"), "{hint}");
    }

    /// One row group of the columns `text` and `note`, of bytes as they are, packed in this way.
    fn table(rows: &[(&[u8], &[u8])], packing: Compression) -> Vec<u8> {
        let schema = "message m { required binary text (UTF8); optional binary note (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(packing).build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let texts: Vec<ByteArray> = rows.iter().map(|row| row.0.to_vec().into()).collect();
        let notes: Vec<ByteArray> = rows.iter().map(|row| row.1.to_vec().into()).collect();
        let levels = vec![1; rows.len()];
        for (values, levels) in [(texts, None), (notes, Some(&levels[..]))] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn nanoseconds_are_times() {
        let schema = "message m { required binary text (UTF8); required int64 created (TIMESTAMP(NANOS,true));
             required int64 clock (TIME(NANOS,true)); required int64 number;
             required group list (LIST) { repeated group list { required int64 element (TIMESTAMP(NANOS,false)); } }
             required group at { required int64 deep (TIMESTAMP(NANOS,true)); required int64 plain; }
             required group by (MAP) { repeated group key_value {
                 required binary key (UTF8); required int64 value (TIMESTAMP(NANOS,true)); } } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut text = |levels: Option<(&[i16], &[i16])>| {
            let mut column = group.next_column().unwrap().unwrap();
            let (definition, repetition) = levels.unzip();
            column
                .typed::<ByteArrayType>()
                .write_batch(&[ByteArray::from("a")], definition, repetition)
                .unwrap();
            column.close().unwrap();
        };
        text(None);
        let number = 1_700_000_000_123_456_789i64;
        for (value, levels) in
            [(number, 0), (999, 0), (number, 0), (number, 1), (number, 0), (number, 0), (0, 2), (number, 1)]
        {
            let mut column = group.next_column().unwrap().unwrap();
            let levels: Option<(&[i16], &[i16])> = (levels > 0).then_some((&[1], &[0]));
            let (definition, repetition) = levels.unzip();
            let wrote = match value {
                0 => column.typed::<ByteArrayType>().write_batch(&["k".into()], definition, repetition),
                value => column.typed::<Int64Type>().write_batch(&[value], definition, repetition),
            };
            assert_eq!(wrote.unwrap(), 1);
            column.close().unwrap();
        }
        group.close().unwrap();
        let items = read(&writer.into_inner().unwrap(), Options { id: None, ..Options::default() }).unwrap();
        let Item::Row(row) = &items[0] else { panic!("{items:?}") };
        let time = "2023-11-14T22:13:20.123456789Z";
        let expected = json!({
            "created": time, "clock": "00:00:00.000000999", "number": number, "list": [time],
            "at": {"deep": time, "plain": number}, "by": {"k": time},
        });
        assert_eq!(Value::Object(row.other.clone()), expected);
    }

    #[test]
    fn intervals_are_bytes() {
        let schema = "message m { required binary text (UTF8);
             optional fixed_len_byte_array(12) lasts (INTERVAL); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts = ["a", "b"].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        // No month, three days, 256 milliseconds.
        let lasts = [FixedLenByteArray::from(vec![0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0])];
        column.typed::<FixedLenByteArrayType>().write_batch(&lasts, Some(&[0, 1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        let items = read(&writer.into_inner().unwrap(), Options { id: None, ..Options::default() }).unwrap();
        let others = items.iter().map(|item| match item {
            Item::Row(row) => Value::Object(row.other.clone()),
            Item::TooLarge { .. } => panic!("{item:?}"),
        });
        let lasts = json!({"lasts": "000000000300000000010000"});
        assert_eq!(others.collect::<Vec<_>>(), [json!({ "lasts": null }), lasts]);
    }

    #[test]
    fn texts_that_are_not_utf8_are_repaired_and_told() {
        let rows: [(&[u8], &[u8]); 3] = [("né".as_bytes(), b"a"), (b"caf\xe9s", b"\xff"), (b"c", b"b\xfe")];
        let options = Options { id: None, ..Options::default() };
        let items = read(&table(&rows, Compression::UNCOMPRESSED), options).unwrap();
        let row = |at: usize| match &items[at] {
            Item::Row(row) => (row.text.clone().unwrap(), row.other["note"].clone(), row.invalid.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(row(0), ("né".into(), json!("a"), None));
        assert_eq!(row(1), ("caf\u{fffd}s".into(), json!("\u{fffd}"), Some(("text".into(), 3))));
        assert_eq!(row(2), ("c".into(), json!("b\u{fffd}"), Some(("note".into(), 1))));
    }

    #[test]
    fn packings_that_are_read_are_read_and_others_are_named() {
        let long = b"text that comes again ".repeat(1000);
        let rows: [(&[u8], &[u8]); 2] = [(&long, b"a"), (b"x", b"y")];
        let options = || Options { id: None, ..Options::default() };
        let expected = read(&table(&rows, Compression::UNCOMPRESSED), options()).unwrap();
        for packing in [Compression::LZ4_RAW, Compression::SNAPPY] {
            let packed = table(&rows, packing);
            assert!(packed.len() < long.len());
            assert_eq!(read(&packed, options()).unwrap(), expected, "{packing}");
        }
        let error = read(&table(&rows, Compression::LZ4), options()).unwrap_err().to_string();
        assert_eq!(error, "`x.parquet`: column `text` is packed with LZ4, which is not read");
        // A footer that says of the first column that it is packed with another codec.
        let mut reader =
            Reader::new("x.parquet", on_disk(&table(&rows, Compression::LZ4_RAW)), options()).unwrap();
        assert!(reader.next().unwrap().is_some());
        let metadata = reader.reader.metadata();
        let columns = metadata.row_group(0).columns().iter().map(|column| {
            let column = column.clone().into_builder();
            column.set_compression(Compression::BROTLI(Default::default())).build().unwrap()
        });
        let group = metadata.row_group(0).clone().into_builder();
        let group = group.set_column_metadata(columns.collect()).build().unwrap();
        let metadata = ParquetMetaData::new(metadata.file_metadata().clone(), vec![group]);
        let error = packed("x.parquet", &metadata, &reader.projection).unwrap_err();
        assert_eq!(error.to_string(), "`x.parquet`: column `text` is packed with BROTLI, which is not read");
        assert!(regimen_base::Hint::hint(&error).unwrap().contains("Snappy, gzip, Zstandard or LZ4_RAW"));
    }

    #[test]
    fn long_texts_are_passed_over() {
        let items = read(&file(), Options { max_bytes: 20, ..Options::default() }).unwrap();
        assert_eq!(items[2], Item::TooLarge { number: 2, id: Some("2".into()), bytes: 34 });
    }

    #[test]
    fn what_is_no_parquet_file_is_refused() {
        let error = read(b"", Options::default()).unwrap_err().to_string();
        assert_eq!(error, "`x.parquet` is no Parquet file: it is empty");
        for (bytes, begin) in [(&b"PAR"[..], "PAR"), (b"{\"a\": 1}\n{\"a\": 2}\n", "{\\\"a\\\"")] {
            let error = read(bytes, Options::default()).unwrap_err().to_string();
            let told = format!("`x.parquet` is no Parquet file: it begins with `{begin}` instead of `PAR1`");
            assert_eq!(error, told);
        }
        let error = read(b"PAR1", Options::default()).unwrap_err().to_string();
        assert!(error.starts_with("`x.parquet`, byte 0: Parquet footer: "), "{error}");
        let whole = file();
        assert!(read(&whole[..whole.len() - 1], Options::default()).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_errors(flips in proptest::collection::vec((any::<usize>(), 1u8..=255), 1..4)) {
            let mut bytes = file();
            let length = bytes.len();
            for (at, flip) in flips {
                bytes[at % length] ^= flip;
            }
            if let Ok(items) = read(&bytes, Options::default()) {
                prop_assert!(items.len() <= 1 << 20);
            }
        }
    }
}
