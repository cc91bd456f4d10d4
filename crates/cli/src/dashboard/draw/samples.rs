//! What the model wrote at a step.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::dashboard::data::Run;
use crate::dashboard::state::{Facts, State};
use crate::terminal::Theme;
use crate::terminal::paint::{lines as wrapped, plain, put};

/// The lines of the samples that are shown, each with whether it is a prompt.
pub fn lines(run: &Run, state: &State, facts: &Facts) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let Some((_, samples)) = run.samples.get(state.sample_at(facts)) else { return found };
    let columns = usize::from(state.size.0).saturating_sub(2).max(1);
    for sample in samples {
        if !found.is_empty() {
            found.push((String::new(), false));
        }
        for (text, prompt) in [(&sample.prompt, true), (&sample.text, false)] {
            found.extend(wrapped(text, columns).into_iter().map(|range| (plain(&text[range]), prompt)));
        }
    }
    found
}

pub fn draw(frame: &mut Frame, area: Rect, run: &Run, state: &State, facts: &Facts, theme: Theme) {
    let at = state.sample_at(facts);
    let Some((step, _)) = run.samples.get(at) else {
        put(frame, area, 0, "no sample was written yet; `samples` of a `pretrain` stage asks for some");
        return;
    };
    let newest = if state.sample.is_none() { ", the newest" } else { "" };
    let head = format!("step {step} ({} of {}{newest})", at + 1, run.samples.len());
    put(frame, area, 0, Span::styled(head, theme.head()));
    let all = lines(run, state, facts);
    let height = usize::from(area.height).saturating_sub(1);
    let top = state.scroll.min(all.len().saturating_sub(height));
    for (line, (text, prompt)) in all.into_iter().skip(top).take(height).enumerate() {
        // Signs, for a screen that shows no weight.
        let sign = if prompt { "> " } else { "  " };
        let style = if prompt { theme.head() } else { Default::default() };
        put(
            frame,
            area,
            1 + line as u16,
            Line::from(vec![Span::styled(sign, theme.soft()), Span::styled(text, style)]),
        );
    }
}
