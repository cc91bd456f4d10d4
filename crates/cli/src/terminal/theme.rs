//! Colours by what they mean. Without colours the same is said by weight, reversal, lines and signs.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Whether there are colours.
    pub colour: bool,
}

impl Theme {
    /// By the environment: `NO_COLOR` takes the colours away.
    pub fn of_environment() -> Theme {
        Theme { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn coloured(self, colour: Color, more: Modifier) -> Style {
        let style = Style::new().add_modifier(more);
        if self.colour { style.fg(colour) } else { style }
    }

    /// Names of things, heads of columns.
    pub fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    pub fn soft(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The line that keys act on.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What stayed.
    pub fn kept(self) -> Style {
        self.coloured(Color::Cyan, Modifier::empty())
    }

    /// What went.
    pub fn gone(self) -> Style {
        self.coloured(Color::Yellow, Modifier::empty())
    }

    /// A threshold, a warning.
    pub fn limit(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    /// Text that was cut out.
    pub fn cut(self) -> Style {
        self.coloured(Color::Red, Modifier::CROSSED_OUT)
    }

    /// Text that was put in.
    pub fn put(self) -> Style {
        self.coloured(Color::Green, Modifier::UNDERLINED)
    }

    /// A span that a tagger marked.
    pub fn mark(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Yellow)
        } else {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        }
    }

    /// What was searched for.
    pub fn hit(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Cyan)
        } else {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        }
    }
}
