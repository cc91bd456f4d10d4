//! Which licence files speak for which files of a tree.

use std::collections::BTreeMap;

use super::files::Licence;
use super::licences::{enclosed, identify, is_licence_folder};

/// The licence files of a tree by the folder that they speak for: path of the file, licences in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Licences(BTreeMap<String, Vec<(String, Vec<&'static str>)>>);

impl Licences {
    /// Add a licence file by its content.
    pub fn add(&mut self, path: String, content: &[u8]) {
        let found = identify(&String::from_utf8_lossy(content));
        self.0.entry(scope(&path).into()).or_default().push((path, found));
    }

    /// These and those of `other`.
    pub fn and(mut self, other: Licences) -> Licences {
        for (folder, mut files) in other.0 {
            self.0.entry(folder).or_default().append(&mut files);
        }
        self
    }

    /// The licences in a licence file; none where its text is not known.
    pub fn found(&self, path: &str) -> Vec<&'static str> {
        let known = self.0.get(scope(path)).and_then(|all| all.iter().find(|one| one.0 == path));
        known.map(|one| one.1.clone()).unwrap_or_default()
    }

    /// The licence of the nearest folder that has one, upwards from `path`; none where its files hold something unknown.
    pub fn nearest(&self, path: &str) -> Option<Licence> {
        let mut folder = path;
        while !folder.is_empty() {
            folder = parent(folder);
            if let Some(files) = self.0.get(folder) {
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
