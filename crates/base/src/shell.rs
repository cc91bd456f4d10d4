//! Words for a shell.

/// A word as a POSIX shell takes it: in quotes if it needs them.
///
/// ```
/// use regimen_base::shell_quoted;
/// assert_eq!(shell_quoted("base.steps=3"), "base.steps=3");
/// assert_eq!(shell_quoted("it's a"), r"'it'\''s a'");
/// ```
pub fn shell_quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_quoted("base.steps=3"), "base.steps=3");
        assert_eq!(shell_quoted("it's a"), r"'it'\''s a'");
        assert_eq!(shell_quoted("$HOME"), "'$HOME'");
        assert_eq!(shell_quoted("\u{e9}"), "'\u{e9}'");
        assert_eq!(shell_quoted(""), "''");
    }
}
