//! The best way to cut a text into pieces.

use std::ops::Range;

use super::trie::{End, Trie};

/// How much less likely than the least likely piece a character is that no piece has.
const PENALTY: f32 = 10.0;
/// No piece ends here.
const NONE: usize = usize::MAX;

/// Scores of pieces.
#[derive(Debug)]
pub(super) struct Scores {
    pub trie: Trie,
    /// The least score of a normal piece, and the greatest one, from which the bonus of pieces that the user defined comes.
    pub least: f32,
    pub greatest: f32,
}

/// The best way to a byte.
#[derive(Clone, Copy, Debug)]
struct Best {
    score: f32,
    /// Where its last piece begins, from the last byte that every way goes through.
    start: usize,
    known: bool,
}

/// Buffers.
#[derive(Debug, Default)]
pub(super) struct Ways {
    best: Vec<Best>,
    back: Vec<(Range<usize>, bool)>,
}

impl Ways {
    /// All ways go through byte `from`.
    fn begin(&mut self, score: f32) {
        self.best.clear();
        self.best.push(Best { score, start: 0, known: false });
    }

    /// There is a piece from `from` to `to` (counted from the last byte that all ways go through), and a way with it has this score.
    fn offer(&mut self, from: usize, to: usize, score: f32, known: bool) {
        if self.best.len() <= to {
            self.best.resize(to + 1, Best { score: 0.0, start: NONE, known: false });
        }
        let best = &mut self.best[to];
        if best.start == NONE || score > best.score {
            *best = Best { score, start: from, known };
        }
    }

    /// The pieces of the best way from `base` to the last byte that was reached.
    fn walk(&mut self, base: usize, each: &mut impl FnMut(Range<usize>, bool)) {
        let mut end = self.best.len() - 1;
        self.back.clear();
        while end > 0 {
            let Best { start, known, .. } = self.best[end];
            self.back.push((base + start..base + end, known));
            end = start;
        }
        self.back.drain(..).rev().for_each(|(range, known)| each(range, known));
    }
}

impl Scores {
    /// Cut `text`: the ranges of its pieces in order, and whether they are pieces, not characters that none has.
    ///
    /// Sums are numbers of 32 bits, added from the begin as SentencePiece adds them (its versions 0.1.97 to 0.2.0 compare them in
    /// 64 bits, so ways that are alike may differ there), and of equal ones the first counts. Where no piece crosses, what lies
    /// before is settled and forgotten.
    pub fn cut(&self, text: &str, ways: &mut Ways, mut each: impl FnMut(Range<usize>, bool)) {
        let unknown = self.least - PENALTY;
        let (mut base, mut at) = (0, 0);
        ways.begin(0.0);
        for c in text.chars() {
            if at > base && at == base + ways.best.len() - 1 {
                ways.walk(base, &mut each);
                let score = ways.best[at - base].score;
                ways.begin(score);
                base = at;
            }
            let from = at - base;
            let here = ways.best[from].score;
            let mut whole = false;
            self.trie.prefixes(&text.as_bytes()[at..], |length, end| {
                let score = match end {
                    End::Piece(score) => score,
                    _ => length as f32 * self.greatest - 0.1,
                };
                ways.offer(from, from + length, score + here, true);
                whole |= length == c.len_utf8();
            });
            if !whole {
                ways.offer(from, from + c.len_utf8(), unknown + here, false);
            }
            at += c.len_utf8();
        }
        ways.walk(base, &mut each);
    }
}
