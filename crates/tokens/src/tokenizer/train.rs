//! Learning the merges of a byte pair encoding: the most frequent pair becomes a token, again and again.
//!
//! The trainer of the `tokenizers` crate is not used here: when two pairs spell the same token it queues a pair twice,
//! each entry with a part of its places, and which of two equal entries comes first depends on a hash seed drawn anew
//! in each process. An artifact must come out the same every time. Where no pair is queued twice both trainers learn
//! the same merges (a test compares them): ties go to the pair with the lower token ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;
use regimen_base::Cancel;
use regimen_base::hint::Interrupted;

use super::hash::QuickMap;
use super::split::{GPT2, parts};

/// A pair must occur this often to be worth a token.
const LEAST: u64 = 2;
/// Bytes of text that one task counts.
const PART: usize = 1 << 20;

/// Longest piece that is learned from as a whole, in bytes. Every merge looks through the words that hold its pair, so
/// a piece of megabytes (a genome, a line of one letter) is learned from in cuts.
const LONGEST: usize = 1 << 10;

fn cut(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let (now, later) = rest.split_at(rest.floor_char_boundary(LONGEST));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// How often each piece occurs, in the order of their bytes.
pub(crate) fn count_pieces<'t>(texts: &[&'t str]) -> Vec<(&'t str, u64)> {
    let all: Vec<&str> = texts.iter().flat_map(|text| parts(text, PART)).collect();
    let total = all
        .par_iter()
        .fold(QuickMap::<&str, u64>::default, |mut counts, part| {
            for piece in GPT2.pieces(part).flat_map(cut) {
                *counts.entry(piece).or_default() += 1;
            }
            counts
        })
        .reduce(QuickMap::default, |mut into, mut from| {
            if into.len() < from.len() {
                std::mem::swap(&mut into, &mut from);
            }
            from.into_iter().for_each(|(piece, count)| *into.entry(piece).or_default() += count);
            into
        });
    let mut sorted: Vec<(&str, u64)> = total.into_iter().collect();
    sorted.par_sort_unstable();
    sorted
}

/// A learned vocabulary: tokens by id and pairs by rank.
#[derive(Debug, PartialEq)]
pub(crate) struct Learned {
    /// Bytes of each token; the first 256 are the bytes themselves, in the order they were given.
    pub tokens: Vec<Vec<u8>>,
    /// Pairs of ids into `tokens`, by rank.
    pub merges: Vec<(u32, u32)>,
}

type Pair = (u32, u32);

struct Learner {
    words: Vec<(Vec<u32>, u64)>,
    counts: QuickMap<Pair, u64>,
    places: QuickMap<Pair, Vec<u32>>,
    heap: BinaryHeap<(u64, Reverse<Pair>)>,
}

/// Learn merges until there are `size` tokens or no pair is frequent enough. `alphabet` lists the bytes in the order of
/// their ids.
pub(crate) fn learn(
    counted: &[(&str, u64)],
    alphabet: &[u8; 256],
    size: usize,
    cancel: &Cancel,
) -> Result<Learned, Interrupted> {
    let mut ids = [0u32; 256];
    alphabet.iter().zip(0..).for_each(|(&byte, id)| ids[usize::from(byte)] = id);
    let mut tokens: Vec<Vec<u8>> = alphabet.iter().map(|&byte| vec![byte]).collect();
    let mut known: QuickMap<Vec<u8>, u32> = tokens.iter().cloned().zip(0..).collect();
    let mut merges = Vec::new();
    let mut ranks: QuickMap<Pair, u32> = QuickMap::default();

    let mut learner = Learner::new(counted, &ids);
    while tokens.len() < size {
        cancel.check()?;
        let Some(pair) = learner.pop() else { break };
        let mut text = tokens[pair.0 as usize].clone();
        text.extend_from_slice(&tokens[pair.1 as usize]);
        let id = *known.entry(text).or_insert_with_key(|text| {
            tokens.push(text.clone());
            tokens.len() as u32 - 1
        });
        // A pair that comes back (because another pair spells one of its halves) keeps its rank.
        ranks.entry(pair).or_insert_with(|| {
            merges.push(pair);
            merges.len() as u32 - 1
        });
        learner.apply(pair, id, &ranks);
    }
    Ok(Learned { tokens, merges })
}

impl Learner {
    fn new(counted: &[(&str, u64)], ids: &[u32; 256]) -> Learner {
        let words: Vec<(Vec<u32>, u64)> = counted
            .iter()
            .filter(|(piece, _)| piece.len() > 1)
            .map(|(piece, count)| (piece.bytes().map(|byte| ids[usize::from(byte)]).collect(), *count))
            .collect();
        let mut counts: QuickMap<Pair, u64> = QuickMap::default();
        let mut places: QuickMap<Pair, Vec<u32>> = QuickMap::default();
        for ((word, count), place) in words.iter().zip(0..) {
            for pair in word.windows(2).map(|w| (w[0], w[1])) {
                *counts.entry(pair).or_default() += count;
                let here = places.entry(pair).or_default();
                if here.last() != Some(&place) {
                    here.push(place);
                }
            }
        }
        let heap = counts.iter().map(|(&pair, &count)| (count, Reverse(pair))).collect();
        Learner { words, counts, places, heap }
    }

    /// The most frequent pair, or the one that already has a rank: the encoder merges it on sight.
    fn pop(&mut self) -> Option<Pair> {
        while let Some((queued, Reverse(pair))) = self.heap.pop() {
            let count = self.counts.get(&pair).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            if queued > RANKED_LEAST || queued == count {
                if count < LEAST && queued <= RANKED_LEAST {
                    return None;
                }
                return Some(pair);
            }
            self.heap.push((count, Reverse(pair)));
        }
        None
    }

    /// Replace `pair` by `id` in every word that holds it.
    fn apply(&mut self, pair: Pair, id: u32, ranks: &QuickMap<Pair, u32>) {
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        self.counts.remove(&pair);
        let mut grown: Vec<Pair> = Vec::new();
        for place in places {
            let (word, count) = &mut self.words[place as usize];
            let old = std::mem::take(word);
            word.reserve(old.len());
            let mut i = 0;
            while i < old.len() {
                if i + 1 < old.len() && (old[i], old[i + 1]) == pair {
                    word.push(id);
                    i += 2;
                } else {
                    word.push(old[i]);
                    i += 1;
                }
            }
            if word.len() == old.len() {
                continue;
            }
            for gone in old.windows(2).map(|w| (w[0], w[1])) {
                if gone != pair
                    && let Some(left) = self.counts.get_mut(&gone)
                {
                    *left -= *count;
                }
            }
            for now in word.windows(2).map(|w| (w[0], w[1])) {
                *self.counts.entry(now).or_default() += *count;
                if now.0 == id || now.1 == id {
                    self.places.entry(now).or_default().push(place);
                    grown.push(now);
                }
            }
        }
        grown.sort_unstable();
        grown.dedup();
        for pair in grown {
            let weight = match ranks.get(&pair) {
                Some(&rank) => u64::MAX - u64::from(rank),
                None => self.counts[&pair],
            };
            self.heap.push((weight, Reverse(pair)));
        }
    }
}

/// Queue weights above this are `u64::MAX - rank`.
const RANKED_LEAST: u64 = u64::MAX - (1 << 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::alphabet;
    use tokenizers::models::bpe::{BPE, BpeTrainer};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{Model, PreTokenizer, Trainer};

    fn bytes() -> [u8; 256] {
        std::array::from_fn(|i| i as u8)
    }

    fn learned(texts: &[&str], size: usize) -> Learned {
        learn(&count_pieces(texts), &bytes(), size, &Cancel::new()).unwrap()
    }

    fn prose() -> String {
        let words = [
            "the",
            "then",
            "there",
            "other",
            "weather",
            "Übung",
            "naïve",
            "42",
            "420",
            "don't",
            "we're",
            "--",
            "日本語",
        ];
        let mut stream = regimen_base::Philox::new(1, &["prose"]);
        (0..4000).map(|_| format!("{} ", words[stream.below(words.len() as u64) as usize])).collect()
    }

    #[test]
    fn the_most_frequent_pair_comes_first_and_ties_go_to_the_lower_ids() {
        let got = learned(&["aab aab ab"], 300);
        // Pieces `aab`, ` aab`, ` ab`: `ab` three times, then ` a`, `aab` and ` aab` or the like; a pair of one is left.
        assert_eq!(got.tokens[256], b"ab");
        assert!(got.tokens.len() < 300);
        let tie = learned(&["ba.ba.ab.ab"], 257);
        assert_eq!(tie.tokens[256], b"ab");
    }

    #[test]
    fn threads_and_the_order_of_texts_do_not_matter() {
        let text = prose();
        let (head, tail) = text.split_at(text.len() / 2 / 4 * 4);
        let head = head.trim_end();
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let a = one.install(|| learned(&[head, tail], 330));
        let b = three.install(|| learned(&[tail, head], 330));
        assert_eq!(a, b);
    }

    #[test]
    fn the_tokenizers_crate_learns_the_same() {
        let text = prose();
        let mut theirs = BPE::default();
        let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        let mut trainer = BpeTrainer::builder()
            .vocab_size(298)
            .min_frequency(LEAST)
            .show_progress(false)
            .initial_alphabet(alphabet.iter().copied().collect())
            .build();
        trainer
            .feed([text.as_str()].into_iter(), |text| {
                let mut cut = text.into();
                ByteLevel::new(false, false, true).pre_tokenize(&mut cut)?;
                let splits =
                    cut.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte);
                Ok(splits.into_iter().map(|(piece, ..)| piece.to_string()).collect())
            })
            .unwrap();
        trainer.train(&mut theirs).unwrap();
        // Their ids follow the characters of the alphabet.
        let order: Vec<u8> =
            alphabet.iter().map(|c| alphabet::bytes_of(&c.to_string()).unwrap()[0]).collect();
        let counted = count_pieces(&[&text]);
        let ours = learn(&counted, &order.try_into().unwrap(), 298, &Cancel::new()).unwrap();
        assert_eq!(ours.tokens.len(), 298);
        for (token, id) in ours.tokens.iter().zip(0..) {
            assert_eq!(theirs.id_to_token(id).as_deref(), Some(alphabet::text_of(token).as_str()), "{id}");
        }
    }

    #[test]
    fn a_piece_of_megabytes_is_learned_from() {
        let got = learned(&[&"ab".repeat(1 << 20)], 262);
        assert_eq!(got.tokens[261].len(), 64);
    }
}
