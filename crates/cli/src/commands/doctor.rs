//! `regimen doctor`: what this machine can do, and what would stand in the way.

use regimen_base::{fs, machine, units};

use crate::Context;
use crate::output::{CHECK_FAILED, paint, print, print_json};

/// Least free disk for comfort.
const DISK: u64 = 2_000_000_000;
/// Least memory for the first recipe.
const MEMORY: u64 = 4 << 30;

#[derive(serde::Serialize)]
struct Check {
    name: &'static str,
    found: String,
    fine: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

pub fn doctor(context: &Context) -> anyhow::Result<u8> {
    let checks = [processor(), threads(context), memory(), disk(context), store(context)];
    if context.global.json {
        print_json(&checks)?;
    } else {
        for check in &checks {
            let mark = if check.fine { paint("32", "ok  ") } else { paint("33;1", "look") };
            print(format!("{mark} {:<10} {}", check.name, check.found))?;
            if let Some(fix) = &check.fix {
                print(format!("     {} {fix}", paint("36", "hint:")))?;
            }
        }
    }
    Ok(if checks.iter().all(|check| check.fine) { 0 } else { CHECK_FAILED })
}

fn check(name: &'static str, found: String, fix: Option<&str>) -> Check {
    Check { name, found, fine: fix.is_none(), fix: fix.map(Into::into) }
}

fn processor() -> Check {
    let isa = regimen_kernels::isa::isa();
    let fix = (isa == regimen_kernels::isa::Isa::Portable)
        .then_some("no AVX2 or AVX-512 was found: training works, but several times slower");
    check("processor", format!("{isa} kernels ({})", std::env::consts::ARCH), fix)
}

fn threads(context: &Context) -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = context.settings.threads(context.group.sharing());
    let fix = (threads > cores).then_some("more threads than cores make training slower; lower `threads`");
    check("threads", format!("{threads} of {cores} cores"), fix)
}

fn memory() -> Check {
    match machine::memory() {
        Some(memory) => {
            let fix = (memory.available < MEMORY).then_some("close other programs, or train smaller models");
            let (free, total) = (units::memory(memory.available), units::memory(memory.total));
            check("memory", format!("{free} free of {total}"), fix)
        }
        None => check("memory", "not known on this system".into(), None),
    }
}

fn disk(context: &Context) -> Check {
    match fs::free_space(&context.project) {
        Ok(free) => {
            let fix = (free < DISK).then_some("free some space: checkpoints and artifacts need it");
            check("disk", format!("{} free", units::bytes(free)), fix)
        }
        Err(error) => check("disk", error.to_string(), Some("use a project folder that exists")),
    }
}

fn store(context: &Context) -> Check {
    let dir = context.project.join(".regimen");
    if !dir.join("version").is_file() {
        return check("store", "none here yet; `regimen run` makes it".into(), None);
    }
    match regimen_ledger::Store::open(&context.project)
        .and_then(|store| Ok((store.artifacts()?, store.runs()?)))
    {
        Ok((artifacts, runs)) => check(
            "store",
            format!(
                "{}, {}",
                units::plural(artifacts.len() as u64, "artifact"),
                units::plural(runs.len() as u64, "run")
            ),
            None,
        ),
        Err(error) => check(
            "store",
            error.to_string(),
            regimen_base::Hint::hint(&error).as_deref().or(Some("run `regimen ledger verify`")),
        ),
    }
}
