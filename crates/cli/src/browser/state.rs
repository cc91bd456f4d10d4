//! What the browser shows, from one key to the next. The state reads nothing: it says what it wants, and is told.

use std::ops::Range;
use std::sync::Arc;

use regimen_corpus::inspect::{Filter, Histogram, Pattern};

use super::data::{Document, Listing, Picture, Row, Summary};
use super::line::Line;

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Funnel,
    Rules,
    Documents,
    /// The last one of [`State::open`].
    Document,
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Expression,
    Words,
}

/// The list of documents.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// What is wanted.
    pub filter: Filter,
    /// What is there, and the filter that it was found by.
    pub found: Option<(Filter, Listing)>,
    /// Documents of which it could not be told.
    pub absent: usize,
    /// The line that keys act on.
    pub cursor: usize,
    /// The first line on the screen.
    pub top: usize,
    /// Some lines around those on the screen, and the number of the first of them.
    pub rows: Vec<Row>,
    pub rows_at: usize,
}

impl List {
    pub fn len(&self) -> usize {
        self.found.as_ref().map_or(0, |(_, found)| found.len())
    }

    /// Number of the document in a line.
    pub fn ordinal(&self, line: usize) -> Option<u32> {
        self.found.as_ref()?.1.get(line)
    }

    /// Move the cursor, and what is on a screen of so many lines along.
    pub fn go(&mut self, line: usize, height: usize) {
        self.cursor = line.min(self.len().saturating_sub(1));
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(height));
    }
}

/// A document that is open.
#[derive(Clone, Debug, Default)]
pub struct Open {
    pub ordinal: u32,
    /// Once it is there.
    pub document: Option<Arc<Document>>,
    /// Its lines at the width of the screen.
    pub lines: Arc<Vec<Range<usize>>>,
    /// The first line on the screen.
    pub scroll: usize,
    /// The attribute whose spans are shown; all if it is none.
    pub attribute: Option<usize>,
    /// What is searched for, and where it occurs.
    pub words: Option<String>,
    pub hits: Arc<Vec<Range<usize>>>,
    /// The hit or span that was gone to.
    pub at: Option<usize>,
    /// Whether its numbers are shown instead of its text.
    pub values: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    pub summary: Arc<Summary>,
    /// Columns and lines.
    pub size: (u16, u16),
    pub view: View,
    /// The step of the funnel that keys act on.
    pub step: usize,
    /// The measure that keys act on.
    pub rule: usize,
    pub pictures: Vec<Picture>,
    /// Whether pictures were ever looked at.
    pub measuring: bool,
    pub list: List,
    /// The open document, on top of those that led to it.
    pub open: Vec<Open>,
    pub prompt: Option<(Asked, Line)>,
    /// The first line of the help on the screen, if it is shown.
    pub help: Option<usize>,
    /// Something to say until the next key.
    pub note: Option<String>,
    /// What is being worked on, and how far that is.
    pub work: Option<(&'static str, Option<f64>)>,
    /// The exit code, once it is over.
    pub over: Option<u8>,
}

impl State {
    /// At the start: the documents if there is a filter, the funnel otherwise.
    pub fn new(summary: Summary, filter: Filter) -> State {
        let view = if filter == Filter::default() { View::Funnel } else { View::Documents };
        State {
            size: (80, 24),
            view,
            step: 0,
            rule: 0,
            pictures: vec![Picture::Awaited; summary.measures.len()],
            measuring: false,
            list: List { filter, ..List::default() },
            open: Vec::new(),
            prompt: None,
            help: None,
            note: None,
            work: None,
            over: None,
            summary: Arc::new(summary),
        }
    }

    /// The screen has another size.
    pub fn resized(mut self, columns: u16, lines: u16) -> State {
        self.size = (columns, lines);
        let height = self.list_height();
        self.list.go(self.list.cursor, height);
        for open in &mut self.open {
            // What is read stays on the screen.
            let first = open.lines.get(open.scroll).map_or(0, |line| line.start);
            open.wrap(columns);
            open.scroll = open.line_of(first);
        }
        self.clamped()
    }

    /// Lines between the title and the keys.
    pub fn body(&self) -> usize {
        usize::from(self.size.1).saturating_sub(2)
    }

    /// Documents on the screen: one line of the body says what they are.
    pub fn list_height(&self) -> usize {
        self.body().saturating_sub(1).max(1)
    }

    /// Lines of an open document that are on the screen.
    pub fn text_height(&self) -> usize {
        let head = self.open.last().map_or(0, |open| open.head(self.body()));
        self.body().saturating_sub(head).max(1)
    }

    pub(super) fn clamped(mut self) -> State {
        let height = self.text_height();
        if let Some(open) = self.open.last_mut() {
            open.scroll = open.scroll.min(open.length().saturating_sub(height));
        }
        self
    }

    /// The filter by which documents are to be found, unless that is done.
    pub fn wants_list(&self) -> Option<&Filter> {
        let done = self.list.found.as_ref().is_some_and(|(filter, _)| *filter == self.list.filter);
        let seen = matches!(self.view, View::Documents | View::Document);
        (seen && !done).then_some(&self.list.filter)
    }

    /// Lines of the list that are on the screen and not there.
    pub fn wants_rows(&self) -> Option<Range<usize>> {
        let wanted = self.list.top..(self.list.top + self.list_height()).min(self.list.len());
        let there = self.list.rows_at..self.list.rows_at + self.list.rows.len();
        let missing = wanted.start < there.start || wanted.end > there.end;
        (self.view == View::Documents && missing).then_some(wanted)
    }

    /// The document that is open and not there.
    pub fn wants_document(&self) -> Option<u32> {
        let open = self.open.last()?;
        (self.view == View::Document && open.document.is_none()).then_some(open.ordinal)
    }

    /// Documents were found, or why not; with the number of those of which it could not be told.
    pub fn found(mut self, filter: Filter, found: Result<(Listing, usize), String>) -> State {
        if filter != self.list.filter {
            return self;
        }
        match found {
            Ok((listing, absent)) => {
                self.list.found = Some((filter, listing));
                (self.list.absent, self.list.cursor, self.list.top) = (absent, 0, 0);
                self.list.rows.clear();
                if absent > 0 {
                    self.note = Some(format!("the source texts of {absent} documents are gone"));
                }
            }
            Err(why) => {
                self.note = Some(why);
                self.list.filter =
                    self.list.found.as_ref().map(|(filter, _)| filter.clone()).unwrap_or_default();
            }
        }
        self
    }

    /// Lines of the list, from number `at` on.
    pub fn rows(mut self, at: usize, rows: Vec<Row>) -> State {
        (self.list.rows_at, self.list.rows) = (at, rows);
        self
    }

    /// A histogram is there.
    pub fn drawn(mut self, measure: usize, histogram: Option<Histogram>) -> State {
        if let Some(picture) = self.pictures.get_mut(measure) {
            *picture = Picture::There(histogram.map(Arc::new));
        }
        self
    }

    /// A document is there.
    pub fn loaded(mut self, ordinal: u32, document: Document) -> State {
        let columns = self.size.0;
        let height = self.body();
        let document = Arc::new(document);
        for open in self.open.iter_mut().filter(|open| open.ordinal == ordinal && open.document.is_none()) {
            open.document = Some(document.clone());
            open.wrap(columns);
            if let Some(words) = open.words.take() {
                open.search(&words);
                open.step(1, height);
            }
        }
        self.clamped()
    }
}

impl Open {
    /// A document to be loaded.
    pub fn new(ordinal: u32, words: Option<String>) -> Open {
        Open { ordinal, words, ..Open::default() }
    }

    /// Lines above the text in a body of so many lines.
    pub fn head(&self, body: usize) -> usize {
        self.head_lines(body).len()
    }

    /// Lines of what scrolls.
    pub fn length(&self) -> usize {
        match &self.document {
            Some(document) if self.values => document.values.len(),
            _ => self.lines.len(),
        }
    }

    pub(super) fn wrap(&mut self, columns: u16) {
        let text = self.document.as_ref().and_then(|document| document.text.as_ref().ok());
        self.lines = Arc::new(text.map(|text| text.lines(usize::from(columns))).unwrap_or_default());
    }

    /// The line that a byte of the text stands in.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|line| line.start <= at).saturating_sub(1)
    }

    /// Look for words in the text, as the list is searched; none are looked for if they are empty.
    pub fn search(&mut self, words: &str) {
        let text = self.document.as_ref().and_then(|document| document.text.as_ref().ok());
        let places = match (text, Pattern::words(words)) {
            (Some(text), Ok(pattern)) => pattern.places(&text.shown),
            _ => Vec::new(),
        };
        self.words = (!words.is_empty()).then(|| words.into());
        (self.hits, self.at) = (Arc::new(places), None);
    }

    /// What `n` goes through: what was searched for, or the spans that are shown.
    pub fn stops(&self) -> Vec<Range<usize>> {
        let text = self.document.as_ref().and_then(|document| document.text.as_ref().ok());
        match text {
            _ if self.words.is_some() => self.hits.to_vec(),
            Some(text) => text.marks_of(self.attribute).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// Go to the next stop, or back to the one before.
    pub fn step(&mut self, by: isize, body: usize) {
        let stops = self.stops();
        let count = stops.len() as isize;
        if count == 0 {
            return;
        }
        let at = match self.at {
            Some(at) => (at as isize + by).rem_euclid(count),
            None if by < 0 => count - 1,
            None => 0,
        };
        self.at = Some(at as usize);
        self.values = false;
        // A third down the screen, so that what leads to it is seen.
        let line = self.line_of(stops[at as usize].start);
        self.scroll = line.saturating_sub(body.saturating_sub(self.head(body)) / 3);
    }

    /// What stands above the text, as far as a body of so many lines has room.
    pub fn head_lines(&self, body: usize) -> Vec<Head> {
        let mut lines = vec![Head::Name];
        let Some(document) = &self.document else { return lines };
        let mut more = vec![Head::Fate];
        more.extend((0..document.facts.len()).map(Head::Fact));
        more.extend(document.representative.as_ref().map(|_| Head::Copy));
        let falls = document.values.iter().enumerate().filter(|(_, v)| v.limits.iter().any(|limit| limit.1));
        more.extend(falls.take(3).map(|(i, _)| Head::Value(i)));
        more.extend(
            document.text.as_ref().is_ok_and(|text| !text.attributes.is_empty()).then_some(Head::Marks),
        );
        // The text has at least two thirds of a small screen, and half of any.
        let room = if body < 14 { body / 3 } else { body / 2 };
        more.truncate(room.saturating_sub(2));
        lines.extend(more);
        lines.push(Head::Line);
        lines
    }
}

/// A line above the text of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Name,
    Fate,
    Fact(usize),
    Copy,
    Value(usize),
    Marks,
    Line,
}
