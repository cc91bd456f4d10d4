//! What comes from the keyboard.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ratatui::crossterm::event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::key::Key;

/// The keyboard: stdin if it is a terminal, the controlling terminal otherwise.
pub struct Input {
    terminal: Option<File>,
}

/// What came.
pub enum Came {
    /// Nothing that a view should know of.
    Nothing,
    /// A key.
    Key(Key),
    /// The terminal is not there any more.
    Gone,
}

impl Input {
    /// Open it.
    pub fn open() -> io::Result<Input> {
        let terminal = if io::stdin().is_terminal() { None } else { Some(File::open("/dev/tty")?) };
        Ok(Input { terminal })
    }

    /// Whether the terminal is not there any more.
    pub fn is_gone(&self) -> bool {
        let stdin = io::stdin();
        let fd = self.terminal.as_ref().map_or(stdin.as_fd(), |file| file.as_fd());
        gone(fd, Duration::ZERO).unwrap_or(true)
    }

    /// Wait for what comes next.
    ///
    /// crossterm reads a terminal that was closed for ever, without a pause, so that is looked at before it may read.
    pub fn next(&self, wait: Duration) -> io::Result<Came> {
        let stdin = io::stdin();
        let fd = self.terminal.as_ref().map_or(stdin.as_fd(), |file| file.as_fd());
        if gone(fd, Duration::ZERO)? {
            return Ok(Came::Gone);
        }
        // It may have read more than it has handed out, and it knows of other sizes.
        if !event::poll(Duration::ZERO)? {
            if gone(fd, wait)? {
                return Ok(Came::Gone);
            }
            if !event::poll(Duration::ZERO)? {
                return Ok(Came::Nothing);
            }
        }
        Ok(match event::read()? {
            event::Event::Key(event) => Key::of(&event).map_or(Came::Nothing, Came::Key),
            _ => Came::Nothing,
        })
    }
}

/// Wait until there is something to read; whether the terminal is gone instead.
fn gone(fd: BorrowedFd, wait: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
    match poll(&mut polled, Some(&wait)) {
        // A signal, such as for another size.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
    }
}
