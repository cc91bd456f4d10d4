//! Encoding by byte-level BPE: text to stretches between added tokens, to pieces, to tokens.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::added::{Added, Cut};
use super::memory::{self, Memory};
use super::merge::Merges;
use super::quick::{Rule, length, other_length};
use super::split::{Contractions, Split, parts};
use super::{PART, normal};

/// A byte-level BPE.
#[derive(Debug)]
pub(crate) struct ByteLevel {
    /// Added tokens that are looked for in the text as it is, and in the normalized text.
    pub(super) added: [Added; 2],
    /// Whether text is brought into normalization form C.
    pub(super) nfc: bool,
    /// Whether a stretch of text that does not begin with a space is given one.
    pub(super) prefix_space: bool,
    pub(super) split: Split,
    pub(super) merges: Merges,
    /// Whether the bytes of the tokens are the text, whatever the text.
    pub(super) lossless: bool,
    /// Memories that no thread is using.
    pub(super) idle: Mutex<Vec<Memory>>,
}

/// Pieces that are looked up together.
const TOGETHER: usize = 64;

/// A piece that is to be looked up.
#[derive(Clone, Copy, Default)]
struct Found {
    key: memory::Key,
    hash: u32,
    length: usize,
}

/// What is encoded on its own.
enum Stretch<'t> {
    Token(u32),
    Text(Cow<'t, str>),
}

impl ByteLevel {
    /// Call `work` with a memory that no other thread is using.
    pub(super) fn with_memory<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut memory = taken.unwrap_or_else(Memory::new);
        let done = work(&mut memory);
        idle().push(memory);
        done
    }

    /// Append the tokens of a text.
    pub(super) fn encode(&self, text: &str, memory: &mut Memory, out: &mut Vec<u32>) {
        for stretch in self.stretches(text) {
            match stretch {
                Stretch::Token(id) => out.push(id),
                Stretch::Text(text) => self.scan(&text, memory, out),
            }
        }
    }

    /// The tokens of a long text, whose parts are shared out between threads.
    pub(super) fn encode_long(&self, text: &str) -> Vec<u32> {
        let mut all = Vec::new();
        for stretch in self.stretches(text) {
            match stretch {
                Stretch::Token(id) => all.push(id),
                Stretch::Text(text) => {
                    let parts: Vec<&str> = parts(&text, PART).collect();
                    let encoded: Vec<Vec<u32>> = parts
                        .par_iter()
                        .with_max_len(1)
                        .map(|part| {
                            let mut out = Vec::new();
                            self.with_memory(|memory| self.scan(part, memory, &mut out));
                            out
                        })
                        .collect();
                    encoded.iter().for_each(|tokens| all.extend_from_slice(tokens));
                }
            }
        }
        all
    }

    fn stretches<'t>(&self, text: &'t str) -> Vec<Stretch<'t>> {
        let [raw, normalized] = &self.added;
        let mut stretches = Vec::with_capacity(1);
        for cut in raw.cut(text) {
            let text = match cut {
                Cut::Token(id) => {
                    stretches.push(Stretch::Token(id));
                    continue;
                }
                Cut::Text(text) if self.nfc => normal::nfc(text),
                Cut::Text(text) => Cow::Borrowed(text),
            };
            if normalized.is_empty() {
                stretches.push(self.prefixed(text));
                continue;
            }
            match text {
                Cow::Borrowed(text) => {
                    stretches.extend(normalized.cut(text).into_iter().map(|cut| match cut {
                        Cut::Token(id) => Stretch::Token(id),
                        Cut::Text(text) => self.prefixed(Cow::Borrowed(text)),
                    }));
                }
                Cow::Owned(text) => {
                    stretches.extend(normalized.cut(&text).into_iter().map(|cut| match cut {
                        Cut::Token(id) => Stretch::Token(id),
                        Cut::Text(text) => self.prefixed(Cow::Owned(text.to_string())),
                    }));
                }
            }
        }
        stretches
    }

    fn prefixed<'t>(&self, text: Cow<'t, str>) -> Stretch<'t> {
        let lacks = self.prefix_space && !text.starts_with(' ');
        Stretch::Text(if lacks { Cow::Owned(format!(" {text}")) } else { text })
    }

    /// Append the tokens of a text that is normalized and has no added tokens.
    fn scan(&self, text: &str, memory: &mut Memory, out: &mut Vec<u32>) {
        if self.merges.is_empty() {
            out.extend(text.bytes().map(|byte| self.merges.byte(byte)));
            return;
        }
        // The rule is a constant in each of the loops.
        macro_rules! by {
            ($rule:expr) => {
                self.scan_by(text, memory, out, |word| length($rule, word))
            };
        }
        match Rule::of(&self.split) {
            Rule::Spaced => by!(Rule::Spaced),
            Rule::Led(Contractions::None) => by!(Rule::Led(Contractions::None)),
            Rule::Led(Contractions::First) => by!(Rule::Led(Contractions::First)),
            Rule::Led(Contractions::After) => by!(Rule::Led(Contractions::After)),
            Rule::Cased(Contractions::None) => by!(Rule::Cased(Contractions::None)),
            Rule::Cased(Contractions::First) => by!(Rule::Cased(Contractions::First)),
            Rule::Cased(Contractions::After) => by!(Rule::Cased(Contractions::After)),
        }
    }

    /// First some pieces are found, then their tokens: looking all of them up in one short loop lets the processor wait
    /// for several places of the memory at once.
    #[inline(always)]
    fn scan_by(&self, text: &str, memory: &mut Memory, out: &mut Vec<u32>, quick: impl Fn(u128) -> usize) {
        let bytes = text.as_bytes();
        let mut found = [Found::default(); TOGETHER];
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            let mut count = 0;
            while count < TOGETHER && at < bytes.len() {
                let (length, key) = match bytes[at..].first_chunk() {
                    Some(chunk) => {
                        let word = u128::from_le_bytes(*chunk);
                        let mut length = quick(word);
                        if length == 0 {
                            length = other_length(&self.split, chunk);
                        }
                        if length == 0 {
                            length = self.split.end(text, at) - at;
                        }
                        (
                            length,
                            if length <= memory::SHORT {
                                memory::key_of(word, length)
                            } else {
                                memory::NO_KEY
                            },
                        )
                    }
                    None => {
                        let length = self.split.end(text, at) - at;
                        let piece = &bytes[at..at + length];
                        (length, if length <= memory::SHORT { memory::key(piece) } else { memory::NO_KEY })
                    }
                };
                found[count] = Found { key, hash: memory::hash(key), length };
                at += length;
                count += 1;
            }
            let mut from = start;
            for piece in &found[..count] {
                let (ids, count) = memory.short(piece.key, piece.hash);
                match count {
                    1 => out.push(ids[0]),
                    0 => self.seldom(&bytes[from..from + piece.length], memory, out),
                    2 => out.extend_from_slice(&ids[..2]),
                    _ => out.extend_from_slice(&ids),
                }
                from += piece.length;
            }
        }
    }

    /// A piece that is long or was not met of late.
    #[inline(never)]
    fn seldom(&self, piece: &[u8], memory: &mut Memory, out: &mut Vec<u32>) {
        let known = memory.wide(piece);
        if !known.is_empty() {
            out.extend_from_slice(known);
            return;
        }
        let start = out.len();
        self.merges.piece(piece, out);
        memory.remember(piece, &out[start..]);
    }
}
