//! Sums and copies of long arrays, by way of buffers that never go away: a message that is given up may still be
//! written by MPI.
#![allow(unsafe_code, reason = "MPI reads and writes while we wait")]

use regimen_base::fault;
use regimen_base::group::{Error, Result, part};

use super::wire::{Under, Wire};

/// Floats of a slice: 2 MiB, long enough to fill a wire and short enough to stay in a cache.
pub(super) const SLICE: usize = 1 << 19;
/// Floats that are summed at once.
const BLOCK: usize = 4096;

/// A slice for each process, to send from and to receive into; made once and leaked.
#[derive(Default)]
pub(super) struct Buffers(Option<[&'static mut [f32]; 2]>);

impl Buffers {
    fn get(&mut self, size: usize) -> (&mut [f32], &mut [f32]) {
        let [out, back] = self.0.get_or_insert_with(|| {
            std::array::from_fn(|_| Box::leak(vec![0.0; size * SLICE].into_boxed_slice()))
        });
        (out, back)
    }
}

/// Sum `data` over all processes. Each owns one slice of every round.
pub(super) fn all_reduce_sum(wire: &Wire, buffers: &mut Buffers, data: &mut [f32]) -> Result<()> {
    let (me, size) = (wire.rank, wire.size);
    let (out, back) = buffers.get(size);
    for round in data.chunks_mut(size * SLICE) {
        let length = round.len();
        let slice = |rank: usize| part(length, rank, size);
        let mine = slice(me);
        // Everybody's numbers for the slices of the others go out, theirs for mine come in.
        out[..length].copy_from_slice(round);
        let mut under = Vec::with_capacity(2 * size);
        for peer in (0..size).filter(|&peer| peer != me) {
            let room = &mut back[peer * SLICE..][..mine.len()];
            // SAFETY: the rooms of two peers do not overlap, the buffers are leaked, and nobody touches them before
            // `wait`.
            under.push(unsafe { wire.begin_receive(peer, room) }?);
            // SAFETY: as above.
            under.push(unsafe { wire.begin_send(peer, &out[slice(peer)]) }?);
        }
        wire.wait(&mut under)?;
        fault::point("reduce").map_err(|e| Error::Broken { message: e.to_string() })?;
        let theirs = |rank: usize| (rank != me).then(|| &back[rank * SLICE..][..mine.len()]);
        sum(&mut out[mine.clone()], size, theirs);
        round[mine.clone()].copy_from_slice(&out[mine.clone()]);
        // The sum goes out, those of the others come in.
        let mut under = Vec::with_capacity(2 * size);
        for peer in (0..size).filter(|&peer| peer != me) {
            let room = &mut back[peer * SLICE..][..slice(peer).len()];
            // SAFETY: as above.
            under.push(unsafe { wire.begin_receive(peer, room) }?);
            // SAFETY: as above; MPI 3 lets several messages be sent from the same memory.
            under.push(unsafe { wire.begin_send(peer, &out[mine.clone()]) }?);
        }
        wire.wait(&mut under)?;
        for peer in (0..size).filter(|&peer| peer != me) {
            let slice = slice(peer);
            let room = &back[peer * SLICE..][..slice.len()];
            round[slice].copy_from_slice(room);
        }
    }
    Ok(())
}

/// Add up in the order of ranks, in f64; `theirs` gives nothing for the rank whose numbers stand in `mine`.
fn sum<'a>(mine: &mut [f32], size: usize, theirs: impl Fn(usize) -> Option<&'a [f32]>) {
    let mut total = [0.0f64; BLOCK];
    for (i, block) in mine.chunks_mut(BLOCK).enumerate() {
        let total = &mut total[..block.len()];
        total.fill(0.0);
        for rank in 0..size {
            let numbers = theirs(rank).map_or(&*block, |theirs| &theirs[i * BLOCK..][..block.len()]);
            total.iter_mut().zip(numbers).for_each(|(t, x)| *t += f64::from(*x));
        }
        block.iter_mut().zip(total).for_each(|(x, t)| *x = *t as f32);
    }
}

/// Copy the `data` of process 0 to all.
pub(super) fn broadcast(wire: &Wire, buffers: &mut Buffers, data: &mut [f32]) -> Result<()> {
    let (out, _) = buffers.get(wire.size);
    for piece in data.chunks_mut(SLICE) {
        let room = &mut out[..piece.len()];
        let mut under: Vec<Under> = Vec::new();
        if wire.rank == 0 {
            room.copy_from_slice(piece);
            for peer in 1..wire.size {
                // SAFETY: the buffer is leaked, and stays as it is until `wait`.
                under.push(unsafe { wire.begin_send(peer, room) }?);
            }
        } else {
            // SAFETY: as above.
            under.push(unsafe { wire.begin_receive(0, room) }?);
        }
        wire.wait(&mut under)?;
        piece.copy_from_slice(room);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_by_rank_in_double_precision() {
        // 1 + 2^-24 + 2^-24 is 1 in f32 from left to right, and 1 + 2^-23 in f64.
        let tiny = 2.0f32.powi(-24);
        for length in [1, 7, BLOCK, BLOCK + 1, 2 * BLOCK + 13] {
            let all = [vec![1.0f32; length], vec![tiny; length], vec![tiny; length]];
            for me in 0..3 {
                let mut mine = all[me].clone();
                sum(&mut mine, 3, |rank| (rank != me).then(|| &all[rank][..]));
                assert!(mine.iter().all(|x| *x == 1.0 + f32::EPSILON), "{length} {me}");
            }
        }
        let mut nan = [f32::NAN];
        sum(&mut nan, 2, |rank| (rank == 1).then_some(&[1.0f32][..]));
        assert!(nan[0].is_nan());
    }
}
