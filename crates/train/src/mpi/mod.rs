//! A [`Group`] over MPI (Message Passing Interface Forum, MPI 3.1): processes started by `mpirun`, `srun` or the like.
//!
//! Sums are reduced by hand ([`reduce`]) rather than by `MPI_Allreduce`, whose order depends on the library's choice of
//! algorithm: every process owns a slice, gets that slice from all others, adds in the order of ranks and sends the sum
//! to all (reduce-scatter and all-gather; each number crosses the wire twice, which is the least possible, Patarasuk and
//! Yuan 2009).
//!
//! A dead process must not hang the living. [`watch`] knows at once who was lost; all waiting for messages is a loop that
//! asks it ([`wire`]); and since MPI may go silent inside one of its own calls once a peer is gone, all of it happens on
//! a thread of its own ([`talk`]), which is left behind when that happens.

mod reduce;
mod talk;
mod watch;
mod wire;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use regimen_base::group::{Error, Group, Result};

use self::talk::{Answer, Ask, live};
use self::watch::Watch;

/// What the launchers that this was written for put into the environment of every process.
const LAUNCHERS: [&str; 4] = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"];

/// How often it is looked whether somebody was lost, while nothing comes.
const LOOK: Duration = Duration::from_millis(10);

/// The processes of `MPI_COMM_WORLD`.
pub struct Mpi {
    rank: usize,
    size: usize,
    sharing: usize,
    watch: Arc<Watch>,
    asks: Sender<Ask>,
    answers: Receiver<Result<Answer>>,
    /// Set when the thread was left behind.
    gone: Cell<bool>,
}

/// Whether a launcher of MPI programs started this process. MPI is not touched otherwise.
pub fn launched() -> bool {
    LAUNCHERS.iter().any(|name| std::env::var_os(name).is_some())
}

/// Join the other processes.
///
/// # Errors
/// If MPI does not start, or if a process cannot reach process 0 by a connection of its own.
pub fn join() -> Result<Mpi> {
    let broken = |message: String| Error::Broken { message };
    let (asks, asked) = channel();
    let (answer, answers) = channel();
    let (joining, joined) = channel();
    std::thread::Builder::new()
        .name("mpi".into())
        .spawn(move || live(&joining, &asked, &answer))
        .map_err(|e| broken(e.to_string()))?;
    let all = joined.recv().unwrap_or_else(|_| Err(broken("MPI did not start".into())))?;
    let (rank, size, sharing, watch) = (all.rank, all.size, all.sharing, all.watch);
    Ok(Mpi { rank, size, sharing, watch, asks, answers, gone: Cell::new(false) })
}

impl Mpi {
    fn ask(&self, ask: Ask) -> Result<Answer> {
        let ended = || self.watch.lost().unwrap_or(Error::Ended);
        if self.gone.get() || self.asks.send(ask).is_err() {
            return Err(ended());
        }
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if self.watch.lost().is_none() => {}
                Err(_) => {
                    self.gone.set(true);
                    return Err(ended());
                }
            }
        }
    }

    /// Let the thread do something with an array, a piece at a time.
    fn floats(&self, data: &mut [f32], ask: impl Fn(Vec<f32>) -> Ask) -> Result<()> {
        let mut floats = Vec::new();
        for piece in data.chunks_mut(self.size * reduce::SLICE) {
            floats.clear();
            floats.extend_from_slice(piece);
            floats = match self.ask(ask(floats))? {
                Answer::Floats(floats) => floats,
                _ => return Err(mixed()),
            };
            piece.copy_from_slice(&floats);
        }
        Ok(())
    }
}

fn mixed() -> Error {
    Error::Broken { message: "an answer to another question".into() }
}

impl Group for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn sharing(&self) -> usize {
        self.sharing
    }

    fn exchange(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        match self.ask(Ask::Exchange(mine.to_vec()))? {
            Answer::Messages(all) => Ok(all),
            _ => Err(mixed()),
        }
    }

    fn all_reduce_sum(&self, data: &mut [f32]) -> Result<()> {
        self.floats(data, Ask::Sum)
    }

    fn broadcast(&self, data: &mut [f32]) -> Result<()> {
        self.floats(data, Ask::Copy)
    }

    fn order(&self, bytes: &[u8]) -> Result<()> {
        self.ask(Ask::Order(bytes.to_vec())).map(|_| ())
    }

    fn follow(&self) -> Result<Vec<u8>> {
        match self.ask(Ask::Follow)? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(mixed()),
        }
    }

    fn part(&self) {
        if self.ask(Ask::Part).is_err() {
            self.watch.end();
        }
    }
}
