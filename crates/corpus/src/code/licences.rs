//! Which licence a text is, which licence a file says that it has.
//!
//! A licence is told by its runs of five words: how many of those of the SPDX text occur in the file. `known.txt` has the
//! runs as hashes, of long texts only a fixed share of them. Licences that forbid something are in it too, so that they are
//! not taken for the free ones that they were made from.

use std::collections::HashSet;
use std::sync::LazyLock;

use spdx::Expression;

/// Words in a run.
const RUN: usize = 5;
/// Share of a licence's runs that must be in a text. In short ones names of holders and firms differ.
const LEAST: f64 = 0.8;
/// Share of a text's runs that may belong to no known licence. What is longer might say anything.
const UNKNOWN: f64 = 0.2;
/// The same for those of which only some runs are kept, which are long and carry no names.
const LEAST_LONG: f64 = 0.9;
/// Bytes of a licence file that are looked at; the longest known licence has 35 KB.
pub(crate) const LICENCE_BYTES: usize = 1 << 20;
/// Bytes of a source file in which it may name its licence.
const HEADER_BYTES: usize = 8 << 10;

/// A licence as its runs of words.
struct Known {
    id: &'static str,
    /// One run of how many is kept.
    one_of: u32,
    runs: Vec<u32>,
}

/// A line for each: SPDX id, one run of how many is kept, their hashes.
const TABLE: &str = include_str!("known.txt");

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let parse = |line: &'static str| {
        let mut words = line.split(' ');
        let (id, one_of) = (words.next()?, words.next()?.parse().ok()?);
        Some(Known {
            id,
            one_of,
            runs: words.filter_map(|word| u32::from_str_radix(word, 16).ok()).collect(),
        })
    };
    TABLE.lines().filter_map(parse).collect()
});

/// What only licences say that forbid something. A known free text with such words added is not that licence any more.
const RESTRICTIONS: [&str; 8] = [
    "commons clause",
    "non commercial",
    "noncommercial",
    "not for commercial",
    "good not evil",
    "for commercial purposes is prohibited",
    "may not be used commercially",
    "commercial use is not permitted",
];

/// The licences of a text by their SPDX ids, several where it holds several, none where it is unknown. The texts of the
/// GNU licences do not say whether later versions count, so the id is that of the version alone (`GPL-3.0-only`).
pub fn identify(text: &str) -> Vec<&'static str> {
    let all = runs(text);
    let mut left = all.clone();
    let mut found = Vec::new();
    loop {
        // The one that explains most of the text. What it explains is taken away, so that a part of it is not found too.
        let mut best: Option<(f64, usize)> = None;
        for (at, known) in KNOWN.iter().enumerate() {
            let met = known.runs.iter().filter(|run| left.contains(run)).count() as f64;
            let share = met / known.runs.len() as f64;
            let least = if known.one_of > 1 { LEAST_LONG } else { LEAST };
            let score = share.powi(6) * met * f64::from(known.one_of);
            if share >= least && best.is_none_or(|(most, _)| score > most) {
                best = Some((score, at));
            }
        }
        let Some((_, at)) = best else { break };
        for run in &KNOWN[at].runs {
            left.remove(run);
        }
        found.push(at);
    }
    // Where a long licence was found, only its kept runs are known, so only such runs are counted.
    let one_of = found.iter().map(|&at| KNOWN[at].one_of).max().unwrap_or(1);
    let count = |runs: &HashSet<u32>| runs.iter().filter(|run| *run % one_of == 0).count() as f64;
    if count(&left) > UNKNOWN * count(&all) {
        return Vec::new();
    }
    found.sort_unstable();
    let ids: Vec<&str> = found.iter().map(|&at| KNOWN[at].id).collect();
    if !ids.is_empty() && !ids.iter().any(|id| id.contains("-NC") || *id == "JSON" || *id == "BUSL-1.1") {
        let words = plain_words(text);
        // Some speak of noncommercial use themselves, and allow it.
        let own = ids.iter().any(|id| id.contains("GPL") || matches!(*id, "Unlicense" | "SSPL-1.0"));
        if RESTRICTIONS.iter().any(|phrase| words.contains(phrase) && !(own && phrase.starts_with("non"))) {
            return Vec::new();
        }
    }
    ids
}

/// The words of a text in lower case, a space behind each.
fn plain_words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '.').filter(|word| !word.is_empty()) {
        words.push_str(&word.to_lowercase());
        words.push(' ');
    }
    words
}

/// Hashes of all runs of words in a text, without the lines that name a holder.
fn runs(text: &str) -> HashSet<u32> {
    let mut words: Vec<u64> = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(');
        let start = bare.get(..9).unwrap_or(bare).to_ascii_lowercase();
        if start == "copyright" || start.starts_with("(c)") {
            continue;
        }
        words.extend(
            line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(word_hash),
        );
    }
    words.windows(RUN).map(run_hash).collect()
}

/// FNV-1a of a word in lower case; both spellings of licence are one.
fn word_hash(word: &str) -> u64 {
    let lower = word.to_lowercase();
    let word = match lower.as_str() {
        "licence" => "license",
        "licences" => "licenses",
        other => other,
    };
    word.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn run_hash(words: &[u64]) -> u32 {
    let mixed = words
        .iter()
        .fold(0u64, |hash, word| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

/// The licence that the first lines of a source file name, as an SPDX expression: by the line
/// `SPDX-License-Identifier:`, or by the usual notice of a known licence.
pub fn in_header(text: &str) -> Option<String> {
    let mut end = text.len().min(HEADER_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let mut named: Vec<String> = head.lines().filter_map(spdx_line).collect();
    named.dedup();
    match named.len() {
        0 => notice(head).map(Into::into),
        1 => named.pop(),
        _ => Some(named.iter().map(|one| enclosed(one)).collect::<Vec<_>>().join(" AND ")),
    }
}

/// An expression that may stand beside another.
pub(super) fn enclosed(expression: &str) -> String {
    if expression.contains(" OR ") { format!("({expression})") } else { expression.into() }
}

fn spdx_line(line: &str) -> Option<String> {
    const NAME: &str = "SPDX-License-Identifier:";
    let value = line[line.find(NAME)? + NAME.len()..].trim();
    let end = ["*/", "-->", "#}", "*)", "--}}", "]]", "\"", "'", "`"]
        .iter()
        .filter_map(|end| value.find(end))
        .min();
    let value = value[..end.unwrap_or(value.len())].trim();
    expression(value)
}

/// An expression in the spelling of SPDX.
fn expression(value: &str) -> Option<String> {
    if value.is_empty() || value.len() > 300 {
        return None;
    }
    if Expression::parse(value).is_ok() {
        return Some(value.into());
    }
    let near = Expression::canonicalize(value).ok().flatten()?;
    Expression::parse(&near).is_ok().then_some(near)
}

/// By the words of the notices that the licences ask to put into files.
fn notice(head: &str) -> Option<&'static str> {
    let words = plain_words(head);
    let has = |phrase: &str| words.contains(phrase);
    let later = has("any later version") || has("or later");
    let gnu = [
        (
            "gnu affero general public license",
            [("3", "AGPL-3.0-only", "AGPL-3.0-or-later"), ("", "", ""), ("", "", "")],
        ),
        (
            "gnu lesser general public license",
            [
                ("2.1", "LGPL-2.1-only", "LGPL-2.1-or-later"),
                ("3", "LGPL-3.0-only", "LGPL-3.0-or-later"),
                ("2", "LGPL-2.1-only", "LGPL-2.1-or-later"),
            ],
        ),
        (
            "gnu library general public license",
            [("2", "LGPL-2.0-only", "LGPL-2.0-or-later"), ("", "", ""), ("", "", "")],
        ),
        (
            "gnu general public license",
            [
                ("3", "GPL-3.0-only", "GPL-3.0-or-later"),
                ("2", "GPL-2.0-only", "GPL-2.0-or-later"),
                ("", "", ""),
            ],
        ),
    ];
    for (name, versions) in gnu {
        if !has(name) {
            continue;
        }
        for (version, only, or_later) in versions.iter().filter(|v| !v.0.is_empty()) {
            let said = [
                format!("version {version} "),
                format!("version {version}. "),
                format!("version {version}.0 "),
                format!("v{version} "),
            ];
            if said.iter().any(|said| has(said)) {
                return Some(if later { or_later } else { only });
            }
        }
        return None;
    }
    if has("licensed under the apache license version 2.0") {
        Some("Apache-2.0")
    } else if has("mozilla public license v. 2.0") || has("mozilla public license version 2.0") {
        Some("MPL-2.0")
    } else if has("distributed under the boost software license version 1.0") {
        Some("BSL-1.0")
    } else if has("permission is hereby granted free of charge to any person obtaining a copy")
        && has("the above copyright notice")
    {
        Some("MIT")
    } else if has("redistribution and use in source and binary forms with or without modification") {
        Some(if has("neither the name") { "BSD-3-Clause" } else { "BSD-2-Clause" })
    } else if has("released into the public domain") && has("unlicense") {
        Some("Unlicense")
    } else {
        None
    }
}

/// Whether a file's name says that it holds a licence: `LICENSE`, `COPYING.LESSER`, `LICENSE-MIT.txt`, `UNLICENSE`, and
/// all of a folder `LICENSES`.
pub fn is_licence_file(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or("").to_lowercase();
    if parts.next().is_some_and(is_licence_folder) {
        return true;
    }
    let stem =
        ["license", "licence", "copying", "unlicense", "unlicence", "copyright", "licenses", "licences"]
            .iter()
            .find_map(|stem| name.strip_prefix(stem));
    let text = |rest: &str| {
        matches!(
            rest,
            "" | ".txt"
                | ".md"
                | ".rst"
                | ".html"
                | ".lesser"
                | ".lib"
                | ".apache"
                | ".mit"
                | ".bsd"
                | ".gpl"
        )
    };
    stem.is_some_and(|rest| text(rest) || rest.starts_with(['-', '_']) && !is_source(rest))
        || name.ends_with("-license")
        || name.ends_with("-license.txt")
        || name.ends_with(".license")
}

/// Whether a name is that of code which only speaks of licences: `license_check.py`.
fn is_source(name: &str) -> bool {
    super::languages::language(name, "")
        .is_some_and(|language| !matches!(language, "Text" | "Markdown" | "HTML" | "reStructuredText"))
}

/// Whether a folder holds licence files alone (REUSE has `LICENSES`).
pub(super) fn is_licence_folder(name: &str) -> bool {
    matches!(name.to_lowercase().as_str(), "licenses" | "licences")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text of a licence in the SPDX list. That of LGPL-3.0 has the GPL behind it, which files do not.
    fn text(id: &str) -> &'static str {
        let text = spdx::license_id(id).unwrap().text();
        if id != "LGPL-3.0-only" {
            return text;
        }
        &text[..text.find("GNU GENERAL PUBLIC LICENSE\n").unwrap()]
    }

    fn sketch(id: &str, one_of: u32) -> Vec<u32> {
        let mut kept: Vec<u32> = runs(text(id)).into_iter().filter(|run| run % one_of == 0).collect();
        kept.sort_unstable();
        kept
    }

    const IDS: [&str; 41] = [
        "MIT",
        "MIT-0",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "GPL-2.0-only",
        "GPL-3.0-only",
        "LGPL-2.0-only",
        "LGPL-2.1-only",
        "LGPL-3.0-only",
        "AGPL-3.0-only",
        "MPL-2.0",
        "ISC",
        "0BSD",
        "Unlicense",
        "CC0-1.0",
        "BSL-1.0",
        "Zlib",
        "EPL-2.0",
        "Artistic-2.0",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "Python-2.0",
        "WTFPL",
        "CC-BY-3.0",
        "CC-BY-SA-3.0",
        "CC-BY-ND-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-NC-ND-4.0",
        "BSD-4-Clause",
        "X11",
        "JSON",
        "EPL-1.0",
        "MPL-1.1",
        "Apache-1.1",
        "SSPL-1.0",
        "BUSL-1.1",
        "OFL-1.1",
        "EUPL-1.2",
        "CPL-1.0",
    ];

    /// Of long licences, one run of so many is kept.
    const MANY: u32 = 16;

    /// The table as it stands in `known.txt`.
    fn table() -> String {
        let line = |id: &&str| {
            let all = runs(text(id)).len() as u32;
            let one_of = if all < 300 { 1 } else { MANY };
            let hashes: String = sketch(id, one_of).iter().map(|run| format!(" {run:08x}")).collect();
            format!("{id} {one_of}{hashes}\n")
        };
        IDS.iter().map(line).collect()
    }

    #[test]
    fn the_table_is_what_the_texts_give() {
        let table = table();
        if TABLE != table {
            let path = std::env::temp_dir().join("known.txt");
            std::fs::write(&path, &table).unwrap();
            panic!(
                "the table differs from the texts of the SPDX list; the right one is in {}",
                path.display()
            );
        }
    }

    #[test]
    fn every_known_licence_is_told_by_its_text() {
        for id in IDS {
            assert_eq!(identify(text(id)), [id], "{id}");
            // Wrapped otherwise, in capitals, with a holder and a comment sign.
            let words: Vec<&str> = text(id).split_whitespace().collect();
            let lines: Vec<String> =
                words.chunks(9).map(|line| format!(" * {}", line.join(" ").to_uppercase())).collect();
            let again = format!("/* Copyright (c) 2020 Some Body\n{}\n*/", lines.join("\n"));
            assert_eq!(identify(&again), [id], "{id}");
        }
        assert_eq!(identify(&format!("{}\n\n{}", text("MIT"), text("Apache-2.0"))), ["MIT", "Apache-2.0"]);
        let clause = format!("\"Commons Clause\" License Condition v1.0\n\n{}", text("Apache-2.0"));
        assert_eq!(identify(&clause), [""; 0]);
        assert_eq!(identify("All rights reserved. You may not copy this."), [""; 0]);
        assert_eq!(identify(text("MIT").split_once("The above").unwrap().0), [""; 0]);
    }

    #[test]
    fn licences_that_are_not_known_are_not_taken_for_others() {
        for id in [
            "CC-BY-NC-3.0",
            "CC-BY-NC-2.0",
            "PolyForm-Noncommercial-1.0.0",
            "MS-PL",
            "PostgreSQL",
            "OSL-3.0",
            "CDDL-1.0",
            "Artistic-1.0",
            "GFDL-1.3-only",
            "NCSA",
            "HPND",
        ] {
            let found = identify(text(id));
            assert!(found.is_empty(), "{id} is taken for {found:?}");
        }
    }

    #[test]
    fn headers() {
        for (head, expected) in [
            ("// SPDX-License-Identifier: MIT OR Apache-2.0\nfn main() {}", Some("MIT OR Apache-2.0")),
            (
                "/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */",
                Some("GPL-2.0-only WITH Linux-syscall-note"),
            ),
            ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->", Some("CC-BY-4.0")),
            ("# SPDX-License-Identifier: LicenseRef-Own", Some("LicenseRef-Own")),
            ("# SPDX-License-Identifier: nonsense words", None),
            (
                "# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC OR 0BSD",
                Some("MIT AND (ISC OR 0BSD)"),
            ),
            ("/*\n * Licensed under the Apache License, Version 2.0 (the \"License\");", Some("Apache-2.0")),
            (
                "# it under the terms of the GNU General Public License as published by\n# the Free Software Foundation; either version 2 of the License, or\n# (at your option) any later version.",
                Some("GPL-2.0-or-later"),
            ),
            ("; GNU Lesser General Public License version 2.1", Some("LGPL-2.1-only")),
            (
                "// This Source Code Form is subject to the terms of the Mozilla Public\n// License, v. 2.0.",
                Some("MPL-2.0"),
            ),
            ("int main() { return 0; }", None),
            ("", None),
        ] {
            assert_eq!(in_header(head).as_deref(), expected, "{head}");
        }
        let late = " ".repeat(HEADER_BYTES) + "\n// SPDX-License-Identifier: MIT";
        assert_eq!(in_header(&late), None);
    }

    #[test]
    fn names_of_licence_files() {
        for name in [
            "LICENSE",
            "a/LICENCE.txt",
            "COPYING",
            "COPYING.LESSER",
            "LICENSE-MIT",
            "license_apache.txt",
            "UNLICENSE",
            "x/LICENSES/MIT.txt",
            "lib-LICENSE",
        ] {
            assert!(is_licence_file(name), "{name}");
        }
        for name in ["src/licence.rs", "license.py", "README", "copying.c", "licenses.json"] {
            assert!(!is_licence_file(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "(\\PC|\n|copyright|SPDX-License-Identifier: ?|MIT| AND | OR |\\(|\\)){0,60}") {
            if let Some(found) = in_header(&text) {
                prop_assert!(Expression::parse(&found).is_ok(), "{}", found);
            }
            identify(&text);
        }
    }
}
