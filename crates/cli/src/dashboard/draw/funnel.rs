//! What each step of curation left of the corpus that the run comes from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regimen_base::units;

use crate::dashboard::feed::Shown;
use crate::dashboard::funnel::Step;
use crate::dashboard::state::State;
use crate::terminal::Theme;
use crate::terminal::paint::{plain, put, put_styled, shorten, window};

pub fn draw(frame: &mut Frame, area: Rect, shown: &Shown, state: &State, theme: Theme) {
    let Some(steps) = shown.funnel.as_ref().filter(|steps| !steps.is_empty()) else {
        put(frame, area, 0, "no finished corpus stands behind this run yet");
        return;
    };
    let name = usize::from(area.width).saturating_sub(22).clamp(8, 24);
    put(
        frame,
        area,
        0,
        Span::styled(format!("{:<name$} {:>9} {:>9}", "step", "dropped", "left"), theme.head()),
    );
    // The words of the selected step stand below.
    let foot = if area.height >= 8 { 3 } else { 0 };
    let height = usize::from(area.height).saturating_sub(1 + foot);
    let at = state.step.min(steps.len() - 1);
    let first = window(at, steps.len(), height);
    let most = steps.iter().map(|step| step.documents).max().unwrap_or(0).max(1);
    for (line, i) in (first..steps.len()).take(height).enumerate() {
        let before = i.checked_sub(1).map(|before| steps[before].documents);
        let text = row(&steps[i], before, name, most, area.width, theme);
        if i == at {
            put_styled(frame, area, 1 + line as u16, text, theme.selected());
        } else {
            put(frame, area, 1 + line as u16, text);
        }
    }
    if foot > 0 {
        let step = &steps[at];
        let text = if step.reason.is_empty() { &step.name } else { &step.reason };
        put(frame, area, area.height - 2, Line::from(shorten(&plain(text), usize::from(area.width))));
        let left = format!("{} of text left", units::bytes(step.bytes));
        put(frame, area, area.height - 1, Span::styled(left, theme.soft()));
    }
}

fn row(step: &Step, before: Option<u64>, name: usize, most: u64, width: u16, theme: Theme) -> Line<'static> {
    let gone = before.map_or(0, |before| before.saturating_sub(step.documents));
    let dropped = if before.is_some() { gone.to_string() } else { String::new() };
    let label = format!("{:<name$} {dropped:>9} {:>9} ", shorten(&plain(&step.name), name), step.documents);
    let room = usize::from(width).saturating_sub(label.chars().count() + 1);
    let mut spans = vec![Span::raw(label)];
    if room >= 8 {
        let columns = |n: u64| (n as f64 / most as f64 * room as f64).round() as usize;
        let full = columns(step.documents).min(room);
        // What this step took, at least a hair of it if there is any.
        let gone = if gone > 0 { columns(gone).max(1) } else { 0 };
        spans.push(Span::styled("█".repeat(full), theme.kept()));
        spans.push(Span::styled("░".repeat(gone.min(room - full)), theme.gone()));
    }
    Line::from(spans)
}
