//! Histograms of kept and dropped documents as inline SVG, with the thresholds of rules drawn in.

use std::fmt::Write;

use super::html::Html;
use crate::names::Rule;

/// Bars of a histogram.
const BARS: usize = 48;
/// Size of the picture, which scales with the page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 120.0;

/// Numbers of documents, kept and dropped ones apart.
#[derive(Default)]
pub(super) struct Values {
    pub kept: Vec<f64>,
    pub dropped: Vec<f64>,
}

/// The scale of a histogram: the middle 99 % of the numbers and the thresholds; what lies beyond is counted in the first
/// and last bar.
struct Scale {
    low: f64,
    high: f64,
    /// Whether bars are equally wide in log10(1 + x): for counts that spread over orders of magnitude.
    log: bool,
}

impl Scale {
    fn new(values: &Values, rules: &[&Rule]) -> Option<Scale> {
        let mut all: Vec<f64> =
            values.kept.iter().chain(&values.dropped).copied().filter(|x| x.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        let last = all.len().checked_sub(1)?;
        let at = |share: f64| all[(share * last as f64).round() as usize];
        let mut ends = vec![at(0.005), at(0.995)];
        ends.extend(rules.iter().map(|rule| f64::from(rule.threshold)));
        let (mut low, mut high) = ends.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        let log = low >= 0.0 && high >= 100.0 && high > 20.0 * at(0.5).max(1.0);
        if high <= low {
            (low, high) = (low - 0.5, low + 0.5);
        }
        Some(Scale { low, high, log })
    }

    /// Place of a number from 0 to 1.
    fn place(&self, x: f64) -> f64 {
        let f = |x: f64| if self.log { (1.0 + x.max(0.0)).log10() } else { x };
        ((f(x) - f(self.low)) / (f(self.high) - f(self.low))).clamp(0.0, 1.0)
    }

    /// The number at a place.
    fn at(&self, place: f64) -> f64 {
        if self.log {
            let (low, high) = ((1.0 + self.low).log10(), (1.0 + self.high).log10());
            10f64.powf(low + place * (high - low)) - 1.0
        } else {
            self.low + place * (self.high - self.low)
        }
    }
}

/// Draw a histogram. Nothing is drawn if there is no number.
pub(super) fn histogram(html: &mut Html, name: &str, doc: &str, values: &Values, rules: &[&Rule]) {
    let Some(scale) = Scale::new(values, rules) else { return };
    let bars = |values: &[f64]| {
        let mut counts = [0u64; BARS];
        for &x in values.iter().filter(|x| x.is_finite()) {
            counts[((scale.place(x) * BARS as f64) as usize).min(BARS - 1)] += 1;
        }
        counts
    };
    let (kept, dropped) = (bars(&values.kept), bars(&values.dropped));
    let most = kept.iter().zip(&dropped).map(|(a, b)| a + b).max().unwrap_or(1).max(1) as f64;
    html.raw("<figure><figcaption>").leaf("b", name).raw(" ").leaf("span", doc).raw("</figcaption>");
    html.raw(&format!("<svg viewBox=\"0 -6 {WIDTH} {}\" role=\"img\" aria-label=\"", HEIGHT + 26.0));
    html.text(&format!("Histogram of {name}")).raw("\">");
    let width = WIDTH / BARS as f64;
    let mut shapes = String::new();
    // Square roots, so that few documents beside many can be seen.
    let tall = |n: u64| HEIGHT * (n as f64 / most).sqrt();
    for (i, (&kept, &dropped)) in kept.iter().zip(&dropped).enumerate() {
        let both = tall(kept + dropped);
        if both == 0.0 {
            continue;
        }
        let part = both * dropped as f64 / (kept + dropped) as f64;
        let x = i as f64 * width;
        for (class, y, height) in [("k", HEIGHT - both + part, both - part), ("d", HEIGHT - both, part)] {
            if height > 0.0 {
                let _ = write!(
                    shapes,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                    width - 0.8
                );
            }
        }
    }
    let _ = write!(shapes, "<path class=\"base\" d=\"M0 {HEIGHT}H{WIDTH}\"/>");
    for rule in rules {
        let x = WIDTH * scale.place(rule.threshold.into());
        let _ = write!(shapes, "<path class=\"limit\" d=\"M{x:.1} -6V{}\"/>", HEIGHT + 4.0);
    }
    for (place, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let _ = write!(
            shapes,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            WIDTH * place,
            HEIGHT + 17.0,
            short(scale.at(place))
        );
    }
    html.raw(&shapes).raw("</svg>");
    let fails = |values: &[f64], rule: &Rule| values.iter().filter(|&&x| !rule.passes(x as f32)).count();
    for rule in rules {
        let count = fails(&values.kept, rule) + fails(&values.dropped, rule);
        html.raw("<p class=\"small\"><i class=\"line\"></i>").leaf("code", &rule.name);
        html.text(&format!(": {}; {count} fall outside", rule.limit())).raw("</p>");
    }
    html.raw("</figure>\n");
}

/// A number with about three digits.
pub(super) fn short(x: f64) -> String {
    match x.abs() {
        a if a >= 1e6 => format!("{:.1}M", x / 1e6),
        a if a >= 1e4 => format!("{:.0}k", x / 1e3),
        a if a >= 100.0 || (x.fract() == 0.0 && a >= 1.0) => format!("{x:.0}"),
        a if a >= 1.0 => format!("{x:.1}"),
        0.0 => "0".into(),
        _ => format!("{x:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_always_in_the_picture() {
        let rule = Rule { name: "min_words".into(), least: true, threshold: 50.0, doc: String::new() };
        let values = Values { kept: vec![200.0, 300.0, f64::NAN], dropped: vec![60.0] };
        let mut html = Html::default();
        histogram(&mut html, "words", "number of words", &values, &[&rule]);
        assert!(
            html.0.contains("class=\"limit\"") && html.0.contains("at least 50; 0 fall outside"),
            "{}",
            html.0
        );
        let mut html = Html::default();
        histogram(&mut html, "none", "", &Values::default(), &[]);
        assert_eq!(html.0, "");
        let equal = Values { kept: vec![3.0; 5], dropped: Vec::new() };
        histogram(&mut html, "equal", "", &equal, &[]);
        assert_eq!(html.0.matches("<rect").count(), 1);
    }
}
