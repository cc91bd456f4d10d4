//! Documents in parts that fit into memory.

use crate::corpus::Corpus;

/// A part ends behind the document with which it reaches one of these.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of text.
    pub text: u64,
    /// Bytes of ids and metadata. Those of most corpora are less than the text, and parts end where the text says.
    pub words: u64,
    pub rows: usize,
}

impl Limits {
    /// `documents` part by part.
    pub fn parts<'d>(&self, corpus: &Corpus, documents: &'d [u32]) -> Vec<&'d [u32]> {
        self.cut(documents, |ordinal| (corpus.row(ordinal).bytes.into(), corpus.words(ordinal)))
    }

    /// The same by the bytes of text, and of words, that a document has.
    fn cut<'d>(&self, documents: &'d [u32], bytes: impl Fn(u32) -> (u64, u64)) -> Vec<&'d [u32]> {
        let mut all = Vec::new();
        let (mut start, mut text, mut words) = (0, 0, 0);
        for (i, &ordinal) in documents.iter().enumerate() {
            let (of_text, of_words) = bytes(ordinal);
            (text, words) = (text + of_text, words + of_words);
            if text >= self.text || words >= self.words || i + 1 - start == self.rows {
                all.push(&documents[start..=i]);
                (start, text, words) = (i + 1, 0, 0);
            }
        }
        if start < documents.len() {
            all.push(&documents[start..]);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_the_first_limit() {
        let limits = Limits { text: 10, words: 20, rows: 4 };
        let all: Vec<u32> = (0..10).collect();
        let lengths = |bytes: &dyn Fn(u32) -> (u64, u64)| {
            let parts = limits.cut(&all, bytes);
            assert_eq!(parts.concat(), all);
            parts.iter().map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&|_| (4, 6)), [3, 3, 3, 1], "words of less than the limit change nothing");
        assert_eq!(lengths(&|_| (4, 10)), [2; 5]);
        assert_eq!(lengths(&|o| (0, if o == 5 { 99 } else { 0 })), [4, 2, 4]);
        assert_eq!(lengths(&|_| (0, 0)), [4, 4, 2]);
        assert!(limits.cut(&[], |_| (1, 1)).is_empty());
    }
}
