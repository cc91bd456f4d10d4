//! The index: what the folders say, in SQLite, for quick questions, and the hashes of input files.
//!
//! It is never believed without a look at the folders: before each question its rows are compared with the folders'
//! entries by inode, length and time of change, and only what differs is read. So it cannot be stale, and losing it
//! costs nothing but time. A damaged file is removed and made again; where no file can be used (a read-only or full
//! disk, a lock that does not come free) the same rows are made in memory.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regimen_base::{Hash256, Key, fs};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::details::Details;
use crate::error::Result;
use crate::manifest::{Artifact, MANIFEST};
use crate::runs::{RUN, RunInfo};
use crate::store::dir_key;

/// Raised when the tables change; an index with another number is made again.
const SCHEMA: i64 = 2;

const TABLES: &str = "
CREATE TABLE artifacts (
    key TEXT NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL, created REAL NOT NULL, stamp TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX artifacts_by_stage ON artifacts (stage, created);
CREATE INDEX artifacts_by_key ON artifacts (key);
CREATE TABLE inputs (kind TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, input TEXT NOT NULL,
    PRIMARY KEY (kind, key, name));
CREATE INDEX inputs_by_input ON inputs (input);
CREATE TABLE runs (id TEXT PRIMARY KEY, stamp TEXT NOT NULL, started REAL NOT NULL, info TEXT NOT NULL);
CREATE TABLE details (id TEXT PRIMARY KEY, stamp TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE hashes (
    device INTEGER NOT NULL, inode INTEGER NOT NULL, bytes INTEGER NOT NULL, changed INTEGER NOT NULL,
    blake3 TEXT NOT NULL, PRIMARY KEY (device, inode)
);";

/// What the folders hold.
pub(crate) struct Present {
    pub(crate) artifacts: Vec<PathBuf>,
    pub(crate) runs: Vec<PathBuf>,
}

/// A row about an artifact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) kind: String,
    pub(crate) stage: String,
}

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    open: Option<Connection>,
}

type Sql<T> = rusqlite::Result<T>;

impl Index {
    /// An index in a file, opened at the first question.
    pub(crate) fn new(path: &Path) -> Index {
        Index { path: path.into(), open: None }
    }

    /// Run `work` in one transaction on an index that works.
    fn with<T>(&mut self, mut work: impl FnMut(&Transaction) -> Sql<T>) -> Result<T> {
        let error = match self.attempt(&mut work) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ) {
            self.discard();
            if let Ok(answer) = self.attempt(&mut work) {
                return Ok(answer);
            }
        }
        let mut memory = Connection::open_in_memory()?;
        prepare(&mut memory)?;
        self.open = Some(memory);
        Ok(self.attempt(&mut work)?)
    }

    fn attempt<T>(&mut self, work: &mut impl FnMut(&Transaction) -> Sql<T>) -> Sql<T> {
        let connection = match &mut self.open {
            Some(connection) => connection,
            none => none.insert(open_file(&self.path)?),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    /// Close and remove the file. Its journal goes first: it would be played back into a new file.
    fn discard(&mut self) {
        self.open = None;
        for ending in ["-journal", "-wal", "-shm", ""] {
            let mut name = self.path.as_os_str().to_os_string();
            name.push(ending);
            let _ = fs::remove_file(Path::new(&name));
        }
    }

    /// Empty all that comes from the folders and read it again.
    pub(crate) fn rebuild(&mut self, present: &Present) -> Result<(usize, usize)> {
        self.discard();
        self.with(|t| {
            t.execute_batch(
                "DELETE FROM artifacts; DELETE FROM inputs; DELETE FROM runs; DELETE FROM details;",
            )?;
            refresh(t, present)?;
            let count =
                |table| t.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get::<_, i64>(0));
            Ok((count("artifacts")? as usize, count("runs")? as usize))
        })
    }

    /// All runs, oldest first.
    pub(crate) fn runs(&mut self, present: &Present) -> Result<Vec<RunInfo>> {
        let texts: Vec<String> = self.with(|t| {
            refresh(t, present)?;
            t.prepare_cached("SELECT info FROM runs ORDER BY started, id")?
                .query_map([], |r| r.get(0))?
                .collect()
        })?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// All runs with what their logs come to, oldest first, as JSON. Artifacts are not looked at.
    pub(crate) fn detailed_runs(
        &mut self,
        dirs: &[PathBuf],
        stamps: &[Stamps],
    ) -> Result<Vec<(String, String)>> {
        self.with(|t| {
            refresh_runs(t, dirs.iter().zip(stamps).map(|(dir, stamps)| (dir, stamps.record.clone())))?;
            refresh_details(t, dirs, stamps)?;
            t.prepare_cached("SELECT info, text FROM runs JOIN details USING (id) ORDER BY started, id")?
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })
    }

    /// The artifacts made under a stage name, newest first.
    pub(crate) fn by_stage(&mut self, present: &Present, stage: &str) -> Result<Vec<Row>> {
        self.with(|t| {
            refresh(t, present)?;
            t.prepare_cached(
                "SELECT kind, key, stage FROM artifacts WHERE stage = ?1 ORDER BY created DESC, key",
            )?
            .query_map([stage], row)?
            .collect()
        })
    }

    /// All stage names under which artifacts were made.
    pub(crate) fn stages(&mut self, present: &Present) -> Result<Vec<String>> {
        self.with(|t| {
            refresh(t, present)?;
            t.prepare_cached("SELECT DISTINCT stage FROM artifacts ORDER BY stage")?
                .query_map([], |r| r.get(0))?
                .collect()
        })
    }

    /// Every artifact by key, and every edge as (artifact, input name, input).
    pub(crate) fn graph(
        &mut self,
        present: &Present,
    ) -> Result<(BTreeMap<Key, Row>, Vec<(Key, String, Key)>)> {
        self.with(|t| {
            refresh(t, present)?;
            let rows: Vec<Row> = t
                .prepare_cached("SELECT kind, key, stage FROM artifacts")?
                .query_map([], row)?
                .collect::<Sql<_>>()?;
            let edges = t
                .prepare_cached("SELECT key, name, input FROM inputs ORDER BY key, name")?
                .query_map([], |r| Ok((key(r, 0)?, r.get(1)?, key(r, 2)?)))?
                .collect::<Sql<_>>()?;
            Ok((rows.into_iter().map(|row| (row.key, row)).collect(), edges))
        })
    }

    /// The hash of a file, if it is remembered.
    pub(crate) fn known_hash(&mut self, state: FileState) -> Result<Option<Hash256>> {
        let FileState { device, inode, bytes, changed } = state;
        let known: Option<String> = self.with(|t| {
            t.prepare_cached(
                "SELECT blake3 FROM hashes WHERE device = ?1 AND inode = ?2 AND bytes = ?3 AND changed = ?4",
            )?
            .query_row(params![device, inode, bytes, changed], |r| r.get(0))
            .optional()
        })?;
        Ok(known.and_then(|text| text.parse().ok()))
    }

    /// Remember the hash of a file that was in this state.
    pub(crate) fn remember_hash(&mut self, state: FileState, hash: Hash256) -> Result<()> {
        let FileState { device, inode, bytes, changed } = state;
        self.with(|t| {
            t.prepare_cached("INSERT OR REPLACE INTO hashes VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                device,
                inode,
                bytes,
                changed,
                hash.to_string()
            ])
        })?;
        Ok(())
    }
}

/// What tells a file from what it was before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FileState {
    device: i64,
    inode: i64,
    bytes: i64,
    changed: i64,
}

impl FileState {
    /// That of the file at `path` now, and its length in bytes.
    pub fn of(path: &Path) -> Result<(FileState, u64)> {
        let m = std::fs::metadata(path).map_err(|e| fs::Error::new("look at", path, e))?;
        let (device, inode, bytes) = (m.dev() as i64, m.ino() as i64, m.len() as i64);
        Ok((FileState { device, inode, bytes, changed: changed(&m) }, m.len()))
    }

    /// Whether it changed long enough ago for any later change to show: a file that changed a moment ago may change again
    /// without its time of change showing it.
    pub fn settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
        now - self.changed > 2_000_000_000
    }
}

fn open_file(path: &Path) -> Sql<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    prepare(&mut connection)?;
    Ok(connection)
}

/// Make the tables, unless they are there.
fn prepare(connection: &mut Connection) -> Sql<()> {
    // Every question works out what has changed since; an index that a power cut leaves behind is behind, not wrong.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let version = |c: &Connection| c.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0));
    if version(connection)? == SCHEMA {
        return Ok(());
    }
    let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have made them while this one waited.
    if version(&t)? != SCHEMA {
        for table in ["artifacts", "inputs", "runs", "details", "hashes"] {
            t.execute_batch(&format!("DROP TABLE IF EXISTS {table};"))?;
        }
        t.execute_batch(TABLES)?;
        t.pragma_update(None, "user_version", SCHEMA)?;
    }
    t.commit()
}

/// Make the rows say what the folders say.
fn refresh(t: &Transaction, present: &Present) -> Sql<()> {
    let mut known: BTreeMap<(String, String), String> = t
        .prepare_cached("SELECT kind, key, stamp FROM artifacts")?
        .query_map([], |r| Ok(((r.get(0)?, r.get(1)?), r.get(2)?)))?
        .collect::<Sql<_>>()?;
    let mut forget = Vec::new();
    let mut learn = Vec::new();
    for dir in &present.artifacts {
        let (Some(key), Some(kind)) = (dir_key(dir), dir.parent().and_then(Path::file_name)) else {
            continue;
        };
        let id = (kind.to_string_lossy().into_owned(), key.to_string());
        let Some(stamp) = stamp(&dir.join(MANIFEST)) else { continue };
        match known.remove(&id) {
            Some(old) if old == stamp => continue,
            Some(_) => forget.push(id.clone()),
            None => {}
        }
        learn.push((id, stamp, dir));
    }
    forget.extend(known.into_keys());
    for (kind, key) in &forget {
        t.prepare_cached("DELETE FROM artifacts WHERE kind = ?1 AND key = ?2")?.execute([kind, key])?;
        t.prepare_cached("DELETE FROM inputs WHERE kind = ?1 AND key = ?2")?.execute([kind, key])?;
    }
    for ((kind, key), stamp, dir) in learn {
        // A damaged manifest is `verify`'s matter, and of whoever asks for that artifact.
        let Ok(Some(artifact)) = Artifact::read(dir) else { continue };
        let m = artifact.manifest;
        t.prepare_cached(
            "INSERT INTO artifacts (key, kind, stage, created, stamp) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![key, kind, m.stage, m.created, stamp])?;
        for (name, input) in &m.inputs {
            t.prepare_cached("INSERT INTO inputs VALUES (?1, ?2, ?3, ?4)")?.execute([
                &kind,
                &key,
                name,
                &input.to_string(),
            ])?;
        }
    }
    refresh_runs(t, present.runs.iter().map(|dir| (dir, stamp(&dir.join(RUN)))))
}

/// What tells whether the files in a run's folder changed.
pub(crate) struct Stamps {
    /// That of its record, if it has one.
    record: Option<String>,
    /// Those of its log and its labels.
    details: String,
}

impl Stamps {
    pub(crate) fn of(dir: &Path) -> Stamps {
        let details = Details::files(dir).map(|file| stamp(&file).unwrap_or_default()).join(" ");
        Stamps { record: stamp(&dir.join(RUN)), details }
    }
}

fn refresh_runs<'d>(
    t: &Transaction,
    records: impl Iterator<Item = (&'d PathBuf, Option<String>)>,
) -> Sql<()> {
    let mut known: BTreeMap<String, String> = t
        .prepare_cached("SELECT id, stamp FROM runs")?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<Sql<_>>()?;
    for (dir, stamp) in records {
        let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stamp) = stamp else { continue };
        if known.get(&id) == Some(&stamp) {
            known.remove(&id);
            continue;
        }
        let Ok(info) = fs::read_json::<RunInfo>(&dir.join(RUN)) else { continue };
        let text =
            serde_json::to_string(&info).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        t.prepare_cached("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            id,
            stamp,
            info.started,
            text
        ])?;
        known.remove(&id);
    }
    for id in known.keys() {
        t.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

fn refresh_details(t: &Transaction, dirs: &[PathBuf], stamps: &[Stamps]) -> Sql<()> {
    let mut known: BTreeMap<String, String> = t
        .prepare_cached("SELECT id, stamp FROM details")?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<Sql<_>>()?;
    for (dir, Stamps { details: stamp, .. }) in dirs.iter().zip(stamps) {
        let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if known.remove(&id).as_ref() == Some(stamp) {
            continue;
        }
        let text = serde_json::to_string(&Details::read(dir))
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        t.prepare_cached("INSERT OR REPLACE INTO details VALUES (?1, ?2, ?3)")?
            .execute([&id, stamp, &text])?;
    }
    for id in known.keys() {
        t.prepare_cached("DELETE FROM details WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// What changes whenever a file is replaced or rewritten.
fn stamp(path: &Path) -> Option<String> {
    let m = std::fs::metadata(path).ok()?;
    Some(format!("{}:{}:{}", m.ino(), m.len(), changed(&m)))
}

/// Time of the last change of the content, in nanoseconds since 1970.
fn changed(m: &std::fs::Metadata) -> i64 {
    m.mtime().saturating_mul(1_000_000_000).saturating_add(m.mtime_nsec())
}

fn key(r: &rusqlite::Row, column: usize) -> Sql<Key> {
    let text: String = r.get(column)?;
    text.parse().map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

fn row(r: &rusqlite::Row) -> Sql<Row> {
    Ok(Row { kind: r.get(0)?, key: key(r, 1)?, stage: r.get(2)? })
}
