//! A temporary project with tiny trained models, and the program that works on it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use regimen_ledger::{Artifact, Store};
use regimen_models::{Cache, TokenBlock};
use regimen_tensor::{Pool, Tape};
use regimen_train::Saved;
use serde_json::Value;

/// The models that are trained: name, and the lines of their stage.
pub const MODELS: &[(&str, &str)] = &[
    (
        "grouped",
        "tokens = 'bpe-tokens'
         model = { layers = 2, width = 48, heads = 4, kv_heads = 2, context = 48, tied = true }",
    ),
    (
        "untied",
        "tokens = 'char-tokens'
         model = { layers = 2, width = 42, heads = 3, kv_heads = 1, head_dim = 12, ff = 72, context = 64, \
                   rope_base = 500.0, norm_eps = 1e-6, bias = true, tied = false }",
    ),
    (
        "gpt",
        "tokens = 'byte-tokens'
         model = { layers = 2, width = 48, heads = 3, context = 64, norm = 'layer', positions = 'learned', \
                   mlp = 'gelu', bias = true, tied = true }",
    ),
    (
        "gpt-untied",
        "tokens = 'bpe-tokens'
         model = { layers = 1, width = 32, heads = 2, ff = 40, context = 40, norm = 'layer', positions = 'learned', \
                   mlp = 'gelu', bias = true, tied = false }",
    ),
];

/// The Python of the peers; `None`, said aloud, where they are not installed.
pub fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("REGIMEN_PEERS_VENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/.venv"),
        PathBuf::from,
    );
    let python = venv.join("bin/python");
    if venv.join("installed.txt").is_file() && python.exists() {
        return Some(python);
    }
    eprintln!("skipped: no PyTorch and transformers in {}; run tests/peers/setup.sh", venv.display());
    None
}

/// A project folder, gone at the end of the process.
pub struct Project {
    folder: PathBuf,
    store: Store,
}

impl Project {
    /// The project with all of [`MODELS`], trained once for all tests.
    pub fn trained() -> &'static Project {
        static PROJECT: OnceLock<Project> = OnceLock::new();
        PROJECT.get_or_init(|| {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("peers");
            if folder.exists() {
                std::fs::remove_dir_all(&folder).unwrap();
            }
            std::fs::create_dir_all(folder.join("texts")).unwrap();
            for i in 0..24 {
                std::fs::write(folder.join(format!("texts/{i:02}.txt")), text(i)).unwrap();
            }
            std::fs::write(folder.join("recipe.toml"), recipe()).unwrap();
            std::fs::write(folder.join("regimen.toml"), "").unwrap();
            let project = Project { store: Store::open(&folder).unwrap(), folder };
            project.regimen(&["run", "recipe.toml", "--no-report"]);
            project
        })
    }

    /// A path in the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Write a JSON file.
    pub fn write(&self, name: &str, value: &Value) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, serde_json::to_vec(value).unwrap()).unwrap();
        path
    }

    /// Run the program and give what it printed.
    pub fn regimen(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_regimen"))
            .args(args)
            .args(["--quiet", "--threads", "2"])
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "regimen {}: {said}", args.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The newest artifact of a stage.
    pub fn artifact(&self, name: &str) -> Artifact {
        self.store.resolve(name).unwrap()
    }

    /// A model.
    pub fn saved(&self, name: &str) -> Saved {
        Saved::open(&self.artifact(name).path).unwrap()
    }
}

fn recipe() -> String {
    let mut recipe = "
        name = 'peers'
        seed = 5
        [corpus]
        kind = 'corpus'
        sources = [{ name = 'texts', path = 'texts/*.txt', author = 'machine', licence = 'CC0-1.0' }]
        validation = 0.1
        filter = { quality = 'none' }
        "
    .to_string();
    for (name, vocab) in [("bpe", "vocab = 420"), ("char", ""), ("byte", "")] {
        recipe += &format!(
            "
            [{name}]
            kind = 'tokenizer'
            corpus = 'corpus'
            type = '{name}'
            {vocab}
            [{name}-tokens]
            kind = 'tokens'
            corpus = 'corpus'
            tokenizer = '{name}'
            "
        );
    }
    for (name, lines) in MODELS {
        recipe += &format!(
            "
            [{name}]
            kind = 'pretrain'
            {lines}
            steps = 60
            batch = 8
            optimizer = {{ lr = 0.01 }}
            schedule = {{ warmup = 5 }}
            "
        );
    }
    recipe
}

/// Sentences with numbers, code and letters from several scripts.
fn text(i: usize) -> String {
    let places = ["Zürich", "São Paulo", "Київ", "東京", "Boston", "Αθήνα"];
    let deeds = ["met", "voted", "adjourned", "agreed with the report", "asked for more time"];
    let mut text = String::new();
    for j in 0..30 {
        let (place, deed) = (places[(i + j) % places.len()], deeds[(i * 7 + j * 3) % deeds.len()]);
        let year = 1900 + (i * 31 + j * 17) % 120;
        text +=
            &format!("In {year}, the committee of {place} {deed}, and {} members voted for it. ", i * j % 97);
        if j % 5 == i % 5 {
            text += &format!("\n\n    let x = {year}; // naïve: €{}.50\n", j * 3);
        }
    }
    text
}

/// The logits `[time, vocab]` that follow each token of a sequence which is one document.
pub fn logits(saved: &Saved, ids: &[u32]) -> Vec<Vec<f32>> {
    let pool = Pool::new();
    let mut tape = Tape::new(&saved.params, &pool, false);
    let starts = vec![0; ids.len()];
    let block = TokenBlock { batch: 1, time: ids.len(), ids, starts: &starts };
    let hidden = saved.decoder.hidden(&mut tape, &block).unwrap();
    let head = saved.params.slice(saved.decoder.head());
    let width = saved.config.width;
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
    };
    let rows = tape.value(hidden).chunks_exact(width);
    let logits: Vec<Vec<f32>> =
        rows.map(|row| head.chunks_exact(width).map(|out| dot(row, out)).collect()).collect();

    // What generation computes is the same.
    let mut cache = Cache::new(&saved.config, ids.len());
    let last = saved.decoder.extend(&saved.params, &mut cache, ids).unwrap();
    let away = last.iter().zip(&logits[ids.len() - 1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(away <= 1e-4, "cached decoding is {away} away from training's forward pass");
    logits
}
