//! A line chart that needs no script: the picture stretches with the page while its letters keep their size, a
//! sentence tells what it shows, and the numbers lie behind it as a table. The script redraws it from the data beside
//! it when somebody looks closer.

mod data;
mod draw;
mod table;

use crate::html::Html;
use crate::series::{Points, Series, smooth};
use crate::words::significant;

use super::scale::Axis;

pub(crate) use data::clock;

/// Curves over steps.
pub(crate) struct Chart {
    /// Unique on the page.
    pub(crate) id: String,
    /// What is shown.
    pub(crate) title: String,
    /// Unit of the values, in words; may be empty.
    pub(crate) unit: String,
    /// A remark under the title; may be empty.
    pub(crate) remark: String,
    /// Whether the value axis must begin at zero.
    pub(crate) from_zero: bool,
    /// Whether the value axis may be logarithmic, if the values ask for it.
    pub(crate) may_be_log: bool,
    /// The curves; all share one meaning of `x`, the step.
    pub(crate) lines: Vec<Line>,
    /// Values to compare with.
    pub(crate) levels: Vec<Level>,
    /// Steps at which something happened.
    pub(crate) marks: Vec<Mark>,
}

/// A curve.
pub(crate) struct Line {
    /// Its name in the legend.
    pub(crate) label: String,
    /// Which colour, dash and marker: 0 is the main one.
    pub(crate) look: usize,
    /// Whose curve: 0 the run's own, 1 that of the run it is compared with.
    pub(crate) run: usize,
    /// Drawn faintly as it was measured, and strongly as smoothed.
    pub(crate) noisy: bool,
    /// What it shows.
    pub(crate) series: Series,
}

impl Line {
    /// A curve of the run itself that is drawn as it is.
    pub(crate) fn new(label: &str, look: usize, series: &Series) -> Line {
        Line { label: label.into(), look, run: 0, noisy: false, series: series.clone() }
    }

    /// The same as a noisy curve, if it has the points for it.
    pub(crate) fn noisy(self) -> Line {
        Line { noisy: self.series.buckets().len() >= 4, ..self }
    }

    /// What is drawn: the raw curve, and the smoothed one over it.
    fn strokes(&self) -> Vec<Stroke> {
        let raw = Stroke { faint: self.noisy, points: self.series.points() };
        let smoothed = || Stroke { faint: false, points: smooth(&self.series.means()) };
        std::iter::once(raw).chain(self.noisy.then(smoothed)).collect()
    }

    /// The value to remember: the last one, smoothed where the curve is noisy.
    fn last(&self) -> Option<f64> {
        if !self.noisy {
            return self.series.last().map(|p| p.1);
        }
        smooth(&self.series.means()).into_iter().map(|p| p.1).rfind(|y| y.is_finite())
    }
}

/// One stroke of the pen.
struct Stroke {
    faint: bool,
    points: Points,
}

/// A value to compare with: a dashed line across.
pub(crate) struct Level {
    /// Its name in the legend.
    pub(crate) label: String,
    /// The value.
    pub(crate) value: f64,
}

/// Steps at which something happened: short strokes at the foot, or lines across.
pub(crate) struct Mark {
    /// Its name in the legend.
    pub(crate) label: String,
    /// The steps, in order.
    pub(crate) steps: Vec<f64>,
    /// A line over the whole height.
    pub(crate) tall: bool,
}

/// Ratio of greatest to least value from which an axis that may be logarithmic is.
const LOG_FROM: f64 = 30.0;

impl Chart {
    /// A chart without curves.
    pub(crate) fn new(id: &str, title: &str, unit: &str) -> Chart {
        Chart {
            id: id.into(),
            title: title.into(),
            unit: unit.into(),
            remark: String::new(),
            from_zero: false,
            may_be_log: false,
            lines: Vec::new(),
            levels: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Write it, if there is a number to show.
    pub(crate) fn render(&self, html: &mut Html) {
        let Some((x, y)) = self.axes() else { return };
        let heading = format!("{}-h", self.id);
        html.el("figure", &[("class", "chart"), ("id", &self.id), ("aria-labelledby", &heading)], |h| {
            h.el("figcaption", &[], |h| {
                h.el("h3", &[("id", &heading)], |h| {
                    h.text(&self.title);
                    let log = if y.log { "logarithmic axis" } else { "" };
                    for (class, word) in [("unit", self.unit.as_str()), ("log", log)] {
                        if !word.is_empty() {
                            h.text(" ");
                            h.leaf("small", &[("class", class)], word);
                        }
                    }
                });
                if !self.remark.is_empty() {
                    h.leaf("p", &[("class", "remark")], &self.remark);
                }
            });
            draw::picture(self, &x, &y, h);
            draw::legend(self, h);
            table::render(self, h);
            h.data(&format!("{}-data", self.id), &data::of(self, y.log));
        });
    }

    /// Both axes, or nothing if there is no finite value.
    fn axes(&self) -> Option<(Axis, Axis)> {
        let ranges = self.lines.iter().filter_map(|l| l.series.range());
        let (least, most) = ranges.chain(self.levels.iter().map(|l| (l.value, l.value))).reduce(wider)?;
        let ends = |l: &Line| Some((l.series.first()?.0, l.series.last()?.0));
        let (first, last) = self.lines.iter().filter_map(ends).reduce(wider)?;
        let y = if self.may_be_log && least > 0.0 && most / least > LOG_FROM {
            Axis::log(least, most)
        } else {
            Axis::linear(if self.from_zero { least.min(0.0) } else { least }, most, 5, true)
        };
        Some((Axis::linear(first, last, 6, false), y))
    }

    /// What the chart shows, for those who do not see it.
    fn description(&self) -> String {
        let mut words = String::new();
        for line in &self.lines {
            let series = &line.series;
            let (Some(first), Some(last)) = (series.first(), series.last()) else { continue };
            let Some((least, most)) = series.range() else { continue };
            words.push_str(&format!("{}: ", line.label));
            if first.0 == last.0 {
                words.push_str(&format!("{} at step {}. ", significant(last.1, 4), first.0));
                continue;
            }
            words.push_str(&format!(
                "{} at step {}, {} at step {}, between {} and {}. ",
                significant(first.1, 4),
                first.0,
                significant(last.1, 4),
                last.0,
                significant(least, 4),
                significant(most, 4)
            ));
        }
        for level in &self.levels {
            words.push_str(&format!("{}: {}. ", level.label, significant(level.value, 4)));
        }
        for mark in &self.marks {
            words.push_str(&format!("{}: {}. ", mark.label, mark.steps.len()));
        }
        words.trim_end().into()
    }
}

fn wider(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Points) -> Chart {
        let mut chart = Chart::new("c", "Loss", "nats");
        chart.lines.push(Line::new("raw", 0, &points.into_iter().collect()));
        chart
    }

    fn render(chart: &Chart) -> String {
        let mut html = Html::default();
        chart.render(&mut html);
        html.finish()
    }

    #[test]
    fn nothing_finite_draws_nothing() {
        assert_eq!(render(&chart(vec![])), "");
        assert_eq!(render(&chart(vec![(1.0, f64::NAN)])), "");
    }

    #[test]
    fn a_hole_breaks_the_line_and_the_words_tell_the_story() {
        let page = render(&chart(vec![(1.0, 2.0), (2.0, 1.0), (3.0, f64::NAN), (4.0, 1.0), (5.0, 2.0)]));
        assert!(page.contains("d=\"M0 0 2500 2400M7500 2400 10000 0\""), "{page}");
        assert!(page.contains("raw: 2 at step 1, 2 at step 5, between 1 and 2."), "{page}");
    }

    #[test]
    fn steep_values_get_a_logarithmic_axis_only_where_allowed() {
        let mut chart = chart(vec![(1.0, 0.01), (2.0, 100.0)]);
        chart.may_be_log = true;
        assert!(render(&chart).contains(">0.01</text>"));
        chart.may_be_log = false;
        assert!(!render(&chart).contains(">0.01</text>"));
    }

    #[test]
    fn long_curves_stay_small_and_keep_their_spike() {
        let mut points: Points = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_415].1 = 50.0;
        let page = render(&chart(points));
        assert!(page.len() < 120_000, "{}", page.len());
        assert!(page.contains(" 0 "), "the spike reaches the top");
    }
}
