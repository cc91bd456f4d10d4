//! A trie of the pieces of a vocabulary, byte by byte. Nodes lie level by level, so that those below a node are neighbours.

/// What ends at a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// Nothing.
    Open,
    /// A piece with this score.
    Piece(f32),
    /// A piece that the user defined, which is always taken.
    UserDefined,
}

#[derive(Debug)]
pub(super) struct Trie {
    /// The byte that leads to each node.
    bytes: Vec<u8>,
    /// Where the nodes below each node begin; they end where those of the next one begin.
    below: Vec<u32>,
    ends: Vec<End>,
}

impl Trie {
    /// Of pieces that differ from each other and are not empty. There are at most as many nodes as they have bytes, and one.
    pub fn new(mut pieces: Vec<(&[u8], End)>) -> Trie {
        pieces.sort_unstable_by_key(|(piece, _)| *piece);
        let mut trie = Trie { bytes: vec![0], below: Vec::new(), ends: Vec::new() };
        // For each node the pieces that go through it, and the bytes that they share.
        let mut through = vec![(0..pieces.len(), 0)];
        let mut node = 0;
        while let Some((mut range, depth)) = through.get(node).cloned() {
            let mut end = End::Open;
            if let Some((piece, of)) = pieces[range.clone()].first()
                && piece.len() == depth
            {
                (end, range.start) = (*of, range.start + 1);
            }
            trie.ends.push(end);
            trie.below.push(trie.bytes.len() as u32);
            for alike in pieces[range.clone()].chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
                trie.bytes.push(alike[0].0[depth]);
                through.push((range.start..range.start + alike.len(), depth + 1));
                range.start += alike.len();
            }
            node += 1;
        }
        trie.below.push(trie.bytes.len() as u32);
        trie
    }

    /// The pieces at the begin of `text`, the shortest first: bytes, and what they are.
    pub fn prefixes(&self, text: &[u8], mut each: impl FnMut(usize, End)) {
        let mut node = 0;
        for (i, &byte) in text.iter().enumerate() {
            let below = self.below[node] as usize..self.below[node + 1] as usize;
            let Some(child) = memchr::memchr(byte, &self.bytes[below.clone()]) else { return };
            node = below.start + child;
            if self.ends[node] != End::Open {
                each(i + 1, self.ends[node]);
            }
        }
    }
}
