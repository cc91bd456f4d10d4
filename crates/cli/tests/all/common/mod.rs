//! A small project, the binary to run in it, and what to look at afterwards.

pub mod data;
pub mod mask;
pub mod terminal;

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use tempfile::TempDir;

/// Steps of the stage `base`.
pub const STEPS: u64 = 40;

/// Every kind of stage once, in about a second.
pub const RECIPE: &str = r#"name = "small"
seed = 5

[corpus]
kind = "corpus"
sources = [
    { name = "letters", path = "data/letters.jsonl.zst", author = "human", licence = "CC0-1.0" },
    { name = "manuals", path = "data/manuals.jsonl.gz", licence = "Apache-2.0" },
    { name = "notes", path = "data/notes/*.txt", author = "human", licence = "CC-BY-4.0" },
]
validation = 0.1

[tokenizer]
kind = "tokenizer"
corpus = "corpus"
type = "bpe"
vocab = 300

[tokens]
kind = "tokens"
corpus = "corpus"
tokenizer = "tokenizer"

[ngram]
kind = "ngram"
corpus = "corpus"
context_bytes = 2

[base]
kind = "pretrain"
tokens = "tokens"
steps = 40
batch = 4
model = { layers = 2, width = 32, heads = 2, context = 32 }
optimizer = { lr = 0.01 }
schedule = { warmup = 4 }
validation = { every = 10, documents = 4 }
checkpoint = { every = 5, keep_best = true }
samples = { every = 20, prompts = ["The people"], max_tokens = 8 }

[evaluation]
kind = "evaluate"
model = "base"
corpus = "corpus"
tokens = "tokens"
baseline = "ngram"

[samples]
kind = "generate"
model = "base"
prompts = ["The people", "We have"]
max_tokens = 12
"#;

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Wait for a process started by [`Project::spawn`].
    pub fn of(child: Child) -> Done {
        let output = child.wait_with_output().unwrap();
        Done {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It went well.
    #[track_caller]
    pub fn fine(self) -> Done {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// It was killed.
    #[track_caller]
    pub fn killed(self) -> Done {
        assert_eq!(self.code, None, "was not killed\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// It ended in an error that names all of `words` and says what to do, and in nothing worse.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Done {
        assert_eq!(self.code, Some(2), "{}\n{}", self.stdout, self.stderr);
        assert!(self.stderr.starts_with("error: ") || self.stderr.contains("\nerror: "), "{}", self.stderr);
        assert!(self.stderr.contains("\nhint: "), "no hint:\n{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in:\n{}", self.stderr);
        }
        self
    }

    /// stdout as JSON, which it holds and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A folder with documents and a recipe.
pub struct Project {
    root: PathBuf,
    /// Where settings of the user are looked for: away from those of whoever runs the tests.
    home: PathBuf,
    _dir: Option<TempDir>,
}

impl Project {
    /// A project with [`RECIPE`] and its documents.
    pub fn new() -> Project {
        let project = Project::empty();
        data::write(project.root());
        project.write("recipe.toml", RECIPE);
        project
    }

    /// A folder with nothing in it.
    pub fn empty() -> Project {
        let dir = tempfile::Builder::new().prefix("regimen-").tempdir_in(workplace()).unwrap();
        // The real path: the program prints paths below its current folder.
        let real = dir.path().canonicalize().unwrap();
        Project::at(&real, Some(dir))
    }

    fn at(path: &Path, dir: Option<TempDir>) -> Project {
        let (root, home) = (path.join("project"), path.join("home"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        // It marks the root of a project, whatever lies above.
        std::fs::write(root.join("regimen.toml"), "").unwrap();
        Project { root, home, _dir: dir }
    }

    /// A project in a folder that somebody else looks after.
    pub fn inside(folder: &Path) -> Project {
        Project::at(folder, None)
    }

    /// A project in which [`RECIPE`] has run. All tests share it, and only read.
    pub fn finished() -> &'static Project {
        static FINISHED: OnceLock<Project> = OnceLock::new();
        FINISHED.get_or_init(|| {
            // Nothing is dropped at the end of the tests, so what earlier ones left goes now.
            let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("finished");
            for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
                if !Path::new("/proc").join(entry.file_name()).exists() {
                    let _ = std::fs::remove_dir_all(entry.path());
                }
            }
            let project = Project::inside(&all.join(std::process::id().to_string()));
            data::write(project.root());
            project.write("recipe.toml", RECIPE);
            project.run(&["run", "recipe.toml"]).fine();
            project
        })
    }

    /// A copy of [`Project::finished`] that a test may change.
    pub fn copy() -> Project {
        let project = Project::empty();
        copy(Project::finished().root(), project.root());
        project
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The binary with `args`, in this project, without settings or colours of the user.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regimen"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REGIMEN_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(&self.root)
            .env("NO_COLOR", "1")
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("REGIMEN_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args).spawn().unwrap())
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Done {
        Done::of(self.command(args).envs(env.iter().copied()).spawn().unwrap())
    }

    /// The same with a text on stdin.
    pub fn run_on(&self, args: &[&str], input: &[u8]) -> Done {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Done::of(child)
    }

    /// A copy of [`Project::finished`] in which everything before `base` is finished and nothing after it is begun.
    pub fn before_base() -> Project {
        let project = Project::copy();
        for kind in ["pretrain", "evaluate", "generate"] {
            std::fs::remove_dir_all(project.path(".regimen/artifacts").join(kind)).unwrap();
        }
        for run in list(&project.path(".regimen/runs")) {
            let name = run.file_name().unwrap().to_string_lossy().into_owned();
            if ["base-", "evaluation-", "samples-"].iter().any(|stage| name.starts_with(stage)) {
                std::fs::remove_dir_all(run).unwrap();
            }
        }
        project
    }

    /// Run the recipe with a fault.
    pub fn fault(&self, fault: &str) -> Done {
        self.run_with(&["run", "recipe.toml"], &[("REGIMEN_FAULT", fault)])
    }

    /// The folder of every artifact.
    pub fn artifacts(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for kind in list(&self.path(".regimen/artifacts")) {
            found.extend(list(&kind));
        }
        found
    }

    /// The folder of the artifact of a kind.
    pub fn artifact(&self, kind: &str) -> PathBuf {
        list(&self.path(".regimen/artifacts").join(kind)).remove(0)
    }

    /// Kind and key of every artifact with its payload hash.
    pub fn payloads(&self) -> BTreeMap<String, String> {
        self.artifacts()
            .iter()
            .map(|dir| {
                let manifest: Value =
                    serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).unwrap()).unwrap();
                let name =
                    format!("{} {}", manifest["kind"].as_str().unwrap(), manifest["key"].as_str().unwrap());
                (name, manifest["payload"].as_str().unwrap().to_string())
            })
            .collect()
    }

    /// What must hold whenever the recipe has run to its end, whatever happened on the way.
    #[track_caller]
    pub fn is_whole(&self) {
        assert_eq!(self.payloads(), Project::finished().payloads(), "another payload than without a fault");
        self.run(&["ledger", "verify"]).fine();
        let left = list(&self.path(".regimen/work"));
        assert!(left.is_empty(), "left in work/: {left:?}");
        let temporary: Vec<_> = files(&self.root).into_iter().filter(|path| path.contains(".tmp")).collect();
        assert!(temporary.is_empty(), "temporary files left: {temporary:?}");
        assert_eq!(self.steps("base"), (1..=STEPS).collect::<Vec<_>>(), "steps in the event log");
        for run in self.run(&["runs", "--json"]).fine().json().as_array().unwrap() {
            assert_eq!(run["status"], "done", "{run}");
        }
        assert!(self.run_dir("base").join("report.html").is_file(), "no report");
    }

    /// The folder of the run of a stage.
    pub fn run_dir(&self, stage: &str) -> PathBuf {
        list(&self.path(".regimen/runs"))
            .into_iter()
            .find(|run| run.file_name().unwrap().to_string_lossy().starts_with(&format!("{stage}-")))
            .expect("the stage has run")
    }

    /// The steps whose loss stands in the event log of a stage, in its order.
    pub fn steps(&self, stage: &str) -> Vec<u64> {
        let metrics = |event: &Value| event["k"] == "metrics" && event["values"].get("loss").is_some();
        self.events(stage).iter().filter(|e| metrics(e)).map(|e| e["step"].as_u64().unwrap()).collect()
    }

    /// The event log of a stage. Every line must be whole.
    pub fn events(&self, stage: &str) -> Vec<Value> {
        let log = std::fs::read_to_string(self.run_dir(stage).join("events.jsonl")).unwrap();
        assert!(log.is_empty() || log.ends_with('\n'), "a torn line");
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Do `work` for each of `items`, a few at once: a small project waits for its disk most of the time. All are tried
/// before the test fails.
#[track_caller]
pub fn each<T: Sync + std::fmt::Debug>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
                        failed.lock().unwrap().push(format!("{item:?}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} failed: {}", failed.len(), items.len(), failed.join(", "));
}

/// Where projects lie: in memory where there is room, for most of their time would be spent waiting for a disk.
fn workplace() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    if free > 1 << 30 { memory.into() } else { std::env::temp_dir() }
}

/// The sorted entries of a folder; none if it is not there.
pub fn list(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// All files below a folder, relative to it.
pub fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in list(dir) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(files(&entry).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found
}

/// Copy a folder with all in it.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        match std::fs::copy(from.join(&file), target) {
            // A temporary file of a command that runs beside.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
    // Empty folders of a store belong to it.
    for name in ["artifacts", "work", "runs"] {
        if from.join(".regimen").is_dir() {
            std::fs::create_dir_all(to.join(".regimen").join(name)).unwrap();
        }
    }
}
