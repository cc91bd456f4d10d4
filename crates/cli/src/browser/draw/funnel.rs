//! The funnel: what each step took.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regimen_base::units;

use super::{put, put_styled, shorten, window};
use crate::browser::data::Step;
use crate::browser::state::State;
use crate::browser::text::plain;
use crate::terminal::Theme;

pub fn draw(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    let steps = &state.summary.steps;
    let name = usize::from(area.width).saturating_sub(22).clamp(8, 24);
    let head = format!("{:<name$} {:>9} {:>9}", "step", "dropped", "left");
    put(frame, area, 0, Span::styled(head, theme.head()));
    // The words of the selected step stand below.
    let foot = if area.height >= 8 { 3 } else { 0 };
    let height = usize::from(area.height).saturating_sub(1 + foot);
    let first = window(state.step, steps.len(), height);
    let most = steps.first().map_or(1, |step| step.left).max(1);
    for (line, (i, step)) in steps.iter().enumerate().skip(first).take(height).enumerate() {
        let text = row(step, name, most, area.width, theme);
        if i == state.step {
            put_styled(frame, area, 1 + line as u16, text, theme.selected());
        } else {
            put(frame, area, 1 + line as u16, text);
        }
    }
    if let (true, Some(step)) = (foot > 0, steps.get(state.step)) {
        let text = if step.text.is_empty() {
            let more = if state.summary.limited { "; reading stopped at limit_bytes" } else { "" };
            format!("{} were read{more}", units::plural(step.left, "document"))
        } else {
            plain(&step.text)
        };
        let wide = usize::from(area.width);
        put(frame, area, area.height - 2, Line::from(shorten(&text, wide)));
        let left = format!("{} of text left", units::bytes(step.bytes));
        put(frame, area, area.height - 1, Span::styled(left, theme.soft()));
    }
}

fn row(step: &Step, name: usize, most: u64, width: u16, theme: Theme) -> Line<'static> {
    let dropped = if step.reason.is_some() { step.dropped.to_string() } else { String::new() };
    let label = format!("{:<name$} {dropped:>9} {:>9} ", shorten(&plain(&step.name), name), step.left);
    let room = usize::from(width).saturating_sub(label.len() + 1);
    let mut spans = vec![Span::raw(label)];
    if room >= 8 {
        let full = (step.left as f64 / most as f64 * room as f64).round() as usize;
        // What this step took, at least a hair of it if there is any.
        let gone = (step.dropped as f64 / most as f64 * room as f64).round() as usize;
        let gone = if step.reason.is_some() && step.dropped > 0 { gone.max(1) } else { 0 };
        spans.push(Span::styled("█".repeat(full.min(room)), theme.kept()));
        spans.push(Span::styled("░".repeat(gone.min(room.saturating_sub(full))), theme.gone()));
    }
    Line::from(spans)
}
