//! What the process takes, and how fast it goes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regimen_base::units;

use crate::dashboard::feed::{Board, Shown};
use crate::dashboard::state::Place;
use crate::terminal::Theme;
use crate::terminal::paint::{plain, put, shorten};

/// Parts of a column, from none to all.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Columns of the names.
const NAMES: usize = 16;

pub fn draw(frame: &mut Frame, area: Rect, board: &Board, shown: &Shown, theme: Theme) {
    let run = &shown.run;
    let system = &board.system;
    let mut rows: Vec<(&str, String)> = Vec::new();
    match (&system.now, system.pid) {
        (Some(now), pid) => {
            let machine =
                system.machine.map(|all| format!(" of {}", units::memory(all.total))).unwrap_or_default();
            rows.push(("memory", format!("{}{machine}", units::memory(now.resident))));
            rows.push(("memory peak", units::memory(now.peak)));
            let cores =
                system.history.back().map(|(_, cores)| format!("{cores:.2} cores")).unwrap_or_default();
            rows.push(("processor", format!("{cores}, {} of processor time", units::duration(now.seconds))));
            rows.push(("threads", format!("{} in the process, {} compute", now.threads, run.threads)));
            rows.push(("process", pid.map(|pid| pid.to_string()).unwrap_or_default()));
        }
        (None, Some(pid)) => rows.push(("process", format!("{pid}; this system tells nothing of it"))),
        (None, None) => rows.push(("process", "it has ended; what it took is not known any more".into())),
    }
    if let Some(pace) = run.value("tokens_per_second") {
        rows.push(("tokens/s", units::count(pace)));
    }
    if let Some(tokens) = run.value("tokens") {
        rows.push(("tokens", units::count(tokens)));
    }
    let (done, total) = run.done(shown.total());
    if let (Some(left), "running") = (run.pace.left(done, total), shown.status()) {
        rows.push(("left", format!("{} (of the last half minute's pace)", units::duration(left))));
    }
    if let Some(first) = run.first {
        rows.push(("took so far", units::duration((run.last - first).max(0.0))));
    }
    rows.push((
        "checkpoint",
        run.checkpoint.map_or_else(|| "none yet".into(), |step| format!("step {step}")),
    ));
    rows.push(("warnings", run.warnings.to_string()));
    if let Some(ended) = &run.ended {
        let why = ended.error.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        rows.push((
            "ended",
            format!("{} after {}{why}", plain(&ended.status), units::duration(ended.seconds)),
        ));
    }
    if let Some(info) = &shown.info {
        rows.push((
            "recipe",
            format!("{} ({})", plain(&info.recipe_name), plain(&info.recipe.display().to_string())),
        ));
        rows.push(("bits", plain(&info.fingerprint)));
    }
    let wide = usize::from(area.width).saturating_sub(NAMES + 1);
    for (line, (name, value)) in rows.iter().enumerate() {
        let text =
            vec![Span::styled(format!(" {name:<NAMES$}"), theme.head()), Span::raw(shorten(value, wide))];
        put(frame, area, line as u16, Line::from(text));
    }
    let below =
        Rect { y: area.y + rows.len() as u16, height: area.height.saturating_sub(rows.len() as u16), ..area };
    if below.height >= 3 && !system.history.is_empty() {
        let columns = usize::from(area.width).saturating_sub(NAMES + 2);
        let memory: Vec<f64> = system.history.iter().map(|(bytes, _)| *bytes as f64).collect();
        let cores: Vec<f64> = system.history.iter().map(|(_, cores)| *cores).collect();
        let which = if board.place == Place::Run { "this process" } else { "the process" };
        put(frame, below, 0, Span::styled(format!(" {which}, a column a second"), theme.soft()));
        for (line, (name, values)) in [("memory", memory), ("processor", cores)].into_iter().enumerate() {
            let text = vec![
                Span::styled(format!(" {name:<NAMES$}"), theme.head()),
                Span::styled(spark(&values, columns), theme.kept()),
            ];
            put(frame, below, 1 + line as u16, Line::from(text));
        }
    }
}

/// The last values as columns of a line, the greatest of them full.
fn spark(values: &[f64], columns: usize) -> String {
    let values = &values[values.len().saturating_sub(columns)..];
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let part = |value: &f64| ((value / most * 8.0).round() as usize).min(8);
    values.iter().map(|value| EIGHTHS[part(value)]).collect()
}
