//! Three kinds of stage that do next to nothing: `gather` reads files, `mix` draws numbers, `count` counts with
//! checkpoints and can be told to stop, fail or stumble.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::events::{Event, Record, read};
use regimen_base::hint::Interrupted;
use regimen_base::{Failure, Hint, Philox, fs};
use regimen_ledger::Store;
use regimen_recipe::*;
use serde_json::json;

pub static GATHER: StageKind = StageKind {
    kind: "gather",
    version: 1,
    about: "Concatenate files.",
    seeded: false,
    shared: false,
    inputs: &[],
    fields: &[
        Field::required(
            "sources",
            Ty::List(&Ty::Table(&[
                Field::required("name", Ty::Str, "Name of the source."),
                Field::required("path", Ty::Files, "Its files."),
                Field::new(
                    "author",
                    Ty::OneOf(&["human", "machine", "unknown"]),
                    "\"unknown\"",
                    "Who wrote it.",
                ),
                Field::by("share", Ty::FRACTION, "1.0", "author", &[("machine", "0.5")], "How much of it.")
                    .later(),
            ])),
            "What to read.",
        ),
        Field::new("limit", Ty::COUNT, "0", "Most bytes, 0 for all.").later(),
    ],
    check: no_check,
    forecast: |planning| {
        let bytes: u64 = planning.files.values().flatten().map(|file| file.bytes).sum();
        Ok(Forecast {
            disk: bytes as f64,
            facts: [("bytes".into(), bytes as f64)].into(),
            ..Forecast::default()
        })
    },
    run: |job| {
        let mut text = Vec::new();
        for source in job.config["sources"].as_array().unwrap() {
            for file in &job.files[source["path"].as_str().unwrap()] {
                text.extend(fs::read(&file.full)?);
            }
        }
        fs::write(&job.dir().join("text.txt"), &text)?;
        job.summary = json!({"bytes": text.len(), "parts": {"files": job.files.len()}});
        Ok(())
    },
};

pub static MIX: StageKind = StageKind {
    kind: "mix",
    version: 3,
    about: "Draw numbers.",
    seeded: true,
    shared: false,
    inputs: &[
        Input { name: "text", accepts: &["gather"], required: true, doc: "What to mix." },
        Input { name: "init", accepts: &["mix", "count"], required: false, doc: "Where to start." },
    ],
    fields: &[
        Field::new(
            "model",
            Ty::Table(&[
                Field::new("layers", Ty::Int { min: 1, max: 99 }, "4", "Layers."),
                Field::new("heads", Ty::POSITIVE, "4", "Heads of attention."),
                Field::new("kv_heads", Ty::Maybe(&Ty::POSITIVE), "null", "Heads of keys."),
            ]),
            "{}",
            "The model.",
        ),
        Field::new("rate", Ty::NON_NEGATIVE, "0.001", "Learning rate."),
        Field::new("share", Ty::FRACTION, "0.5", "A share."),
        Field::new("tied", Ty::Bool, "true", "Whether the head is tied to the embedding."),
        Field::new("prompts", Ty::List(&Ty::Str), "[]", "What to show.").unkeyed(),
    ],
    check: |config| {
        let (heads, kv) = (&config["model"]["heads"], &config["model"]["kv_heads"]);
        match kv.as_i64() {
            Some(kv) if heads.as_i64().unwrap() % kv != 0 => Err(Problem {
                path: "model.kv_heads".into(),
                message: format!("{heads} heads cannot share {kv} heads of keys"),
                hint: Some(format!("use a divisor of {heads}")),
            }),
            _ => Ok(()),
        }
    },
    forecast: |planning| {
        Ok(Forecast { tokens: planning.fact("text", "bytes"), seconds: 2.0, ..Forecast::default() })
    },
    run: |job| {
        let text = fs::read(&job.input("text")?.file("text.txt"))?;
        let number = Philox::new(job.seed, &["mix"]).next_u64();
        fs::write(&job.dir().join("number"), format!("{} {number}", text.len()).as_bytes())?;
        Ok(())
    },
};

/// How often `count` has made a step, over all tests of the process (by the `tag` that each test gives it).
pub static STEPS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, thiserror::Error)]
pub enum CountError {
    #[error("step {0} stumbled")]
    Stumbled(u64),
    #[error(transparent)]
    Stopped(#[from] Interrupted),
}
impl Hint for CountError {
    fn hint(&self) -> Option<String> {
        Some("lift your feet".into())
    }
}

pub static COUNT: StageKind = StageKind {
    kind: "count",
    version: 1,
    about: "Count to a number.",
    seeded: true,
    shared: false,
    inputs: &[Input { name: "mix", accepts: &["mix", "count"], required: true, doc: "What to count." }],
    fields: &[
        Field::new("steps", Ty::POSITIVE, "10", "How far."),
        Field::new("every", Ty::POSITIVE, "2", "Steps between checkpoints.").unkeyed(),
        Field::new("stop_at", Ty::COUNT, "0", "Behave as if asked to stop before this step.").unkeyed(),
        Field::new("stumble_at", Ty::COUNT, "0", "Fail at this step.").unkeyed(),
        Field::new("touch", Ty::Maybe(&Ty::Files), "null", "A file to change on the way.").unkeyed(),
    ],
    check: no_check,
    forecast: |_| Ok(Forecast { seconds: 1.0, ..Forecast::default() }),
    run: |job| count(job),
};

fn count(job: &mut Job) -> Result<(), Failure> {
    let field = |name: &str| job.config[name].as_u64().unwrap_or(0);
    let (steps, every, stop_at, stumble_at) =
        (field("steps"), field("every"), field("stop_at"), field("stumble_at"));
    let from = job.resume.as_ref().map_or(0, |resume| resume.step);
    let mut sum: u64 = match &job.resume {
        Some(resume) => fs::read_text(&job.dir().join(&resume.checkpoint))?.parse().unwrap(),
        None => 0,
    };
    for step in from + 1..=steps {
        if step == stop_at {
            job.cancel.ask();
        }
        job.cancel.check().map_err(CountError::from)?;
        if step == stumble_at {
            return Err(CountError::Stumbled(step).into());
        }
        STEPS.fetch_add(1, Ordering::SeqCst);
        sum = sum.wrapping_mul(31).wrapping_add(step);
        job.log.metrics(step, &[("sum", sum as f64)])?;
        if step % every == 0 {
            let name = format!(".checkpoint-{step}");
            fs::write(&job.dir().join(&name), sum.to_string().as_bytes())?;
            job.resume_from(step, &name)?;
        }
    }
    if let Some(path) = job.config["touch"].as_str() {
        fs::write(&job.root.join(path), b"changed while running")?;
    }
    fs::write(&job.dir().join("sum"), sum.to_string().as_bytes())?;
    fs::write(&job.dir().join("notes.txt"), job.fingerprint.as_bytes())?;
    job.payloads.insert("notes.txt".into(), None);
    job.summary = json!({"steps": steps});
    Ok(())
}

pub const REGISTRY: Registry = Registry(&[&[&GATHER, &MIX], &[&COUNT]]);

pub const RECIPE: &str = r#"name = "toy"
seed = 17

[all]
kind = "gather"
sources = [{ name = "a", path = "data/*.txt", author = "human" }]

[mixed]
kind = "mix"
text = "all"
model = { layers = 2 }

[counted]
kind = "count"
mix = "mixed"
steps = 7
"#;

/// A project folder with two data files and a recipe.
pub struct Project {
    pub dir: tempfile::TempDir,
}

impl Project {
    pub fn new(recipe: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(&dir.path().join("data")).unwrap();
        fs::write(&dir.path().join("data/one.txt"), b"one\n").unwrap();
        fs::write(&dir.path().join("data/two.txt"), b"two\n").unwrap();
        fs::write(&dir.path().join("regimen.toml"), b"").unwrap();
        fs::write(&dir.path().join("r.toml"), recipe.as_bytes()).unwrap();
        Project { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn recipe_path(&self) -> PathBuf {
        self.path().join("r.toml")
    }

    pub fn rewrite(&self, recipe: &str) {
        fs::write(&self.recipe_path(), recipe.as_bytes()).unwrap();
    }

    pub fn try_load(&self, sets: &[&str]) -> Result<Recipe> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        Recipe::load(&self.recipe_path(), &REGISTRY, &sets)
    }

    pub fn load(&self, sets: &[&str]) -> Recipe {
        self.try_load(sets).unwrap()
    }

    pub fn store(&self) -> Store {
        Store::open(self.path()).unwrap()
    }

    pub fn run(&self, sets: &[&str]) -> Result<Vec<Outcome>, Failure> {
        let store = self.store();
        Runner::new(&store, "fp-1").run(&self.load(sets), None)
    }

    /// The events of a run, without their times.
    pub fn events(&self, id: &str) -> Vec<Event> {
        let path = regimen_base::events::path_in(&self.store().run_dir(id));
        read(&path).unwrap().into_iter().map(|Record { event, .. }| event).collect()
    }

    /// Keys of all stages, by name.
    pub fn keys(&self, sets: &[&str]) -> Vec<String> {
        let plan = Plan::make(&self.load(sets), &self.store(), None, false).unwrap();
        plan.stages.iter().map(|stage| stage.key.to_string()).collect()
    }
}

/// The error of a recipe as the command line shows it, with the project's folder left out.
pub fn complaint(recipe: &str, sets: &[&str]) -> String {
    let project = Project::new(recipe);
    let error = project.try_load(sets).expect_err("the recipe is fine");
    shown(&project, &error, error.hint())
}

pub fn shown(project: &Project, error: &dyn std::fmt::Display, hint: Option<String>) -> String {
    let root = project.path().canonicalize().unwrap();
    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
        .replace(&format!("{}/", root.display()), "")
        .replace(&format!("{}/", project.path().display()), "")
        .replace(&format!("`{}`", root.display()), "`ROOT`")
}
