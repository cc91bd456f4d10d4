//! One spelling for the URLs of one page.
//!
//! RFC 3986, section 6 ("Normalization and Comparison"), as far as it is cheap and safe, and two habits of web corpora (Dolma and
//! RefinedWeb deduplicate by URL; both spell them alike first): the scheme and a leading `www.` do not count. What is done, in order:
//!
//! 1. Whitespace and control characters at both ends are cut; what has no host is given back like that.
//! 2. The fragment (`#...`) goes.
//! 3. The scheme goes if it is `http` or `https` (in any case), and so do the slashes of a URL that begins with `//`. Other
//!    schemes stay, in lower case.
//! 4. User and password (`user@`) go.
//! 5. The host becomes lower case; `www.` at its head goes while a dot is left, and dots and colons at its end.
//! 6. The default port of a stated scheme goes (80 of `http`, 443 of `https`), and an empty one; any other stays.
//! 7. Slashes at the end of the path go.
//! 8. An empty query (`?` alone) goes.
//! 9. Percent escapes are written with upper-case digits, and those of letters, digits, `-`, `.`, `_` and `~` are
//!    resolved (RFC 3986, 6.2.2), unless that would make another escape with a `%` before them.
//!
//! The path and the query keep their case, and parameters keep their order: servers may tell them apart.

use super::hash::hash128;

/// Neither part of a URL nor visible.
fn blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The spelling by which URLs are compared. Any text is accepted; `normalise(normalise(u)) == normalise(u)`.
pub fn normalise(url: &str) -> String {
    let whole = url.trim_matches(blank);
    let url = whole.split_once('#').map_or(whole, |(before, _)| before).trim_end_matches(blank);
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), url),
    };
    let rest =
        if url.starts_with("//") || rest.len() < url.len() { rest.trim_start_matches('/') } else { rest };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).trim_end_matches(end_of_host);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, port)
        }
        _ => (host, ""),
    };
    let host = host.to_lowercase();
    let mut host = host.trim_start_matches(blank).trim_end_matches(end_of_host);
    while let Some(shorter) = host.strip_prefix("www.").filter(|host| host.contains('.')) {
        host = shorter.trim_start_matches(blank);
    }
    if host.is_empty() {
        return whole.into();
    }
    let mut out = String::with_capacity(url.len());
    if !matches!(scheme.as_str(), "" | "http" | "https") {
        out.push_str(&scheme);
        out.push_str("://");
    }
    out.push_str(host);
    if !matches!((scheme.as_str(), port), (_, "") | ("http", "80") | ("https", "443")) {
        out.push(':');
        out.push_str(port);
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    escapes(path.trim_end_matches(|c| c == '/' || blank(c)), &mut out);
    if !query.is_empty() {
        out.push('?');
        escapes(query, &mut out);
    }
    out
}

/// What is compared of a URL; none if it names nothing, as an empty one or a scheme alone.
pub fn key(url: &str) -> Option<u128> {
    let normal = normalise(url);
    let parts = normal.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let behind = parts.map_or(&*normal, |(_, behind)| behind);
    let named = behind.split('#').next().unwrap_or_default().contains(char::is_alphanumeric);
    named.then(|| hash128(normal.as_bytes(), 0))
}

/// What may stand behind a host without being a part of it.
fn end_of_host(c: char) -> bool {
    matches!(c, '.' | ':') || blank(c)
}

fn is_scheme(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Appends `text` with its percent escapes in their plainest form. A hexadecimal digit stays escaped behind a `%` that it would
/// make an escape of (`%4%31` is the text `%41` to a server, not `A`).
fn escapes(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.as_bytes().first_chunk::<2>().filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some([high, low]) = digits else {
            out.push('%');
            rest = after;
            continue;
        };
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
        let byte = value(*high) << 4 | value(*low);
        let bare = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let begun = match out.as_bytes() {
            [.., b'%'] => true,
            [.., b'%', digit] => digit.is_ascii_hexdigit(),
            _ => false,
        };
        if bare && !(begun && byte.is_ascii_hexdigit()) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([*high, *low].map(|digit| char::from(digit.to_ascii_uppercase())));
        }
        rest = &after[2..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_like_nothing() {
        for none in ["", "  ", "http://", "https:///", "//", "ftp://", "\u{85}", "?", "#a"] {
            assert_eq!(key(none), None, "{none}");
        }
        assert_eq!(key("HTTP://www.a.b/"), key("a.b"));
        assert!(key("a.b").is_some() && key("http://a.b/share?u=http://").is_some());
    }
    use proptest::prelude::*;

    #[test]
    fn one_page_has_one_spelling() {
        for url in [
            "example.org/A/b?x=1",
            "http://example.org/A/b?x=1",
            "HTTPS://WWW.Example.ORG/A/b?x=1#part",
            "//example.org/A/b/?x=1",
            "http://example.org:80/A/b///?x=1",
            "https://user:secret@example.org./A/%62?x=1",
            "  http://www.example.org:/A/b?x=1\n",
            "http://www.example.org :80:/A/b?x=1",
        ] {
            assert_eq!(normalise(url), "example.org/A/b?x=1", "{url}");
        }
        assert_eq!(normalise("http://example.org/"), normalise("https://www.example.org?"));
    }

    #[test]
    fn what_a_server_may_tell_apart_stays_apart() {
        for (url, want) in [
            ("http://example.org:8080/", "example.org:8080"),
            ("http://example.org:443/", "example.org:443"),
            ("https://example.org/a?b=2&a=1", "example.org/a?b=2&a=1"),
            ("https://example.org/Page%2fx%e4", "example.org/Page%2Fx%E4"),
            ("ftp://www.example.org/f", "ftp://example.org/f"),
            ("https://www.com/", "www.com"),
            ("https://www.www.example.org/", "example.org"),
            ("example.org:443", "example.org:443"),
            ("http://[2001:DB8::1]:80/x", "[2001:db8::1]/x"),
            ("https://example.org/50%/100%zz", "example.org/50%/100%zz"),
            ("https://example.org/%4%31%41", "example.org/%4%31A"),
            ("https://example.org/?q=http://other.org/", "example.org?q=http://other.org/"),
            ("no url at all", "no url at all"),
            ("", ""),
            ("https://münchen.DE/ß", "münchen.de/ß"),
        ] {
            assert_eq!(normalise(url), want, "{url}");
        }
    }

    proptest! {
        #[test]
        fn a_second_time_changes_nothing(url in "((https?|ftp|HTTP)://)?(www\\.)?[a-zA0-9/.@:%? #&=é\\[\\]-]{0,30}|[aA 2:.@/W\\[\\]ΣİK]{0,12}|[%0-9a-f/?]{0,16}|\\PC{0,20}") {
            let once = normalise(&url);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn any_text_is_accepted(url in any::<String>()) {
            normalise(&url);
        }
    }
}
