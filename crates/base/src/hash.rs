//! Content addresses: 256-bit keys of artifacts, 128-bit keys of documents. All are blake3.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

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

/// Readers of a file that several threads hash, at most.
const READERS: u64 = 4;
/// Bytes of a file that each of them reads at once.
const PIECE: usize = 2 << 20;

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

    /// The hash and length in bytes of a file's content, read in 1 MiB pieces.
    pub fn of_file(path: &Path) -> Result<(Hash256, u64), fs::Error> {
        let mut file = fs::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0u8; 1 << 20];
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

    /// The same, on all threads of the pool: each reads a piece, then all hash all of them.
    pub fn of_file_shared(path: &Path) -> Result<(Hash256, u64), fs::Error> {
        let wrong = |e| fs::Error::new("read", path, e);
        let pieces = fs::size(path)?.div_ceil(PIECE as u64);
        if pieces < 2 {
            return Hash256::of_file(path);
        }
        // Each has a place of its own in the file. Files are shared at the same time, so none has many.
        let mut readers = (0..pieces.min(rayon::current_num_threads() as u64).min(READERS))
            .map(|_| Ok((fs::open(path)?, Vec::new())))
            .collect::<Result<Vec<(std::fs::File, Vec<u8>)>, fs::Error>>()?;
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        loop {
            let fill = |(at, (file, piece)): (u64, &mut (std::fs::File, Vec<u8>))| {
                piece.clear();
                file.seek(SeekFrom::Start(length + at * PIECE as u64))?;
                file.by_ref().take(PIECE as u64).read_to_end(piece)
            };
            let each = readers.par_iter_mut().with_max_len(1).enumerate();
            each.map(|(at, reader)| fill((at as u64, reader)).map(drop))
                .collect::<Result<(), _>>()
                .map_err(wrong)?;
            for (_, piece) in &readers {
                hasher.update_rayon(piece);
                length += piece.len() as u64;
                if piece.len() < PIECE {
                    return Ok((Hash256(*hasher.finalize().as_bytes()), length));
                }
            }
        }
    }

    /// How each of many files is hashed best: threads that share a file wait for each other, those with a file each do not. So
    /// only a file that has more than a thread's part of all is shared.
    pub fn of_each(paths: &[impl AsRef<Path>]) -> impl Fn(&Path) -> Result<(Hash256, u64), fs::Error> + Sync {
        // A file that cannot be read says so in its turn.
        let all: u64 = paths.iter().map(|path| fs::size(path.as_ref()).unwrap_or(0)).sum();
        let share = all / rayon::current_num_threads() as u64;
        move |path| match fs::size(path)? {
            bytes if bytes <= share => Hash256::of_file(path),
            _ => Hash256::of_file_shared(path),
        }
    }

    /// The first eight digits, enough to name an artifact on a screen.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_string()
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
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 12_345] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let want = (Hash256::of(&bytes), length as u64);
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
