//! `regimen.Build`: gathered parts on their way to a corpus.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use regimen_base::fs;
use regimen_corpus::batch::Gathered;
use regimen_ledger::Store;
use regimen_recipe::{Recipe, Runner};

use crate::columns::needed;
use crate::error::{failed, raise, told};
use crate::plan::each;
use crate::round::Round;
use crate::work::{detached, pooled};

/// Where gathered parts lie, in the project.
const TASKS: &str = ".regimen/tasks";

/// A folder of gathered parts, which is gone when this is.
pub struct Folder(pub PathBuf);

impl Folder {
    /// One of its own in a project.
    pub fn new(root: &Path) -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Folder(root.join(TASKS).join(format!("batch-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A build has taken its parts away already; what is left after a fault is of no use.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Parts in document order, made by `Plan.gather`. It lives on the driver.
#[pyclass(module = "regimen", frozen)]
pub struct Build {
    recipe: Recipe,
    stage: String,
    gathered: Gathered,
    folder: Folder,
}

impl Build {
    /// What was gathered into `folder`.
    pub fn new(recipe: Recipe, stage: &str, gathered: Gathered, folder: Folder) -> Build {
        Build { recipe, stage: stage.into(), gathered, folder }
    }
}

#[pymethods]
impl Build {
    /// The rounds of deduplication that the recipe wants, in their order: of `url`, `text`, `near`, `paragraphs`. Each may be
    /// run in the engine with `round` and `merge`; `finish` runs the others here.
    fn rounds(&self) -> PyResult<Vec<&'static str>> {
        self.gathered.rounds().map_err(told)
    }

    /// A round as workers run it: those before it must be merged. `buckets` is how many groups `map` deals into.
    #[pyo3(signature = (name, buckets = 16))]
    fn round(&self, py: Python<'_>, name: &str, buckets: usize) -> PyResult<Round> {
        Ok(Round(detached(py, |_| self.gathered.step(name, buckets))?.map_err(told)?))
    }

    /// Put together what `round.reduce` found in all buckets: a table, an iterable of tables, or a Ray dataset.
    fn merge(&self, py: Python<'_>, round: &Round, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut all = Vec::new();
        each(rows, |rows| {
            for batch in &rows.batches {
                let (bucket, found) = (needed(batch, "bucket")?, needed(batch, "found")?);
                let (buckets, found) = (bucket.integers("bucket")?, found.bytes("found")?);
                for row in 0..batch.num_rows() {
                    let bucket = buckets(row).and_then(|bucket| usize::try_from(bucket).ok());
                    let pair = bucket.zip(found(row)).ok_or_else(|| {
                        raise(
                            format!("row {row}: there is no such bucket"),
                            "give what `reduce` made".to_string(),
                        )
                    })?;
                    all.push((pair.0, pair.1.to_vec()));
                }
            }
            Ok(())
        })?;
        detached(py, |_| self.gathered.merge(&round.0, all))?.map_err(told)
    }

    /// The ordinary build, which finds its first pass and the merged rounds done. Its artifact is, byte for byte, that of
    /// `regimen corpus build`. `threads` is 0 for all cores.
    ///
    /// Gives back a dict with `key`, `payload` (its hash), `path` (its folder), `cached`, and `summary`.
    #[pyo3(signature = (threads = 0))]
    pub fn finish<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<Bound<'py, PyDict>> {
        let outcome = detached(py, |cancel| {
            let build = || {
                let store = Store::open(&self.recipe.root).map_err(told)?;
                let mut runner = Runner {
                    threads: rayon::current_num_threads(),
                    cancel: cancel.clone(),
                    command: vec!["regimen.Plan.finish".into(), self.recipe.path.display().to_string()],
                    prepared: [(self.stage.clone(), self.folder.0.clone())].into(),
                    ..Runner::new(&store, &regimen_kernels::fingerprint())
                };
                let mut outcomes =
                    runner.run(&self.recipe, Some(&self.stage)).map_err(|failure| failed(&failure))?;
                outcomes.pop().ok_or_else(|| raise("nothing was run", None))
            };
            pooled(threads, build).map_err(|e| raise(e, None))?
        })??;
        let dict = PyDict::new(py);
        let manifest = &outcome.artifact.manifest;
        dict.set_item("key", outcome.key.to_string())?;
        dict.set_item("payload", manifest.payload.to_string())?;
        dict.set_item("path", outcome.artifact.path.to_string_lossy())?;
        dict.set_item("cached", outcome.cached)?;
        let summary = py.import("json")?.call_method1("loads", (manifest.summary.to_string(),))?;
        dict.set_item("summary", summary)?;
        Ok(dict)
    }
}
