//! `regimen.Tagger`: taggers over batches of rows.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, Schema};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use regimen_base::Cancel;
use regimen_corpus::batch::{Room, Tagging};
use regimen_corpus::tag::{Set, SetAttribute, Shape, Tags, Wanted};
use serde_json::value::RawValue;

use crate::arrow::Batches;
use crate::columns::{Column, column, needed};
use crate::error::{raise, told};
use crate::work::detached;

/// Taggers that run together over each row.
///
/// `taggers` is a list of names, such as "gopher@dolma", or of dicts with `tagger`, perhaps `name`, and the fields that the
/// tagger has. Files that they name are relative to `project`, or to the working folder. `experiment` is part of the names of
/// attributes in `lines`.
#[pyclass(module = "regimen", frozen)]
pub struct Tagger {
    tagging: Tagging,
    /// As it was asked for, as JSON.
    wanted: String,
    experiment: String,
    project: Option<PathBuf>,
}

#[pymethods]
impl Tagger {
    #[new]
    #[pyo3(signature = (taggers, experiment = "regimen", project = None))]
    fn new(
        py: Python<'_>,
        taggers: &Bound<'_, PyList>,
        experiment: &str,
        project: Option<PathBuf>,
    ) -> PyResult<Tagger> {
        let text: String = py.import("json")?.call_method1("dumps", (taggers,))?.extract()?;
        let values: Vec<serde_json::Value> =
            serde_json::from_str(&text).map_err(|e| raise(e.to_string(), None))?;
        let mut wanted = Vec::new();
        for value in values {
            wanted.push(match value {
                serde_json::Value::String(name) => Wanted::named(&name),
                other => serde_json::from_value(other).map_err(|e| {
                    let hint = "give a name, or a dict such as {\"tagger\": \"language\", \"label\": \"en\"}";
                    raise(format!("a tagger cannot be read: {e}"), hint.to_string())
                })?,
            });
        }
        let root = project.clone().unwrap_or_default();
        let set = py.detach(|| Set::in_project(&wanted, &root)).map_err(told)?;
        Ok(Tagger {
            tagging: Tagging::new(set, experiment),
            wanted: text,
            experiment: experiment.into(),
            project,
        })
    }

    /// What is declared: a list of dicts with `column`, `tagger`, `name`, `shape` (value, spans, flag, or label) and `doc`.
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for attribute in self.tagging.set().attributes() {
            let dict = PyDict::new(py);
            dict.set_item("column", attribute.full())?;
            dict.set_item("tagger", &attribute.tagger)?;
            dict.set_item("name", attribute.attribute.name)?;
            let shape = match attribute.attribute.shape {
                Shape::Value => "value",
                Shape::Spans => "spans",
                Shape::Flag => "flag",
                Shape::Label => "label",
            };
            dict.set_item("shape", shape)?;
            dict.set_item("doc", attribute.attribute.doc)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    /// The batch with a column for each attribute: `double` for a value, `bool` for a flag, `utf8` for a label, and for spans a list of
    /// `struct<start: uint32, end: uint32, score: double>`, offsets in bytes of UTF-8.
    ///
    /// `batch` has a column `text`, and perhaps `metadata` with JSON objects as texts, which some taggers read.
    fn tag<'py>(&self, py: Python<'py>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.over(py, batch, |batch, cancel| self.columns(batch, cancel))
    }

    /// The batch with a column `attributes`: rows of a Dolma attributes file, without their line feeds, in the bytes that
    /// `regimen corpus tag` writes, offsets in code points.
    ///
    /// `batch` has a column `line` with rows of a documents file as they are written there; or the columns `id` (texts or
    /// whole numbers) and `text`, and perhaps `metadata` and `source`.
    fn lines<'py>(&self, py: Python<'py>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.over(py, batch, |batch, cancel| self.rows(batch, cancel))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let taggers = py.import("json")?.call_method1("loads", (&this.wanted,))?;
        let arguments = (taggers, &this.experiment, &this.project);
        Ok((slf.get_type(), arguments).into_pyobject(py)?.into_any())
    }
}

/// A batch's new columns.
type Made = Vec<(Field, ArrayRef)>;

impl Tagger {
    fn over<'py>(
        &self,
        py: Python<'py>,
        any: &Bound<'py, PyAny>,
        make: impl Fn(&RecordBatch, &Cancel) -> PyResult<Made> + Sync,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Batches { schema, mut batches, single } = Batches::of(any)?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        let batches = detached(py, |cancel| {
            batches.iter().map(|batch| with(batch, make(batch, cancel)?)).collect::<PyResult<Vec<_>>>()
        })??;
        let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        Batches { schema, batches, single }.into_pyarrow(py)
    }

    fn columns(&self, batch: &RecordBatch, cancel: &Cancel) -> PyResult<Made> {
        let (text, metadata) = (needed(batch, "text")?, column(batch, "metadata")?);
        let texts = text.texts("text")?;
        let metadata = metadata.as_ref().map(|column| column.texts("metadata")).transpose()?;
        let mut slots: Vec<Slot> = self.tagging.set().attributes().iter().map(Slot::new).collect();
        let mut room = Room::default();
        for row in 0..batch.num_rows() {
            cancel.check().map_err(told)?;
            let text = texts(row).ok_or_else(|| null(row, "text"))?;
            let metadata = metadata.as_ref().and_then(|of| of(row)).unwrap_or_default();
            let tags = self.tagging.tags(row as u64, text, metadata, &mut room).map_err(told)?;
            slots.iter_mut().enumerate().try_for_each(|(number, slot)| slot.push(tags, number))?;
        }
        let names = self.tagging.set().attributes().iter();
        names
            .zip(slots)
            .map(|(a, slot)| {
                let array = slot.finish()?;
                let name = a.full();
                Ok((Field::new(name, array.data_type().clone(), true), array))
            })
            .collect()
    }

    fn rows(&self, batch: &RecordBatch, cancel: &Cancel) -> PyResult<Made> {
        let mut room = Room::default();
        let (mut out, mut builder) = (Vec::new(), StringBuilder::new());
        let mut put = |row: usize, make: &mut dyn FnMut(&mut Room, &mut Vec<u8>) -> PyResult<()>| {
            cancel.check().map_err(told)?;
            out.clear();
            make(&mut room, &mut out)?;
            let line = out.strip_suffix(b"\n").unwrap_or(&out);
            let line = std::str::from_utf8(line).map_err(|e| raise(format!("row {row}: {e}"), None))?;
            if builder.values_slice().len() + line.len() > i32::MAX as usize {
                return Err(raise(
                    "the attributes of this batch exceed 2 GiB",
                    "give smaller batches".to_string(),
                ));
            }
            builder.append_value(line);
            Ok(())
        };
        if let Some(line) = column(batch, "line")? {
            let lines = line.texts("line")?;
            for row in 0..batch.num_rows() {
                let line = lines(row).ok_or_else(|| null(row, "line"))?;
                put(row, &mut |room, out| self.tagging.line(row as u64, line, room, out).map_err(told))?;
            }
        } else {
            let (id, text) = (needed(batch, "id")?, needed(batch, "text")?);
            let texts = text.texts("text")?;
            let (source, metadata) = (column(batch, "source")?, column(batch, "metadata")?);
            let sources = source.as_ref().map(|column| column.texts("source")).transpose()?;
            let metadata = metadata.as_ref().map(|column| column.texts("metadata")).transpose()?;
            for (row, id) in ids(&id)?.into_iter().enumerate() {
                let text = texts(row).ok_or_else(|| null(row, "text"))?;
                let metadata = metadata.as_ref().and_then(|of| of(row)).unwrap_or_default();
                let source = sources.as_ref().and_then(|of| of(row)).map(json).transpose()?;
                put(row, &mut |room, out| {
                    let parts = (&*id, text, metadata);
                    self.tagging.line_of(row as u64, parts, source.as_deref(), room, out).map_err(told)
                })?;
            }
        }
        let array: ArrayRef = Arc::new(builder.finish());
        Ok(vec![(Field::new("attributes", DataType::Utf8, false), array)])
    }
}

/// A text as a JSON value, as this program writes it.
fn json(text: &str) -> PyResult<Box<RawValue>> {
    serde_json::value::to_raw_value(text).map_err(|e| raise(e.to_string(), None))
}

/// Ids as JSON values.
fn ids(id: &Column) -> PyResult<Vec<Box<RawValue>>> {
    if id.is_integer() {
        let numbers = id.integers("id")?;
        let number = |row| {
            let number = numbers(row).ok_or_else(|| null(row, "id"))?;
            RawValue::from_string(number.to_string()).map_err(|e| raise(e.to_string(), None))
        };
        return (0..id.len()).map(number).collect();
    }
    let texts = id.texts("id")?;
    (0..id.len()).map(|row| json(texts(row).ok_or_else(|| null(row, "id"))?)).collect()
}

fn null(row: usize, name: &str) -> PyErr {
    raise(
        format!("`batch`, row {}: column `{name}` is null", row + 1),
        "filter such rows out first".to_string(),
    )
}

/// The batch with more columns.
fn with(batch: &RecordBatch, made: Made) -> PyResult<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (field, array) in made {
        if fields.iter().any(|known| known.name() == field.name()) {
            let hint = "rename the column, or give the tagger another `name`".to_string();
            return Err(raise(format!("the batch has a column `{}` already", field.name()), hint));
        }
        fields.push(Arc::new(field));
        columns.push(array);
    }
    let schema = Schema::new_with_metadata(fields, batch.schema().metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).map_err(crate::error::arrow)
}

/// A column of an attribute as it grows.
enum Slot {
    Values(Vec<Option<f64>>),
    Flags(Vec<bool>),
    Labels(Vec<Option<String>>, Arc<[String]>),
    Spans { offsets: Vec<i32>, starts: Vec<u32>, ends: Vec<u32>, scores: Vec<f64> },
}

impl Slot {
    fn new(attribute: &SetAttribute) -> Slot {
        match attribute.attribute.shape {
            Shape::Value => Slot::Values(Vec::new()),
            Shape::Flag => Slot::Flags(Vec::new()),
            Shape::Label => Slot::Labels(Vec::new(), attribute.labels.clone()),
            Shape::Spans => {
                Slot::Spans { offsets: vec![0], starts: Vec::new(), ends: Vec::new(), scores: Vec::new() }
            }
        }
    }

    fn push(&mut self, tags: &Tags, number: usize) -> PyResult<()> {
        let found = tags.spans(number);
        match self {
            Slot::Values(values) => values.push(found.first().map(|span| span.score)),
            Slot::Flags(flags) => flags.push(!found.is_empty()),
            Slot::Labels(found, labels) => found.push(tags.label(number, labels).map(str::to_string)),
            Slot::Spans { offsets, starts, ends, scores } => {
                starts.extend(found.iter().map(|span| span.start));
                ends.extend(found.iter().map(|span| span.end));
                scores.extend(found.iter().map(|span| span.score));
                let end = i32::try_from(starts.len());
                offsets.push(end.map_err(|_| {
                    raise("this batch has more than 2^31 spans", "give smaller batches".to_string())
                })?);
            }
        }
        Ok(())
    }

    fn finish(self) -> PyResult<ArrayRef> {
        Ok(match self {
            Slot::Values(values) => Arc::new(Float64Array::from(values)),
            Slot::Flags(flags) => Arc::new(BooleanArray::from(flags)),
            Slot::Labels(found, _) => Arc::new(StringArray::from(found)),
            Slot::Spans { offsets, starts, ends, scores } => {
                let fields = Fields::from(vec![
                    Field::new("start", DataType::UInt32, false),
                    Field::new("end", DataType::UInt32, false),
                    Field::new("score", DataType::Float64, false),
                ]);
                let columns: Vec<ArrayRef> = vec![
                    Arc::new(UInt32Array::from(starts)),
                    Arc::new(UInt32Array::from(ends)),
                    Arc::new(Float64Array::from(scores)),
                ];
                let spans =
                    StructArray::try_new(fields.clone(), columns, None).map_err(crate::error::arrow)?;
                let item = Arc::new(Field::new("item", DataType::Struct(fields), false));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(
                    ListArray::try_new(item, offsets, Arc::new(spans), None).map_err(crate::error::arrow)?,
                )
            }
        })
    }
}
