//! What the run had to say about itself.

use crate::facts::Facts;
use crate::html::Html;
use crate::log::NOTES;
use crate::words::grouped;

/// Notes and warnings in the order they came.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let notes = &facts.log.notes;
    if notes.is_empty() {
        return;
    }
    html.el("ul", &[("class", "notes")], |h| {
        for note in notes {
            let warning = note.level == "warning";
            h.el("li", &[("class", if warning { "warning" } else { "info" })], |h| {
                if warning {
                    h.leaf("b", &[], "Warning");
                    h.text(" ");
                }
                if let Some(step) = note.step {
                    h.leaf("span", &[], &format!("step {}", grouped(step as f64)));
                    h.text(" ");
                }
                h.text(&note.text);
            });
        }
    });
    if facts.log.all_notes > NOTES {
        let more = facts.log.all_notes - NOTES;
        let words = format!("{} more are in events.jsonl.", grouped(more as f64));
        html.leaf("p", &[("class", "remark")], &words);
    }
}
