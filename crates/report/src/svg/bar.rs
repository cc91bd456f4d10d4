//! Bars in table cells. The numbers beside them say the same, so they are hidden from screen readers.

use crate::html::Html;

/// A bar of `share` of the cell's width, from the left or around the middle (a funnel).
pub(crate) fn bar(html: &mut Html, share: f64, centred: bool) {
    let share = within(share);
    let start = if centred { (100.0 - share) / 2.0 } else { 0.0 };
    svg(html, "0 0 100 1", |h| {
        h.void("rect", &[("class", "rail"), ("width", "100"), ("height", "1")]);
        h.void("rect", &[("x", &format!("{start:.2}")), ("width", &format!("{share:.2}")), ("height", "1")]);
    });
}

/// A bar above a hollow one to compare it with.
pub(crate) fn pair(html: &mut Html, share: f64, other: Option<f64>) {
    svg(html, "0 0 100 10", |h| {
        h.void("rect", &[("width", &format!("{:.2}", within(share))), ("height", "4")]);
        if let Some(other) = other {
            let width = format!("{:.2}", within(other));
            h.void("rect", &[("class", "hollow"), ("y", "6"), ("width", &width), ("height", "4")]);
        }
    });
}

/// In hundredths of the width.
fn within(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 }
}

fn svg(html: &mut Html, view: &str, inside: impl FnOnce(&mut Html)) {
    let attrs =
        [("class", "bar"), ("viewBox", view), ("preserveAspectRatio", "none"), ("aria-hidden", "true")];
    html.el("svg", &attrs, inside);
}
