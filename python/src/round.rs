//! `regimen.Round`: one round of deduplication in the workers of another engine.

use std::sync::Arc;

use arrow_array::{LargeBinaryArray, UInt32Array};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use regimen_base::Hash256;
use regimen_corpus::batch::{self, Step, StepParts};

use crate::arrow::Batches;
use crate::columns::needed;
use crate::error::{raise, told};
use crate::plan::table;
use crate::work::detached;

/// A round, made by `Build.round`. It goes to workers by pickle.
#[pyclass(module = "regimen", frozen)]
pub struct Round(pub Step);

#[pymethods]
impl Round {
    /// Its name.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Deal the records of files into buckets: rows of `Plan.first` in (columns `file` and `hashes`), rows `bucket`, `file`,
    /// `records` out, one for each file and bucket. Group them by `bucket` for `reduce`.
    fn map<'py>(&self, py: Python<'py>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let batches = Batches::of(batch)?;
        let (mut buckets, mut files, mut records) = (Vec::new(), Vec::new(), Vec::new());
        detached(py, |cancel| {
            for batch in &batches.batches {
                let (file, hashes) = (needed(batch, "file")?, needed(batch, "hashes")?);
                let (file, hashes) = (file.integers("file")?, hashes.bytes("hashes")?);
                for row in 0..batch.num_rows() {
                    cancel.check().map_err(told)?;
                    let number = file(row).and_then(|file| u32::try_from(file).ok());
                    let (number, hashes) = number.zip(hashes(row)).ok_or_else(|| {
                        raise(format!("row {row} is no file"), "give the rows of `first`".to_string())
                    })?;
                    for (bucket, dealt) in (0..).zip(self.0.deal(number as usize, hashes).map_err(told)?) {
                        buckets.push(bucket);
                        files.push(number);
                        records.push(dealt);
                    }
                }
            }
            Ok::<_, PyErr>(())
        })??;
        table(vec![
            ("bucket", Arc::new(UInt32Array::from(buckets))),
            ("file", Arc::new(UInt32Array::from(files))),
            ("records", Arc::new(LargeBinaryArray::from_iter_values(records))),
        ])?
        .into_pyarrow(py)
    }

    /// Find what meets in a bucket, of which `batch` holds all rows: a row `bucket`, `found`.
    fn reduce<'py>(&self, py: Python<'py>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let batches = Batches::of(batch)?;
        let (bucket, found) = detached(py, |cancel| {
            let (mut all, mut columns) = (Vec::new(), Vec::new());
            for batch in &batches.batches {
                columns.push((needed(batch, "bucket")?, needed(batch, "file")?, needed(batch, "records")?));
            }
            let mut bucket = None;
            for (buckets, files, records) in &columns {
                let bucket_of = buckets.integers("bucket")?;
                let (file_of, bytes_of) = (files.integers("file")?, records.bytes("records")?);
                for row in 0..buckets.len() {
                    let here = bucket_of(row).and_then(|bucket| u32::try_from(bucket).ok());
                    let file = file_of(row).and_then(|file| usize::try_from(file).ok());
                    let one = bucket.is_none() || bucket == here;
                    match (here, file, bytes_of(row)) {
                        (Some(_), Some(file), Some(bytes)) if one => all.push((file, bytes)),
                        _ => {
                            let hint = "group the rows of `map` by `bucket`".to_string();
                            return Err(raise("the rows are not those of one bucket", hint));
                        }
                    }
                    bucket = here;
                }
            }
            let bucket = bucket.ok_or_else(|| raise("there are no rows", None))?;
            let scratch = tempfile::tempdir()?;
            Ok((bucket, self.0.meet(all, scratch.path(), cancel).map_err(told)?))
        })??;
        table(vec![
            ("bucket", Arc::new(UInt32Array::from(vec![bucket]))),
            ("found", Arc::new(LargeBinaryArray::from_iter_values([found]))),
        ])?
        .into_pyarrow(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), &slf.get().0);
        let plan = serde_json::to_string(this.plan()).map_err(|e| raise(e.to_string(), None))?;
        let parts = this.parts();
        let before: Vec<_> = parts.before.iter().map(|found| PyBytes::new(py, found)).collect();
        let hashes: Vec<String> = parts.hashes.iter().map(ToString::to_string).collect();
        let arguments = (plan, parts.round, parts.buckets, parts.starts, hashes, before, parts.limits);
        Ok((slf.get_type().getattr("_of")?, arguments).into_pyobject(py)?.into_any())
    }

    /// A round that travelled to another process.
    #[staticmethod]
    fn _of(
        plan: &str,
        round: String,
        buckets: usize,
        starts: Vec<u32>,
        hashes: Vec<String>,
        before: Vec<Bound<'_, PyBytes>>,
        limits: Option<Vec<f64>>,
    ) -> PyResult<Round> {
        let plan: batch::Plan =
            serde_json::from_str(plan).map_err(|e| raise(format!("this is no plan: {e}"), None))?;
        let before = before.iter().map(|found| found.as_bytes().to_vec()).collect();
        let hash = |hash: &String| hash.parse::<Hash256>().map_err(|e| raise(e.to_string(), None));
        let hashes = hashes.iter().map(hash).collect::<PyResult<Vec<_>>>()?;
        let parts = StepParts { round, buckets, starts, hashes, before, limits };
        Ok(Round(Step::of(&plan, parts).map_err(told)?))
    }
}
