//! A pseudo-terminal with the program in it, and the screen that it paints.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long something may take to appear: tests fail after it, they do not measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the launcher is to start, one argument a line.
const LAUNCH: &str = "TEST_LAUNCH";

/// A program in a terminal of its own.
pub struct Terminal {
    master: Option<File>,
    /// The side of the program, kept to look at its settings afterwards.
    slave: OwnedFd,
    child: Child,
    pub raw: Vec<u8>,
    pub screen: Screen,
}

impl Terminal {
    /// Start `command` on a terminal of so many columns and lines that controls it.
    pub fn start(command: &Command, columns: u16, lines: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || OwnedFd::from(File::options().read(true).write(true).open(&name).unwrap());
        let slave = open();
        resize(&slave, columns, lines);
        // Only a process that leads a session can have a controlling terminal, so a launcher becomes one first.
        let mut launcher = Command::new(std::env::current_exe().unwrap());
        launcher.args(["--exact", "common::terminal::launcher", "--ignored", "--nocapture"]);
        let mut line = command.get_program().to_str().unwrap().to_string();
        command.get_args().for_each(|arg| line.push_str(&format!("\n{}", arg.to_str().unwrap())));
        launcher.env(LAUNCH, line).current_dir(command.get_current_dir().unwrap());
        // A service that tests changes gets plain lines even where it has a terminal; this one is a person's.
        launcher.env_remove("CI");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => launcher.env(name, value),
                None => launcher.env_remove(name),
            };
        }
        launcher.env("TERM", "xterm-256color").stdin(open()).stdout(open()).stderr(open());
        let child = launcher.spawn().unwrap();
        let screen = Screen::new(columns, lines);
        Terminal { master: Some(File::from(master)), slave, child, raw: Vec::new(), screen }
    }

    /// Press keys.
    pub fn keys(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Wait until the screen is as wanted.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let began = Instant::now();
        while !wanted(&self.screen) {
            assert!(began.elapsed() < PATIENCE, "no {what} on the screen:\n{}", self.screen.text());
            self.take(Duration::from_millis(50));
        }
    }

    /// Wait until the screen shows a text.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        self.until(&format!("`{text}`"), |screen| screen.text().contains(text));
    }

    /// Take what the program has written; whether it has.
    fn take(&mut self, wait: Duration) -> bool {
        let Some(master) = &mut self.master else {
            std::thread::sleep(wait);
            return false;
        };
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut polled = [PollFd::new(master, PollFlags::IN)];
        if !matches!(poll(&mut polled, Some(&wait)), Ok(1)) || !polled[0].revents().contains(PollFlags::IN) {
            return false;
        }
        let mut bytes = [0; 4096];
        let count = master.read(&mut bytes).unwrap_or_default();
        self.screen.feed(&bytes[..count]);
        self.raw.extend(&bytes[..count]);
        count > 0
    }

    /// The window gets another size.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        // What has come of a character or a sequence goes on in what comes next.
        let pending = std::mem::take(&mut self.screen.pending);
        self.screen = Screen { pending, ..Screen::new(columns, lines) };
        resize(&self.slave, columns, lines);
    }

    /// Settings of the terminal.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// Send a signal to the program.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Close the window.
    pub fn close(&mut self) {
        self.master = None;
    }

    /// Wait for the end of the program.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            self.take(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.take(Duration::from_millis(100)) {}
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.screen.text());
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &OwnedFd, columns: u16, lines: u16) {
    let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// Not a test: the process that becomes the program, with the terminal on its stdin in control.
#[test]
#[ignore = "started by other tests"]
fn launcher() {
    let Ok(line) = std::env::var(LAUNCH) else { return };
    rustix::process::setsid().unwrap();
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).unwrap();
    let mut words = line.split('\n');
    let error = Command::new(words.next().unwrap()).args(words).env_remove(LAUNCH).exec();
    panic!("{error}");
}

/// What a terminal shows, as far as the sequences go that the program sends.
pub struct Screen {
    columns: usize,
    cells: Vec<Vec<char>>,
    at: (usize, usize),
    pending: Vec<u8>,
    /// Whether the alternate screen is shown, and whether the cursor is.
    pub alternate: bool,
    pub cursor: bool,
}

impl Screen {
    fn new(columns: u16, lines: u16) -> Screen {
        let columns = usize::from(columns);
        let cells = vec![vec![' '; columns]; usize::from(lines)];
        Screen { columns, cells, at: (0, 0), pending: Vec::new(), alternate: false, cursor: true }
    }

    /// The lines, without the blanks at their ends.
    pub fn text(&self) -> String {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_string();
        self.cells.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        let all = std::mem::take(&mut self.pending);
        let mut rest = &all[..];
        while let Some(&first) = rest.first() {
            let used = match first {
                0x1b => match sequence(rest) {
                    Some(length) => {
                        self.obey(&rest[..length]);
                        length
                    }
                    None => break,
                },
                b'\r' => {
                    self.at.0 = 0;
                    1
                }
                b'\n' => {
                    self.at.1 = (self.at.1 + 1).min(self.cells.len() - 1);
                    1
                }
                0..0x20 => 1,
                _ => {
                    let length = match first {
                        0..0x80 => 1,
                        0xc0..0xe0 => 2,
                        0xe0..0xf0 => 3,
                        _ => 4,
                    };
                    let Some(bytes) = rest.get(..length) else { break };
                    let c = std::str::from_utf8(bytes).unwrap().chars().next().unwrap();
                    if let Some(cell) = self.cells.get_mut(self.at.1).and_then(|line| line.get_mut(self.at.0))
                    {
                        *cell = c;
                    }
                    self.at.0 += 1;
                    length
                }
            };
            rest = &rest[used..];
        }
        self.pending = rest.to_vec();
    }

    fn obey(&mut self, sequence: &[u8]) {
        let text = String::from_utf8_lossy(&sequence[1..]).into_owned();
        let number = |part: Option<&str>| part.and_then(|p| p.parse::<usize>().ok()).unwrap_or(1);
        match text.as_str() {
            "[?1049h" | "[?1049l" => {
                // What stood on the other screen is not shown on this one.
                (self.alternate, self.at) = (text.ends_with('h'), (0, 0));
                self.cells.iter_mut().for_each(|line| line.fill(' '));
            }
            "[?25h" | "[?25l" => self.cursor = text.ends_with('h'),
            "[2J" => self.cells.iter_mut().for_each(|line| line.fill(' ')),
            _ if text.starts_with('[') && text.ends_with('H') => {
                let mut parts = text[1..text.len() - 1].split(';');
                let line = number(parts.next()) - 1;
                self.at = ((number(parts.next()) - 1).min(self.columns), line);
            }
            _ => {}
        }
    }
}

/// Length of the escape sequence that bytes begin with; none if its end has not come yet.
fn sequence(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'[' => Some(bytes.iter().skip(2).position(|b| (0x40..0x7f).contains(b))? + 3),
        _ => Some(2),
    }
}
