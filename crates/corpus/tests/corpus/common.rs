//! Small projects to build corpora in.

use std::io::Write;
use std::path::Path;

use regimen_base::Failure;
use regimen_corpus::{Corpus, STAGES};
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use tempfile::TempDir;

/// A folder with files in it.
pub fn project(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

/// Run the stage.
pub fn stage(dir: &Path, config: &str) -> Result<Artifact, Failure> {
    run_stage(STAGES[0], config, dir, &[], 0)
}

/// Run the stage and open what it made.
pub fn build(dir: &Path, config: &str) -> Corpus {
    Corpus::open(&stage(dir, config).unwrap()).unwrap()
}

/// The message and hint of a build that must fail.
pub fn fault(files: &[(&str, &[u8])], config: &str) -> (String, String) {
    let dir = project(files);
    let failure = stage(dir.path(), config).unwrap_err();
    let store = dir.path().join(".regimen/artifacts/corpus");
    let artifacts = std::fs::read_dir(store).map(Iterator::count).unwrap_or(0);
    assert_eq!(artifacts, 0, "a failed build must leave no artifact");
    (failure.to_string(), failure.hint().unwrap_or_default())
}

/// A config without quality rules, of one source.
pub fn plain(path: &str, more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"{path}\" }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
    )
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

/// All kept texts in order.
pub fn texts(corpus: &Corpus) -> Vec<&str> {
    corpus.kept().map(|ordinal| corpus.text(ordinal).unwrap().unwrap()).collect()
}

/// Run a step, then again while another holder has the lock that it left, which it must refuse, and once more.
pub fn refused_while_locked<T: std::fmt::Debug>(lock: &Path, run: impl Fn() -> regimen_corpus::Result<T>) {
    run().unwrap();
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    let error = run().unwrap_err();
    assert!(matches!(error, regimen_corpus::Error::InUse { .. }), "{error}");
    lock.unlock().unwrap();
    run().unwrap();
}
