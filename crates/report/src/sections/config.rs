//! The stage as it ran, with every default filled in, in the words of a recipe.

use std::fmt::Write;

use serde_json::Value;

use crate::facts::Facts;
use crate::html::Html;

/// The stage as TOML: pasted into a recipe, it makes the same artifact.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let info = &facts.info;
    let mut toml = format!("[{}]\nkind = {}\n", key(&info.stage), string(&info.kind));
    for (name, input) in &info.inputs {
        let _ = writeln!(toml, "{} = \"key:{input}\"", key(name));
    }
    if let Some(seed) = facts.own.as_ref().map(|m| m.seed).filter(|&seed| seed != 0) {
        let _ = writeln!(toml, "seed = {seed}");
    }
    for (name, field) in info.config.as_object().into_iter().flatten() {
        let known = ["kind", "seed"].contains(&name.as_str()) || info.inputs.contains_key(name);
        if !field.is_null() && !known {
            let _ = writeln!(toml, "{} = {}", key(name), value(field, 0));
        }
    }
    html.leaf(
        "p",
        &[("class", "remark")],
        "The stage with every default filled in, as a recipe would write it.",
    );
    html.el("pre", &[("tabindex", "0"), ("aria-label", "Configuration")], |h| {
        h.leaf("code", &[], toml.trim_end());
    });
}

/// Longest list or table written on one line.
const LINE: usize = 80;

fn value(json: &Value, depth: usize) -> String {
    match json {
        Value::Null => "\"\"".into(),
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| value(item, depth + 1)).collect();
            wrap('[', &items, ']', depth)
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, field)| !field.is_null());
            let fields: Vec<String> =
                fields.map(|(name, field)| format!("{} = {}", key(name), value(field, depth + 1))).collect();
            wrap('{', &fields, '}', depth)
        }
        other => other.to_string(),
    }
}

/// Short ones on one line, long ones with an item a line (TOML 1.1 allows that in tables, too).
fn wrap(open: char, items: &[String], close: char, depth: usize) -> String {
    let flat = items.join(", ");
    if items.is_empty() {
        format!("{open}{close}")
    } else if flat.len() <= LINE && !flat.contains('\n') {
        let space = if open == '{' { " " } else { "" };
        format!("{open}{space}{flat}{space}{close}")
    } else {
        let indent = "  ".repeat(depth + 1);
        let lines: String = items.iter().map(|item| format!("{indent}{item},\n")).collect();
        format!("{open}\n{lines}{}{close}", "  ".repeat(depth))
    }
}

fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.into() } else { string(name) }
}

/// A TOML basic string; JSON's escapes are a part of TOML's.
fn string(text: &str) -> String {
    Value::String(text.into()).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_toml() {
        let config = json!({"layers": 4, "rate": 3e-4, "name": "a\"b", "none": null, "odd key": [1, 2]});
        assert_eq!(value(&config, 0), r#"{ layers = 4, name = "a\"b", "odd key" = [1, 2], rate = 0.0003 }"#);
        let long = json!(["x".repeat(50), "y".repeat(50)]);
        assert_eq!(value(&long, 0), format!("[\n  \"{}\",\n  \"{}\",\n]", "x".repeat(50), "y".repeat(50)));
        assert_eq!(value(&json!([]), 0), "[]");
    }
}
