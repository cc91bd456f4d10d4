//! A filter as words.

/// A word of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, a number, a date, or a text without quotes.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    /// `( ) [ ] , == != < <= > >= ~`
    Sign(&'static str),
}

const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "~", "(", ")", "[", "]", ","];

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Byte of the filter.
    pub at: usize,
    pub reason: String,
    pub hint: String,
}

pub fn wrong(at: usize, reason: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { at, reason: reason.into(), hint: hint.into() }
}

impl Wrong {
    /// The reason with the filter below it and a caret below the place.
    pub fn message(&self, filter: &str) -> String {
        let column = filter.get(..self.at).map_or(0, |before| before.chars().count());
        let line: String = filter.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{}\n    {line}\n    {}^", self.reason, " ".repeat(column))
    }
}

/// The words of a filter, each with the byte at which it begins.
pub fn tokens(filter: &str) -> Result<Vec<(usize, Token)>, Wrong> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = filter[at..].chars().next() {
        let rest = &filter[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '"' || c == '\'' {
            let length = rest[1..]
                .find(c)
                .ok_or_else(|| wrong(at, "the text has no end", format!("close it with {c}")))?;
            out.push((at, Token::Quoted(rest[1..=length].into())));
            at += length + 2;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push((at, Token::Sign(sign)));
            at += sign.len();
        } else if let Some((found, hint)) =
            [("=", "compare with `==`"), ("&", "write `and`"), ("|", "write `or`"), ("!", "write `not`")]
                .iter()
                .find(|(sign, _)| rest.starts_with(sign))
        {
            return Err(wrong(at, format!("`{found}` means nothing here"), *hint));
        } else {
            let end =
                rest.find(|c: char| c.is_whitespace() || "\"'()[],=!<>~&|".contains(c)).unwrap_or(rest.len());
            out.push((at, Token::Word(rest[..end].into())));
            at += end;
        }
    }
    Ok(out)
}
