//! Ctrl-C: once asks the work to stop after its step, twice stops at once.

use regimen_base::Cancel;

use crate::output::{INTERRUPTED, paint};

/// Catch SIGINT and SIGTERM.
pub fn install(quiet: bool) -> anyhow::Result<Cancel> {
    let cancel = Cancel::new();
    let asked = cancel.clone();
    ctrlc::set_handler(move || {
        if asked.ask() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        if !quiet {
            let text = "stopping after this step; press Ctrl-C again to stop at once";
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("\n{} {text}\n", paint("33", "note:")).as_bytes(),
            );
        }
    })?;
    Ok(cancel)
}
