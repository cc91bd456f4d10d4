//! The command, the recipe and the keys that lead to the same bytes again.

use std::path::Path;

use regimen_base::shell_quoted;

use crate::facts::Facts;
use crate::html::Html;

/// Command, recipe, keys.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let info = &facts.info;
    if !info.command.is_empty() {
        html.el("pre", &[("tabindex", "0"), ("aria-label", "Command")], |h| {
            h.leaf("code", &[], &command(&info.command));
        });
    }
    html.el("dl", &[("class", "keys")], |h| {
        let recipe = info.recipe.display().to_string();
        entry(h, "Recipe", &recipe);
        entry(h, "Run", &info.id);
        entry(h, "Key", &info.key.to_string());
        if let Some(own) = &facts.own {
            entry(h, "Payload", &own.payload.to_string());
        }
        for (name, key) in &info.inputs {
            entry(h, &format!("Input {name}"), &key.to_string());
        }
        entry(h, "Fingerprint", &info.fingerprint);
    });
    if facts.own.as_ref().is_some_and(|m| !m.bit_exact) {
        let words = "The run went on under another fingerprint than it began with: the same command makes the same \
                     artifact up to rounding, not bit for bit.";
        html.leaf("p", &[], words);
    }
}

fn entry(html: &mut Html, name: &str, value: &str) {
    if !value.is_empty() {
        html.leaf("dt", &[], name);
        html.el("dd", &[], |h| h.leaf("code", &[], value));
    }
}

/// The command line as one would type it; the program by its name alone.
fn command(words: &[String]) -> String {
    let program = words.first().map(Path::new).and_then(Path::file_name).map(|name| name.to_string_lossy());
    let rest = words.iter().skip(1).map(String::as_str);
    let all: Vec<String> = program.iter().map(AsRef::as_ref).chain(rest).map(shell_quoted).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let words = ["/usr/bin/regimen", "run", "a b.toml", "--set", "x=it's"].map(String::from);
        assert_eq!(command(&words), r"regimen run 'a b.toml' --set 'x=it'\''s'");
        assert_eq!(command(&[]), "");
    }
}
