//! What the finished output in a folder was made of, so that the output of something else does not take its place by a slip of
//! the hand.

use std::path::{Component, Path, PathBuf};

use regimen_base::{Hash256, fs};
use regimen_objects::is_url;
use regimen_recipe::InputFile;
use serde::{Deserialize, Serialize};

use crate::dolma::folder::real;
use crate::error::{Error, Result};
use crate::output::NOTES;

/// What a step makes in a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// In words: `export of the corpus `c``.
    what: String,
    /// Hash of all that decides over the output but the content of the inputs.
    key: Hash256,
    /// The input files, relative to the folder, sorted. More of them may come.
    inputs: Vec<String>,
    /// What was written, relative to the folder, sorted.
    outputs: Vec<String>,
    /// What to do if the folder holds something else.
    #[serde(skip, default = "another_folder")]
    instead: &'static str,
}

/// What to do if a folder holds something else, where nothing better is known.
pub(crate) fn another_folder() -> &'static str {
    "name another folder"
}

impl Claim {
    /// Of `what` by `key` of the files `inputs`, to be made in `folder`.
    pub fn new<'f>(
        what: String,
        key: Hash256,
        inputs: impl IntoIterator<Item = &'f InputFile>,
        folder: &Path,
    ) -> Claim {
        let folder = real(folder);
        let input = |file: &InputFile| match is_url(&file.path) {
            // Where an object was brought to depends on its content.
            true => file.path.clone(),
            false => relative(&real(&file.full), &folder),
        };
        let inputs = inputs.into_iter().map(input).collect();
        Claim { what, key, inputs: sorted(inputs), outputs: Vec::new(), instead: another_folder() }
    }

    /// The same, for output that finds a place beside something else by doing `instead`.
    pub(crate) fn or(self, instead: &'static str) -> Claim {
        Claim { instead, ..self }
    }

    /// Check that `folder` holds no finished output of something else. A note of output that was taken away is forgotten, before
    /// files of the same names come.
    ///
    /// # Errors
    /// [`Error::OtherOutput`].
    pub fn check(&self, folder: &Path) -> Result<()> {
        let Some(there) = there(folder) else {
            if begun(folder).is_empty() {
                forget(folder, &[])?;
            }
            let note = place(folder);
            return if note.exists() { Ok(fs::remove_file(&note)?) } else { Ok(()) };
        };
        let lacks = there.inputs.iter().find(|input| self.inputs.binary_search(input).is_err());
        if there.key == self.key && lacks.is_none() {
            return Ok(());
        }
        let others = self.inputs.iter().find(|input| there.inputs.binary_search(input).is_err());
        let of = |input: &String| match is_url(input) {
            true => format!(" of `{input}`"),
            false => format!(" of `{}`", shown(&real(folder).join(input))),
        };
        // By what the two differ.
        let (one, other) = match there.key == self.key {
            true => {
                (lacks.map(of), others.map_or_else(|| Some(" without it".into()), |input| Some(of(input))))
            }
            false => {
                let other = if there.what == self.what { " with other rules or options" } else { "" };
                (Some(format!(" ({})", there.key.short())), Some(format!("{other} ({})", self.key.short())))
            }
        };
        Err(Error::OtherOutput {
            folder: folder.display().to_string(),
            there: format!("the {}{}", there.what, one.unwrap_or_default()),
            here: format!("the {}{}", self.what, other.unwrap_or_default()),
            instead: self.instead,
        })
    }

    /// Check that nothing whose names begin with `below` is finished in `folder`, whatever it was made of: that of a step which
    /// keeps its notes in another folder.
    ///
    /// # Errors
    /// [`Error::OtherOutput`].
    pub fn alone(&self, folder: &Path, below: &str) -> Result<()> {
        let Some(there) = there(folder) else { return Ok(()) };
        let at = |output: &String| output.starts_with(below) && folder.join(output).exists();
        if !there.outputs.iter().any(at) {
            return Ok(());
        }
        let (there, here) = (format!("the {}", there.what), format!("the {}", self.what));
        let folder = folder.display().to_string();
        Err(Error::OtherOutput { folder, there, here, instead: self.instead })
    }

    /// What is finished in `folder` and still there, relative to it.
    pub fn outputs(folder: &Path) -> Vec<String> {
        let outputs = there(folder).map(|there| there.outputs).unwrap_or_default();
        outputs.into_iter().filter(|output| folder.join(output).exists()).collect()
    }

    /// What is finished in `folder`, or begun to be put there, and still there, relative to it.
    pub(crate) fn placed(folder: &Path) -> Vec<String> {
        sorted(Claim::outputs(folder).into_iter().chain(begun(folder)).collect())
    }

    /// Say in `folder` that `files`, relative to it, are put there from now on, so that whoever is stopped on the way knows them
    /// again until they are settled.
    pub(crate) fn begin(folder: &Path, files: &[String]) -> Result<()> {
        fs::create_dir_all(&folder.join(NOTES))?;
        let all = sorted(begun(folder).iter().chain(files).cloned().collect());
        Ok(fs::write_json(&begun_place(folder), &all)?)
    }

    /// Say in `folder` that `outputs`, relative to it, are finished.
    pub fn settle(mut self, folder: &Path, outputs: impl IntoIterator<Item = String>) -> Result<()> {
        self.outputs = sorted(outputs.into_iter().chain(Claim::outputs(folder)).collect());
        fs::create_dir_all(&folder.join(NOTES))?;
        fs::remove_leftovers(&folder.join(NOTES));
        fs::write_json(&place(folder), &self)?;
        // What another format was stopped at is still only begun.
        let mut begun = begun(folder);
        begun.retain(|file| self.outputs.binary_search(file).is_err());
        forget(folder, &begun)
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join(NOTES).join("made.json")
}

/// The note of files that are begun to be put in their places.
fn begun_place(folder: &Path) -> PathBuf {
    folder.join(NOTES).join("rows.json")
}

/// What was begun to be put in a folder and is still there. A note that cannot be read says nothing.
fn begun(folder: &Path) -> Vec<String> {
    let begun: Vec<String> = fs::read_json(&begun_place(folder)).unwrap_or_default();
    begun.into_iter().filter(|file| folder.join(file).exists()).collect()
}

/// Forget what was begun but for these files.
fn forget(folder: &Path, but: &[String]) -> Result<()> {
    let note = begun_place(folder);
    // Anything else of that name is the note of a file.
    if fs::read_json::<Vec<String>>(&note).is_err() {
        return Ok(());
    }
    match but.is_empty() {
        true => Ok(fs::remove_file(&note)?),
        false => Ok(fs::write_json(&note, &but)?),
    }
}

/// What was made in a folder, if some of it is still there. A note that cannot be read says nothing.
fn there(folder: &Path) -> Option<Claim> {
    let claim: Claim = fs::read_json(&place(folder)).ok()?;
    claim.outputs.iter().any(|output| folder.join(output).exists()).then_some(claim)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// A path as it is best named here: relative to the current folder if it lies below it.
fn shown(path: &Path) -> String {
    let (path, here) = (spelled_out(path), spelled_out(Path::new("")));
    path.strip_prefix(&here).unwrap_or(&path).display().to_string()
}

/// A path as seen from a folder, however both are spelled: they may move together.
pub(crate) fn relative(path: &Path, folder: &Path) -> String {
    let (path, folder) = (spelled_out(path), spelled_out(folder));
    let (path, folder): (Vec<_>, Vec<_>) = (path.components().collect(), folder.components().collect());
    let same = path.iter().zip(&folder).take_while(|(a, b)| a == b).count();
    let up = folder[same..].iter().map(|_| Component::ParentDir);
    up.chain(path[same..].iter().copied()).collect::<PathBuf>().display().to_string()
}

/// An absolute path without `.` and `..`; nothing is the current folder.
pub(crate) fn spelled_out(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let mut out = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.into()).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &Path) -> InputFile {
        let (path, full) = (path.display().to_string(), path.into());
        InputFile { path, full, bytes: 0, blake3: Hash256::of(&[]) }
    }

    #[test]
    fn what_is_finished_is_not_replaced_by_something_else() {
        let dir = tempfile::tempdir().unwrap();
        let (out, web) = (dir.path().join("out"), dir.path().join("web"));
        let file = |name: &str| input(&web.join("documents").join(name));
        let of = |what: &str, key: &str, files: &[InputFile]| {
            Claim::new(format!("mix of `{what}`"), Hash256::of(key.as_bytes()), files, &out)
        };
        let one = of("web", "rules", &[file("0.jsonl"), file("1.jsonl")]);
        assert_eq!(one.inputs, ["../web/documents/0.jsonl", "../web/documents/1.jsonl"]);
        one.check(&out).unwrap();
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("0.jsonl"), "").unwrap();
        one.clone().settle(&out, ["0.jsonl".to_string()]).unwrap();
        one.check(&out).unwrap();
        // More input is no other mix.
        of("web", "rules", &[file("2.jsonl"), file("1.jsonl"), file("0.jsonl")]).check(&out).unwrap();
        let told = |claim: Claim| claim.check(&out).unwrap_err().to_string();
        let short = |key: &str| Hash256::of(key.as_bytes()).short();
        let other = told(of("wiki", "others", &[file("0.jsonl"), file("1.jsonl")]));
        for part in ["out`", "the mix of `web` (", "the mix of `wiki` (", &short("rules"), &short("others")] {
            assert!(other.contains(part), "{part}: {other}");
        }
        let other = told(of("web", "rules", &[file("1.jsonl"), file("2.jsonl")]));
        assert!(other.contains("web/documents/0.jsonl`, and") && other.contains("2.jsonl`"), "{other}");
        let fewer = told(of("web", "rules", &[file("1.jsonl")]));
        assert!(fewer.ends_with("this is the mix of `web` without it"), "{fewer}");
        // What was taken away is in nobody's way, nor when another step has begun and goes on.
        std::fs::remove_file(out.join("0.jsonl")).unwrap();
        let other = of("wiki", "others", &[]);
        other.check(&out).unwrap();
        std::fs::write(out.join("0.jsonl"), "begun").unwrap();
        other.check(&out).unwrap();
        // A step that keeps its notes elsewhere asks for its part of the folder.
        other.alone(&out, "documents/").unwrap();
        std::fs::create_dir(out.join("documents")).unwrap();
        std::fs::write(out.join("documents/0.jsonl"), "").unwrap();
        of("web", "rules", &[]).settle(&out, ["documents/0.jsonl".to_string()]).unwrap();
        other.alone(&out, "texts/").unwrap();
        let told = other.alone(&out, "documents/").unwrap_err().to_string();
        assert!(told.contains("the mix of `web`") && told.contains("the mix of `wiki`"), "{told}");
    }

    #[test]
    fn what_is_begun_is_known_until_it_is_settled_or_gone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let note = out.join(NOTES).join("rows.json");
        let claim = || Claim::new("export".into(), Hash256::of(b"k"), &[], out);
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        std::fs::write(out.join("a.jsonl"), "").unwrap();
        std::fs::write(out.join("b.jsonl"), "").unwrap();
        Claim::begin(out, &names(&["c.jsonl", "a.jsonl"])).unwrap();
        Claim::begin(out, &names(&["b.jsonl"])).unwrap();
        claim().check(out).unwrap();
        assert_eq!(Claim::placed(out), ["a.jsonl", "b.jsonl"]);
        // What is not finished with the rest stays begun.
        claim().settle(out, names(&["b.jsonl"])).unwrap();
        assert_eq!(begun(out), ["a.jsonl"]);
        claim().settle(out, names(&["a.jsonl"])).unwrap();
        assert!(!note.exists());
        assert_eq!(Claim::placed(out), ["a.jsonl", "b.jsonl"]);
        // What was taken away is not known when it comes again.
        Claim::begin(out, &names(&["a.jsonl"])).unwrap();
        std::fs::remove_file(out.join("a.jsonl")).unwrap();
        std::fs::remove_file(out.join("b.jsonl")).unwrap();
        claim().check(out).unwrap();
        assert!(!note.exists() && !place(out).exists());
        // The note of a file that is called so is another one.
        std::fs::write(&note, "{}").unwrap();
        claim().check(out).unwrap();
        claim().settle(out, names(&["rows"])).unwrap();
        assert!(note.exists());
    }

    #[cfg(unix)]
    #[test]
    fn inputs_are_what_they_are_however_they_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("web")).unwrap();
        std::fs::write(dir.path().join("web/0.jsonl"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("web"), dir.path().join("link")).unwrap();
        let of = |file: InputFile| {
            Claim::new("mix".into(), Hash256::of(b"k"), &[file], &dir.path().join("out")).inputs
        };
        let here = of(input(&dir.path().join("web/0.jsonl")));
        assert_eq!(here, of(input(&dir.path().join("link/0.jsonl"))));
        let object = |brought: &str| InputFile { path: "s3://b/0.jsonl".into(), ..input(Path::new(brought)) };
        assert_eq!(of(object("/x/1-0.jsonl")), of(object("/y/2-0.jsonl")));
    }
}
