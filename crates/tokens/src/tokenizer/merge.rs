//! Applying the merges of byte pair encoding to pieces (Sennrich, Haddow, Birch: "Neural machine translation of rare
//! words with subword units", ACL 2016): again and again the leftmost pair of the lowest rank becomes one token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::hash::QuickMap;
use super::pairs::{NONE, Pairs};

/// Longest piece, in bytes, that is merged by looking at all its pairs each time; longer ones use a heap.
const SHORT: usize = 48;
/// Longest piece that is merged in one go; longer ones (a line of letters without a space) are merged in windows.
const WINDOW: usize = 1 << 15;

/// The merges of a vocabulary over bytes.
#[derive(Debug)]
pub(crate) struct Merges {
    /// Token of each byte.
    bytes: [u32; 256],
    /// Ranks of the pairs of bytes, by both bytes: where the work on a piece begins.
    first: Vec<u32>,
    pairs: Pairs,
    /// Token that the pair of each rank becomes.
    made: Vec<u32>,
    /// Whether every pair ranks behind all pairs that make its halves.
    ordered: bool,
    /// Tokens that a whole piece becomes whatever the merges say, by their bytes.
    whole: QuickMap<Box<[u8]>, u32>,
}

impl Merges {
    /// Merges in the order of their ranks, each with the two tokens and the one they become. Of a pair that is listed
    /// twice the last counts, as in the tokenizers crate.
    pub(crate) fn new(
        bytes: [u32; 256],
        merges: &[(u32, u32, u32)],
        whole: QuickMap<Box<[u8]>, u32>,
    ) -> Merges {
        let pairs = Pairs::new(merges.iter().map(|&(left, right, _)| (left, right)));
        let made: Vec<u32> = merges.iter().map(|&(.., id)| id).collect();
        let mut last: QuickMap<u32, u32> = QuickMap::default();
        for (.., rank) in pairs.iter() {
            let known = last.entry(made[rank as usize]).or_default();
            *known = rank.max(*known);
        }
        let behind = |half: u32, rank: u32| last.get(&half).is_none_or(|&last| last < rank);
        let ordered = pairs.iter().all(|(left, right, rank)| behind(left, rank) && behind(right, rank));
        let first = (0..1usize << 16).map(|both| pairs.rank(bytes[both >> 8], bytes[both & 255])).collect();
        Merges { bytes, first, pairs, made, ordered, whole }
    }

    /// Whether all pieces are left as bytes.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.whole.is_empty()
    }

    /// The token of a byte.
    pub(crate) fn byte(&self, byte: u8) -> u32 {
        self.bytes[usize::from(byte)]
    }

    /// Every token that is a byte or that merges make.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = u32> {
        self.bytes.iter().chain(&self.made).copied()
    }

    /// The token of a piece that does not depend on the merges.
    pub(crate) fn whole(&self, piece: &[u8]) -> Option<u32> {
        self.whole.get(piece).copied()
    }

    fn pair(&self, left: u32, right: u32) -> (u32, u32) {
        match self.pairs.rank(left, right) {
            NONE => (NONE, NONE),
            rank => (rank, self.made[rank as usize]),
        }
    }

    /// Append the tokens of a piece.
    pub(crate) fn piece(&self, piece: &[u8], out: &mut Vec<u32>) {
        if let Some(id) = self.whole(piece) {
            out.push(id);
        } else if piece.len() > SHORT {
            self.long(piece, out);
        } else {
            self.short(piece, out);
        }
    }

    /// All merges of a piece of at most [`SHORT`] bytes. A token stands at the place of its first byte; the best merge is
    /// the least of the entries, each a rank and the place of its left token.
    fn short(&self, piece: &[u8], out: &mut Vec<u32>) {
        const GONE: u64 = u64::MAX;
        let n = piece.len();
        let entry = |rank: u32, place: usize| match rank {
            NONE => GONE,
            rank => u64::from(rank) << 8 | place as u64,
        };
        let (mut ids, mut entries) = ([0u32; SHORT + 1], [GONE; SHORT + 1]);
        let (mut next, mut before) = ([0u8; SHORT + 1], [0u8; SHORT + 1]);
        for (i, &byte) in piece.iter().enumerate() {
            ids[i] = self.bytes[usize::from(byte)];
            next[i] = i as u8 + 1;
            before[i] = (i as u8).wrapping_sub(1);
        }
        for (i, pair) in piece.windows(2).enumerate() {
            entries[i] = entry(self.first[usize::from(pair[0]) << 8 | usize::from(pair[1])], i);
        }
        loop {
            let best = entries[..n].iter().fold(GONE, |best, &entry| best.min(entry));
            if best == GONE {
                break;
            }
            let at = (best & 255) as usize;
            let id = self.made[(best >> 8) as usize];
            let swallowed = usize::from(next[at]);
            let follower = usize::from(next[swallowed]);
            ids[at] = id;
            next[at] = follower as u8;
            entries[swallowed] = GONE;
            entries[at] = GONE;
            if follower < n {
                before[follower] = at as u8;
                entries[at] = entry(self.pairs.rank(id, ids[follower]), at);
            }
            if at > 0 {
                let left = usize::from(before[at]);
                entries[left] = entry(self.pairs.rank(ids[left], id), left);
            }
        }
        let mut at = 0;
        while at < n {
            out.push(ids[at]);
            at = usize::from(next[at]);
        }
    }

    fn long(&self, piece: &[u8], out: &mut Vec<u32>) {
        if piece.len() <= WINDOW || !self.ordered || !self.windows(piece, WINDOW, out) {
            out.extend(self.heap(piece).into_iter().map(|(_, id)| id));
        }
    }

    /// The tokens of a piece, window by window: memory and cache misses do not grow with the piece. Gives up (false,
    /// with `out` as it was) if two neighbouring windows share no token.
    ///
    /// Let all merges come in the order of their ranks, as they do when each pair ranks behind those that make its
    /// halves. Then a row of tokens is what a text becomes if and only if each two neighbours become themselves when
    /// they are alone: up to the first merge across a boundary, both sides develop as if alone, so that merge would
    /// happen to the two alone as well. The tokens of a window have this property, and so has the row that follows one
    /// window up to a token that the next window has too, and then the next window.
    fn windows(&self, piece: &[u8], size: usize, out: &mut Vec<u32>) -> bool {
        let before = out.len();
        let window = |start: usize| self.heap(&piece[start..piece.len().min(start + size)]);
        // Tokens of the window from `start` on, of which those from `first` on are still to be written.
        let (mut start, mut first, mut tokens) = (0, 0, window(0));
        while start + size < piece.len() {
            let overlap = tokens.partition_point(|&(place, _)| (place as usize) < size - size / 8);
            let Some(&(shift, _)) = tokens.get(overlap.max(first)) else { break };
            let next = window(start + shift as usize);
            let here = tokens[overlap.max(first)..].iter().map(|&(place, id)| (place - shift, id));
            let Some((i, j)) = shared(here, &next) else { break };
            let end = overlap.max(first) + i;
            out.extend(tokens[first..end].iter().map(|&(_, id)| id));
            (start, first, tokens) = (start + shift as usize, j, next);
        }
        if start + size < piece.len() {
            out.truncate(before);
            return false;
        }
        out.extend(tokens[first..].iter().map(|&(_, id)| id));
        true
    }

    /// All merges of a piece in O(n log n), as places and tokens: a token stands at the place of its first byte, and is
    /// linked to both neighbours.
    fn heap(&self, piece: &[u8]) -> Vec<(u32, u32)> {
        let n = piece.len();
        let mut ids: Vec<u32> = piece.iter().map(|&byte| self.bytes[usize::from(byte)]).collect();
        let mut next: Vec<u32> = (1..=n as u32).collect();
        let mut before: Vec<u32> = (0..n as u32).map(|i| i.wrapping_sub(1)).collect();
        let mut heap: BinaryHeap<Reverse<(u32, u32)>> = (1..n)
            .map(|i| (self.pair(ids[i - 1], ids[i]).0, i as u32 - 1))
            .filter(|&(rank, _)| rank != NONE)
            .map(Reverse)
            .collect();
        while let Some(Reverse((rank, at))) = heap.pop() {
            let i = at as usize;
            let right = next[i] as usize;
            // An entry is out of date when its token was swallowed or one of the two has changed.
            if ids[i] == NONE || right >= n {
                continue;
            }
            let (now, id) = self.pair(ids[i], ids[right]);
            if now != rank {
                continue;
            }
            (ids[i], ids[right]) = (id, NONE);
            next[i] = next[right];
            let follower = next[i] as usize;
            if follower < n {
                before[follower] = at;
                let (rank, _) = self.pair(id, ids[follower]);
                if rank != NONE {
                    heap.push(Reverse((rank, at)));
                }
            }
            if i > 0 {
                let left = before[i];
                let (rank, _) = self.pair(ids[left as usize], id);
                if rank != NONE {
                    heap.push(Reverse((rank, left)));
                }
            }
        }
        (0..n as u32).zip(ids).filter(|&(_, id)| id != NONE).collect()
    }
}

/// The indices of the first token that stands at the same place in both.
fn shared(a: impl Iterator<Item = (u32, u32)>, b: &[(u32, u32)]) -> Option<(usize, usize)> {
    let mut j = 0;
    for (i, token) in a.enumerate() {
        while b.get(j).is_some_and(|other| other.0 < token.0) {
            j += 1;
        }
        if b.get(j) == Some(&token) {
            return Some((i, j));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes 0..=255 are tokens 0..=255; each further token is a pair of earlier ones.
    fn merges(pairs: &[(u32, u32)]) -> Merges {
        let mut list: Vec<(u32, u32, u32)> = Vec::new();
        for (&(a, b), id) in pairs.iter().zip(256..) {
            let pair = (a % id, b % id);
            // One that is there already is made into a pair that never occurs, so that ids stay as they are.
            let known = list.iter().any(|&(left, right, _)| (left, right) == pair);
            list.push(if known { (1, 1, id) } else { (pair.0, pair.1, id) });
        }
        Merges::new(std::array::from_fn(|i| i as u32), &list, QuickMap::default())
    }

    proptest! {
        #[test]
        fn short_and_long_pieces_are_merged_alike(
            first in prop::collection::vec((97u32..100, 97u32..100), 1..4),
            later in prop::collection::vec((97u32..300, 97u32..300), 0..20),
            piece in prop::collection::vec(97u8..100, 2..SHORT + 1),
        ) {
            let merges = merges(&[first, later].concat());
            let (mut short, mut long) = (Vec::new(), Vec::new());
            merges.short(&piece, &mut short);
            merges.long(&piece, &mut long);
            prop_assert_eq!(short, long);
        }

        #[test]
        fn windows_do_not_show(
            first in prop::collection::vec((97u32..100, 97u32..100), 1..5),
            later in prop::collection::vec((97u32..300, 97u32..300), 0..30),
            piece in prop::collection::vec(97u8..100, 1..400),
            size in 8usize..80,
        ) {
            let merges = merges(&[first, later].concat());
            prop_assume!(merges.ordered);
            let whole: Vec<u32> = merges.heap(&piece).into_iter().map(|(_, id)| id).collect();
            let mut parted = vec![7];
            if merges.windows(&piece, size, &mut parted) {
                prop_assert_eq!(&parted[1..], whole);
            } else {
                prop_assert_eq!(parted, [7]);
            }
        }
    }

    #[test]
    fn one_piece_of_a_million_letters_is_fine() {
        let merges = merges(&[(97, 97), (256, 256), (257, 257)]);
        assert!(merges.ordered);
        let mut out = Vec::new();
        merges.piece("a".repeat(1_000_001).as_bytes(), &mut out);
        assert_eq!(out.len(), 125_001);
        assert!(out[..125_000].iter().all(|&id| id == 258));
        assert_eq!(out[125_000], 97);
    }
}
