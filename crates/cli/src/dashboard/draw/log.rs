//! The events as lines.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::dashboard::feed::Shown;
use crate::dashboard::state::{Facts, State};
use crate::terminal::Theme;
use crate::terminal::paint::{plain, put};

pub fn draw(frame: &mut Frame, area: Rect, shown: &Shown, state: &State, facts: &Facts, theme: Theme) {
    let count = state.log_lines(facts);
    if count == 0 {
        put(frame, area, 0, "no event yet");
        return;
    }
    let top = state.log_top(facts);
    // What is on the screen is read when it is drawn: a long log has no other place than its file.
    let rows = match shown.tail.file() {
        Some(file) => shown.run.lines.read(file, state.remarks, top, usize::from(area.height)),
        None => Ok(Vec::new()),
    };
    match rows {
        Ok(rows) => {
            for (line, row) in rows.iter().take(usize::from(area.height)).enumerate() {
                let text = plain(row);
                let warns = text
                    .get(9..)
                    .is_some_and(|text| text.starts_with("warning") || text.starts_with("failed"));
                let style = if warns { theme.limit() } else { Default::default() };
                put(frame, area, line as u16, Span::styled(text, style));
            }
        }
        Err(error) => put(frame, area, 0, format!("the log cannot be read: {error}")),
    }
}
