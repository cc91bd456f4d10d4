//! Which licence files speak for which files of a tree.

use std::collections::BTreeMap;

use super::files::Licence;
use super::licences::{enclosed, identify, in_header, is_licence_folder};

/// The licence files of a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Licences {
    /// By the folder that they speak for: path of the file, licences in it.
    folders: BTreeMap<String, Vec<(String, Vec<&'static str>)>>,
    /// What speaks for one file alone (REUSE's `NAME.license` beside `NAME`), by that file; none where it says nothing known.
    files: BTreeMap<String, Option<Licence>>,
}

impl Licences {
    /// Add a licence file by its content.
    pub fn add(&mut self, path: String, content: &[u8]) {
        let text = String::from_utf8_lossy(content);
        let found = identify(&text);
        if let Some(of) = path.strip_suffix(".license").filter(|_| found.is_empty()) {
            let said = in_header(&text);
            // A file without an ending may be a project's name: `mylib.license`.
            let name = of.rsplit('/').next().unwrap_or(of);
            if said.is_some() || name.trim_start_matches('.').contains('.') {
                let licence = said.map(|expression| Licence { expression, files: vec![path.clone()] });
                self.files.insert(of.into(), licence);
                return;
            }
        }
        self.folders.entry(scope(&path).into()).or_default().push((path, found));
    }

    /// These and those of `other`.
    pub fn and(mut self, other: Licences) -> Licences {
        for (folder, mut files) in other.folders {
            self.folders.entry(folder).or_default().append(&mut files);
        }
        self.files.extend(other.files);
        self
    }

    /// The licences in a licence file; none where its text is not known.
    pub fn found(&self, path: &str) -> Vec<&'static str> {
        let known = self.folders.get(scope(path)).and_then(|all| all.iter().find(|one| one.0 == path));
        known.map(|one| one.1.clone()).unwrap_or_default()
    }

    /// The licence that lies beside `path` for it alone, else that of the nearest folder that has one, upwards; none where
    /// these files hold something unknown.
    pub fn nearest(&self, path: &str) -> Option<Licence> {
        if let Some(own) = self.files.get(path) {
            return own.clone();
        }
        let mut folder = path;
        while !folder.is_empty() {
            folder = parent(folder);
            if let Some(files) = self.folders.get(folder) {
                return join(files);
            }
        }
        None
    }
}

/// The folder that a licence file speaks for: its own, or that which holds its folder `LICENSES`.
fn scope(path: &str) -> &str {
    let folder = parent(path);
    let name = folder.rsplit('/').next().unwrap_or(folder);
    if is_licence_folder(name) { parent(folder) } else { folder }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// None where a file holds an unknown text: it might say anything.
fn join(files: &[(String, Vec<&'static str>)]) -> Option<Licence> {
    let mut ids: Vec<&str> = Vec::new();
    let mut paths = Vec::new();
    for (path, found) in files {
        // A file of names of holders (`COPYRIGHT`) need not be a licence, any other does.
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        if found.is_empty() && !name.starts_with("copyright") {
            return None;
        }
        found.iter().for_each(|id| {
            if !ids.contains(id) {
                ids.push(id);
            }
        });
        paths.push(path.clone());
    }
    // The LGPL 3 adds permissions to the GPL 3, whose text must lie beside it.
    if ids.contains(&"LGPL-3.0-only") {
        ids.retain(|id| *id != "GPL-3.0-only");
    }
    ids.sort_unstable();
    let expression = ids.iter().map(|id| enclosed(id)).collect::<Vec<_>>().join(" AND ");
    (!ids.is_empty()).then_some(Licence { expression, files: paths })
}
