//! A document: where it is from, what became of it and why, and its text with spans, hits and cuts.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use regimen_base::units::short;

use super::{put, shorten};
use crate::browser::data::{Document, Value};
use crate::browser::state::{Head, Open, State};
use crate::browser::text::{Fate, Text, plain};
use crate::terminal::Theme;

pub fn draw(frame: &mut Frame, area: Rect, state: &State, theme: Theme) {
    let Some(open) = state.open.last() else { return };
    let Some(document) = &open.document else {
        put(frame, area, 0, "being read ..");
        return;
    };
    let head = open.head_lines(usize::from(area.height));
    for (line, what) in head.iter().enumerate() {
        put(frame, area, line as u16, head_line(*what, open, document, area, theme));
    }
    let used = head.len() as u16;
    let body = Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
    if open.values {
        let all = document.values.iter().skip(open.scroll).take(usize::from(body.height));
        for (line, value) in all.enumerate() {
            put(frame, body, line as u16, number(value, usize::from(body.width), theme));
        }
        return;
    }
    match &document.text {
        Err(why) => put(frame, body, 0, Line::from(format!("no text: {}", plain(why)))),
        Ok(text) => {
            let paint = Paint::new(text, open, theme);
            let lines = open.lines.iter().skip(open.scroll).take(usize::from(body.height));
            let mut last = 0;
            for (line, range) in lines.enumerate() {
                put(frame, body, line as u16, paint.line(range));
                last = line + 1;
            }
            if text.more > 0 && open.scroll + last >= open.lines.len() && last < usize::from(body.height) {
                let more = format!("… {} bytes more", text.more);
                put(frame, body, last as u16, Span::styled(more, theme.soft()));
            }
        }
    }
}

fn head_line(what: Head, open: &Open, document: &Document, area: Rect, theme: Theme) -> Line<'static> {
    let wide = usize::from(area.width);
    match what {
        Head::Name => {
            let sign = if document.kept { "+ " } else { "- " };
            let style = if document.kept { theme.kept() } else { theme.gone() };
            let name = shorten(&plain(&document.name), wide.saturating_sub(2));
            Line::from(vec![Span::styled(sign, style), Span::styled(name, theme.head())])
        }
        Head::Fate => Line::from(shorten(&plain(&document.fate), wide)),
        Head::Fact(i) => {
            let fact = document.facts.get(i).map(|fact| plain(fact)).unwrap_or_default();
            Span::styled(shorten(&fact, wide), theme.soft()).into()
        }
        Head::Copy => {
            let name = document.representative.as_ref().map(|(_, name)| plain(name)).unwrap_or_default();
            Line::from(shorten(&format!("copy of {name} (r goes there)"), wide))
        }
        Head::Value(i) => document.values.get(i).map(|value| number(value, wide, theme)).unwrap_or_default(),
        Head::Marks => marks(open, document, theme),
        Head::Line => {
            let length = open.length();
            let height = usize::from(area.height).saturating_sub(open.head(usize::from(area.height)));
            let place = if length > height {
                let line = open.scroll + 1;
                format!(" {line}-{} of {length} lines ", (open.scroll + height).min(length))
            } else {
                String::new()
            };
            let stops = open.stops().len();
            let stop = match (open.at, &open.words) {
                (Some(at), Some(words)) => format!(" hit {} of {stops} of `{}` ", at + 1, plain(words)),
                (Some(at), None) => format!(" span {} of {stops} ", at + 1),
                _ => String::new(),
            };
            let text = shorten(&format!("──{stop}──{place}"), wide);
            let rest = wide.saturating_sub(Span::raw(text.as_str()).width());
            Span::styled(text + &"─".repeat(rest), theme.soft()).into()
        }
    }
}

/// The attributes whose spans are shown, as a legend.
fn marks(open: &Open, document: &Document, theme: Theme) -> Line<'static> {
    let Ok(text) = &document.text else { return Line::default() };
    let mut spans = vec![Span::styled("spans: ", theme.soft())];
    for (i, name) in text.attributes.iter().enumerate() {
        let shown = open.attribute.is_none_or(|attribute| attribute == i);
        let label = format!("{} ({})", plain(name), text.marks_of(Some(i)).count());
        spans.push(if shown { Span::styled(label, theme.mark()) } else { Span::styled(label, theme.soft()) });
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// A number against its thresholds.
fn number(value: &Value, wide: usize, theme: Theme) -> Line<'static> {
    let falls = value.limits.iter().any(|limit| limit.1);
    // Of several thresholds the one counts that dropped it.
    let limits = value.limits.iter().filter(|limit| limit.1 || !falls);
    let limits: Vec<&str> = limits.map(|limit| limit.0.as_str()).collect();
    let behind = format!(" {}  {}", short(value.value), limits.join("; "));
    let sign = if falls { "! " } else { "  " };
    let room = wide.saturating_sub(2 + behind.chars().count()).max(wide / 3);
    let style = if falls { theme.limit() } else { Style::new() };
    Line::from(vec![
        Span::styled(sign, theme.limit()),
        Span::raw(shorten(&plain(&value.name), room)),
        Span::styled(behind, style),
    ])
}

/// How the bytes of a text look.
struct Paint<'t> {
    text: &'t Text,
    theme: Theme,
    marks: Vec<&'t Range<usize>>,
    hits: &'t [Range<usize>],
    /// The stop that was gone to.
    here: Option<Range<usize>>,
}

impl<'t> Paint<'t> {
    fn new(text: &'t Text, open: &'t Open, theme: Theme) -> Paint<'t> {
        let here = open.at.and_then(|at| open.stops().get(at).cloned());
        Paint { text, theme, marks: text.marks_of(open.attribute).collect(), hits: &open.hits, here }
    }

    /// One line on the screen, in runs of one style.
    fn line(&self, line: &Range<usize>) -> Line<'static> {
        let inside = |at: &usize| *at > line.start && *at < line.end;
        let meets = |range: &Range<usize>| range.start < line.end && range.end > line.start;
        let parts = &self.text.parts;
        let first = parts.partition_point(|(range, _)| range.end <= line.start);
        let parts: Vec<_> = parts[first..].iter().take_while(|(range, _)| range.start < line.end).collect();
        let marks: Vec<_> = self.marks.iter().filter(|mark| meets(mark)).collect();
        let first = self.hits.partition_point(|hit| hit.end <= line.start);
        let hits: Vec<_> = self.hits[first..].iter().take_while(|hit| hit.start < line.end).collect();
        let mut borders = vec![line.start, line.end];
        borders.extend(parts.iter().flat_map(|(range, _)| [range.start, range.end]).filter(inside));
        borders.extend(marks.iter().flat_map(|range| [range.start, range.end]).filter(inside));
        borders.extend(hits.iter().flat_map(|range| [range.start, range.end]).filter(inside));
        borders.sort_unstable();
        borders.dedup();
        let run = |pair: &[usize]| {
            let (from, to) = (pair[0], pair[1]);
            let over = |range: &Range<usize>| range.start <= from && range.end >= to;
            let fate = parts.iter().find(|(range, _)| over(range)).map_or(Fate::Kept, |(_, fate)| *fate);
            let mut style = match fate {
                Fate::Kept => Style::new(),
                Fate::Cut => self.theme.cut(),
                Fate::Put => self.theme.put(),
            };
            if marks.iter().any(|mark| over(mark)) {
                style = style.patch(self.theme.mark());
            }
            if hits.iter().any(|hit| over(hit)) {
                style = style.patch(self.theme.hit());
            }
            if self.here.as_ref().is_some_and(over) {
                style = style.add_modifier(Modifier::REVERSED);
            }
            Span::styled(plain(self.text.shown.get(from..to).unwrap_or_default()), style)
        };
        Line::from(borders.windows(2).map(run).collect::<Vec<_>>())
    }
}
