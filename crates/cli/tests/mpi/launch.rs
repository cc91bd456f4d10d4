//! `mpirun`, and what is left behind.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::common::{Done, Project};

/// Seconds that `mpirun`, told to stop, waits before it passes SIGTERM on, and again before it kills: the second time is that
/// for a checkpoint on a busy machine.
const KILL_AFTER: &str = "4";

/// One group of processes at a time: on a machine with more processes than processors `mpirun` answers late, and a
/// process that waited 2 seconds for its leave goes without (PMIx 4; adjustable since openpmix/openpmix#3650), which
/// `mpirun` calls "exiting improperly".
static ONE: Mutex<()> = Mutex::new(());

/// The launcher, where there is one.
pub struct Mpirun {
    path: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Mpirun {
    /// Look for it; say aloud that a test is skipped without it.
    #[allow(clippy::explicit_write, reason = "what `eprintln` prints is shown only where a test fails")]
    pub fn find() -> Option<Mpirun> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|dir| dir.join("mpirun")).find(|file| file.is_file());
        if found.is_none() {
            let test = std::thread::current().name().unwrap_or("a test").to_string();
            writeln!(std::io::stderr(), "SKIPPED {test}: there is no `mpirun` here").unwrap();
        }
        found.map(|path| Mpirun { path, _turn: ONE.lock().unwrap_or_else(PoisonError::into_inner) })
    }

    /// `processes` of the binary with `args`, each as the words before it say (`env A=B`).
    pub fn command(&self, project: &Project, processes: &[&[&str]], args: &[&str]) -> Command {
        let plain = project.command(args);
        let mut command = Command::new(&self.path);
        command
            // More processes than processors, by whoever runs the tests.
            .args(["--oversubscribe", "--mca", "odls_base_sigkill_timeout", KILL_AFTER])
            .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
            .current_dir(project.root());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        for (i, before) in processes.iter().enumerate() {
            if i > 0 {
                command.arg(":");
            }
            command.args(["-n", "1"]).args(*before).arg(plain.get_program()).args(args);
        }
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command
    }

    pub fn run(&self, project: &Project, processes: usize, args: &[&str]) -> Done {
        let none: &[&str] = &[];
        Done::of(self.command(project, &vec![none; processes], args).spawn().unwrap())
    }
}

/// The losses of the stage `base` by step.
pub fn losses(project: &Project) -> Vec<f64> {
    let events = project.events("base");
    events.iter().filter_map(|event| event["values"]["loss"].as_f64()).collect()
}

/// The manifest of the one artifact of a kind.
pub fn manifest(project: &Project, kind: &str) -> Value {
    let text = std::fs::read_to_string(project.artifact(kind).join("manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The process of a rank of the `mpirun` with this id.
pub fn process(mpirun: u32, rank: usize) -> Option<i32> {
    let word = format!("OMPI_COMM_WORLD_RANK={rank}");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let parent =
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse::<u32>().ok()?;
        let environment = read(&entry.path().join("environ"))?;
        let ours = environment.split(|b| *b == 0).any(|variable| variable == word.as_bytes());
        (parent == mpirun && ours).then_some(id)
    })
}

fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}
