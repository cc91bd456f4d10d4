//! Rows of a sample as a Parquet table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;

use crate::error::{Error, Place, Result};
use crate::inspect::export::table::{Column, Declared, Kind, Table, declared};

/// Bytes of rows with which a row group ends, and rows of one.
const BYTES: usize = 16 << 20;
const ROWS: usize = 1 << 16;
/// The fields that have columns; what else a row says joins its metadata, where readers look for it.
const FIELDS: [&str; 6] = ["id", "text", "source", "added", "created", METADATA];
const METADATA: &str = "metadata";

/// The columns, all of texts.
fn columns() -> Vec<Declared> {
    let column = |name: &&str| declared(name, Kind::Text, true, "");
    FIELDS.iter().map(column).collect()
}

/// A table being written.
pub(super) struct Rows {
    name: String,
    table: Table,
    columns: Vec<Vec<Option<String>>>,
    bytes: usize,
}

impl Rows {
    /// Begin the file at `path`.
    pub fn create(path: &Path) -> Result<Rows> {
        let (name, columns) = (path.display().to_string(), columns());
        let table = Table::create(path, &columns)?;
        Ok(Rows { name, table, columns: vec![Vec::new(); columns.len()], bytes: 0 })
    }

    /// Append rows of JSON lines, which were read before.
    pub fn put(&mut self, lines: &[u8]) -> Result<()> {
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let row: BTreeMap<Cow<str>, &RawValue> = serde_json::from_slice(line).map_err(|error| {
                let place = Place { file: self.name.clone(), unit: "row", number: 0 };
                Error::Json { place, column: error.column().max(1), reason: error.to_string() }
            })?;
            for (column, field) in self.columns.iter_mut().zip(FIELDS) {
                column.push(match field {
                    METADATA => metadata(&row),
                    field => row.get(field).and_then(|value| shown(value)),
                });
            }
            self.bytes += line.len();
            if self.bytes >= BYTES || self.columns[0].len() == ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let group = self.columns.iter_mut().map(|column| Column::Text(std::mem::take(column))).collect();
        self.table.group(group)
    }

    /// Give the file its name.
    pub fn finish(mut self) -> Result<()> {
        if !self.columns[0].is_empty() {
            self.flush()?;
        }
        self.table.finish()
    }
}

/// The object `metadata` of a row, with the fields of the row that have no column; nothing if there is nothing to say. What is
/// no object stands in it under that name.
fn metadata(row: &BTreeMap<Cow<str>, &RawValue>) -> Option<String> {
    let own = row.get(METADATA).filter(|own| own.get() != "null");
    let mut all: BTreeMap<Cow<str>, &RawValue> = match own.map(|own| (own, serde_json::from_str(own.get()))) {
        None => BTreeMap::new(),
        Some((_, Ok(all))) => all,
        Some((own, Err(_))) => BTreeMap::from([(METADATA.into(), *own)]),
    };
    for (field, value) in row.iter().filter(|(field, _)| !FIELDS.contains(&field.as_ref())) {
        all.entry(field.clone()).or_insert(value);
    }
    // Writing to memory cannot fail, and there is no number that JSON lacks.
    (!all.is_empty()).then(|| serde_json::to_string(&all).unwrap_or_default())
}

/// A text as it is, anything else as JSON; nothing for null.
fn shown(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        json => Some(serde_json::from_str::<String>(json).unwrap_or_else(|_| json.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_kept_whatever_it_is() {
        let of = |row: &str| metadata(&serde_json::from_str(row).unwrap());
        let text = |text: &str| Some(text.to_string());
        assert_eq!(of(r#"{"metadata":{"n": 1.50},"v":[1]}"#), text(r#"{"n":1.50,"v":[1]}"#));
        for own in ["\"a \\n text\"", "[1]", "3", "true", r#"{"\ud800":1}"#] {
            let expected = format!(r#"{{"metadata":{own},"v":[1]}}"#);
            assert_eq!(of(&format!(r#"{{"metadata":{own},"v":[1]}}"#)), text(&expected));
            assert_eq!(
                of(&format!(r#"{{"id":1,"metadata":{own}}}"#)),
                text(&format!(r#"{{"metadata":{own}}}"#))
            );
        }
        assert_eq!(of(r#"{"metadata":null,"text":"x"}"#), None);
        assert_eq!(of(r#"{"metadata":{}}"#), None);
    }
}
