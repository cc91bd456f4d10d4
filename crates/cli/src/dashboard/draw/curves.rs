//! The list of series, and the selected one as a curve: all values faint, the smoothed curve over them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regimen_base::series::{Bucket, Series, smooth};
use regimen_base::units;

use crate::dashboard::data::Run;
use crate::dashboard::feed::Shown;
use crate::dashboard::lines::number;
use crate::dashboard::plot::Dots;
use crate::dashboard::state::{Axis, SMOOTH, State};
use crate::terminal::Theme;
use crate::terminal::paint::{plain, put, put_styled, shorten, window};

/// Columns of the list beside the curve, and of the numbers beside the axis.
const LIST: u16 = 26;
const LABELS: u16 = 9;

/// A place on the horizontal axis with the least, the greatest and the middle value there.
#[derive(Clone, Copy, Debug)]
struct Point {
    x: f64,
    low: f64,
    high: f64,
    mean: f64,
}

pub fn draw(frame: &mut Frame, area: Rect, shown: &Shown, state: &State, theme: Theme) {
    let run = &shown.run;
    let at = state.series.min(run.names.len().saturating_sub(1));
    let Some((name, series)) = run.names.get(at).and_then(|name| Some((name, run.series.get(name)?))) else {
        put(
            frame,
            area,
            0,
            if shown.behind { "the log is being read" } else { "this stage measured nothing yet" },
        );
        return;
    };
    let picture = if area.width >= 70 {
        names(frame, Rect { width: LIST, ..area }, run, at, theme);
        Rect { x: area.x + LIST + 1, width: area.width - LIST - 1, ..area }
    } else {
        area
    };
    head(frame, picture, name, at, series, state, run, theme);
    let foot = u16::from(picture.height >= 4);
    let chart = Rect { y: picture.y + 2, height: picture.height.saturating_sub(2 + foot), ..picture };
    curve(frame, chart, picture, run, series, state, theme);
}

fn names(frame: &mut Frame, area: Rect, run: &Run, at: usize, theme: Theme) {
    let height = usize::from(area.height);
    let first = window(at, run.names.len(), height);
    for (line, (i, name)) in run.names.iter().enumerate().skip(first).take(height).enumerate() {
        let value = run.value(name).map_or_else(|| "none".into(), number);
        let room = usize::from(area.width).saturating_sub(value.len() + 3);
        let name = shorten(&plain(name), room);
        let gap = room.saturating_sub(Span::raw(name.as_str()).width());
        // A sign, for a screen that shows no reversal.
        let mark = if i == at { ">" } else { " " };
        let text = format!("{mark}{name}{} {value}", " ".repeat(gap));
        if i == at {
            put_styled(frame, area, line as u16, text, theme.selected());
        } else {
            put(frame, area, line as u16, text);
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one line of text from all that is known")]
fn head(
    frame: &mut Frame,
    area: Rect,
    name: &str,
    at: usize,
    series: &Series,
    state: &State,
    run: &Run,
    theme: Theme,
) {
    let mut text = vec![Span::styled(plain(name), theme.head())];
    if let Some(last) = series.last() {
        text.push(Span::raw(format!("  last {}", number(last))));
    }
    if let Some((x, low)) = series.low() {
        text.push(Span::raw(format!("  least {} at step {x:.0}", number(low))));
    }
    put(frame, area, 0, Line::from(text));
    let smooth = SMOOTH.get(state.smooth).copied().unwrap_or_default();
    let axis = match state.axis {
        Axis::Step => "steps",
        Axis::Tokens => "tokens",
        Axis::Time => "time",
    };
    let range = if state.whole { "whole" } else { "recent" };
    let log = if state.log { ", log" } else { "" };
    let more = if run.more_names > 0 { format!(", {} numbers more", run.more_names) } else { String::new() };
    let of = if area.width < 70 { format!("{} of {}: ", at + 1, run.names.len()) } else { String::new() };
    let text = format!("{of}{range} over {axis}, smoothing {smooth}{log}{more}");
    put(frame, area, 1, Span::styled(text, theme.soft()));
}

/// The points that are drawn; none where the axis has no place for them.
fn points(run: &Run, series: &Series, state: &State) -> Vec<Point> {
    let tokens = run.series.get("tokens");
    let place = |step: f64| match state.axis {
        Axis::Step => Some(step),
        Axis::Tokens => tokens?.rising_at(step),
        Axis::Time => run.clock.rising_at(step),
    };
    let level = |y: f64| if state.log { if y > 0.0 { y.log10() } else { f64::NAN } } else { y };
    let mut points: Vec<Point> = if state.whole {
        let last = series.whole().len().saturating_sub(1);
        let point = |(i, bucket): (usize, &Bucket)| {
            // At its ends the axis tells the first and the last point.
            let x = match i {
                0 => bucket.first,
                i if i == last => bucket.last,
                _ => bucket.middle(),
            };
            let x = place(x)?;
            Some(Point {
                x,
                low: level(bucket.low.1),
                high: level(bucket.high.1),
                mean: level(bucket.mean()),
            })
        };
        series.whole().iter().enumerate().filter_map(point).collect()
    } else {
        let point = |(x, y)| Some(Point { x: place(x)?, low: level(y), high: level(y), mean: level(y) });
        series.recent().filter_map(point).collect()
    };
    // Tokens and time grow with steps, unless the log is damaged.
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    points
}

fn curve(
    frame: &mut Frame,
    chart: Rect,
    picture: Rect,
    run: &Run,
    series: &Series,
    state: &State,
    theme: Theme,
) {
    let points = points(run, series, state);
    let Some(width) = chart.width.checked_sub(LABELS).filter(|width| *width >= 4 && chart.height >= 1) else {
        return;
    };
    let finite = |values: &mut dyn Iterator<Item = f64>| {
        values
            .filter(|y| y.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (y.min(low), y.max(high)))
    };
    let (low, high) = finite(&mut points.iter().flat_map(|point| [point.low, point.high]));
    let (left, right) = finite(&mut points.iter().map(|point| point.x));
    if low > high || left > right {
        let why = match state.axis {
            Axis::Tokens if points.is_empty() && !series.is_empty() => "this run counts no tokens",
            _ if state.log => "nothing above zero to draw on a logarithmic axis",
            _ => "no finite value to draw",
        };
        put(frame, chart, 0, why);
        return;
    }
    // A flat curve lies in the middle.
    let room = if high > low { 0.0 } else { 0.5 * high.abs().max(1e-9) };
    let (low, high) = (low - room, high + room);
    let area = Rect { x: chart.x + LABELS, width, ..chart };
    let (mut raw, mut smoothed) = (Dots::new(area.width, area.height), Dots::new(area.width, area.height));
    let (across, down) = raw.size();
    // A damaged log may hold anything: nothing is drawn beyond the edges.
    let dot = |share: f64, dots: usize| (share.clamp(0.0, 1.0) * (dots - 1) as f64).round() as i64;
    let across_of = |x: f64| dot(if right > left { (x - left) / (right - left) } else { 0.5 }, across);
    let down_of = |y: f64| dot((high - y) / (high - low), down);
    let past = SMOOTH.get(state.smooth).copied().unwrap_or_default();
    let mut before = None;
    for point in &points {
        let x = across_of(point.x);
        if !point.mean.is_finite() && !point.high.is_finite() {
            before = None;
            continue;
        }
        let mean = if point.mean.is_finite() { point.mean } else { point.high };
        let low = if point.low.is_finite() { point.low } else { mean };
        let here = (x, down_of(mean));
        raw.line((x, down_of(low)), (x, down_of(point.high)));
        raw.line(before.unwrap_or(here), here);
        before = Some(here);
    }
    if past > 0.0 {
        let means: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.mean)).collect();
        let mut before = None;
        for (x, y) in smooth(&means, past) {
            let here = y.is_finite().then(|| (across_of(x), down_of(y)));
            if let Some(here) = here {
                smoothed.line(before.unwrap_or(here), here);
            }
            before = here;
        }
    }
    let style = if past > 0.0 { theme.soft() } else { theme.kept() };
    raw.draw(frame, area, style, Some(&smoothed));
    smoothed.draw(frame, area, theme.kept().patch(theme.head()), None);
    labels(frame, chart, (low, high), state, theme);
    if picture.height > chart.height + 2 {
        let foot = Rect { x: area.x, y: chart.bottom(), width: area.width, height: 1 };
        put(frame, foot, 0, Span::styled(ends(left, right, state.axis, usize::from(width)), theme.soft()));
    }
}

/// Numbers beside the axis: at its ends, and between them where there is room.
fn labels(frame: &mut Frame, chart: Rect, (low, high): (f64, f64), state: &State, theme: Theme) {
    let rows = usize::from(chart.height);
    let count = if rows >= 9 { 5 } else { rows.min(3) };
    for i in 0..count {
        let line = if count > 1 { i * (rows - 1) / (count - 1) } else { 0 };
        let share = if rows > 1 { line as f64 / (rows - 1) as f64 } else { 0.0 };
        let value = high - share * (high - low);
        let value = if state.log { 10f64.powf(value) } else { value };
        let text = format!("{:>8}┤", number(value));
        put(frame, Rect { width: LABELS, ..chart }, line as u16, Span::styled(text, theme.soft()));
    }
}

/// What stands at the ends and in the middle of the horizontal axis.
fn ends(left: f64, right: f64, axis: Axis, columns: usize) -> String {
    let [start, middle, end] = [left, 0.5 * (left + right), right].map(|x| match axis {
        Axis::Step => format!("{x:.0}"),
        Axis::Tokens => units::count(x),
        Axis::Time => units::duration(x),
    });
    let mut text = start;
    for (word, at) in [(middle, columns / 2), (end, columns)] {
        let length = word.chars().count();
        let begin =
            if at == columns { columns.saturating_sub(length) } else { at.saturating_sub(length / 2) };
        let gap = begin.saturating_sub(text.chars().count());
        if gap > 0 {
            text.push_str(&" ".repeat(gap));
            text.push_str(&word);
        }
    }
    text
}
