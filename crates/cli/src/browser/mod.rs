//! The corpus browser: `regimen corpus inspect` on a terminal.
//!
//! [`state`] is what is shown, and says what it wants; [`keys`] leads from one state to the next; [`draw`] draws it; none
//! of them reads anything. [`load`] gets what is wanted, the long work on threads of its own.

mod data;
mod draw;
mod keys;
mod line;
mod load;
mod state;
#[cfg(test)]
mod tests;
mod text;

use ratatui::Frame;
use regimen_corpus::Corpus;
use regimen_corpus::inspect::{Filter, Originals};

use self::load::Loader;
use self::state::State;
use crate::interrupt;
use crate::terminal::{Key, Show, Theme, run};

/// Show the corpus called `title` until the user leaves; at first the documents that `filter` lets through, if it is one.
/// Gives back the exit code.
pub fn browse(corpus: Corpus, originals: Originals, title: String, filter: Filter) -> anyhow::Result<u8> {
    let theme = Theme::of_environment();
    let loader = Loader::new(corpus, originals, theme)?;
    let state = State::new(loader.summary(title)?, filter);
    let cancel = interrupt::install(true)?;
    run(&mut Browser { state, loader, theme }, &cancel)
}

struct Browser {
    state: State,
    loader: Loader,
    theme: Theme,
}

impl Show for Browser {
    fn resized(&mut self, columns: u16, lines: u16) {
        self.state = self.state.clone().resized(columns, lines);
    }

    fn key(&mut self, key: Key) {
        self.state = self.state.clone().key(key);
    }

    fn tick(&mut self) -> bool {
        let (state, news) = self.loader.serve(self.state.clone());
        self.state = state;
        news
    }

    fn draw(&self, frame: &mut Frame) {
        draw::draw(frame, &self.state, self.theme);
    }

    fn over(&self) -> Option<u8> {
        self.state.over
    }
}
