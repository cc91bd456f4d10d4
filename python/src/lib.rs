//! The Python package `regimen`: taggers and corpus plans for engines that hold Arrow batches.

mod arrow;
mod build;
mod columns;
mod error;
mod plan;
mod round;
mod tagger;
mod work;

use pyo3::prelude::*;

/// Taggers and corpus plans of Regimen over Arrow batches.
#[pymodule(name = "regimen")]
mod module {
    #[pymodule_export]
    use crate::build::Build;
    #[pymodule_export]
    use crate::plan::Plan;
    #[pymodule_export]
    use crate::round::Round;
    #[pymodule_export]
    use crate::tagger::Tagger;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("Error", module.py().get_type::<crate::error::Error>())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
