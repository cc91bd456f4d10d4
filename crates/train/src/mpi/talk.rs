//! Everything that calls MPI, on a thread of its own.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use mpi::Threading;
use mpi::environment::Universe;
use regimen_base::group::{Error, Result};
use serde::{Deserialize, Serialize};

use super::reduce::{self, Buffers};
use super::watch::{self, Watch};
use super::wire::Wire;

/// First byte of a message from process 0: what was exchanged, or an order.
const REPLY: u8 = 0;
const ORDER: u8 = 1;

/// What this process asks of the thread.
pub(super) enum Ask {
    Exchange(Vec<u8>),
    Sum(Vec<f32>),
    Copy(Vec<f32>),
    Order(Vec<u8>),
    Follow,
    Part,
}

/// What it gets.
pub(super) enum Answer {
    Messages(Vec<Vec<u8>>),
    Floats(Vec<f32>),
    Bytes(Vec<u8>),
    Done,
}

/// What is known once all are there.
pub(super) struct Joined {
    pub(super) rank: usize,
    pub(super) size: usize,
    pub(super) sharing: usize,
    pub(super) watch: Arc<Watch>,
}

/// The processes of `MPI_COMM_WORLD`.
struct Core {
    wire: Wire,
    universe: Option<Universe>,
    /// An order that came in place of something else.
    pending: RefCell<Option<Vec<u8>>>,
    buffers: Buffers,
}

/// What each process tells of itself in the beginning.
#[derive(Deserialize, Serialize)]
struct Hello {
    host: String,
    /// The processors it may run on.
    processors: String,
    /// Where process 0 listens.
    door: Option<watch::Door>,
}

/// The life of the thread: join the others, then do what is asked until they part.
pub(super) fn live(joined: &Sender<Result<Joined>>, asks: &Receiver<Ask>, answers: &Sender<Result<Answer>>) {
    let mut core = match join() {
        Ok((core, all)) => {
            let _ = joined.send(Ok(all));
            core
        }
        Err(error) => {
            let _ = joined.send(Err(error));
            return;
        }
    };
    while let Ok(ask) = asks.recv() {
        let last = matches!(ask, Ask::Part);
        let answer = core.answer(ask);
        // Messages that were given up may still be written by MPI, and MPI cannot be ended in order.
        let lost = matches!(answer, Err(Error::Lost { .. } | Error::Ended | Error::Broken { .. }));
        let _ = answers.send(answer);
        if lost {
            std::mem::forget(core);
            return;
        }
        if last {
            return;
        }
    }
}

/// Join the other processes.
fn join() -> Result<(Core, Joined)> {
    let broken = |message: &str| Error::Broken { message: message.into() };
    let (universe, level) =
        mpi::initialize_with_threading(Threading::Funneled).ok_or_else(|| broken("MPI was started twice"))?;
    if level < Threading::Funneled {
        return Err(broken("this MPI library does not bear threads (MPI_THREAD_FUNNELED)"));
    }
    let host = mpi::environment::processor_name().unwrap_or_default();
    let core = Core {
        wire: Wire::new(&universe)?,
        universe: Some(universe),
        pending: RefCell::new(None),
        buffers: Buffers::default(),
    };
    let (rank, size) = (core.wire.rank, core.wire.size);
    let listening = if rank == 0 { Some(watch::listen(&host)) } else { None };
    let (door, listener) = match listening {
        Some(Ok((door, listener))) => (Some(door), Some(listener)),
        // The others learn from the missing door.
        Some(Err(_)) | None => (None, None),
    };
    let hello = Hello { host, processors: processors(), door };
    let hello = serde_json::to_vec(&hello).map_err(|e| broken(&e.to_string()))?;
    let all: Vec<Hello> = core
        .exchange(&hello)?
        .iter()
        .map(|bytes| serde_json::from_slice(bytes))
        .collect::<serde_json::Result<_>>()
        .map_err(|e| broken(&e.to_string()))?;
    let near = |h: &&Hello| h.host == all[rank].host && h.processors == all[rank].processors;
    let sharing = all.iter().filter(near).count();
    let watched = match (listener, &all[0].door) {
        (Some(listener), Some(door)) => Watch::lead(&listener, door, size),
        (None, Some(door)) => Watch::follow(door, rank, all[rank].host == all[0].host),
        _ => Err("process 0 cannot open a port".into()),
    };
    let words = core.exchange(watched.as_ref().err().map_or("", String::as_str).as_bytes())?;
    // What process 0 says is for the most part that somebody did not come: those know why.
    if let Some(rank) = (1..words.len()).chain([0]).find(|&rank| !words[rank].is_empty()) {
        let message = format!("process {rank} {}", String::from_utf8_lossy(&words[rank]));
        return Err(Error::Broken { message });
    }
    let watch = Arc::new(watched.map_err(|message| Error::Broken { message })?);
    core.wire.watch(watch.clone());
    Ok((core, Joined { rank, size, sharing, watch }))
}

/// The processors that this process may run on, as the system writes them; nothing where it does not say.
fn processors() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default().trim().into()
}

impl Core {
    /// A message from process 0, which may be an order instead of the reply that was waited for.
    fn reply(&self) -> Result<Vec<u8>> {
        if self.pending.borrow().is_some() {
            return Err(Error::Left);
        }
        let mut bytes = self.wire.receive(0)?;
        match bytes.first() {
            Some(&REPLY) => Ok(bytes.split_off(1)),
            Some(&ORDER) => {
                *self.pending.borrow_mut() = Some(bytes.split_off(1));
                Err(Error::Left)
            }
            _ => Err(Error::Broken { message: "process 0 sent a message without a kind".into() }),
        }
    }

    fn answer(&mut self, ask: Ask) -> Result<Answer> {
        Ok(match ask {
            Ask::Exchange(mine) => Answer::Messages(self.exchange(&mine)?),
            Ask::Sum(mut floats) => {
                reduce::all_reduce_sum(&self.wire, &mut self.buffers, &mut floats)?;
                Answer::Floats(floats)
            }
            Ask::Copy(mut floats) => {
                reduce::broadcast(&self.wire, &mut self.buffers, &mut floats)?;
                Answer::Floats(floats)
            }
            Ask::Order(bytes) => {
                self.order(&bytes)?;
                Answer::Done
            }
            Ask::Follow => Answer::Bytes(self.follow()?),
            Ask::Part => {
                self.wire.part()?;
                // Ends MPI.
                drop(self.universe.take());
                Answer::Done
            }
        })
    }

    fn exchange(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        if self.wire.rank > 0 {
            self.wire.send(0, mine.to_vec())?;
            return unpack(&self.reply()?);
        }
        // Nothing is sent to a process that was not heard of just before: MPI over TCP ends a program that sends to a
        // dead one.
        let mut all = vec![mine.to_vec()];
        for rank in 1..self.wire.size {
            all.push(self.wire.receive(rank)?);
        }
        let mut packed = vec![REPLY];
        all.iter().for_each(|bytes| {
            packed.extend((bytes.len() as u64).to_le_bytes());
            packed.extend(bytes);
        });
        for rank in 1..self.wire.size {
            self.wire.send(rank, packed.clone())?;
        }
        Ok(all)
    }

    fn order(&self, bytes: &[u8]) -> Result<()> {
        let message = [&[ORDER], bytes].concat();
        (1..self.wire.size).try_for_each(|rank| self.wire.send(rank, message.clone()))
    }

    fn follow(&self) -> Result<Vec<u8>> {
        if self.pending.borrow().is_none() {
            match self.reply() {
                Err(Error::Left) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    return Err(Error::Broken { message: "process 0 answered what was not asked".into() });
                }
            }
        }
        self.pending.borrow_mut().take().ok_or(Error::Ended)
    }
}

/// Messages of all processes from one.
fn unpack(mut packed: &[u8]) -> Result<Vec<Vec<u8>>> {
    let cut = || Error::Broken { message: "a message was cut off".into() };
    let mut all = Vec::new();
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk::<8>().ok_or_else(cut)?;
        let (bytes, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(cut)?;
        all.push(bytes.to_vec());
        packed = rest;
    }
    Ok(all)
}
