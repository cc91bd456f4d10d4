//! The browser without a terminal: keys go in, screens come out.

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use regimen_corpus::inspect::{Filter, Histogram, Piece, Scale};

use super::data::{Document, Listing, Measured, Row, Step, Summary, Threshold, Value};
use super::draw::draw;
use super::state::{State, View};
use super::text::Text;
use crate::terminal::{Key, Theme};

const PLAIN: Theme = Theme { colour: false };

fn summary() -> Summary {
    let step = |name: &str, text: &str, reason, dropped, left| Step {
        name: name.into(),
        text: text.into(),
        reason,
        dropped,
        left,
        bytes: left * 1000,
    };
    let limit = |reason: &str, at, text: &str| Threshold { reason: reason.into(), at, text: text.into() };
    Summary {
        title: "corpus (0123abcd)".into(),
        steps: vec![
            step("read", "", None, 1000, 1000),
            step("drop_1", "gopher.word_count < 50 or gopher.word_count > 100000", Some(1), 400, 600),
            step("near_duplicate", "nearly the same text as a document that is kept", Some(2), 1, 599),
        ],
        limited: false,
        reasons: vec![
            ("drop_1".into(), "gopher.word_count < 50".into()),
            ("near_duplicate".into(), "a copy".into()),
        ],
        sources: vec!["wiki".into()],
        measures: vec![
            Measured {
                name: "gopher.word_count".into(),
                doc: "number of words".into(),
                limits: vec![
                    limit("drop_1", 50.0, "dropped if < 50"),
                    limit("drop_1", 90.0, "dropped if > 90"),
                ],
            },
            Measured {
                name: "pii.EMAIL_ADDRESS".into(),
                doc: "addresses (spans in a document)".into(),
                limits: vec![],
            },
            Measured {
                name: "gopher.fraction_of_characters_in_most_common_2grams".into(),
                ..Measured::default()
            },
        ],
    }
}

fn state() -> State {
    State::new(summary(), Filter::default())
}

fn keys(state: State, keys: &[Key]) -> State {
    keys.iter().fold(state, |state, key| served(state.key(*key)))
}

/// What a loader would do, from documents made up.
fn served(mut state: State) -> State {
    if let Some(filter) = state.wants_list().cloned() {
        let found = match (&filter.text, filter.reason) {
            (Some(text), _) if text == "gone" => Err("it went wrong".into()),
            (Some(_), _) => Ok((Listing::Some(Arc::new(vec![3, 5, 7])), 0)),
            (_, Some(_)) => Ok((Listing::Some(Arc::new((0..400).collect())), 2)),
            _ => Ok((Listing::All(1000), 0)),
        };
        state = state.found(filter, found);
    }
    if let Some(lines) = state.wants_rows() {
        let row = |line| {
            let ordinal = state.list.ordinal(line).unwrap();
            let kept = ordinal.is_multiple_of(3);
            let fate = if kept { "train" } else { "drop_1" };
            Row {
                name: format!("wiki:page/{ordinal}"),
                bytes: 1000 + u64::from(ordinal),
                kept,
                fate: fate.into(),
            }
        };
        let rows = lines.clone().map(row).collect();
        state = state.rows(lines.start, rows);
    }
    if let Some(ordinal) = state.wants_document() {
        state = state.loaded(ordinal, document(ordinal));
    }
    state
}

fn document(ordinal: u32) -> Document {
    let filler = "Some words that fill the page and go on for a while, line after line. \n".repeat(40);
    let text = format!("Write to me@x.org now.\n{filler}Or to you@y.org, e\u{1b}[31mvil.\n");
    let second = text.find("you@").unwrap();
    let pieces = [
        Piece::Kept(0, &text[..9]),
        Piece::Masked(9, &text[9..17], "|||EMAIL|||"),
        Piece::Kept(17, &text[17..second]),
        Piece::Kept(second as u32, &text[second..]),
    ];
    let marks = vec![
        ("pii.EMAIL_ADDRESS".into(), vec![9..17, second..second + 9]),
        ("c4.short".into(), Vec::from_iter(Some(0..5))),
    ];
    let value = |name: &str, value, limits: &[(&str, bool)]| Value {
        name: name.into(),
        value,
        limits: limits.iter().map(|(text, falls)| (text.to_string(), *falls)).collect(),
    };
    Document {
        name: format!("wiki:page/{ordinal}"),
        kept: ordinal.is_multiple_of(3),
        fate: "dropped: drop_1 (gopher.word_count < 50)".into(),
        facts: vec!["`data/wiki.jsonl`, line 7  1.23 kB".into(), "CC0-1.0  author human".into()],
        representative: (ordinal == 1).then(|| (12, "wiki:page/12".into())),
        values: vec![
            value("gopher.word_count", 31.0, &[("dropped if < 50", true), ("dropped if > 90", false)]),
            value("pii.EMAIL_ADDRESS", 2.0, &[]),
        ],
        text: Ok(Arc::new(Text::new(&pieces, marks, true))),
    }
}

fn drawn(state: &State, theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(frame, state, theme)).unwrap();
    terminal
}

fn screen(state: &State) -> String {
    drawn(state, PLAIN).backend().to_string()
}

fn histogram() -> Histogram {
    let scale = Scale { low: 0.0, high: 96.0, log: false };
    let kept =
        (0..96).map(|i| if (50..=90).contains(&i) { 40 - i64::abs(i - 70) as u64 } else { 0 }).collect();
    let dropped = (0..96).map(|i| if i < 50 { 9 } else { u64::from(i > 90) }).collect();
    Histogram { scale, kept, dropped, falls: vec![450, 5] }
}

#[test]
fn the_funnel_leads_to_the_documents_of_a_step() {
    let state = keys(state(), &[Key::Down]);
    insta::assert_snapshot!("funnel", screen(&state));
    let state = keys(state, &[Key::Enter]);
    assert_eq!((state.view, state.list.filter.reason, state.list.len()), (View::Documents, Some(1), 400));
    insta::assert_snapshot!("documents", screen(&state));
    // Esc takes the filter away, then leads back.
    let state = keys(state, &[Key::Esc]);
    assert_eq!((state.view, state.list.len()), (View::Documents, 1000));
    let state = keys(state, &[Key::Esc, Key::Esc]);
    assert_eq!((state.view, state.over), (View::Funnel, None));
    assert_eq!(keys(state, &[Key::Char('q')]).over, Some(0));
}

#[test]
fn rules_have_their_thresholds_drawn_in() {
    let state = keys(state(), &[Key::Tab]);
    assert!(state.measuring && screen(&state).contains("being measured"));
    let state = state.drawn(0, Some(histogram())).drawn(1, None);
    insta::assert_snapshot!("rules", screen(&state));
    let small = state.clone().resized(40, 10);
    insta::assert_snapshot!("rules_small", screen(&small));
    assert_eq!(keys(state.clone(), &[Key::Enter]).list.filter.reason, Some(1));
    // What drops nothing asks for numbers.
    let state = keys(state, &[Key::Char('j')]);
    assert!(screen(&state).contains("no document has this number"));
    let state = keys(state, &[Key::Enter, Key::Char('>'), Key::Char('1'), Key::Enter]);
    assert_eq!(state.list.filter.expression.as_deref(), Some("pii.EMAIL_ADDRESS >1"));
    let last = keys(state, &[Key::Char('2'), Key::Char('G')]);
    assert_eq!(last.rule, 2);
    assert!(screen(&last).contains("gopher.fr…ost_common_2grams"), "{}", screen(&last));
}

#[test]
fn documents_are_filtered_and_walked_through() {
    let state = keys(state(), &[Key::Char('3'), Key::PageDown, Key::Down]);
    assert_eq!((state.list.cursor, state.list.top), (21, 1));
    let state = keys(state, &[Key::Char('G')]);
    assert_eq!((state.list.cursor, state.list.top), (999, 979));
    assert_eq!(state.clone().resized(80, 12).list.top, 991);
    let kept = keys(state, &[Key::Char('t')]);
    assert_eq!((kept.list.filter.kept, kept.list.cursor), (Some(true), 0));
    assert_eq!(keys(kept.clone(), &[Key::Char('t'), Key::Char('t')]).list.filter, Filter::default());
    let typed: Vec<Key> = "sabc".chars().map(Key::Char).chain([Key::Enter]).collect();
    let state = keys(kept, &typed);
    assert_eq!((state.list.filter.text.as_deref(), state.list.len()), (Some("abc"), 3));
    assert!(screen(&state).contains("kept · words `abc`"), "{}", screen(&state));
    // What cannot be found leaves the list as it was.
    let typed: Vec<Key> = "s"
        .chars()
        .map(Key::Char)
        .chain([Key::Ctrl('u')])
        .chain("gone".chars().map(Key::Char))
        .chain([Key::Enter])
        .collect();
    let state = keys(state, &typed);
    assert_eq!((state.list.filter.text.as_deref(), state.list.len()), (Some("abc"), 3));
    assert!(screen(&state).contains("it went wrong"));
    assert_eq!(
        keys(state.clone(), &[Key::Char('/'), Key::Char('x'), Key::Esc]).list.filter,
        state.list.filter
    );
}

#[test]
fn a_document_shows_what_was_found_and_what_was_cut() {
    let state = keys(state(), &[Key::Char('3'), Key::Down, Key::Enter]);
    insta::assert_snapshot!("document", screen(&state));
    insta::assert_snapshot!("document_small", screen(&state.clone().resized(40, 10)));
    // Spans, one after the other; then those of one attribute.
    let open = |state: &State| state.open.last().unwrap().clone();
    let last = keys(state.clone(), &[Key::Char('N')]);
    assert_eq!(open(&last).at, Some(2));
    assert!(open(&last).scroll > 20 && screen(&last).contains("you@y.org, e·[31mvil"), "{}", screen(&last));
    assert_eq!(keys(last, &[Key::Char('n')]).open[0].at, Some(0));
    let one = keys(state.clone(), &[Key::Char('a'), Key::Char('a')]);
    assert_eq!((open(&one).attribute, open(&one).stops().len()), (Some(1), 1));
    assert_eq!(open(&keys(one, &[Key::Char('a')])).attribute, None);
    let values = keys(state.clone(), &[Key::Char('v')]);
    assert!(screen(&values).contains("  pii.EMAIL_ADDRESS 2"), "{}", screen(&values));
    // Words are looked for in this document.
    let typed: Vec<Key> = "sPAGE".chars().map(Key::Char).chain([Key::Enter]).collect();
    assert!(screen(&keys(state.clone(), &typed)).contains("does not occur"));
    let typed: Vec<Key> = "spage".chars().map(Key::Char).chain([Key::Enter]).collect();
    let found = keys(state.clone(), &typed);
    assert_eq!((open(&found).hits.len(), open(&found).at), (40, Some(0)));
    assert!(screen(&found).contains("hit 1 of 40 of `page`"), "{}", screen(&found));
    // To the representative, back, and to the neighbours.
    let copy = keys(state, &[Key::Char('r')]);
    assert_eq!((copy.open.len(), open(&copy).ordinal), (2, 12));
    let state = keys(copy, &[Key::Esc]);
    assert_eq!(open(&state).ordinal, 1);
    let state = keys(state, &[Key::Right, Key::Char('r')]);
    assert_eq!(
        (open(&state).ordinal, state.note.as_deref()),
        (2, Some("it is no copy of a document that stayed"))
    );
    let state = keys(state, &[Key::Left, Key::Left, Key::Left]);
    assert_eq!((open(&state).ordinal, state.note.as_deref()), (0, Some("this is the first one")));
    assert_eq!(keys(state, &[Key::Char('q')]).view, View::Documents);
}

#[test]
fn a_document_without_text_says_why() {
    let state = keys(state(), &[Key::Char('3')]).key(Key::Enter);
    assert_eq!(state.wants_document(), Some(0));
    assert!(screen(&state).contains("being read"));
    let gone = Document { text: Err("`data/wiki.jsonl` has changed since".into()), ..document(0) };
    let state = state.loaded(0, gone);
    assert!(screen(&state).contains("no text: `data/wiki.jsonl` has changed since"));
    let _ = keys(state, &[Key::Char('n'), Key::Char('a'), Key::Char('v'), Key::Char('G'), Key::PageUp]);
}

#[test]
fn what_a_document_looks_like_has_colours_or_signs() {
    let state = keys(state(), &[Key::Char('3'), Key::Down, Key::Enter]);
    let plain = drawn(&state, PLAIN);
    let buffer = plain.backend().buffer();
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let struck: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::CROSSED_OUT))
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(struck, "[-me@x.org-]");
    let colour = drawn(&state, Theme { colour: true });
    let marked: String = colour
        .backend()
        .buffer()
        .content()
        .iter()
        .filter(|cell| cell.bg == Color::Yellow)
        .map(|cell| cell.symbol())
        .collect();
    assert!(marked.contains("me@x.org") && marked.contains("Write"), "{marked}");
}

#[test]
fn help_and_every_size_can_be_drawn() {
    let state = keys(state(), &[Key::Char('?')]);
    insta::assert_snapshot!("help", screen(&state));
    let small = keys(state.clone().resized(40, 10), &[Key::Char('G')]);
    assert!(screen(&small).contains("this help"));
    assert_eq!(keys(small, &[Key::Esc]).help, None);
    let state = keys(state, &[Key::Esc]).drawn(0, Some(histogram()));
    for view in [
        &[Key::Char('1')][..],
        &[Key::Char('2')],
        &[Key::Char('3')],
        &[Key::Char('3'), Key::Enter, Key::Char('n')],
    ] {
        let state = keys(state.clone(), view);
        for (columns, lines) in [(1, 1), (5, 40), (10, 3), (12, 4), (20, 6), (69, 9), (70, 9), (300, 90)] {
            let state = served(state.clone().resized(columns, lines));
            drawn(&state, PLAIN);
            drawn(&keys(state, &[Key::Down, Key::End, Key::Char('/')]), PLAIN);
        }
    }
    assert_eq!(state.key(Key::Ctrl('c')).over, Some(130));
}
