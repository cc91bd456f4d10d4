//! What can go wrong in the ledger, and what to do about it.

use std::path::PathBuf;

use regimen_base::{Hint, fs};

/// An error of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] fs::Error),
    /// The store was made by a program with another layout.
    #[error("the store `{}` has layout `{found}`, this program knows layout {known}", path.display())]
    Layout {
        /// The store's folder.
        path: PathBuf,
        /// What its `version` file says.
        found: String,
        /// The layout that this program reads and writes.
        known: u32,
    },
    /// The project has no store yet.
    #[error("there is no store in `{}`", project.display())]
    NoStore {
        /// The project's folder.
        project: PathBuf,
    },
    /// A folder that should be an artifact has no manifest.
    #[error("`{}` is not an artifact: it has no `manifest.json`", path.display())]
    NoArtifact {
        /// The folder.
        path: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error("the manifest `{}` is damaged: {why}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The artifact's folder.
        folder: PathBuf,
    },
    /// An artifact lacks a file or a part of one.
    #[error("the file `{}` of an artifact is damaged: {why}", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The artifact's folder.
        folder: PathBuf,
    },
    /// Another process works on the same artifact.
    #[error("another process (pid {pid}) is making {kind} {key} right now")]
    Busy {
        /// Kind of the artifact.
        kind: String,
        /// The first digits of its key.
        key: String,
        /// The process, `?` if it has not said so yet.
        pid: String,
    },
    /// A stage excepted a file from the payload that it did not write.
    #[error("the stage says how `{file}` enters the payload, but did not write it into `{}`", dir.display())]
    NoPayloadFile {
        /// The file.
        file: String,
        /// The work folder.
        dir: PathBuf,
    },
    /// No artifact or run goes by this name.
    #[error("no {what} is called `{text}`")]
    Unknown {
        /// `artifact` or `run`.
        what: &'static str,
        /// What the user wrote.
        text: String,
        /// What to do.
        hint: String,
    },
    /// Several artifacts or runs begin like this.
    #[error("`{text}` may be any of {}", matches.join(", "))]
    Ambiguous {
        /// What the user wrote.
        text: String,
        /// What it fits, a few of them.
        matches: Vec<String>,
    },
    /// A run's `run.json` cannot be read.
    #[error("the run record `{}` is damaged: {why}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody works in the store who must not be disturbed, or somebody takes things away from it.
    #[error("the store `{}` is in use by {who}", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
        /// Another process, as well as it is known.
        who: String,
    },
    /// What would be collected is not what was shown.
    #[error("the store changed while you looked: nothing was removed")]
    Moved,
    /// A file of artifacts is damaged, or is none.
    #[error("`{}` is no whole file of artifacts: {why}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        why: String,
    },
    /// A file of artifacts that tells of them without holding them.
    #[error("`{}` holds no data: it was exported without them", path.display())]
    NoData {
        /// The file.
        path: PathBuf,
    },
    /// Something cannot be exported.
    #[error("{what} cannot be exported: {why}")]
    Unfit {
        /// Which artifact or file.
        what: String,
        /// Why not.
        why: String,
    },
    /// Nothing is overwritten.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The index failed twice, the second time in memory.
    #[error("the index of the store failed: {0}")]
    Index(#[from] rusqlite::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Fs(e) => return e.hint(),
            Error::Layout { found, known, .. } if found.parse::<u32>().is_ok_and(|found| found > *known) => {
                "a newer program made it; update this one, or use another project folder".into()
            }
            Error::Layout { path, .. } => format!(
                "`{}` should hold the number of a layout; use the program that made the store, or another project folder",
                path.join("version").display()
            ),
            Error::NoStore { .. } => "run a recipe first, or name the project with `--project`".into(),
            Error::NoArtifact { .. } => {
                "an artifact is a folder such as `.regimen/artifacts/KIND/KEY`; a folder there without a manifest \
                 may be removed, the next run makes it anew"
                    .into()
            }
            Error::Manifest { folder, .. } | Error::Incomplete { folder, .. } => format!(
                "`regimen ledger verify` shows all damage; remove `{}` and the next run makes it anew",
                folder.display()
            ),
            Error::Busy { .. } => {
                "wait for it, or stop it; then run the same command again to go on from where it is".into()
            }
            Error::NoPayloadFile { .. } => return None,
            Error::Unknown { hint, .. } => hint.clone(),
            Error::Ambiguous { .. } => "write more digits".into(),
            Error::Run { .. } => "remove that file; the artifacts do not need it".into(),
            Error::InUse { .. } => "wait until it is done, then run the same command again".into(),
            Error::Moved => "run the same command again to see what it would remove now".into(),
            Error::Archive { .. } => "get the file once more from where it came; nothing was imported".into(),
            Error::NoData { .. } => {
                "export it again without `--without-data`; `regimen ledger import --dry-run` lists what the file tells"
                    .into()
            }
            Error::Unfit { .. } => "`regimen ledger verify` shows what is damaged or missing".into(),
            Error::Exists { .. } => "name a new file: nothing is overwritten".into(),
            Error::Interrupted => "run the same command again".into(),
            Error::Index(_) => "remove `.regimen/index.sqlite`; it is rebuilt from the folders".into(),
        })
    }
}

/// What the functions of the ledger give back.
pub type Result<T> = std::result::Result<T, Error>;
