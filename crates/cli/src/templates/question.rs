//! Questions on the terminal, answered line by line.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::output::{Fault, paint};

/// Whether there is somebody to ask: a terminal to read from and one to write to.
pub fn on_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Ask until the answer is one. An empty answer stands for `default`.
///
/// # Errors
/// The input ends.
pub fn ask<T>(
    question: &str,
    default: &str,
    answer: &dyn Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    loop {
        let mut out = io::stderr();
        let _ = write!(out, "{} [{default}] ", paint("1", question));
        let _ = out.flush();
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            let _ = writeln!(out);
            return Err(Fault::new(
                "the questions were not answered, and nothing was written",
                "answer them, or give the flags --data, --size and --template",
            ));
        }
        let text = line.trim();
        match answer(if text.is_empty() { default } else { text }) {
            Ok(value) => return Ok(value),
            Err(why) => {
                let _ = writeln!(out, "  {why}");
            }
        }
    }
}
