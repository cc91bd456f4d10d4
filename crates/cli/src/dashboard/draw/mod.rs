//! Drawing the dashboard. Everything is said without colours, too.

mod curves;
mod funnel;
mod log;
mod samples;
mod system;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use regimen_base::units;

use super::feed::{Board, Shown};
use super::keys::KEYS;
use super::lines::number;
use super::state::{Place, State, TABS, Tab};
use crate::terminal::Theme;
use crate::terminal::paint::{self, plain, put, put_styled, shorten};

pub use samples::lines as sample_lines;

/// Columns of the progress bar.
const BAR: usize = 16;

/// Draw all.
pub fn draw(frame: &mut Frame, board: &Board, state: &State, theme: Theme) {
    let area = frame.area();
    if area.height < 5 || area.width < 20 {
        put(frame, area, 0, "the window is too small");
        return;
    }
    let shown = board.shown();
    put(frame, area, 0, title(board, state, theme, area.width));
    put(frame, area, 1, status(board, shown, theme, if area.width < 60 { BAR / 4 } else { BAR }));
    let body = Rect { y: 2, height: area.height - 3, ..area };
    match shown {
        _ if let Some(top) = state.help => paint::help(frame, body, &KEYS, top, theme),
        None => put(frame, body, 0, "no stage has begun yet"),
        Some(shown) => match state.tab {
            Tab::Curves => curves::draw(frame, body, shown, state, theme),
            Tab::Samples => samples::draw(frame, body, &shown.run, state, &board.facts(state), theme),
            Tab::Funnel => funnel::draw(frame, body, shown, state, theme),
            Tab::Log => log::draw(frame, body, shown, state, &board.facts(state), theme),
            Tab::System => system::draw(frame, body, board, shown, theme),
        },
    }
    if let Some(choice) = state.leaving {
        popup(frame, area, state, choice, theme);
    }
    foot(frame, Rect { y: area.height - 1, height: 1, ..area }, board, state, theme);
}

fn title(board: &Board, state: &State, theme: Theme, width: u16) -> Line<'static> {
    let mut spans = Vec::new();
    let all: usize = TABS.iter().map(|(_, name)| name.len() + 2).sum();
    for (tab, name) in TABS {
        // Brackets, for a screen that shows no reversal; numbers alone where there is no room for names.
        let (name, style) = if tab == state.tab {
            (format!("[{name}]"), theme.selected())
        } else {
            (format!(" {} ", if all > usize::from(width) { &name[..1] } else { name }), Style::new())
        };
        spans.push(Span::styled(name, style));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(width).saturating_sub(used + 2);
    let Some(shown) = board.shown() else { return Line::from(spans) };
    let name = if board.runs.len() > 1 {
        format!("{} ({} of {})", plain(&shown.id), board.shows + 1, board.runs.len())
    } else {
        plain(&shown.id)
    };
    let name = shorten(&name, room);
    // A few letters of it say nothing.
    if room >= 12 {
        let gap = room - Span::raw(name.as_str()).width();
        spans.push(Span::raw(" ".repeat(gap + 1)));
        spans.push(Span::styled(name, theme.head()));
    }
    Line::from(spans)
}

/// How the run stands, in one line.
fn status(board: &Board, shown: Option<&Shown>, theme: Theme, bar: usize) -> Line<'static> {
    let Some(shown) = shown else { return Line::default() };
    let run = &shown.run;
    let here = board.shows == board.work;
    let word = match (shown.status(), &board.over) {
        _ if shown.gone && run.lines.count(false) > 0 => "deleted",
        ("running", None) if here && board.pausing => "asked to pause",
        (_, Some(how)) if here => how,
        (word, _) => word,
    };
    let style = match word {
        "running" | "done" => theme.kept(),
        _ => theme.limit(),
    };
    let mut spans = vec![Span::styled(plain(word), style), Span::raw("  ")];
    if shown.behind && shown.progress.1 > 0 {
        let share = 100.0 * shown.progress.0 as f64 / shown.progress.1 as f64;
        spans.push(Span::styled(format!("reading the log {share:.0} %  "), theme.head()));
    }
    if shown.asked {
        spans.push(Span::styled("a request waits  ", theme.head()));
    }
    let (done, total) = run.done(shown.total());
    let unit = run.done.as_ref().map_or("steps", |done| done.unit.as_str());
    let show = |n: u64| if unit == "bytes" { units::bytes(n) } else { n.to_string() };
    let name = if unit == "bytes" { String::new() } else { format!("{} ", plain(unit)) };
    if total > 0 {
        let full = ((done as f64 / total as f64 * bar as f64).round() as usize).min(bar);
        spans.push(Span::styled("█".repeat(full), theme.kept()));
        spans.push(Span::styled("░".repeat(bar - full), theme.soft()));
        spans.push(Span::raw(format!(" {name}{}/{}", show(done), show(total))));
    } else if done > 0 {
        spans.push(Span::raw(format!("{name}{}", show(done))));
    }
    if let Some(loss) = run.value("loss") {
        spans.push(Span::raw(format!("  loss {}", number(loss))));
    }
    if let Some(pace) = run.value("tokens_per_second") {
        spans.push(Span::raw(format!("  {} tok/s", units::count(pace))));
    }
    match run.pace.left(done, total) {
        Some(left) if shown.status() == "running" => {
            spans.push(Span::raw(format!("  ETA {}", units::duration(left))));
        }
        _ => {}
    }
    Line::from(spans)
}

fn foot(frame: &mut Frame, area: Rect, board: &Board, state: &State, theme: Theme) {
    if let Some(note) = &state.note {
        put(frame, area, 0, Span::styled(plain(note), theme.limit()));
        return;
    }
    if let Some(trouble) = board.shown().and_then(|shown| shown.trouble.as_ref()) {
        put(
            frame,
            area,
            0,
            Span::styled(format!("the log cannot be read: {}", plain(trouble)), theme.limit()),
        );
        return;
    }
    if board.shown().is_some_and(|shown| shown.gone && shown.run.lines.count(false) > 0) {
        let text = "the folder of the run was deleted; this is what was read before";
        put(frame, area, 0, Span::styled(text, theme.limit()));
        return;
    }
    put(frame, area, 0, Span::styled(hints(board, state, usize::from(area.width)), theme.soft()));
}

/// The keys that matter here: as many as there is room for.
fn hints(board: &Board, state: &State, width: usize) -> String {
    if state.help.is_some() {
        return "any key: back".into();
    }
    let mut keys = Vec::new();
    match state.tab {
        Tab::Curves => keys.extend(["w whole", "+ - smooth", "l log", "x axis"]),
        Tab::Samples => keys.push("← → steps"),
        Tab::Log => keys.push("f numbers"),
        Tab::Funnel | Tab::System => {}
    }
    if board.is_alive() {
        let paused = board.pausing || board.runs.get(board.work).is_some_and(|shown| shown.run.paused);
        keys.extend([if paused { "p go on" } else { "p pause" }, "s stop"]);
        keys.extend((state.place == Place::Run).then_some("d detach"));
    }
    keys.extend((board.runs.len() > 1).then_some("[ ] stages"));
    keys.push("q leave");
    paint::hints(&keys, width)
}

/// Three ways to leave.
fn popup(frame: &mut Frame, area: Rect, state: &State, choice: usize, theme: Theme) {
    let width = 58.min(area.width);
    let height = 7.min(area.height);
    let rect = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    let blank = " ".repeat(usize::from(width));
    let edge = "─".repeat(usize::from(width).saturating_sub(2));
    for line in 0..height {
        frame.buffer_mut().set_stringn(rect.x, rect.y + line, &blank, usize::from(width), Style::reset());
    }
    put(frame, rect, 0, format!("┌{edge}┐"));
    put(frame, rect, 1, Line::from(vec![Span::raw("│ "), Span::styled("The run is at work.", theme.head())]));
    for (i, (text, _)) in state.choices().into_iter().enumerate() {
        let line = rect.y + 2 + i as u16;
        let mark = if i == choice { ">" } else { " " };
        let text = format!("│{mark}{} {text}", i + 1);
        if line + 1 < rect.bottom() {
            put_styled(
                frame,
                rect,
                line - rect.y,
                text,
                if i == choice { theme.selected() } else { Style::new() },
            );
        }
    }
    if height >= 7 {
        put(
            frame,
            rect,
            5,
            Line::from(vec![Span::raw("│ "), Span::styled("Enter or 1 2 3; Esc stays", theme.soft())]),
        );
    }
    put(frame, rect, height - 1, format!("└{edge}┘"));
    for line in 1..height.saturating_sub(1) {
        frame.buffer_mut().set_string(rect.right() - 1, rect.y + line, "│", Style::reset());
        frame.buffer_mut().set_string(rect.x, rect.y + line, "│", Style::reset());
    }
}
