//! Words and labels, and how a line of text becomes rows of the input matrix.

use std::ops::Range;

use super::ascii::{self, Ascii};
use super::bytes::Cursor;
use super::hash::{Fnv, Remainder, Table, begin, join};
use crate::error::Result;

/// What ends a line.
pub(crate) const END: &[u8] = b"</s>";
/// How a label begins. The format does not store another prefix that a model was trained with.
pub(crate) const LABEL: &[u8] = b"__label__";
/// Rows that are handed on at once.
const BLOCK: usize = 1 << 11;
/// Beyond any n-gram that a model has; with more, a text without spaces would take quadratic time.
const LONGEST: i32 = 256;

/// How a line is cut, from the header of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Longest n-gram of words.
    pub word_ngrams: i32,
    /// Rows for n-grams, which share them by hash.
    pub bucket: i32,
    /// Shortest n-gram of characters.
    pub minn: i32,
    /// Longest n-gram of characters; none if 0.
    pub maxn: i32,
}

impl Cut {
    /// Whether lines have n-grams beside words.
    pub fn has_ngrams(&self) -> bool {
        self.maxn > 0 || self.word_ngrams > 1
    }
}

/// Words and labels of a model.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// Where each lies in the file: words first, then labels.
    entries: Vec<Range<usize>>,
    /// How often each was seen in training.
    pub counts: Vec<i64>,
    words: u32,
    table: Table,
    ngrams: Ngrams,
    cut: Cut,
    /// Rows of the most frequent words with their n-grams of characters: word `i` has those between ends `i` and `i + 1`.
    known: Vec<u32>,
    ends: Vec<usize>,
    /// Whether all entries but the end of the line are labels that say so, and nothing else depends on words: then there is no need to
    /// look words up.
    nameless: bool,
}

/// Which row an n-gram has, by its bucket.
#[derive(Debug)]
enum Ngrams {
    /// No n-gram has a row.
    None,
    /// Each bucket has one, after the words.
    All(Remainder),
    /// Those that were kept when the model was pruned.
    Kept(Remainder, Table),
}

/// Memory for lines, used again for each.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rows: Vec<u32>,
    hashes: Vec<u32>,
    word: Vec<u8>,
    ascii: Ascii,
}

#[cfg(test)]
impl Lines {
    /// Rows that memory was set aside for.
    pub fn capacity(&self) -> usize {
        self.rows.capacity()
    }
}

impl Dictionary {
    /// Read the dictionary. Gives back the rows that the input matrix must have, too.
    pub fn read(cursor: &mut Cursor<'_>, cut: Cut) -> Result<(Dictionary, bool, u64)> {
        if cut.maxn > LONGEST || cut.word_ngrams > LONGEST || cut.bucket < 0 {
            return Err(cursor.refuse(format!(
                "n-grams of {} words and of {} characters in {} buckets",
                cut.word_ngrams, cut.maxn, cut.bucket
            )));
        }
        let (size, words, labels) = (cursor.i32("size")?, cursor.i32("words")?, cursor.i32("labels")?);
        cursor.i64("tokens")?;
        let pruned = cursor.i64("pruned n-grams")?;
        if words < 0 || labels < 0 || i64::from(size) != i64::from(words) + i64::from(labels) {
            return Err(cursor.refuse(format!("{size} entries, of which {words} words and {labels} labels")));
        }
        // The shortest entry has 10 bytes, which bounds what is set aside for all of them.
        if size as u64 > cursor.left() / 10 {
            return Err(cursor.refuse(format!("{size} entries cannot fit into the rest of the file")));
        }
        let mut entries = Vec::with_capacity(size as usize);
        let mut counts = Vec::with_capacity(size as usize);
        for number in 0..size {
            let start = cursor.at();
            let text = cursor.until_zero("an entry")?;
            entries.push(start..start + text.len());
            counts.push(cursor.i64("the count of an entry")?);
            let kind = cursor.u8("the kind of an entry")?;
            if kind != u8::from(number >= words) {
                return Err(
                    cursor.refuse(format!("entry {number} is of kind {kind}; words come first, then labels"))
                );
            }
        }
        let ngrams = Ngrams::read(cursor, pruned, cut)?;
        let last = match &ngrams {
            (Ngrams::None, _) => 0,
            (Ngrams::All(_), _) => cut.bucket as u64,
            (Ngrams::Kept(..), rows) => *rows,
        };
        let table = Table::new(entries.len());
        let (words, ngrams) = (words as u32, ngrams.0);
        let (known, ends) = (Vec::new(), vec![0]);
        let dictionary =
            Dictionary { entries, counts, words, table, ngrams, cut, known, ends, nameless: false };
        Ok((dictionary, pruned >= 0, u64::from(words) + last))
    }

    /// Fill the table of words, and note the rows of words in as much memory as the file takes. False if hashes crowd.
    pub fn index(&mut self, file: &[u8]) -> bool {
        let (mut known, mut ends, mut buffer) = (Vec::new(), vec![0], Vec::new());
        for word in 0..if self.cut.maxn > 0 { self.words } else { 0 } {
            let text = &file[self.entries[word as usize].clone()];
            if known.len() + text.len() * self.cut.maxn as usize > file.len() / 4 {
                break;
            }
            known.push(word);
            if text != END {
                self.add_characters(text, &mut buffer, &mut known, &mut |_, _| {});
            }
            ends.push(known.len());
        }
        (self.known, self.ends) = (known, ends);
        let entries = &self.entries;
        self.nameless = self.cut.word_ngrams <= 1
            && entries
                .iter()
                .map(|range| &file[range.clone()])
                .all(|word| word == END || word.starts_with(LABEL));
        entries.iter().enumerate().all(|(number, range)| {
            let word = &file[range.clone()];
            self.table.put(Fnv::of(word), number as u32, |old| file[entries[old as usize].clone()] == *word)
        })
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.entries.len() - self.words as usize
    }

    /// Number of words.
    pub fn words(&self) -> usize {
        self.words as usize
    }

    /// The bytes of a label.
    pub fn label<'a>(&self, file: &'a [u8], number: usize) -> &'a [u8] {
        self.entries.get(self.words as usize + number).map_or(b"", |range| &file[range.clone()])
    }

    /// The number of a label.
    pub fn find_label(&self, file: &[u8], label: &[u8]) -> Option<usize> {
        self.find(file, label, Fnv::of(label))
            .and_then(|entry| entry.checked_sub(self.words))
            .map(|n| n as usize)
    }

    fn find(&self, file: &[u8], word: &[u8], hash: u32) -> Option<u32> {
        self.table.find(hash, |entry| file[self.entries[entry as usize].clone()] == *word)
    }

    /// The rows of one line, which ends at its end or at a token `</s>`, in blocks; gives back how many there are.
    /// Line ends within `line` separate words as spaces do.
    pub fn rows(&self, file: &[u8], line: &[u8], lines: &mut Lines, mut each: impl FnMut(&[u32])) -> u64 {
        let mut total = 0;
        let Lines { rows, hashes, word, ascii } = lines;
        rows.clear();
        hashes.clear();
        let mut flush = |rows: &mut Vec<u32>, least: usize| {
            if rows.len() > least {
                total += rows.len() as u64;
                each(rows);
                rows.clear();
            }
        };
        let together = self.together();
        for token in line.split(|byte| is_space(*byte)).filter(|token| !token.is_empty()).chain([END]) {
            let ascii_word = together && token != END && Ascii::takes(token);
            if ascii_word && self.nameless && token[0] != LABEL[0] {
                self.wait(token, ascii, rows, &mut flush);
                continue;
            }
            let hash = Fnv::of(token);
            let entry = self.find(file, token, hash);
            let is_label = match entry {
                Some(entry) => entry >= self.words,
                None => token.starts_with(LABEL),
            };
            if ascii_word && entry.is_none() && !is_label {
                hashes.push(hash);
                self.wait(token, ascii, rows, &mut flush);
                continue;
            }
            self.spell(ascii, rows);
            let known = entry.and_then(|entry| self.ends.get(entry as usize..entry as usize + 2));
            if let Some(&[start, end]) = known {
                hashes.push(hash);
                rows.extend_from_slice(&self.known[start..end]);
            } else if !is_label {
                hashes.push(hash);
                rows.extend(entry);
                if token != END && (entry.is_none() || self.cut.maxn > 0) {
                    self.add_characters(token, word, rows, &mut flush);
                }
            }
            if token == END {
                break;
            }
            flush(rows, BLOCK);
        }
        if self.cut.word_ngrams > 1 {
            for first in 0..hashes.len() {
                let mut hash = begin(hashes[first]);
                for next in hashes.iter().skip(first + 1).take(self.cut.word_ngrams as usize - 1) {
                    hash = join(hash, *next);
                    self.ngrams.push(self.words, rows, |bucket| bucket.of_u64(hash));
                }
                flush(rows, BLOCK);
            }
        }
        flush(rows, 0);
        total
    }

    /// Whether n-grams of characters may be made for many words at once.
    fn together(&self) -> bool {
        let Cut { minn, maxn, .. } = self.cut;
        matches!(self.ngrams, Ngrams::All(_))
            && (2..ascii::LONGEST).contains(&minn)
            && (minn..ascii::LONGEST.min(minn + 5)).contains(&maxn)
    }

    /// Let a word wait for its n-grams of characters, after those that wait have got theirs if there are many.
    fn wait(
        &self,
        word: &[u8],
        ascii: &mut Ascii,
        rows: &mut Vec<u32>,
        flush: &mut impl FnMut(&mut Vec<u32>, usize),
    ) {
        if !ascii.fits(word) {
            self.spell(ascii, rows);
            flush(rows, BLOCK);
        }
        ascii.push(word);
    }

    /// The n-grams of the words that wait.
    fn spell(&self, ascii: &mut Ascii, rows: &mut Vec<u32>) {
        let Ngrams::All(bucket) = self.ngrams else { return };
        if ascii.is_empty() {
            return;
        }
        let shortest = self.cut.minn as usize;
        match self.cut.maxn - self.cut.minn {
            0 => ascii.finish::<1>(shortest, bucket, self.words, rows),
            1 => ascii.finish::<2>(shortest, bucket, self.words, rows),
            2 => ascii.finish::<3>(shortest, bucket, self.words, rows),
            3 => ascii.finish::<4>(shortest, bucket, self.words, rows),
            _ => ascii.finish::<5>(shortest, bucket, self.words, rows),
        }
    }

    /// N-grams of the characters of `<token>`. A character is a byte and the continuation bytes that follow it. `flush` may
    /// empty `rows` on the way: a token can be as long as the text.
    fn add_characters(
        &self,
        token: &[u8],
        word: &mut Vec<u8>,
        rows: &mut Vec<u32>,
        flush: &mut impl FnMut(&mut Vec<u32>, usize),
    ) {
        if self.cut.maxn <= 0 || matches!(self.ngrams, Ngrams::None) {
            return;
        }
        word.clear();
        word.push(b'<');
        word.extend_from_slice(token);
        word.push(b'>');
        for start in 0..word.len() {
            if is_continuation(word[start]) {
                continue;
            }
            flush(rows, BLOCK);
            let mut hash = Fnv::START;
            let (mut at, mut length) = (start, 1);
            while at < word.len() && length <= self.cut.maxn {
                hash = hash.add(word[at]);
                at += 1;
                while at < word.len() && is_continuation(word[at]) {
                    hash = hash.add(word[at]);
                    at += 1;
                }
                let is_mark = length == 1 && (start == 0 || at == word.len());
                if length >= self.cut.minn && !is_mark {
                    self.ngrams.push(self.words, rows, |bucket| bucket.of(hash.0));
                }
                length += 1;
            }
        }
    }
}

impl Ngrams {
    fn read(cursor: &mut Cursor<'_>, pruned: i64, cut: Cut) -> Result<(Ngrams, u64)> {
        let bucket = Remainder::new(cut.bucket as u32);
        if pruned < -1 || pruned > 0 && pruned as u64 > cursor.left() / 8 {
            return Err(cursor.refuse(format!("{pruned} n-grams are said to be kept")));
        }
        let mut table = Table::new(pruned.max(0) as usize);
        let mut rows = 0;
        for _ in 0..pruned {
            let (ngram, row) = (cursor.i32("an n-gram that was kept")?, cursor.i32("its row")?);
            let Ok(row) = u32::try_from(row) else {
                return Err(cursor.refuse(format!("the n-gram {ngram} has the row {row}")));
            };
            rows = rows.max(u64::from(row) + 1);
            if !table.put(ngram as u32, row, |_| true) {
                return Err(cursor.refuse("the n-grams that were kept share their hashes"));
            }
        }
        match bucket {
            _ if !cut.has_ngrams() || pruned == 0 => Ok((Ngrams::None, 0)),
            None => Err(cursor.refuse("the model has n-grams and no bucket for them")),
            Some(bucket) if pruned > 0 => Ok((Ngrams::Kept(bucket, table), rows)),
            Some(bucket) => Ok((Ngrams::All(bucket), 0)),
        }
    }

    #[inline]
    fn push(&self, words: u32, rows: &mut Vec<u32>, ngram: impl Fn(Remainder) -> u32) {
        match self {
            Ngrams::None => {}
            Ngrams::All(bucket) => rows.push(words + ngram(*bucket)),
            Ngrams::Kept(bucket, table) => {
                rows.extend(table.find(ngram(*bucket), |_| true).map(|row| words + row));
            }
        }
    }
}

/// Whether a byte separates words. Only these do: not the spaces of Unicode.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
