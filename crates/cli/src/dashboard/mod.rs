//! The dashboard of a run: `regimen run --tui` and `regimen watch`.
//!
//! [`feed`] reads event logs on a thread of its own ([`tail`] finds new lines, [`data`] and [`lines`] keep what they tell in
//! bounded memory); [`state`] is what is shown, [`keys`] lead from one state to the next, [`draw`] draws it; [`hand`] asks
//! the work to pause, to go on, or to stop. In the process that trains, all of this runs beside the training, which writes
//! its log and knows nothing of it.

mod data;
mod draw;
mod feed;
mod funnel;
mod hand;
mod keys;
mod lines;
mod plot;
mod state;
mod tail;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::Frame;
use regimen_base::Cancel;
use regimen_ledger::{RunInfo, Store};

use self::feed::{Board, Feed, Message, Shared, Shown};
pub use self::hand::Hand;
use self::state::{Place, State, Want};
use crate::interrupt;
use crate::output::{Fault, INTERRUPTED, paint};
use crate::terminal::{self, Key, Show, Theme, run};

/// Time between two frames when nobody presses a key.
const FRAME: Duration = Duration::from_millis(500);
/// The same while a log is read for the first time.
const BUSY: Duration = Duration::from_millis(150);

/// Refuse where there is no screen; `instead` says what to do there.
pub fn needs_screen(instead: &str) -> anyhow::Result<()> {
    if terminal::usable() {
        return Ok(());
    }
    Err(Fault::new("stdout is not a terminal that can show a dashboard", instead))
}

/// Watch runs of `store` until the user leaves, beginning with number `at`. Gives back the exit code.
pub fn watch(store: Store, runs: Vec<RunInfo>, at: usize) -> anyhow::Result<u8> {
    let cancel = interrupt::install(true)?;
    let hand = Hand::There(store.dir().join("runs"));
    let shown =
        runs.into_iter().map(|info| Shown::new(info.id.clone(), &store.run_dir(&info.id), Some(info)));
    let shared = Shared::new(Board::new(Place::Watch, shown.collect(), at));
    let (send, news) = channel();
    let feed = Feed { shared: shared.clone(), store, news };
    let reader = std::thread::Builder::new().name("event log".into()).spawn(|| feed.run())?;
    let mut view = View::new(shared, hand, send.clone(), true);
    let code = run(&mut view, &cancel);
    let _ = send.send(Message::End);
    let _ = reader.join();
    code
}

/// The dashboard of the process that works.
pub struct Dashboard {
    shared: Arc<Shared>,
    send: Sender<Message>,
    reader: JoinHandle<()>,
    screen: JoinHandle<anyhow::Result<()>>,
}

impl Dashboard {
    /// Take the screen. `store` is the dashboard's own, `cancel` asks the work to pause or to stop.
    pub fn start(store: Store, cancel: Cancel, quiet: bool) -> anyhow::Result<Dashboard> {
        let shared = Shared::new(Board::new(Place::Run, Vec::new(), 0));
        let (send, news) = channel();
        let feed = Feed { shared: shared.clone(), store, news };
        let reader = std::thread::Builder::new().name("event log".into()).spawn(|| feed.run())?;
        let mut view = View::new(shared.clone(), Hand::Here(cancel.clone()), send.clone(), quiet);
        let screen = std::thread::Builder::new().name("dashboard".into()).spawn(move || {
            let code = run(&mut view, &Cancel::new());
            let _ = view.send.send(Message::End);
            if matches!(code, Ok(INTERRUPTED)) && view.left.is_none() {
                // The terminal is gone: as if it had hung up.
                cancel.ask();
            }
            code.map(drop)
        })?;
        Ok(Dashboard { shared, send, reader, screen })
    }

    /// What tells the dashboard of runs that begin.
    pub fn announcer(&self) -> impl Fn(String) + Send + Clone + 'static {
        let send = self.send.clone();
        // A dashboard that nobody looks at wants to know nothing.
        move |id| drop(send.send(Message::Began(id)))
    }

    /// The work has ended: stay until the user leaves.
    pub fn finish(self, how: &str) {
        {
            let mut board = self.shared.board();
            board.over = Some(how.into());
            board.pausing = false;
            board.version += 1;
        }
        let ended = self.screen.join();
        let _ = self.send.send(Message::End);
        let _ = self.reader.join();
        if let Ok(Err(error)) = ended {
            let text = format!("{} the dashboard ended early: {error}\n", paint("33;1", "warning:"));
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// What is said when the screen is given back while the work goes on.
fn parting(left: Want, board: &Board) -> Option<&'static str> {
    match left {
        // It may have stopped already.
        Want::StopAndDetach if board.over.as_deref().is_none_or(|how| how == "stopped") => {
            Some("stopping after this step; press Ctrl-C again to stop at once")
        }
        _ if board.over.is_some() => None,
        Want::Detach if board.pausing => {
            Some("the run is paused; `regimen watch` in another terminal goes on with it")
        }
        Want::Detach => Some("the run goes on; `regimen watch` shows it again"),
        _ => None,
    }
}

/// What is shown, drawn, and acted upon.
struct View {
    state: State,
    shared: Arc<Shared>,
    hand: Hand,
    theme: Theme,
    send: Sender<Message>,
    /// The version of the board that was drawn, and when.
    seen: u64,
    drawn: Option<Instant>,
    over: Option<u8>,
    /// How the screen was left.
    left: Option<Want>,
    /// Whether nothing is said when it is left.
    quiet: bool,
}

impl View {
    fn new(shared: Arc<Shared>, hand: Hand, send: Sender<Message>, quiet: bool) -> View {
        let state = State::new(shared.board().place);
        let theme = Theme::of_environment();
        View { state, shared, hand, theme, send, seen: 0, drawn: None, over: None, left: None, quiet }
    }

    fn act(&mut self, want: Want) {
        match want {
            Want::Ask(request) => {
                let note = self.hand.ask(&mut self.shared.board(), request);
                self.state.note = Some(note);
            }
            Want::StopAndDetach => {
                interrupt::typed();
                self.hand.ask(&mut self.shared.board(), regimen_base::control::Request::Stop);
                (self.left, self.over) = (Some(want), Some(INTERRUPTED));
            }
            Want::Detach => (self.left, self.over) = (Some(want), Some(0)),
            Want::Leave => (self.left, self.over) = (Some(want), Some(0)),
        }
    }
}

impl Show for View {
    fn resized(&mut self, columns: u16, lines: u16) {
        self.state = self.state.clone().resized(columns, lines);
    }

    fn key(&mut self, key: Key) {
        let facts = self.shared.board().facts(&self.state);
        let before = self.state.run;
        self.state = self.state.clone().key(key, &facts);
        if key == Key::Ctrl('c') && self.state.want == Some(Want::Leave) {
            (self.left, self.over) = (Some(Want::Leave), Some(INTERRUPTED));
            return;
        }
        if self.state.run != before {
            let mut board = self.shared.board();
            board.shows = self.state.run.unwrap_or(board.work);
            drop(board);
            let _ = self.send.send(Message::Shows);
        }
        if let Some(want) = self.state.want.take() {
            self.act(want);
        }
    }

    fn tick(&mut self) -> bool {
        if interrupt::signalled() && self.over.is_none() {
            self.over = Some(INTERRUPTED);
            self.left = Some(Want::StopAndDetach);
        }
        let board = self.shared.board();
        let behind = board.shown().is_some_and(|shown| shown.behind);
        let pause = if behind { BUSY } else { FRAME };
        let due = self.drawn.is_none_or(|then| then.elapsed() >= pause);
        if !due || board.version == self.seen {
            return false;
        }
        self.seen = board.version;
        self.drawn = Some(Instant::now());
        true
    }

    fn draw(&self, frame: &mut Frame) {
        draw::draw(frame, &self.shared.board(), &self.state, self.theme);
    }

    fn over(&self) -> Option<u8> {
        self.over
    }

    fn parting(&self) -> Option<String> {
        let text = self.left.filter(|_| !self.quiet).and_then(|left| parting(left, &self.shared.board()))?;
        Some(format!("{} {text}", paint("33", "note:")))
    }
}
