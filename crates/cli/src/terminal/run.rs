//! Showing a view until it has enough.

use std::io;
use std::time::Duration;

use ratatui::Frame;
use regimen_base::Cancel;

use super::Key;
use super::input::{Came, Input};
use super::screen::{Screen, active, hold};
use crate::output::{Fault, INTERRUPTED};

/// How long nothing may happen before the view is asked whether something has.
const TICK: Duration = Duration::from_millis(100);

/// A view that fills the terminal.
pub trait Show {
    /// The terminal has this many columns and lines.
    fn resized(&mut self, columns: u16, lines: u16);
    /// A key was pressed.
    fn key(&mut self, key: Key);
    /// See what has come from elsewhere, and ask for what is wanted. Whether there is something new to draw.
    fn tick(&mut self) -> bool;
    /// Draw it.
    fn draw(&self, frame: &mut Frame);
    /// The exit code, once it is over.
    fn over(&self) -> Option<u8>;
    /// What is said, once it is over, on the screen that stays.
    fn parting(&self) -> Option<String> {
        None
    }
}

/// Take the terminal and show a view until it is over. Gives back the exit code.
///
/// A terminal that goes away, and a signal, end it as Ctrl-C does.
pub fn run(view: &mut impl Show, cancel: &Cancel) -> anyhow::Result<u8> {
    match shown(view, cancel) {
        Ok(code) => Ok(code),
        // What was written to is not there any more.
        Err(error) if matches!(error.raw_os_error(), Some(5)) => Ok(INTERRUPTED),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(error.into()),
        Err(error) => Err(Fault::new(
            format!("the terminal cannot be used: {error}"),
            "--plain prints instead, --json too",
        )),
    }
}

fn shown(view: &mut impl Show, cancel: &Cancel) -> io::Result<u8> {
    let mut screen = Screen::open()?;
    let input = Input::open()?;
    match until_over(view, cancel, &mut screen, &input) {
        // Not every error of a terminal that went away says so: its size is asked for in several ways.
        Err(_) if input.is_gone() => Ok(INTERRUPTED),
        over => over,
    }
}

fn until_over(view: &mut impl Show, cancel: &Cancel, screen: &mut Screen, input: &Input) -> io::Result<u8> {
    let mut size = (0, 0);
    let mut fresh = false;
    loop {
        // A signal tells of another size only where the terminal is the one that controls the process.
        let now = screen.size()?;
        if now != size {
            size = now;
            view.resized(size.0, size.1);
            fresh = true;
        }
        fresh |= view.tick();
        if let Some(code) = view.over() {
            if let Some(text) = view.parting() {
                hold(&text);
            }
            return Ok(code);
        }
        if cancel.asked() {
            return Ok(INTERRUPTED);
        }
        if !active() {
            return Err(io::Error::other("a thread of the program failed"));
        }
        if fresh {
            screen.draw(|frame| view.draw(frame))?;
        }
        fresh = match input.next(TICK)? {
            Came::Nothing => false,
            Came::Gone => return Ok(INTERRUPTED),
            Came::Key(key) => {
                view.key(key);
                true
            }
        };
    }
}
