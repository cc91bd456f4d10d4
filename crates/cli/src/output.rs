//! How results and errors reach the user: data on stdout, talk on stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use regimen_base::{Hint, shell_quoted};

use crate::args::Global;
use crate::terminal;

/// Exit codes: 0 fine, 1 a check failed, 2 error, 130 interrupted.
pub const CHECK_FAILED: u8 = 1;
/// Something went wrong.
pub const ERROR: u8 = 2;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// An error for the user: the message, its causes, and a hint.
#[derive(Debug)]
pub struct Fault {
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    pub code: u8,
}

impl Fault {
    #[allow(clippy::new_ret_no_self, reason = "every caller gives it back as the error that it is")]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        let hint = Some(hint.into());
        anyhow::Error::msg(Fault { message: message.into(), causes: Vec::new(), hint, code: ERROR })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Turns a room's error into an anyhow one without losing its hint.
pub trait Explain<T> {
    fn explain(self) -> anyhow::Result<T>;
}

impl<T, E: Hint> Explain<T> for Result<T, E> {
    fn explain(self) -> anyhow::Result<T> {
        self.map_err(|error| fault(&error, error.hint()))
    }
}

/// The same for a step on folders, whose way out are options instead of fields of a recipe.
pub fn explain_step<T>(done: regimen_corpus::Result<T>) -> anyhow::Result<T> {
    done.map_err(|error| fault(&error, error.hint_of_step()))
}

fn fault(error: &dyn std::error::Error, hint: Option<String>) -> anyhow::Error {
    let message = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let causes = unsaid(&message, causes);
    anyhow::Error::msg(Fault { hint, message, causes, code: ERROR })
}

/// The causes that a message does not quote already, whatever its capitals and without the system's number.
fn unsaid(message: &str, causes: Vec<String>) -> Vec<String> {
    let plain = |text: &str| text.split(" (os error").next().unwrap_or(text).to_lowercase();
    let said = plain(message);
    causes.into_iter().filter(|cause| !said.contains(&plain(cause))).collect()
}

/// A stage's failure as an error for the user. An interruption is no error, but ends the program with its own code.
pub fn failed(failure: &regimen_base::Failure) -> anyhow::Error {
    let message = failure.to_string();
    let causes = unsaid(&message, failure.causes());
    let (code, hint) = if regimen_recipe::is_interrupted(failure) {
        (INTERRUPTED, Some(format!("continue with `{}`", command_line())))
    } else {
        (ERROR, failure.hint())
    };
    anyhow::Error::msg(Fault { hint, message, causes, code })
}

/// Whether an error is that the user asked to stop.
pub fn is_interruption(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.code == INTERRUPTED)
}

/// The program as it was called, so that what is suggested can be copied: a bare name, or a path relative to here.
pub fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "regimen".into());
    let here = std::env::current_dir().map(|dir| format!("{}/", dir.display())).unwrap_or_default();
    called.strip_prefix(&here).unwrap_or(&called).to_string()
}

/// A path as it is best named here: relative to the current folder if it lies below it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// The command line that was typed, quoted for a shell.
pub fn command_line() -> String {
    let rest = std::env::args().skip(1).map(|arg| shell_quoted(&arg));
    std::iter::once(program()).chain(rest).collect::<Vec<_>>().join(" ")
}

/// Whether stderr shows colours.
pub fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Text in an ANSI colour on a terminal.
pub fn paint(code: &str, text: &str) -> String {
    if coloured() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

/// A line of talk on stderr, unless quiet; later, if a view has the terminal. A closed stderr is nobody's problem.
pub fn say(global: &Global, text: impl AsRef<str>) {
    if !global.quiet && !terminal::hold(text.as_ref()) {
        let _ = writeln!(io::stderr(), "{}", text.as_ref());
    }
}

/// Data on stdout with a line feed.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref()).map_err(unwritten)
}

/// stdout could not be written to. A reader that went away is no fault: [`report`] knows it.
pub fn unwritten(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return error.into();
    }
    Fault::new(
        format!("cannot write to stdout: {error}"),
        "send the output somewhere else, or free some space",
    )
}

/// A value as JSON on stdout.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(harmless(&serde_json::to_string_pretty(value)?))?;
    Ok(())
}

/// The same JSON with nothing in it that commands the terminal: in its texts, where alone such characters can stand, control
/// characters and marks that turn the direction of writing are escaped (`\u009b`).
pub fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Line feeds and spaces between the values.
            '\n' => out.push(c),
            // All of them lie in the basic plane, so that four digits do.
            c if c.is_control() || turns(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character turns the direction of writing, or parts lines.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Print an error; gives back the exit code.
pub fn report(error: &anyhow::Error) -> u8 {
    if error
        .chain()
        .any(|e| e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
    {
        return 0;
    }
    let mut text = String::new();
    let fault = error.downcast_ref::<Fault>();
    if fault.is_some_and(|f| f.code == INTERRUPTED) {
        let _ = writeln!(io::stderr(), "{}", told(error));
        if let Some(hint) = fault.and_then(|f| f.hint.as_ref()) {
            let _ = writeln!(io::stderr(), "{} {}", paint("36", "hint:"), told(hint));
        }
        return INTERRUPTED;
    }
    text.push_str(&format!("{} {}\n", paint("31;1", "error:"), told(error)));
    let causes: Vec<String> = match fault {
        Some(fault) => fault.causes.clone(),
        None => error.chain().skip(1).map(ToString::to_string).collect(),
    };
    causes.iter().for_each(|cause| text.push_str(&format!("  caused by: {}\n", told(cause))));
    if let Some(hint) = fault.and_then(|f| f.hint.as_ref()) {
        text.push_str(&format!("\n{} {}\n", paint("36", "hint:"), told(hint)));
    }
    let _ = io::stderr().write_all(text.as_bytes());
    fault.map_or(ERROR, |f| f.code)
}

/// Print what is wrong with the command line, with the hint where all errors have it; gives back the exit code.
pub fn mistyped(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let (tips, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("  tip: "));
    let mut hints: Vec<String> = tips.iter().map(|tip| tip.trim_start()[5..].to_string()).collect();
    let mut shown = String::new();
    for line in rest {
        if line.starts_with("For more information") {
            let more = format!("`{} --help` says more", program());
            hints.push(if hints.is_empty() { more } else { continue });
        } else if !(line.is_empty() && (shown.is_empty() || shown.ends_with("\n\n"))) {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    let mut text = format!("{}\n", shown.trim_end().replacen("error:", &paint("31;1", "error:"), 1));
    for (i, hint) in hints.iter().enumerate() {
        let before = if i == 0 { "\n" } else { "" };
        text.push_str(&format!("{before}{} {hint}\n", paint("36", "hint:")));
    }
    let _ = io::stderr().write_all(text.as_bytes());
    ERROR
}

/// What comes from files on one line, so that it cannot command the terminal: line feeds become `⏎`, tabs spaces, and other
/// control characters and marks that turn the direction of writing are escaped (`\u{1b}`).
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            c if c.is_control() || turns(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// A message of several lines, with what comes from files in it: [`plain`] but for its line feeds.
fn told(text: &impl ToString) -> String {
    text.to_string().split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Lines that hold what comes from files, each [`plain`].
pub fn plain_lines(lines: &[String]) -> String {
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// Columns of text, each cell [`plain`], padded to the widest cell; the columns in `right` are set flush right.
pub fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[i] - cell.chars().count());
            if i > 0 {
                text.push_str("  ");
            }
            if right.contains(&i) {
                text.push_str(&pad);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.push_str(&pad);
            }
        }
        text.trim_end().to_string()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let rows = vec![vec!["base".to_string(), "12".to_string()], vec!["tokenizer".into(), "3".into()]];
        assert_eq!(
            table(&["stage", "steps"], &rows, &[1]),
            "stage      steps\nbase          12\ntokenizer      3"
        );
    }

    #[test]
    fn what_comes_from_files_cannot_command_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\nc\td\u{202e}\r\u{9b}"), "a\\u{1b}[31mb⏎c d\\u{202e}\\u{d}\\u{9b}");
        assert_eq!(plain_lines(&["é\u{7}".into(), "x".into()]), "é\\u{7}\nx");
        let rows = vec![vec!["a\u{1b}".to_string(), "1".into()]];
        assert_eq!(table(&["source", "n"], &rows, &[1]), "source   n\na\\u{1b}  1");
    }

    #[test]
    fn json_is_the_same_value_without_what_commands_the_terminal() {
        let value = serde_json::json!({"a\u{9b}": "é\u{202e}\u{7f}\n\u{1b}\u{2067}\u{85}b", "n": [1, 2]});
        let text = harmless(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.contains("a\\u009b") && text.contains("é\\u202e\\u007f\\n\\u001b\\u2067\\u0085b"),
            "{text}"
        );
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || turns(c))));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_room_s_error_keeps_its_hint_and_does_not_repeat_its_cause() {
        let error = regimen_base::fs::read(Path::new("nowhere")).explain().unwrap_err();
        let fault = error.downcast_ref::<Fault>().unwrap();
        assert!(fault.hint.as_ref().unwrap().contains("check the path"));
        assert!(fault.message.contains("nowhere"));
    }
}
