//! Content addresses: 256-bit keys of artifacts, 128-bit keys of documents. All are blake3.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::*;

use crate::fs;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadHex;
            fn from_str(text: &str) -> Result<$name, BadHex> {
                let bad = || BadHex { text: text.into(), digits: 2 * $bytes };
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(bad());
                }
                let mut out = [0u8; $bytes];
                for (i, byte) in out.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
                }
                Ok($name(out))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Bytes of a file that one thread hashes at a time where several share it: a power of two of blake3's chunks.
const PIECE: u64 = 4 << 20;
/// Bytes that are read at once; they stay in a core's own cache.
const BUFFER: usize = 128 << 10;

hex_id!(
    /// A blake3 hash, written as 64 hexadecimal digits.
    Hash256, 32
);
hex_id!(
    /// The identity of a document: blake3-128(source name, 0, own id).
    DocKey, 16
);

/// The address of an artifact: the hash of everything that made it.
pub type Key = Hash256;

/// Text that should have been hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a hash of {digits} hexadecimal digits")]
pub struct BadHex {
    text: String,
    digits: usize,
}

impl Hash256 {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Hash256 {
        Hash256(*blake3::hash(bytes).as_bytes())
    }

    /// The hash and length in bytes of a file's content.
    pub fn of_file(path: &Path) -> Result<(Hash256, u64), fs::Error> {
        let mut file = fs::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0u8; BUFFER];
        let mut length = 0;
        loop {
            let n = file.read(&mut buffer).map_err(|e| fs::Error::new("read", path, e))?;
            if n == 0 {
                return Ok((Hash256(*hasher.finalize().as_bytes()), length));
            }
            length += n as u64;
            hasher.update(&buffer[..n]);
        }
    }

    /// The same, on all threads of the pool: each reads and hashes pieces of the file, whose hashes are joined as blake3 joins
    /// those of its chunks.
    ///
    /// # Errors
    /// A file that cannot be read, or that loses bytes meanwhile; those that it gains are left out.
    pub fn of_file_shared(path: &Path) -> Result<(Hash256, u64), fs::Error> {
        let length = fs::size(path)?;
        if length <= PIECE {
            return Hash256::of_file(path);
        }
        let count = length.div_ceil(PIECE) as usize;
        let each = (0..count).into_par_iter().with_max_len(1);
        let pieces: Vec<Result<_, _>> = each.map(|at| piece(path, at as u64, length)).collect();
        let pieces = pieces.into_iter().collect::<Result<Vec<ChainingValue>, fs::Error>>()?;
        let (left, right) = pieces.split_at(left_pieces(pieces.len()));
        let root = merge_subtrees_root(&joined(left), &joined(right), Mode::Hash);
        Ok((Hash256(*root.as_bytes()), length))
    }

    /// The first eight digits, enough to name an artifact on a screen.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_string()
    }
}

/// The chaining value of piece `at` of a file that has `length` bytes.
fn piece(path: &Path, at: u64, length: u64) -> Result<ChainingValue, fs::Error> {
    let wrong = |e| fs::Error::new("read", path, e);
    let begin = at * PIECE;
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(begin);
    let mut file = fs::open(path)?;
    file.seek(SeekFrom::Start(begin)).map_err(wrong)?;
    let mut buffer = vec![0u8; BUFFER];
    let mut left = PIECE.min(length - begin);
    while left > 0 {
        let most = left.min(BUFFER as u64) as usize;
        let n = file.read(&mut buffer[..most]).map_err(wrong)?;
        if n == 0 {
            let why = "it became shorter while it was read";
            return Err(wrong(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
        }
        hasher.update(&buffer[..n]);
        left -= n as u64;
    }
    Ok(hasher.finalize_non_root())
}

/// Of two pieces or more, those below the left child of the node above all: the greatest power of two that leaves some.
fn left_pieces(pieces: usize) -> usize {
    pieces.div_ceil(2).next_power_of_two()
}

/// The chaining value of the node above some pieces.
fn joined(pieces: &[ChainingValue]) -> ChainingValue {
    match pieces {
        [one] => *one,
        pieces => {
            let (left, right) = pieces.split_at(left_pieces(pieces.len()));
            merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash)
        }
    }
}

impl DocKey {
    /// The key of the document that its source calls `id`.
    pub fn new(source: &str, id: &str) -> DocKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(source.as_bytes());
        hasher.update(&[0]);
        hasher.update(id.as_bytes());
        DocKey::truncate(&hasher)
    }

    /// The 128-bit hash of a text, for exact deduplication.
    pub fn of_content(text: &[u8]) -> DocKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(text);
        DocKey::truncate(&hasher)
    }

    fn truncate(hasher: &blake3::Hasher) -> DocKey {
        let mut out = [0u8; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        DocKey(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_goes_back_and_forth() {
        let hash = Hash256::of(b"abc");
        assert_eq!(hash.to_string(), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
        assert_eq!(hash.to_string().parse::<Hash256>().unwrap(), hash);
        assert!("xyz".parse::<Hash256>().is_err());
        assert!("é".repeat(32).parse::<Hash256>().is_err());
    }

    #[test]
    fn a_file_has_one_hash_however_many_threads_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let few = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE];
        for length in few.into_iter().chain((2..9).map(|pieces| pieces * PIECE + 12_345)) {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let want = (Hash256::of(&bytes), length);
            assert_eq!(Hash256::of_file(&path).unwrap(), want);
            for threads in [1, 2, 5] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert_eq!(pool.install(|| Hash256::of_file_shared(&path)).unwrap(), want);
            }
        }
        assert!(Hash256::of_file_shared(&dir.path().join("none")).is_err());
    }

    #[test]
    fn source_and_id_cannot_run_into_each_other() {
        assert_ne!(DocKey::new("ab", "c"), DocKey::new("a", "bc"));
    }
}
