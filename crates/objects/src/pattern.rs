//! From a URL with a pattern to the objects that it means.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::glob::{is_pattern, means, parts};
use crate::{Entry, Objects};

/// Whether a path of a recipe is the URL of an object rather than a path of a file.
pub fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && scheme != "file"
    })
}

/// The objects that a URL means, and the place that their names are below. The URL may be that of one object, of a
/// "folder" of them, or hold a pattern of either: `s3://bucket/crawl/*.jsonl.gz`. An object that is called as the pattern is
/// written is meant alone. What begins with `.` is passed over, as in folders.
///
/// # Errors
/// [`Error::NoObjects`] if nothing fits, [`Error::Pattern`] for what is no pattern, or one on a server that cannot list.
pub fn sources(url: &str) -> Result<(Objects, Vec<Entry>)> {
    let bad = |reason: String| Error::Pattern { pattern: url.into(), reason };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::Scheme { url: url.into() })?;
    if scheme.starts_with("http") {
        return of_web_server(url);
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let store = Objects::open(&format!("{scheme}://{host}"))?;
    let mut found;
    if is_pattern(path) {
        let folders = path.ends_with('/');
        let parts = parts(path.trim_end_matches('/').split('/')).map_err(|e| bad(e.msg.into()))?;
        let literal = &path[..path.find(['*', '?', '[']).unwrap_or(path.len())];
        let prefix = &literal[..literal.rfind('/').map_or(0, |at| at + 1)];
        found = without_marks(store.list(prefix)?);
        let exact = found.iter().any(|entry| entry.name == path);
        found.retain(|entry| {
            if exact {
                return entry.name == path;
            }
            let names: Vec<&str> = entry.name.split('/').collect();
            means(&parts, &names) && (!folders || means(&parts, &names[..names.len() - 1]))
        });
    } else {
        let name = path.trim_end_matches('/');
        let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
        found = without_marks(store.list(&prefix)?);
        found.retain(|entry| {
            let below = entry.name.strip_prefix(&prefix);
            below.is_some_and(|below| !below.split('/').any(|part| part.starts_with('.')))
        });
        if found.is_empty() && !path.ends_with('/') {
            found.extend(store.look(name)?);
        }
    }
    if found.is_empty() {
        return Err(Error::NoObjects { pattern: url.into() });
    }
    Ok((store, found))
}

/// Objects without the marks of folders that somebody made by hand: empty ones whose names end with `/`, which a listing may leave
/// out. Without it they are called as the folder that other objects lie in.
fn without_marks(mut found: Vec<Entry>) -> Vec<Entry> {
    let mut folders = HashSet::new();
    for entry in &found {
        let ends = entry.name.match_indices('/').map(|(at, _)| at).filter(|at| at + 1 < entry.name.len());
        folders.extend(ends.map(|at| entry.name[..at].to_string()));
    }
    found.retain(|entry| !(entry.name.ends_with('/') || entry.bytes == 0 && folders.contains(&entry.name)));
    found
}

/// The file that a URL of a web server means. It may be percent-encoded; what stands before the last `/` is asked for as it is
/// written.
fn of_web_server(url: &str) -> Result<(Objects, Vec<Entry>)> {
    let bad = |reason: &str| Error::Pattern { pattern: url.into(), reason: reason.into() };
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if rest.contains(['?', '#']) {
        return Err(bad(
            "a URL with a query (`?`) or fragment (`#`) is not read: fetch the file, and name it here",
        ));
    }
    let (folder, name) = rest.rsplit_once('/').unwrap_or((rest, ""));
    if rest.contains('*') || name.is_empty() {
        return Err(bad("a web server has no list of its files: name each"));
    }
    let name = decoded(name).ok_or_else(|| bad("the last part is not percent-encoded UTF-8"))?;
    if name.contains('/') {
        return Err(bad("the last part may not hold an encoded `/` (%2F)"));
    }
    let store = Objects::open(&format!("{scheme}://{folder}"))?;
    let found = store.look(&name)?.ok_or_else(|| Error::NoObjects { pattern: url.into() })?;
    Ok((store, vec![found]))
}

/// A percent-encoded text (RFC 3986, section 2.1); none if what it stands for is not UTF-8. A `%` without two digits is one.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((16 * high + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a URL means a "folder" that has a folder `inner` with objects in it. A pattern means none, and a web server is
/// not listed.
///
/// # Errors
/// What the store says.
pub fn holds(url: &str, inner: &str) -> Result<bool> {
    if is_pattern(url) || url.starts_with("http") {
        return Ok(false);
    }
    Objects::open(url)?.holds(&format!("{inner}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths() {
        assert!(is_url("s3://bucket/x") && is_url("https://host/a.gz"));
        assert!(!is_url("data/a.txt") && !is_url("://x") && !is_url("file:///a") && !is_url("/a:b"));
    }

    #[test]
    fn a_web_server_is_not_listed() {
        for (url, why) in [
            ("https://host/*.gz", "name each"),
            ("https://host/", "name each"),
            ("http://host", "name each"),
            ("https://host/x.parquet?download=true", "a query"),
            ("https://host/a%2Fb", "%2F"),
            ("https://host/a%ff", "UTF-8"),
        ] {
            let error = sources(url).unwrap_err();
            assert!(matches!(error, Error::Pattern { .. }) && error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn marks_of_folders_are_no_objects() {
        let entries = |all: &[(&str, u64)]| -> Vec<Entry> {
            let entry = |&(name, bytes): &(&str, u64)| Entry { name: name.into(), bytes, tag: String::new() };
            all.iter().map(entry).collect()
        };
        let all = [("a", 0), ("a/b", 0), ("a/b/c.gz", 7), ("a/d", 0), ("e", 7), ("e/f", 7), ("g/", 0)];
        let left = [("a/b/c.gz", 7), ("a/d", 0), ("e", 7), ("e/f", 7)];
        assert_eq!(without_marks(entries(&all)), entries(&left));
    }

    #[test]
    fn percent_encoding_is_undone() {
        for (text, found) in [("a%20b%C3%A9", "a bé"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("", "")] {
            assert_eq!(decoded(text).as_deref(), Some(found));
        }
    }
}
