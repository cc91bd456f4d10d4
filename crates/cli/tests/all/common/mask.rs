//! What differs from run to run is masked before a text is compared with its snapshot.

use crate::common::Project;

/// Paths, hashes, times and measured numbers replaced by words in brackets.
pub fn mask(project: &Project, text: &str) -> String {
    let text = text
        .replace(&project.root().display().to_string(), "[PROJECT]")
        .replace(&project.home().display().to_string(), "[HOME]");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn line(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        masked.push_str(&rest[..start]);
        rest = &rest[start..];
        let word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':' || c == '+';
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        let (token, full_stop) = token.strip_suffix('.').map_or((token, ""), |token| (token, "."));
        masked.push_str(&word_of(token));
        masked.push_str(full_stop);
        rest = after;
    }
    masked.push_str(rest);
    // A duration and its unit.
    ["ms", "s"].iter().fold(masked, |text, unit| text.replace(&format!("[n] {unit}"), "[time]"))
}

fn word_of(token: &str) -> String {
    let hex = |n: usize| token.len() == n && token.bytes().all(|b| b.is_ascii_hexdigit());
    if hex(64) {
        return "[hash]".into();
    }
    if hex(8) || hex(32) {
        return "[short]".into();
    }
    let decimals = token.split_once('.').is_some_and(|(whole, part)| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(part) && part.len() > 2
    });
    if decimals { "[n]".into() } else { token.into() }
}
