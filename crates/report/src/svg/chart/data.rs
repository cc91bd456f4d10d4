//! The numbers of a chart for the script.

use crate::json::Json;
use crate::series::Series;

use super::{Chart, Line};

/// Buckets of all curves of a chart together, about, and of each curve at least.
const ALL: usize = 8192;
const EACH: usize = 250;
/// Buckets of one curve at most: more than a screen has columns, so that looking closer shows more.
const MOST: usize = 4096;
/// Marks of a kind at most.
const MARKS: usize = 500;

/// Curves with extremes, levels and marks.
pub(super) fn of(chart: &Chart, log: bool) -> Json {
    let each = (ALL / chart.lines.len().max(1)).clamp(EACH, MOST);
    let mut json = Json::default();
    json.object(|j| {
        j.name("log").flag(log);
        j.name("zero").flag(chart.from_zero);
        j.name("lines").list(|j| chart.lines.iter().for_each(|line| self::line(line, each, j)));
        j.name("levels").list(|j| {
            for level in &chart.levels {
                j.object(|j| {
                    j.name("label").text(&level.label);
                    j.name("value").number(level.value);
                });
            }
        });
        j.name("marks").list(|j| {
            for mark in &chart.marks {
                j.object(|j| {
                    j.name("label").text(&mark.label);
                    j.name("tall").flag(mark.tall);
                    j.name("steps").numbers(mark.steps.iter().copied().take(MARKS));
                });
            }
        });
    });
    json
}

fn line(line: &Line, most: usize, json: &mut Json) {
    let series = line.series.within(most);
    let buckets = series.buckets();
    json.object(|j| {
        j.name("label").text(&line.label);
        j.name("look").number(line.look as f64);
        j.name("run").number(line.run as f64);
        j.name("noisy").flag(line.noisy);
        places(&series, j);
        j.name("y").numbers(buckets.iter().map(|b| b.mean()));
        if !series.is_exact() {
            let ends = [buckets.first().map(|b| b.x), buckets.last().map(|b| b.end)];
            j.name("ends").numbers(ends.into_iter().flatten());
            j.name("low").numbers(buckets.iter().map(|b| b.low));
            j.name("high").numbers(buckets.iter().map(|b| b.high));
        }
    });
}

/// Where the buckets lie: `[first, distance]` if they are evenly spread, which is the rule, else all places.
fn places(series: &Series, json: &mut Json) {
    let x: Vec<f64> = series.means().into_iter().map(|p| p.0).collect();
    let step = x.get(1).map_or(0.0, |second| second - x[0]);
    // The last bucket may hold fewer points, so it is written by itself.
    let even = x.len() > 3 && x[..x.len() - 1].windows(2).all(|w| w[1] - w[0] == step);
    if even {
        json.name("even").numbers([x[0], step, x[x.len() - 1]]);
    } else {
        json.name("x").numbers(x);
    }
}

/// Where steps lie in tokens and in seconds of work, to change the meaning of `x`.
pub(crate) fn clock(tokens: &Series, seconds: &Series, json: &mut Json) {
    let ends = |series: &Series, name: &str, json: &mut Json| {
        let series = series.within(EACH);
        let known: Vec<(f64, f64)> =
            series.buckets().iter().filter(|b| b.finite > 0).map(|b| (b.end, b.last)).collect();
        json.name(name).list(|j| {
            j.numbers(known.iter().map(|p| p.0));
            j.numbers(known.iter().map(|p| p.1));
        });
    };
    json.object(|j| {
        ends(tokens, "tokens", j);
        ends(seconds, "seconds", j);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_bounded_and_keeps_its_extremes() {
        let mut chart = Chart::new("c", "Loss", "nats");
        let value = |i: u32| if i == 31_415 { 50.0 } else { 1.0 + 1.0 / f64::from(i + 3) };
        let series: Series = (0..100_000).map(|i| (f64::from(i), value(i))).collect();
        chart.lines.push(Line::new("loss", 0, &series).noisy());
        let json = of(&chart, false);
        assert!(json.as_str().len() < 120_000, "{}", json.as_str().len());
        let value: serde_json::Value = serde_json::from_str(json.as_str()).unwrap();
        let high = value["lines"][0]["high"].as_array().unwrap();
        assert!(high.len() <= MOST && high.iter().any(|v| v.as_f64() == Some(50.0)));
        assert_eq!(value["lines"][0]["even"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn steps_have_their_tokens_and_times() {
        let tokens: Series = (1..=10).map(|i| (f64::from(i), f64::from(i * 512))).collect();
        let mut json = Json::default();
        clock(&tokens, &Series::default(), &mut json);
        assert!(json.as_str().starts_with("{\"tokens\":[[1,2,3"), "{}", json.as_str());
        assert!(json.as_str().ends_with("\"seconds\":[[],[]]}"), "{}", json.as_str());
    }
}
