//! The border to Python: Arrow's C data interface over PyCapsules, in and out
//! (<https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>). The only `unsafe` of the package is
//! here: taking over what a capsule holds.
#![expect(unsafe_code, reason = "capsules hold bare pointers")]

use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, RecordBatch, RecordBatchIterator, StructArray};
use arrow_schema::SchemaRef;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::error::arrow;

/// Batches of one schema, as they came from Python or go there.
pub struct Batches {
    /// Their columns.
    pub schema: SchemaRef,
    /// The batches.
    pub batches: Vec<RecordBatch>,
    /// Whether it was one batch, not a table.
    pub single: bool,
}

impl Batches {
    /// Take what any object with `__arrow_c_stream__` or `__arrow_c_array__` holds.
    ///
    /// # Errors
    /// TypeError for other objects; what the other side says.
    pub fn of(any: &Bound<'_, PyAny>) -> PyResult<Batches> {
        if any.hasattr("__arrow_c_array__")? {
            return array(&any.call_method0("__arrow_c_array__")?);
        }
        if any.hasattr("__arrow_c_stream__")? {
            return stream(&any.call_method0("__arrow_c_stream__")?);
        }
        let name = any.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "expected Arrow data (an object with `__arrow_c_stream__`, such as a pyarrow Table), found `{name}`"
        )))
    }

    /// Hand them to pyarrow: a RecordBatch if one came, otherwise a Table.
    pub fn into_pyarrow(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let pyarrow = py.import("pyarrow")?;
        let make = if self.single { "record_batch" } else { "table" };
        pyarrow.call_method1(make, (Exported { schema: self.schema, batches: self.batches },))
    }
}

/// A table from a stream in a capsule.
fn stream(capsule: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: by the PyCapsule interface a capsule of this name holds a pointer to an initialised `ArrowArrayStream`, which
    // `FFI_ArrowArrayStream` lays out as the C header does. It lives as long as the capsule, which is borrowed here, and no
    // other thread touches it: this thread holds the GIL or, without one, owns the only reference. What is taken is
    // replaced by an empty stream, so that the capsule's destructor releases nothing twice.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    let reader = RecordBatchStreamReader::try_new(stream).map_err(arrow)?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(arrow)?;
    Ok(Batches { schema, batches, single: false })
}

/// One batch from the capsules of its schema and its columns.
fn array(pair: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
    let (schema, array) = (schema.cast::<PyCapsule>()?, array.cast::<PyCapsule>()?);
    let schema = schema.pointer_checked(Some(c"arrow_schema"))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(c"arrow_array"))?.cast::<FFI_ArrowArray>();
    // SAFETY: as for streams: capsules of these names hold initialised structures of the C data interface, they are
    // borrowed here for as long as the pointers are used, and `from_raw` leaves an empty, released array behind.
    // The schema is only read; its capsule releases it. `from_ffi` relies on what the producer promises by that interface:
    // that buffers are as long as the type and the length say.
    let data = unsafe {
        let array = FFI_ArrowArray::from_raw(array.as_ptr());
        from_ffi(array, schema.as_ref()).map_err(arrow)?
    };
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) || data.null_count() > 0 {
        return Err(arrow("it is a column, not a batch of columns"));
    }
    let batch = RecordBatch::from(StructArray::from(data));
    Ok(Batches { schema: batch.schema(), batches: vec![batch], single: true })
}

/// Batches on their way to pyarrow.
#[pyclass(module = "regimen", frozen)]
struct Exported {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl Exported {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Whoever wants another schema casts by itself, as the interface allows.
        let _ = requested_schema;
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let _ = requested_schema;
        let batch = match self.batches.as_slice() {
            [one] => one.clone(),
            _ => return Err(PyTypeError::new_err("this is a table, not one batch")),
        };
        let (array, schema) = to_ffi(&StructArray::from(batch).into_data()).map_err(arrow)?;
        let schema = PyCapsule::new_with_value(py, schema, c"arrow_schema")?;
        let array = PyCapsule::new_with_value(py, array, c"arrow_array")?;
        PyTuple::new(py, [schema, array])
    }
}
