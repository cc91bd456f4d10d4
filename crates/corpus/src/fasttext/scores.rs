//! How well a classifier tells labelled lines apart.
//!
//! The area under a label's curve needs the probabilities that all lines have of it, and lines times labels are many. So labels
//! are taken in blocks, and what the model says of the lines is worked out again for each.

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

/// Bytes that the probabilities of a block of labels take.
const BLOCK: usize = 32 << 20;

/// Which lines have which labels.
struct Own {
    /// The lines that have one.
    lines: Vec<usize>,
    /// Each label of a line, with the number of the line among those, rising.
    labels: Vec<(usize, usize)>,
}

/// Score lines as [`super::train`] takes them; those without a label do not count. A line of which the model knows nothing has no
/// likeliest label, and the probability 0 of each.
///
/// # Errors
/// As [`Model::predict`].
pub fn score<S: AsRef<str> + Sync>(model: &Model, lines: &[S]) -> Result<Scores> {
    score_within(model, lines, BLOCK)
}

fn score_within<S: AsRef<str> + Sync>(model: &Model, lines: &[S], bytes: usize) -> Result<Scores> {
    let own = Own::of(model, lines);
    let (count, labels) = (own.lines.len(), model.labels().len());
    // A number is there twice while its label is judged.
    let width = (bytes / (12 * count.max(1))).min(labels).max(1);
    let mut likeliest: Vec<Option<u32>> = vec![None; count];
    let mut block = vec![0f32; width * count];
    let (mut scores, mut right) = (Vec::new(), 0);
    for first in (0..labels).step_by(width) {
        block.fill(0.0);
        let rows = block.par_chunks_mut(width).zip(&mut likeliest).zip(&own.lines);
        rows.try_for_each_init(Scratch::default, |scratch, ((row, likeliest), &line)| -> Result<()> {
            let found = model.best(scratch, lines[line].as_ref().as_bytes(), usize::MAX)?;
            *likeliest = found.first().map(|&(_, label)| label);
            for &(score, label) in found {
                let place = (label as usize).checked_sub(first).and_then(|place| row.get_mut(place));
                place.into_iter().for_each(|place| *place = score.exp());
            }
            Ok(())
        })?;
        let judged = (first..labels.min(first + width)).into_par_iter().map(|number| {
            let label = &model.labels()[number];
            let mut scored: Vec<(f32, bool)> =
                block.iter().skip(number - first).step_by(width).map(|&score| (score, false)).collect();
            own.having(number).for_each(|line| scored[line].1 = true);
            let is_likeliest = |line: usize| likeliest[line] == Some(number as u32);
            let taken = (0..count).filter(|&line| is_likeliest(line)).count();
            let both = own.having(number).filter(|&line| is_likeliest(line)).count();
            let label = label.strip_prefix("__label__").unwrap_or(label).to_string();
            (LabelScores::new(label, own.having(number).count(), taken, both, auc(scored)), both)
        });
        for (label, both) in judged.collect::<Vec<_>>() {
            scores.push(label);
            right += both;
        }
    }
    Ok(Scores { lines: count as u64, accuracy: ratio(right, count), labels: scores })
}

impl Own {
    fn of<S: AsRef<str>>(model: &Model, lines: &[S]) -> Own {
        let numbers: HashMap<&[u8], usize> =
            model.labels().iter().enumerate().map(|(number, label)| (label.as_bytes(), number)).collect();
        let mut own = Own { lines: Vec::new(), labels: Vec::new() };
        for (number, line) in lines.iter().enumerate() {
            let labels = tokens(line.as_ref().as_bytes()).filter(|token| token.starts_with(LABEL));
            let labels: BTreeSet<usize> = labels.filter_map(|label| numbers.get(label).copied()).collect();
            if !labels.is_empty() {
                own.labels.extend(labels.into_iter().map(|label| (label, own.lines.len())));
                own.lines.push(number);
            }
        }
        own.labels.sort_unstable();
        own
    }

    /// The lines that have a label.
    fn having(&self, label: usize) -> impl Iterator<Item = usize> {
        let first = self.labels.partition_point(|&(other, _)| other < label);
        self.labels[first..].iter().take_while(move |&&(other, _)| other == label).map(|&(_, line)| line)
    }
}

impl LabelScores {
    fn new(label: String, having: usize, taken: usize, both: usize, auc: Option<f64>) -> LabelScores {
        LabelScores {
            label,
            lines: having as u64,
            precision: ratio(both, taken),
            recall: ratio(both, having),
            f1: ratio(2 * both, having + taken),
            auc,
        }
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

    #[test]
    fn scores_are_the_same_in_blocks_of_any_number_of_labels() {
        let words = ["whale", "bird", "swim", "fly", "tree", "stone", "wood"];
        let text = |i: usize| format!("{} {}", words[i % 7], words[(i * i + 3) % 7]);
        let lines: Vec<String> = (0..300)
            .map(|i| {
                line(&format!("of{}", i % 11), &text(i)) + if i % 13 == 0 { " __label__of1" } else { "" }
            })
            .collect();
        let options = Options { dim: 5, learning_rate: 0.5, epochs: 3, ..Options::default() };
        let model = Model::from_bytes(train(&lines[40..], &options).unwrap(), "new").unwrap();
        let asked =
            [&lines[..], &["__label__of3 __label__of3".into(), "none".into(), line("of2", "unknown")]]
                .concat();
        let all = score(&model, &asked).unwrap();
        assert_eq!((all.lines, all.labels.len()), (302, 11));
        assert!(
            all.labels.iter().all(|of| of.auc.is_some()) && all.accuracy.is_some_and(|share| share > 0.1)
        );
        for width in [0, 1, 2, 5, 10, 11] {
            assert_eq!(score_within(&model, &asked, width * 12 * 302).unwrap(), all, "{width}");
        }
        // As by the definition, label by label.
        for (number, of) in model.labels().iter().zip(&all.labels) {
            let has = |line: &&String| tokens(line.as_bytes()).any(|token| token == number.as_bytes());
            let known =
                asked.iter().filter(|line| tokens(line.as_bytes()).any(|token| token.starts_with(LABEL)));
            let scored =
                known.map(|line| (model.probability(line, number).unwrap().unwrap_or(0.0), has(&line)));
            assert_eq!(of.auc, auc(scored.collect()));
            assert_eq!(of.lines, asked.iter().filter(has).count() as u64);
        }
        assert_eq!(score(&model, &["no label"]).unwrap().accuracy, None);
    }
}
