//! What a crash leaves behind: a folder with the three arenas (weights and the optimizer's two) as raw little-endian
//! floats, and `state.json` with everything else. It is written beside the old one and becomes valid only when the
//! stage's resume file names it.

use std::path::Path;

use regimen_base::{Hash256, fs};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::saved::hash_arena;

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
    /// Hash of the weight arena.
    pub weights: Hash256,
}

const STATE: &str = "state.json";
const ARENAS: &str = "arenas.bin";

/// Write a checkpoint into the folder `dir`, which is made anew. `arenas` are of one length.
pub fn save(dir: &Path, state: &State, arenas: [&[f32]; 3]) -> Result<()> {
    fs::remove_dir_all(dir)?;
    fs::create_dir_all(dir)?;
    let mut file = fs::create(&dir.join(ARENAS))?;
    let mut bytes = Vec::with_capacity(1 << 20);
    for arena in arenas {
        for chunk in arena.chunks(1 << 18) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
            file.put(&bytes)?;
        }
    }
    file.finish()?;
    fs::write_json(&dir.join(STATE), state)?;
    Ok(fs::sync_dir(dir)?)
}

/// Read a checkpoint back into arenas of the right length.
pub fn load(dir: &Path, arenas: [&mut [f32]; 3]) -> Result<State> {
    let damaged = |message: String| Error::Checkpoint { path: dir.into(), message };
    let state: State = fs::read_json(&dir.join(STATE))?;
    let bytes = fs::read(&dir.join(ARENAS))?;
    let length = arenas[0].len();
    if bytes.len() != 3 * 4 * length {
        return Err(damaged(format!("holds {} bytes where {} belong", bytes.len(), 3 * 4 * length)));
    }
    let (words, _) = bytes.as_chunks::<4>();
    for (arena, part) in arenas.into_iter().zip(words.chunks_exact(length.max(1))) {
        arena.iter_mut().zip(part).for_each(|(x, word)| *x = f32::from_le_bytes(*word));
    }
    Ok(state)
}

/// Whether the loaded weights are those that were saved.
pub fn check(dir: &Path, state: &State, weights: &[f32]) -> Result<()> {
    if hash_arena(weights) == state.weights {
        return Ok(());
    }
    Err(Error::Checkpoint { path: dir.into(), message: "does not have the weights that it names".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(weights: &[f32]) -> State {
        State {
            step: 7,
            updates: 6,
            tokens_seen: 999,
            skipped: vec![3],
            guard: Guard::new(2.0),
            best: Some((1.5, 4)),
            tokens: Hash256::of(b"tokens"),
            weights: hash_arena(weights),
        }
    }

    #[test]
    fn comes_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step-7");
        let arenas: Vec<Vec<f32>> =
            (0..3).map(|a| (0..1000).map(|i| (i as f32 - 500.0) * 1e-3f32.powi(a)).collect()).collect();
        save(&path, &state(&arenas[0]), [&arenas[0], &arenas[1], &arenas[2]]).unwrap();
        let mut back = vec![vec![0.0f32; 1000]; 3];
        let [a, b, c] = &mut back[..] else { unreachable!("three arenas") };
        let found = load(&path, [a, b, c]).unwrap();
        assert_eq!(found, state(&arenas[0]));
        assert!(
            back.iter().zip(&arenas).all(|(x, y)| x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits()))
        );
        check(&path, &found, &back[0]).unwrap();
        back[0][5] += 1.0;
        assert!(
            check(&path, &found, &back[0]).unwrap_err().to_string().contains("does not have the weights")
        );
    }

    #[test]
    fn a_cut_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step-7");
        let arena = vec![1.0f32; 64];
        save(&path, &state(&arena), [&arena, &arena, &arena]).unwrap();
        let bytes = fs::read(&path.join(ARENAS)).unwrap();
        fs::write(&path.join(ARENAS), &bytes[..100]).unwrap();
        let (mut a, mut b, mut c) = (arena.clone(), arena.clone(), arena);
        let error = load(&path, [&mut a, &mut b, &mut c]).unwrap_err();
        assert!(error.to_string().contains("holds 100 bytes where 768 belong"), "{error}");
    }
}
