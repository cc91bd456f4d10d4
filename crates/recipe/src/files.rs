//! Input files: from a path or glob pattern to the files it means, with their hashes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::{Hash256, Hint, fs, suggest};
use regimen_ledger::Store;

use crate::error::{Error, Result};
use crate::fitting::fitting;
use crate::job::InputFile;
use crate::listed::{ListedFile, list_files};

/// Why a pattern means no files: message and hint.
pub(crate) type NoFiles = (String, Option<String>);

/// The files that `pattern` means, sorted by path. A folder means all files below it; hidden files and folders are left
/// out unless the pattern names them.
pub(crate) fn find(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, NoFiles> {
    let full = root.join(pattern);
    let hidden = |relative: &Path| {
        relative.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
    };
    let below = |folder: &Path| -> Result<Vec<PathBuf>, NoFiles> {
        let files = fs::files_below(folder).map_err(|e| (e.to_string(), e.hint()))?;
        Ok(files.into_iter().filter(|file| !hidden(file)).map(|file| folder.join(file)).collect())
    };
    let mut found = if full.is_dir() {
        let files = below(&full)?;
        if files.is_empty() {
            let hint =
                "put documents there, or correct the path; what begins with `.` is passed over".to_string();
            return Err((format!("there are no files below the folder `{pattern}`"), Some(hint)));
        }
        files
    } else if full.exists() {
        vec![full]
    } else if pattern.contains(['*', '?', '[']) {
        let mut files = Vec::new();
        for path in fitting(root, pattern)? {
            if path.is_dir() {
                files.extend(below(&path)?);
            } else {
                files.push(path);
            }
        }
        files
    } else {
        Vec::new()
    };
    if found.is_empty() {
        return Err((format!("no file fits `{pattern}`"), Some(nearby(root, pattern))));
    }
    found.sort();
    found.dedup();
    // Who opens a pipe waits for somebody to write.
    if let Some(other) = found.iter().find(|path| path.metadata().is_ok_and(|about| !about.is_file())) {
        let hint = "files are read more than once: write its content into one, or narrow the pattern";
        let message = format!("`{}` is a pipe, a socket or a device", other.display());
        return Err((message, Some(hint.into())));
    }
    Ok(found)
}

/// Is told how objects come here: the URL of one, and the bytes that are here of how many that come.
pub type Coming<'c> = dyn FnMut(&str, u64, u64) + 'c;

/// Bring the objects among some files here.
pub(crate) fn bring<'f>(
    files: impl Iterator<Item = &'f ListedFile> + Clone,
    coming: &mut Coming,
) -> Result<()> {
    let absent = files.filter(|file| !file.is_here());
    let total = absent.clone().map(|file| file.bytes).sum();
    let mut here = 0;
    for file in absent {
        file.bring(&mut |more| {
            here += more;
            coming(&file.path, here, total);
        })?;
    }
    Ok(())
}

/// The files that `pattern` means, hashed. Objects of a store are brought here first, but for those whose hash is
/// remembered, which go to `absent`.
pub(crate) fn hashed(
    root: &Path,
    pattern: &str,
    store: &Store,
    coming: &mut Coming,
    absent: &mut Vec<ListedFile>,
) -> Result<Result<Vec<InputFile>, NoFiles>> {
    let found = match list_files(root, pattern) {
        Ok(found) => found,
        Err(Error::NoFiles { message, hint }) => return Ok(Err((message, hint))),
        Err(Error::Objects(error)) => return Ok(Err((error.to_string(), error.hint()))),
        Err(error) => return Err(error),
    };
    let known: Vec<Option<Hash256>> = found.iter().map(ListedFile::remembered).collect();
    let read = found.iter().zip(&known).filter(|(_, hash)| hash.is_none()).map(|(file, _)| file);
    bring(read.clone(), coming)?;
    let full: Vec<&Path> = read.map(|file| file.full.as_path()).collect();
    let mut hashes = store.hash_files(&full)?.into_iter();
    let mut files = Vec::with_capacity(found.len());
    for (file, known) in found.iter().zip(known) {
        let (blake3, bytes) = match known {
            Some(hash) => {
                absent.push(file.clone());
                (hash, file.bytes)
            }
            // There is one for each that was read.
            None => match hashes.next() {
                Some(hashed) => hashed,
                None => break,
            },
        };
        files.push(InputFile { path: file.path.clone(), full: file.full.clone(), blake3, bytes });
    }
    Ok(Ok(files))
}

/// The files that a path, folder or glob pattern means, sorted by path and hashed, for commands that work on files
/// without a store.
///
/// # Errors
/// [`Error::NoFiles`], and files that cannot be read.
pub fn input_files(root: &Path, pattern: &str) -> Result<Vec<InputFile>> {
    let found = list_files(root, pattern)?;
    bring(found.iter(), &mut |_, _, _| ())?;
    let hashed: Vec<Result<InputFile>> = found.par_iter().map(|file| file.input(&mut |_| ())).collect();
    hashed.into_iter().collect()
}

/// What to do about a pattern that fits nothing: how far its folders exist, and what there is instead.
fn nearby(root: &Path, pattern: &str) -> String {
    let mut folder = PathBuf::new();
    for part in Path::new(pattern).components() {
        let inner = folder.join(part);
        if root.join(&inner).is_dir() {
            folder = inner;
            continue;
        }
        let wanted = part.as_os_str().to_string_lossy();
        let names: Vec<String> = fs::list(&root.join(&folder))
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| entry.file_name().map(|name| name.to_string_lossy().into_owned()))
            .filter(|name| !name.starts_with('.'))
            .collect();
        if !wanted.contains(['*', '?', '['])
            && let Some(near) = suggest::nearest(&wanted, names.iter().map(String::as_str))
        {
            return format!("did you mean `{}`?", folder.join(near).display());
        }
        break;
    }
    let shown = root.join(&folder);
    // Commands that work on files have no root.
    let start = if root.as_os_str().is_empty() { "current folder" } else { "project root" };
    let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { &shown };
    format!("paths start at the {start}; looked in `{}`", shown.display())
}

/// Patterns and their files.
pub(crate) type Found = BTreeMap<String, Vec<InputFile>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["data/b.txt", "data/a.txt", "data/sub/c.txt", "data/.hidden", "data/[x].txt", "data/d.jsonl"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name.as_bytes()).unwrap();
        }
        fs::create_dir_all(&dir.path().join("empty")).unwrap();
        dir
    }

    fn names(dir: &Path, pattern: &str) -> Vec<String> {
        let found = find(dir, pattern).unwrap();
        found.iter().map(|p| p.strip_prefix(dir).unwrap().to_str().unwrap().to_string()).collect()
    }

    #[test]
    fn what_is_no_file_is_named_and_not_opened() {
        let dir = tree();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("data/sub/s.txt")).unwrap();
        for pattern in ["data", "data/sub/*", "data/sub/s.txt", "**"] {
            let (message, hint) = find(dir.path(), pattern).unwrap_err();
            assert!(message.contains("data/sub/s.txt") && message.contains("a socket"), "{message}");
            assert!(hint.unwrap().contains("pattern"));
        }
        assert_eq!(names(dir.path(), "data/a*"), ["data/a.txt"]);
    }

    #[test]
    fn patterns_folders_and_plain_paths() {
        let dir = tree();
        assert_eq!(names(dir.path(), "data/*.txt"), ["data/[x].txt", "data/a.txt", "data/b.txt"]);
        assert_eq!(names(dir.path(), "data/**/c.txt"), ["data/sub/c.txt"]);
        assert_eq!(names(dir.path(), "data/[x].txt"), ["data/[x].txt"]);
        let all = ["data/[x].txt", "data/a.txt", "data/b.txt", "data/d.jsonl", "data/sub/c.txt"];
        assert_eq!(names(dir.path(), "data"), all);
        assert_eq!(names(dir.path(), "data/"), all);
        assert_eq!(names(dir.path(), "data/**"), all);
    }

    #[test]
    fn nothing_found_says_what_is_near() {
        let dir = tree();
        let (message, hint) = find(dir.path(), "data/aa.txt").unwrap_err();
        assert_eq!(message, "no file fits `data/aa.txt`");
        assert_eq!(hint.unwrap(), "did you mean `data/a.txt`?");
        let (_, hint) = find(dir.path(), "daat/*.txt").unwrap_err();
        assert_eq!(hint.unwrap(), "did you mean `data`?");
        let (_, hint) = find(dir.path(), "data/*.zst").unwrap_err();
        assert!(hint.unwrap().contains("project root; looked in"));
        let (_, hint) = find(Path::new(""), "nodir").unwrap_err();
        assert_eq!(hint.unwrap(), "paths start at the current folder; looked in `.`");
        assert_eq!(find(dir.path(), "empty").unwrap_err().0, "there are no files below the folder `empty`");
        assert!(find(dir.path(), "data/a[").unwrap_err().0.contains("not a glob pattern"));
    }

    #[test]
    fn names_that_are_not_utf8_are_met_by_patterns_as_in_folders() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tree();
        let bad = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
        fs::write(&dir.path().join("data").join(bad), b"x").unwrap();
        for pattern in ["data", "data/*.txt", "data/**", "**/c*"] {
            let Err(Error::NoFiles { message, hint }) = list_files(dir.path(), pattern) else {
                panic!("{pattern}");
            };
            assert!(message.ends_with("is not UTF-8") && message.contains("caf"), "{pattern}: {message}");
            assert_eq!(hint.as_deref(), Some("rename it"));
        }
        // What the pattern does not fit is in nobody's way.
        assert_eq!(list_files(dir.path(), "data/*.jsonl").unwrap().len(), 1);
    }

    #[test]
    fn patterns_follow_links_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tree();
        let path = dir.path();
        fs::create_dir_all(&path.join("outside")).unwrap();
        fs::write(&path.join("outside/o.txt"), b"").unwrap();
        symlink("..", path.join("data/sub/up")).unwrap();
        symlink(".", path.join("data/self")).unwrap();
        symlink("../outside", path.join("data/out")).unwrap();
        let all = ["data/[x].txt", "data/a.txt", "data/b.txt", "data/out/o.txt", "data/sub/c.txt"];
        for pattern in ["data/**/*.txt", "**/data/**/*.txt"] {
            assert_eq!(names(path, pattern), all, "{pattern}");
        }
        assert_eq!(names(path, "data/**"), names(path, "data"));
        assert_eq!(names(path, "data/*/*.txt"), ["data/out/o.txt", "data/sub/c.txt"]);
        // A link that is named is followed.
        assert_eq!(names(path, "data/self/a*.txt"), ["data/self/a.txt"]);
    }

    #[test]
    fn parts_of_patterns_mean_what_they_meant() {
        let dir = tree();
        fs::create_dir_all(&dir.path().join("data/.git/x")).unwrap();
        fs::write(&dir.path().join("data/.git/x/c.txt"), b"").unwrap();
        let seen = ["data/[x].txt", "data/a.txt", "data/b.txt", "data/d.jsonl"];
        assert_eq!(names(dir.path(), "data/*.*"), seen);
        assert_eq!(names(dir.path(), "data/.h*"), ["data/.hidden"]);
        assert_eq!(names(dir.path(), "data/[[]x].txt"), ["data/[x].txt"]);
        assert_eq!(names(dir.path(), "data/../data/./?.txt"), ["data/../data/a.txt", "data/../data/b.txt"]);
        assert_eq!(names(dir.path(), "*/"), names(dir.path(), "data"));
        assert_eq!(names(dir.path(), "data/**/**/c.txt"), ["data/sub/c.txt"]);
        assert_eq!(names(dir.path(), "data/.g*/**/c.txt"), ["data/.git/x/c.txt"]);
        let whole = format!("{}/d*/[ab].txt", dir.path().display());
        assert_eq!(names(dir.path(), &whole), ["data/a.txt", "data/b.txt"]);
        assert!(find(dir.path(), "data/x**/y").unwrap_err().0.contains("not a glob pattern"));
        assert_eq!(find(Path::new(""), "src/fil*s.rs").unwrap(), [Path::new("src/files.rs")]);
        assert_eq!(find(Path::new(""), "sr[c]/**/files.rs").unwrap(), [Path::new("src/files.rs")]);
    }
}
