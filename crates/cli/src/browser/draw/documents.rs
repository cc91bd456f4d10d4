//! The list of documents.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regimen_base::units;

use super::{put, put_styled, shorten};
use crate::browser::data::Row;
use crate::browser::state::State;
use crate::browser::text::plain;
use crate::terminal::Theme;

pub fn draw(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    put(frame, area, 0, Span::styled(what(state), theme.head()));
    let list = &state.list;
    for line in 0..state.list_height() {
        let number = list.top + line;
        if number >= list.len() {
            break;
        }
        let row = number.checked_sub(list.rows_at).and_then(|at| list.rows.get(at));
        let text = row.map_or(Line::from("  .."), |row| shown(row, usize::from(area.width), theme));
        if number == list.cursor {
            put_styled(frame, area, 1 + line as u16, text, theme.selected());
        } else {
            put(frame, area, 1 + line as u16, text);
        }
    }
    if list.found.as_ref().is_some_and(|_| list.len() == 0) {
        put(frame, area, 1, "none");
    }
}

/// What the list holds, in words.
fn what(state: &State) -> String {
    let (list, filter) = (&state.list, &state.list.filter);
    let done = list.found.as_ref().is_some_and(|(found, _)| found == filter);
    let mut text = match done {
        true if list.len() > 0 => {
            format!("{} of {}", list.cursor + 1, units::plural(list.len() as u64, "document"))
        }
        true => "0 documents".into(),
        false => "..".into(),
    };
    let reason = filter.reason.map(|reason| match reason.checked_sub(1) {
        None => "kept".to_string(),
        Some(at) => state
            .summary
            .reasons
            .get(usize::from(at))
            .map(|(name, text)| format!("{name} ({text})"))
            .unwrap_or_default(),
    });
    let source = filter.source.and_then(|source| state.summary.sources.get(usize::from(source)));
    let kept = filter.kept.map(|kept| if kept { "kept" } else { "dropped" }.to_string());
    let more = [
        kept,
        reason,
        source.map(|source| format!("source {source}")),
        filter.text.as_ref().map(|text| format!("words `{text}`")),
        filter.expression.as_ref().map(|text| format!("where {text}")),
    ];
    for part in more.into_iter().flatten() {
        text.push_str(" \u{b7} ");
        text.push_str(&plain(&part));
    }
    text
}

fn shown(row: &Row, width: usize, theme: Theme) -> Line<'static> {
    // The sign says what the colour says.
    let (sign, style) = if row.kept { ("+", theme.kept()) } else { ("-", theme.gone()) };
    let fate = if width >= 60 { 18 } else { 10 };
    let size = if width >= 60 { 9 } else { 0 };
    let name = width.saturating_sub(fate + size + 4);
    let size = if size > 0 { format!("{:>9}", units::bytes(row.bytes)) } else { String::new() };
    let shown = shorten(&plain(&row.name), name);
    let pad = name.saturating_sub(Span::raw(shown.as_str()).width());
    let fate = format!("{:<fate$}", shorten(&plain(&row.fate), fate));
    Line::from(vec![
        Span::styled(format!("{sign} {fate} "), style),
        Span::raw(shown),
        Span::raw(" ".repeat(pad)),
        Span::styled(size, theme.soft()),
    ])
}
