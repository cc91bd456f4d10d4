//! Runs as a table that fits on the screen.

use std::cmp::Ordering;
use std::io::IsTerminal;

use regimen_base::units;

use super::facts::{Name, Plain, Run, Value};
use super::literal;

/// A column: its head, and what stands in it.
pub struct Column {
    pub head: String,
    pub name: Name,
}

/// Columns that are shown unless others are named, and how early each goes if there is no room; 0 never goes.
pub const DEFAULT: [(&str, Plain, u8); 6] = [
    ("run", Plain::Run, 0),
    ("kind", Plain::Kind, 2),
    ("status", Plain::State, 0),
    ("took", Plain::Took, 3),
    ("started", Plain::Age, 1),
    ("recipe", Plain::Recipe, 4),
];

/// Longest note in a table on a terminal, in characters: `regimen runs note` shows all of it.
pub const NOTE: usize = 40;

/// What stands in a column for a run.
pub fn cell(column: &Column, run: &Run, now: f64) -> String {
    match column.name.of(run, now) {
        None => String::new(),
        Some(Value::Number(x)) => literal::shown(x),
        Some(Value::Text(text)) if column.name == Name::Plain(Plain::Key) => text.chars().take(8).collect(),
        Some(Value::Text(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Some(Value::Truth(truth)) => truth.to_string(),
        Some(Value::Date(_)) => format!("{} ago", units::duration((now - run.0.started).max(0.0))),
        Some(Value::Seconds(seconds)) if column.name == Name::Plain(Plain::Age) => {
            format!("{} ago", units::duration(seconds))
        }
        Some(Value::Seconds(seconds)) => units::duration(seconds),
        Some(Value::Words(words)) => words.join(" "),
    }
}

/// Whether a column holds numbers or times.
pub fn flush_right(column: &Column, runs: &[&Run], now: f64) -> bool {
    let text = |run: &&&Run| matches!(column.name.of(run, now), Some(Value::Text(_) | Value::Words(_)));
    !runs.iter().any(|run| text(&run))
}

/// Order of two values: numbers by size, texts by their letters, what is missing last.
pub fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let number = |value: &Value| match value {
        Value::Number(x) | Value::Date(x) | Value::Seconds(x) => Some(*x),
        Value::Truth(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Words(words) => words.join(" "),
        _ => String::new(),
    };
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(a), Some(b)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            _ => text(a).cmp(&text(b)),
        },
    }
}

/// Columns of the terminal behind stdout; none if it is not one.
pub fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let (columns, _) = ratatui::crossterm::terminal::size().ok()?;
    (columns > 0).then_some(usize::from(columns))
}

/// Make rows fit into `width`: columns go, the first in `leave` first, and then the widest cells are cut. Gives back the
/// columns that stay.
pub fn fit(head: &[String], rows: &mut [Vec<String>], leave: &[usize], width: usize) -> Vec<usize> {
    let widths = |rows: &[Vec<String>], column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let mut stay: Vec<usize> = (0..head.len()).collect();
    let total = |rows: &[Vec<String>], stay: &[usize]| {
        stay.iter().map(|&column| widths(rows, column) + 2).sum::<usize>().saturating_sub(2)
    };
    for column in leave {
        if total(rows, &stay) <= width {
            return stay;
        }
        stay.retain(|kept| kept != column);
    }
    loop {
        let over = total(rows, &stay).saturating_sub(width);
        let Some(&widest) = stay.iter().max_by_key(|&&column| widths(rows, column)) else { return stay };
        let now = widths(rows, widest);
        // Heads stay whole: a column is no narrower than its head.
        let to = now.saturating_sub(over).max(now / 2).max(head[widest].chars().count()).max(6);
        if over == 0 || to >= now {
            return stay;
        }
        rows.iter_mut().for_each(|row| cut(&mut row[widest], to));
    }
}

/// Cut a text to so many characters, with a mark that it was cut.
pub fn cut(text: &mut String, to: usize) {
    if text.chars().count() > to {
        *text = text.chars().take(to.saturating_sub(1)).chain(['…']).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lose_columns_and_then_letters() {
        let head: Vec<String> = ["run", "kind", "recipe"].map(String::from).to_vec();
        let rows = vec![vec!["base-1a2b3c4d".to_string(), "pretrain".into(), "first-light".into()]];
        let fitted = |width: usize| {
            let mut rows = rows.clone();
            let stay = fit(&head, &mut rows, &[2, 1], width);
            stay.iter().map(|&column| rows[0][column].clone()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(fitted(80), "base-1a2b3c4d|pretrain|first-light");
        assert_eq!(fitted(30), "base-1a2b3c4d|pretrain");
        assert_eq!(fitted(20), "base-1a2b3c4d");
        assert_eq!(fitted(9), "base-1a2…");
        assert_eq!(fitted(1), "base-…", "a column keeps something to read");
        let text = Some(&Value::Number(1.0));
        assert_eq!(order(text, None), Ordering::Less);
        assert_eq!(order(Some(&Value::Number(f64::NAN)), text), Ordering::Greater);
    }
}
