//! The plan that the tasks of a build agree on: the config, the files, and how many tasks there are. The first task writes
//! it; the others compare theirs with it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use regimen_base::{Cancel, Hash256};
use regimen_recipe::{InputFile, ListedFile, list_files};
use serde::{Deserialize, Serialize};

use crate::build::{Files, UNREAD};
use crate::code::is_licence_file;
use crate::config::{Config, Format};
use crate::error::{Error, Result};
use crate::task::meter::Meter;
use crate::task::{MOST_TASKS, Task};

/// Name of its object.
const PLAN: &str = "plan.json";
/// What is written.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    version: u32,
    stage: String,
    /// Number of tasks, and of buckets in each round.
    tasks: u32,
    /// Hash of the config.
    config: Hash256,
    files: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct File {
    pattern: String,
    path: String,
    bytes: u64,
    tag: String,
}

/// The plan of one build, as this task sees it.
pub(crate) struct Plan {
    /// Stands for all of it.
    pub key: Hash256,
    pub tasks: u32,
    /// Files in document order.
    listed: Vec<(String, ListedFile)>,
    /// Files that every task looks into before it begins, by path: licences of trees.
    known: BTreeMap<String, InputFile>,
    /// Attribute files, which every task reads, by pattern.
    beside: Files,
}

impl Plan {
    /// Make the plan, or take the one that is there if it is the same.
    pub fn agree(task: &mut Task, config: &Config) -> Result<Plan> {
        let mut listed = Vec::new();
        let (mut known, mut beside) = (BTreeMap::new(), Files::new());
        let list =
            |pattern: &str| list_files(task.root, pattern).map_err(|error| Error::Listing(Box::new(error)));
        let read = |file: &ListedFile, came: &mut dyn FnMut(u64)| {
            file.input(came).map_err(|error| Error::Listing(Box::new(error)))
        };
        for source in &config.sources {
            for file in list(&source.path)? {
                if source.format == Format::Code && is_licence_file(&file.path) {
                    known.insert(file.path.clone(), read(&file, &mut |_| ())?);
                }
                listed.push((source.path.clone(), file));
            }
            if let Some(pattern) = &source.attributes {
                let files = list(pattern)?;
                let bytes = files.iter().map(|file| file.bytes).sum();
                let mut meter = Meter::new("attribute files brought here", files.len(), bytes);
                let mut inputs: Vec<InputFile> = Vec::with_capacity(files.len());
                for file in &files {
                    task.cancel.check().map_err(|_| Error::Interrupted)?;
                    inputs.push(counted(&mut meter, file.bytes, task.tell, |came| read(file, came))?);
                }
                beside.insert(pattern.clone(), inputs);
            }
        }
        let file = |(pattern, file): &(String, ListedFile)| File {
            pattern: pattern.clone(),
            path: file.path.clone(),
            bytes: file.bytes,
            tag: file.tag.clone(),
        };
        // Attribute files have been read: a part of another content would be made anew in the end.
        let read_by_all = beside.iter().flat_map(|(pattern, files)| {
            files.iter().map(|file| File {
                pattern: pattern.clone(),
                path: file.path.clone(),
                bytes: file.bytes,
                tag: file.blake3.to_string(),
            })
        });
        let local = Config { memory: 0, ..config.clone() };
        let ours = |tasks| Written {
            version: 1,
            stage: task.stage.into(),
            tasks,
            config: Hash256::of(format!("{local:?}").as_bytes()),
            files: listed.iter().map(file).chain(read_by_all.clone()).collect(),
        };
        let text = |plan: &Written| {
            serde_json::to_vec_pretty(plan).map_err(|e| Error::Plan { reason: e.to_string() })
        };
        let mut agreed = ours(task.share.map_or(1, |share| share.of));
        let other = |what: String| Error::OtherPlan { place: task.store.url_of(PLAN), what };
        if !task.store.write_new(PLAN, &text(&agreed)?)? {
            let found = task.store.read(PLAN)?.unwrap_or_default();
            let found: Written =
                serde_json::from_slice(&found).map_err(|e| other(format!("it cannot be read: {e}")))?;
            if !(1..=MOST_TASKS).contains(&found.tasks) {
                return Err(other(format!("it says {} tasks", found.tasks)));
            }
            if task.share.is_none() {
                agreed.tasks = found.tasks;
            }
            if let Some(what) = differs(&found, &agreed) {
                return Err(other(what));
            }
        }
        Ok(Plan { key: Hash256::of(&text(&agreed)?), tasks: agreed.tasks, listed, known, beside })
    }

    /// A name for it.
    pub fn short(&self) -> String {
        self.key.to_string()[..16].into()
    }

    /// Its files, their hashes unknown.
    pub fn files(&self) -> Files {
        let mut files = self.beside.clone();
        // A pattern may come for two sources, or be that of attributes, which were read.
        let known =
            self.beside.iter().flat_map(|(pattern, of)| of.iter().map(|file| (&**pattern, &*file.path)));
        let mut known: HashSet<(&str, &str)> = known.collect();
        for (pattern, file) in &self.listed {
            if known.insert((pattern, &file.path)) {
                files.entry(pattern.clone()).or_default().push(self.unread(file));
            }
        }
        files
    }

    /// The files of a range, in document order, brought here and hashed.
    pub fn hashed(&self, range: Range<usize>, task: &mut Task) -> Result<Vec<InputFile>> {
        let own = self.listed(range);
        let bytes = own.iter().map(|(_, file)| file.bytes);
        let mut meter = Meter::new("files brought here", own.len(), bytes.sum());
        let read = |(_, file): &(String, ListedFile)| {
            task.cancel.check().map_err(|_| Error::Interrupted)?;
            let input = counted(&mut meter, file.bytes, task.tell, |came| {
                file.input(came).map_err(|error| Error::Listing(Box::new(error)))
            })?;
            if input.bytes != file.bytes {
                return Err(Error::Plan { reason: format!("`{}` changed while it was read", file.path) });
            }
            Ok(input)
        };
        own.iter().map(read).collect()
    }

    /// Bring documents here that are looked at, and not hashed.
    pub fn bring(
        &self,
        wanted: &[&InputFile],
        cancel: &Cancel,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<()> {
        let wanted: BTreeSet<&str> = wanted.iter().map(|file| &*file.path).collect();
        let absent = |file: &&ListedFile| wanted.contains(&*file.path) && !file.is_here();
        let absent: Vec<&ListedFile> = self.listed.iter().map(|(_, file)| file).filter(absent).collect();
        let bytes = absent.iter().map(|file| file.bytes).sum();
        let mut meter = Meter::new("documents brought here for the names of attributes", absent.len(), bytes);
        for file in absent {
            cancel.check().map_err(|_| Error::Interrupted)?;
            counted(&mut meter, file.bytes, tell, |came| {
                file.bring(came).map_err(|error| Error::Listing(Box::new(error)))
            })?;
        }
        Ok(())
    }

    /// The files of a range, as they are listed.
    pub fn listed(&self, range: Range<usize>) -> &[(String, ListedFile)] {
        self.listed.get(range).unwrap_or_default()
    }

    fn unread(&self, file: &ListedFile) -> InputFile {
        let (path, full, bytes) = (file.path.clone(), file.full.clone(), file.bytes);
        let unread = || InputFile { path, full, blake3: UNREAD, bytes };
        self.known.get(&file.path).cloned().unwrap_or_else(unread)
    }
}

/// Do something to one more file of so many bytes, which may come piece by piece.
fn counted<T>(
    meter: &mut Meter,
    bytes: u64,
    tell: &mut dyn FnMut(&str),
    mut make: impl FnMut(&mut dyn FnMut(u64)) -> Result<T>,
) -> Result<T> {
    let mut here = 0;
    let made = make(&mut |more| {
        here += more;
        meter.came(more, tell);
    })?;
    meter.did(bytes.saturating_sub(here), tell);
    Ok(made)
}

/// In what two plans differ.
fn differs(found: &Written, ours: &Written) -> Option<String> {
    if found.version != ours.version || found.config != ours.config || found.stage != ours.stage {
        return Some(format!(
            "stage `{}` with another config, or from another version of this program",
            found.stage
        ));
    }
    if found.tasks != ours.tasks {
        return Some(format!("{} tasks instead of {}", found.tasks, ours.tasks));
    }
    let mut pairs = found.files.iter().zip(&ours.files);
    if let Some((theirs, here)) = pairs.find(|(theirs, here)| theirs != here) {
        return Some(match theirs.path == here.path {
            true => format!(
                "`{}` with {} bytes instead of {}, or changed since",
                here.path, theirs.bytes, here.bytes
            ),
            false => format!("the file `{}` where this task sees `{}`", theirs.path, here.path),
        });
    }
    (found.files.len() != ours.files.len())
        .then(|| format!("{} files instead of {}", found.files.len(), ours.files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_objects::Objects;
    use regimen_recipe::input_files;
    use serde_json::Value;
    use std::time::Duration;

    #[test]
    fn files_are_listed_once_and_only_those_of_a_range_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for file in ["a/1.jsonl", "a/2.jsonl", "a/3.jsonl", "b/1.jsonl"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), file).unwrap();
        }
        // The first pattern comes for two sources, and the files of the last are attributes as well.
        let patterns = ["a/*", "b/*", "a/*"];
        let listed = |pattern: &str| list_files(root, pattern).unwrap().into_iter();
        let listed = patterns.iter().flat_map(|p| listed(p).map(|file| (p.to_string(), file))).collect();
        let beside = Files::from([("b/*".into(), input_files(root, "b/*").unwrap())]);
        let plan = Plan { key: Hash256::of(b"k"), tasks: 1, listed, known: BTreeMap::new(), beside };
        let files = plan.files();
        let of = |pattern: &str| files[pattern].iter().map(|f| (&*f.path, f.blake3)).collect::<Vec<_>>();
        assert_eq!(of("a/*"), [("a/1.jsonl", UNREAD), ("a/2.jsonl", UNREAD), ("a/3.jsonl", UNREAD)]);
        assert_eq!(of("b/*"), [("b/1.jsonl", Hash256::of(b"b/1.jsonl"))]);
        let store = Objects::open(&root.join("store").display().to_string()).unwrap();
        let mut task = Task {
            root,
            stage: "corpus",
            config: &Value::Null,
            store: &store,
            share: None,
            patience: Duration::ZERO,
            cancel: Cancel::new(),
            tell: &mut |_| (),
        };
        let read = plan.hashed(2..5, &mut task).unwrap();
        let read: Vec<_> = read.iter().map(|file| (&*file.path, file.blake3)).collect();
        let expected = ["a/3.jsonl", "b/1.jsonl", "a/1.jsonl"];
        assert_eq!(read, expected.map(|path| (path, Hash256::of(path.as_bytes()))));
    }
}
