//! The best way to cut a text into pieces.

use std::ops::Range;

use super::trie::{End, Trie};
use crate::memory::is_long;

/// How much less likely than the least likely piece a character is that no piece has.
const PENALTY: f32 = 10.0;

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
    /// Bytes of its last piece, which are fewer than 8,000; none where no piece ends.
    length: u32,
    known: bool,
}

/// Buffers.
#[derive(Debug, Default)]
pub(super) struct Ways {
    best: Vec<Best>,
}

impl Ways {
    /// Bytes of memory that are held.
    pub fn bytes(&self) -> usize {
        self.best.capacity() * size_of::<Best>()
    }

    /// Give back what a long text took.
    pub fn release(&mut self) {
        if is_long(self.bytes()) {
            self.best = Vec::new();
        }
    }

    /// All ways go through byte `from`.
    fn begin(&mut self, score: f32) {
        self.best.clear();
        self.best.push(Best { score, length: 0, known: false });
    }

    /// There is a piece from `from` to `to` (counted from the last byte that all ways go through), and a way with it has this score.
    fn offer(&mut self, from: usize, to: usize, score: f32, known: bool) {
        if self.best.len() <= to {
            self.best.resize(to + 1, Best { score: 0.0, length: 0, known: false });
        }
        let best = &mut self.best[to];
        if best.length == 0 || score > best.score {
            *best = Best { score, length: (to - from) as u32, known };
        }
    }

    /// The pieces of the best way from `base` to the last byte that was reached.
    fn walk(&mut self, base: usize, each: &mut impl FnMut(Range<usize>, bool)) {
        // Turn the way around: from the piece that ends at a byte to the one that begins there.
        let mut at = self.best.len() - 1;
        let mut next = (0, false);
        loop {
            let best = &mut self.best[at];
            let last = (best.length, best.known);
            (best.length, best.known) = next;
            if at == 0 {
                break;
            }
            next = last;
            at -= last.0 as usize;
        }
        while self.best[at].length > 0 {
            let Best { length, known, .. } = self.best[at];
            let end = at + length as usize;
            each(base + at..base + end, known);
            at = end;
        }
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
