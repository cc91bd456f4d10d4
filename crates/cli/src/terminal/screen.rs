//! Taking the terminal, and giving it back as it was: at the end, after an error, in a panic, at a signal.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

/// Whose the terminal is.
static STATE: AtomicU8 = AtomicU8::new(FREE);
const FREE: u8 = 0;
const TAKEN: u8 = 1;
/// It is being given back, which takes forever where nothing is taken from it.
const LEAVING: u8 = 2;

/// What was said meanwhile, for the screen that stays.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Bytes that are held at most: a run that says more says it in its log, too.
const HELD_MOST: usize = 1 << 20;

/// Whether there is a terminal on which a screen can be shown.
pub fn usable() -> bool {
    io::stdout().is_terminal()
        && std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

/// Whether the terminal is taken, or not wholly given back.
pub fn active() -> bool {
    STATE.load(Ordering::SeqCst) != FREE
}

/// Keep a line of talk until the terminal is given back. Whether it is taken; nothing is kept if it is not.
pub fn hold(line: &str) -> bool {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Asked behind the lock: whoever gives the terminal back takes all that is held.
    if !active() {
        return false;
    }
    if held.len() + line.len() < HELD_MOST {
        held.extend_from_slice(line.as_bytes());
        held.push(b'\n');
    }
    true
}

/// Give the terminal back, if it is taken. May be called from anywhere, more than once: who comes while another gives it
/// back does not wait.
pub fn restore() {
    if STATE.compare_exchange(TAKEN, LEAVING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that is gone wants nothing back.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = io::stderr().write_all(&std::mem::take(&mut *held));
        // Only now may others write: what they say comes behind what was held, on the screen that stays.
        STATE.store(FREE, Ordering::SeqCst);
    }
}

/// The screen, while the terminal is taken.
pub struct Screen {
    /// Never dropped: it would complain on stderr of a terminal that is gone, and panic when that fails. What it would
    /// give back, [`restore`] does.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Screen {
    /// Take the terminal.
    pub fn open() -> io::Result<Screen> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // The message must be on the screen that stays.
                restore();
                before(panic);
            }));
        });
        STATE.store(TAKEN, Ordering::SeqCst);
        let opened = enable_raw_mode().and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen)?;
            let terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(io::stdout())))?;
            Ok(Screen { terminal: ManuallyDrop::new(terminal) })
        });
        opened.inspect_err(|_| restore())
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draw a frame.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.terminal.draw(draw)?;
        self.terminal.backend_mut().flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

    use super::*;

    /// Not a test: the process that fails while it has the terminal.
    #[test]
    #[ignore = "started by another test"]
    fn failing() {
        let mut screen = Screen::open().unwrap();
        screen
            .draw(|frame| frame.buffer_mut().set_string(0, 0, "drawn", ratatui::style::Style::new()))
            .unwrap();
        assert!(active());
        panic!("on purpose");
    }

    /// Not a test: the process whose terminal takes nothing any more while it is given back.
    #[test]
    #[ignore = "started by another test"]
    fn stuck() {
        let screen = Screen::open().unwrap();
        (0..100).for_each(|_| assert!(hold(&"held ".repeat(1000))));
        std::thread::spawn(|| drop(screen));
        while STATE.load(Ordering::SeqCst) == TAKEN {
            std::thread::yield_now();
        }
        // As the second Ctrl-C does.
        restore();
        std::process::exit(7);
    }

    /// A terminal, and a process on it that is one of the above.
    fn started(name: &str) -> (File, File, Child) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&path).unwrap();
        let slave = open();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("terminal::screen::tests::{name}"), "--ignored", "--nocapture"])
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        (File::from(master), slave, child)
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_no_second_ctrl_c() {
        let (_master, _slave, mut child) = started("stuck");
        let began = Instant::now();
        let ended = loop {
            match child.try_wait().unwrap() {
                None if began.elapsed() < Duration::from_secs(60) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                ended => break ended,
            }
        };
        let _ = child.kill();
        assert_eq!(ended.and_then(|status| status.code()), Some(7));
    }

    #[test]
    fn a_panic_is_told_on_the_screen_that_stays() {
        let (mut master, slave, mut child) = started("failing");
        assert!(!child.wait().unwrap().success());
        assert!(
            tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "still raw"
        );
        // All that was written lies in the terminal; what comes after the end is never waited for.
        drop(slave);
        let mut output = Vec::new();
        let _ = master.read_to_end(&mut output);
        let output = String::from_utf8_lossy(&output);
        let at = |text: &str| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output:?}"));
        assert!(at("\u{1b}[?1049h") < at("drawn") && at("drawn") < at("\u{1b}[?1049l"), "{output:?}");
        assert!(at("\u{1b}[?1049l") < at("on purpose"), "{output:?}");
        assert!(at("\u{1b}[?25h") > at("drawn"), "the cursor is hidden: {output:?}");
    }
}
