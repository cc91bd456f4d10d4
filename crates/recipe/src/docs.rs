//! The field tables as text: `regimen help stage KIND` and the page of all stages.

use std::fmt::Write;

use crate::kind::{Default, Field, Input, Registry, StageKind, Ty};

/// Widest line of the plain text.
const WIDTH: usize = 96;

/// Inputs and fields of a kind as plain text.
pub fn describe(kind: &StageKind) -> String {
    let mut out = format!("{}: {}\n", kind.kind, kind.about);
    if !kind.inputs.is_empty() {
        out.push_str("\nInputs (a stage's name, `key:...` or the path of an artifact):\n");
        for input in kind.inputs {
            let need = if input.required { "required" } else { "optional" };
            line(&mut out, 1, input.name, &format!("{}, {need}", accepted(input)), input.doc);
        }
    }
    if !kind.fields.is_empty() {
        out.push_str("\nFields:\n");
        fields(&mut out, kind.fields, 1);
    }
    if kind.seeded {
        out.push('\n');
        line(
            &mut out,
            1,
            "seed",
            "a whole number, default: the recipe's",
            "Seed of all random numbers of the stage.",
        );
    }
    out
}

fn accepted(input: &Input) -> String {
    format!("an artifact of kind {}", input.accepts.join(" or "))
}

fn fields(out: &mut String, all: &[Field], depth: usize) {
    for field in all {
        line(out, depth, field.name, &about(field), field.doc);
        if let Some(inner) = inner_fields(&field.ty) {
            fields(out, inner, depth + 1);
        }
    }
}

/// Type, default, and whether it is outside the key.
fn about(field: &Field) -> String {
    let mut text = field.ty.name();
    match default_text(field) {
        None => text.push_str(", required"),
        Some(default) if default.is_empty() => {}
        Some(default) => {
            let _ = write!(text, ", default {default}");
        }
    }
    if !field.keyed {
        text.push_str(", not part of the key");
    }
    text
}

/// The default as the recipe would write it; `None` if there is none, empty for a table of defaults.
fn default_text(field: &Field) -> Option<String> {
    match &field.default {
        Default::Required => None,
        Default::Json("null") => Some("none".into()),
        Default::Json("{}") => Some(String::new()),
        Default::Json(text) => Some((*text).into()),
        Default::By { json, others, .. } => {
            let others = others.iter().map(|(word, text)| format!("; {word} {text}"));
            Some(std::iter::once((*json).to_string()).chain(others).collect())
        }
    }
}

fn inner_fields(ty: &Ty) -> Option<&'static [Field]> {
    match ty {
        Ty::Table(fields) => Some(fields),
        Ty::List(inner) | Ty::Maybe(inner) => inner_fields(inner),
        _ => None,
    }
}

fn line(out: &mut String, depth: usize, name: &str, about: &str, doc: &str) {
    let inner = "  ".repeat(depth + 2);
    wrap(out, &"  ".repeat(depth), &inner, &format!("{name}: {about}"));
    wrap(out, &inner, &inner, doc);
}

/// A text in lines of at most [`WIDTH`] characters, of which the first begins with `first` and the others with `next`.
fn wrap(out: &mut String, first: &str, next: &str, text: &str) {
    let (mut row, mut begun) = (first.to_string(), false);
    for word in text.split_whitespace() {
        if begun && row.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{row}");
            (row, begun) = (next.to_string(), false);
        }
        if begun {
            row.push(' ');
        }
        row.push_str(word);
        begun = true;
    }
    if begun {
        let _ = writeln!(out, "{row}");
    }
}

/// All kinds with their inputs and fields as Markdown, one section each.
pub fn markdown(registry: &Registry) -> String {
    let mut out = String::new();
    for kind in registry.all() {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "## {}\n\n{}", kind.kind, kind.about);
        if !kind.inputs.is_empty() {
            out.push_str("\n| input | takes | needed | meaning |\n|---|---|---|---|\n");
            for input in kind.inputs {
                let need = if input.required { "yes" } else { "no" };
                let _ = writeln!(
                    out,
                    "| `{}` | {} | {need} | {} |",
                    input.name,
                    accepted(input),
                    cell(input.doc)
                );
            }
        }
        if !kind.fields.is_empty() || kind.seeded {
            out.push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
            rows(&mut out, kind.fields, "");
            if kind.seeded {
                out.push_str(
                    "| `seed` | a whole number | the recipe's | Seed of all random numbers of the stage. |\n",
                );
            }
        }
    }
    out
}

fn rows(out: &mut String, all: &[Field], path: &str) {
    for field in all {
        let name = crate::check::join(path, field.name);
        let default = match default_text(field) {
            None => "required".into(),
            Some(text) if text.is_empty() || text == "none" => text,
            Some(text) => format!("`{}`", cell(&text)),
        };
        let key = if field.keyed { "" } else { " Not part of the key." };
        let _ =
            writeln!(out, "| `{name}` | {} | {default} | {}{key} |", cell(&field.ty.name()), cell(field.doc));
        if let Some(inner) = inner_fields(&field.ty) {
            rows(out, inner, &name);
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
