//! Texts in pieces for all threads: short ones together, long ones cut.

use std::ops::Range;

use rayon::prelude::*;

use super::shape::{Room, Shape};
use crate::dedup::partition::{Block, Gathered};

/// Windows that a thread goes through at once.
const PIECE: usize = 1 << 15;
/// Pieces of one thread that are collected before all threads go through theirs.
const AT_ONCE: usize = 4;

/// The windows of a text, piece by piece.
fn pieces(windows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..windows).step_by(PIECE).map(move |start| start..windows.min(start + PIECE))
}

/// Some windows of a document.
pub(crate) struct Piece<'t> {
    pub ordinal: u32,
    pub text: &'t [u8],
    pub windows: Range<usize>,
    /// The anchors of the document that occur more than once.
    pub repeated: &'t [u32],
}

/// Texts that wait for others.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    repeated: Vec<u32>,
    /// Ordinals, and where bytes and anchors end.
    texts: Vec<(u32, usize, usize)>,
}

/// Windows that are gone through at once.
fn most() -> usize {
    AT_ONCE * PIECE * rayon::current_num_threads().max(1)
}

impl Batch {
    /// Take a text, and hand pieces to `work`, at most [`most`] windows or so at a time, in document order.
    pub fn take<E>(
        &mut self,
        shape: &Shape,
        (ordinal, text, repeated): (u32, &[u8], &[u32]),
        mut work: impl FnMut(&[Piece]) -> Result<(), E>,
    ) -> Result<(), E> {
        if shape.windows(text.len()) == 0 {
            return Ok(());
        }
        if text.len() <= PIECE {
            self.bytes.extend_from_slice(text);
            self.repeated.extend_from_slice(repeated);
            self.texts.push((ordinal, self.bytes.len(), self.repeated.len()));
            return if self.bytes.len() < most() { Ok(()) } else { self.flush(shape, work) };
        }
        self.flush(shape, &mut work)?;
        let pieces = pieces(shape.windows(text.len()));
        let pieces: Vec<Piece> = pieces.map(|windows| Piece { ordinal, text, windows, repeated }).collect();
        pieces.chunks((most() / PIECE).max(1)).try_for_each(work)
    }

    /// Hand over what waits.
    pub fn flush<E>(
        &mut self,
        shape: &Shape,
        mut work: impl FnMut(&[Piece]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut byte, mut anchor) = (0, 0);
        let piece = |&(ordinal, end, anchors): &(u32, usize, usize)| {
            let text = &self.bytes[std::mem::replace(&mut byte, end)..end];
            let repeated = &self.repeated[std::mem::replace(&mut anchor, anchors)..anchors];
            Piece { ordinal, text, windows: 0..shape.windows(text.len()), repeated }
        };
        let pieces: Vec<Piece> = self.texts.iter().map(piece).collect();
        work(&pieces)?;
        drop(pieces);
        self.bytes.clear();
        self.repeated.clear();
        self.texts.clear();
        Ok(())
    }
}

/// Gather records of pieces on all threads, in blocks in document order.
pub(super) fn blocks<const W: usize>(
    pieces: &[Piece],
    gather: impl Fn(&Piece, &mut Room, &mut Gathered<W>) + Sync,
) -> Vec<Block<W>> {
    // A block has a table of its own: small pieces share one.
    let (mut runs, mut begin, mut windows) = (Vec::new(), 0, 0);
    for (at, piece) in pieces.iter().enumerate() {
        windows += piece.windows.len();
        if windows >= PIECE || at + 1 == pieces.len() {
            runs.push(begin..at + 1);
            (begin, windows) = (at + 1, 0);
        }
    }
    let block = |room: &mut Room, run: Range<usize>| {
        let mut gathered = Gathered::default();
        pieces[run].iter().for_each(|piece| gather(piece, room, &mut gathered));
        gathered.sorted()
    };
    runs.into_par_iter().with_max_len(1).map_init(Room::default, block).collect()
}
