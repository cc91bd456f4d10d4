//! What a crash leaves behind: a folder with the arenas (weights, then the optimizer's arrays in its own order) as raw
//! little-endian floats, and `state.json` with everything else. It is written beside the old one and becomes valid only when the
//! stage's resume file names it.

use std::io::Read;
use std::path::Path;

use regimen_base::{Hash256, fs};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guard::Guard;

/// Everything of a running training but its arenas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Updates the optimizer took.
    pub updates: u64,
    /// Tokens trained on.
    pub tokens_seen: u64,
    /// Steps that updated nothing.
    pub skipped: Vec<u64>,
    /// The guard's memory.
    pub guard: Guard,
    /// Lowest validation so far: bits per byte and step.
    pub best: Option<(f64, u64)>,
    /// Key of the tokens artifact.
    pub tokens: Hash256,
    /// Length in bytes of the event log that belongs to it.
    pub events: u64,
    /// Hash of the arenas, one behind the other.
    pub arenas: Hash256,
}

impl State {
    /// The state before the first step.
    pub fn new(tokens: Hash256, guard: Guard) -> State {
        State {
            step: 0,
            updates: 0,
            tokens_seen: 0,
            skipped: Vec::new(),
            guard,
            best: None,
            tokens,
            events: 0,
            arenas: Hash256([0; 32]),
        }
    }
}

const STATE: &str = "state.json";
const ARENAS: &str = "arenas.bin";
/// Floats that are written or read at a time.
const PIECE: usize = 1 << 18;

/// Write a checkpoint into the folder `dir`, which is made anew. The hash of `arenas` is written into the state.
pub fn save(dir: &Path, state: &mut State, arenas: &[&[f32]]) -> Result<()> {
    fs::remove_dir_all(dir)?;
    fs::create_dir_all(dir)?;
    let mut file = fs::create(&dir.join(ARENAS))?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(4 * PIECE);
    for arena in arenas {
        for chunk in arena.chunks(PIECE) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
            hasher.update(&bytes);
            file.put(&bytes)?;
        }
    }
    file.finish()?;
    state.arenas = Hash256(*hasher.finalize().as_bytes());
    fs::write_json(&dir.join(STATE), state)?;
    Ok(fs::sync_dir(dir)?)
}

/// Read a checkpoint back into arenas of the right lengths.
///
/// # Errors
/// [`Error::Checkpoint`] if a file is missing, cut or changed; the arenas then hold nothing of use.
pub fn load(dir: &Path, arenas: &mut [&mut [f32]]) -> Result<State> {
    let damaged = |message: String| Error::Checkpoint { path: dir.into(), message };
    let unread = |error: fs::Error| damaged(format!("cannot be used: {error}"));
    let state: State = fs::read_json(&dir.join(STATE)).map_err(unread)?;
    let path = dir.join(ARENAS);
    let size = fs::size(&path).map_err(unread)?;
    let length: usize = arenas.iter().map(|arena| 4 * arena.len()).sum();
    if size != length as u64 {
        return Err(damaged(format!("holds {size} bytes where {length} belong")));
    }
    // In pieces: the whole file beside the arenas could be the most memory that a training ever needs.
    let mut file = fs::open(&path).map_err(unread)?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = vec![0; 4 * PIECE];
    for piece in arenas.iter_mut().flat_map(|arena| arena.chunks_mut(PIECE)) {
        let bytes = &mut bytes[..4 * piece.len()];
        file.read_exact(bytes).map_err(|e| unread(fs::Error::new("read", &path, e)))?;
        hasher.update(bytes);
        let (words, _) = bytes.as_chunks::<4>();
        piece.iter_mut().zip(words).for_each(|(x, word)| *x = f32::from_le_bytes(*word));
    }
    if Hash256(*hasher.finalize().as_bytes()) != state.arenas {
        return Err(damaged("does not hold the numbers that were written".into()));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            step: 7,
            updates: 6,
            tokens_seen: 999,
            skipped: vec![3],
            best: Some((1.5, 4)),
            events: 1234,
            ..State::new(Hash256::of(b"tokens"), Guard::new(2.0))
        }
    }

    #[test]
    fn comes_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step-7");
        let arenas: Vec<Vec<f32>> = [1000, 1000, 16, 0, 48]
            .iter()
            .map(|&n| (0..n).map(|i| (i as f32 - 7.0) * 1e-3).collect())
            .collect();
        let mut saved = state();
        save(&path, &mut saved, &arenas.iter().map(|a| &a[..]).collect::<Vec<_>>()).unwrap();
        let mut back: Vec<Vec<f32>> = arenas.iter().map(|a| vec![0.0; a.len()]).collect();
        let mut places: Vec<&mut [f32]> = back.iter_mut().map(|a| &mut a[..]).collect();
        assert_eq!(load(&path, &mut places).unwrap(), saved);
        assert!(
            back.iter().zip(&arenas).all(|(x, y)| x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits()))
        );
    }

    #[test]
    fn missing_cut_and_changed_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step-7");
        let arena = vec![1.0f32; 64];
        let complain = || {
            let (mut a, mut b, mut c) = (arena.clone(), arena.clone(), arena.clone());
            load(&path, &mut [&mut a, &mut b, &mut c]).unwrap_err().to_string()
        };
        assert!(complain().contains("state.json"));
        save(&path, &mut state(), &[&arena, &arena, &arena]).unwrap();
        let bytes = fs::read(&path.join(ARENAS)).unwrap();
        fs::write(&path.join(ARENAS), &bytes[..100]).unwrap();
        assert!(complain().contains("holds 100 bytes where 768 belong"));
        // A bit in the last arena, which is the optimizer's.
        let mut changed = bytes;
        changed[760] ^= 1;
        fs::write(&path.join(ARENAS), &changed).unwrap();
        assert!(complain().contains("does not hold the numbers"));
    }
}
