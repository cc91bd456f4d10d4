//! From a URL with a pattern to the objects that it means.

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
/// "folder" of them, or hold a pattern of either: `s3://bucket/crawl/*.jsonl.gz`. What begins with `.` is passed over, as in
/// folders.
///
/// # Errors
/// [`Error::NoObjects`] if nothing fits, [`Error::Pattern`] for what is no pattern, or one on a server that cannot list.
pub fn sources(url: &str) -> Result<(Objects, Vec<Entry>)> {
    let bad = |reason: String| Error::Pattern { pattern: url.into(), reason };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::Scheme { url: url.into() })?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let store = Objects::open(&format!("{scheme}://{host}"))?;
    let wild = is_pattern(path);
    if scheme.starts_with("http") && (wild || path.is_empty() || path.ends_with('/')) {
        return Err(bad("a web server has no list of its files: name each".into()));
    }
    let mut found = Vec::new();
    if wild {
        let folders = path.ends_with('/');
        let parts = parts(path.trim_end_matches('/').split('/')).map_err(|e| bad(e.msg.into()))?;
        let literal = &path[..path.find(['*', '?', '[']).unwrap_or(path.len())];
        let prefix = &literal[..literal.rfind('/').map_or(0, |at| at + 1)];
        found = store.list(prefix)?;
        found.retain(|entry| {
            let names: Vec<&str> = entry.name.split('/').collect();
            means(&parts, &names) && (!folders || means(&parts, &names[..names.len() - 1]))
        });
    } else {
        let name = path.trim_end_matches('/');
        if !scheme.starts_with("http") {
            let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
            found = store.list(&prefix)?;
            found.retain(|entry| !entry.name[prefix.len()..].split('/').any(|part| part.starts_with('.')));
        }
        if found.is_empty() && !path.ends_with('/') {
            found.extend(store.look(name)?);
        }
    }
    // Stores have entries for folders that somebody made by hand.
    found.retain(|entry| !entry.name.ends_with('/'));
    if found.is_empty() {
        return Err(Error::NoObjects { pattern: url.into() });
    }
    Ok((store, found))
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
        for url in ["https://host/*.gz", "https://host/", "http://host"] {
            let error = sources(url).unwrap_err();
            assert!(matches!(error, Error::Pattern { .. } | Error::NoCloud { .. }), "{error}");
        }
    }
}
