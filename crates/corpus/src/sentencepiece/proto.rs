//! The file of a model: a protocol buffer, `ModelProto` of `sentencepiece_model.proto` (proto2). Fields that decide nothing
//! over the encoding are passed over; in place of those that are missing the defaults of the format stand.

use crate::error::{Error, Place, Result};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// A piece of the vocabulary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'f> {
    pub text: &'f str,
    /// Natural logarithm of its probability.
    pub score: f32,
    pub kind: Type,
    /// Where it stands in the file.
    pub at: usize,
}

/// What a file says.
#[derive(Debug)]
pub(super) struct Spec<'f> {
    pub pieces: Vec<Piece<'f>>,
    /// `trainer_spec.model_type`.
    pub model_type: u64,
    /// `trainer_spec.byte_fallback`.
    pub byte_fallback: bool,
    /// `trainer_spec.treat_whitespace_as_suffix`.
    pub suffix: bool,
    /// `normalizer_spec`.
    pub normalizer: Normalizer<'f>,
}

/// How texts are normalised.
#[derive(Debug)]
pub(super) struct Normalizer<'f> {
    pub precompiled_charsmap: &'f [u8],
    pub charsmap_at: usize,
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
}

/// An error at a byte of the file.
pub(super) fn refuse(file: &str, at: usize, what: impl Into<String>) -> Error {
    let place = Place { file: file.into(), unit: "byte", number: at as u64 };
    Error::Model { place, format: "SentencePiece", what: what.into() }
}

/// The value of a field.
enum Value<'f> {
    Number(u64),
    Bytes(&'f [u8]),
    Float(f32),
    /// Of a type that no field here has.
    Other,
}

/// Reads the fields of one message.
struct Message<'f> {
    bytes: &'f [u8],
    /// Offset of `bytes` in the file.
    base: usize,
    at: usize,
    file: &'f str,
}

impl<'f> Message<'f> {
    fn here(&self) -> usize {
        self.base + self.at
    }

    fn refuse(&self, what: impl Into<String>) -> Error {
        refuse(self.file, self.here(), what)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.refuse("it ends in the middle of a number"));
            };
            self.at += 1;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(self.refuse("a number has more than ten bytes"))
    }

    fn take(&mut self, length: u64) -> Result<&'f [u8]> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(length).ok().filter(|length| *length <= left) {
            Some(length) => {
                self.at += length;
                Ok(&self.bytes[self.at - length..self.at])
            }
            None => Err(self.refuse(format!("a field of {length} bytes where {left} are left"))),
        }
    }

    /// The next field; none at the end.
    fn next(&mut self) -> Result<Option<(u64, Value<'f>)>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                let mut four = [0; 4];
                four.copy_from_slice(self.take(4)?);
                Value::Float(f32::from_le_bytes(four))
            }
            other => {
                return Err(self.refuse(format!("a field of wire type {other}, which the format has not")));
            }
        };
        if tag >> 3 == 0 {
            Err(self.refuse("a field with the number 0"))
        } else {
            Ok(Some((tag >> 3, value)))
        }
    }

    /// A message that is the value of the field that was read last.
    fn inner(&self, bytes: &'f [u8]) -> Message<'f> {
        Message { bytes, base: self.here() - bytes.len(), at: 0, file: self.file }
    }

    /// The field `name` has another type than the format says.
    fn mistyped<T>(&self, name: &str) -> Result<T> {
        Err(self.refuse(format!("`{name}` has a value of another type")))
    }
}

impl<'f> Spec<'f> {
    /// Read a file; `file` names it in messages.
    pub fn read(bytes: &'f [u8], file: &'f str) -> Result<Spec<'f>> {
        let mut spec = Spec {
            pieces: Vec::new(),
            model_type: 1,
            byte_fallback: false,
            suffix: false,
            normalizer: Normalizer {
                precompiled_charsmap: &[],
                charsmap_at: 0,
                add_dummy_prefix: true,
                remove_extra_whitespaces: true,
                escape_whitespaces: true,
            },
        };
        let mut message = Message { bytes, base: 0, at: 0, file };
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (1, Value::Bytes(bytes)) => spec.pieces.push(piece(message.inner(bytes))?),
                (2, Value::Bytes(bytes)) => spec.trainer(message.inner(bytes))?,
                (3, Value::Bytes(bytes)) => spec.normalizer(message.inner(bytes))?,
                (1, _) => return message.mistyped("pieces"),
                (2, _) => return message.mistyped("trainer_spec"),
                (3, _) => return message.mistyped("normalizer_spec"),
                _ => {}
            }
        }
        Ok(spec)
    }

    fn trainer(&mut self, mut message: Message<'f>) -> Result<()> {
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (3, Value::Number(number)) => self.model_type = number,
                (24, Value::Number(number)) => self.suffix = number != 0,
                (35, Value::Number(number)) => self.byte_fallback = number != 0,
                (3, _) => return message.mistyped("model_type"),
                (24, _) => return message.mistyped("treat_whitespace_as_suffix"),
                (35, _) => return message.mistyped("byte_fallback"),
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, mut message: Message<'f>) -> Result<()> {
        let spec = &mut self.normalizer;
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (2, Value::Bytes(bytes)) => {
                    spec.precompiled_charsmap = bytes;
                    spec.charsmap_at = message.here() - bytes.len();
                }
                (3, Value::Number(number)) => spec.add_dummy_prefix = number != 0,
                (4, Value::Number(number)) => spec.remove_extra_whitespaces = number != 0,
                (5, Value::Number(number)) => spec.escape_whitespaces = number != 0,
                (2, _) => return message.mistyped("precompiled_charsmap"),
                (3, _) => return message.mistyped("add_dummy_prefix"),
                (4, _) => return message.mistyped("remove_extra_whitespaces"),
                (5, _) => return message.mistyped("escape_whitespaces"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn piece(mut message: Message<'_>) -> Result<Piece<'_>> {
    let mut piece = Piece { text: "", score: 0.0, kind: Type::Normal, at: message.here() };
    while let Some((field, value)) = message.next()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => piece.text = text,
                Err(_) => return Err(message.refuse("a piece is not UTF-8")),
            },
            (2, Value::Float(score)) => piece.score = score,
            (3, Value::Number(number)) => {
                piece.kind = match number {
                    1 => Type::Normal,
                    2 => Type::Unknown,
                    3 => Type::Control,
                    4 => Type::UserDefined,
                    5 => Type::Unused,
                    6 => Type::Byte,
                    other => {
                        return Err(message.refuse(format!("a piece of type {other}, which is not known")));
                    }
                }
            }
            (1, _) => return message.mistyped("piece"),
            (2, _) => return message.mistyped("score"),
            (3, _) => return message.mistyped("type"),
            _ => {}
        }
    }
    let fault = match () {
        _ if piece.text.is_empty() => "a piece is empty",
        _ if piece.text.contains('\0') => "a piece holds a zero byte",
        _ if piece.text.len() >= LONGEST => "a piece has 8,000 bytes or more",
        _ if !piece.score.is_finite() => "the score of a piece is no number",
        _ => return Ok(piece),
    };
    Err(message.refuse(fault))
}

/// Bytes that no piece reaches, as in SentencePiece.
const LONGEST: usize = 8000;
