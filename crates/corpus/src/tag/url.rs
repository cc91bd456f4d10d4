//! Block lists of hosts and URLs.
//!
//! `list` names a file with one entry a line, in any of the forms that such lists have: a host, a URL, a line of a hosts
//! file (`0.0.0.0 host`), an Adblock rule for a host or a URL (`||host^`, `||host/path^`). Case does not matter, nor do
//! the scheme, `www.`, the query and a slash at the end. Comments (`#`, `;`, `!`) and Adblock rules of other kinds
//! (exceptions, elements, patterns) are passed over; a line that is none of all this is an error.
//!
//! The URL of a document is the text `url` of its metadata, or the one that `key` names.

use std::collections::HashSet;
use std::net::IpAddr;

use super::{Attribute, Document, Kind, Params, Scratch, Tagger, Tags, flag};
use crate::error::Result;
use crate::read::field;

static ATTRIBUTES: [Attribute; 2] = [
    flag("blocked_domain", "the host, or a domain that it belongs to, is listed"),
    flag("blocked_url", "the URL itself is listed"),
];

pub(super) static KIND: Kind = Kind {
    name: "url",
    aliases: &[],
    version: 2,
    about: "Block lists: `list` names a file of hosts and URLs, `key` the text of the metadata (`url`).",
    attributes: &ATTRIBUTES,
    make: |params| Ok(Box::new(Blocked::new(params)?)),
};

struct Blocked {
    key: String,
    hosts: HashSet<String>,
    /// Bytes of the longest of them.
    longest: usize,
    urls: HashSet<String>,
}

/// A URL's host and its path, in lower case: without scheme, user, port, `www.`, query, fragment, and the slash at the end.
fn parts(url: &str) -> (String, String) {
    let url = url.trim().to_lowercase();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let host = host.trim_end_matches('.');
    let host = host.strip_prefix("www.").unwrap_or(host);
    let path = path.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
    (host.into(), path.into())
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
}

impl Blocked {
    fn new(params: &Params) -> Result<Blocked> {
        params.only(&["list", "key"])?;
        let list = params
            .file("list")?
            .ok_or_else(|| params.wrong("list", "it is needed: a file of hosts and URLs"))?;
        let key = params.text("key")?.unwrap_or("url").to_string();
        let mut found = Blocked { key, hosts: HashSet::new(), longest: 0, urls: HashSet::new() };
        for (number, line) in list.lines().enumerate() {
            if !found.line(line.trim()) {
                return Err(params.wrong(
                    "list",
                    format!("line {}: `{}` is neither host nor URL", number + 1, line.trim()),
                ));
            }
        }
        Ok(found)
    }

    /// Take a line of a list; whether it is one.
    fn line(&mut self, line: &str) -> bool {
        let other = ["@@", "/", "|http", "-", "_", ".", "&", "?", "["];
        let comment = line.is_empty() || line.starts_with(['#', ';', '!']);
        if comment || line.contains("##") || line.contains("#@#") || line.contains('*') {
            return true;
        }
        if let Some(rule) = line.strip_prefix("||") {
            let end = rule.find(['^', '$', '|']).unwrap_or(rule.len());
            return self.entry(&rule[..end]);
        }
        let mut words = line.split(|c: char| c.is_whitespace()).filter(|word| !word.is_empty());
        let (first, second) = (words.next().unwrap_or(""), words.next());
        match second {
            // An address may name its zone: `fe80::1%lo0`.
            Some(host)
                if first.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok()) =>
            {
                let hosts = std::iter::once(host).chain(words).take_while(|word| !word.starts_with('#'));
                let mut fine = true;
                for host in hosts.filter(|host| !matches!(*host, "localhost" | "localdomain")) {
                    fine &= self.entry(host);
                }
                fine
            }
            Some(word) if !word.starts_with('#') => false,
            _ if other.iter().any(|start| first.starts_with(start)) => true,
            _ => self.entry(first),
        }
    }

    /// Take a host or URL.
    fn entry(&mut self, text: &str) -> bool {
        let (host, path) = parts(text);
        if !is_host(&host) {
            return false;
        }
        match path.as_str() {
            "" => {
                self.longest = self.longest.max(host.len());
                self.hosts.insert(host)
            }
            path => self.urls.insert(format!("{host}{path}")),
        };
        true
    }
}

impl Tagger for Blocked {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let Some(url) = field::text(document.metadata, &self.key) else { return };
        let (host, path) = parts(&url);
        let parents =
            std::iter::successors(Some(host.as_str()), |host| host.split_once('.').map(|(_, parent)| parent));
        // What is longer than all that are listed is not looked up: a name may be as long as a document.
        let mut parents = parents.filter(|parent| (1..=self.longest).contains(&parent.len()));
        if parents.any(|parent| self.hosts.contains(parent)) {
            out.value(0, 1.0);
        }
        if self.urls.contains(&format!("{host}{path}")) {
            out.value(1, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::{Set, Wanted};

    fn set(list: &str, key: Option<&str>) -> Result<Set> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.txt");
        std::fs::write(&path, list).unwrap();
        let mut params = serde_json::json!({"list": path}).as_object().unwrap().clone();
        if let Some(key) = key {
            params.insert("key".into(), key.into());
        }
        Set::new(&[Wanted { tagger: "url".into(), name: None, params }])
    }

    fn marks(set: &Set, metadata: &str) -> [bool; 2] {
        let mut out = Tags::default();
        set.tag("x", metadata, &mut Default::default(), &mut Scratch::default(), &mut out);
        [0, 1].map(|slot| !out.spans(slot).is_empty())
    }

    #[test]
    fn other_fields_have_no_say_and_names_of_any_length_take_linear_time() {
        let set = set("bad.org\n", None).unwrap();
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for other in ["1e999", &deep, r#""\ud83d""#] {
            let metadata = format!(r#"{{"n":{other},"url":"http://bad.org/x","\ud800":{other}}}"#);
            assert_eq!(marks(&set, &metadata), [true, false], "{other}");
        }
        assert_eq!(marks(&set, r#"{"url":"http://good.org","url":"http://bad.org"}"#), [true, false]);
        assert_eq!(marks(&set, r#"{"url":"http://bad.org","url":"http://good.org"}"#), [false, false]);
        for end in ["bad.org", "good.org"] {
            let long = format!(r#"{{"url":"http://{}{end}/"}}"#, "a.".repeat(2_000_000));
            assert_eq!(marks(&set, &long), [end == "bad.org", false]);
        }
    }

    #[test]
    fn every_form_of_entry_blocks() {
        let list = "# comment\n\nbad.org\n0.0.0.0 ads.net more.net # why\nfe80::1%lo0 localhost\n127.0.0.1 localhost\n||track.io^$third-party\n\
            ||site.com/evil^\nhttps://www.Page.de/A/b/?q=1#x\n! other\n@@||good.org^\nx.org##.banner\n/re[a-z]/\n*.any.org\n";
        let set = set(list, None).unwrap();
        let of = |url: &str| marks(&set, &format!(r#"{{"url":"{url}"}}"#));
        for url in [
            "http://bad.org",
            "https://www.bad.org:8080/x?y",
            "a.b.BAD.org",
            "u:p@ads.net/",
            "http://more.net.",
            "track.io/x",
        ] {
            assert_eq!(of(url), [true, false], "{url}");
        }
        for url in ["http://site.com/evil/", "page.de/a/b?z#t"] {
            assert_eq!(of(url), [false, true], "{url}");
        }
        for url in [
            "http://notbad.org",
            "org",
            "bad.org.de",
            "localhost",
            "site.com",
            "good.org",
            "any.org",
            "",
            "::1",
            "http://",
        ] {
            assert_eq!(of(url), [false, false], "{url}");
        }
        for none in ["", "{}", "[]", r#"{"url":3}"#] {
            assert_eq!(marks(&set, none), [false, false]);
        }
    }

    #[test]
    fn another_key_and_errors() {
        let set_ = set("bad.org", Some("source")).unwrap();
        assert_eq!(marks(&set_, r#"{"url":"x.org","source":"bad.org"}"#), [true, false]);
        let error = set("bad.org\nsome words here\n", None).err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(Set::new(&[Wanted::named("url")]).err().unwrap().to_string().contains("list"));
    }
}
