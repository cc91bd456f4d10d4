//! The dashboard without a terminal: a log and keys go in, screens come out.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use regimen_base::control::Request;
use regimen_base::machine::{Memory, Process};
use regimen_ledger::{RunInfo, Status, Store};
use serde_json::json;

use super::draw::draw;
use super::feed::{Board, Feed, Message, Shared, Shown};
use super::funnel::steps;
use super::keys::KEYS;
use super::state::{Axis, Place, State, Tab, Want};
use crate::terminal::{Key, Theme};

const PLAIN: Theme = Theme { colour: false };

/// A training of 400 steps with a spike at step 300, validated and sampled on the way.
fn log() -> String {
    let mut text = String::new();
    let mut add = |t: f64, event: serde_json::Value| {
        let mut event = event;
        event["t"] = t.into();
        text.push_str(&format!("{event}\n"));
    };
    add(
        1000.0,
        json!({"k": "start", "stage": "base", "kind": "pretrain", "key": "ab", "from_step": 0, "threads": 2,
            "fingerprint": "regimen 0.1.0, avx2"}),
    );
    for step in 1..=400u32 {
        let t = 1000.0 + 0.5 * f64::from(step);
        let wave = f64::from((step * 37) % 19) / 40.0;
        let loss = if step == 300 { 9.0 } else { 2.0 + 4.0 * (-f64::from(step) / 80.0).exp() + wave };
        add(
            t,
            json!({"k": "metrics", "step": step, "values": {"loss": loss, "lr": 0.001 * f64::from(step) / 400.0,
                "tokens": 512 * step, "tokens_per_second": 1024.0, "grad_norm": null}}),
        );
        if step % 100 == 0 {
            add(t, json!({"k": "metrics", "step": step, "values": {"bpb": 3.0, "bpb/letters": 2.9}}));
            for prompt in ["The people", "We"] {
                let text = format!(
                    " have {step} words to say.\nAnd a second line that is so long that it must be \
                    wrapped somewhere on a screen of 80 columns, \u{1b}[31mred."
                );
                add(t, json!({"k": "sample", "step": step, "prompt": prompt, "text": text}));
            }
            add(t, json!({"k": "checkpoint", "step": step, "path": format!(".checkpoints/{step}")}));
        }
        if step == 300 {
            add(t, json!({"k": "note", "level": "warning", "step": 300, "text": "step 300 updated nothing"}));
        }
    }
    text
}

fn info(id: &str, status: Status) -> RunInfo {
    RunInfo {
        id: id.into(),
        stage: "base".into(),
        kind: "pretrain".into(),
        key: "3503e8202d28b65b3195b55ba497ccedb998bc07f4eb87dd44536889a2f1e397".parse().unwrap(),
        recipe: "recipe.toml".into(),
        recipe_name: "small".into(),
        command: Vec::new(),
        status,
        started: 1000.0,
        seconds: 0.0,
        pid: 4711,
        fingerprint: "regimen 0.1.0, avx2".into(),
        config: json!({"steps": 1000}),
        inputs: Default::default(),
    }
}

/// A board with one run whose log lies in `dir`.
fn board(dir: &Path) -> Board {
    std::fs::write(dir.join("events.jsonl"), log()).unwrap();
    let mut shown = Shown::new("base-3503e820".into(), dir, Some(info("base-3503e820", Status::Running)));
    shown.tail.look().unwrap();
    let Shown { tail, run, .. } = &mut shown;
    while tail.slice(|at, line| run.line(at, line)).unwrap() {}
    (shown.behind, shown.progress) = (false, shown.tail.progress());
    shown.funnel = Some(steps(&json!({"funnel": [
        {"step": "read", "reason": "", "documents": 1000, "bytes": 2_000_000},
        {"step": "drop_1", "reason": "gopher.word_count < 50", "documents": 600, "bytes": 1_900_000},
        {"step": "near_duplicate", "reason": "nearly the same text", "documents": 599, "bytes": 1_899_000},
    ]})));
    let mut board = Board::new(Place::Watch, vec![shown], 0);
    board.system.pid = Some(4711);
    board.system.now = Some(Process { resident: 1 << 30, peak: 3 << 29, threads: 5, seconds: 12.5 });
    board.system.machine = Some(Memory { available: 1 << 34, total: 1 << 35 });
    board.system.history = (0..40).map(|i| (1 << 30, f64::from(i % 9) / 4.0)).collect();
    board
}

fn keys(board: &Board, state: State, keys: &[Key]) -> State {
    keys.iter().fold(state, |state, key| state.clone().key(*key, &board.facts(&state)))
}

fn drawn(board: &Board, state: &State, theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(frame, board, state, theme)).unwrap();
    terminal
}

fn screen(board: &Board, state: &State) -> String {
    drawn(board, state, PLAIN).backend().to_string()
}

#[test]
fn every_tab_at_80_by_24() {
    let dir = tempfile::tempdir().unwrap();
    let board = board(dir.path());
    let state = State::new(Place::Watch);
    for (key, name) in [('1', "curves"), ('2', "samples"), ('3', "funnel"), ('4', "log"), ('5', "system")] {
        let state = keys(&board, state.clone(), &[Key::Char(key)]);
        insta::assert_snapshot!(name, screen(&board, &state));
        insta::assert_snapshot!(format!("{name}_small"), screen(&board, &state.resized(40, 10)));
    }
    insta::assert_snapshot!("help", screen(&board, &keys(&board, state.clone(), &[Key::Char('?')])));
    insta::assert_snapshot!("leaving", screen(&board, &keys(&board, state, &[Key::Char('q')])));
}

#[test]
fn curves_are_drawn_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let board = board(dir.path());
    let state = State::new(Place::Watch);
    let log = keys(&board, state.clone(), &[Key::Char('l'), Key::Char('x'), Key::Char('+')]);
    assert_eq!((log.log, log.axis, log.smooth), (true, Axis::Tokens, 3));
    insta::assert_snapshot!("curves_log_tokens", screen(&board, &log));
    let time = keys(&board, log, &[Key::Char('x'), Key::Char('w'), Key::Char('-'), Key::Char('-')]);
    let text = screen(&board, &time);
    assert!(text.contains("recent over time, smoothing 0.3, log") && text.contains("03:20"), "{text}");
    // One with holes alone, and one of few points.
    let holes = keys(&board, state.clone(), &[Key::End, Key::Up, Key::Up, Key::Up]);
    assert!(screen(&board, &holes).contains("no finite value"), "{}", screen(&board, &holes));
    let few = keys(&board, state.clone(), &[Key::Down]);
    assert!(screen(&board, &few).contains("bpb  last 3.0000  least 3.0000 at step 100"));
    let raw = keys(&board, state, &[Key::Char('-'), Key::Char('-'), Key::Char('-')]);
    assert!(screen(&board, &raw).contains("smoothing 0"));
}

#[test]
fn samples_and_log_follow_their_ends_until_one_looks_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = board(dir.path());
    let state = keys(&board, State::new(Place::Watch), &[Key::Char('2')]);
    assert!(screen(&board, &state).contains("step 400 (4 of 4, the newest)"));
    let back = keys(&board, state, &[Key::Left]);
    assert!(screen(&board, &back).contains("step 300 (3 of 4)") && back.sample == Some(2));
    assert_eq!(keys(&board, back.clone(), &[Key::Right]).sample, None);
    assert_eq!(keys(&board, back, &[Key::Home]).sample, Some(0));

    let log = keys(&board, State::new(Place::Watch), &[Key::Char('4')]);
    assert!(screen(&board, &log).contains("checkpoint of step 400"));
    let top = keys(&board, log.clone(), &[Key::PageUp, Key::Home]);
    assert!(screen(&board, &top).contains("base (pretrain) begins"), "{}", screen(&board, &top));
    let remarks = keys(&board, log.clone(), &[Key::Char('f')]);
    let text = screen(&board, &remarks);
    assert!(text.contains("warning (step 300)") && !text.contains("grad_norm"), "{text}");
    // More comes: the end is followed, the other place is stayed at.
    let line = "{\"t\":2000,\"k\":\"note\",\"level\":\"info\",\"text\":\"the newest word\"}\n";
    let path = dir.path().join("events.jsonl");
    std::fs::write(&path, log_and(line)).unwrap();
    let Shown { tail, run, .. } = &mut board.runs[0];
    tail.slice(|at, line| run.line(at, line)).unwrap();
    assert!(screen(&board, &log).contains("the newest word"));
    assert!(screen(&board, &top).contains("base (pretrain) begins"));
    assert_eq!(keys(&board, top, &[Key::End]).line, None);
}

fn log_and(line: &str) -> String {
    log() + line
}

#[test]
fn damaged_lines_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = 88_172_645_463_325_252u64;
    let mut next = |most: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % most as u64) as usize
    };
    let mut bytes = log().into_bytes();
    for _ in 0..2000 {
        let at = next(bytes.len());
        match next(4) {
            0 => bytes[at] = next(256) as u8,
            1 => bytes[at] = b"0123456789e-.{}[],:\n"[next(20)],
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, b'9'),
        }
    }
    let mut board = board(dir.path());
    std::fs::write(dir.path().join("events.jsonl"), &bytes).unwrap();
    let shown = &mut board.runs[0];
    shown.run = Default::default();
    assert_eq!(shown.tail.look().unwrap(), super::tail::Look::Anew);
    let Shown { tail, run, .. } = shown;
    while tail.slice(|at, line| run.line(at, line)).unwrap() {}
    assert!(run.step > 0 && run.lines.count(false) > 300);
    for tab in ['1', '2', '3', '4', '5'] {
        let mut state = keys(&board, State::new(Place::Watch), &[Key::Char(tab)]);
        for _ in 0..12 {
            state =
                keys(&board, state, &[Key::Down, Key::Char('x'), Key::Char('l'), Key::Char('w'), Key::Left]);
            screen(&board, &state);
        }
    }
}

#[test]
fn keys_ask_for_what_can_be_done_and_say_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = board(dir.path());
    let state = State::new(Place::Watch);
    let want = |board: &Board, pressed: &[Key]| keys(board, state.clone(), pressed).want;
    assert_eq!(want(&board, &[Key::Char('p')]), Some(Want::Ask(Request::Pause)));
    assert_eq!(want(&board, &[Key::Char('s')]), Some(Want::Ask(Request::Stop)));
    board.runs[0].run.paused = true;
    assert_eq!(want(&board, &[Key::Char('p')]), Some(Want::Ask(Request::Resume)));
    assert!(screen(&board, &state).contains("paused  "));
    // Three ways to leave.
    let asks = keys(&board, state.clone(), &[Key::Char('q')]);
    assert_eq!((asks.leaving, asks.want), (Some(0), None));
    assert_eq!(want(&board, &[Key::Char('q'), Key::Enter]), Some(Want::Leave));
    assert_eq!(want(&board, &[Key::Char('q'), Key::Down, Key::Enter]), Some(Want::Ask(Request::Stop)));
    assert_eq!(want(&board, &[Key::Char('q'), Key::Char('3')]), None);
    assert_eq!(keys(&board, asks, &[Key::Esc]).leaving, None);
    let run = State::new(Place::Run);
    let in_run = |pressed: &[Key]| keys(&board, run.clone(), pressed).want;
    assert_eq!(in_run(&[Key::Char('d')]), Some(Want::Detach));
    assert_eq!(in_run(&[Key::Char('q'), Key::Char('1')]), Some(Want::Detach));
    assert_eq!(in_run(&[Key::Char('q'), Key::Char('2')]), Some(Want::StopAndDetach));
    assert_eq!(in_run(&[Key::Ctrl('c')]), Some(Want::StopAndDetach));
    // A run that is over.
    board.runs[0].info = Some(info("base-3503e820", Status::Done));
    board.runs[0].run.paused = false;
    let over = keys(&board, state.clone(), &[Key::Char('p')]);
    assert_eq!(over.want, None);
    assert!(screen(&board, &over).contains("the run is over: there is nothing to pause"));
    assert_eq!(want(&board, &[Key::Char('q')]), Some(Want::Leave));
    // A folder that is gone is told.
    board.runs[0].gone = true;
    assert!(screen(&board, &state).contains("was deleted"), "{}", screen(&board, &state));
}

#[test]
fn stages_are_stepped_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = board(dir.path());
    board
        .runs
        .insert(0, Shown::new("tokens-1".into(), Path::new("nowhere"), Some(info("tokens-1", Status::Done))));
    (board.work, board.shows) = (1, 1);
    let state = keys(&board, State::new(Place::Watch), &[Key::Char('[')]);
    assert_eq!(state.run, Some(1));
    let state = keys(&board, state, &[Key::Char('[')]);
    assert_eq!(state.run, Some(0));
    assert_eq!(keys(&board, state, &[Key::Char(']'), Key::Char(']')]).run, None);
}

#[test]
fn without_colours_nothing_is_lost_and_every_size_can_be_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let board = board(dir.path());
    let state = State::new(Place::Watch);
    let plain = drawn(&board, &state, PLAIN);
    let buffer = plain.backend().buffer();
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    // The raw curve is faint, the smooth one is not.
    let dots = |faint: bool| {
        let braille = |cell: &&ratatui::buffer::Cell| {
            let c = cell.symbol().chars().next().unwrap();
            ('\u{2801}'..='\u{28ff}').contains(&c) && cell.modifier.contains(Modifier::DIM) == faint
        };
        buffer.content().iter().filter(braille).count()
    };
    assert!(dots(true) > 20 && dots(false) > 20, "{} {}", dots(true), dots(false));
    let colour = drawn(&board, &state, Theme { colour: true });
    assert!(colour.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset));
    for tab in ['1', '2', '3', '4', '5', '?', 'q'] {
        for (columns, lines) in [(1, 1), (5, 40), (20, 5), (21, 6), (30, 7), (69, 9), (70, 9), (300, 90)] {
            let state = keys(&board, state.clone().resized(columns, lines), &[Key::Char(tab)]);
            screen(&board, &state);
            screen(&board, &keys(&board, state, &[Key::Down, Key::PageDown, Key::End, Key::Left]));
        }
    }
    let help = keys(&board, state, &[Key::Char('?'), Key::PageDown]);
    assert_eq!(help.help, Some(21));
    assert!(screen(&board, &help).contains(KEYS[KEYS.len() - 1].1));
}

/// A store with the folder of a run in it.
fn store(dir: &Path) -> (Store, RunInfo) {
    let store = Store::open(dir).unwrap();
    let info = info("base-3503e820", Status::Running);
    store.write_run(&info).unwrap();
    (store, info)
}

#[test]
fn the_reading_thread_takes_a_long_log_in_slices_and_learns_that_it_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, info) = store(dir.path());
    let folder = store.run_dir(&info.id);
    let lines = 100_000u32;
    let mut text = String::new();
    for step in 1..=lines {
        let loss = if step == 77_777 { 1e6 } else { 2.0 };
        text.push_str(&format!(
            "{{\"t\":{step}.5,\"k\":\"metrics\",\"step\":{step},\"values\":{{\"loss\":{loss}}}}}\n"
        ));
    }
    // The last line is cut in the middle.
    let (whole, end) = text.split_at(text.len() - 20);
    std::fs::write(folder.join("events.jsonl"), whole).unwrap();
    let shown = Shown::new(info.id.clone(), &folder, Some(info));
    let shared = Shared::new(Board::new(Place::Watch, vec![shown], 0));
    let (send, news) = channel();
    let feed = Feed { shared: shared.clone(), store, news };
    let thread = std::thread::spawn(|| feed.run());
    let until = |what: &str, wanted: &dyn Fn(&Board) -> bool| {
        let began = Instant::now();
        while !wanted(&shared.board()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until("whole lines", &|board| board.runs[0].run.step == u64::from(lines) - 1 && !board.runs[0].behind);
    {
        let mut file = std::fs::File::options().append(true).open(folder.join("events.jsonl")).unwrap();
        std::io::Write::write_all(&mut file, end.as_bytes()).unwrap();
    }
    until("the end of the line", &|board| board.runs[0].run.step == u64::from(lines));
    {
        let board = shared.board();
        let loss = &board.runs[0].run.series["loss"];
        assert_eq!(loss.len(), u64::from(lines));
        assert!(loss.whole().iter().any(|bucket| bucket.high == (77_777.0, 1e6)), "the spike is lost");
        // Nobody holds its lock: the record says running, the process is not there.
        assert!(!board.is_alive());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    until("that it is gone", &|board| board.runs[0].gone);
    {
        let board = shared.board();
        let state = State { tab: Tab::Log, ..State::new(Place::Watch) };
        assert!(screen(&board, &state).contains("was deleted"));
        // What was read can still be seen.
        assert!(screen(&board, &state).contains("step 100000"), "{}", screen(&board, &state));
    }
    send.send(Message::End).unwrap();
    thread.join().unwrap();
}

#[test]
fn the_next_stage_of_another_process_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, first) = store(dir.path());
    let shown = Shown::new(first.id.clone(), &store.run_dir(&first.id), Some(info(&first.id, Status::Done)));
    let shared = Shared::new(Board::new(Place::Watch, vec![shown], 0));
    let (_send, news) = channel();
    // A process is at work as long as it holds the lock.
    let next =
        RunInfo { key: regimen_base::Hash256([7; 32]), ..info("evaluation-07070707", Status::Running) };
    let _work = store.begin("evaluate", next.key).unwrap();
    store.write_run(&next).unwrap();
    store.write_run(&RunInfo { recipe: "other.toml".into(), ..info("other-1", Status::Running) }).unwrap();
    let feed = Feed { shared: shared.clone(), store, news };
    feed.successors();
    let board = shared.board();
    assert_eq!((board.runs.len(), board.work, board.shows), (2, 1, 1));
    assert!(board.runs[1].id == next.id && board.is_alive());
}
