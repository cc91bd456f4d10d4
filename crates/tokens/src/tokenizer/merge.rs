//! Applying the merges of byte pair encoding to pieces (Sennrich, Haddow, Birch: "Neural machine translation of rare
//! words with subword units", ACL 2016): again and again the leftmost pair of the lowest rank becomes one token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::hash::QuickMap;
use super::split::pieces;

/// Longest piece, in bytes, that is merged by looking at all its pairs each time; longer ones use a heap.
const SHORT: usize = 48;
/// Distinct pieces that one encoding remembers; beyond them it starts anew.
const REMEMBERED: usize = 1 << 17;
/// Longest piece that is merged in one go; longer ones (a line of letters without a space) are merged in windows.
const WINDOW: usize = 1 << 15;
const NONE: u32 = u32::MAX;

/// The merges of a vocabulary over bytes.
#[derive(Debug)]
pub(crate) struct Merges {
    /// Token of each byte.
    bytes: [u32; 256],
    /// Rank and token of each pair that merges.
    pairs: QuickMap<(u32, u32), (u32, u32)>,
    /// Whether every pair ranks behind all pairs that make its halves.
    ordered: bool,
}

/// Room for the work on one piece, kept from piece to piece.
#[derive(Default)]
struct Room {
    ids: Vec<u32>,
    ranks: Vec<(u32, u32)>,
}

impl Merges {
    pub(crate) fn new(bytes: [u32; 256], pairs: QuickMap<(u32, u32), (u32, u32)>) -> Merges {
        let mut made: QuickMap<u32, u32> = QuickMap::default();
        for &(rank, id) in pairs.values() {
            let last = made.entry(id).or_default();
            *last = rank.max(*last);
        }
        let behind = |half: &u32, rank: u32| made.get(half).is_none_or(|&last| last < rank);
        let ordered = pairs.iter().all(|((a, b), &(rank, _))| behind(a, rank) && behind(b, rank));
        Merges { bytes, pairs, ordered }
    }

    fn pair(&self, left: u32, right: u32) -> (u32, u32) {
        self.pairs.get(&(left, right)).copied().unwrap_or((NONE, NONE))
    }

    /// Append the tokens of some texts, and to `ends` where those of each end in `out`. What a piece became is
    /// remembered from one text to the next.
    pub(crate) fn encode(&self, texts: &[&str], out: &mut Vec<u32>, ends: &mut Vec<usize>) {
        let mut room = Room::default();
        // Where the tokens of a piece stand in `out` since it was met first.
        let mut known: QuickMap<&[u8], (usize, usize)> = QuickMap::default();
        for text in texts {
            if self.pairs.is_empty() {
                out.extend(text.bytes().map(|byte| self.bytes[usize::from(byte)]));
            } else {
                pieces(text).for_each(|piece| self.piece(piece.as_bytes(), &mut room, &mut known, out));
            }
            ends.push(out.len());
        }
    }

    fn piece<'t>(
        &self,
        piece: &'t [u8],
        room: &mut Room,
        known: &mut QuickMap<&'t [u8], (usize, usize)>,
        out: &mut Vec<u32>,
    ) {
        if let [byte] = piece {
            out.push(self.bytes[usize::from(*byte)]);
        } else if piece.len() > SHORT {
            self.long(piece, out);
        } else if let Some(&(start, end)) = known.get(piece) {
            out.extend_from_within(start..end);
        } else {
            let start = out.len();
            self.short(piece, room, out);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(piece, (start, out.len()));
        }
    }

    fn short(&self, piece: &[u8], room: &mut Room, out: &mut Vec<u32>) {
        let Room { ids, ranks } = room;
        ids.clear();
        ids.extend(piece.iter().map(|&byte| self.bytes[usize::from(byte)]));
        ranks.clear();
        ranks.extend(ids.windows(2).map(|pair| self.pair(pair[0], pair[1])));
        while let Some((at, &(rank, id))) = ranks.iter().enumerate().min_by_key(|(_, (rank, _))| *rank) {
            if rank == NONE {
                break;
            }
            ids[at] = id;
            ids.remove(at + 1);
            ranks.remove(at);
            if at < ranks.len() {
                ranks[at] = self.pair(id, ids[at + 1]);
            }
            if at > 0 {
                ranks[at - 1] = self.pair(ids[at - 1], id);
            }
        }
        out.extend_from_slice(ids);
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
        let mut map = QuickMap::default();
        for (rank, &(a, b)) in pairs.iter().enumerate() {
            let id = 256 + rank as u32;
            map.entry((a % id, b % id)).or_insert((rank as u32, id));
        }
        Merges::new(std::array::from_fn(|i| i as u32), map)
    }

    proptest! {
        #[test]
        fn short_and_long_pieces_are_merged_alike(
            first in prop::collection::vec((97u32..100, 97u32..100), 1..4),
            later in prop::collection::vec((97u32..300, 97u32..300), 0..20),
            piece in prop::collection::vec(97u8..100, 2..60),
        ) {
            let merges = merges(&[first, later].concat());
            let (mut short, mut long) = (Vec::new(), Vec::new());
            merges.short(&piece, &mut Room::default(), &mut short);
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
        merges.encode(&[&"a".repeat(1_000_001)], &mut out, &mut Vec::new());
        assert_eq!(out.len(), 125_001);
        assert!(out[..125_000].iter().all(|&id| id == 258));
        assert_eq!(out[125_000], 97);
    }
}
