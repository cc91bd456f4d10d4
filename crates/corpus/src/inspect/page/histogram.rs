//! A histogram of kept and dropped documents as inline SVG, with the thresholds drawn in, and as a table.

use std::fmt::Write;

use regimen_base::units::short;

use super::html::Html;
use crate::inspect::histogram::Histogram;
use crate::inspect::measure::Measure;

/// Bars of a histogram.
pub(super) const BARS: usize = 48;
/// Bars that are one row of the table.
const ROW: usize = 4;
/// Size of the picture, which scales with the page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 120.0;

/// Filling of the bars of dropped documents: told from the others without colour, too.
pub(super) const HATCH: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" width=\"4\" height=\"4\" \
patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0H4V2.6H0Z\"/></pattern></defs></svg>";

/// Draw one.
pub(super) fn draw(html: &mut Html, measure: &Measure, histogram: &Histogram) {
    let Histogram { scale, kept, dropped, falls } = histogram;
    let name = &measure.name;
    html.raw("<figure><figcaption><b>").name(name).raw("</b> ");
    html.leaf("span", &measure.doc).raw("</figcaption>");
    html.raw(&format!("<svg viewBox=\"0 -6 {WIDTH} {}\" role=\"img\" aria-label=\"", HEIGHT + 26.0));
    let sum = |counts: &[u64]| counts.iter().sum::<u64>();
    html.text(&format!("Histogram of {name}: {} kept, {} dropped", sum(kept), sum(dropped)));
    for limit in &measure.limits {
        html.text(&format!("; {}", limit.text()));
    }
    html.raw("\">").raw(&shapes(measure, histogram)).raw("</svg>");
    for (limit, falls) in measure.limits.iter().zip(falls) {
        html.raw("<p class=\"small\"><i class=\"line\"></i>").leaf("code", &limit.reason);
        html.text(&format!(": {}; {falls} on that side", limit.text())).raw("</p>");
    }
    html.raw("<details class=\"small\"><summary>Numbers").leaf("span class=\"away\"", &format!(" of {name}"));
    html.raw("</summary><table><thead><tr><th class=\"n\">from</th><th class=\"n\">kept</th>");
    html.raw("<th class=\"n\">dropped</th></tr></thead><tbody>");
    let bars = kept.len().max(1) as f64;
    for (row, (kept, dropped)) in kept.chunks(ROW).zip(dropped.chunks(ROW)).enumerate() {
        let (kept, dropped) = (sum(kept), sum(dropped));
        if kept + dropped > 0 {
            html.raw("<tr>").leaf("td class=\"n\"", &short(scale.at((row * ROW) as f64 / bars)));
            html.leaf("td class=\"n\"", &kept.to_string());
            html.leaf("td class=\"n\"", &dropped.to_string()).raw("</tr>");
        }
    }
    html.raw("</tbody></table></details></figure>\n");
}

fn shapes(measure: &Measure, Histogram { scale, kept, dropped, .. }: &Histogram) -> String {
    let most = kept.iter().zip(dropped).map(|(a, b)| a + b).max().unwrap_or(1).max(1) as f64;
    let width = WIDTH / kept.len().max(1) as f64;
    let mut shapes = String::new();
    // Square roots, so that few documents beside many can be seen.
    let tall = |n: u64| HEIGHT * (n as f64 / most).sqrt();
    for (i, (&kept, &dropped)) in kept.iter().zip(dropped).enumerate() {
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
    for limit in &measure.limits {
        // A line on the border would be cut in half.
        let x = (WIDTH * scale.place(limit.at)).clamp(1.0, WIDTH - 1.0);
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
    shapes
}
