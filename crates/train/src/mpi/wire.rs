//! Messages from process to process, with an eye on who is still there.
//!
//! The calls of MPI are used through their C names: the safe wrappers of the `mpi` crate end the program when a message
//! is given up, and giving up is what has to be done when a process was lost.
#![allow(unsafe_code, reason = "MPI is a C library")]

use std::cell::{Cell, OnceCell};
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

use mpi::environment::Universe;
use mpi::ffi;
use mpi::topology::Communicator;
use mpi::traits::AsRaw;
use regimen_base::group::{Error, Result};

use super::watch::Watch;

/// A rank, tags and counts are C's `int`.
const MOST: usize = i32::MAX as usize;
const LENGTH: c_int = 1;
const BODY: c_int = 2;
const FLOATS: c_int = 3;
const PARTING: c_int = 4;

/// All connections of this process.
pub(super) struct Wire {
    pub(super) rank: usize,
    pub(super) size: usize,
    world: ffi::MPI_Comm,
    watch: OnceCell<Arc<Watch>>,
    /// Set when messages were given up: MPI is not called any more.
    gone: Cell<bool>,
}

/// A message under way.
#[repr(transparent)]
pub(super) struct Under(ffi::MPI_Request);

fn check(code: c_int, what: &str) -> Result<()> {
    // MPI_SUCCESS is 0 by the standard.
    if code == 0 {
        Ok(())
    } else {
        Err(Error::Broken { message: format!("MPI could not {what} (error {code})") })
    }
}

impl Wire {
    pub(super) fn new(universe: &Universe) -> Result<Wire> {
        let world = universe.world();
        let raw = world.as_raw();
        // SAFETY: `raw` is the world communicator of an MPI that runs, and the handler one of MPI's own.
        check(unsafe { ffi::MPI_Comm_set_errhandler(raw, ffi::RSMPI_ERRORS_RETURN) }, "start")?;
        Ok(Wire {
            rank: world.rank() as usize,
            size: world.size() as usize,
            world: raw,
            watch: OnceCell::new(),
            gone: Cell::new(false),
        })
    }

    /// From now on look out for the loss of processes.
    pub(super) fn watch(&self, watch: Arc<Watch>) {
        let _ = self.watch.set(watch);
    }

    /// Refuse to go on after a loss.
    fn alive(&self) -> Result<()> {
        let lost = self.watch.get().and_then(|watch| watch.lost());
        if let Some(error) = lost {
            self.gone.set(true);
            return Err(error);
        }
        if self.gone.get() { Err(Error::Ended) } else { Ok(()) }
    }

    /// Begin to send.
    ///
    /// # Safety
    /// Until [`Wire::wait`] came back without an error `floats` may not change, and it must stay in its place for ever
    /// if there is an error.
    pub(super) unsafe fn begin_send(&self, to: usize, floats: &[f32]) -> Result<Under> {
        // SAFETY: a slice of floats, which the caller keeps as it is.
        unsafe { self.begin(true, to, FLOATS, floats.as_ptr().cast_mut().cast(), size_of_val(floats)) }
    }

    /// Begin to receive.
    ///
    /// # Safety
    /// Until [`Wire::wait`] came back without an error nobody may look at `floats`, and it must stay in its place for
    /// ever if there is an error.
    pub(super) unsafe fn begin_receive(&self, from: usize, floats: &mut [f32]) -> Result<Under> {
        // SAFETY: a slice of floats, of which every pattern of bits is one, which the caller leaves alone.
        unsafe { self.begin(false, from, FLOATS, floats.as_mut_ptr().cast(), size_of_val(floats)) }
    }

    /// Begin to send or receive.
    ///
    /// # Safety
    /// `bytes` points to `length` bytes that stay in place and are left alone until the message has arrived; for ever if
    /// it does not.
    unsafe fn begin(
        &self,
        send: bool,
        peer: usize,
        tag: c_int,
        bytes: *mut c_void,
        length: usize,
    ) -> Result<Under> {
        self.alive()?;
        if length > MOST {
            return Err(Error::Broken { message: format!("a message of {length} bytes is too long") });
        }
        let (peer, length) = (peer as c_int, length as c_int);
        // SAFETY: MPI runs (it ends in `part` alone, after which nothing is sent), the memory is the caller's promise,
        // and the request is written before it is read.
        unsafe {
            let mut request = std::mem::zeroed();
            let (kind, world) = (ffi::RSMPI_UINT8_T, self.world);
            let code = if send {
                ffi::MPI_Isend(bytes, length, kind, peer, tag, world, &mut request)
            } else {
                ffi::MPI_Irecv(bytes, length, kind, peer, tag, world, &mut request)
            };
            check(code, if send { "send" } else { "receive" }).inspect_err(|_| self.gone.set(true))?;
            Ok(Under(request))
        }
    }

    /// Wait until all messages have arrived.
    ///
    /// # Errors
    /// If a process was lost; the messages are given up and their memory must stay in place.
    pub(super) fn wait(&self, under: &mut [Under]) -> Result<()> {
        for turn in 0u32.. {
            let mut done = 0;
            // SAFETY: `Under` is MPI's request and nothing else (`repr(transparent)`), and MPI turns those that are done
            // into its null request.
            let code = unsafe {
                let requests: *mut ffi::MPI_Request = under.as_mut_ptr().cast();
                let count = under.len() as c_int;
                ffi::MPI_Testall(count, requests, &mut done, ffi::RSMPI_STATUSES_IGNORE)
            };
            if let Err(error) = check(code, "finish a message") {
                self.gone.set(true);
                return Err(self.alive().err().unwrap_or(error));
            }
            if done != 0 {
                return Ok(());
            }
            self.alive()?;
            // Messages of a step come within microseconds; a stage of process 0 may take hours.
            match turn {
                0..200 => std::hint::spin_loop(),
                200..2000 => std::thread::yield_now(),
                _ => std::thread::sleep(Duration::from_micros(100)),
            }
        }
        Ok(())
    }

    /// One message whose memory is lost if the message is.
    fn pass(&self, send: bool, peer: usize, tag: c_int, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        // SAFETY: the bytes are looked at again after `wait` came back well, and never freed if it did not.
        let passed = unsafe { self.begin(send, peer, tag, bytes.as_mut_ptr().cast(), bytes.len()) }
            .and_then(|under| self.wait(&mut [under]));
        match passed {
            Ok(()) => Ok(bytes),
            Err(error) => {
                std::mem::forget(bytes);
                Err(error)
            }
        }
    }

    /// Send a message of any length.
    pub(super) fn send(&self, to: usize, bytes: Vec<u8>) -> Result<()> {
        self.pass(true, to, LENGTH, (bytes.len() as u64).to_le_bytes().to_vec())?;
        self.pass(true, to, BODY, bytes).map(|_| ())
    }

    /// Receive what [`Wire::send`] sent.
    pub(super) fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let length = self.pass(false, from, LENGTH, vec![0; 8])?;
        let length = length.try_into().map_or(0, u64::from_le_bytes) as usize;
        self.pass(false, from, BODY, vec![0; length])
    }

    /// Say goodbye: nobody's silence means anything from now on. Process 0 waits until all have said it.
    ///
    /// # Errors
    /// If a process was lost: MPI cannot be ended in order.
    pub(super) fn part(&self) -> Result<()> {
        self.alive()?;
        if self.rank > 0 {
            self.pass(true, 0, PARTING, vec![0])?;
        } else {
            for rank in 1..self.size {
                self.pass(false, rank, PARTING, vec![0])?;
            }
        }
        self.watch.get().into_iter().for_each(|watch| watch.close());
        self.drain()
    }

    /// Take in what was sent to an exchange that this process gave up: MPI wants nothing left when it ends.
    fn drain(&self) -> Result<()> {
        loop {
            let mut there = 0;
            // SAFETY: MPI runs; the status is written before it is read, and only if a message is there.
            let (from, tag, length) = unsafe {
                let mut status = std::mem::zeroed();
                let (any, tag) = (ffi::RSMPI_ANY_SOURCE, ffi::RSMPI_ANY_TAG);
                check(ffi::MPI_Iprobe(any, tag, self.world, &mut there, &mut status), "look for messages")?;
                if there == 0 {
                    return Ok(());
                }
                let mut length = 0;
                check(ffi::MPI_Get_count(&status, ffi::RSMPI_UINT8_T, &mut length), "measure a message")?;
                (status.MPI_SOURCE, status.MPI_TAG, length)
            };
            self.pass(false, from as usize, tag, vec![0; length.max(0) as usize])?;
        }
    }
}
