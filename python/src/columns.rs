//! Columns of texts, bytes and numbers, whatever of Arrow's types they have.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use pyo3::PyResult;

use crate::error::raise;

/// A column of a batch, checked.
pub struct Column {
    array: ArrayRef,
}

/// The column `name`, if the batch has it.
///
/// # Errors
/// A column with texts that are not UTF-8, or otherwise not what its type says.
pub fn column(batch: &RecordBatch, name: &str) -> PyResult<Option<Column>> {
    let Some(array) = batch.column_by_name(name) else { return Ok(None) };
    // Texts of another program are not trusted to be UTF-8.
    array
        .to_data()
        .validate_full()
        .map_err(|e| raise(format!("column `{name}` is damaged: {e}"), "write the data again".to_string()))?;
    Ok(Some(Column { array: array.clone() }))
}

/// The column `name`, which must be there.
pub fn needed(batch: &RecordBatch, name: &str) -> PyResult<Column> {
    column(batch, name)?.ok_or_else(|| {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        raise(
            format!("there is no column `{name}`"),
            format!("the batch has the columns {}", names.join(", ")),
        )
    })
}

fn wrong(name: &str, expected: &str, found: &DataType) -> pyo3::PyErr {
    raise(format!("column `{name}` must hold {expected}, found {found}"), format!("cast the column `{name}`"))
}

impl Column {
    /// Rows.
    pub fn len(&self) -> usize {
        self.array.len()
    }

    /// The column as texts.
    pub fn texts<'c>(&'c self, name: &str) -> PyResult<impl Fn(usize) -> Option<&'c str> + Sync + use<'c>> {
        let array = &self.array;
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {}
            other => return Err(wrong(name, "texts", other)),
        }
        Ok(move |row: usize| {
            if array.is_null(row) {
                return None;
            }
            Some(match array.data_type() {
                DataType::Utf8 => array.as_string::<i32>().value(row),
                DataType::LargeUtf8 => array.as_string::<i64>().value(row),
                _ => array.as_string_view().value(row),
            })
        })
    }

    /// The column as bytes.
    pub fn bytes<'c>(&'c self, name: &str) -> PyResult<impl Fn(usize) -> Option<&'c [u8]> + Sync + use<'c>> {
        let array = &self.array;
        match array.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {}
            other => return Err(wrong(name, "bytes", other)),
        }
        Ok(move |row: usize| {
            if array.is_null(row) {
                return None;
            }
            Some(match array.data_type() {
                DataType::Binary => array.as_binary::<i32>().value(row),
                DataType::LargeBinary => array.as_binary::<i64>().value(row),
                _ => array.as_binary_view().value(row),
            })
        })
    }

    /// Whether it holds whole numbers.
    pub fn is_integer(&self) -> bool {
        self.array.data_type().is_integer()
    }

    /// The column as whole numbers.
    pub fn integers<'c>(&'c self, name: &str) -> PyResult<impl Fn(usize) -> Option<i128> + Sync + use<'c>> {
        let array = &self.array;
        if !self.is_integer() {
            return Err(wrong(name, "whole numbers", array.data_type()));
        }
        Ok(move |row: usize| {
            if array.is_null(row) {
                return None;
            }
            Some(match array.data_type() {
                DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
                DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
                DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
                DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
                DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
                DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
                _ => array.as_primitive::<UInt64Type>().value(row).into(),
            })
        })
    }
}
