//! The columns of a Parquet file: which are read, what they may hold, and how they are packed.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{ColumnDescriptor, Type, TypePtr};

use super::reader::{Options, Other};
use crate::error::{Error, Result};

/// Bytes of an interval: months, days and milliseconds.
const INTERVAL: i32 = 12;

/// Whether the wanted columns are packed in ways that are read here.
pub(super) fn packed(file: &str, metadata: &ParquetMetaData, wanted: &Type) -> Result<()> {
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let Some(top) = column.column_path().parts().first() else { continue };
        let read = match column.compression() {
            // Of pages of the old LZ4 it is not known what they become: their framing was never written down.
            Compression::BROTLI(_) | Compression::LZO | Compression::LZ4 => false,
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::ZSTD(_)
            | Compression::LZ4_RAW => true,
        };
        if !read && wanted.get_fields().iter().any(|field| field.name() == top) {
            let codec = column.compression().to_string();
            let codec = codec.split('(').next().unwrap_or_default().into();
            return Err(Error::Codec { file: file.into(), column: column.column_path().string(), codec });
        }
    }
    Ok(())
}

/// The same columns, those of text as bytes, for the library gives no text that is not UTF-8; and which these are. Intervals
/// are bytes too: it has no other form for them.
pub(super) fn as_bytes(schema: Type) -> (Type, BTreeSet<String>) {
    let mut texts = BTreeSet::new();
    let mut bare = |field: &TypePtr| {
        let info = field.get_basic_info();
        let (physical, length) = match info.converted_type() {
            _ if !single(field) => return Arc::clone(field),
            ConvertedType::INTERVAL => (Physical::FIXED_LEN_BYTE_ARRAY, INTERVAL),
            ConvertedType::NONE => return Arc::clone(field),
            _ if is_text(field) => (Physical::BYTE_ARRAY, -1),
            _ => return Arc::clone(field),
        };
        let built = Type::primitive_type_builder(field.name(), physical)
            .with_length(length)
            .with_repetition(info.repetition())
            .build();
        match built {
            Ok(built) => {
                if physical == Physical::BYTE_ARRAY {
                    texts.insert(field.name().to_string());
                }
                Arc::new(built)
            }
            Err(_) => Arc::clone(field),
        }
    };
    let fields = schema.get_fields().iter().map(&mut bare).collect();
    match Type::group_type_builder(schema.name()).with_fields(fields).build() {
        Ok(built) => (built, texts),
        Err(_) => (schema, BTreeSet::new()),
    }
}

/// A row group whose columns of this schema have the types that stand there.
pub(super) fn retyped(group: &RowGroupMetaData, schema: &Type) -> ParquetResult<RowGroupMetaData> {
    let column = |column: &ColumnChunkMetaData| {
        let field = match column.column_path().parts() {
            [name] => schema.get_fields().iter().find(|field| field.name() == name),
            _ => None,
        };
        let Some(field) = field.filter(|field| field.is_primitive()) else { return Ok(column.clone()) };
        let old = column.column_descr();
        let levels = (old.max_def_level(), old.max_rep_level());
        let new = ColumnDescriptor::new(Arc::clone(field), levels.0, levels.1, old.path().clone());
        ColumnChunkMetaData::builder(Arc::new(new)).set_num_values(column.num_values()).build()
    };
    let columns = group.columns().iter().map(column).collect::<ParquetResult<_>>()?;
    group.clone().into_builder().set_column_metadata(columns).build()
}

pub(super) fn names(schema: &Type) -> Vec<String> {
    schema.get_fields().iter().map(|field| field.name().to_string()).collect()
}

/// The schema cut down to what is read, with the types of text and id checked.
pub(super) fn projection(file: &str, schema: &Type, options: &Options) -> Result<Type> {
    let fail = |column: &str, reason: String| Error::Column {
        file: file.into(),
        column: column.into(),
        reason,
        columns: names(schema),
    };
    let find = |column: &str| {
        let found = schema.get_fields().iter().find(|field| field.name() == column);
        found.ok_or_else(|| fail(column, "the file has no such column".into()))
    };
    let text = find(&options.text)?;
    if !is_text(text) {
        return Err(fail(&options.text, format!("must hold text, found {}", kind(text))));
    }
    if let Some(id) = &options.id {
        let field = find(id)?;
        if !is_text(field) && !is_whole(field) {
            return Err(fail(id, format!("must hold text or whole numbers, found {}", kind(field))));
        }
    }
    if let Other::Named(columns) = &options.other {
        columns.iter().try_for_each(|column| find(column).map(drop))?;
    }
    let wanted = |name: &str| {
        name == options.text
            || options.id.as_deref() == Some(name)
            || match &options.other {
                Other::All => true,
                Other::Named(columns) => columns.iter().any(|column| column == name),
            }
    };
    let fields = schema.get_fields().iter().filter(|field| wanted(field.name())).cloned().collect();
    let built = Type::group_type_builder(schema.name()).with_fields(fields).build();
    built.map_err(|error| fail(&options.text, error.to_string()))
}

fn single(field: &Type) -> bool {
    let info = field.get_basic_info();
    field.is_primitive() && !(info.has_repetition() && info.repetition() == Repetition::REPEATED)
}

fn is_text(field: &Type) -> bool {
    let converted = field.get_basic_info().converted_type();
    single(field)
        && field.get_physical_type() == Physical::BYTE_ARRAY
        && matches!(
            converted,
            ConvertedType::UTF8 | ConvertedType::NONE | ConvertedType::ENUM | ConvertedType::JSON
        )
}

fn is_whole(field: &Type) -> bool {
    use ConvertedType::*;
    let converted = field.get_basic_info().converted_type();
    single(field)
        && matches!(field.get_physical_type(), Physical::INT32 | Physical::INT64)
        && matches!(converted, NONE | INT_8 | INT_16 | INT_32 | INT_64 | UINT_8 | UINT_16 | UINT_32 | UINT_64)
}

fn kind(field: &Type) -> String {
    if !field.is_primitive() {
        return "a group of columns".into();
    }
    let converted = field.get_basic_info().converted_type();
    let note = if converted == ConvertedType::NONE { String::new() } else { format!(" ({converted})") };
    let list = if single(field) { "" } else { "a list of " };
    format!("{list}{}{note}", field.get_physical_type())
}
