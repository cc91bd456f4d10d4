//! SentencePiece's unigram models: texts cut into the pieces that the best path gives.
//!
//! Kudo, "Subword Regularization", ACL 2018: a text is cut so that the sum of the log-probabilities of its pieces is the
//! greatest (Viterbi). Kudo and Richardson, "SentencePiece", EMNLP 2018, has the normalisation before it and the file
//! (`.model`; CCNet calls its own `xx.sp.model`). The CCNet models score such pieces: see [`crate::kenlm`].
//!
//! Pieces are those of `encode_as_pieces`: normalised text, a space being U+2581, neighbouring characters that no piece has
//! together, or, with byte fallback, their bytes as `<0xE4>`. Compared with sentencepiece 0.2.3 by
//! `tests/peers_models/pieces.rs`: nine models (normalisers `nmt_nfkc`, `nfkc`, `nmt_nfkc_cf` and `identity`, byte fallback,
//! pieces that the user defined, the space as a suffix, pieces over several words, white space kept) give the same pieces for
//! each of some 9,000 lines: text in several scripts, and random characters of all of Unicode.
//!
//! Limits: models of the types BPE, word and char are refused; nothing is sampled, and no model is trained here.

mod charsmap;
mod normalise;
mod proto;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trie;
mod viterbi;

use std::path::Path;

use crate::error::Result;
use crate::fasttext::bytes::Bytes;
use crate::memory::is_long;
use charsmap::CharsMap;
use normalise::Normaliser;
use proto::{Piece, Spec, Type, refuse};
use trie::{End, Trie};
use viterbi::{Scores, Ways};

/// Bytes of a file at most; published models have up to some five million.
const LARGEST: usize = 64 << 20;

/// What a byte of a piece that the user defined counts at least (0.1 of the whole piece less), as sentencepiece 0.2.3 has it;
/// in 0.2.0 such pieces count -0.1 where no score is above 0.
const BONUS: f32 = 0.1;

/// A model, ready to cut texts. Threads share it.
#[derive(Debug)]
pub struct Model {
    normaliser: Normaliser,
    scores: Scores,
    /// Whether characters that no piece has are cut into bytes.
    bytes: bool,
}

/// Buffers, kept from text to text unless one is long.
#[derive(Debug, Default)]
pub struct Room {
    normal: String,
    ways: Ways,
}

impl Model {
    /// Open a model file.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged or of another kind ([`crate::Error::Model`]).
    pub fn open(path: &Path) -> Result<Model> {
        Model::read(&Bytes::open(path)?, &path.display().to_string())
    }

    /// A model from the bytes of a file; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Model> {
        Model::read(bytes, file)
    }

    fn read(bytes: &[u8], file: &str) -> Result<Model> {
        if bytes.len() > LARGEST {
            return Err(refuse(file, 0, "it has more than 64 MiB"));
        }
        let spec = Spec::read(bytes, file)?;
        let other = match spec.model_type {
            1 => None,
            2 => Some("BPE"),
            3 => Some("word"),
            4 => Some("char"),
            _ => Some("unknown"),
        };
        if let Some(other) = other {
            return Err(refuse(
                file,
                0,
                format!("it is a model of the type {other}; unigram models are read"),
            ));
        }
        check(&spec, file)?;
        let normal = &spec.normalizer;
        let charsmap = normal.precompiled_charsmap;
        let rules = match charsmap.is_empty() {
            true => None,
            false => Some(CharsMap::read(charsmap, file, normal.charsmap_at)?),
        };
        let of = |kind: Type| spec.pieces.iter().filter(move |piece| piece.kind == kind);
        let defined: Vec<(&[u8], End)> =
            of(Type::UserDefined).map(|piece| (piece.text.as_bytes(), End::UserDefined)).collect();
        let normal_pieces = || of(Type::Normal).map(|piece| piece.score);
        let kept = (!defined.is_empty()).then(|| Trie::new(defined.clone()));
        let all = of(Type::Normal).map(|piece| (piece.text.as_bytes(), End::Piece(piece.score)));
        Ok(Model {
            normaliser: Normaliser {
                rules,
                kept,
                dummy: normal.add_dummy_prefix,
                suffix: spec.suffix,
                squeeze: normal.remove_extra_whitespaces,
                escape: normal.escape_whitespaces,
            },
            scores: Scores {
                trie: Trie::new(all.chain(defined).collect()),
                least: normal_pieces().fold(f32::MAX, f32::min),
                greatest: normal_pieces().fold(BONUS, f32::max),
            },
            bytes: spec.byte_fallback,
        })
    }

    /// Cut a text; `each` gets the pieces in order.
    pub fn encode(&self, room: &mut Room, text: &str, mut each: impl FnMut(&str)) {
        let Room { normal, ways } = room;
        self.normaliser.apply(text, normal);
        // Characters that no piece has, up to the piece behind them.
        let mut unknown = 0..0;
        self.scores.cut(normal, ways, |range, known| {
            if known || self.bytes {
                if !unknown.is_empty() {
                    each(&normal[unknown.clone()]);
                }
                unknown = range.end..range.end;
            }
            match known {
                true => each(&normal[range]),
                false if self.bytes => {
                    normal.as_bytes()[range].iter().for_each(|byte| each(&format!("<0x{byte:02X}>")));
                }
                false => unknown.end = range.end,
            }
        });
        if !unknown.is_empty() {
            each(&normal[unknown]);
        }
        ways.release();
        if is_long(normal.capacity()) {
            *normal = String::new();
        }
    }

    /// The pieces of a text.
    pub fn pieces(&self, text: &str) -> Vec<String> {
        let mut pieces = Vec::new();
        self.encode(&mut Room::default(), text, |piece| pieces.push(piece.to_string()));
        pieces
    }
}

/// The pieces of a vocabulary fit together.
fn check(spec: &Spec, file: &str) -> Result<()> {
    let fault = |piece: &Piece, what: String| Err(refuse(file, piece.at, what));
    if !spec.pieces.iter().any(|piece| piece.kind == Type::Unknown) {
        return Err(refuse(file, 0, "it has no piece for what is unknown"));
    }
    let mut sorted: Vec<&Piece> = spec.pieces.iter().collect();
    sorted.sort_unstable_by_key(|piece| (piece.text, piece.at));
    // Pieces for bytes, marks and the unknown may be spelled as others are.
    let plain = |piece: &Piece| matches!(piece.kind, Type::Normal | Type::UserDefined | Type::Unused);
    let of = |want: bool| sorted.iter().filter(move |piece| plain(piece) == want);
    for want in [true, false] {
        for (piece, next) in of(want).zip(of(want).skip(1)) {
            if piece.text == next.text {
                return fault(next, format!("the piece `{}` comes twice", next.text));
            }
        }
    }
    let mut unknown = spec.pieces.iter().filter(|piece| piece.kind == Type::Unknown);
    if let (Some(_), Some(second)) = (unknown.next(), unknown.next()) {
        return fault(second, "it has two pieces for what is unknown".into());
    }
    let bytes = spec.pieces.iter().filter(|piece| piece.kind == Type::Byte);
    for piece in bytes.clone() {
        let byte = piece.text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
        let hexadecimal = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        if !byte.is_some_and(|byte| byte.len() == 2 && byte.chars().all(hexadecimal)) {
            return fault(piece, format!("the piece `{}` stands for no byte", piece.text));
        }
        if !spec.byte_fallback {
            return fault(piece, format!("the piece `{}` without `byte_fallback`", piece.text));
        }
    }
    match bytes.count() {
        256 => Ok(()),
        count if spec.byte_fallback => {
            Err(refuse(file, 0, format!("{count} pieces for bytes, and `byte_fallback` needs 256")))
        }
        _ => Ok(()),
    }
}
