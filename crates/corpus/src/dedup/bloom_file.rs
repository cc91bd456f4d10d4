//! A Bloom filter in a file.
//!
//! Little endian: a header of 64 bytes, then the blocks.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | `RGMNBLOM` |
//! | 8..12 | version of the layout and of the hash: 1 |
//! | 12..16 | bits that a key sets in a word |
//! | 16..24 | blocks of 64 bytes |
//! | 24..32 | keys that it was made for |
//! | 32..40 | false positive rate, f64 |
//! | 40..48 | keys inside |
//! | 48..64 | first half of the blake3 hash of bytes 0..48 and the blocks |

use std::io::Read;
use std::path::Path;

use regimen_base::fs;

use super::bloom::{BLOCK_BYTES, Bloom, Sizing};
use super::error::{Error, Result};

const MAGIC: &[u8; 8] = b"RGMNBLOM";
const VERSION: u32 = 1;
const HEADER: usize = 64;
/// Bytes of the header that are hashed.
const HASHED: usize = 48;

fn header(bloom: &Bloom) -> [u8; HASHED] {
    let sizing = bloom.sizing();
    let mut header = [0; HASHED];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&sizing.per_word.to_le_bytes());
    header[16..24].copy_from_slice(&sizing.blocks.to_le_bytes());
    header[24..32].copy_from_slice(&sizing.expected.to_le_bytes());
    header[32..40].copy_from_slice(&sizing.rate.to_bits().to_le_bytes());
    header[40..48].copy_from_slice(&bloom.keys().to_le_bytes());
    header
}

impl Bloom {
    /// Writes the filter to a new file. It is durable when this returns.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = header(self);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header);
        let bytes = |blocks: &[[u64; 8]]| -> Vec<u8> {
            blocks.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        for blocks in self.blocks.chunks(1 << 12) {
            hasher.update(&bytes(blocks));
        }
        let mut file = fs::create(path)?;
        file.put(&header)?;
        file.put(&hasher.finalize().as_bytes()[..HEADER - HASHED])?;
        for blocks in self.blocks.chunks(1 << 12) {
            file.put(&bytes(blocks))?;
        }
        Ok(file.finish()?)
    }

    /// Reads a filter. An error if the file is damaged, or if the filter would take more than `memory` bytes. Use it through
    /// [`Bloom::contains`] to leave it as it is, for instance against evaluation sets.
    pub fn load(path: &Path, memory: u64) -> Result<Bloom> {
        let length = fs::size(path)?;
        let mut file = fs::open(path)?;
        let mut read = |bytes: &mut [u8]| {
            file.read_exact(bytes).map_err(|e| Error::File(fs::Error::new("read", path, e)))
        };
        if length < HEADER as u64 {
            return Err(Error::damaged(path, format!("{length} bytes are less than its header")));
        }
        let mut head = [0; HEADER];
        read(&mut head)?;
        let four = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
        if &head[..8] != MAGIC {
            return Err(Error::damaged(path, "it is no Bloom filter"));
        }
        if four(8) != VERSION {
            return Err(Error::damaged(path, format!("version {} instead of {VERSION}", four(8))));
        }
        let sizing = Sizing {
            per_word: four(12),
            blocks: eight(16),
            expected: eight(24),
            rate: f64::from_bits(eight(32)),
        };
        let rates = f64::MIN_POSITIVE..1.0;
        if !(1..=4).contains(&sizing.per_word) || !rates.contains(&sizing.rate) {
            return Err(Error::damaged(path, "its header holds impossible numbers"));
        }
        let needed = sizing.blocks.saturating_mul(BLOCK_BYTES);
        if sizing.blocks == 0 || needed != length - HEADER as u64 {
            let what = format!("{} blocks do not fit a file of {length} bytes", sizing.blocks);
            return Err(Error::damaged(path, what));
        }
        let keys = eight(40);
        let mut bloom = Bloom::new(sizing, memory)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head[..HASHED]);
        let mut buffer = vec![0u8; (1 << 12) * BLOCK_BYTES as usize];
        for blocks in bloom.blocks.chunks_mut(1 << 12) {
            let bytes = &mut buffer[..blocks.len() * BLOCK_BYTES as usize];
            read(bytes)?;
            hasher.update(bytes);
            let words = blocks.as_flattened_mut().iter_mut();
            words.zip(bytes.as_chunks::<8>().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        }
        if hasher.finalize().as_bytes()[..HEADER - HASHED] != head[HASHED..] {
            return Err(Error::damaged(path, "its content does not fit its hash"));
        }
        bloom.keys = keys;
        Ok(bloom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::hash::mix;
    use proptest::prelude::*;

    #[test]
    fn a_filter_comes_back_as_it_was_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.bloom");
        let mut bloom = Bloom::new(Sizing::new(100_000, 1e-4).unwrap(), 1 << 30).unwrap();
        (0..50_000).for_each(|i| {
            bloom.insert(mix(i).into());
        });
        bloom.save(&path).unwrap();
        let loaded = Bloom::load(&path, 1 << 30).unwrap();
        assert_eq!(loaded, bloom);
        assert!((0..50_000).all(|i| loaded.contains(mix(i).into())));
        assert!(matches!(Bloom::load(&path, 1000), Err(Error::Memory { .. })));

        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, 13, 20, 39, 41, 50, 64, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let error = Bloom::load(&path, 1 << 30).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}");
        }
        for length in [0, 63, 64, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(Bloom::load(&path, 1 << 30), Err(Error::Damaged { .. })), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(
            mut head in prop::collection::vec(any::<u8>(), 0..64),
            blocks in prop::collection::vec(any::<u8>(), 0..200),
            magic: bool,
            few: bool,
        ) {
            if let Some(start) = head.first_chunk_mut::<24>().filter(|_| magic) {
                start[..8].copy_from_slice(MAGIC);
                start[8..16].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]);
                if few {
                    start[16..].copy_from_slice(&(blocks.len() as u64 / 64).to_le_bytes());
                }
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("b");
            std::fs::write(&path, [head, blocks].concat()).unwrap();
            prop_assert!(Bloom::load(&path, 1 << 20).is_err());
        }
    }
}
