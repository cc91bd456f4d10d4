//! `regimen.Plan`: the stage `corpus` of a recipe, its first pass run by the workers of another engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, LargeBinaryArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use regimen_corpus::batch::{self, Gathering, Made, PlannedFile};
use regimen_ledger::Store;
use regimen_recipe::{Recipe, Registry};

use crate::arrow::Batches;
use crate::build::{Build, Folder};
use crate::columns::{column, needed};
use crate::error::{arrow, raise, told};
use crate::work::{detached, pooled};

/// What is run here. Other stages of a recipe are the program's.
static REGISTRY: Registry = Registry(&[regimen_corpus::STAGES]);

/// The build of a corpus.
///
/// `recipe` is the path of a recipe, `stage` the name of a stage of the kind `corpus`, by default the last one. Paths in the
/// recipe are relative to `project`, by default the project that the recipe lies in. `sets` are changes to the recipe, such
/// as "corpus.validation=0.1". Sources are listed here, and not read.
#[pyclass(module = "regimen", frozen)]
pub struct Plan {
    plan: batch::Plan,
    files: Vec<PlannedFile>,
    recipe: PathBuf,
    project: Option<PathBuf>,
    sets: Vec<String>,
}

/// Read a recipe.
fn load(path: &Path, project: Option<&Path>, sets: &[String]) -> PyResult<Recipe> {
    let mut recipe = Recipe::load_known(path, &REGISTRY, sets).map_err(told)?;
    if let Some(project) = project {
        recipe.root = std::path::absolute(project)?;
    }
    Ok(recipe)
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (recipe, stage = None, project = None, sets = None))]
    fn new(
        py: Python<'_>,
        recipe: PathBuf,
        stage: Option<&str>,
        project: Option<PathBuf>,
        sets: Option<Vec<String>>,
    ) -> PyResult<Plan> {
        let sets = sets.unwrap_or_default();
        let whole = load(&recipe, project.as_deref(), &sets)?;
        let found = match stage {
            Some(name) => Some(whole.stage(name).map_err(told)?),
            None => whole.stages.last(),
        };
        let found = found.ok_or_else(|| {
            raise(format!("`{}` has no stage of the kind `corpus`", recipe.display()), None)
        })?;
        let plan = py.detach(|| batch::Plan::new(&found.name, &found.config, &whole.root)).map_err(told)?;
        let files = plan.files().map_err(told)?;
        let recipe = std::path::absolute(recipe)?;
        Ok(Plan { plan, files, recipe, project, sets })
    }

    /// Name of the stage.
    #[getter]
    fn stage(&self) -> &str {
        self.plan.stage()
    }

    /// All files in document order, as a table: `file` (its number), `path` (relative to the project, or a URL), `full`
    /// (the path here), `bytes`, and `group` (the part of the build that it belongs to).
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let files = &self.files;
        let number = |of: &dyn Fn(&PlannedFile) -> usize| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(files.iter().map(|file| of(file) as u32)))
        };
        let full = files.iter().map(|file| file.full.to_string_lossy());
        table(vec![
            ("file", number(&|file| file.number)),
            ("path", Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.path)))),
            ("full", Arc::new(StringArray::from_iter_values(full))),
            ("bytes", Arc::new(UInt64Array::from_iter_values(files.iter().map(|file| file.bytes)))),
            ("group", number(&|file| file.group)),
        ])?
        .into_pyarrow(py)
    }

    /// The first pass over some files: reading, tags, rules, edits, and the hashes that deduplication compares.
    ///
    /// `batch` has a column `file` (numbers of `files`) or `path`; with a column `bytes` (or `contents`) files come with their
    /// content, as `ray.data.read_binary_files(.., include_paths=True)` gives them, otherwise they are read where the plan
    /// found them. Gives back a row a file: `file`, `path`, `rows` (documents), `blake3` (of the file), `docs` and `hashes`
    /// (records for the second pass), and `check`.
    #[pyo3(signature = (batch, threads = 1))]
    fn first<'py>(
        &self,
        py: Python<'py>,
        batch: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let batches = Batches::of(batch)?;
        let made = detached(py, |cancel| {
            let mut made = Vec::new();
            for batch in &batches.batches {
                // A column of lengths, as `files` has it, holds no content.
                let bytes = column(batch, "bytes")?.filter(|column| !column.is_integer());
                let (contents, name) = match bytes {
                    Some(bytes) => (Some(bytes), "bytes"),
                    None => (column(batch, "contents")?, "contents"),
                };
                let contents = contents.as_ref().map(|column| column.bytes(name)).transpose()?;
                let mut wanted: Vec<(usize, Option<&[u8]>)> = Vec::new();
                for (row, numbers) in self.wanted(batch)?.into_iter().enumerate() {
                    let bytes = contents.as_ref().and_then(|bytes| bytes(row));
                    wanted.extend(numbers.into_iter().map(|number| (number, bytes)));
                }
                let scratch = tempfile::tempdir()?;
                let first = || self.plan.first(&wanted, scratch.path(), cancel);
                made.extend(pooled(threads, first).map_err(|e| raise(e, None))?.map_err(told)?);
            }
            Ok::<_, PyErr>(made)
        })??;
        self.rows(&made)?.into_pyarrow(py)
    }

    /// Bring what `first` made of all files into document order: the parts of a build.
    ///
    /// `rows` is a table, an iterable of tables or batches in any order, or a Ray dataset, which is taken block by block.
    /// `project` is where the corpus goes, by default the project of the plan.
    #[pyo3(signature = (rows, project = None))]
    fn gather(&self, py: Python<'_>, rows: &Bound<'_, PyAny>, project: Option<PathBuf>) -> PyResult<Build> {
        let recipe = load(&self.recipe, project.as_deref().or(self.project.as_deref()), &self.sets)?;
        let folder = Folder::new(&recipe.root);
        let mut gathering = Gathering::new(&self.plan, &folder.0).map_err(told)?;
        each(rows, |rows| take(&mut gathering, rows))?;
        let gathered = detached(py, |cancel| {
            let store = Store::open(&recipe.root).map_err(told)?;
            gathering.finish(&store, cancel).map_err(told)
        })??;
        Ok(Build::new(recipe, self.plan.stage(), gathered, folder))
    }

    /// Build the corpus from what `first` made of all files: `gather(rows, project).finish(threads)`.
    #[pyo3(signature = (rows, project = None, threads = 0))]
    fn finish<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        project: Option<PathBuf>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.gather(py, rows, project)?.finish(py, threads)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let plan = serde_json::to_string(&this.plan).map_err(|e| raise(e.to_string(), None))?;
        let arguments = (plan, &this.recipe, &this.project, &this.sets);
        Ok((slf.get_type().getattr("_of")?, arguments).into_pyobject(py)?.into_any())
    }

    /// A plan that travelled to another process.
    #[staticmethod]
    fn _of(plan: &str, recipe: PathBuf, project: Option<PathBuf>, sets: Vec<String>) -> PyResult<Plan> {
        let plan: batch::Plan =
            serde_json::from_str(plan).map_err(|e| raise(format!("this is no plan: {e}"), None))?;
        let files = plan.files().map_err(told)?;
        Ok(Plan { plan, files, recipe, project, sets })
    }
}

impl Plan {
    /// The numbers of the files that each row of a batch means. Two sources may read one path.
    fn wanted(&self, batch: &RecordBatch) -> PyResult<Vec<Vec<usize>>> {
        if let Some(column) = column(batch, "file")? {
            let numbers = column.integers("file")?;
            return (0..batch.num_rows())
                .map(|row| {
                    let number = numbers(row).and_then(|number| usize::try_from(number).ok());
                    number.map(|number| vec![number]).ok_or_else(|| {
                        raise(format!("row {row}: there is no such file"), "give rows of `files`".to_string())
                    })
                })
                .collect();
        }
        let paths = needed(batch, "path")?;
        let paths = paths.texts("path")?;
        (0..batch.num_rows())
            .map(|row| {
                let path = paths(row).filter(|path| !path.is_empty()).ok_or_else(|| {
                    raise(format!("row {row}: there is no path"), "give rows of `files`".to_string())
                })?;
                let full = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
                let means = |file: &&PlannedFile| {
                    // Some engines leave the scheme of a URL out.
                    let bare = file.path.split_once("://").is_some_and(|(_, bare)| bare == path);
                    file.path == path || file.full == full || file.full == Path::new(path) || bare
                };
                let found: Vec<usize> = self.files.iter().filter(means).map(|file| file.number).collect();
                match found.is_empty() {
                    false => Ok(found),
                    true => Err(raise(
                        format!("the plan has no file `{path}`"),
                        "give rows of `files`, or the files that it names".to_string(),
                    )),
                }
            })
            .collect()
    }

    fn rows(&self, made: &[Made]) -> PyResult<Batches> {
        let path = |made: &Made| self.files.get(made.file).map(|file| file.path.clone());
        let paths: StringArray = made.iter().map(path).collect();
        let texts = |of: &dyn Fn(&Made) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(made.iter().map(of)))
        };
        table(vec![
            ("file", Arc::new(UInt32Array::from_iter_values(made.iter().map(|made| made.file as u32)))),
            ("path", Arc::new(paths)),
            ("rows", Arc::new(UInt64Array::from_iter_values(made.iter().map(|made| made.documents)))),
            ("blake3", texts(&|made| made.blake3.to_string())),
            ("check", texts(&|made| made.check.to_string())),
            ("docs", Arc::new(LargeBinaryArray::from_iter_values(made.iter().map(|made| &made.docs)))),
            ("hashes", Arc::new(LargeBinaryArray::from_iter_values(made.iter().map(|made| &made.hashes)))),
        ])
    }
}

/// A table of these columns.
pub fn table(columns: Vec<(&str, ArrayRef)>) -> PyResult<Batches> {
    let batch = RecordBatch::try_from_iter(columns).map_err(arrow)?;
    Ok(Batches { schema: batch.schema(), batches: vec![batch], single: false })
}

/// All Arrow data of a table, of an iterable of them, or of a Ray dataset, one after the other.
pub fn each(rows: &Bound<'_, PyAny>, mut then: impl FnMut(&Batches) -> PyResult<()>) -> PyResult<()> {
    if rows.hasattr("__arrow_c_stream__")? || rows.hasattr("__arrow_c_array__")? {
        return then(&Batches::of(rows)?);
    }
    if !rows.hasattr("iter_batches")? {
        return rows.try_iter()?.try_for_each(|batch| then(&Batches::of(&batch?)?));
    }
    let keywords = PyDict::new(rows.py());
    keywords.set_item("batch_format", "pyarrow")?;
    keywords.set_item("batch_size", rows.py().None())?;
    let batches = rows.call_method("iter_batches", (), Some(&keywords))?;
    batches.try_iter()?.try_for_each(|batch| then(&Batches::of(&batch?)?))
}

/// Take rows that workers made.
fn take(gathering: &mut Gathering, rows: &Batches) -> PyResult<()> {
    for batch in &rows.batches {
        let columns = ["file", "rows", "blake3", "check", "docs", "hashes"];
        let [file, documents, blake3, check, docs, hashes] = columns.map(|name| needed(batch, name));
        let (file, documents, blake3, check, docs, hashes) =
            (file?, documents?, blake3?, check?, docs?, hashes?);
        let (files, documents) = (file.integers("file")?, documents.integers("rows")?);
        let (blake3, check) = (blake3.texts("blake3")?, check.texts("check")?);
        let (docs, hashes) = (docs.bytes("docs")?, hashes.bytes("hashes")?);
        for row in 0..batch.num_rows() {
            let bad = |name: &str| {
                let hint = "give the rows that `first` made, as they are".to_string();
                raise(format!("row {row}: column `{name}` cannot be read"), hint)
            };
            let number = |value: Option<i128>, name: &str| {
                value.and_then(|value| u64::try_from(value).ok()).ok_or_else(|| bad(name))
            };
            let hash = |text: Option<&str>, name: &str| {
                text.and_then(|text| text.parse().ok()).ok_or_else(|| bad(name))
            };
            let made = Made {
                file: usize::try_from(number(files(row), "file")?).map_err(|_| bad("file"))?,
                documents: number(documents(row), "rows")?,
                blake3: hash(blake3(row), "blake3")?,
                check: hash(check(row), "check")?,
                docs: docs(row).ok_or_else(|| bad("docs"))?.to_vec(),
                hashes: hashes(row).ok_or_else(|| bad("hashes"))?.to_vec(),
            };
            gathering.take(&made).map_err(told)?;
        }
    }
    Ok(())
}
