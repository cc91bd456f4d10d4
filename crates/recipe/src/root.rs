//! Where the project of a recipe begins.

use std::path::{Path, PathBuf};

use regimen_base::fs;

/// What marks the root of a project.
const MARKS: [&str; 4] = ["regimen.toml", ".regimen/version", "Cargo.toml", ".git"];

/// The nearest folder above the recipe that holds a mark; else the current folder, if the recipe lies below it; else
/// the recipe's own folder.
pub fn project_root(recipe: &Path) -> fs::Result<PathBuf> {
    let full = std::fs::canonicalize(recipe).map_err(|e| fs::Error::new("find", recipe, e))?;
    root_of(full.parent().unwrap_or(&full))
}

/// The same for a recipe that is yet to be written into `folder`.
pub fn folder_root(folder: &Path) -> fs::Result<PathBuf> {
    root_of(&std::fs::canonicalize(folder).map_err(|e| fs::Error::new("find", folder, e))?)
}

fn root_of(folder: &Path) -> fs::Result<PathBuf> {
    let marked = folder.ancestors().find(|dir| MARKS.iter().any(|mark| dir.join(mark).exists()));
    if let Some(root) = marked {
        return Ok(root.into());
    }
    let here = std::env::current_dir().and_then(std::fs::canonicalize);
    Ok(here.ok().filter(|here| folder.starts_with(here)).unwrap_or_else(|| folder.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mark_wins_and_without_one_the_recipes_folder() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let deep = top.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let recipe = deep.join("r.toml");
        fs::write(&recipe, b"").unwrap();
        assert_eq!(project_root(&recipe).unwrap(), deep);
        assert_eq!(folder_root(&deep).unwrap(), deep);
        fs::write(&top.join("Cargo.toml"), b"").unwrap();
        assert_eq!(project_root(&recipe).unwrap(), top);
        // Objects that were fetched for one step alone make no store.
        fs::create_dir_all(&top.join("a/.regimen/objects")).unwrap();
        assert_eq!(project_root(&recipe).unwrap(), top);
        fs::write(&top.join("a/.regimen/version"), b"2\n").unwrap();
        assert_eq!(project_root(&recipe).unwrap(), top.join("a"));
        assert_eq!(folder_root(&deep).unwrap(), top.join("a"));
        assert!(project_root(&deep.join("none.toml")).is_err());
        assert!(folder_root(&deep.join("none")).is_err());
    }
}
