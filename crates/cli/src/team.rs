//! The processes that were started together: one alone, unless this program was built with MPI and started by it.

use std::process::ExitCode;

use regimen_base::Group;
#[cfg(not(feature = "mpi"))]
use regimen_base::group::Alone;

/// The group of this process.
#[cfg(not(feature = "mpi"))]
pub fn join() -> Result<&'static dyn Group, ExitCode> {
    Ok(&Alone)
}

/// The group of this process. A process that does not lead does its work in here, and comes back with its exit code.
#[cfg(feature = "mpi")]
pub fn join() -> Result<&'static dyn Group, ExitCode> {
    use crate::output::{Explain, report};

    if !regimen_train::mpi::launched() {
        return Ok(&regimen_base::group::Alone);
    }
    let first = rank().is_none_or(|rank| rank == 0);
    let group: &'static dyn Group = match regimen_train::mpi::join() {
        // It lasts as long as the process.
        Ok(group) => Box::leak(Box::new(group)),
        Err(error) => {
            let error = Err::<(), _>(error).explain().err();
            // Each of them knows; one says it.
            let code = error.filter(|_| first).map_or(crate::output::ERROR, |error| report(&error));
            std::process::exit(i32::from(code));
        }
    };
    if group.rank() > 0 {
        return Err(follow(group));
    }
    Ok(group)
}

/// The rank by the launcher's word, before MPI is asked.
#[cfg(feature = "mpi")]
fn rank() -> Option<usize> {
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"];
    names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// How to get time for a checkpoint where there is next to none: Open MPI kills what is left of a run one second after it
/// asked it to stop.
#[cfg(feature = "mpi")]
pub fn advice(group: &dyn Group) -> Option<&'static str> {
    let is_set = |name| std::env::var_os(name).is_some();
    let impatient = is_set("OMPI_COMM_WORLD_SIZE") && !is_set("OMPI_MCA_odls_base_sigkill_timeout");
    (group.size() > 1 && impatient).then_some(
        "Open MPI leaves one second for a checkpoint when a process is lost or Ctrl-C is pressed; \
         `mpirun --mca odls_base_sigkill_timeout 60 ...` leaves more",
    )
}

/// There is none for a process alone.
#[cfg(not(feature = "mpi"))]
pub fn advice(_: &dyn Group) -> Option<&'static str> {
    None
}

/// Do what process 0 says, in silence, until it ends; then end in the same way.
#[cfg(feature = "mpi")]
fn follow(group: &'static dyn Group) -> ExitCode {
    use clap::Parser;
    use regimen_recipe::Follower;

    use crate::output::{Explain, report};

    // A wrong command line or setting is process 0's to report.
    let threads = crate::args::Cli::try_parse().ok().and_then(|cli| {
        let project = crate::project(&cli).ok()?;
        Some(crate::settings::Settings::load(&cli.global, &project).ok()?.threads(group.sharing()))
    });
    let threads = threads.unwrap_or(1);
    let cancel = crate::interrupt::install(true);
    // Both fail only if they are done twice.
    let pool = crate::pool(threads);
    let (Ok(cancel), Ok(())) = (cancel, pool) else { return ExitCode::from(crate::output::ERROR) };
    let fingerprint = regimen_kernels::fingerprint();
    let follower = Follower { group, registry: &crate::registry::REGISTRY, fingerprint, threads, cancel };
    match follower.follow() {
        Ok(code) => {
            group.part();
            ExitCode::from(code)
        }
        Err(error) => {
            // Process 0 can say nothing any more: one of the others does.
            let mute = group.rank() > 1 || error == regimen_base::group::Error::Ended;
            let error = Err::<(), _>(error).explain().err();
            let code = error.filter(|_| !mute).map_or(crate::output::ERROR, |error| report(&error));
            group.part();
            // MPI would wait for the lost one if it were ended in order.
            std::process::exit(i32::from(code));
        }
    }
}

/// Take leave of the others, who end with the same code.
pub fn leave(group: &'static dyn Group, code: u8) -> ExitCode {
    if group.size() > 1 {
        // A launcher may send signals to what is left as soon as one process has ended.
        crate::interrupt::over();
        let told = regimen_recipe::dismiss(group, code);
        group.part();
        if told.is_err() {
            std::process::exit(i32::from(code));
        }
    }
    ExitCode::from(code)
}
