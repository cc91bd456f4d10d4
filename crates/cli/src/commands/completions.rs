//! `regimen completions`: scripts with which shells complete the command line.

use clap_complete::{Shell, generate};

use crate::args::{self, CompletionsArgs};
use crate::output::unwritten;

pub fn completions(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let shell = match args.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => Shell::Bash,
    };
    // It writes without asking whether that went well, so it writes into memory.
    let mut script = Vec::new();
    generate(shell, &mut args::command(false), "regimen", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script).map_err(unwritten)?;
    Ok(0)
}
