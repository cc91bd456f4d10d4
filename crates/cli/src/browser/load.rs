//! Getting what the state wants: a few lines at once, all that may take long on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use regimen_base::{Hint, units};
use regimen_corpus::Corpus;
use regimen_corpus::inspect::{
    self, Error, Filter, Histogram, Measure, Originals, Piece, Task, histograms, matching, measures, pieces,
};
use regimen_corpus::tag::Shape;

use super::data::{Document, Listing, Measured, Row, Step, Summary, Threshold, Value};
use super::state::State;
use super::text::Text;
use crate::output::Explain;
use crate::terminal::Theme;

/// Bars of a histogram: as many as a wide window has columns for.
const BARS: usize = 96;
/// Lines of the list that are read beyond those on the screen, so that not every key reads.
const AHEAD: usize = 64;
/// What takes less is waited for, so that nothing flickers.
const SHORT: Duration = Duration::from_millis(30);

/// What all threads look at.
struct Source {
    corpus: Corpus,
    originals: Originals,
    measures: Vec<Measure>,
    theme: Theme,
}

/// What came from a thread.
enum News {
    Found(Filter, Result<(Listing, usize), String>),
    Drawn(usize, Option<Histogram>),
    Loaded(u32, Document),
    Failed(String),
}

/// Gets things.
pub struct Loader {
    source: Arc<Source>,
    send: Sender<News>,
    receive: Receiver<News>,
    list: Option<(Filter, Arc<Task>)>,
    document: Option<(u32, Arc<Task>)>,
    pictures: Option<Arc<Task>>,
}

impl Loader {
    pub fn new(corpus: Corpus, originals: Originals, theme: Theme) -> anyhow::Result<Loader> {
        let measures = measures(&corpus, &originals).explain()?;
        let (send, receive) = channel();
        let source = Arc::new(Source { corpus, originals, measures, theme });
        Ok(Loader { source, send, receive, list: None, document: None, pictures: None })
    }

    /// What is known from the start.
    pub fn summary(&self, title: String) -> anyhow::Result<Summary> {
        let corpus = &self.source.corpus;
        let (names, funnel) = (corpus.names(), corpus.funnel().explain()?);
        let number = |name: &str| names.reasons.iter().position(|reason| reason.name == name);
        let step = |step: regimen_corpus::Step| Step {
            reason: number(&step.step).filter(|_| !step.reason.is_empty()).map(|i| i as u16 + 1),
            name: step.step,
            text: step.reason,
            dropped: step.dropped.documents,
            left: step.left.documents,
            bytes: step.left.bytes,
        };
        let measured = |measure: &Measure| Measured {
            name: measure.name.clone(),
            doc: measure.doc.clone(),
            limits: measure
                .limits
                .iter()
                .map(|limit| Threshold { reason: limit.reason.clone(), at: limit.at, text: limit.text() })
                .collect(),
        };
        Ok(Summary {
            title,
            limited: funnel.limited,
            steps: funnel.steps.into_iter().map(step).collect(),
            reasons: names.reasons.iter().map(|r| (r.name.clone(), r.text.clone())).collect(),
            sources: names.sources.iter().map(|source| source.name.clone()).collect(),
            measures: self.source.measures.iter().map(measured).collect(),
        })
    }

    /// Start what is wanted, stop what no longer is, and take what has come. Whether the state is another one now.
    pub fn serve(&mut self, mut state: State) -> (State, bool) {
        let before = (state.work, state.list.rows_at, state.list.rows.len());
        let mut news = false;
        let started = self.start(&state);
        let first = if started { self.receive.recv_timeout(SHORT).ok() } else { None };
        for one in first.into_iter().chain(self.receive.try_iter()) {
            news = true;
            state = match one {
                News::Found(filter, found) => state.found(filter, found),
                News::Drawn(measure, histogram) => state.drawn(measure, histogram),
                News::Loaded(ordinal, document) => state.loaded(ordinal, document),
                News::Failed(why) => State { note: Some(why), ..state },
            };
        }
        if state.wants_list() == Some(&Filter::default()) {
            let all = Listing::All(self.source.corpus.len() as u32);
            state = state.found(Filter::default(), Ok((all, 0)));
            news = true;
        }
        if let Some(wanted) = state.wants_rows() {
            let from = wanted.start.saturating_sub(AHEAD);
            let rows = (from..wanted.end + AHEAD).map_while(|line| state.list.ordinal(line));
            let rows = rows.map(|ordinal| self.source.row(ordinal)).collect();
            state = state.rows(from, rows);
        }
        state.work = self.work(&state);
        let now = (state.work, state.list.rows_at, state.list.rows.len());
        (state, news || now != before)
    }

    /// Whether something was started.
    fn start(&mut self, state: &State) -> bool {
        let mut started = false;
        let wanted = state.wants_list().filter(|filter| **filter != Filter::default());
        if self.list.as_ref().map(|(filter, _)| filter) != wanted {
            stop(self.list.take().map(|(_, task)| task));
            if let Some(filter) = wanted {
                let (filter, task) = (filter.clone(), Arc::new(Task::default()));
                self.list = Some((filter.clone(), task.clone()));
                started |= self.spawn(move |source, send| {
                    match matching(&source.corpus, &source.originals, &filter, &task) {
                        Err(Error::Stopped) => {}
                        found => {
                            let found =
                                found.map(|(all, absent)| (Listing::Some(Arc::new(all)), absent.len()));
                            let _ = send.send(News::Found(filter, found.map_err(|error| told(&error))));
                        }
                    }
                });
            }
        }
        let wanted = state.wants_document();
        if self.document.as_ref().map(|(ordinal, _)| *ordinal) != wanted {
            stop(self.document.take().map(|(_, task)| task));
            if let Some(ordinal) = wanted {
                let task = Arc::new(Task::default());
                self.document = Some((ordinal, task.clone()));
                started |= self.spawn(move |source, send| match source.document(ordinal, &task) {
                    Err(Error::Stopped) => {}
                    Ok(document) => drop(send.send(News::Loaded(ordinal, document))),
                    Err(error) => {
                        drop(send.send(News::Loaded(ordinal, source.damaged(ordinal, told(&error)))));
                    }
                });
            }
        }
        if state.measuring && self.pictures.is_none() {
            let task = Arc::new(Task::default());
            self.pictures = Some(task.clone());
            started |= self.spawn(move |source, send| {
                let done = histograms(&source.corpus, &source.measures, BARS, &task, &mut |i, histogram| {
                    let _ = send.send(News::Drawn(i, histogram));
                    Ok(())
                });
                if let Err(error) = done {
                    let _ = send.send(News::Failed(told(&error)));
                }
            });
        }
        started
    }

    fn spawn(&self, work: impl FnOnce(&Source, &Sender<News>) + Send + 'static) -> bool {
        let (source, send) = (self.source.clone(), self.send.clone());
        let started = std::thread::Builder::new().spawn(move || work(&source, &send));
        if let Err(error) = &started {
            let _ = self.send.send(News::Failed(format!("no thread can be started: {error}")));
        }
        true
    }

    fn work(&self, state: &State) -> Option<(&'static str, Option<f64>)> {
        // Steps of a hundredth, so that not every tick draws.
        let share = |task: &Task| task.share().map(|share| (100.0 * share).floor() / 100.0);
        match (&self.list, &self.document, &self.pictures) {
            (Some((filter, task)), ..) if state.wants_list() == Some(filter) => {
                Some(("looking for documents", share(task)))
            }
            (_, Some((ordinal, _)), _) if state.wants_document() == Some(*ordinal) => {
                Some(("reading the source", None))
            }
            (.., Some(task))
                if task.share().is_none_or(|share| share < 1.0)
                    && state.view == super::state::View::Rules =>
            {
                Some(("measuring", share(task)))
            }
            _ => None,
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        stop(self.list.take().map(|(_, task)| task));
        stop(self.document.take().map(|(_, task)| task));
        stop(self.pictures.take());
    }
}

fn stop(task: Option<Arc<Task>>) {
    if let Some(task) = task {
        task.stop();
    }
}

/// An error with its hint, on one line.
fn told(error: &Error) -> String {
    match error {
        // It points with a caret at a place, which a line has not.
        Error::Corpus(regimen_corpus::Error::Expression { reason, hint, .. }) => format!("{reason}: {hint}"),
        error => match error.hint() {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        },
    }
}

impl Source {
    fn fate(&self, ordinal: u32) -> String {
        let row = self.corpus.row(ordinal);
        row.dropped.map_or(row.split.to_string(), |reason| self.corpus.reason_name(reason).into())
    }

    fn row(&self, ordinal: u32) -> Row {
        let row = self.corpus.row(ordinal);
        Row {
            name: self.corpus.name(ordinal),
            bytes: row.bytes.into(),
            kept: row.kept(),
            fate: self.fate(ordinal),
        }
    }

    /// A document of which nothing but the row can be read.
    fn damaged(&self, ordinal: u32, why: String) -> Document {
        let (corpus, row) = (&self.corpus, self.corpus.row(ordinal));
        let fate = match row.dropped {
            Some(reason) => {
                format!("dropped: {} ({})", corpus.reason_name(reason), corpus.reason_text(reason))
            }
            None => format!("kept, {}", row.split),
        };
        let facts = [
            format!("{}  {}", corpus.place(ordinal), units::bytes(row.bytes.into())),
            format!("{}  author {}  key {}", corpus.licence_name(row.licence), row.author, row.key),
        ];
        Document {
            name: corpus.name(ordinal),
            kept: row.kept(),
            fate,
            facts: facts.into(),
            representative: row.representative.map(|ordinal| (ordinal, corpus.name(ordinal))),
            values: Vec::new(),
            text: Err(why),
        }
    }

    fn document(&self, ordinal: u32, task: &Task) -> inspect::Result<Document> {
        let (corpus, row) = (&self.corpus, self.corpus.row(ordinal));
        let text = match self.originals.text(corpus, ordinal, task)? {
            Err(why) => Err(why),
            Ok(source) => {
                let map = if row.kept() { corpus.keep_map(ordinal)? } else { None };
                let cut = map.and_then(|map| pieces(&source, &map, &corpus.names().replacements));
                let cut = cut.unwrap_or_else(|| vec![Piece::Kept(0, &source)]);
                let spans = |tagged: regimen_corpus::Tagged| {
                    let name = tagged.attribute.full();
                    let range = |span: &regimen_corpus::tag::Span| span.start as usize..span.end as usize;
                    (name, tagged.spans.iter().map(range).collect())
                };
                let tags = corpus.tags(ordinal)?.into_iter();
                let tags = tags.filter(|tagged| tagged.attribute.shape == Shape::Spans).map(spans);
                Ok(Arc::new(Text::new(&cut, tags.collect(), !self.theme.colour)))
            }
        };
        let numbers = inspect::values(corpus, &self.measures, ordinal)?;
        let own = row.dropped.map_or("", |reason| corpus.reason_name(reason));
        let value = |(measure, value): (&Measure, Option<f64>)| {
            let value = value?;
            let limits = measure.limits.iter().map(|limit| (limit.text(), limit.falls(value))).collect();
            Some((measure.cuts(own), Value { name: measure.name.clone(), value, limits }))
        };
        let mut values: Vec<(bool, Value)> = self.measures.iter().zip(numbers).filter_map(value).collect();
        // First what dropped it, then what has thresholds.
        values.sort_by_key(|(own, value)| (!own, value.limits.is_empty()));
        let values = values.into_iter().map(|(_, value)| value).collect();
        let mut document = self.damaged(ordinal, String::new());
        // Labels, such as the language, are no numbers.
        let labels = corpus.tags(ordinal)?;
        let labels = labels
            .iter()
            .filter_map(|tagged| tagged.label().map(|label| format!("{} {label}", tagged.attribute.full())));
        let labels = labels.collect::<Vec<_>>().join("  ");
        document.facts.extend((!labels.is_empty()).then_some(labels));
        Ok(Document { values, text, ..document })
    }
}
