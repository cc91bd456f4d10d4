//! What keys do.

use regimen_corpus::inspect::Filter;

use super::line::Line;
use super::state::{Asked, Open, State, View};
use crate::output::INTERRUPTED;
use crate::terminal::Key;

/// Keys and what they do, as the help shows them.
pub const KEYS: [(&str, &str); 19] = [
    ("↑ ↓  j k", "up, down"),
    ("← →  h l", "back, open; in a document the one before, the next"),
    ("PgUp PgDn  space", "a screen up, down"),
    ("g G  Home End", "first, last"),
    ("Tab  1 2 3", "funnel, rules, documents"),
    ("Enter", "the documents of a step or rule; open one"),
    ("Esc", "back; takes filters away"),
    ("q", "back; leave"),
    ("/", "documents by an expression: gopher.word_count < 50"),
    ("s", "search words; a capital makes case count"),
    ("t", "all documents, kept ones, dropped ones"),
    ("", ""),
    ("", "In a document:"),
    ("n N", "next, previous hit or span"),
    ("a", "spans of all attributes, or of one after the other"),
    ("v", "its numbers, or its text"),
    ("r", "what stayed in place of a copy"),
    ("", ""),
    ("?", "this help"),
];

impl State {
    /// The state after a key.
    #[must_use]
    pub fn key(mut self, key: Key) -> State {
        self.note = None;
        if key == Key::Ctrl('c') {
            self.over = Some(INTERRUPTED);
            return self;
        }
        if let Some(top) = self.help {
            return self.help_key(top, key);
        }
        if self.prompt.is_some() {
            return self.typed(key);
        }
        match key {
            Key::Char('?') => self.help = Some(0),
            Key::Char('1') => return self.show(View::Funnel),
            Key::Char('2') => return self.show(View::Rules),
            Key::Char('3') => return self.show(View::Documents),
            Key::Tab | Key::BackTab => {
                let next = match (self.view, key == Key::Tab) {
                    (View::Funnel, true) | (View::Documents | View::Document, false) => View::Rules,
                    (View::Rules, true) | (View::Funnel, false) => View::Documents,
                    _ => View::Funnel,
                };
                return self.show(next);
            }
            Key::Char('/') => {
                let before = self.list.filter.expression.clone().unwrap_or_default();
                self.prompt = Some((Asked::Expression, Line::new(&before)));
            }
            Key::Char('s') => {
                let before = match (self.view, self.open.last()) {
                    (View::Document, Some(open)) => open.words.clone(),
                    _ => self.list.filter.text.clone(),
                };
                self.prompt = Some((Asked::Words, Line::new(&before.unwrap_or_default())));
            }
            Key::Char('q') if self.view != View::Document => self.over = Some(0),
            Key::Char('t') if self.view != View::Document => {
                let filter = &mut self.list.filter;
                (filter.kept, filter.reason) = match filter.kept {
                    None => (Some(true), None),
                    Some(true) => (Some(false), None),
                    Some(false) => (None, None),
                };
                return self.show(View::Documents);
            }
            key => {
                return match self.view {
                    View::Funnel => self.funnel_key(key),
                    View::Rules => self.rules_key(key),
                    View::Documents => self.list_key(key),
                    View::Document => self.document_key(key),
                };
            }
        }
        self
    }

    fn show(mut self, view: View) -> State {
        self.measuring |= view == View::Rules;
        self.view = view;
        self.open.clear();
        self
    }

    fn help_key(mut self, top: usize, key: Key) -> State {
        let last = KEYS.len().saturating_sub(self.body());
        // Any other key takes it away.
        self.help = moved(key, top, last + 1, self.body());
        self
    }

    fn typed(mut self, key: Key) -> State {
        let Some((asked, mut line)) = self.prompt.take() else { return self };
        match key {
            Key::Esc => return self,
            Key::Enter => {}
            key => {
                line.key(key);
                self.prompt = Some((asked, line));
                return self;
            }
        }
        let text = line.text();
        let text = (!text.trim().is_empty()).then_some(text);
        let body = self.body();
        match (asked, self.view, self.open.last_mut()) {
            (Asked::Words, View::Document, Some(open)) => {
                open.search(text.as_deref().unwrap_or_default());
                open.step(1, body);
                if text.is_some() && open.hits.is_empty() {
                    self.note = Some("it does not occur in this document".into());
                }
                return self.clamped();
            }
            (Asked::Words, ..) => self.list.filter.text = text,
            (Asked::Expression, ..) => self.list.filter.expression = text,
        }
        self.show(View::Documents)
    }

    fn funnel_key(mut self, key: Key) -> State {
        let steps = self.summary.steps.len();
        if let Some(to) = moved(key, self.step, steps, self.body()) {
            self.step = to;
        } else if let (Key::Enter | Key::Right | Key::Char('l'), Some(step)) =
            (key, self.summary.steps.get(self.step))
        {
            self.list.filter = Filter { reason: step.reason, ..Filter::default() };
            return self.show(View::Documents);
        } else if key == Key::Esc {
            self.note = Some("q leaves".into());
        }
        self
    }

    fn rules_key(mut self, key: Key) -> State {
        let rules = self.summary.measures.len();
        if let Some(to) = moved(key, self.rule, rules, self.body() / 2) {
            self.rule = to;
            return self;
        }
        match (key, self.summary.measures.get(self.rule)) {
            (Key::Enter | Key::Right | Key::Char('l'), Some(measure)) => {
                let number = |name: &str| self.summary.reasons.iter().position(|reason| reason.0 == name);
                let reason = measure.limits.iter().find_map(|limit| number(&limit.reason));
                match reason {
                    Some(number) => {
                        self.list.filter = Filter { reason: Some(number as u16 + 1), ..Filter::default() };
                    }
                    // Nothing is dropped by it: ask for which numbers.
                    None => self.prompt = Some((Asked::Expression, Line::new(&format!("{} ", measure.name)))),
                }
                self.show(View::Documents)
            }
            (Key::Esc | Key::Left | Key::Char('h'), _) => self.show(View::Funnel),
            _ => self,
        }
    }

    fn list_key(mut self, key: Key) -> State {
        let height = self.list_height();
        let key = match key {
            Key::Char('n') => Key::Down,
            Key::Char('N') => Key::Up,
            key => key,
        };
        if let Some(to) = moved(key, self.list.cursor, self.list.len(), height) {
            self.list.go(to, height);
            return self;
        }
        match key {
            Key::Enter | Key::Right | Key::Char('l') => {
                if let Some(ordinal) = self.list.ordinal(self.list.cursor) {
                    self.open = vec![Open::new(ordinal, self.list.filter.text.clone())];
                    self.view = View::Document;
                }
                self
            }
            Key::Esc if self.list.filter != Filter::default() => {
                self.list.filter = Filter::default();
                self
            }
            Key::Esc | Key::Left | Key::Char('h') => self.show(View::Funnel),
            _ => self,
        }
    }

    fn document_key(mut self, key: Key) -> State {
        let (body, height) = (self.body(), self.text_height());
        let Some(open) = self.open.last_mut() else { return self.show(View::Documents) };
        let length = open.length();
        match key {
            Key::Esc | Key::Char('q') => {
                self.open.pop();
                if self.open.is_empty() {
                    return self.show(View::Documents);
                }
            }
            Key::Left | Key::Char('h') => return self.neighbour(-1),
            Key::Right | Key::Char('l') => return self.neighbour(1),
            Key::Char('n') => open.step(1, body),
            Key::Char('N') => open.step(-1, body),
            Key::Char('v') => (open.values, open.scroll) = (!open.values, 0),
            Key::Char('a') => {
                let count = match open.document.as_ref().map(|document| &document.text) {
                    Some(Ok(text)) => text.attributes.len(),
                    _ => 0,
                };
                open.attribute = match open.attribute {
                    None if count > 0 => Some(0),
                    Some(at) if at + 1 < count => Some(at + 1),
                    _ => None,
                };
                open.at = None;
            }
            Key::Char('r') => {
                let representative = open.document.as_ref().and_then(|d| d.representative.as_ref());
                match representative.map(|(ordinal, _)| *ordinal) {
                    Some(ordinal) => self.open.push(Open::new(ordinal, None)),
                    None => self.note = Some("it is no copy of a document that stayed".into()),
                }
            }
            key => {
                // The screen moves, not a cursor on it.
                if let Some(to) = moved(key, open.scroll, length.saturating_sub(height) + 1, height) {
                    open.scroll = to;
                }
            }
        }
        self.clamped()
    }

    /// Open the document before or behind the open one in the list.
    fn neighbour(mut self, by: isize) -> State {
        let to = self.list.cursor.checked_add_signed(by).filter(|to| *to < self.list.len());
        let Some(to) = to else {
            self.note = Some(if by < 0 { "this is the first one" } else { "this is the last one" }.into());
            return self;
        };
        let height = self.list_height();
        self.list.go(to, height);
        let values = self.open.last().is_some_and(|open| open.values);
        if let Some(ordinal) = self.list.ordinal(to) {
            let open = Open::new(ordinal, self.list.filter.text.clone());
            self.open = vec![Open { values, ..open }];
        }
        self
    }
}

/// Where a key moves to from line `at` of `length` lines, of which `height` are on the screen; none if it does not move.
fn moved(key: Key, at: usize, length: usize, height: usize) -> Option<usize> {
    let last = length.saturating_sub(1);
    let page = height.saturating_sub(1).max(1);
    Some(match key {
        Key::Up | Key::Char('k') => at.saturating_sub(1),
        Key::Down | Key::Char('j') => (at + 1).min(last),
        Key::PageUp | Key::Ctrl('b') => at.saturating_sub(page),
        Key::PageDown | Key::Char(' ') | Key::Ctrl('f') => (at + page).min(last),
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => last,
        _ => return None,
    })
}
