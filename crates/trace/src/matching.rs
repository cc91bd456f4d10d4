//! The longest stretch of a text that another text shares, by a suffix automaton of the first (Blumer et al., "The
//! smallest automaton recognizing the subwords of a text", 1985): one pass over every document.

/// The suffix automaton of a query: it knows every stretch of it.
pub struct Automaton {
    next: Vec<[u32; 256]>,
    link: Vec<u32>,
    length: Vec<u32>,
    /// Where in the query the state's longest stretch first ends.
    end: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// A stretch that a document and the query share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First byte in the document.
    pub document: usize,
    /// First byte in the query.
    pub query: usize,
    /// Bytes.
    pub length: usize,
}

impl Automaton {
    /// Build it; memory is about 2 kB a byte of the query.
    pub fn new(query: &[u8]) -> Automaton {
        let mut automaton =
            Automaton { next: vec![[NONE; 256]], link: vec![NONE], length: vec![0], end: vec![0] };
        let mut last = 0u32;
        for (i, &byte) in query.iter().enumerate() {
            last = automaton.push(last, byte, i as u32 + 1);
        }
        automaton
    }

    fn add(&mut self, next: [u32; 256], link: u32, length: u32, end: u32) -> u32 {
        self.next.push(next);
        self.link.push(link);
        self.length.push(length);
        self.end.push(end);
        self.next.len() as u32 - 1
    }

    fn push(&mut self, last: u32, byte: u8, end: u32) -> u32 {
        let b = usize::from(byte);
        let state = self.add([NONE; 256], 0, self.length[last as usize] + 1, end);
        let mut p = last;
        while p != NONE && self.next[p as usize][b] == NONE {
            self.next[p as usize][b] = state;
            p = self.link[p as usize];
        }
        if p == NONE {
            return state;
        }
        let q = self.next[p as usize][b];
        if self.length[p as usize] + 1 == self.length[q as usize] {
            self.link[state as usize] = q;
            return state;
        }
        let copy = self.add(
            self.next[q as usize],
            self.link[q as usize],
            self.length[p as usize] + 1,
            self.end[q as usize],
        );
        while p != NONE && self.next[p as usize][b] == q {
            self.next[p as usize][b] = copy;
            p = self.link[p as usize];
        }
        self.link[q as usize] = copy;
        self.link[state as usize] = copy;
        state
    }

    /// The longest stretch of whole characters that a document shares, the first one if several are as long; none if there
    /// is none.
    pub fn longest(&self, document: &[u8]) -> Option<Stretch> {
        let inner = |at: usize| document.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let (mut state, mut length) = (0u32, 0u32);
        let mut best: Option<Stretch> = None;
        for (i, &byte) in document.iter().enumerate() {
            let b = usize::from(byte);
            while state != 0 && self.next[state as usize][b] == NONE {
                state = self.link[state as usize];
                length = self.length[state as usize];
            }
            match self.next[state as usize][b] {
                NONE => length = 0,
                next => {
                    state = next;
                    length += 1;
                }
            }
            if length as usize > best.map_or(0, |s| s.length) && !inner(i + 1) {
                // The longest stretch that ends here may begin within a character.
                let start = i + 1 - length as usize;
                let start = start + (0..3).take_while(|&skip| inner(start + skip)).count();
                let length = (i + 1).saturating_sub(start);
                if length > best.map_or(0, |s| s.length) {
                    let end = self.end[state as usize] as usize;
                    best = Some(Stretch { document: start, query: end - length, length });
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(query: &str, document: &str) -> usize {
        let mut best = 0;
        for (i, _) in document.char_indices() {
            for (j, _) in query.char_indices() {
                let same = document[i..].chars().zip(query[j..].chars()).take_while(|(a, b)| a == b);
                best = best.max(same.map(|(a, _)| a.len_utf8()).sum());
            }
        }
        best
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(query in "[abc]{0,30}|[aéè©日旦]{0,12}", document in "[abc]{0,60}|[aéè©日旦]{0,20}") {
            let found = Automaton::new(query.as_bytes()).longest(document.as_bytes());
            prop_assert_eq!(found.map_or(0, |s| s.length), naive(&query, &document));
            if let Some(s) = found {
                prop_assert_eq!(&query[s.query..s.query + s.length], &document[s.document..s.document + s.length]);
            }
        }

        #[test]
        fn any_bytes_are_matched_without_panic(query in prop::collection::vec(any::<u8>(), 0..30), document in prop::collection::vec(0x70u8..0x90, 0..60)) {
            let _ = Automaton::new(&query).longest(&document);
        }
    }

    #[test]
    fn broken_characters_are_cut_off() {
        // "é" and "è" share their first byte, "é" and "©" their last.
        let document = "xé y".as_bytes();
        let stretch = |query: &str| Automaton::new(query.as_bytes()).longest(document);
        assert_eq!(stretch("xè"), Some(Stretch { document: 0, query: 0, length: 1 }));
        assert_eq!(stretch("© y"), Some(Stretch { document: 3, query: 2, length: 2 }));
        assert_eq!(stretch("è"), None);
    }
}
