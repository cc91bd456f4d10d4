//! The dashboard in a pseudo-terminal: `run --tui` and `watch`.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::termios::LocalModes;

use crate::browser::{colours, is_restored};
use crate::common::terminal::Terminal;
use crate::common::{Done, Project, list};

/// So many steps that a training does not end before it is stopped.
const LONG: [&str; 4] = ["run", "recipe.toml", "--set", "base.steps=10000000"];

fn start(project: &Project, args: &[&str]) -> Terminal {
    Terminal::start(&project.command(args), 80, 24)
}

/// A long training in another process.
struct Other {
    project: Project,
    child: Child,
}

impl Other {
    fn start() -> Other {
        let project = Project::before_base();
        let child = project.command(&LONG).spawn().unwrap();
        let other = Other { project, child };
        other.until("some steps", |steps| steps > 2);
        other
    }

    /// Steps in its log. A line may be in the making.
    fn steps(&self) -> usize {
        let log = std::fs::read_to_string(self.folder().join("events.jsonl")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"metrics\"") && line.contains("\"loss\"")).count()
    }

    fn folder(&self) -> PathBuf {
        let mut runs = list(&self.project.path(".regimen/runs"));
        runs.retain(|run| run.file_name().unwrap().to_string_lossy().starts_with("base-"));
        runs.pop().unwrap_or_default()
    }

    #[track_caller]
    fn until(&self, what: &str, wanted: impl Fn(usize) -> bool) {
        let began = Instant::now();
        while !wanted(self.steps()) {
            assert!(began.elapsed() < Duration::from_secs(60), "no {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a training left a checkpoint to go on from.
fn has_checkpoint(project: &Project) -> bool {
    list(&project.path(".regimen/work")).iter().any(|work| work.join(".resume.json").is_file())
}

#[test]
fn a_run_shows_itself_and_waits_for_the_user_at_its_end() {
    let project = Project::before_base();
    let mut terminal = start(&project, &["run", "recipe.toml", "--tui"]);
    terminal.shows("[1 Curves]");
    assert!(terminal.screen.alternate && !terminal.settings().local_modes.contains(LocalModes::ICANON));
    terminal.shows("done");
    // Of the stages the one with curves is shown.
    terminal.shows("base-");
    terminal.shows("loss  last");
    terminal.keys("2");
    terminal.shows("> The people");
    terminal.keys("3");
    terminal.shows("of text left");
    terminal.keys("4");
    terminal.shows("done after");
    terminal.keys("5");
    terminal.shows("memory peak");
    terminal.keys("p");
    terminal.shows("there is nothing to pause");
    terminal.keys("[");
    terminal.shows(" of ");
    terminal.keys("q");
    assert_eq!(terminal.ended().code(), Some(0));
    is_restored(&terminal);
    // What was said meanwhile comes after the screen is given back.
    let text = String::from_utf8_lossy(&terminal.raw).into_owned();
    let (_, after) = text.split_once("\u{1b}[?1049l").unwrap();
    assert!(after.contains("what to try next") && after.contains("base"), "{after}");
    project.is_whole();
}

#[test]
fn a_run_is_paused_goes_on_and_is_stopped_by_keys() {
    let project = Project::before_base();
    let mut terminal = start(&project, &[&LONG[..], &["--tui"]].concat());
    terminal.shows("loss  last");
    terminal.keys("p");
    terminal.shows("paused  ");
    terminal.keys("4");
    terminal.shows("paused after step");
    terminal.keys("r");
    terminal.shows("running  ");
    // Another size: everything is drawn anew.
    terminal.keys("1");
    terminal.shows("smoothing 0.6");
    terminal.resize(40, 10);
    terminal.shows("[1 Curves]");
    terminal.resize(18, 4);
    terminal.shows("the window is");
    terminal.resize(100, 30);
    terminal.shows("smoothing 0.6");
    terminal.keys("+l");
    terminal.shows("smoothing 0.8, log");
    terminal.keys("s");
    terminal.shows("stopped  ");
    // The page stays.
    terminal.keys("4");
    terminal.shows("interrupted after");
    terminal.keys("q");
    assert_eq!(terminal.ended().code(), Some(130));
    is_restored(&terminal);
    assert!(has_checkpoint(&project));
    assert!(String::from_utf8_lossy(&terminal.raw).contains("continue with"));
}

#[test]
fn a_dashboard_is_left_and_the_run_goes_on_with_its_line() {
    let project = Project::before_base();
    let mut terminal = start(&project, &[&LONG[..], &["--tui"]].concat());
    terminal.shows("loss  last");
    terminal.keys("q");
    terminal.shows("1 detach");
    terminal.keys("\u{1b}");
    terminal.until("popup gone", |screen| !screen.text().contains("1 detach"));
    terminal.keys("q1");
    terminal.shows("note: the run goes on");
    is_restored(&terminal);
    // It is a line of its own, whatever the run says in the same moment.
    let said = terminal.screen.text();
    assert!(said.lines().any(|line| line.starts_with("note: the run goes on")), "{said}");
    terminal.shows("░ steps ");
    // Ctrl-C is a signal again.
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended().code(), Some(130));
    assert!(has_checkpoint(&project));
    assert!(String::from_utf8_lossy(&terminal.raw).contains("stopping after this step"));
}

#[test]
fn ctrl_c_and_signals_give_the_screen_back_and_stop_behind_a_checkpoint() {
    for how in [None, Some(Signal::TERM)] {
        let project = Project::before_base();
        let mut terminal = start(&project, &[&LONG[..], &["--tui"]].concat());
        terminal.shows("loss  last");
        match how {
            None => terminal.keys("\u{3}"),
            Some(signal) => terminal.signal(signal),
        }
        assert_eq!(terminal.ended().code(), Some(130), "{how:?}");
        is_restored(&terminal);
        assert!(has_checkpoint(&project));
        assert!(String::from_utf8_lossy(&terminal.raw).contains("stopping after this step"));
    }
}

#[test]
fn a_window_that_is_closed_stops_a_run_as_a_hang_up_does() {
    let project = Project::before_base();
    let mut terminal = start(&project, &[&LONG[..], &["--tui"]].concat());
    terminal.shows("loss  last");
    terminal.close();
    assert_eq!(terminal.ended().code(), Some(130));
    assert!(has_checkpoint(&project));
    // Watching ends, and nothing else does.
    let mut terminal = start(&project, &["watch"]);
    terminal.shows("loss  last");
    terminal.close();
    assert_eq!(terminal.ended().code(), Some(130));
}

#[test]
fn a_run_in_another_process_is_watched_paused_and_stopped() {
    let mut other = Other::start();
    let mut terminal = start(&other.project, &["watch"]);
    terminal.shows("running  ");
    terminal.shows("loss  last");
    terminal.keys("p");
    terminal.shows("paused  ");
    let steps = other.steps();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(other.steps(), steps, "it goes on");
    // Another one sees it, too, and lets it go on.
    let mut second = start(&other.project, &["watch", "base"]);
    second.shows("paused  ");
    second.keys("p");
    second.shows("running  ");
    second.keys("q1");
    assert_eq!(second.ended().code(), Some(0));
    other.until("further step", |now| now > steps + 1);
    terminal.shows("running  ");
    terminal.keys("q");
    terminal.shows("2 stop the run");
    terminal.keys("2");
    terminal.shows("stopped  ");
    assert_eq!(other.child.wait().unwrap().code(), Some(130));
    assert!(has_checkpoint(&other.project));
    assert!(!other.folder().join("control.json").exists());
    terminal.keys("s");
    terminal.shows("there is nothing to pause or to stop");
    terminal.keys("q");
    assert_eq!(terminal.ended().code(), Some(0));
    is_restored(&terminal);
}

#[test]
fn a_request_for_an_execution_that_is_over_does_nothing_to_the_next() {
    let project = Project::before_base();
    project.fault("kill@step:10").killed();
    let run = project.run_dir("base");
    std::fs::write(run.join("control.json"), "{\"pid\":1,\"request\":\"stop\"}").unwrap();
    project.run(&["run", "recipe.toml"]).fine();
    project.is_whole();
    assert!(!run.join("control.json").exists());
}

#[test]
fn a_finished_run_is_watched_and_its_folder_may_go() {
    let project = Project::copy();
    let mut terminal = start(&project, &["watch"]);
    terminal.shows("done  ");
    terminal.shows("base-");
    terminal.shows("loss  last");
    terminal.keys("r");
    terminal.shows("there is nothing to pause or to stop");
    terminal.keys("3");
    terminal.shows("of text left");
    std::fs::remove_dir_all(project.run_dir("base")).unwrap();
    terminal.shows("was deleted");
    terminal.keys("4");
    terminal.shows("done after");
    terminal.keys("q");
    assert_eq!(terminal.ended().code(), Some(0));
    is_restored(&terminal);
}

#[test]
fn without_colours_none_is_sent() {
    let project = Project::finished();
    for colour in [false, true] {
        let mut command = project.command(&["watch", "base"]);
        if colour {
            command.env_remove("NO_COLOR");
        }
        let mut terminal = Terminal::start(&command, 80, 24);
        terminal.shows("loss  last");
        for (key, text) in
            [("2", "> The people"), ("3", "of text left"), ("4", "done after"), ("5", "it has ended")]
        {
            terminal.keys(key);
            terminal.shows(text);
        }
        terminal.keys("q");
        assert_eq!(terminal.ended().code(), Some(0));
        assert_eq!(!colours(&terminal.raw).is_empty(), colour);
    }
}

#[test]
fn where_there_is_no_screen_it_says_so() {
    let project = Project::finished();
    project.run(&["watch"]).refused(&["stdout is not a terminal", "regimen show"]);
    project.run(&["run", "recipe.toml", "--tui"]).refused(&["stdout is not a terminal", "leave `--tui` out"]);
    // Data need no screen.
    assert_eq!(project.run(&["watch", "--json"]).fine().json()["stage"], "base");
    // A reader that went away.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = project.command(&["watch"]).stdout(writer).spawn().unwrap();
    Done::of(child).refused(&["stdout is not a terminal"]);
    let mut terminal = start(project, &["watch", "nothing"]);
    assert_eq!(terminal.ended().code(), Some(2));
    assert!(String::from_utf8_lossy(&terminal.raw).contains("no run"), "{}", terminal.screen.text());
    let empty = Project::empty();
    let mut terminal = start(&empty, &["watch"]);
    assert_eq!(terminal.ended().code(), Some(2));
    assert!(!String::from_utf8_lossy(&terminal.raw).contains("\u{1b}[?1049h"));
}
