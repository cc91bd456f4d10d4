//! From logits to the next token: penalty, temperature, top-k, top-p, min-p, softmax, draw.
//!
//! All filters rank tokens by score and break ties by the lower id. What survives is put back into the order of ids
//! before the draw, so a filter that keeps everything changes no bit.

use std::cmp::Ordering;

use regimen_base::Philox;

use crate::sampling::Sampling;

/// Scores this far below the largest weigh less than f64 can add to it.
const NEGLIGIBLE: f64 = -50.0;
/// First guess at how many tokens top-p keeps.
const FIRST_PREFIX: usize = 256;

/// Chooses tokens, one after another, for one generation. Holds the buffers that a choice needs.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: Philox,
    scores: Vec<f32>,
    kept: Vec<Candidate>,
    used: Vec<bool>,
    history: Vec<u32>,
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its logit after the repetition penalty, before the temperature.
    score: f32,
    /// `exp((score - largest score) / temperature)`: its probability but for a common factor.
    pub weight: f64,
}

/// Most likely first, lower id first among equals.
fn by_score(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.id.cmp(&b.id))
}

impl Sampler {
    /// A sampler for a vocabulary of `vocab` tokens. `sampling` should be valid ([`Sampling::validate`]).
    pub fn new(vocab: usize, sampling: &Sampling) -> Sampler {
        Sampler {
            sampling: sampling.clone(),
            random: Philox::new(sampling.seed, &["sample"]),
            scores: Vec::with_capacity(vocab),
            kept: Vec::new(),
            used: vec![false; vocab],
            history: Vec::new(),
        }
    }

    /// Remember that `id` stands in the text, for the repetition penalty.
    pub fn note(&mut self, id: u32) {
        if let Some(used @ false) = self.used.get_mut(id as usize) {
            *used = true;
            self.history.push(id);
        }
    }

    /// The token at `position` (0 for the first one generated), drawn from finite `logits` `[vocab]`. `banned` is
    /// never drawn.
    pub fn choose(&mut self, logits: &[f32], banned: Option<u32>, position: u64) -> u32 {
        if self.sampling.temperature == 0.0 {
            self.penalise(logits, banned);
            return argmax(&self.scores);
        }
        let words = self.random.block(position);
        let bits = u64::from(words[0]) | (u64::from(words[1]) << 32);
        let uniform = (bits >> 11) as f64 / (1u64 << 53) as f64;
        draw(self.candidates(logits, banned), uniform)
    }

    /// The tokens that all filters leave, in the order of their ids, for a temperature above 0.
    pub fn candidates(&mut self, logits: &[f32], banned: Option<u32>) -> &[Candidate] {
        self.penalise(logits, banned);
        let (top_k, top_p, min_p) = (self.sampling.top_k, self.sampling.top_p, self.sampling.min_p);
        let kept = &mut self.kept;
        kept.clear();
        kept.extend(self.scores.iter().enumerate().map(|(id, &score)| Candidate {
            id: id as u32,
            score,
            weight: 0.0,
        }));
        if top_k > 0 && top_k < kept.len() {
            kept.select_nth_unstable_by(top_k - 1, by_score);
            kept.truncate(top_k);
            kept.sort_unstable_by_key(|c| c.id);
        }
        let largest = kept.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.score));
        for candidate in kept.iter_mut() {
            let x = (f64::from(candidate.score) - f64::from(largest)) / self.sampling.temperature;
            candidate.weight = if x < NEGLIGIBLE { 0.0 } else { x.exp() };
        }
        if top_p < 1.0 {
            keep_nucleus(kept, top_p);
        }
        // The largest weight is exp(0) = 1.
        kept.retain(|c| c.weight > 0.0 && c.weight >= min_p);
        kept.sort_unstable_by_key(|c| c.id);
        kept
    }

    fn penalise(&mut self, logits: &[f32], banned: Option<u32>) {
        self.scores.clear();
        self.scores.extend_from_slice(logits);
        let penalty = self.sampling.repetition_penalty as f32;
        if penalty != 1.0 {
            for &id in &self.history {
                if let Some(score) = self.scores.get_mut(id as usize) {
                    let changed = if *score > 0.0 { *score / penalty } else { *score * penalty };
                    *score = changed.clamp(f32::MIN, f32::MAX);
                }
            }
        }
        if let Some(score) = banned.and_then(|id| self.scores.get_mut(id as usize)) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Cuts `kept` to the shortest prefix in rank order whose weight is at least `top_p` of the whole. Ranks only as many
/// as it needs.
fn keep_nucleus(kept: &mut Vec<Candidate>, top_p: f64) {
    let goal = top_p * kept.iter().map(|c| c.weight).sum::<f64>();
    let mut prefix = FIRST_PREFIX;
    loop {
        if prefix < kept.len() {
            kept.select_nth_unstable_by(prefix - 1, by_score);
        }
        let ranked = prefix.min(kept.len());
        kept[..ranked].sort_unstable_by(by_score);
        let mut sum = 0.0;
        let reached = kept[..ranked].iter().position(|c| {
            sum += c.weight;
            sum >= goal
        });
        match reached {
            Some(last) => return kept.truncate(last + 1),
            None if ranked == kept.len() => return,
            None => prefix *= 4,
        }
    }
}

/// The candidate at the point `uniform` in [0, 1) of the cumulative distribution.
fn draw(candidates: &[Candidate], uniform: f64) -> u32 {
    let goal = uniform * candidates.iter().map(|c| c.weight).sum::<f64>();
    let mut sum = 0.0;
    let found = candidates.iter().find(|c| {
        sum += c.weight;
        sum > goal
    });
    found.or(candidates.last()).map_or(0, |c| c.id)
}

/// The first largest score.
fn argmax(scores: &[f32]) -> u32 {
    let mut best = 0;
    for (id, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = id;
        }
    }
    best as u32
}

/// `ln softmax(logits)[id]`, whatever the sampling: the sum runs in f64.
pub fn log_probability(logits: &[f32], id: u32) -> f32 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit) - largest)
        .filter(|&x| x > NEGLIGIBLE)
        .map(f64::exp)
        .sum();
    (f64::from(logits[id as usize]) - largest - sum.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain() -> Sampling {
        Sampling { temperature: 1.0, top_p: 1.0, ..Sampling::default() }
    }

    fn ids(logits: &[f32], sampling: &Sampling) -> Vec<u32> {
        Sampler::new(logits.len(), sampling).candidates(logits, None).iter().map(|c| c.id).collect()
    }

    /// What the filters should keep: everything sorted, one filter after the other, probabilities made anew.
    fn oracle(logits: &[f32], s: &Sampling) -> Vec<u32> {
        let mut all: Vec<(u32, f64)> =
            logits.iter().enumerate().map(|(i, &x)| (i as u32, f64::from(x) / s.temperature)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if s.top_k > 0 {
            all.truncate(s.top_k);
        }
        let softmax = |all: &[(u32, f64)]| -> Vec<f64> {
            let sum: f64 = all.iter().map(|(_, x)| (x - all[0].1).exp()).sum();
            all.iter().map(|(_, x)| (x - all[0].1).exp() / sum).collect()
        };
        let (mut sum, mut keep) = (0.0, 0);
        for p in softmax(&all) {
            if sum < s.top_p || keep == 0 {
                keep += 1;
            }
            sum += p;
        }
        all.truncate(keep);
        let p = softmax(&all);
        let mut kept: Vec<u32> =
            all.iter().zip(&p).filter(|(_, q)| **q >= s.min_p * p[0]).map(|(c, _)| c.0).collect();
        kept.sort_unstable();
        kept
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn filters_keep_what_the_oracle_keeps(
            // Quarters make ties common; a spread of 10 keeps sums clear of the thresholds' last bits.
            quarters in prop::collection::vec(-20i32..20, 1..700),
            temperature in 0.3f64..2.0, top_k in 0usize..60, top_p in 0.05f64..1.0, min_p in 0.0f64..0.9,
        ) {
            let logits: Vec<f32> = quarters.iter().map(|&q| q as f32 * 0.25).collect();
            let sampling = Sampling { temperature, top_k, top_p, min_p: min_p * min_p, ..plain() };
            let found = ids(&logits, &sampling);
            prop_assert!(!found.is_empty());
            prop_assert_eq!(found, oracle(&logits, &sampling));
        }

        #[test]
        fn top_k_of_one_is_greedy(quarters in prop::collection::vec(-9i32..9, 1..60), seed: u64) {
            let logits: Vec<f32> = quarters.iter().map(|&q| q as f32 * 0.25).collect();
            let n = logits.len();
            let one = Sampler::new(n, &Sampling { top_k: 1, seed, ..plain() }).choose(&logits, None, 3);
            let greedy = Sampler::new(n, &Sampling::greedy(1)).choose(&logits, None, 3);
            prop_assert_eq!(one, greedy);
        }
    }

    #[test]
    fn a_long_tail_needs_more_than_the_first_prefix() {
        let logits: Vec<f32> = (0..5000).map(|i| ((i * 37) % 5000) as f32 * 1e-4).collect();
        let sampling = Sampling { top_p: 0.7, ..plain() };
        let found = ids(&logits, &sampling);
        assert!(found.len() > 3000 && found == oracle(&logits, &sampling), "{}", found.len());
    }

    #[test]
    fn filters_that_keep_all_change_no_draw() {
        let logits: Vec<f32> = (0..300).map(|i| ((i * 71) % 97) as f32 * 0.05).collect();
        let mut off = Sampler::new(300, &plain());
        let mut on = Sampler::new(300, &Sampling { top_k: 300, min_p: 1e-30, ..plain() });
        for position in 0..200 {
            assert_eq!(off.choose(&logits, None, position), on.choose(&logits, None, position));
        }
    }

    #[test]
    fn draws_follow_the_softmax() {
        let logits = [0.0f32, 1.0, -1.0, 2.0];
        let mut sampler = Sampler::new(4, &Sampling { temperature: 2.0, seed: 5, ..plain() });
        let n = 20_000;
        let mut counts = [0.0f64; 4];
        (0..n).for_each(|i| counts[sampler.choose(&logits, None, i) as usize] += 1.0 / n as f64);
        let sum: f64 = logits.iter().map(|x| f64::from(x / 2.0).exp()).sum();
        for (count, logit) in counts.iter().zip(logits) {
            assert!((count - f64::from(logit / 2.0).exp() / sum).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn the_penalty_pushes_both_signs_down() {
        let logits = [2.0f32, 1.9, -1.0, -1.1];
        let mut sampler = Sampler::new(4, &Sampling { repetition_penalty: 1.5, ..Sampling::greedy(1) });
        assert_eq!(sampler.choose(&logits, None, 0), 0);
        sampler.note(0);
        sampler.note(0);
        assert_eq!(sampler.choose(&logits, None, 1), 1);
        sampler.note(2);
        sampler.penalise(&logits, None);
        assert_eq!(sampler.scores, [2.0 / 1.5, 1.9, -1.5, -1.1]);
        sampler.penalise(&[f32::MIN; 4], None);
        assert!(sampler.scores.iter().all(|s| s.is_finite()));
    }

    #[test]
    fn the_banned_token_is_never_drawn() {
        let logits = [9.0f32, 0.0, 0.0];
        let mut greedy = Sampler::new(3, &Sampling::greedy(1));
        assert_eq!((greedy.choose(&logits, None, 0), greedy.choose(&logits, Some(0), 0)), (0, 1));
        let mut sampler = Sampler::new(3, &plain());
        assert!((0..100).all(|i| sampler.choose(&logits, Some(0), i) != 0));
        let two: Vec<u32> = sampler.candidates(&logits, Some(0)).iter().map(|c| c.id).collect();
        assert_eq!(two, [1, 2]);
    }

    #[test]
    fn log_probabilities_are_those_of_the_plain_softmax() {
        let logits = [1.0f32, 2.0, 3.0];
        let sum: f64 = [1.0f64, 2.0, 3.0].iter().map(|x| x.exp()).sum();
        for (id, x) in [1.0f64, 2.0, 3.0].iter().enumerate() {
            assert!((f64::from(log_probability(&logits, id as u32)) - (x - sum.ln())).abs() < 1e-6);
        }
        assert_eq!(log_probability(&[1e30, -1e30], 0), 0.0);
    }
}
