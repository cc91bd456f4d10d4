//! Who wrote a document.

use serde::{Deserialize, Serialize};

/// The kind of a document's author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// Nobody said.
    #[default]
    Unknown,
    /// People.
    Human,
    /// A model or a program.
    Machine,
    /// Both.
    Mixed,
}

impl Author {
    /// All kinds, in the order of their codes.
    pub const ALL: [Author; 4] = [Author::Unknown, Author::Human, Author::Machine, Author::Mixed];

    /// The word for it in recipes and rows.
    pub fn name(self) -> &'static str {
        ["unknown", "human", "machine", "mixed"][self as usize]
    }

    /// The kind called `name`.
    pub fn parse(name: &str) -> Option<Author> {
        Author::ALL.into_iter().find(|author| author.name() == name)
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Author {
        Author::ALL.get(usize::from(code)).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_go_back_and_forth() {
        for author in Author::ALL {
            assert_eq!(Author::parse(author.name()), Some(author));
            assert_eq!(Author::from_code(author.code()), author);
        }
        assert_eq!(Author::parse("robot"), None);
        assert_eq!(Author::from_code(77), Author::Unknown);
    }
}
