//! Drawing the state of the browser. Everything is said without colours, too.

mod document;
mod documents;
mod funnel;
mod rules;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::keys::KEYS;
use super::state::{Asked, State, View};
use crate::terminal::Theme;
use crate::terminal::paint::{self, plain, put, put_styled, shorten, window};

/// Draw all.
pub fn draw(frame: &mut Frame, state: &State, theme: Theme) {
    let area = frame.area();
    if area.height < 3 || area.width < 10 {
        put(frame, area, 0, "the window is too small");
        return;
    }
    put(frame, area, 0, title(state, theme, area.width));
    let body = Rect { y: 1, height: area.height - 2, ..area };
    match state.view {
        _ if let Some(top) = state.help => paint::help(frame, body, &KEYS, top, theme),
        View::Funnel => funnel::draw(frame, body, state, theme),
        View::Rules => rules::draw(frame, body, state, theme),
        View::Documents => documents::draw(frame, body, state, theme),
        View::Document => document::draw(frame, body, state, theme),
    }
    foot(frame, Rect { y: area.height - 1, height: 1, ..area }, state, theme);
}

fn title(state: &State, theme: Theme, width: u16) -> Line<'static> {
    let mut spans = Vec::new();
    let here = if state.view == View::Document { View::Documents } else { state.view };
    let tabs = [(View::Funnel, "1 Funnel"), (View::Rules, "2 Rules"), (View::Documents, "3 Documents")];
    for (view, name) in tabs {
        // Brackets, for a screen that shows no reversal.
        let (name, style) = if view == here {
            (format!("[{name}]"), theme.selected())
        } else {
            (format!(" {name} "), Style::new())
        };
        spans.push(Span::styled(name, style));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(width).saturating_sub(used + 2);
    let name = shorten(&plain(&state.summary.title), room);
    // A few letters of it say nothing.
    if room >= 12 {
        let gap = room - Span::raw(name.as_str()).width();
        spans.push(Span::raw(" ".repeat(gap + 1)));
        spans.push(Span::styled(name, theme.head()));
    }
    Line::from(spans)
}

fn foot(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    if let Some((asked, line)) = &state.prompt {
        let ask = match asked {
            Asked::Expression => "where: ",
            Asked::Words => "words: ",
        };
        // The end of what stands before the cursor is always seen.
        let room = usize::from(area.width).saturating_sub(ask.len() + 1);
        let before: Vec<char> = plain(&line.before()).chars().collect();
        let hidden = before.len().saturating_sub(room);
        let text: String = plain(&line.text()).chars().skip(hidden).collect();
        put(frame, area, 0, Line::from(vec![Span::styled(ask, theme.head()), Span::raw(text)]));
        let shown: String = before[hidden..].iter().collect();
        let x = area.x + (ask.len() + Span::raw(shown).width()) as u16;
        frame.set_cursor_position((x.min(area.right().saturating_sub(1)), area.y));
        return;
    }
    if let Some(note) = &state.note {
        put(frame, area, 0, Span::styled(plain(note), theme.limit()));
        return;
    }
    if let Some((what, share)) = state.work {
        let share = share.map(|share| format!(" {:.0} %", 100.0 * share)).unwrap_or_default();
        put(frame, area, 0, Span::styled(format!("{what}{share} .."), theme.head()));
        return;
    }
    put(frame, area, 0, Span::styled(hints(state, usize::from(area.width)), theme.soft()));
}

/// The keys that matter here: as many as there is room for.
fn hints(state: &State, width: usize) -> String {
    let keys: &[&str] = match state.view {
        _ if state.help.is_some() => return "any key: back".into(),
        View::Funnel => &["Enter documents", "Tab rules", "/ where", "s search", "q leave"],
        View::Rules => &["Enter documents", "j k other rules", "Tab documents", "q leave"],
        View::Documents => &["Enter open", "/ where", "s search", "t kept or dropped", "Esc back"],
        View::Document => {
            &["n N next mark", "Esc back", "v values", "a attribute", "r copy of", "← → others", "s search"]
        }
    };
    paint::hints(keys, width)
}
