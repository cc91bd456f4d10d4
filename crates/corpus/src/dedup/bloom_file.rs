//! A Bloom filter in a file.
//!
//! Little endian: a header of 128 bytes, then the blocks.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | `RGMNBLOM` |
//! | 8..12 | version of the layout and of the hash: 2 |
//! | 12..16 | bits that a key sets in a word |
//! | 16..24 | blocks of 64 bytes |
//! | 24..32 | keys that it was made for |
//! | 32..40 | false positive rate, f64 |
//! | 40..48 | keys inside |
//! | 48..112 | what the keys are, in words, with zeros behind it |
//! | 112..128 | first half of the blake3 hash of bytes 0..112 and the blocks |

use std::io::Read;
use std::path::Path;

use regimen_base::fs;

use super::bloom::{BLOCK_BYTES, Bloom, Sizing};
use super::error::{Error, Result};

const MAGIC: &[u8; 8] = b"RGMNBLOM";
const VERSION: u32 = 2;
const HEADER: usize = 128;
/// Bytes of the header that are hashed.
const HASHED: usize = 112;
/// Where in the header stands what the keys are.
const LABEL: std::ops::Range<usize> = 48..HASHED;
/// Blocks that are read or written at once.
const AT_ONCE: usize = 1 << 12;

fn header(bloom: &Bloom, label: &str) -> Result<[u8; HASHED]> {
    let sizing = bloom.sizing();
    let mut header = [0; HASHED];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&sizing.per_word.to_le_bytes());
    header[16..24].copy_from_slice(&sizing.blocks.to_le_bytes());
    header[24..32].copy_from_slice(&sizing.expected.to_le_bytes());
    header[32..40].copy_from_slice(&sizing.rate.to_bits().to_le_bytes());
    header[40..48].copy_from_slice(&bloom.keys().to_le_bytes());
    let room = header[LABEL].get_mut(..label.len());
    let room = room.ok_or_else(|| Error::option("label", label, "at most 64 bytes"))?;
    room.copy_from_slice(label.as_bytes());
    Ok(header)
}

/// The head of a file with a filter.
struct Head {
    bytes: [u8; HEADER],
    sizing: Sizing,
    keys: u64,
}

impl Head {
    fn read(path: &Path, label: &str) -> Result<(std::fs::File, Head)> {
        let length = fs::size(path)?;
        let mut file = fs::open(path)?;
        let mut bytes = [0; HEADER];
        if length < HEADER as u64 {
            return Err(Error::damaged(path, format!("{length} bytes are less than its header")));
        }
        file.read_exact(&mut bytes).map_err(|e| fs::Error::new("read", path, e))?;
        let four = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
        if &bytes[..8] != MAGIC {
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
        let found = std::str::from_utf8(&bytes[LABEL]).map(|text| text.trim_end_matches('\0'));
        let found = found.map_err(|_| Error::damaged(path, "what its keys are is no UTF-8"))?;
        if found != label {
            let (found, wanted) = (found.into(), label.into());
            return Err(Error::OtherKeys { path: path.into(), found, wanted });
        }
        let keys = eight(40);
        Ok((file, Head { bytes, sizing, keys }))
    }
}

/// Blocks as they stand in a file.
fn bytes_of(blocks: &[[u64; 8]]) -> Vec<u8> {
    blocks.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Bloom {
    /// Hands the bytes of the file to `put`, piece by piece; `label` says what the keys are, in at most 64 bytes.
    pub fn write<E: From<Error>>(
        &self,
        label: &str,
        mut put: impl FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let header = header(self, label)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header);
        for blocks in self.blocks.chunks(AT_ONCE) {
            hasher.update(&bytes_of(blocks));
        }
        put(&header)?;
        put(&hasher.finalize().as_bytes()[..HEADER - HASHED])?;
        self.blocks.chunks(AT_ONCE).try_for_each(|blocks| put(&bytes_of(blocks)))
    }

    /// Writes the filter to a new file. It is durable when this returns.
    pub fn save(&self, path: &Path, label: &str) -> Result<()> {
        let mut file = fs::create(path)?;
        self.write::<Error>(label, |bytes| Ok(file.put(bytes)?))?;
        Ok(file.finish()?)
    }

    /// An error if the file is no filter.
    pub fn check_magic(path: &Path) -> Result<()> {
        let mut found = [0; MAGIC.len()];
        let read = fs::open(path)?.read(&mut found).map_err(|e| fs::Error::new("read", path, e))?;
        if &found[..read] == MAGIC { Ok(()) } else { Err(Error::damaged(path, "it is no Bloom filter")) }
    }

    /// The size of the filter in a file, by its header alone. An error if its keys are not what `label` says.
    pub fn sizing_of(path: &Path, label: &str) -> Result<Sizing> {
        Head::read(path, label).map(|(_, head)| head.sizing)
    }

    /// Reads a filter. An error if the file is damaged, if its keys are not what `label` says, or if the filter would take more than `memory` bytes. Use it through
    /// [`Bloom::contains`] to leave it as it is, for instance against evaluation sets.
    pub fn load(path: &Path, label: &str, memory: u64) -> Result<Bloom> {
        let (mut file, head) = Head::read(path, label)?;
        let mut bloom = Bloom::new(head.sizing, memory)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head.bytes[..HASHED]);
        let mut buffer = vec![0u8; AT_ONCE * BLOCK_BYTES as usize];
        for blocks in bloom.blocks.chunks_mut(AT_ONCE) {
            let bytes = &mut buffer[..blocks.len() * BLOCK_BYTES as usize];
            file.read_exact(bytes).map_err(|e| fs::Error::new("read", path, e))?;
            hasher.update(bytes);
            let words = blocks.as_flattened_mut().iter_mut();
            words.zip(bytes.as_chunks::<8>().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        }
        if hasher.finalize().as_bytes()[..HEADER - HASHED] != head.bytes[HASHED..] {
            return Err(Error::damaged(path, "its content does not fit its hash"));
        }
        bloom.keys = head.keys;
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
        bloom.save(&path, "lines").unwrap();
        let loaded = Bloom::load(&path, "lines", 1 << 30).unwrap();
        assert_eq!(loaded, bloom);
        assert!((0..50_000).all(|i| loaded.contains(mix(i).into())));
        assert!(matches!(Bloom::load(&path, "lines", 1000), Err(Error::Memory { .. })));

        let other = Bloom::load(&path, "words", 1 << 30).unwrap_err();
        assert!(
            matches!(&other, Error::OtherKeys { found, wanted, .. } if found == "lines" && wanted == "words")
        );
        assert_eq!(Bloom::sizing_of(&path, "lines").unwrap(), *bloom.sizing());
        assert!(bloom.save(&path.with_extension("x"), &"x".repeat(65)).is_err());

        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, 13, 20, 39, 41, 115, 128, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let error = Bloom::load(&path, "lines", 1 << 30).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}");
        }
        for length in [0, 127, 128, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(
                matches!(Bloom::load(&path, "lines", 1 << 30), Err(Error::Damaged { .. })),
                "{length} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(
            mut head in prop::collection::vec(any::<u8>(), 0..160),
            blocks in prop::collection::vec(any::<u8>(), 0..200),
            magic: bool,
            few: bool,
            labelled: bool,
        ) {
            if let Some(label) = head.get_mut(LABEL).filter(|_| labelled) {
                label.fill(0);
                label[..5].copy_from_slice(b"lines");
            }
            if let Some(start) = head.first_chunk_mut::<24>().filter(|_| magic) {
                start[..8].copy_from_slice(MAGIC);
                start[8..16].copy_from_slice(&[2, 0, 0, 0, 2, 0, 0, 0]);
                if few {
                    start[16..].copy_from_slice(&(blocks.len() as u64 / 64).to_le_bytes());
                }
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("b");
            std::fs::write(&path, [head, blocks].concat()).unwrap();
            prop_assert!(Bloom::load(&path, "lines", 1 << 20).is_err());
        }
    }
}
