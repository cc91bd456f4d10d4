//! Rules and attributes, and the histogram of the selected one: kept documents above the axis, dropped ones below, the
//! thresholds as lines through both.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use regimen_base::units::short;
use regimen_corpus::inspect::Histogram;

use super::{put, put_styled, shorten, window};
use crate::browser::data::{Measured, Picture};
use crate::browser::state::State;
use crate::browser::text::plain;
use crate::terminal::Theme;

/// Columns of the list beside the histogram.
const LIST: u16 = 30;
/// Parts of a column, from none to all.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

pub fn draw(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    let Some(measure) = state.summary.measures.get(state.rule) else {
        put(frame, area, 0, "no rule and no tagger measured the documents");
        return;
    };
    let (list, picture) = if area.width >= 70 {
        let right = Rect { x: area.x + LIST + 1, width: area.width - LIST - 1, ..area };
        (Rect { width: LIST, ..area }, right)
    } else {
        let height = (area.height / 3).max(1);
        let below = Rect { y: area.y + height, height: area.height - height, ..area };
        (Rect { height, ..area }, below)
    };
    names(frame, list, state, theme);
    histogram(frame, picture, measure, state.pictures.get(state.rule), theme);
}

fn names(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    let measures = &state.summary.measures;
    let height = usize::from(area.height);
    let first = window(state.rule, measures.len(), height);
    for (line, (i, measure)) in measures.iter().enumerate().skip(first).take(height).enumerate() {
        // A sign for those that drop something.
        let sign = if measure.limits.is_empty() { "  " } else { "│ " };
        let name = shorten(&plain(&measure.name), usize::from(area.width).saturating_sub(3));
        let text = Line::from(vec![Span::styled(sign, theme.limit()), Span::raw(name)]);
        if i == state.rule {
            put_styled(frame, area, line as u16, text, theme.selected());
        } else {
            put(frame, area, line as u16, text);
        }
    }
}

fn histogram(frame: &mut Frame, area: Rect, measure: &Measured, picture: Option<&Picture>, theme: Theme) {
    let wide = usize::from(area.width);
    put(frame, area, 0, Span::styled(shorten(&plain(&measure.name), wide), theme.head()));
    let mut head = 1;
    if !measure.doc.is_empty() && area.height >= 12 {
        put(frame, area, 1, Span::styled(shorten(&plain(&measure.doc), wide), theme.soft()));
        head = 2;
    }
    let histogram = match picture {
        Some(Picture::There(Some(histogram))) => histogram,
        Some(Picture::There(None)) => return put(frame, area, head, "no document has this number"),
        _ => return put(frame, area, head, "being measured .."),
    };
    // Two panels, the axis between them, its numbers and the thresholds below.
    let rest = area.height.saturating_sub(head + 4).min(area.height / 3);
    let limits = (measure.limits.len() as u16).min(rest);
    let room = area.height.saturating_sub(head + limits + 2);
    let (above, below) = (room.div_ceil(2), room / 2);
    let columns = Columns::new(histogram, measure, wide);
    if above > 0 {
        panel(
            frame,
            Rect { y: area.y + head, height: above, ..area },
            &columns.kept,
            &columns,
            theme.kept(),
            theme,
        );
    }
    put(frame, area, head + above, Line::from(columns.axis(theme)));
    if below > 0 {
        let rect = Rect { y: area.y + head + above + 1, height: below, ..area };
        panel(frame, rect, &columns.dropped, &columns, theme.gone(), theme);
    }
    put(frame, area, head + room + 1, ends(histogram, columns.kept.len()));
    for (i, (limit, falls)) in
        measure.limits.iter().zip(&histogram.falls).take(usize::from(limits)).enumerate()
    {
        let text = format!("│ {}: {}; {falls} on that side", plain(&limit.reason), limit.text);
        put(frame, area, head + room + 2 + i as u16, Span::styled(text, theme.limit()));
    }
}

/// Bars joined to as many columns as there is room for.
struct Columns {
    kept: Vec<u64>,
    dropped: Vec<u64>,
    most: f64,
    /// Columns in which a threshold lies.
    limits: Vec<usize>,
}

impl Columns {
    fn new(histogram: &Histogram, measure: &Measured, wide: usize) -> Columns {
        let bars = histogram.kept.len().max(1);
        let joined = bars.div_ceil(wide.max(1));
        let join = |counts: &[u64]| counts.chunks(joined).map(|some| some.iter().sum()).collect::<Vec<u64>>();
        let (kept, dropped) = (join(&histogram.kept), join(&histogram.dropped));
        let most = kept.iter().chain(&dropped).copied().max().unwrap_or(1).max(1) as f64;
        let place = |at: f64| {
            let bar = ((histogram.scale.place(at) * bars as f64) as usize).min(bars - 1);
            bar / joined
        };
        Columns { limits: measure.limits.iter().map(|limit| place(limit.at)).collect(), kept, dropped, most }
    }

    fn axis(&self, theme: Theme) -> Vec<Span<'static>> {
        let column = |i: usize| {
            if self.limits.contains(&i) { Span::styled("┿", theme.limit()) } else { Span::raw("─") }
        };
        (0..self.kept.len()).map(column).collect()
    }
}

/// One side of the axis. Heights are square roots, so that few documents beside many can be seen.
fn panel(frame: &mut Frame, area: Rect, counts: &[u64], columns: &Columns, style: Style, theme: Theme) {
    let tall = |n: u64| {
        let parts = (f64::from(area.height) * 8.0 * (n as f64 / columns.most).sqrt()).round() as usize;
        if n > 0 { parts.max(1) } else { 0 }
    };
    for row in 0..area.height {
        let under = usize::from(area.height - 1 - row) * 8;
        let cell = |(i, &n): (usize, &u64)| {
            let full = tall(n).saturating_sub(under).min(8);
            match (full, columns.limits.contains(&i)) {
                (0, true) => Span::styled("│", theme.limit()),
                (full, true) => Span::styled(EIGHTHS[full], theme.limit()),
                (full, false) => Span::styled(EIGHTHS[full], style),
            }
        };
        put(frame, area, row, Line::from(counts.iter().enumerate().map(cell).collect::<Vec<_>>()));
    }
    let (name, sum) = if std::ptr::eq(counts, columns.kept.as_slice()) {
        ("kept", columns.kept.iter().sum::<u64>())
    } else {
        ("dropped", columns.dropped.iter().sum())
    };
    // In the corner that is empty more often.
    let label = format!(" {sum} {name}");
    let at = area.right().saturating_sub(label.len() as u16);
    frame.buffer_mut().set_string(at.max(area.x), area.y, label, style);
}

/// The numbers at both ends and in the middle of the axis.
fn ends(histogram: &Histogram, columns: usize) -> String {
    let [low, middle, high] = [0.0, 0.5, 1.0].map(|place| short(histogram.scale.at(place)));
    let log = if histogram.scale.log { " log" } else { "" };
    let start = (columns / 2).saturating_sub(middle.len() / 2).max(low.len() + 1);
    let end = columns.saturating_sub(high.len() + log.len()).max(start + middle.len() + 1);
    let mut text = format!("{low:<start$}{middle}");
    let gap = end.saturating_sub(text.chars().count());
    text.push_str(&" ".repeat(gap));
    text + &high + log
}
