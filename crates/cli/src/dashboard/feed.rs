//! The thread that reads: event logs as they grow, records of runs, what the process takes. It shares what it found with
//! the thread that draws, and holds neither that nor the work up.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use regimen_base::machine::{self, Memory, Process};
use regimen_base::{control, events};
use regimen_ledger::{RunInfo, Status, Store};

use super::data::Run;
use super::funnel::{self, Step};
use super::state::{Facts, Place, State};
use super::tail::{Look, Tail};

/// Time between two looks at the logs, at the process and the records, and for runs that come next.
const LOOK: Duration = Duration::from_millis(200);
const RECORDS: Duration = Duration::from_secs(1);
const NEXT: Duration = Duration::from_secs(3);
/// Slices that are read before others are looked at.
const SLICES: usize = 8;
/// Measurements of the process that are kept, one a second.
const MEASURED: usize = 600;
/// Runs at most.
const RUNS: usize = 64;

/// What the thread is told.
pub enum Message {
    /// A run began.
    Began(String),
    /// Another run is shown.
    Shows,
    /// Nobody looks any more.
    End,
}

/// A run and what is known of it.
pub struct Shown {
    pub id: String,
    pub info: Option<RunInfo>,
    pub run: Run,
    pub funnel: Option<Vec<Step>>,
    /// Whether its folder is gone.
    pub gone: bool,
    /// Whether there is more to be read; bytes read and bytes there.
    pub behind: bool,
    pub progress: (u64, u64),
    /// Whether a request waits to be taken.
    pub asked: bool,
    /// What went wrong in reading.
    pub trouble: Option<String>,
    pub tail: Tail,
}

impl Shown {
    pub fn new(id: String, folder: &Path, info: Option<RunInfo>) -> Shown {
        Shown {
            id,
            info,
            run: Run::default(),
            funnel: None,
            gone: false,
            behind: true,
            progress: (0, 0),
            asked: false,
            trouble: None,
            tail: Tail::new(events::path_in(folder)),
        }
    }

    /// Steps in all, by the config.
    pub fn total(&self) -> Option<u64> {
        self.info.as_ref()?.config.get("steps")?.as_u64()
    }

    /// How it stands, by its record and its log.
    pub fn status(&self) -> &'static str {
        let status = self.info.as_ref().map(|info| info.status);
        match status {
            Some(Status::Running) if self.run.paused => "paused",
            Some(Status::Running) => "running",
            Some(Status::Done) => "done",
            Some(Status::Failed) => "failed",
            Some(Status::Interrupted) => "stopped",
            Some(Status::Cached) => "cached",
            None => "unknown",
        }
    }

    fn is_running(&self) -> bool {
        !self.gone && self.info.as_ref().is_some_and(|info| info.status == Status::Running)
    }
}

/// What the process at work takes.
#[derive(Default)]
pub struct System {
    pub pid: Option<u32>,
    pub now: Option<Process>,
    /// Bytes of memory and cores in use, a second each.
    pub history: VecDeque<(u64, f64)>,
    pub machine: Option<Memory>,
    before: Option<(Instant, f64)>,
}

impl System {
    fn measure(&mut self, pid: Option<u32>) {
        if pid != self.pid {
            *self = System { pid, ..System::default() };
        }
        self.machine = machine::memory();
        self.now = pid.and_then(machine::process);
        let Some(now) = self.now else { return };
        let clock = Instant::now();
        if let Some((then, seconds)) = self.before {
            let passed = clock.duration_since(then).as_secs_f64().max(1e-3);
            if self.history.len() == MEASURED {
                self.history.pop_front();
            }
            self.history.push_back((now.resident, (now.seconds - seconds).max(0.0) / passed));
        }
        self.before = Some((clock, now.seconds));
    }
}

/// What both threads see.
pub struct Board {
    pub place: Place,
    pub runs: Vec<Shown>,
    /// The run at work, or the last one that was.
    pub work: usize,
    /// The run that is shown.
    pub shows: usize,
    pub system: System,
    /// Grows with every change.
    pub version: u64,
    /// How the work ended, once it has.
    pub over: Option<String>,
    /// Whether the process was asked to pause from here.
    pub pausing: bool,
    /// Whether it was settled, after the end, which run stays on the screen.
    settled: bool,
}

impl Board {
    pub fn new(place: Place, runs: Vec<Shown>, work: usize) -> Board {
        let system = System::default();
        Board {
            place,
            runs,
            work,
            shows: work,
            system,
            version: 1,
            over: None,
            pausing: false,
            settled: false,
        }
    }

    /// Whether the work still goes on.
    pub fn is_alive(&self) -> bool {
        match self.place {
            Place::Run => self.over.is_none(),
            Place::Watch => self.runs.get(self.work).is_some_and(Shown::is_running),
        }
    }

    /// The run that is shown.
    pub fn shown(&self) -> Option<&Shown> {
        self.runs.get(self.shows)
    }

    /// How much there is of what is shown.
    pub fn facts(&self, state: &State) -> Facts {
        let shown = self.shown();
        let mut facts = Facts {
            runs: self.runs.len(),
            alive: self.is_alive(),
            paused: self.pausing || self.runs.get(self.work).is_some_and(|shown| shown.run.paused),
            ..Facts::default()
        };
        let Some(shown) = shown else { return facts };
        let run = &shown.run;
        (facts.series, facts.samples) = (run.names.len(), run.samples.len());
        (facts.lines, facts.remarks) = (run.lines.count(false), run.lines.count(true));
        facts.steps = shown.funnel.as_ref().map_or(0, Vec::len);
        facts.sample_lines = super::draw::sample_lines(run, state, &facts).len();
        facts
    }
}

/// The board behind a lock that the drawing thread gets when it wants it.
pub struct Shared {
    board: Mutex<Board>,
    wanted: AtomicBool,
}

impl Shared {
    pub fn new(board: Board) -> Arc<Shared> {
        Arc::new(Shared { board: Mutex::new(board), wanted: AtomicBool::new(false) })
    }

    /// For the thread that draws.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.wanted.store(true, Ordering::SeqCst);
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        self.wanted.store(false, Ordering::SeqCst);
        board
    }

    /// For the thread that reads: it gives way.
    fn give_way(&self) -> MutexGuard<'_, Board> {
        while self.wanted.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading thread's own things.
pub struct Feed {
    pub shared: Arc<Shared>,
    pub store: Store,
    pub news: Receiver<Message>,
}

impl Feed {
    /// Read until nobody looks any more.
    pub fn run(self) {
        let (mut records, mut next) = (None::<Instant>, Instant::now());
        loop {
            let more = self.logs();
            if records.is_none_or(|then| then.elapsed() >= RECORDS) {
                records = Some(Instant::now());
                self.records();
            }
            if next.elapsed() >= NEXT {
                next = Instant::now();
                self.successors();
            }
            let wait = if more { Duration::ZERO } else { LOOK };
            match self.news.recv_timeout(wait) {
                Ok(Message::Began(id)) => {
                    self.began(id);
                    records = None;
                }
                Ok(Message::Shows) => records = None,
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Read what the logs of the run that is shown and of the one at work have got, and the rest of those of runs before them.
    /// Whether there is more.
    fn logs(&self) -> bool {
        let wanted: Vec<usize> = {
            let board = self.shared.give_way();
            let (shows, work) = (board.shows, board.work);
            let runs = board.runs.iter().enumerate();
            runs.filter(|(at, shown)| shown.behind || [shows, work].contains(at)).map(|(at, _)| at).collect()
        };
        let more = wanted.into_iter().fold(false, |more, at| self.log(at) | more);
        if !more {
            self.settle();
        }
        more
    }

    /// After the end, where nothing was measured last there is nothing to see: the last run with curves is shown.
    fn settle(&self) {
        let mut board = self.shared.give_way();
        if board.place != Place::Run || board.over.is_none() || board.settled {
            return;
        }
        board.settled = true;
        let curves = board.runs.iter().rposition(|shown| !shown.run.names.is_empty());
        if let Some(curves) = curves.filter(|_| board.shows == board.work) {
            (board.shows, board.work) = (curves, curves);
            board.version += 1;
        }
    }

    fn log(&self, at: usize) -> bool {
        for turn in 0..SLICES {
            let mut board = self.shared.give_way();
            let Some(shown) = board.runs.get_mut(at) else { return false };
            let Shown { run, tail, .. } = shown;
            let before = (tail.progress(), shown.gone, shown.behind, shown.trouble.is_some());
            let (paused, ended) = (run.paused, run.ended.is_some());
            let looked = if turn == 0 { tail.look() } else { Ok(Look::Same) };
            let read = looked.and_then(|look| {
                if look == Look::Anew {
                    *run = Run::default();
                }
                if turn == 0 {
                    shown.gone = look == Look::Gone;
                }
                tail.slice(|at, line| run.line(at, line))
            });
            shown.behind = matches!(read, Ok(true));
            shown.trouble = read.err().map(|error| error.to_string());
            shown.progress = shown.tail.progress();
            let after = (shown.progress, shown.gone, shown.behind, shown.trouble.is_some());
            let more = shown.behind;
            // Whoever it was, somebody let it go on, or it has ended.
            let goes_on = paused && !shown.run.paused || !ended && shown.run.ended.is_some();
            if goes_on && board.place == Place::Watch {
                board.pausing = false;
            }
            if before != after {
                board.version += 1;
            }
            if !more {
                return false;
            }
        }
        true
    }

    /// Look at records and at the process.
    fn records(&self) {
        let (shows, work, place) = {
            let board = self.shared.give_way();
            (board.shows, board.work, board.place)
        };
        for at in [Some(shows), Some(work).filter(|work| *work != shows)].into_iter().flatten() {
            let known =
                self.shared.give_way().runs.get(at).map(|shown| (shown.id.clone(), shown.funnel.is_some()));
            let Some((id, has_funnel)) = known else { continue };
            let info = self.store.find_run(&id).ok().flatten();
            let asked = control::waits(&self.store.run_dir(&id));
            let funnel = match &info {
                Some(info) if !has_funnel && at == shows => funnel::of(&self.store, info),
                _ => None,
            };
            let mut board = self.shared.give_way();
            let Some(shown) = board.runs.get_mut(at) else { continue };
            // What was known of a run that was deleted stays, but it is not at work.
            match (info, &mut shown.info) {
                (None, Some(known)) if known.status == Status::Running => known.status = Status::Interrupted,
                (None, _) => {}
                (info, known) => *known = info,
            }
            shown.asked = asked;
            if funnel.is_some() {
                shown.funnel = funnel;
            }
        }
        let mut board = self.shared.give_way();
        let pid = match place {
            Place::Run => Some(std::process::id()),
            Place::Watch => {
                let running = board.runs.get(work).filter(|shown| shown.is_running());
                running.and_then(|shown| Some(shown.info.as_ref()?.pid))
            }
        };
        board.system.measure(pid);
        board.version += 1;
    }

    /// A run began: it is shown unless another one was chosen.
    fn began(&self, id: String) {
        let folder = self.store.run_dir(&id);
        let info = self.store.find_run(&id).ok().flatten();
        let mut board = self.shared.give_way();
        let at = match board.runs.iter().position(|shown| shown.id == id) {
            Some(at) => at,
            None if board.runs.len() < RUNS => {
                board.runs.push(Shown::new(id, &folder, info));
                board.runs.len() - 1
            }
            None => return,
        };
        if board.shows == board.work {
            board.shows = at;
        }
        // The last lines of the run before it may have come since its log was read.
        let before = board.work;
        if let Some(shown) = board.runs.get_mut(before) {
            shown.behind = true;
        }
        board.work = at;
        board.version += 1;
    }

    /// In another process the next stage of the recipe may have begun.
    pub fn successors(&self) {
        let recipe = {
            let board = self.shared.give_way();
            if board.place == Place::Run || board.is_alive() {
                return;
            }
            let info = board.runs.get(board.work).and_then(|shown| shown.info.as_ref());
            let Some(info) = info else { return };
            info.recipe.clone()
        };
        let runs = self.store.runs().unwrap_or_default();
        let next = runs.into_iter().rev().find(|run| run.status == Status::Running && run.recipe == recipe);
        if let Some(next) = next {
            self.began(next.id);
        }
    }
}
