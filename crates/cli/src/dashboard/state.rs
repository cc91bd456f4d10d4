//! What the dashboard shows, from one key to the next. The state reads nothing: keys tell it what to show, [`Facts`] how
//! much there is of it, and it says what is to be done.

use regimen_base::control::Request;

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Curves,
    Samples,
    Funnel,
    Log,
    System,
}

/// The tabs in their order.
pub const TABS: [(Tab, &str); 5] = [
    (Tab::Curves, "1 Curves"),
    (Tab::Samples, "2 Samples"),
    (Tab::Funnel, "3 Funnel"),
    (Tab::Log, "4 Log"),
    (Tab::System, "5 System"),
];

/// What curves are drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Step,
    Tokens,
    Time,
}

/// Weights of the past in smoothed curves; 0.6 is TensorBoard's default.
pub const SMOOTH: [f64; 7] = [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99];

/// Where the dashboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the process that runs.
    Run,
    /// In another one.
    Watch,
}

/// How much there is of what is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub runs: usize,
    pub series: usize,
    /// Steps with samples.
    pub samples: usize,
    /// Lines of the shown samples at the width of the screen.
    pub sample_lines: usize,
    /// Lines of the log: all, and remarks alone.
    pub lines: u64,
    pub remarks: u64,
    /// Steps of the funnel.
    pub steps: usize,
    /// Whether the work still goes on, and whether it waits.
    pub alive: bool,
    pub paused: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Ask(Request),
    /// Give the screen back; the run goes on.
    Detach,
    /// Stop the run and give the screen back.
    StopAndDetach,
    /// The end.
    Leave,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    pub place: Place,
    /// Columns and lines.
    pub size: (u16, u16),
    pub tab: Tab,
    /// The run that is shown; the one at work if it is none.
    pub run: Option<usize>,
    /// The series that keys act on.
    pub series: usize,
    /// The whole history, or its end.
    pub whole: bool,
    /// Which of [`SMOOTH`].
    pub smooth: usize,
    pub log: bool,
    pub axis: Axis,
    /// The step whose samples are shown; the last one if it is none.
    pub sample: Option<usize>,
    /// The first line of them on the screen.
    pub scroll: usize,
    /// The step of the funnel that keys act on.
    pub step: usize,
    /// The first line of the log on the screen; its end if it is none.
    pub line: Option<u64>,
    /// Whether numbers are left out of the log.
    pub remarks: bool,
    /// The first line of the help on the screen, if it is shown.
    pub help: Option<usize>,
    /// The choice that keys act on, while leaving is asked about.
    pub leaving: Option<usize>,
    /// Something to say until the next key.
    pub note: Option<String>,
    pub want: Option<Want>,
}

impl State {
    pub fn new(place: Place) -> State {
        State {
            place,
            size: (80, 24),
            tab: Tab::Curves,
            run: None,
            series: 0,
            whole: true,
            smooth: 2,
            log: false,
            axis: Axis::Step,
            sample: None,
            scroll: 0,
            step: 0,
            line: None,
            remarks: false,
            help: None,
            leaving: None,
            note: None,
            want: None,
        }
    }

    /// The screen has another size.
    pub fn resized(mut self, columns: u16, lines: u16) -> State {
        self.size = (columns, lines);
        self
    }

    /// Lines between title and keys.
    pub fn body(&self) -> usize {
        usize::from(self.size.1).saturating_sub(3).max(1)
    }

    /// Lines of the log that there are.
    pub fn log_lines(&self, facts: &Facts) -> u64 {
        if self.remarks { facts.remarks } else { facts.lines }
    }

    /// The first line of the log on the screen.
    pub fn log_top(&self, facts: &Facts) -> u64 {
        let last = self.log_lines(facts).saturating_sub(self.body() as u64);
        self.line.map_or(last, |line| line.min(last))
    }

    /// The step whose samples are shown.
    pub fn sample_at(&self, facts: &Facts) -> usize {
        let last = facts.samples.saturating_sub(1);
        self.sample.map_or(last, |sample| sample.min(last))
    }

    /// The choices of someone who leaves while the work goes on, and what they do.
    pub fn choices(&self) -> [(&'static str, Option<Want>); 3] {
        match self.place {
            Place::Run => [
                ("detach: the run goes on with a progress line", Some(Want::Detach)),
                ("stop: finish the step, write a checkpoint, end", Some(Want::StopAndDetach)),
                ("stay here", None),
            ],
            Place::Watch => [
                ("leave: the run goes on", Some(Want::Leave)),
                ("stop the run: finish the step, write a checkpoint", Some(Want::Ask(Request::Stop))),
                ("stay here", None),
            ],
        }
    }
}
