//! A line of text that is being typed.

use crate::terminal::Key;

/// The text and the place in it, in characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    chars: Vec<char>,
    at: usize,
}

impl Line {
    /// With a text to begin with, and the place behind it.
    pub fn new(text: &str) -> Line {
        let chars: Vec<char> = text.chars().collect();
        Line { at: chars.len(), chars }
    }

    pub fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// What stands before the place.
    pub fn before(&self) -> String {
        self.chars[..self.at].iter().collect()
    }

    /// Type a key.
    pub fn key(&mut self, key: Key) {
        match key {
            Key::Char(c) => {
                self.chars.insert(self.at, c);
                self.at += 1;
            }
            Key::Backspace if self.at > 0 => {
                self.at -= 1;
                self.chars.remove(self.at);
            }
            Key::Delete if self.at < self.chars.len() => {
                self.chars.remove(self.at);
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.chars.len()),
            Key::Home | Key::Ctrl('a') => self.at = 0,
            Key::End | Key::Ctrl('e') => self.at = self.chars.len(),
            Key::Ctrl('u') => {
                self.chars.drain(..self.at);
                self.at = 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_the_line() {
        let mut line = Line::new("é < 5");
        for key in [
            Key::Left,
            Key::Backspace,
            Key::Char('='),
            Key::Char('='),
            Key::Home,
            Key::Delete,
            Key::Char('b'),
        ] {
            line.key(key);
        }
        assert_eq!((line.text().as_str(), line.before().as_str()), ("b <==5", "b"));
        for key in
            [Key::Left, Key::Left, Key::Backspace, Key::End, Key::Delete, Key::Ctrl('u'), Key::Backspace]
        {
            line.key(key);
        }
        assert_eq!(line, Line::default());
    }
}
