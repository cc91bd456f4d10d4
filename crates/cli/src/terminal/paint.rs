//! What all views draw with: lines of an area, texts that cannot command the terminal, texts cut to a width.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Theme;

/// Write a line of an area, cut at its end.
pub fn put<'a>(frame: &mut Frame, area: Rect, line: u16, text: impl Into<Line<'a>>) {
    if line < area.height {
        frame.buffer_mut().set_line(area.x, area.y + line, &text.into(), area.width);
    }
}

/// The same with the whole line in a style.
pub fn put_styled<'a>(frame: &mut Frame, area: Rect, line: u16, text: impl Into<Line<'a>>, style: Style) {
    put(frame, area, line, text);
    if line < area.height {
        frame.buffer_mut().set_style(Rect { y: area.y + line, height: 1, ..area }, style);
    }
}

/// The keys that matter, as many as there is room for.
pub fn hints(keys: &[&str], width: usize) -> String {
    let mut text = String::from("? help");
    for key in keys {
        if text.chars().count() + 2 + key.chars().count() <= width {
            text.push_str("  ");
            text.push_str(key);
        }
    }
    text
}

/// A list of keys with what they do, from line `top` on.
pub fn help(frame: &mut Frame, area: Rect, all: &[(&str, &str)], top: usize, theme: Theme) {
    for (line, (keys, what)) in all.iter().skip(top).take(usize::from(area.height)).enumerate() {
        let text = vec![Span::styled(format!(" {keys:<18}"), theme.head()), Span::raw(*what)];
        put(frame, area, line as u16, Line::from(text));
    }
}

/// The lines that a text makes in a window of so many columns, as ranges of bytes.
pub fn lines(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        wrap(line, start, columns, &mut lines);
        start += line.len() + 1;
    }
    lines
}

/// Cut one line at the spaces between words, or in a word that is longer than the window.
fn wrap(line: &str, offset: usize, columns: usize, lines: &mut Vec<Range<usize>>) {
    let (mut start, mut width, mut space) = (0, 0, None);
    for (at, c) in line.char_indices() {
        let wide = columns_of(c);
        if width + wide > columns && at > start {
            let end = space.unwrap_or(at);
            lines.push(offset + start..offset + end);
            start = end;
            width = line[start..at].chars().map(columns_of).sum();
            space = None;
        }
        width += wide;
        if c.is_whitespace() {
            space = Some(at + c.len_utf8());
        }
    }
    lines.push(offset + start..offset + line.len());
}

/// Columns that a character takes.
fn columns_of(c: char) -> usize {
    if c.is_ascii() {
        return 1;
    }
    Span::raw(visible(c).encode_utf8(&mut [0; 4]) as &str).width()
}

/// A character that cannot command the terminal.
pub fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        c if c.is_control() => '·',
        c => c,
    }
}

/// A text on one line that cannot command the terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A text that takes at most `columns`: what is left out of its middle stands as `…`.
pub fn shorten(text: &str, columns: usize) -> String {
    let count = text.chars().count();
    if Span::raw(text).width() <= columns {
        return text.into();
    }
    let wide = |text: &str| Span::raw(text).width() > columns;
    let mut kept = columns.saturating_sub(1).min(count);
    loop {
        // Names differ at their ends more than at their beginnings.
        let behind = kept * 2 / 3;
        let start: String = text.chars().take(kept - behind).collect();
        let end: String = text.chars().skip(count - behind).collect();
        let short = format!("{start}…{end}");
        if kept == 0 || !wide(&short) {
            return short;
        }
        kept -= 1;
    }
}

/// `count` lines of which `at` must be seen: the first that is shown in a window of so many.
pub fn window(at: usize, count: usize, height: usize) -> usize {
    at.saturating_sub(height / 2).min(count.saturating_sub(height))
}
