//! A Parquet file that is written row group by row group, and appears when it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};
use regimen_base::fs;

use crate::error::{Error, Result};

/// A column of one row group.
pub(crate) enum Column {
    Text(Vec<Option<String>>),
    Long(Vec<Option<i64>>),
    Day(Vec<Option<i32>>),
    Number(Vec<Option<f64>>),
}

/// A column as it is declared: name, kind, whether it may be null, what it is.
#[derive(Clone)]
pub(crate) struct Declared {
    pub name: String,
    pub kind: Kind,
    pub optional: bool,
    pub doc: String,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Text,
    Long,
    Day,
    Number,
}

pub(crate) fn declared(name: &str, kind: Kind, optional: bool, doc: &str) -> Declared {
    Declared { name: name.into(), kind, optional, doc: doc.into() }
}

/// A file being written under another name.
pub(crate) struct Table {
    path: PathBuf,
    temporary: PathBuf,
    columns: Vec<Declared>,
    /// None once the file is finished.
    writer: Option<SerializedFileWriter<std::fs::File>>,
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // The fault that is on its way counts more than one of tidying up.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Table {
    /// Begin the file at `path`.
    ///
    /// # Errors
    /// [`Error::Table`], [`Error::File`].
    pub fn create(path: &Path, columns: &[Declared]) -> Result<Table> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        tidy(path)?;
        let temporary = path.with_extension(fs::temporary());
        let file = std::fs::File::create(&temporary).map_err(|e| fs::Error::new("create", &temporary, e))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("regimen".into())
            .build();
        let schema = schema(columns).map_err(|error| fault(path, &error))?;
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))
            .map_err(|error| fault(path, &error))?;
        Ok(Table { path: path.into(), temporary, columns: columns.to_vec(), writer: Some(writer) })
    }

    /// Append a row group: the declared columns in their order, all of one length.
    pub fn group(&mut self, group: Vec<Column>) -> Result<()> {
        self.write(group).map_err(|error| fault(&self.path, &error))
    }

    fn write(&mut self, group: Vec<Column>) -> std::result::Result<(), ParquetError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut writer = writer.next_row_group()?;
        for (values, declared) in group.into_iter().zip(&self.columns) {
            let Some(mut column) = writer.next_column()? else { break };
            macro_rules! put {
                ($type:ty, $values:expr, $convert:expr) => {{
                    let levels: Vec<i16> = $values.iter().map(|v| i16::from(v.is_some())).collect();
                    let present: Vec<_> = $values.into_iter().flatten().map($convert).collect();
                    let levels = declared.optional.then_some(&levels[..]);
                    column.typed::<$type>().write_batch(&present, levels, None)?;
                }};
            }
            match values {
                Column::Text(values) => {
                    put!(ByteArrayType, values, |text: String| ByteArray::from(text.into_bytes()));
                }
                Column::Long(values) => put!(Int64Type, values, |x| x),
                Column::Day(values) => put!(Int32Type, values, |x| x),
                Column::Number(values) => put!(DoubleType, values, |x| x),
            }
            column.close()?;
        }
        writer.close()?;
        Ok(())
    }

    /// Make the file durable and give it its name.
    pub fn finish(mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.finish().map_err(|error| fault(&self.path, &error))?;
        writer.inner().sync_all().map_err(|error| fs::Error::new("write", &self.path, error))?;
        fs::rename(&self.temporary, &self.path)?;
        self.writer = None;
        Ok(())
    }
}

/// Remove what processes that were killed left of this table.
fn tidy(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for other in fs::list(folder)? {
        if other.file_stem() == path.file_stem() && fs::is_leftover(&other) {
            fs::remove_file(&other)?;
        }
    }
    Ok(())
}

fn schema(columns: &[Declared]) -> std::result::Result<TypePtr, ParquetError> {
    let fields = columns
        .iter()
        .map(|column| {
            let (physical, logical) = match column.kind {
                Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Long => (Physical::INT64, None),
                Kind::Day => (Physical::INT32, Some(LogicalType::Date)),
                Kind::Number => (Physical::DOUBLE, None),
            };
            let repetition = if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            Type::primitive_type_builder(&column.name, physical)
                .with_repetition(repetition)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

fn fault(path: &Path, error: &ParquetError) -> Error {
    Error::Table { file: path.display().to_string(), reason: error.to_string() }
}
