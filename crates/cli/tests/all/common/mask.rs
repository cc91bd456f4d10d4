//! What differs from run to run is masked before a text is compared with its snapshot.

use crate::common::{Done, Project};

/// A command, how it ended, and what it printed, for a snapshot.
pub fn shown(project: &Project, args: &[&str]) -> String {
    let done = project.run(args);
    format!("$ regimen {}\n{}", args.join(" "), ended(project, &done))
}

/// How a command ended and what it printed.
pub fn ended(project: &Project, done: &Done) -> String {
    let code = done.code.map_or("signal".into(), |code| code.to_string());
    let mut text = format!("exit {code}\n");
    for (name, stream) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
        if !stream.is_empty() {
            text.push_str(&format!("---- {name}\n{}\n", mask(project, stream)));
        }
    }
    text
}

/// Paths, hashes, times and measured numbers replaced by words in brackets; columns drawn together, for their width
/// follows what they hold.
pub fn mask(project: &Project, text: &str) -> String {
    let text = text
        .replace(env!("CARGO_BIN_EXE_regimen"), "regimen")
        .replace(&project.root().display().to_string(), "[PROJECT]")
        .replace(&project.home().display().to_string(), "[HOME]");
    text.lines().map(|one| line(one).trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// Stands for a word that goes.
const GONE: &str = "\0";

fn line(line: &str) -> String {
    if let Some((name, _)) = line.split_once("  regimen ").filter(|_| line.starts_with("fingerprint")) {
        return format!("{name}  [fingerprint]");
    }
    let mut masked = String::new();
    let indent = line.len() - line.trim_start().len();
    masked.push_str(&line[..indent]);
    let mut rest = &line[indent..];
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':';
        let length = if first == ' ' {
            rest.find(|c| c != ' ')
        } else if is_word(first) {
            rest.find(|c| !is_word(c))
        } else {
            Some(first.len_utf8())
        };
        let (piece, after) = rest.split_at(length.unwrap_or(rest.len()));
        rest = after;
        if first == ' ' {
            masked.push_str(if piece.len() > 1 { "  " } else { " " });
        } else {
            let bare = piece.trim_end_matches(['.', ':']);
            masked.push_str(&word(bare));
            masked.push_str(&piece[bare.len()..]);
        }
    }
    let masked = masked.replace("[number]-", "[number]e-");
    // A number before a unit of time.
    let mut words: Vec<String> = masked.split(' ').map(String::from).collect();
    for i in 1..words.len() {
        let unit = words[i].trim_end_matches([',', '.', ')']);
        if matches!(unit, "ms" | "s") && words[i - 1].parse::<f64>().is_ok() {
            words[i] = words[i].replacen(unit, "[time]", 1);
            words[i - 1] = GONE.into();
        }
    }
    words.retain(|word| word != GONE);
    words.join(" ")
}

fn word(text: &str) -> String {
    let hex = |n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if hex(64) {
        "[hash]".into()
    } else if hex(8) || hex(32) {
        "[key]".into()
    } else if text.split(':').count() > 1 && text.split(':').all(digits) {
        "[time]".into()
    } else if text.split_once('.').is_some_and(|(whole, part)| {
        let mantissa = part.trim_end_matches('e');
        digits(whole) && digits(mantissa) && mantissa.len() > 2
    }) {
        "[number]".into()
    } else {
        text.into()
    }
}
