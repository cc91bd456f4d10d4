//! What keys do.

use regimen_base::control::Request;

use super::state::{Axis, Facts, Place, SMOOTH, State, TABS, Tab, Want};
use crate::terminal::Key;

/// Keys and what they do, as the help shows them.
pub const KEYS: [(&str, &str); 24] = [
    ("Tab  1 2 3 4 5", "curves, samples, funnel, log, system"),
    ("↑ ↓  j k", "other series; scroll"),
    ("PgUp PgDn  space", "a screen up, down"),
    ("g G  Home End", "first, last; the log follows its end"),
    ("[ ]", "the stage before, after; the one at work behind the last"),
    ("", ""),
    ("p", "pause after the step, or go on"),
    ("r", "go on"),
    ("s", "stop: finish the step, write a checkpoint"),
    ("d", "detach: give the screen back, the run goes on"),
    ("q", "leave; asks while the run is at work"),
    ("Ctrl-C", "stop the run and give the screen back (watch: leave)"),
    ("", ""),
    ("", "Curves:"),
    ("w", "the whole history, or its end"),
    ("+ -", "more, less smoothing (a debiased mean; the curve itself stays faint)"),
    ("l", "logarithmic axis"),
    ("x", "over steps, tokens, or time"),
    ("", "Samples:"),
    ("← →  h", "the step before, after"),
    ("", "Log:"),
    ("f", "all events, or those that are not numbers"),
    ("", ""),
    ("?", "this help"),
];

impl State {
    /// The state after a key.
    #[must_use]
    pub fn key(mut self, key: Key, facts: &Facts) -> State {
        self.note = None;
        if key == Key::Ctrl('c') {
            self.want = Some(match self.place {
                Place::Run if facts.alive => Want::StopAndDetach,
                _ => Want::Leave,
            });
            return self;
        }
        if let Some(top) = self.help {
            self.help = match key {
                Key::Down | Key::Char('j') => Some((top + 1).min(KEYS.len() - 1)),
                Key::Up | Key::Char('k') => Some(top.saturating_sub(1)),
                Key::PageDown | Key::Char(' ') => Some((top + self.body()).min(KEYS.len() - 1)),
                Key::PageUp => Some(top.saturating_sub(self.body())),
                _ => None,
            };
            return self;
        }
        if let Some(choice) = self.leaving {
            return self.leave_key(choice, key);
        }
        match key {
            Key::Char('?') => self.help = Some(0),
            Key::Char(c @ '1'..='5') => self.tab = TABS[c as usize - '1' as usize].0,
            Key::Tab | Key::BackTab => {
                let here = TABS.iter().position(|(tab, _)| *tab == self.tab).unwrap_or(0);
                let next = if key == Key::Tab { here + 1 } else { here + TABS.len() - 1 };
                self.tab = TABS[next % TABS.len()].0;
            }
            Key::Char('q') if facts.alive => self.leaving = Some(0),
            Key::Char('q') => self.want = Some(Want::Leave),
            Key::Char('d') => {
                self.want = Some(if self.place == Place::Run { Want::Detach } else { Want::Leave });
            }
            Key::Char('p' | 'r' | 's') => self.control(key, facts),
            Key::Char('[') => {
                let here = self.run.unwrap_or(facts.runs);
                self.run = Some(here.saturating_sub(1).min(facts.runs.saturating_sub(1)));
                (self.sample, self.scroll, self.line) = (None, 0, None);
            }
            Key::Char(']') => {
                self.run = self.run.map(|run| run + 1).filter(|run| *run < facts.runs);
                (self.sample, self.scroll, self.line) = (None, 0, None);
            }
            _ => return self.tab_key(key, facts),
        }
        self
    }

    fn leave_key(mut self, choice: usize, key: Key) -> State {
        let choices = self.choices();
        let taken = match key {
            Key::Down | Key::Char('j') | Key::Tab => {
                self.leaving = Some((choice + 1) % choices.len());
                return self;
            }
            Key::Up | Key::Char('k') | Key::BackTab => {
                self.leaving = Some((choice + choices.len() - 1) % choices.len());
                return self;
            }
            Key::Enter => choice,
            Key::Char(c @ '1'..='3') => c as usize - '1' as usize,
            Key::Esc | Key::Char('q' | 'n') => choices.len() - 1,
            _ => return self,
        };
        (self.leaving, self.want) = (None, choices[taken].1);
        self
    }

    fn control(&mut self, key: Key, facts: &Facts) {
        if !facts.alive {
            self.note = Some("the run is over: there is nothing to pause or to stop".into());
            return;
        }
        self.want = Some(Want::Ask(match key {
            Key::Char('s') => Request::Stop,
            Key::Char('p') if !facts.paused => Request::Pause,
            _ => Request::Resume,
        }));
    }

    fn tab_key(mut self, key: Key, facts: &Facts) -> State {
        match self.tab {
            Tab::Curves => self.curves_key(key, facts),
            Tab::Samples => self.samples_key(key, facts),
            Tab::Funnel => {
                let moved = moved(key, self.step as u64, facts.steps.saturating_sub(1) as u64, self.body());
                self.step = moved.map_or(self.step, |step| step as usize);
            }
            Tab::Log if key == Key::Char('f') => (self.remarks, self.line) = (!self.remarks, None),
            Tab::Log => {
                let last = self.log_lines(facts).saturating_sub(self.body() as u64);
                if let Some(line) = moved(key, self.log_top(facts), last, self.body()) {
                    // At the end it follows.
                    self.line = Some(line).filter(|line| *line < last);
                }
            }
            Tab::System => {}
        }
        self
    }

    fn curves_key(&mut self, key: Key, facts: &Facts) {
        match key {
            Key::Char('w') => self.whole = !self.whole,
            Key::Char('+' | '=') => self.smooth = (self.smooth + 1).min(SMOOTH.len() - 1),
            Key::Char('-' | '_') => self.smooth = self.smooth.saturating_sub(1),
            Key::Char('l') => self.log = !self.log,
            Key::Char('x') => {
                self.axis = match self.axis {
                    Axis::Step => Axis::Tokens,
                    Axis::Tokens => Axis::Time,
                    Axis::Time => Axis::Step,
                };
            }
            _ => {
                let last = facts.series.saturating_sub(1) as u64;
                let moved = moved(key, (self.series as u64).min(last), last, self.body());
                self.series = moved.map_or(self.series, |series| series as usize);
            }
        }
    }

    fn samples_key(&mut self, key: Key, facts: &Facts) {
        let here = self.sample_at(facts);
        let last = facts.samples.saturating_sub(1);
        let to = match key {
            Key::Left | Key::Char('h') => here.saturating_sub(1),
            Key::Right => (here + 1).min(last),
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => last,
            _ => {
                let end = facts.sample_lines.saturating_sub(self.body().saturating_sub(1)) as u64;
                let moved = moved(key, self.scroll as u64, end, self.body());
                self.scroll = moved.map_or(self.scroll, |line| line as usize);
                return;
            }
        };
        // At the end it follows.
        (self.sample, self.scroll) = (Some(to).filter(|to| *to < last), 0);
    }
}

/// Where a key leads from `at` in 0..=`last`, on a screen of so many lines; none if it leads nowhere.
fn moved(key: Key, at: u64, last: u64, page: usize) -> Option<u64> {
    let page = page.saturating_sub(1).max(1) as u64;
    Some(match key {
        Key::Up | Key::Char('k') => at.saturating_sub(1),
        Key::Down | Key::Char('j') => (at + 1).min(last),
        Key::PageUp => at.saturating_sub(page),
        Key::PageDown | Key::Char(' ') => (at + page).min(last),
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => last,
        _ => return None,
    })
}
