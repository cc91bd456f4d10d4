//! An expression as words.

use crate::error::{Error, Result};

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, with the dots in it.
    Name(String),
    Number(f64),
    Text(String),
    /// `( ) [ ] , + - * / == != < <= > >=`
    Sign(&'static str),
}

const SIGNS: [&str; 16] =
    ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "+", "-", "*", "/", "="];

/// An error in `expression` at byte `at`.
pub(crate) fn fault(
    expression: &str,
    at: usize,
    reason: impl Into<String>,
    hint: impl Into<String>,
) -> Error {
    let column = expression.get(..at).map_or(0, |before| before.chars().count());
    Error::Expression {
        expression: expression.into(),
        caret: format!("{}^", " ".repeat(column)),
        reason: reason.into(),
        hint: hint.into(),
    }
}

/// The words of an expression, each with the byte at which it begins.
pub(crate) fn tokens(expression: &str) -> Result<Vec<(usize, Token)>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = expression[at..].chars().next() {
        let rest = &expression[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let mut end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                .unwrap_or(rest.len());
            if rest[..end].ends_with(['e', 'E']) && rest[end..].starts_with(['-', '+']) {
                end += 1;
                end += rest[end..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - end);
            }
            let number = rest[..end].replace('_', "").parse();
            let number = number.map_err(|_| {
                fault(
                    expression,
                    at,
                    format!("`{}` is not a number", &rest[..end]),
                    "write it like 100000, 0.25 or 1e-3",
                )
            })?;
            out.push((at, Token::Number(number)));
            at += end;
        } else if c.is_alphabetic() || c == '_' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@')))
                .unwrap_or(rest.len());
            out.push((at, Token::Name(rest[..end].into())));
            at += end;
        } else if c == '"' || c == '\'' {
            let (text, length) = text(expression, at, c)?;
            out.push((at, Token::Text(text)));
            at += length;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            if *sign == "=" {
                return Err(fault(expression, at, "`=` compares nothing", "compare with `==`"));
            }
            out.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            let hint = match c {
                '&' => "write `and`",
                '|' => "write `or`",
                '!' => "write `not`",
                _ => "an expression has names, numbers, texts in quotes, and, or, not, and comparisons",
            };
            return Err(fault(expression, at, format!("`{c}` means nothing here"), hint));
        }
    }
    Ok(out)
}

/// The names in an expression; none in what is no expression.
pub(crate) fn names(expression: &str) -> Vec<String> {
    let name = |(_, token)| if let Token::Name(name) = token { Some(name) } else { None };
    tokens(expression).unwrap_or_default().into_iter().filter_map(name).collect()
}

/// A text in quotes, and the bytes that it takes. A backslash stands before a quote or a backslash that is meant; before
/// anything else it is itself, as regular expressions want it.
fn text(expression: &str, at: usize, quote: char) -> Result<(String, usize)> {
    let mut out = String::new();
    let mut chars = expression[at + 1..].char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((out, i + 2)),
            '\\' => match chars.peek() {
                Some(&(_, next)) if next == quote || next == '\\' => {
                    // Two backslashes stay two: the text may be a regular expression.
                    if next == '\\' {
                        out.push('\\');
                    }
                    out.push(next);
                    chars.next();
                }
                _ => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    Err(fault(expression, at, "the text has no end", format!("close it with {quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_told_apart() {
        let words: Vec<Token> =
            tokens("a@b.c>=1_000 and 'it\\'s' != \"\\d\"-.5e-1").unwrap().into_iter().map(|t| t.1).collect();
        assert_eq!(
            words,
            [
                Token::Name("a@b.c".into()),
                Token::Sign(">="),
                Token::Number(1000.0),
                Token::Name("and".into()),
                Token::Text("it's".into()),
                Token::Sign("!="),
                Token::Text("\\d".into()),
                Token::Sign("-"),
                Token::Number(0.05),
            ]
        );
        let fault = |text| tokens(text).unwrap_err().to_string();
        assert!(fault("a = 1").contains("`=` compares nothing"));
        assert!(
            fault("a && b").contains("`&`")
                && fault("'x").contains("no end")
                && fault("1x").contains("number")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in any::<String>()) {
            let _ = tokens(&text);
        }
    }
}
