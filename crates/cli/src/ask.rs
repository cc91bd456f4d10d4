//! A question before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::output::Fault;

/// Ask on a terminal, where the answer is no unless somebody types `y`. Elsewhere nobody can answer, so the flag
/// `--yes` has to.
pub fn agreed(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Fault::new(
            format!("{question} Nobody can answer here: stdin is no terminal"),
            "give the answer with `--yes`",
        ));
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
