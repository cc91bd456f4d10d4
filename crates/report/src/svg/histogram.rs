//! Bars of counts over bins of one width.

use crate::html::Html;
use crate::words::{grouped, percent, significant};

use super::scale::Axis;

/// Counts of values in bins.
pub(crate) struct Histogram {
    /// Unique on the page.
    pub(crate) id: String,
    /// What is shown.
    pub(crate) title: String,
    /// Unit of the values.
    pub(crate) unit: String,
    /// What is counted.
    pub(crate) what: String,
    /// Width of a bin, above 0. The first begins at 0, the last holds all greater values.
    pub(crate) width: f64,
    /// How many values are in each bin.
    pub(crate) counts: Vec<f64>,
}

impl Histogram {
    fn all(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The value below which a share of all lies, taken as even within a bin.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut left = share * self.all();
        for (i, &count) in self.counts.iter().enumerate() {
            if left <= count && count > 0.0 {
                return (i as f64 + left / count) * self.width;
            }
            left -= count;
        }
        self.counts.len() as f64 * self.width
    }

    /// The first border of bins at or behind `value`, and the share below it.
    pub(crate) fn below(&self, value: f64) -> (f64, f64) {
        let bins = ((value / self.width).ceil() as usize).clamp(1, self.counts.len().max(1));
        let below: f64 = self.counts.iter().take(bins).sum();
        (bins as f64 * self.width, below / self.all())
    }

    /// Bins up to the last that holds anything.
    fn used(&self) -> usize {
        self.counts.iter().rposition(|&n| n > 0.0).map_or(0, |last| last + 1)
    }

    /// Write it with a sentence, the picture and a table, if anything was counted.
    pub(crate) fn render(&self, words: &str, html: &mut Html) {
        let used = self.used();
        let all = self.all();
        if used == 0 || all <= 0.0 {
            return;
        }
        let heading = format!("{}-h", self.id);
        html.el("figure", &[("class", "chart"), ("aria-labelledby", &heading)], |h| {
            h.el("figcaption", &[], |h| {
                h.el("h3", &[("id", &heading)], |h| {
                    h.text(&self.title);
                    h.text(" ");
                    h.leaf("small", &[], &self.unit);
                });
                h.leaf("p", &[("class", "remark")], words);
            });
            self.picture(used, all, words, h);
            self.table(used, all, h);
        });
    }

    fn picture(&self, used: usize, all: f64, words: &str, html: &mut Html) {
        let most = self.counts.iter().fold(0.0f64, |a, &b| a.max(b)) / all * 100.0;
        let y = Axis::linear(0.0, most, 4, true);
        let x = Axis::linear(0.0, used as f64 * self.width, 8, false);
        let (title, about) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let named = format!("{title} {about}");
        html.el("svg", &[("class", "plot"), ("role", "img"), ("aria-labelledby", &named)], |h| {
            h.leaf("title", &[("id", &title)], &self.title);
            h.leaf("desc", &[("id", &about)], words);
            for tick in &y.ticks {
                let at = upside(tick.at);
                h.void("line", &[("class", "grid"), ("x1", "0"), ("x2", "100%"), ("y1", &at), ("y2", &at)]);
                let attrs = [("class", "tick y"), ("x", "0"), ("y", &at), ("dx", "-8"), ("dy", "4")];
                h.leaf("text", &attrs, &format!("{} %", tick.label));
            }
            for (i, &count) in self.counts.iter().take(used).enumerate().filter(|(_, n)| **n > 0.0) {
                let share = count / all * 100.0;
                let attrs = [
                    ("class", "column"),
                    ("x", &percentage(x.place(i as f64 * self.width))),
                    ("width", &percentage(0.86 / used as f64)),
                    ("y", &upside(y.place(share))),
                    ("height", &percentage(y.place(share))),
                ];
                h.el("rect", &attrs.map(|(name, value)| (name, value as &str)), |h| {
                    h.leaf("title", &[], &format!("{}: {}", self.bin(i), percent(count / all)));
                });
            }
            h.void("line", &[("class", "base"), ("x1", "0"), ("x2", "100%"), ("y1", "100%"), ("y2", "100%")]);
            for (i, tick) in x.ticks.iter().enumerate() {
                let class = if i % 2 == 0 { "tick x" } else { "tick x minor" };
                let at = percentage(tick.at);
                h.leaf("text", &[("class", class), ("x", &at), ("y", "100%"), ("dy", "19")], &tick.label);
            }
            h.leaf("text", &[("class", "tick x"), ("x", "50%"), ("y", "100%"), ("dy", "38")], &self.unit);
        });
    }

    /// `0.25 to 0.5`, or `16 and more`.
    fn bin(&self, i: usize) -> String {
        let low = significant(i as f64 * self.width, 4);
        if i + 1 == self.counts.len() {
            return format!("{low} and more");
        }
        format!("{low} to {}", significant((i + 1) as f64 * self.width, 4))
    }

    fn table(&self, used: usize, all: f64, html: &mut Html) {
        html.el("details", &[("class", "data")], |h| {
            h.leaf("summary", &[], "Data table");
            let label = format!("{}: data", self.title);
            super::super::sections::table(h, &label, |h| {
                let counted = format!("#{}", crate::words::capital(&self.what));
                super::super::sections::columns(h, &[&format!("#{}", self.unit), &counted, "#Share"]);
                h.el("tbody", &[], |h| {
                    for (i, &count) in self.counts.iter().take(used).enumerate() {
                        h.el("tr", &[], |h| {
                            h.leaf("th", &[("scope", "row"), ("class", "n")], &self.bin(i));
                            h.leaf("td", &[("class", "n")], &grouped(count));
                            h.leaf("td", &[("class", "n")], &percent(count / all));
                        });
                    }
                });
            });
        });
    }
}

fn percentage(at: f64) -> String {
    format!("{:.3}%", at * 100.0)
}

fn upside(at: f64) -> String {
    percentage(1.0 - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[f64]) -> Histogram {
        Histogram {
            id: "h".into(),
            title: "Losses".into(),
            unit: "nats".into(),
            what: "tokens".into(),
            width: 0.5,
            counts: counts.into(),
        }
    }

    #[test]
    fn quantiles_lie_within_their_bins() {
        let histogram = histogram(&[2.0, 0.0, 2.0, 0.0]);
        assert_eq!((histogram.quantile(0.25), histogram.quantile(0.75)), (0.25, 1.25));
        assert_eq!(histogram.quantile(1.0), 1.5);
        assert_eq!(histogram.below(0.1), (0.5, 0.5));
        assert_eq!(histogram.below(99.0), (2.0, 1.0));
    }

    #[test]
    fn empty_ends_are_not_drawn() {
        let mut html = Html::default();
        histogram(&[1.0, 3.0, 0.0, 0.0]).render("words", &mut html);
        let page = html.finish();
        assert_eq!(page.matches("<rect").count(), 2);
        assert!(page.contains("0.5000 to 1") && !page.contains("and more"));
        let mut html = Html::default();
        histogram(&[0.0]).render("words", &mut html);
        assert!(html.is_empty());
    }
}
