//! The corpus browser in a pseudo-terminal.

use rustix::process::Signal;
use rustix::termios::LocalModes;

use crate::common::terminal::Terminal;
use crate::common::{Done, Project};

fn start(args: &[&str], colours: bool) -> Terminal {
    let args: Vec<&str> = ["corpus", "inspect", "corpus"].into_iter().chain(args.iter().copied()).collect();
    let mut command = Project::finished().command(&args);
    if colours {
        command.env_remove("NO_COLOR");
    }
    Terminal::start(&command, 80, 24)
}

/// Whether the terminal is as a shell wants it.
#[track_caller]
pub fn is_restored(terminal: &Terminal) {
    let modes = terminal.settings().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "still raw");
    assert!(!terminal.screen.alternate, "the alternate screen is still shown");
    assert!(terminal.screen.cursor, "the cursor is hidden");
}

/// Numbers of the colours that were set, but for the default ones.
pub fn colours(raw: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(raw);
    let modes = text
        .split("\u{1b}[")
        .skip(1)
        .filter_map(|rest| rest.split_once('m').map(|(codes, _)| codes.to_string()));
    modes
        .filter(|codes| codes.chars().all(|c| c.is_ascii_digit() || c == ';'))
        .flat_map(|codes| codes.split(';').filter_map(|code| code.parse().ok()).collect::<Vec<u32>>())
        .filter(|code| matches!(code, 30..=38 | 40..=48 | 90..=107))
        .collect()
}

#[test]
fn keys_lead_through_the_corpus_and_the_screen_is_given_back() {
    let mut terminal = start(&[], true);
    terminal.shows("[1 Funnel]");
    assert!(terminal.screen.alternate && !terminal.settings().local_modes.contains(LocalModes::ICANON));
    terminal.shows("min_words");
    // Rules, with a histogram from the thread that measures.
    terminal.keys("\t");
    terminal.shows("[2 Rules]");
    terminal.shows("min_words: dropped if < 50");
    terminal.keys("\t");
    terminal.shows("[3 Documents]");
    terminal.shows("+ train");
    // Dropped ones alone, and then words.
    terminal.keys("tt");
    terminal.shows("dropped");
    terminal.keys("t/bytes > 100000000\r");
    terminal.shows("0 documents");
    terminal.keys("\u{1b}");
    terminal.shows("1 of ");
    terminal.keys("/nonsense <\r");
    terminal.shows("no attribute");
    terminal.keys("/");
    terminal.shows("where:");
    terminal.keys("\u{15}bytes > 0\r");
    terminal.shows("where bytes > 0");
    terminal.keys("\r");
    terminal.shows("author");
    terminal.keys("v");
    terminal.shows("number of words");
    // Another size: everything is drawn anew.
    terminal.resize(40, 10);
    terminal.shows("[3 Documents]");
    terminal.keys("q2");
    terminal.shows("[2 Rules]");
    terminal.resize(80, 24);
    terminal.shows("on that side");
    terminal.keys("?");
    terminal.shows("this help");
    terminal.keys("\u{1b}[Bqq");
    assert_eq!(terminal.ended().code(), Some(0));
    is_restored(&terminal);
    assert!(!colours(&terminal.raw).is_empty());
}

#[test]
fn without_colours_none_is_sent() {
    let mut terminal = start(&["--where", "bytes > 0"], false);
    terminal.shows("where bytes > 0");
    terminal.keys("\r");
    terminal.shows("author");
    terminal.keys("2");
    terminal.shows("on that side");
    terminal.keys("q");
    assert_eq!(terminal.ended().code(), Some(0));
    assert_eq!(colours(&terminal.raw), [0u32; 0]);
}

#[test]
fn ctrl_c_and_signals_end_it_and_give_the_screen_back() {
    let mut terminal = start(&[], true);
    terminal.shows("[1 Funnel]");
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended().code(), Some(130));
    is_restored(&terminal);
    for signal in [Signal::TERM, Signal::INT] {
        let mut terminal = start(&[], true);
        terminal.shows("[1 Funnel]");
        terminal.signal(signal);
        assert_eq!(terminal.ended().code(), Some(130), "{signal:?}");
        is_restored(&terminal);
    }
}

#[test]
fn a_window_that_is_closed_ends_it() {
    let mut terminal = start(&[], true);
    terminal.shows("[1 Funnel]");
    terminal.close();
    assert_eq!(terminal.ended().code(), Some(130));
}

#[test]
fn where_there_is_no_screen_it_prints() {
    let project = Project::finished();
    // stdout is a pipe.
    let printed = project.run(&["corpus", "inspect", "corpus", "--size", "1"]).fine();
    assert!(printed.stdout.contains("  read: ") && !printed.stdout.contains('\u{1b}'), "{}", printed.stdout);
    for page in ["0", "9999", "-1"] {
        let done = project.run(&["corpus", "inspect", "corpus", "--page", page]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
        assert!(page == "-1" || done.stderr.contains(&format!("no page {page}: the pages are 1 to ")));
    }
    let done = project.run(&["corpus", "search", "corpus", "the", "--max", "0"]);
    assert!(done.code == Some(2) && done.stderr.contains("0 is not in 1.."), "{}", done.stderr);
    let below = ["corpus", "inspect", "corpus", "--plain", "--where", "-bytes < -1"];
    project.run(&below).fine();
    // A reader that went away is no fault.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = project.command(&["corpus", "inspect", "corpus"]).stdout(writer).spawn().unwrap();
    let done = Done::of(child).fine();
    assert_eq!(done.stderr, "");
    // On a terminal, if it is asked to.
    for args in [&["--plain", "--size", "1"][..], &["--page", "1", "--size", "1"], &["--json", "--size", "1"]]
    {
        let mut terminal = start(args, true);
        assert_eq!(terminal.ended().code(), Some(0));
        assert!(!String::from_utf8_lossy(&terminal.raw).contains("\u{1b}[?1049h"), "{args:?}");
        assert!(
            terminal.screen.text().contains("page 1 of") || args[0] == "--json",
            "{}",
            terminal.screen.text()
        );
    }
    // An error stays on the screen that is seen.
    let mut terminal = start(&["--where", "bytes >"], true);
    terminal.shows("ends too early");
    terminal.keys("qq");
    assert_eq!(terminal.ended().code(), Some(0));
    let mut terminal = start(&["--reason", "nonsense"], true);
    assert_eq!(terminal.ended().code(), Some(2));
    assert!(terminal.screen.text().contains("no reason `nonsense`"), "{}", terminal.screen.text());
}
