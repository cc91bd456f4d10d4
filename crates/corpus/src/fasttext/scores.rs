//! How well a classifier tells labelled lines apart.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use super::dictionary::LABEL;
use super::train::tokens;
use super::{Model, Scratch};
use crate::error::Result;

/// Scores on lines that have labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Lines with a label.
    pub lines: u64,
    /// Share of lines whose likeliest label is one of theirs; fastText's P@1. None without lines.
    pub accuracy: Option<f64>,
    /// The labels, in the order of the model.
    pub labels: Vec<LabelScores>,
}

/// Scores of one label against all others. A ratio of nothing is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScores {
    /// The label, without its prefix.
    pub label: String,
    /// Lines that have it.
    pub lines: u64,
    /// Share of the lines for which it is the likeliest that have it.
    pub precision: Option<f64>,
    /// Share of the lines that have it for which it is the likeliest.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
    /// Chance that a line which has it gets a higher probability of it than one which has not; ties count half.
    pub auc: Option<f64>,
}

/// What the model says of one line.
struct Judged {
    has: Vec<bool>,
    top: Option<usize>,
    probabilities: Vec<f32>,
}

/// Score lines as [`super::train`] takes them; those without a label do not count. A line of which the model knows nothing has no
/// likeliest label, and the probability 0 of each.
///
/// # Errors
/// As [`Model::predict`].
pub fn score<S: AsRef<str> + Sync>(model: &Model, lines: &[S]) -> Result<Scores> {
    let numbers: HashMap<&str, usize> =
        model.labels().iter().enumerate().map(|(i, label)| (&**label, i)).collect();
    let judged: Vec<Option<Judged>> = lines
        .par_iter()
        .map_init(Scratch::default, |scratch, line| judge(model, &numbers, scratch, line.as_ref()))
        .collect::<Result<_>>()?;
    let judged: Vec<Judged> = judged.into_iter().flatten().collect();
    let right = judged.iter().filter(|line| line.top.is_some_and(|top| line.has[top])).count();
    let labels: Vec<_> = model.labels().iter().enumerate().collect();
    let labels = labels.into_par_iter().map(|(number, label)| {
        let label = label.strip_prefix("__label__").unwrap_or(label).to_string();
        of_label(label, number, &judged)
    });
    let labels = labels.collect();
    Ok(Scores { lines: judged.len() as u64, accuracy: ratio(right, judged.len()), labels })
}

/// None if the line has no label that the model knows.
fn judge(
    model: &Model,
    numbers: &HashMap<&str, usize>,
    scratch: &mut Scratch,
    line: &str,
) -> Result<Option<Judged>> {
    let own: BTreeSet<&[u8]> = tokens(line.as_bytes()).filter(|token| token.starts_with(LABEL)).collect();
    let has: Vec<bool> = model.labels().iter().map(|label| own.contains(label.as_bytes())).collect();
    if !has.contains(&true) {
        return Ok(None);
    }
    let mut found = Vec::new();
    model.predict_with(scratch, line.as_bytes(), usize::MAX, &mut found)?;
    let number = |label: &str| numbers.get(label).copied();
    let mut probabilities = vec![0.0; has.len()];
    for prediction in &found {
        if let Some(number) = number(prediction.label) {
            probabilities[number] = prediction.probability;
        }
    }
    Ok(Some(Judged { has, top: found.first().and_then(|best| number(best.label)), probabilities }))
}

fn of_label(label: String, number: usize, judged: &[Judged]) -> LabelScores {
    let having = judged.iter().filter(|line| line.has[number]).count();
    let taken = judged.iter().filter(|line| line.top == Some(number)).count();
    let both = judged.iter().filter(|line| line.has[number] && line.top == Some(number)).count();
    LabelScores {
        label,
        lines: having as u64,
        precision: ratio(both, taken),
        recall: ratio(both, having),
        f1: ratio(2 * both, having + taken),
        auc: auc(judged.iter().map(|line| (line.probabilities[number], line.has[number])).collect()),
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The area under the ROC curve by ranks (Mann and Whitney 1947). None if all are of one kind.
fn auc(mut scored: Vec<(f32, bool)>) -> Option<f64> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut pairs) = (0, 0.0);
    for equal in scored.chunk_by(|a, b| a.0 == b.0) {
        let with = equal.iter().filter(|(_, has)| *has).count();
        let without = equal.len() - with;
        pairs += with as f64 * (below as f64 + without as f64 / 2.0);
        below += without;
    }
    let all = (scored.len() - below) as f64 * below as f64;
    (all > 0.0).then(|| pairs / all)
}

#[cfg(test)]
mod tests {
    use super::super::{Options, line, train};
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        assert_eq!(auc(vec![(0.1, false), (0.9, true)]), Some(1.0));
        assert_eq!(auc(vec![(0.9, false), (0.1, true)]), Some(0.0));
        assert_eq!(auc(vec![(0.5, false), (0.5, true)]), Some(0.5));
        // Of six pairs four are in order and one is a tie.
        let scored = vec![(0.1, false), (0.3, true), (0.4, false), (0.4, true), (0.9, true)];
        assert_eq!(auc(scored), Some(4.5 / 6.0));
        assert_eq!((auc(vec![(0.1, true), (0.2, true)]), auc(Vec::new())), (None, None));
    }

    #[test]
    fn labels_are_counted_against_what_was_said() {
        let lines: Vec<String> = (0..40)
            .map(|i| if i % 2 == 0 { line("sea", "whale swim") } else { line("sky", "bird fly") })
            .collect();
        let options = Options { dim: 4, learning_rate: 1.0, epochs: 20, ..Options::default() };
        let model = Model::from_bytes(train(&lines, &options).unwrap(), "new").unwrap();
        let asked = [
            line("sea", "whale"),
            line("sea", "swim whale"),
            line("sea", "bird"),
            line("sky", "fly bird"),
            "__label__sea __label__sky fly".into(),
            "no label here".into(),
            line("land", "a label that the model has not"),
        ];
        let scores = score(&model, &asked).unwrap();
        assert_eq!((scores.lines, scores.accuracy), (5, Some(0.8)));
        let of = |label: &str| scores.labels.iter().find(|of| of.label == label).unwrap();
        let sea = of("sea");
        assert_eq!((sea.lines, sea.precision, sea.recall), (4, Some(1.0), Some(0.5)));
        assert!((sea.f1.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        let sky = of("sky");
        assert_eq!((sky.lines, sky.precision, sky.recall), (2, Some(2.0 / 3.0), Some(1.0)));
        assert!(sea.auc.unwrap() > 0.4 && sky.auc.unwrap() > 0.6, "{scores:?}");
    }
}
