//! Sequences of words that repeat one after the other, as Dolma's taggers of the kind `tokenizer_repetitions` look for
//! them in tokens: periods of 1 to 13, at least three times.
//!
//! A place repeats with period p if its word is that p places before. A run of such places and the p words before it is a
//! sequence of that period. What lies within another sequence is left out (as in `tokenizer_repetitions_v2r2`). Words are
//! told apart by 64 bits; one pass a period.

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, spans, value};

const LONGEST_PERIOD: usize = 13;
const LEAST_TIMES: usize = 3;

static ATTRIBUTES: [Attribute; 4] = [
    spans("repetition", "sequences of words that repeat, with the number of whole repetitions"),
    value("doc_max_score_repetition", "the most repetitions of a sequence"),
    value("doc_max_length_repetition", "characters of the longest of them"),
    fraction("doc_frac_repetition", "share of characters in any of them"),
];

pub(super) static KIND: Kind = Kind {
    name: "repetition",
    aliases: &[],
    version: 1,
    about: "Sequences of up to 13 words that repeat at least three times one after the other (after Dolma).",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Repetition))
    },
};

/// A sequence: its first word, the word behind its last one, its period.
type Sequence = (u32, u32, u32);

/// All sequences of all periods.
fn sequences(words: &[super::Word]) -> Vec<Sequence> {
    let mut out = Vec::new();
    for period in 1..=LONGEST_PERIOD.min(words.len() / LEAST_TIMES) {
        let mut run = 0;
        for at in period..=words.len() {
            if words.get(at).is_some_and(|word| word.hash == words[at - period].hash) {
                run += 1;
                continue;
            }
            if run + period >= LEAST_TIMES * period {
                out.push(((at - run - period) as u32, at as u32, period as u32));
            }
            run = 0;
        }
    }
    // The first and the longest first; of equal ones the shortest period.
    out.sort_unstable_by_key(|&(start, end, period)| (start, std::cmp::Reverse(end), period));
    let mut behind = 0;
    out.retain(|&(_, end, _)| {
        let keep = end > behind;
        behind = behind.max(end);
        keep
    });
    out
}

struct Repetition;

impl Tagger for Repetition {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let characters = |start: u32, end: u32| view.text[start as usize..end as usize].chars().count();
        let (mut most, mut longest, mut all, mut behind) = (0, 0, 0, 0);
        for (first, end, period) in sequences(view.words) {
            let (start, to) = (view.words[first as usize].start, view.words[end as usize - 1].end);
            let times = (end - first) / period;
            out.span(0, start..to, f64::from(times));
            most = most.max(times);
            longest = longest.max(characters(start, to));
            all += characters(start.max(behind), to);
            behind = to;
        }
        out.value(1, f64::from(most));
        out.value(2, longest as f64);
        out.value(3, if all == 0 { 0.0 } else { all as f64 / f64::from(view.characters) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::tags;
    use proptest::prelude::*;

    #[test]
    fn sequences_are_found_whole() {
        let text = "say é é é é and a b a b a b a then x y x y end";
        let found = tags("repetition", text);
        let shown: Vec<(&str, f64)> =
            found[..2].iter().map(|t| (&text[t.1 as usize..t.2 as usize], t.3)).collect();
        assert_eq!(shown, [("é é é é", 4.0), ("a b a b a b a", 3.0)]);
        let values: Vec<f64> = found[2..].iter().map(|t| t.3).collect();
        assert_eq!(values, [4.0, 13.0, 20.0 / text.chars().count() as f64]);
        assert_eq!(tags("repetition", "").iter().map(|t| t.3).sum::<f64>(), 0.0);
    }

    proptest! {
        #[test]
        fn sequences_are_those_by_the_book(text in "((a|b|c) ){0,40}") {
            let mut buffers = super::super::Buffers::default();
            let view = buffers.view(&text);
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut naive = Vec::new();
            for period in 1..=LONGEST_PERIOD {
                for start in 0..words.len() {
                    let holds = |at: usize| at < words.len() && words[at] == words[at - period];
                    // It cannot be longer to the left.
                    if start > 0 && holds(start + period - 1) {
                        continue;
                    }
                    let mut end = start + period;
                    while holds(end) {
                        end += 1;
                    }
                    if end - start >= LEAST_TIMES * period && end <= words.len() {
                        naive.push((start as u32, end as u32, period as u32));
                    }
                }
            }
            let within = |a: &Sequence, b: &Sequence| {
                b.0 <= a.0 && a.1 <= b.1 && ((a.0, a.1) != (b.0, b.1) || b.2 < a.2)
            };
            let all = naive.clone();
            naive.retain(|one| !all.iter().any(|other| within(one, other)));
            naive.sort_unstable();
            prop_assert_eq!(sequences(view.words), naive);
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["a ", "a b ", "a b c d e f g h i j k l m "] {
            tags("repetition", &run.repeat(500_000 / run.len()));
        }
    }
}
