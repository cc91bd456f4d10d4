//! The picture and its legend.

use std::fmt::Write;

use crate::html::Html;
use crate::series::thin;
use crate::svg::scale::Axis;
use crate::words::significant;

use super::{Chart, Line};

/// Units of the stretched drawing, fine enough for whole numbers.
const WIDTH: f64 = 10_000.0;
const HEIGHT: f64 = 2_400.0;
/// Columns that a curve is thinned to: about the pixels of the widest page.
const COLUMNS: usize = 800;
/// Points up to which each gets a marker.
const MARKED: usize = 40;
/// Looks that differ in colour, dash and marker. The style sheet draws `look-0` to `look-6`.
const LOOKS: usize = 7;
/// Markers, about the origin.
const MARKERS: [&str; LOOKS] = [
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "M-3.2-3.2h6.4v6.4h-6.4z",
    "M0-4.4 4.2 3.2H-4.2z",
    "M0-4.8 4.8 0 0 4.8-4.8 0z",
    "M0 4.4 4.2-3.2H-4.2z",
    "M-4-1.2h2.8V-4h2.4v2.8H4v2.4H1.2V4h-2.4V1.2H-4z",
    "M-4.4-1.6h8.8v3.2h-8.8z",
];

/// The curves over their grid.
pub(super) fn picture(chart: &Chart, x: &Axis, y: &Axis, html: &mut Html) {
    let (title, about) = (format!("{}-t", chart.id), format!("{}-d", chart.id));
    let named = format!("{title} {about}");
    html.el("svg", &[("class", "plot"), ("role", "img"), ("aria-labelledby", &named)], |h| {
        h.leaf("title", &[("id", &title)], &chart.title);
        h.leaf("desc", &[("id", &about)], &chart.description());
        grid(x, y, h);
        for mark in &chart.marks {
            marks(&mark.steps, mark.tall, x, h);
        }
        for level in &chart.levels {
            across(y.place(level.value), "level", h);
        }
        let view = format!("0 0 {WIDTH} {HEIGHT}");
        let stretched = [
            ("viewBox", view.as_str()),
            ("preserveAspectRatio", "none"),
            ("width", "100%"),
            ("height", "100%"),
        ];
        h.el("svg", &stretched, |h| {
            for line in &chart.lines {
                for stroke in line.strokes() {
                    let class = format!("line {}", class_of(line.look, stroke.faint));
                    h.void("path", &[("class", &class), ("d", &path(&stroke.points, x, y))]);
                }
            }
        });
        for line in chart.lines.iter().filter(|l| marked(l)) {
            for p in line.series.points().iter().filter(|p| p.1.is_finite()) {
                dot(line, x.place(p.0), y.place(p.1), p, h);
            }
        }
    });
}

/// Names, strokes and last values of what is in the picture.
pub(super) fn legend(chart: &Chart, html: &mut Html) {
    let single = chart.lines.len() == 1 && chart.lines[0].noisy;
    if !single && chart.lines.len() + chart.levels.len() + chart.marks.len() < 2 {
        return;
    }
    html.el("ul", &[("class", "legend")], |h| {
        for line in &chart.lines {
            let strong = format!("line {}", class_of(line.look, false));
            if single {
                h.el("li", &[], |h| {
                    sample(h, &format!("line {}", class_of(line.look, true)), None);
                    h.text("as measured");
                });
            }
            h.el("li", &[], |h| {
                sample(h, &strong, marked(line).then_some(line.look));
                h.text(if single { "smoothed" } else { &line.label });
                value(h, line.last());
            });
        }
        for level in &chart.levels {
            h.el("li", &[], |h| {
                sample(h, "level", None);
                h.text(&level.label);
                value(h, Some(level.value));
            });
        }
        for mark in &chart.marks {
            h.el("li", &[], |h| {
                sample(h, if mark.tall { "event" } else { "skip" }, None);
                h.text(&mark.label);
            });
        }
    });
}

fn value(html: &mut Html, value: Option<f64>) {
    if let Some(value) = value {
        html.text(" ");
        html.leaf("b", &[], &significant(value, 4));
    }
}

/// Whether its points have markers.
fn marked(line: &Line) -> bool {
    line.series.buckets().len() <= MARKED && !line.noisy
}

/// From the eighth curve on colours come again, with the dash of another one.
fn class_of(look: usize, faint: bool) -> String {
    let (colour, dash) = (look % LOOKS, (look + look / LOOKS) % LOOKS);
    let faint = if faint { " faint" } else { "" };
    format!("look-{colour} dash-{dash}{faint}")
}

/// A short piece of the stroke, beside its name.
fn sample(html: &mut Html, class: &str, look: Option<usize>) {
    let attrs = [("class", "sample"), ("viewBox", "-14 -6 28 12"), ("aria-hidden", "true")];
    html.el("svg", &attrs, |h| {
        let d = if class == "skip" { "M-6 6v-8M0 6v-8M6 6v-8" } else { "M-14 0H14" };
        h.void("path", &[("class", class), ("d", d)]);
        if let Some(look) = look {
            let look = look % LOOKS;
            h.void("path", &[("class", &format!("dot look-{look}")), ("d", MARKERS[look])]);
        }
    });
}

fn grid(x: &Axis, y: &Axis, html: &mut Html) {
    for tick in &y.ticks {
        across(tick.at, "grid", html);
        let attrs = [("class", "tick y"), ("x", "0"), ("y", &upside(tick.at)), ("dx", "-8"), ("dy", "4")];
        html.leaf("text", &attrs, &tick.label);
    }
    across(0.0, "base", html);
    for (i, tick) in x.ticks.iter().enumerate() {
        // On narrow screens every other number is left out.
        let class = if i % 2 == 0 { "tick x" } else { "tick x minor" };
        html.leaf(
            "text",
            &[("class", class), ("x", &share(tick.at)), ("y", "100%"), ("dy", "19")],
            &tick.label,
        );
    }
    html.leaf("text", &[("class", "tick x"), ("x", "50%"), ("y", "100%"), ("dy", "38")], "step");
}

fn across(at: f64, class: &str, html: &mut Html) {
    let y = upside(at);
    html.void("line", &[("class", class), ("x1", "0"), ("x2", "100%"), ("y1", &y), ("y2", &y)]);
}

fn marks(steps: &[f64], tall: bool, x: &Axis, html: &mut Html) {
    let (class, top) = if tall { ("event", "0") } else { ("skip", "96%") };
    let mut before = String::new();
    for &step in steps {
        let at = format!("{:.1}%", x.place(step) * 100.0);
        // Marks that would fall on one another are one.
        if (0.0..=1.0).contains(&x.place(step)) && at != before {
            html.void("line", &[("class", class), ("x1", &at), ("x2", &at), ("y1", top), ("y2", "100%")]);
            before = at;
        }
    }
}

/// A marker with its value as a tooltip.
fn dot(line: &Line, x: f64, y: f64, p: &(f64, f64), html: &mut Html) {
    html.el("svg", &[("x", &share(x)), ("y", &upside(y)), ("overflow", "visible")], |h| {
        let look = line.look % LOOKS;
        h.el("path", &[("class", &format!("dot look-{look}")), ("d", MARKERS[look])], |h| {
            h.leaf("title", &[], &format!("{}: {} at step {}", line.label, significant(p.1, 4), p.0));
        });
    });
}

fn share(at: f64) -> String {
    format!("{:.2}%", at * 100.0)
}

fn upside(at: f64) -> String {
    share(1.0 - at)
}

/// The curve as a path of whole numbers, broken at its holes.
fn path(points: &[(f64, f64)], x: &Axis, y: &Axis) -> String {
    let mut d = String::new();
    let mut drawing = false;
    for p in thin(points, COLUMNS) {
        if !p.1.is_finite() {
            drawing = false;
            continue;
        }
        d.push(if drawing { ' ' } else { 'M' });
        drawing = true;
        let (px, py) = (x.place(p.0) * WIDTH, (1.0 - y.place(p.1)) * HEIGHT);
        let _ = write!(d, "{:.0} {:.0}", px, py.abs());
    }
    d
}
