//! Patterns for names of files and objects, a part between two `/` at a time.

use glob::{MatchOptions, Pattern, PatternError};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: true,
};

/// A part of a pattern between two `/`.
#[derive(Clone, Debug)]
pub enum Part {
    /// A name as it is.
    Plain(String),
    /// Names that fit.
    Names(Pattern),
    /// `**`: the folder itself and all below it.
    Folders,
}

impl Part {
    /// The part as it is written.
    ///
    /// # Errors
    /// For what is no pattern.
    pub fn new(text: &str) -> Result<Part, PatternError> {
        Ok(match text {
            "**" => Part::Folders,
            _ if is_pattern(text) => Part::Names(Pattern::new(text)?),
            _ => Part::Plain(text.into()),
        })
    }

    /// Whether the part means a file or folder of this name. A name that begins with a dot is meant only by a part that
    /// begins with one, too.
    pub fn means(&self, name: &str) -> bool {
        match self {
            Part::Plain(own) => own == name,
            // For the library the `*` of `*.*` may be nothing, and its dot that of a hidden name.
            Part::Names(pattern) => {
                (!is_hidden(name) || pattern.as_str().starts_with('.')) && pattern.matches_with(name, OPTIONS)
            }
            Part::Folders => !is_hidden(name),
        }
    }
}

/// Whether a path is a pattern rather than a name.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The parts of a whole pattern.
///
/// # Errors
/// For what is no pattern.
pub fn parts<'p>(components: impl Iterator<Item = &'p str>) -> Result<Vec<Part>, PatternError> {
    let mut parts = components.map(Part::new).collect::<Result<Vec<Part>, _>>()?;
    parts.dedup_by(|a, b| matches!((a, b), (Part::Folders, Part::Folders)));
    if let Some(Part::Folders) = parts.last() {
        // By itself `**` means folders alone, and the files beside them would silently be left out.
        parts.push(Part::new("*")?);
    }
    Ok(parts)
}

/// Whether a pattern means a file with these folders and this name: itself, or a folder that it lies in. What is hidden in
/// such a folder is not meant.
pub(crate) fn means(parts: &[Part], names: &[&str]) -> bool {
    // Whether the parts that were looked at, from the last on, mean the names from each on: with a choice at every `**`, asking
    // for one name after the other would take exponential time.
    let mut fits: Vec<bool> =
        (0..=names.len()).map(|from| !names[from..].iter().any(|name| is_hidden(name))).collect();
    for part in parts.iter().rev() {
        let mut with = vec![false; fits.len()];
        for (at, name) in names.iter().enumerate().rev() {
            with[at] = match part {
                Part::Folders => fits[at] || (with[at + 1] && part.means(name)),
                _ => fits[at + 1] && part.means(name),
            };
        }
        fits = with;
    }
    fits[0]
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_files_and_folders() {
        let means = |pattern: &str, path: &str| {
            means(&parts(pattern.split('/')).unwrap(), &path.split('/').collect::<Vec<_>>())
        };
        for (pattern, path) in [
            ("a/*.gz", "a/b.gz"),
            ("a/*", "a/b/c.gz"),
            ("a/*/c", "a/b/c"),
            ("a/*/c", "a/b/c/d"),
            ("**/c", "c"),
            ("**/c", "a/b/c"),
            ("a/**", "a/b"),
            ("a/**", "a/b/c"),
            ("a/**/d.*", "a/b/c/d.e"),
            ("**/**/**/b", "a/b"),
            (".a/*", ".a/b"),
            ("a/.*", "a/.b"),
            ("[ab]/?", "b/c"),
        ] {
            assert!(means(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("a/*.gz", "a/b.gzip"),
            ("a/*.gz", "a/b/c.gz"),
            ("a/*/c", "a/c"),
            ("a/*", "a/.b"),
            ("a/*", "a/b/.c"),
            ("a/*.*", "a/.b"),
            ("**/c", "a/.b/c"),
            ("a/**", "a"),
            ("a/**/b", "a/c"),
            ("A/*", "a/b"),
        ] {
            assert!(!means(pattern, path), "{pattern} {path}");
        }
        // All ways to share these names out among the `**` would never end.
        let deep = ["x/y"; 250].join("/");
        let pattern = ["**/x/**/y"; 12].join("/");
        assert!(means(&format!("{pattern}/**/*"), &deep) && !means(&format!("{pattern}/**/z"), &deep));
        assert!(parts("a/[b".split('/')).is_err() && parts("a/***".split('/')).is_err());
    }
}
