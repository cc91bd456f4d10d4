//! The tokens of spaCy's English tokenizer (version 3: `spacy.blank("en")`), which datatrove takes for words.
//!
//! A run without white space is cut in this order: exceptions (contractions, abbreviations, emoticons) are taken whole;
//! prefixes and suffixes are cut off, both at each turn, until none is left or the rest is an exception; a rest that looks
//! like a URL stays whole; another one is cut at infixes. At last tokens side by side that make up an exception are put
//! together. The rules are tables of characters and their neighbours; no expression is run, and what is looked up is
//! bounded, so the time is linear in the run.

mod exceptions;
mod rules;
mod table;

use std::ops::Range;

use super::classes::{PUNCTUATION, of};
use super::view::{PLAIN, View, Word};
use exceptions::{EXCEPTIONS, Exceptions};
use rules::{infix, prefix, suffix, url};

/// Bytes of the longest run that is remembered, and tokens of it: each length is a byte.
const REMEMBERED: usize = 255;
const MOST_TOKENS: usize = 8;
/// Pairs of runs that are remembered.
const PAIRS: usize = 1 << 14;
/// Words that are looked up side by side.
const BATCH: usize = 16;

/// The lengths of the tokens of a run, a byte each from the lowest on; what is left is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lengths(u64);

impl Lengths {
    /// A single token.
    const ONE: Lengths = Lengths(1);

    fn new(tokens: &[Range<usize>]) -> Option<Lengths> {
        let fits = tokens.len() <= MOST_TOKENS && tokens.iter().all(|token| token.len() <= REMEMBERED);
        let add = |sum, token: &Range<usize>| sum << 8 | token.len() as u64;
        fits.then(|| Lengths(tokens.iter().rev().fold(0, add)))
    }

    /// How many there are.
    #[inline]
    pub fn count(self) -> usize {
        MOST_TOKENS - self.0.leading_zeros() as usize / 8
    }

    /// One after the other.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.count()).map(move |i| (self.0 >> (8 * i)) as usize & 255)
    }

    /// Their sum, of at most [`REMEMBERED`].
    #[inline]
    fn sum(self) -> usize {
        (self.0.wrapping_mul(0x0101_0101_0101_0101) >> 56) as usize
    }
}

/// A run that was cut; runs are told apart by 64 bits and their length.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    hash: u64,
    lengths: Lengths,
}

impl Known {
    #[inline]
    fn is(self, word: &Word) -> bool {
        (self.hash == word.hash) & (self.lengths.sum() == word.length())
    }
}

/// The tokens of a run, and buffers, kept from run to run.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    tokens: Vec<Range<usize>>,
    /// Suffixes, from the last one on.
    tail: Vec<Range<usize>>,
    /// Runs that were cut before, each in the pair that its hash says, the later seen first: most words of a text occur often.
    known: Vec<[Known; 2]>,
}

/// How a word is cut.
pub(crate) enum Cut<'c> {
    /// Bytes of each token; a word of one token may have any one length.
    Lengths(Lengths),
    /// The tokens, by their places in the text.
    Tokens(&'c [Range<usize>]),
}

impl Cut<'_> {
    /// How many tokens there are.
    #[inline]
    pub fn count(&self) -> usize {
        match self {
            Cut::Lengths(lengths) => lengths.count(),
            Cut::Tokens(tokens) => tokens.len(),
        }
    }
}

impl Cuts {
    /// Cut all words of a text.
    #[inline]
    pub fn words(&mut self, view: &View, mut each: impl FnMut(&Word, Cut)) {
        if self.known.is_empty() {
            self.known.resize(PAIRS, Default::default());
        }
        let exceptions = &*EXCEPTIONS;
        let mut lengths = [Lengths::default(); BATCH];
        for words in view.words.chunks(BATCH) {
            // Whether a word is known is as good as random: all of them are looked up before anything depends on one.
            for (lengths, word) in lengths.iter_mut().zip(words) {
                let whole = (word.seen & PLAIN != 0) & !exceptions.may_have_plain(word.hash);
                let [first, _] = self.known[if whole { 0 } else { word.hash as usize % PAIRS }];
                let known = if first.is(word) { first.lengths } else { Lengths::default() };
                *lengths = if whole { Lengths::ONE } else { known };
            }
            for (lengths, word) in lengths.iter().zip(words) {
                match *lengths {
                    Lengths(0) => each(word, self.word(view, word)),
                    lengths => each(word, Cut::Lengths(lengths)),
                }
            }
        }
    }

    /// How many tokens all words of a text have.
    pub fn count(&mut self, view: &View) -> usize {
        if self.known.is_empty() {
            self.known.resize(PAIRS, Default::default());
        }
        let exceptions = &*EXCEPTIONS;
        let mut count = 0;
        for words in view.words.chunks(64) {
            // Those that are one token as they are need no more than a look.
            let mut rest = 0u64;
            for (i, word) in words.iter().enumerate() {
                let whole = (word.seen & PLAIN != 0) & !exceptions.may_have_plain(word.hash);
                rest |= u64::from(!whole) << i;
            }
            count += words.len() - rest.count_ones() as usize;
            while rest != 0 {
                let word = &words[rest.trailing_zeros() as usize];
                rest &= rest - 1;
                let [first, _] = self.known[word.hash as usize % PAIRS];
                count += if first.is(word) { first.lengths.count() } else { self.word(view, word).count() };
            }
        }
        count
    }

    /// Cut a word that is not the first of its pair.
    fn word(&mut self, view: &View, word: &Word) -> Cut<'_> {
        let plain = word.seen & PLAIN != 0;
        let pair = &mut self.known[word.hash as usize % PAIRS];
        let [first, second] = *pair;
        // It may have been cut since it was looked up.
        if first.is(word) {
            return Cut::Lengths(first.lengths);
        }
        if second.is(word) {
            *pair = [second, first];
            return Cut::Lengths(second.lengths);
        }
        let short = word.length() <= REMEMBERED;
        match Lengths::new(self.cut_known(view.word(word), word.start as usize, plain)) {
            Some(lengths) if short => {
                self.known[word.hash as usize % PAIRS] = [Known { hash: word.hash, lengths }, first];
                Cut::Lengths(lengths)
            }
            _ => Cut::Tokens(&self.tokens),
        }
    }

    /// The tokens of a run without white space, which begins at `base`.
    pub fn cut(&mut self, run: &str, base: usize) -> &[Range<usize>] {
        self.cut_known(run, base, run.bytes().all(|b| b.is_ascii_alphabetic()))
    }

    /// The same if it is known whether the run is made of letters of ASCII.
    fn cut_known(&mut self, run: &str, base: usize, plain: bool) -> &[Range<usize>] {
        self.tokens.clear();
        let exceptions = &*EXCEPTIONS;
        if let Some(lengths) = exceptions.of(run) {
            push(lengths, base, &mut self.tokens);
        } else if plain {
            if !run.is_empty() {
                self.tokens.push(base..base + run.len());
            }
        } else {
            self.affixes(run, base, Some(exceptions));
            if self.tokens.len() > 1 {
                self.put_together(run, base, exceptions);
            }
        }
        &self.tokens
    }

    /// Cut a run that begins at `base` by all rules but the putting together. The run as a whole is no exception.
    fn affixes(&mut self, run: &str, base: usize, exceptions: Option<&Exceptions>) {
        let known = |text: &str| exceptions.and_then(|exceptions| exceptions.of(text));
        let (mut start, mut end) = (0, run.len());
        // How what is left is cut, if it is an exception; and whether it is known to be none.
        let (mut exception, mut none) = (None, true);
        self.tail.clear();
        while start < end {
            let text = &run[start..end];
            if !none {
                exception = known(text);
                if exception.is_some() {
                    break;
                }
            }
            let ahead = prefix(text);
            if ahead > 0 && ahead < text.len() {
                exception = known(&text[ahead..]);
                if exception.is_some() {
                    self.tokens.push(base + start..base + start + ahead);
                    start += ahead;
                    break;
                }
            }
            let behind = suffix(&text[ahead..]);
            if behind > 0 && behind < text.len() {
                exception = known(&text[..text.len() - behind]);
                if exception.is_some() {
                    self.tail.push(base + end - behind..base + end);
                    end -= behind;
                    break;
                }
            }
            if ahead == 0 && behind == 0 {
                break;
            }
            // With one of them cut off, the rest was looked up just now.
            none = ahead == 0 || behind == 0;
            if ahead > 0 {
                self.tokens.push(base + start..base + start + ahead);
                start += ahead;
            }
            if behind > 0 {
                self.tail.push(base + end - behind..base + end);
                end -= behind;
            }
        }
        if let Some(lengths) = exception {
            push(lengths, base + start, &mut self.tokens);
        } else if start < end {
            inside(&run[start..end], base + start, &mut self.tokens);
        }
        self.tokens.extend(self.tail.drain(..).rev());
    }

    /// Put tokens side by side together that make up an exception: the longest first, of equally long ones the first.
    fn put_together(&mut self, run: &str, base: usize, exceptions: &Exceptions) {
        let out = &mut self.tokens;
        let mut found: Vec<(Range<usize>, &[usize])> = Vec::new();
        for (i, token) in out.iter().enumerate() {
            let next = run.as_bytes().get(token.end - base).copied();
            for (lengths, key) in exceptions.headed_by(&run[token.start - base..token.end - base], next) {
                let these = out.get(i..i + lengths.len());
                let fits = run[token.start - base..].starts_with(key.as_str())
                    && these.is_some_and(|these| these.iter().map(|t| t.len()).eq(lengths.iter().copied()));
                if let (true, Some(whole)) = (fits, exceptions.of(key)) {
                    found.push((i..i + lengths.len(), whole));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        found.sort_by_key(|(range, _)| (std::cmp::Reverse(range.len()), range.start));
        let mut taken = vec![false; out.len()];
        found.retain(|(range, _)| {
            let free = !taken[range.start] && !taken[range.end - 1];
            taken[range.clone()].iter_mut().for_each(|taken| *taken = true);
            free
        });
        found.sort_by_key(|(range, _)| range.start);
        let old = std::mem::take(out);
        let mut at = 0;
        for (range, whole) in found {
            out.extend_from_slice(&old[at..range.start]);
            push(whole, old[range.start].start, out);
            at = range.end;
        }
        out.extend_from_slice(&old[at..]);
    }
}

/// Put tokens of lengths side by side.
fn push(lengths: &[usize], mut start: usize, out: &mut Vec<Range<usize>>) {
    for length in lengths {
        out.push(start..start + length);
        start += length;
    }
}

/// Cut what has neither prefix nor suffix.
fn inside(text: &str, base: usize, out: &mut Vec<Range<usize>>) {
    let mut next = infix(text, 0);
    if next.is_some() && url(text) {
        next = None;
    }
    let mut start = 0;
    while let Some(cut) = next {
        next = infix(text, cut.end);
        // What stands at the very start is no infix.
        if cut.start == 0 {
            continue;
        }
        if cut.start > start {
            out.push(base + start..base + cut.start);
        }
        out.push(base + cut.start..base + cut.end);
        start = cut.end;
    }
    if start < text.len() {
        out.push(base + start..base + text.len());
    }
}

/// Whether a token is nothing but punctuation.
pub(super) fn is_punctuation(token: &str) -> bool {
    token.chars().all(|c| of(c) & PUNCTUATION != 0)
}

/// Whether a token ends a sentence for spaCy's `sentencizer`.
pub(super) fn ends_sentence(token: &str) -> bool {
    let mut chars = token.chars();
    chars.next().is_some_and(super::fineweb::is_terminal) && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(run: &str) -> Vec<&str> {
        Cuts::default().cut(run, 0).iter().map(|range| &run[range.clone()]).collect()
    }

    /// Tokens that spaCy 3.8 itself gives.
    #[test]
    fn runs_are_cut_as_spacy_cuts_them() {
        for (run, expected) in [
            ("(\"Hello,\"", "( \" Hello , \""),
            ("don't", "do n't"),
            ("He’s", "He ’s"),
            ("cannot.", "can not ."),
            ("know...", "know ..."),
            ("U.S.", "U.S."),
            ("NASA.", "NASA ."),
            ("e.g.,", "e.g. ,"),
            ("(Mr.)", "( Mr. )"),
            ("well-known", "well - known"),
            ("a--b", "a -- b"),
            ("10km/h", "10 km/h"),
            ("5mg", "5 mg"),
            ("$5.00", "$ 5.00"),
            ("US$5", "US$ 5"),
            ("https://x.com/a-b?c=d.", "https://x.com/a-b?c=d ."),
            ("x=y", "x = y"),
            ("end.Next", "end . Next"),
            ("text:)", "text :)"),
            ("vitamin-a.", "vitamin - a."),
            ("10-12", "10 - 12"),
            ("its", "its"),
            ("10am", "10 am"),
            ("-x-", "-x-"),
            ("a/b/c", "a / b / c"),
            ("me@x.org", "me@x.org"),
            ("@user:", "@user :"),
        ] {
            let expected: Vec<&str> = expected.split(' ').collect();
            assert_eq!(cut(run), expected, "{run}");
        }
    }

    proptest! {
        #[test]
        fn tokens_make_up_the_run(run in "([a-cA-C0-9.,:;'’\"()$%+=/<>@_…—–é中☺-]|n't|'s|://|\\.com|km|US\\$){0,30}") {
            let mut cuts = Cuts::default();
            let out = cuts.cut(&run, 7);
            let mut at = 7;
            for token in out {
                prop_assert!(token.start == at && token.end > at);
                at = token.end;
            }
            prop_assert_eq!(at, 7 + run.len());
            prop_assert!(out.iter().all(|t| run.get(t.start - 7..t.end - 7).is_some()));
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in [
            ".", "(", ")", "a.", "a@", "a-", "a-b", "1+", "…", "'s", ":)", "a/", "://", "-", "5km", "☺", "=",
            "(:",
        ] {
            cut(&run.repeat(200_000 / run.len()));
        }
    }
}
